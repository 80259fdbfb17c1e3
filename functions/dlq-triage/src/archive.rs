//! The archive: letters as lines of JSON in compressed parts, each with its checksum, and a manifest for each run.
//!
//! ```text
//! <environment>/<queue>/<year>/<month>/<day>/<run>/00000.ndjson.gz
//!                                                  00001.ndjson.gz
//!                                                  payloads/<message id>     what a letter only points to
//!                                                  manifest.json
//! ```
//!
//! A letter is taken out of its queue only after S3 has confirmed the checksum of the part it stands in. A run that dies
//! in between leaves it in both places. Nothing is ever written over, and a part without a manifest can be restored like
//! any other, because it carries its own checksum and count.

pub mod line;
mod offloaded;

use std::cell::RefCell;
use std::io::Write;
use std::mem;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::error::Call;
use shared::{Error, Result};

use crate::letter::Letter;
pub use line::Line;

/// A part is written when it has so many letters, or so many bytes before they are compressed.
const LETTERS: usize = 2_000;
const BYTES: usize = 8 << 20;

/// Where a run's parts go.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The client.
    pub s3: &'a Client,
    /// The bucket.
    pub bucket: &'a str,
    /// The key up to the part's name, without a slash at its end.
    pub prefix: &'a str,
}

/// The key under which a run's parts stand.
pub fn prefix(environment: &str, queue: &str, run: &str, now: Timestamp) -> String {
    format!("{environment}/{queue}/{}/{run}", now.strftime("%Y/%m/%d"))
}

/// What is kept of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format.
    pub version: u32,
    /// The queue's ARN.
    pub queue: String,
    /// When it was written.
    pub at: Timestamp,
    /// Who asked for it; nobody, where the function did it by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Its parts.
    pub parts: Vec<PartEntry>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEntry {
    /// Its key.
    pub key: String,
    /// How many letters it has.
    pub letters: usize,
    /// The SHA-256 of the object, in hexadecimal.
    pub sha256: String,
}

/// Letters on their way into the archive.
#[derive(Debug)]
pub struct Archiver<'a> {
    place: Place<'a>,
    open: RefCell<Part>,
    count: RefCell<usize>,
    written: RefCell<Vec<PartEntry>>,
}

/// What is to be taken out of the queue now.
#[derive(Debug, Default)]
pub struct Kept {
    /// The receipts of letters that stand in the archive.
    pub receipts: Vec<String>,
    /// Why the letter that was added stands there without what it points to, if so.
    pub without: Option<Error>,
}

/// What could not be kept: it stays in the queue.
#[derive(Debug)]
pub struct Lost {
    /// The receipts of the letters.
    pub receipts: Vec<String>,
    /// Why.
    pub error: Error,
}

#[derive(Debug)]
struct Part {
    lines: GzEncoder<Vec<u8>>,
    bytes: usize,
    receipts: Vec<String>,
}

impl Part {
    fn new() -> Self {
        Self { lines: GzEncoder::new(Vec::new(), Compression::fast()), bytes: 0, receipts: Vec::new() }
    }
}

impl<'a> Archiver<'a> {
    /// Nothing is written yet.
    pub fn new(place: Place<'a>) -> Self {
        Self {
            place,
            open: RefCell::new(Part::new()),
            count: RefCell::default(),
            written: RefCell::default(),
        }
    }

    /// Adds a letter, and writes the part when it is full: then the letters in it may be taken out of their queue. What it
    /// points to is copied first. Where that may not be read, the letter is kept without it only if this `is_last`, and its
    /// queue would lose it before the next time.
    ///
    /// # Errors
    /// What S3 answers: of this letter alone, or of the whole part.
    pub async fn add(&self, letter: &Letter, mut line: Line<'_>, is_last: bool) -> Result<Kept, Lost> {
        let mut without = None;
        let alone = |error| Lost { receipts: vec![letter.receipt.clone()], error };
        if let Some(pointer) = offloaded::pointer(&letter.body) {
            let key = format!("{}/payloads/{}", self.place.prefix, letter.id);
            match offloaded::keep(&self.place, &pointer, &key).await {
                Ok(()) => line.payload = Some(key),
                // Its owner deleted it: what is left of the letter is kept all the same.
                Err(error) if error.code() == Some("NoSuchKey") => {}
                // Who may not list the bucket is not told whether there is such an object (S3 API, `GetObject`): it may be
                // there, so that the letter waits for the permission as long as it can.
                Err(error @ Error::Denied { .. }) if is_last => {
                    line.without = Some(error.chain());
                    without = Some(error);
                }
                Err(error) => return Err(alone(error)),
            }
        }
        let malformed = |error: &dyn std::fmt::Display| {
            alone(Error::Malformed(format!("a letter cannot be written as a line of a part: {error}")))
        };
        let mut text = serde_json::to_vec(&line).map_err(|error| malformed(&error))?;
        text.push(b'\n');
        let full = {
            let mut open = self.open.borrow_mut();
            open.lines.write_all(&text).map_err(|error| malformed(&error))?;
            open.bytes += text.len();
            open.receipts.push(letter.receipt.clone());
            let is_full = LETTERS <= open.receipts.len() || BYTES <= open.bytes;
            is_full.then(|| mem::replace(&mut *open, Part::new()))
        };
        match full {
            Some(part) => Ok(Kept { without, ..self.write(part).await? }),
            None => Ok(Kept { without, ..Kept::default() }),
        }
    }

