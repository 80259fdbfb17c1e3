//! A call as the proxy sees it: its IAM action, its wire protocol, its times.

use std::borrow::Cow;
use std::time::Instant;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response};
use serde_json::{Value, json};

use super::Cut;
use super::fault::covers;

/// One call to AWS.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) id: usize,
    /// The IAM action, such as `ecs:UpdateService`. Of the REST protocols only the operations on Lambda aliases and
    /// versions and on S3 objects have theirs; for the others the method and path take its place, such as
    /// `lambda:GET /2015-03-31/functions/web`.
    pub action: String,
    /// The HTTP method.
    pub method: Method,
    pub(super) headers: HeaderMap,
    /// How it is written.
    pub protocol: Protocol,
    /// Path and query, such as `/2015-03-31/functions/web/versions?MaxItems=50`.
    pub path: String,
    /// What was sent.
    pub body: Bytes,
    /// When the whole request was there.
    pub arrived: Instant,
    /// When its answer was there, or it was cut; `None` while it is under way.
    pub ended: Option<Instant>,
    /// The answer's HTTP status, where there was one.
    pub status: Option<u16>,
    /// What was done to it.
    pub fault: Option<super::Fault>,
}

impl Call {
    /// Whether the call is one of this action (`ecs:UpdateService`), of this service (`ecs:*`) or any (`*`).
    pub fn is(&self, action: &str) -> bool {
        covers(action, &self.action)
    }

    /// What was sent, for the JSON protocols; `null` for the others.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The names and values of the form that was sent, for the Query protocol, in their order.
    pub fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// A header of the request, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The headers of the request that are text: their names in lower case, and their values.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// The bucket and the key that a call to S3 is about, by path or by host; the key is empty where it is about the
    /// bucket.
    pub fn object(&self) -> (String, String) {
        object(self.header(HOST.as_str()), self.path.split('?').next().unwrap_or_default())
    }

    /// The operation alone, such as `UpdateService`.
    pub fn operation(&self) -> &str {
        self.action.split_once(':').map_or(&*self.action, |(_, operation)| operation)
    }
}

/// The wire protocols of AWS (`awsJson1_0` and `awsJson1_1`, `awsQuery`, `rpcv2Cbor`, `restJson1`, `restXml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `X-Amz-Target`, JSON both ways.
    Json,
    /// A form with `Action=`, answered in XML.
    Query,
    /// `/service/<service>/operation/<operation>`, CBOR both ways.
    Cbor,
    /// Method and path, JSON both ways.
    Rest,
    /// Method and path, and XML for what is no object: S3.
    Xml,
}

/// An answer to a call, written by a test or a fault.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(Cow<'static, str>, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Raw(Vec<u8>),
    Error { code: Cow<'static, str>, message: Cow<'static, str> },
}

impl Answer {
    /// 200 with this JSON.
    pub fn json(body: &Value) -> Self {
        Self::raw(200, body.to_string())
    }

    /// 200 with this XML as the result of the call, for the Query protocol: what stands inside
    /// `<DescribeStacksResult>`. The XML names no namespace, which the clients do not look at.
    pub fn query(call: &Call, result: &str) -> Self {
        let operation = call.operation();
        let body = format!(
            "<{operation}Response><{operation}Result>{result}</{operation}Result><ResponseMetadata>\
             <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></{operation}Response>"
        );
        Self::raw(200, body)
    }

    /// This status with these bytes, of the call's own content type.
    pub fn raw(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Raw(body.into()) }
    }

    /// A service's error, written as the call's protocol has it.
    pub fn error(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let body = Body::Error { code: code.into(), message: message.into() };
        Self { status, headers: Vec::new(), body }
    }

    /// The same with this header, in the place of any that has the name.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn response(self, protocol: Protocol) -> Result<Response<Full<Bytes>>, Cut> {
        let mut response = Response::builder()
            .status(self.status)
            .header(CONTENT_TYPE, protocol.content_type())
            .header("x-amzn-requestid", "00000000-0000-4000-8000-000000000000");
        if protocol == Protocol::Cbor {
            response = response.header("smithy-protocol", "rpc-v2-cbor");
        }
        let body = match self.body {
            Body::Raw(body) => body,
            Body::Error { code, message } => {
                if protocol == Protocol::Rest {
                    response = response.header("x-amzn-errortype", &*code);
                }
                protocol.error(&code, &message)
            }
        };
        let mut response = response.body(Full::new(body.into()))?;
        for (name, value) in self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Cut)?;
            response.headers_mut().insert(name, HeaderValue::from_str(&value).map_err(|_| Cut)?);
        }
        Ok(response)
    }
}

impl Protocol {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Query => "text/xml",
            Self::Cbor => "application/cbor",
            Self::Rest => "application/json",
            Self::Xml => "application/xml",
        }
    }

    fn error(self, code: &str, message: &str) -> Vec<u8> {
        match self {
            Self::Json | Self::Rest => json!({"__type": code, "message": message}).to_string().into(),
            Self::Query => format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error>\
                 <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>",
                escaped(message)
            )
            .into(),
            Self::Xml => {
                format!("<Error><Code>{code}</Code><Message>{}</Message></Error>", escaped(message)).into()
            }
            Self::Cbor => {
                let mut map = vec![0xa2]; // a map of two pairs
                for text in ["__type", code, "message", message] {
                    write_cbor(&mut map, text);
                }
                map
            }
        }
    }
}

