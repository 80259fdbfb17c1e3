//! One letter in the archive: all of it that a resend needs, and what was known of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::policy::dlq::Verdict;
use shared::{Error, Result};

use crate::flavour::Flavour;
use crate::letter::Letter;

/// One line of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line<'a> {
    /// The version of the format; 1.
    pub version: u32,
    /// The queue's id of the message.
    pub id: Cow<'a, str>,
    /// When it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Timestamp>,
    /// How often it was received.
    pub receives: u32,
    /// The queue it was moved from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Cow<'a, str>>,
    /// `MessageGroupId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_group: Option<Cow<'a, str>>,
    /// `AWSTraceHeader`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Cow<'a, str>>,
    /// The attributes of its sender.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<Cow<'a, str>, Attribute<'a>>,
    /// What was sent.
    pub body: Cow<'a, str>,
    /// Where the archive has what the body points to, if it only points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Why the archive does not have it, where it may not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
    /// How it came to be dead.
    pub flavour: Flavour,
    /// Its group.
    pub group: Cow<'a, str>,
    /// Why it died.
    pub verdict: Verdict,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute<'a> {
    /// Such as `String` or `Number.int`.
    #[serde(rename = "type")]
    pub kind: Cow<'a, str>,
    /// Its text, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    /// Its bytes in base64, where it is binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

impl<'a> Line<'a> {
    /// Of a letter.
    pub fn of(letter: &'a Letter, flavour: Flavour, group: &'a str, verdict: Verdict) -> Self {
        let attribute = |(name, value): (&'a String, &'a MessageAttributeValue)| {
            let attribute = Attribute {
                kind: Cow::Borrowed(value.data_type.as_str()),
                text: value.string_value.as_deref().map(Cow::Borrowed),
                bytes: value.binary_value.as_ref().map(|bytes| BASE64.encode(bytes.as_ref())),
            };
            (Cow::Borrowed(name.as_str()), attribute)
        };
        let text = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        Self {
            version: 1,
            id: Cow::Borrowed(&letter.id),
            sent: letter.sent,
            receives: letter.receives,
            source: text(&letter.source),
            message_group: text(&letter.group),
            trace: text(&letter.trace),
            attributes: letter.attributes.iter().map(attribute).collect(),
            body: Cow::Borrowed(&letter.body),
            payload: None,
            without: None,
            flavour,
            group: Cow::Borrowed(group),
            verdict,
        }
    }

    /// The letter again, without a receipt.
    ///
    /// # Errors
    /// [`Error::Malformed`] for attributes that cannot be read.
    pub fn letter(&self) -> Result<Letter> {
        let attribute = |(name, value): (&Cow<'_, str>, &Attribute<'_>)| {
            let bytes = value.bytes.as_ref().map(|text| BASE64.decode(text)).transpose();
            let bytes = bytes.map_err(|error| unreadable(&self.id, &error))?;
            let value = MessageAttributeValue::builder()
                .data_type(value.kind.as_ref())
                .set_string_value(value.text.as_ref().map(ToString::to_string))
                .set_binary_value(bytes.map(Blob::new))
                .build()
                .map_err(|error| unreadable(&self.id, &error))?;
            Ok((name.to_string(), value))
        };
        let text = |text: &Option<Cow<'_, str>>| text.as_ref().map(ToString::to_string);
        Ok(Letter {
            id: self.id.to_string(),
            receipt: String::new(),
            body: self.body.to_string(),
            sent: self.sent,
            receives: self.receives,
            source: text(&self.source),
            group: text(&self.message_group),
            trace: text(&self.trace),
            attributes: self.attributes.iter().map(attribute).collect::<Result<_>>()?,
        })
    }
}

fn unreadable(id: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Malformed(format!("an attribute of letter {id} in the archive cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::MessageAttributeValue;
    use shared::policy::dlq::Verdict;

    use super::Line;
    use crate::flavour::Flavour;
    use crate::letter::Letter;

    #[test]
    fn a_letter_reads_back_from_the_archive_as_it_was() {
        let text =
            MessageAttributeValue::builder().data_type("Number.int").string_value("17").build().unwrap();
        let bytes =
            MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255])).build();
        let letter = Letter {
            id: "m".to_owned(),
            receipt: String::new(),
            body: "{\"a\": \"ü\\u0000\"}\n".to_owned(),
            sent: Some("2026-11-26T08:00:00.123Z".parse().unwrap()),
            receives: 4,
            source: Some("arn".to_owned()),
            group: Some("g".to_owned()),
            trace: Some("Root=1".to_owned()),
            attributes: [("n".to_owned(), text), ("b".to_owned(), bytes.unwrap())].into(),
        };
        let written =
            serde_json::to_string(&Line::of(&letter, Flavour::Queue, "group", Verdict::Unknown)).unwrap();
        assert!(!written.contains('\n'), "{written}");
        let read: Line<'_> = serde_json::from_str(&written).unwrap();
        assert_eq!(read.letter().unwrap(), letter);
    }
}
