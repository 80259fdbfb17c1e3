//! The body of a `PutObject`: unpacked, and checked against what came with it.

use aws_smithy_types::base64;
use sha2::{Digest, Sha256};

use super::calls::{Refused, refused};
use crate::proxy::Call;
use crate::recorded::checksums::{crc32, md5};

/// What S3 keeps of a body.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    /// The checksums that it was verified with, as headers.
    pub(super) checksums: Vec<(String, String)>,
}

const CHECKSUM: &str = "x-amz-checksum-";

/// Headers that begin like a checksum and are none.
const NO_CHECKSUMS: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

pub(super) fn read(call: &Call) -> Refused<Received> {
    let is_chunked = call.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked"));
    let (bytes, trailers) = if is_chunked {
        let unpacked = unpacked(&call.body);
        unpacked.ok_or_else(|| refused(400, "IncompleteBody", "The request body terminated unexpectedly"))?
    } else {
        (call.body.to_vec(), Vec::new())
    };
    if let Some(length) = call.header("x-amz-decoded-content-length")
        && length != bytes.len().to_string()
    {
        return Err(refused(
            400,
            "IncompleteBody",
            "The body is not as long as x-amz-decoded-content-length says",
        ));
    }
    check_signed(call, &bytes)?;
    if let Some(sum) = call.header("content-md5") {
        let sum = base64::decode(sum).ok().filter(|sum| sum.len() == 16);
        let sum =
            sum.ok_or_else(|| refused(400, "InvalidDigest", "The Content-MD5 you specified was invalid."))?;
        if sum != md5(&bytes) {
            let message = "The Content-MD5 you specified did not match what we received.";
            return Err(refused(400, "BadDigest", message));
        }
    }
    if let Some(promised) = call.header("x-amz-trailer")
        && !trailers.iter().any(|(name, _)| name == promised)
    {
        return Err(refused(
            400,
            "MalformedTrailerError",
            "The trailer that x-amz-trailer names is not there.",
        ));
    }
    let in_headers = call.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let checksums: Vec<(String, String)> = in_headers
        .chain(trailers)
        .filter(|(name, _)| name.starts_with(CHECKSUM) && !NO_CHECKSUMS.contains(&&**name))
        .collect();
    if call.header("x-amz-sdk-checksum-algorithm").is_some() && checksums.is_empty() {
        let message = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                       x-amz-trailer headers were found.";
        return Err(refused(400, "InvalidRequest", message));
    }
    if checksums.len() > 1 {
        let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(refused(400, "InvalidRequest", message));
    }
    for (name, value) in &checksums {
        check(name, value, &bytes)?;
    }
    Ok(Received { bytes, checksums })
}

/// What the signature says of the body: its SHA-256, or that it says nothing.
fn check_signed(call: &Call, bytes: &[u8]) -> Refused<()> {
    let Some(signed) = call.header("x-amz-content-sha256").filter(|signed| signed.len() == 64) else {
        return Ok(());
    };
    if signed == hex::encode(Sha256::digest(bytes)) {
        return Ok(());
    }
    let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    Err(refused(400, "XAmzContentSHA256Mismatch", message))
}

fn check(name: &str, value: &str, bytes: &[u8]) -> Refused<()> {
    let algorithm = name.trim_start_matches(CHECKSUM);
    let computed = match algorithm {
        "crc32" => crc32(bytes).to_be_bytes().to_vec(),
        "sha256" => Sha256::digest(bytes).to_vec(),
        _ => return Err(refused(501, "NotImplemented", format!("{name} is not covered by this double"))),
    };
    let given = base64::decode(value).ok().filter(|given| given.len() == computed.len());
    let invalid = || refused(400, "InvalidRequest", format!("Value for {name} header is invalid."));
    if given.ok_or_else(invalid)? == computed {
        return Ok(());
    }
    let algorithm = algorithm.to_ascii_uppercase();
    let message = format!("The {algorithm} you specified did not match the calculated checksum.");
    Err(refused(400, "BadDigest", message))
}

type Trailers = Vec<(String, String)>;

/// The bytes in `aws-chunked` pieces, and the headers behind them (S3 API, "Transferring Payload in Multiple Chunks").
/// The signatures of the pieces are nobody's affair here.
fn unpacked(mut rest: &[u8]) -> Option<(Vec<u8>, Trailers)> {
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        let (head, after) = line(rest)?;
        let size = head.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = after;
        if size == 0 {
            break;
        }
        bytes.extend(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Vec::new();
    while let Some((head, after)) = line(rest).filter(|(head, _)| !head.is_empty()) {
        let (name, value) = head.split_once(':')?;
        trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        rest = after;
    }
    Some((bytes, trailers))
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((std::str::from_utf8(bytes.get(..end)?).ok()?, bytes.get(end + 2..)?))
}