    /// Writes what is there.
    ///
    /// # Errors
    /// What S3 answers; then nothing of the part is taken out.
    pub async fn flush(&self) -> Result<Kept, Lost> {
        let part = mem::replace(&mut *self.open.borrow_mut(), Part::new());
        if part.receipts.is_empty() { Ok(Kept::default()) } else { self.write(part).await }
    }

    async fn write(&self, part: Part) -> Result<Kept, Lost> {
        let Part { lines, receipts, .. } = part;
        match self.put(lines, receipts.len()).await {
            Ok(entry) => {
                self.written.borrow_mut().push(entry);
                Ok(Kept { receipts, without: None })
            }
            Err(error) => Err(Lost { receipts, error }),
        }
    }

    async fn put(&self, lines: GzEncoder<Vec<u8>>, letters: usize) -> Result<PartEntry> {
        let bytes = lines.finish().map_err(|error| {
            Error::Malformed(format!("a part of the archive cannot be compressed: {error}"))
        })?;
        let number = self.count.replace_with(|count| *count + 1);
        let key = format!("{}/{number:05}.ndjson.gz", self.place.prefix);
        let sha256 = put(&self.place, &key, bytes, "application/gzip", letters).await?;
        Ok(PartEntry { key, letters, sha256 })
    }

    /// Writes the manifest of all that was written; nothing, where nothing was.
    ///
    /// # Errors
    /// What S3 answers.
    pub async fn close(&self, queue: &str, by: Option<&str>, now: Timestamp) -> Result<Option<Manifest>> {
        let parts = self.written.borrow().clone();
        if parts.is_empty() {
            return Ok(None);
        }
        let manifest =
            Manifest { version: 1, queue: queue.to_owned(), at: now, by: by.map(ToOwned::to_owned), parts };
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| Error::Malformed(format!("a manifest cannot be written as JSON: {error}")))?;
        let key = format!("{}/manifest.json", self.place.prefix);
        put(&self.place, &key, text, "application/json", manifest.parts.len()).await?;
        Ok(Some(manifest))
    }
}

/// Writes an object that is not there yet, and makes sure that S3 has what was sent: it answers with the checksum of what
/// it keeps. The SHA-256 in hexadecimal is the answer.
async fn put(place: &Place<'_>, key: &str, bytes: Vec<u8>, kind: &str, letters: usize) -> Result<String> {
    let digest = Sha256::digest(&bytes);
    let (checksum, hexadecimal) = (BASE64.encode(digest), hex::encode(digest));
    let put = place
        .s3
        .put_object()
        .bucket(place.bucket)
        .key(key)
        .checksum_sha256(&checksum)
        .content_type(kind)
        .metadata("letters", letters.to_string())
        .metadata("sha256", &hexadecimal)
        .if_none_match("*")
        .body(ByteStream::from(bytes))
        .send()
        .await;
    let kept = match put {
        Ok(put) => put.checksum_sha256,
        // The SDK repeats a write whose answer was lost; the repetition then meets what the first one wrote.
        Err(error) if is_there(&error) => None,
        Err(error) => return Err(error).action("s3:PutObject"),
    };
    let kept = match kept {
        Some(kept) => kept,
        None => BASE64.encode(Sha256::digest(read(place.s3, place.bucket, key).await?)),
    };
    if kept == checksum {
        Ok(hexadecimal)
    } else {
        Err(Error::Malformed(format!(
            "the archive does not have what was written to s3://{}/{key}: its letters stay in their queue",
            place.bucket
        )))
    }
}

fn is_there<E: aws_sdk_s3::error::ProvideErrorMetadata, R>(
    error: &aws_sdk_s3::error::SdkError<E, R>,
) -> bool {
    error.as_service_error().is_some_and(|error| error.code() == Some("PreconditionFailed"))
}

/// The SHA-256 that was written down with an object, in hexadecimal.
///
/// # Errors
/// What `s3:GetObject` answers.
pub(crate) async fn checksum(s3: &Client, bucket: &str, key: &str) -> Result<Option<String>> {
    let head = s3.head_object().bucket(bucket).key(key).send().await.action("s3:GetObject")?;
    Ok(head.metadata.and_then(|mut metadata| metadata.remove("sha256")))
}

/// An object, whole.
///
/// # Errors
/// What `s3:GetObject` answers.
pub(crate) async fn read(s3: &Client, bucket: &str, key: &str) -> Result<Vec<u8>> {
    let got = s3
        .get_object()
        .bucket(bucket)
        .key(key)
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .action("s3:GetObject")?;
    let body = got.body.collect().await.map_err(|error| Error::Aws {
        action: "s3:GetObject",
        code: None,
        transient: true,
        source: error.into(),
    })?;
    Ok(body.into_bytes().to_vec())
}
