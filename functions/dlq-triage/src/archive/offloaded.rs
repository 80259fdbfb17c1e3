//! Letters that only point to an object in S3, as the SQS extended clients write them: what they point to is kept with
//! them, because its owner may delete it sooner.

use aws_sdk_s3::types::TaggingDirective;
use serde::Deserialize;
use shared::Result;
use shared::error::Call;

use super::Place;

/// The names under which the Java and Python extended clients write a pointer (`payloadoffloading` 2.x,
/// `amazon-sqs-java-extended-client-lib` 1.x).
const POINTERS: [&str; 2] =
    ["software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"];

/// Where the object is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Pointer {
    #[serde(rename = "s3BucketName")]
    pub(super) bucket: String,
    #[serde(rename = "s3Key")]
    pub(super) key: String,
}

/// What a body points to, if that is all it does.
pub(super) fn pointer(body: &str) -> Option<Pointer> {
    if !body.starts_with("[\"") {
        return None;
    }
    let (name, pointer): (String, Pointer) = serde_json::from_str(body).ok()?;
    POINTERS.contains(&name.as_str()).then_some(pointer)
}

/// Copies the object into the archive; its bytes do not pass through here. Its tags are left behind, because to copy them
/// takes permissions of their own.
pub(super) async fn keep(place: &Place<'_>, pointer: &Pointer, key: &str) -> Result<()> {
    let source = format!("{}/{}", pointer.bucket, escaped(&pointer.key));
    let copied = place
        .s3
        .copy_object()
        .bucket(place.bucket)
        .key(key)
        .copy_source(source)
        .tagging_directive(TaggingDirective::Replace)
        .send()
        .await;
    copied.action("s3:GetObject").map(drop)
}

/// As a header takes it (S3 API, `x-amz-copy-source`): URL-encoded but for the slashes.
fn escaped(key: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, pointer};

    #[test]
    fn a_pointer_is_told_from_a_list() {
        let body =
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k/1"}]"#;
        let found = pointer(body).unwrap();
        assert_eq!((found.bucket.as_str(), found.key.as_str()), ("b", "k/1"));
        for other in ["[\"x\", {}]", "[1]", "", "[\"software.amazon.payloadoffloading.PayloadS3Pointer\"]"] {
            assert_eq!(pointer(other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_escaped_as_a_header_takes_it() {
        assert_eq!(escaped("a b/ü+1.json"), "a%20b/%C3%BC%2B1.json");
    }
}
