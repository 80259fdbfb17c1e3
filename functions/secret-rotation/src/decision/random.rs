//! `random`: a value that nothing but the secret holds, such as a `SECRET_KEY_BASE`. Its tags say what it is made of:
//!
//! | tag | |
//! |---|---|
//! | `watchkeeper:random-length` | how many characters; 64 without it |
//! | `watchkeeper:random-alphabet` | `hex`, `base64url`, `alphanumeric`, `letters` or `digits`; `alphanumeric` without it |
//! | `watchkeeper:random-keys` | which fields of a JSON secret are renewed, with spaces between; without it, the secret is one text |

use super::case::Case;
use super::{Asked, Fill, Outcome, Recipe, Verdict, done, refuse};
use crate::document::Document;
use crate::facts::{Secret, Which};
use crate::generate::{Alphabet, Shape};

const LENGTH: &str = "watchkeeper:random-length";
const ALPHABET: &str = "watchkeeper:random-alphabet";
const KEYS: &str = "watchkeeper:random-keys";

/// Fewer bits of chance can be guessed.
const LEAST_BITS: usize = 128;

/// What fits into a secret (65,536 bytes), many times over.
const LONGEST: usize = 4096;

pub(super) fn create(case: &Case<'_>) -> Asked<Recipe> {
    let shape = shape(case.secret)?;
    let keys = keys(case.secret)?;
    let current = super::case::value(case.facts, case.secret, Which::Current)?;
    match (keys, current) {
        (None, None | Some(Document::Plain(_))) => Ok(Recipe::Whole(shape)),
        (None, Some(Document::Object(_))) => refuse(format!(
            "the secret is a JSON object: name the fields that are to be renewed in its tag {KEYS}"
        )),
        (Some(_), Some(Document::Plain(_))) => {
            refuse(format!("the tag {KEYS} names fields, but the secret is no JSON object"))
        }
        (Some(_), None) => {
            refuse("the secret has no AWSCURRENT value whose fields could be renewed: write one first")
        }
        (Some(keys), Some(current)) => {
            if let Some(lacking) = keys.iter().find(|key| !current.has(key)) {
                return refuse(format!("the secret has no field {lacking:?}, which its tag {KEYS} names"));
            }
            let fill = keys.into_iter().map(|key| (key, Fill::Random(shape))).collect();
            Ok(Recipe::Fields { base: current.clone(), fill })
        }
    }
}

pub(super) fn test(case: &Case<'_>) -> Asked<Verdict> {
    let pending = case.valued_pending()?;
    let current = super::case::value(case.facts, case.secret, Which::Current)?;
    if current == Some(pending) {
        return Ok(done(
            Outcome::Tested,
            "AWSPENDING equals AWSCURRENT: it is a test run, and nothing is renewed",
        ));
    }
    let shape = shape(case.secret)?;
    match (keys(case.secret)?, pending) {
        (None, Document::Plain(text)) if shape.fits(text.reveal()) => {}
        (Some(keys), Document::Object(_)) => {
            if let Some(misfit) =
                keys.iter().find(|key| !pending.field(key).is_some_and(|value| shape.fits(&value)))
            {
                return refuse(format!("AWSPENDING's field {misfit:?} is not what the tags say"));
            }
            if let Some(current) = current {
                if let Some(old) = keys.iter().find(|key| pending.field(key) == current.field(key)) {
                    return refuse(format!("AWSPENDING's field {old:?} is still the current one"));
                }
                if !pending.same_but(current, &keys) {
                    return refuse("AWSPENDING differs from AWSCURRENT in fields that are not renewed");
                }
            }
        }
        (None | Some(_), Document::Plain(_) | Document::Object(_)) => {
            return refuse("AWSPENDING is not what the secret's tags say");
        }
    }
    Ok(done(Outcome::Tested, "AWSPENDING is well-formed and new"))
}

fn shape(secret: &Secret) -> Asked<Shape> {
    let length = match secret.tags.get(LENGTH) {
        None => 64,
        Some(text) => match text.trim().parse() {
            Ok(length) if (1..=LONGEST).contains(&length) => length,
            Ok(_) | Err(_) => {
                return refuse(format!("the tag {LENGTH} is {text:?}; write a number up to {LONGEST}"));
            }
        },
    };
    let alphabet = match secret.tags.get(ALPHABET) {
        None => Alphabet::Alphanumeric,
        Some(text) => {
            let named = Alphabet::NAMED.iter().find(|(name, _)| *name == text.trim());
            let Some((_, alphabet)) = named else {
                let known = Alphabet::NAMED.map(|(name, _)| name).join(", ");
                return refuse(format!("the tag {ALPHABET} is {text:?}; write one of {known}"));
            };
            *alphabet
        }
    };
    let shape = Shape { alphabet, length };
    if shape.bits() < LEAST_BITS {
        return refuse(format!(
            "{length} characters of that alphabet hold {} bits of chance, and fewer than {LEAST_BITS} can be guessed: raise the \
             tag {LENGTH}",
            shape.bits()
        ));
    }
    Ok(shape)
}

fn keys(secret: &Secret) -> Asked<Option<Vec<String>>> {
    let Some(text) = secret.tags.get(KEYS) else { return Ok(None) };
    let mut keys: Vec<String> = text.split_whitespace().map(ToOwned::to_owned).collect();
    keys.sort();
    keys.dedup();
    if keys.is_empty() { refuse(format!("the tag {KEYS} names no field")) } else { Ok(Some(keys)) }
}
