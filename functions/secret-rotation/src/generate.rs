//! Random values from the operating system's source.

use serde::Serialize;
use shared::{Error, Result};

use crate::hidden::Hidden;

/// The characters of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Alphabet {
    /// `0-9a-f`
    Hex,
    /// `A-Za-z0-9-_`
    Base64Url,
    /// `A-Za-z0-9`
    Alphanumeric,
    /// `A-Za-z`
    Letters,
    /// `0-9`
    Digits,
}

impl Alphabet {
    /// All of them, by the words of the tag `watchkeeper:random-alphabet`.
    pub const NAMED: [(&str, Self); 5] = [
        ("hex", Self::Hex),
        ("base64url", Self::Base64Url),
        ("alphanumeric", Self::Alphanumeric),
        ("letters", Self::Letters),
        ("digits", Self::Digits),
    ];

    /// The characters.
    pub const fn characters(self) -> &'static [u8] {
        match self {
            Self::Hex => b"0123456789abcdef",
            Self::Base64Url => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
            Self::Alphanumeric => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            Self::Letters => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Self::Digits => b"0123456789",
        }
    }
}

/// What a value is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// Its characters.
    pub alphabet: Alphabet,
    /// How many.
    pub length: usize,
}

impl Shape {
    /// A password or token: 285 bits that need no quoting in a URL, a shell or a connection string. ElastiCache allows 16
    /// to 128 characters and, of all others than letters and digits, only `!&#$^<>-`.
    pub const PASSWORD: Self = Self { alphabet: Alphabet::Alphanumeric, length: 48 };

    /// How many bits of chance are in it, rounded down.
    pub fn bits(self) -> usize {
        // Per 100 characters, because the logarithm of 62 is no whole number.
        let per_hundred = match self.alphabet {
            Alphabet::Hex => 400,
            Alphabet::Base64Url => 600,
            Alphabet::Alphanumeric => 595,
            Alphabet::Letters => 570,
            Alphabet::Digits => 332,
        };
        self.length.saturating_mul(per_hundred) / 100
    }

    /// Whether a value has this shape.
    pub fn fits(self, value: &str) -> bool {
        value.len() == self.length && value.bytes().all(|byte| self.alphabet.characters().contains(&byte))
    }
}

/// A new value.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn value(shape: Shape) -> Result<Hidden> {
    let characters = shape.alphabet.characters();
    // Bytes from the last, incomplete round through the alphabet are left out, so that every character is as likely.
    let rounds = 256 / characters.len() * characters.len();
    let mut value = String::with_capacity(shape.length);
    let mut bytes = [0; 64];
    while value.len() < shape.length {
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::Later(format!("the operating system gives no random bytes: {error}")))?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < rounds);
        let drawn = fair.filter_map(|byte| characters.get(byte % characters.len()));
        value.extend(drawn.take(shape.length - value.len()).map(|byte| char::from(*byte)));
    }
    Ok(Hidden::new(value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Alphabet, Shape, value};

    #[test]
    fn a_value_has_its_shape_and_is_new_every_time() {
        for (_, alphabet) in Alphabet::NAMED {
            for length in [1, 63, 64, 65, 4096] {
                let shape = Shape { alphabet, length };
                let drawn = value(shape).unwrap();
                assert!(shape.fits(drawn.reveal()), "{shape:?}");
            }
        }
        let drawn: BTreeSet<_> =
            (0..100).map(|_| value(Shape::PASSWORD).unwrap().reveal().to_owned()).collect();
        assert_eq!(drawn.len(), 100);
    }

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        for (name, alphabet) in Alphabet::NAMED {
            let drawn = value(Shape { alphabet, length: 200_000 }).unwrap();
            let expected = 200_000 / alphabet.characters().len();
            for character in alphabet.characters() {
                let seen = drawn.reveal().bytes().filter(|byte| byte == character).count();
                // Six standard deviations and more: one run in many millions fails by chance.
                assert!(
                    seen.abs_diff(expected) < expected / 7 + 60,
                    "{name} {}: {seen}",
                    char::from(*character)
                );
            }
        }
    }

    #[test]
    fn a_password_is_one_that_elasticache_takes_and_nobody_guesses() {
        let Shape { length, .. } = Shape::PASSWORD;
        assert!((16..=128).contains(&length));
        assert!(Shape::PASSWORD.bits() >= 256);
        for _ in 0..100 {
            assert!(
                value(Shape::PASSWORD).unwrap().reveal().bytes().all(|byte| byte.is_ascii_alphanumeric())
            );
        }
    }

    #[test]
    fn the_bits_are_those_of_the_alphabet() {
        for (name, alphabet) in Alphabet::NAMED {
            #[expect(clippy::cast_precision_loss, reason = "alphabets are short")]
            let exact = (alphabet.characters().len() as f64).log2() * 1_000.0;
            #[expect(clippy::cast_precision_loss, reason = "a few thousand bits")]
            let bits = Shape { alphabet, length: 1_000 }.bits() as f64;
            assert!((exact - 10.0..=exact).contains(&bits), "{name}: {bits} of {exact}");
        }
    }
}
