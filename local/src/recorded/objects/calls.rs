//! The calls of the S3 API that the double answers.

use std::borrow::Cow;

use jiff::Timestamp;

use super::received::{Received, read};
use super::{Bucket, State, Version};
use crate::proxy::{Answer, Call, escaped};
use crate::recorded::checksums::md5;
use crate::recorded::{now, page};

pub(super) type Refused<T> = Result<T, Answer>;

/// The headers of S3's own that are understood.
const KNOWN: [&str; 13] = [
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// The headers that would change an answer, and are not covered.
const CONDITIONS: [&str; 5] =
    ["if-match", "if-modified-since", "if-none-match", "if-unmodified-since", "range"];

/// The headers that are kept with an object.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-language",
    "content-type",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
];

pub(super) fn answer(state: &mut State, call: &Call) -> Option<Answer> {
    if !call.is("s3:*") {
        return None;
    }
    let (name, key) = call.object();
    let id = state.id();
    let may_delete = state.may_delete;
    let bucket = state.buckets.get_mut(&name)?;
    let query = Query::of(&call.path);
    let result = check(call).and_then(|()| match (call.method.as_str(), call.operation()) {
        ("PUT", "PutObject") => put(bucket, call, &key, id),
        ("GET" | "HEAD", "GetObject" | "GetObjectVersion") => {
            get(bucket, call, &key, query.value("versionId"))
        }
        ("DELETE", "DeleteObject" | "DeleteObjectVersion") if !may_delete => {
            Err(refused(403, "AccessDenied", "Access Denied"))
        }
        ("DELETE", "DeleteObject" | "DeleteObjectVersion") => {
            Ok(delete(bucket, &key, query.value("versionId"), id))
        }
        ("HEAD", "ListBucket") => Ok(Answer::raw(200, "")),
        ("GET", "ListBucket") => list(bucket, &name, &query),
        _ => Err(uncovered(&call.action)),
    });
    Some(result.unwrap_or_else(|refusal| refusal))
}

pub(super) fn refused(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Answer {
    Answer::error(status, code, message)
}

fn uncovered(what: &str) -> Answer {
    refused(501, "NotImplemented", format!("{what} is not covered by this double"))
}

/// Nothing is passed over that would mean something to S3.
fn check(call: &Call) -> Refused<()> {
    let strange = call.headers().map(|(name, _)| name).find(|name| {
        let is_known = KNOWN.contains(name)
            || name.starts_with("x-amz-meta-")
            || (call.is("s3:PutObject") && name.starts_with("x-amz-checksum-"));
        let is_put_once = call.is("s3:PutObject") && *name == "if-none-match";
        (name.starts_with("x-amz-") && !is_known) || (CONDITIONS.contains(name) && !is_put_once)
    });
    strange.map_or(Ok(()), |name| Err(uncovered(name)))
}

fn put(bucket: &mut Bucket, call: &Call, key: &str, id: String) -> Refused<Answer> {
    let Received { bytes, checksums } = read(call)?;
    let versions = bucket.entry(key.to_owned()).or_default();
    match call.header("if-none-match") {
        Some("*") if versions.last().is_some_and(|version| version.bytes.is_some()) => {
            let message = "At least one of the pre-conditions you specified did not hold";
            return Err(refused(412, "PreconditionFailed", message));
        }
        None | Some("*") => {}
        Some(_) => return Err(uncovered("If-None-Match of anything but *")),
    }
    let mut headers: Vec<(String, String)> = call
        .headers()
        .filter(|(name, _)| KEPT.contains(name) || name.starts_with("x-amz-meta-"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // What was packed for the way is not packed where it lies.
    let encodings = call.header("content-encoding").unwrap_or_default().split(',').map(str::trim);
    let encodings: Vec<&str> = encodings.filter(|it| !it.is_empty() && *it != "aws-chunked").collect();
    if !encodings.is_empty() {
        headers.push(("content-encoding".to_owned(), encodings.join(",")));
    }
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "binary/octet-stream".to_owned()));
    }
    if !headers.iter().any(|(name, _)| name == "x-amz-server-side-encryption") {
        headers.push(("x-amz-server-side-encryption".to_owned(), "AES256".to_owned()));
    }
    let etag = format!("\"{}\"", hex::encode(md5(&bytes)));
    let version = Version { id, bytes: Some(bytes), etag, headers, checksums, written: now() };
    let encryption = version.headers.iter().filter(|(name, _)| name == "x-amz-server-side-encryption");
    let answer = with(Answer::raw(200, ""), encryption);
    let answer = with(answer, &version.checksums);
    let answer = named(answer, &version);
    versions.push(version);
    Ok(answer)
}

