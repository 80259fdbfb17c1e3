//! Settings: read once, in `main`, typed; a bad one ends the start with a line that names it.

use std::fmt::Display;
use std::str::FromStr;

use crate::{Error, Result};

/// Where settings come from. Tests hand in their own lookup and never touch the process.
pub struct Env<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Env<'static> {
    /// The environment of the process.
    pub fn process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
        Self { lookup: &|name| std::env::var(name).ok() }
    }
}

impl<'a> Env<'a> {
    /// A lookup from a variable's name to its value.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// The variable as a `T`.
    pub fn required<T>(&self, name: &'static str) -> Result<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let value =
            self.optional(name).ok_or_else(|| Error::Config { name, problem: "is not set".to_owned() })?;
        value
            .trim()
            .parse()
            .map_err(|error: T::Err| Error::Config { name, problem: format!("is malformed: {error}") })
    }

    /// The variable, where it is set and not blank.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    /// The variable as a whole number within the bounds, both included.
    pub fn within(&self, name: &'static str, least: i64, most: i64) -> Result<i64> {
        let value: i64 = self.required(name)?;
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(Error::Config {
                name,
                problem: format!("is {value}; it must lie between {least} and {most}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Env;

    #[track_caller]
    fn check(value: Option<&str>, expected: &str) {
        let lookup = |_: &str| value.map(ToOwned::to_owned);
        let read = Env::new(&lookup).within("WINDOW", 1, 60);
        let got = read.map_or_else(|error| error.to_string(), |value| value.to_string());
        assert_eq!(got, expected);
    }

    #[test]
    fn a_bad_setting_is_named_with_what_is_wrong() {
        check(Some("15"), "15");
        check(Some(" 15 "), "15");
        check(None, "environment variable WINDOW is not set");
        check(Some(""), "environment variable WINDOW is not set");
        check(Some("soon"), "environment variable WINDOW is malformed: invalid digit found in string");
        check(Some("0"), "environment variable WINDOW is 0; it must lie between 1 and 60");
    }
}
