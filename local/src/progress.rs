//! How long work says that it goes on.

/// Whoever shows progress: a terminal, or nobody.
pub trait Progress: Sync {
    /// Something begins that takes a while, or has ended: a line that stays.
    fn step(&self, text: &str);

    /// Where it is: worth seeing on a terminal, and replaced by the next one.
    fn detail(&self, text: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str) {}

    fn detail(&self, _: &str) {}
}
