//! What all parts of the page are made of: texts, times, states.

use std::fmt;

use jiff::Timestamp;
use shared::text::clean;

use crate::decision::Health;

/// The longest text that is shown, in characters.
pub(super) const LONGEST: usize = 600;

/// A shape for each state, so that none is told by its colour alone.
pub(super) const SHAPES: &str = "\
<svg width=\"0\" height=\"0\" class=\"shapes\" aria-hidden=\"true\" focusable=\"false\">\
<symbol id=\"s-failed\" viewBox=\"0 0 16 16\"><path fill=\"currentColor\" fill-rule=\"evenodd\" d=\"M5 0h6l5 5v6l-5 5H5l-5-5V5z\
M5.6 4 4 5.6 6.4 8 4 10.4 5.6 12 8 9.6 10.4 12 12 10.4 9.6 8 12 5.6 10.4 4 8 6.4z\"/></symbol>\
<symbol id=\"s-degraded\" viewBox=\"0 0 16 16\"><path fill=\"currentColor\" fill-rule=\"evenodd\" d=\"M8 .5 16 15H0z\
M7 5.5 7.3 10.5H8.7L9 5.5zM7 11.7V13.5H9V11.7z\"/></symbol>\
<symbol id=\"s-unknown\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"7\" fill=\"none\" stroke=\"currentColor\" \
stroke-width=\"1.8\" stroke-dasharray=\"3 1.4\"/><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.8\" \
d=\"M5.7 6.3a2.3 2.3 0 1 1 3.4 2C8.3 8.7 8 9 8 9.8\"/><circle cx=\"8\" cy=\"12\" r=\"1.1\" fill=\"currentColor\"/></symbol>\
<symbol id=\"s-healthy\" viewBox=\"0 0 16 16\"><path fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.4\" \
d=\"M2 8.5 6.3 13 14 3.5\"/></symbol>\
<symbol id=\"s-not-applicable\" viewBox=\"0 0 16 16\"><path stroke=\"currentColor\" stroke-width=\"2.4\" d=\"M2 8H14\"/></symbol>\
</svg>";

/// A state: its shape, and a word or more in its colour.
pub(super) fn state(health: Health, words: &str) -> String {
    format!(
        "<span class=\"state {}\"><svg aria-hidden=\"true\"><use href=\"#s-{}\"/></svg>{words}</span>",
        class(health),
        health.word()
    )
}

/// The class that its colour hangs on.
pub(super) const fn class(health: Health) -> &'static str {
    match health {
        Health::NotApplicable => "rest",
        Health::Healthy | Health::Unknown | Health::Degraded | Health::Failed => health.word(),
    }
}

/// Text that is not ours, as HTML, also within an attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = clean(self.0);
        let end = shown.char_indices().nth(LONGEST).map(|(end, _)| end);
        let (head, cut) = match end.and_then(|end| shown.get(..end)) {
            Some(head) => (head, "…"),
            None => (shown.as_str(), ""),
        };
        for c in head.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str(cut)
    }
}

/// A time for people, and for their browsers.
pub(super) struct Time(pub(super) Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.strftime("%-d %B %Y, %H:%M UTC");
        write!(f, "<time datetime=\"{}\">{shown}</time>", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// A time where there is little room, in UTC.
pub(super) struct Brief(pub(super) Timestamp);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.strftime("%-d %b %H:%M");
        write!(f, "<time datetime=\"{}\">{shown}</time>", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}