/// `GetObject` and `HeadObject`, which has the headers alone.
fn get(bucket: &Bucket, call: &Call, key: &str, id: Option<&str>) -> Refused<Answer> {
    let versions = bucket.get(key).map(Vec::as_slice).unwrap_or_default();
    let no_key = || refused(404, "NoSuchKey", "The specified key does not exist.");
    let version = match id {
        None => versions.last().ok_or_else(no_key)?,
        Some(id) => versions
            .iter()
            .find(|version| version.id == id)
            .ok_or_else(|| refused(404, "NoSuchVersion", "The specified version does not exist."))?,
    };
    let Some(bytes) = &version.bytes else {
        let refusal = match id {
            None => no_key(),
            Some(_) => {
                refused(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
            }
        };
        return Err(refusal
            .with_header("x-amz-delete-marker", "true")
            .with_header("x-amz-version-id", &version.id));
    };
    let mut answer = named(with(Answer::raw(200, bytes.as_slice()), &version.headers), version)
        .with_header("last-modified", version.written.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .with_header("accept-ranges", "bytes");
    if call.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        answer = with(answer, &version.checksums);
    }
    Ok(answer)
}

/// Without a version, a marker hides what is there; with one, that version is gone for good.
fn delete(bucket: &mut Bucket, key: &str, version: Option<&str>, id: String) -> Answer {
    let answer = Answer::raw(204, "");
    if let Some(version) = version {
        if let Some(versions) = bucket.get_mut(key) {
            versions.retain(|other| other.id != version);
        }
        return answer.with_header("x-amz-version-id", version);
    }
    let marker = Version {
        id: id.clone(),
        bytes: None,
        etag: String::new(),
        headers: Vec::new(),
        checksums: Vec::new(),
        written: now(),
    };
    bucket.entry(key.to_owned()).or_default().push(marker);
    answer.with_header("x-amz-delete-marker", "true").with_header("x-amz-version-id", id)
}

fn list(bucket: &Bucket, name: &str, query: &Query) -> Refused<Answer> {
    if query.value("list-type") != Some("2") {
        return Err(uncovered("ListObjects of the first version"));
    }
    for strange in ["delimiter", "encoding-type", "fetch-owner"] {
        if query.value(strange).is_some() {
            return Err(uncovered(strange));
        }
    }
    let size: usize = match query.value("max-keys").map(str::parse) {
        None => 1_000,
        Some(Ok(size)) => size,
        Some(Err(_)) => return Err(refused(400, "InvalidArgument", "Provided max-keys not an integer")),
    };
    let size = size.min(1_000);
    let prefix = query.value("prefix").unwrap_or_default();
    let after = query.value("start-after").unwrap_or_default();
    let keys = bucket.iter().filter_map(|(key, versions)| {
        let version = versions.last()?;
        let size = version.bytes.as_ref()?.len();
        (key.starts_with(prefix) && key.as_str() > after).then(|| entry(key, version, size))
    });
    let token = query.value("continuation-token");
    let (keys, next) = page(keys.collect(), token, size)
        .ok_or_else(|| refused(400, "InvalidArgument", "The continuation token provided is incorrect"))?;
    let next = next.filter(|_| size > 0);
    let tag = |name: &str, text: &str| format!("<{name}>{}</{name}>", escaped(text));
    let listed = [
        tag("Name", name),
        tag("Prefix", prefix),
        tag("KeyCount", &keys.len().to_string()),
        tag("MaxKeys", &size.to_string()),
        tag("IsTruncated", if next.is_some() { "true" } else { "false" }),
        token.map_or_else(String::new, |token| tag("ContinuationToken", token)),
        next.map_or_else(String::new, |next| tag("NextContinuationToken", &next)),
        keys.concat(),
    ];
    Ok(Answer::raw(200, format!("<ListBucketResult>{}</ListBucketResult>", listed.concat())))
}

fn entry(key: &str, version: &Version, size: usize) -> String {
    let class = version.headers.iter().find(|(name, _)| name == "x-amz-storage-class");
    format!(
        "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{size}</Size>\
         <StorageClass>{}</StorageClass></Contents>",
        escaped(key),
        written(version.written),
        escaped(&version.etag),
        class.map_or("STANDARD", |(_, class)| class),
    )
}

fn written(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

fn named(answer: Answer, version: &Version) -> Answer {
    answer.with_header("etag", &version.etag).with_header("x-amz-version-id", &version.id)
}

fn with<'a>(answer: Answer, headers: impl IntoIterator<Item = &'a (String, String)>) -> Answer {
    headers.into_iter().fold(answer, |answer, (name, value)| answer.with_header(name.clone(), value))
}

/// The parameters behind a path.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(path: &str) -> Self {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}
