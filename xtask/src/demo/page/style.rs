//! How the page looks.

pub(super) const STYLE: &str = include_str!("style.css");