/// A text as XML has it between two tags.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A CBOR text string (RFC 8949, 3.1), with its length in two bytes.
fn write_cbor(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    out.push(0x79);
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(bytes);
}

/// The most calls that came one after another up to the first call of the action, that one included; zero if it was
/// not called. A call comes after another if it arrived when the other had ended.
pub fn longest_chain(calls: &[Call], until: &str) -> usize {
    let mut lengths: Vec<(&Call, usize)> = Vec::with_capacity(calls.len());
    for call in calls {
        let before = lengths
            .iter()
            .filter(|(earlier, _)| earlier.ended.is_some_and(|ended| ended <= call.arrived))
            .map(|(_, length)| *length)
            .max()
            .unwrap_or(0);
        if call.is(until) {
            return before + 1;
        }
        lengths.push((call, before + 1));
    }
    0
}

/// The IAM action and the protocol of a request. The service is the one that the signature is for.
pub(super) fn name(parts: &Parts, body: &[u8]) -> (String, Protocol) {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let path = parts.uri.path();
    let is_form = header(CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));

    let (operation, protocol) = if let Some(target) = header("x-amz-target") {
        (target.rsplit('.').next().unwrap_or(target).to_owned(), Protocol::Json)
    } else if let Some((_, operation)) = path.rsplit_once("/operation/") {
        (operation.to_owned(), Protocol::Cbor)
    } else if let Some(operation) = is_form.then(|| form_action(body)).flatten() {
        (operation, Protocol::Query)
    } else {
        (format!("{} {path}", parts.method), Protocol::Rest)
    };
    let service = header(AUTHORIZATION.as_str()).and_then(signed_for).map_or("unsigned", prefix);
    if service == "lambda"
        && let Some(action) = lambda_action(parts.method.as_str(), path)
    {
        return (action.to_owned(), protocol);
    }
    if service == "s3" {
        let (_, key) = object(header(HOST.as_str()), path);
        let query = parts.uri.query().unwrap_or_default();
        let action = object_action(parts.method.as_str(), !key.is_empty(), query);
        return (action.map_or_else(|| format!("s3:{operation}"), ToOwned::to_owned), Protocol::Xml);
    }
    (format!("{service}:{operation}"), protocol)
}

/// The IAM action of an operation on an object or on the list of them (S3 API). What another sub-resource is about,
/// such as `?tagging`, has none here.
fn object_action(method: &str, has_key: bool, query: &str) -> Option<&'static str> {
    const OF_LISTS: [&str; 8] = [
        "continuation-token",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "list-type",
        "max-keys",
        "prefix",
        "start-after",
    ];
    let names = || query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
    let plain = names().all(|name| match name {
        "x-id" => true,
        "versionId" => has_key,
        name => !has_key && OF_LISTS.contains(&name),
    });
    let of_version = names().any(|name| name == "versionId");
    match (method, has_key) {
        _ if !plain => None,
        ("PUT", true) => Some("s3:PutObject"),
        ("GET" | "HEAD", true) => Some(if of_version { "s3:GetObjectVersion" } else { "s3:GetObject" }),
        ("DELETE", true) => Some(if of_version { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" }),
        ("GET" | "HEAD", false) => Some("s3:ListBucket"),
        _ => None,
    }
}

/// Bucket and key of a path. The bucket stands in front of the host, or at the beginning of the path where the host is
/// an address, `localhost` or that of S3 itself.
fn object(host: Option<&str>, path: &str) -> (String, String) {
    let host = host.map_or("", |host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    let in_host = [".s3.", ".s3-", ".localhost"]
        .iter()
        .find_map(|end| host.find(end).and_then(|at| host.get(..at)))
        .filter(|bucket| !bucket.is_empty());
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = match in_host {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    (bucket.to_owned(), unescaped(key))
}

/// A part of a path without its percent signs.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code =
            after.get(..2).filter(|_| first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The IAM action of an operation on aliases or versions (Lambda API, `/2015-03-31/functions/<function>/…`).
fn lambda_action(method: &str, path: &str) -> Option<&'static str> {
    let below: Vec<&str> = path.strip_prefix("/2015-03-31/functions/")?.split('/').collect();
    match (method, below.as_slice()) {
        ("GET", [_, "aliases"]) => Some("lambda:ListAliases"),
        ("GET", [_, "aliases", _]) => Some("lambda:GetAlias"),
        ("PUT", [_, "aliases", _]) => Some("lambda:UpdateAlias"),
        ("GET", [_, "versions"]) => Some("lambda:ListVersionsByFunction"),
        _ => None,
    }
}

/// `Action` of a form; the names of operations need no decoding.
fn form_action(body: &[u8]) -> Option<String> {
    let form = std::str::from_utf8(body).ok()?;
    form.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(ToOwned::to_owned)
}

/// The service in the credential scope of Signature Version 4: `Credential=<key>/<day>/<Region>/<service>/aws4_request`.
fn signed_for(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split(',').next()?.split('/').nth(3)
}

/// The IAM prefix of a service that signs under another name.
fn prefix(service: &str) -> &str {
    match service {
        "monitoring" => "cloudwatch",
        "tagging" => "tag",
        same => same,
    }
}
