use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use aws_smithy_types::base64;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;

use super::Objects;
use crate::aws::sdk_config;
use crate::proxy::{Fault, Proxy, When};
use crate::recorded::uncovered;

struct Scene {
    objects: Objects,
    s3: Client,
    proxy: Proxy,
}

async fn scene(objects: Objects) -> Scene {
    let answers = objects.clone();
    let proxy =
        Proxy::answering(move |call| answers.answer(call).unwrap_or_else(|| uncovered(call))).await.unwrap();
    let s3 = Client::new(&sdk_config(proxy.url()).await);
    Scene { objects, s3, proxy }
}

async fn archive() -> Scene {
    scene(Objects::new().bucket("archive")).await
}

impl Scene {
    async fn put(&self, key: &str, body: &'static str) -> String {
        let put =
            self.s3.put_object().bucket("archive").key(key).body(ByteStream::from_static(body.as_bytes()));
        code(put.send().await)
    }

    /// The body and its CRC-32, or the code of the refusal. The client itself checks one against the other.
    async fn get(&self, key: &str) -> Result<(String, Option<String>), String> {
        let get = self.s3.get_object().bucket("archive").key(key).checksum_mode(ChecksumMode::Enabled);
        let got = match get.send().await {
            Ok(got) => got,
            refused => return Err(code(refused)),
        };
        let sum = got.checksum_crc32().map(ToOwned::to_owned);
        let body = got.body.collect().await.map_err(|error| format!("{error:?}"))?;
        Ok((String::from_utf8(body.to_vec()).unwrap(), sum))
    }

    /// Status and text of an answer to a call that no client makes like this.
    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, String) {
        let scope =
            "AWS4-HMAC-SHA256 Credential=AKIA/20261120/eu-central-1/s3/aws4_request, SignedHeaders=host";
        let request = Request::builder().method(method).uri(format!("{}{path}", self.proxy.url()));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.header("authorization", scope).body(Full::new(Bytes::from(body.to_owned())));
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn code<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().unwrap_or_default().to_owned(),
    }
}

#[tokio::test]
async fn what_was_put_is_got_with_its_checksum_its_type_and_its_metadata() {
    let scene = archive().await;
    let put = scene.s3.put_object().bucket("archive").key("a b/ü+1.json").content_type("application/json");
    let put = put.metadata("letters", "10").body(ByteStream::from_static(b"123456789")).send().await.unwrap();
    assert_eq!(put.checksum_crc32(), Some("y/Q5Jg=="));
    assert_eq!(put.e_tag(), Some("\"25f9e794323b453885f5181f1b624d0b\""));
    assert_eq!(scene.get("a b/ü+1.json").await, Ok(("123456789".to_owned(), Some("y/Q5Jg==".to_owned()))));
    let expected = ("archive".to_owned(), "a b/ü+1.json".to_owned(), b"123456789".to_vec());
    assert_eq!(scene.objects.objects(), [expected]);
    assert_eq!(scene.objects.header("a b/ü+1.json", "x-amz-meta-letters").as_deref(), Some("10"));
    let head = scene.s3.head_object().bucket("archive").key("a b/ü+1.json").send().await.unwrap();
    assert_eq!((head.content_length(), head.content_type()), (Some(9), Some("application/json")));
    assert_eq!(head.version_id(), put.version_id());
    assert_eq!(head.metadata().unwrap()["letters"], "10");
    assert!(head.last_modified().is_some());
    assert_eq!(head.checksum_crc32(), None);
    assert_eq!(scene.proxy.count("s3:PutObject") + scene.proxy.count("s3:GetObject"), 3);
}

#[tokio::test]
async fn a_body_is_checked_against_every_checksum_that_comes_with_it() {
    let scene = archive().await;
    let md5 = "JfnnlDI7RTiF9RgfG2JNCw==";
    let sha256 = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=";
    for (headers, expected) in [
        (&[("x-amz-checksum-crc32", "y/Q5Jg==")][..], ""),
        (&[("x-amz-checksum-crc32", "y/Q5Jw==")], "BadDigest"),
        (&[("x-amz-checksum-crc32", "y/Q5")], "InvalidRequest"),
        (&[("x-amz-checksum-sha256", &base64::encode([0; 32]))], "BadDigest"),
        (&[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")], "NotImplemented"),
        (&[("x-amz-checksum-crc32", "y/Q5Jg=="), ("x-amz-checksum-sha256", sha256)], "InvalidRequest"),
        (&[("x-amz-sdk-checksum-algorithm", "CRC32")], "InvalidRequest"),
        (&[("content-md5", md5)], ""),
        (&[("content-md5", "AfnnlDI7RTiF9RgfG2JNCw==")], "BadDigest"),
        (&[("content-md5", "nonsense")], "InvalidDigest"),
        (&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")], ""),
        (&[("x-amz-content-sha256", &"0".repeat(64))], "XAmzContentSHA256Mismatch"),
    ] {
        let (status, text) = scene.send("PUT", "/archive/key", headers, "123456789").await;
        assert_eq!(status.is_success(), expected.is_empty(), "{headers:?} {text}");
        assert!(text.contains(expected), "{headers:?} {text}");
    }
    let put =
        scene.s3.put_object().bucket("archive").key("sha").checksum_algorithm(ChecksumAlgorithm::Sha256);
    let put = put.body(ByteStream::from_static(b"123456789")).send().await.unwrap();
    assert_eq!(put.checksum_sha256(), Some(sha256));
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together_and_checked_against_its_trailer() {
    let scene = archive().await;
    let headers = [
        ("content-encoding", "gzip,aws-chunked"),
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "9"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let body = |sum: &str| {
        format!("5;chunk-signature=0\r\n12345\r\n4\r\n6789\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n")
    };
    for (body, expected) in [
        (body("y/Q5Jg=="), ""),
        (body("y/Q5Jw=="), "BadDigest"),
        ("9\r\n123456789\r\n0\r\n\r\n".to_owned(), "MalformedTrailerError"),
        ("9\r\n1234567".to_owned(), "IncompleteBody"),
        (format!("1\r\n1\r\n{}", body("y/Q5Jg==")), "IncompleteBody"),
    ] {
        let (status, text) = scene.send("PUT", "/archive/key", &headers, &body).await;
        assert_eq!(status.is_success(), expected.is_empty(), "{body:?} {text}");
        assert!(text.contains(expected), "{body:?} {text}");
    }
    assert_eq!(scene.objects.objects()[0].2, b"123456789");
    assert_eq!(scene.objects.header("key", "content-encoding").as_deref(), Some("gzip"));
}

#[tokio::test]
async fn a_key_is_put_once_where_the_caller_wants_it() {
    let scene = scene(Objects::new().bucket("archive").deletable()).await;
    let once = || {
        let put = scene.s3.put_object().bucket("archive").key("key").if_none_match("*");
        put.body(ByteStream::from_static(b"one")).send()
    };
    assert_eq!(code(once().await), "ok");
    let refused = once().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(refused.code(), Some("PreconditionFailed"));
    assert_eq!(scene.objects.versions("key"), 1);
    // A key that is deleted is free again.
    scene.s3.delete_object().bucket("archive").key("key").send().await.unwrap();
    assert_eq!(code(once().await), "ok");
    assert_eq!(scene.objects.versions("key"), 3);
}

#[tokio::test]
async fn each_put_is_a_version_that_can_be_got_by_its_id() {
    let scene = archive().await;
    let put = |body: &'static [u8]| {
        scene.s3.put_object().bucket("archive").key("key").body(ByteStream::from_static(body)).send()
    };
    let first = put(b"one").await.unwrap().version_id.unwrap();
    let second = put(b"two").await.unwrap().version_id.unwrap();
    assert_ne!(first, second);
    assert_eq!(scene.get("key").await.unwrap().0, "two");
    let get = |version: &str| scene.s3.get_object().bucket("archive").key("key").version_id(version).send();
    let got = get(&first).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"one");
    assert_eq!(code(get("nonsense").await), "NoSuchVersion");
    assert_eq!(scene.proxy.count("s3:GetObjectVersion"), 2);
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let scene = archive().await;
    assert_eq!(scene.get("key").await, Err("NoSuchKey".to_owned()));
    let head =
        scene.s3.head_object().bucket("archive").key("key").send().await.unwrap_err().into_service_error();
    assert!(head.is_not_found());
    assert_eq!(code(scene.s3.head_bucket().bucket("archive").send().await), "ok");
}

#[tokio::test]
async fn nothing_is_deleted_unless_that_is_allowed_and_then_it_is_hidden() {
    let scene = archive().await;
    assert_eq!(scene.put("key", "one").await, "ok");
    assert_eq!(code(scene.s3.delete_object().bucket("archive").key("key").send().await), "AccessDenied");
    assert_eq!(scene.get("key").await.unwrap().0, "one");

    let scene = self::scene(scene.objects.deletable()).await;
    let deleted = scene.s3.delete_object().bucket("archive").key("key").send().await.unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    assert_eq!(scene.get("key").await, Err("NoSuchKey".to_owned()));
    assert!(scene.objects.objects().is_empty());
    let marker =
        scene.s3.delete_object().bucket("archive").key("key").version_id(deleted.version_id.unwrap());
    marker.send().await.unwrap();
    assert_eq!(scene.get("key").await.unwrap().0, "one");
}

#[tokio::test]
async fn objects_are_listed_by_their_beginning_and_page_by_page() {
    let scene = archive().await;
    for key in ["a/1", "a/2", "a/3&4", "b/1"] {
        scene.put(key, "one").await;
    }
    let list = || scene.s3.list_objects_v2().bucket("archive").prefix("a/");
    let all = list().send().await.unwrap();
    assert_eq!(
        all.contents().iter().map(|it| it.key().unwrap()).collect::<Vec<_>>(),
        ["a/1", "a/2", "a/3&4"]
    );
    assert_eq!((all.contents()[0].size(), all.is_truncated()), (Some(3), Some(false)));
    assert!(all.contents()[0].last_modified().is_some());
    let first = list().max_keys(2).send().await.unwrap();
    assert_eq!((first.key_count(), first.is_truncated()), (Some(2), Some(true)));
    let rest = list().max_keys(2).set_continuation_token(first.next_continuation_token).send().await.unwrap();
    assert_eq!(rest.contents()[0].key(), Some("a/3&4"));
    assert_eq!(rest.next_continuation_token(), None);
    assert_eq!(list().start_after("a/2").send().await.unwrap().contents().len(), 1);
    assert_eq!(code(list().continuation_token("nonsense").send().await), "InvalidArgument");
    assert_eq!(code(list().delimiter("/").send().await), "NotImplemented");
}

#[tokio::test]
async fn damage_shows_where_the_checksum_is_compared() {
    let scene = archive().await;
    scene.put("key", "123456789").await;
    scene.objects.damage("key").unwrap();
    assert_eq!(scene.objects.objects()[0].2, b"123446789");
    let read = scene.get("key").await.unwrap_err();
    assert!(read.contains("ChecksumMismatch"), "{read}");
    let head = scene.s3.head_object().bucket("archive").key("key").checksum_mode(ChecksumMode::Enabled);
    assert_eq!(head.send().await.unwrap().checksum_crc32(), Some("y/Q5Jg=="));
    assert!(scene.objects.damage("other").is_err());
}

#[tokio::test]
async fn a_bucket_is_named_by_path_or_by_host() {
    let scene = archive().await;
    let host = [("host", "archive.s3.eu-central-1.amazonaws.com")];
    let (status, _) = scene.send("PUT", "/a/b", &host, "one").await;
    assert_eq!(status, 200);
    assert_eq!(scene.send("GET", "/archive/a%2Fb", &[], "").await, (StatusCode::OK, "one".to_owned()));
    assert_eq!(scene.send("GET", "/a/b", &[("host", "archive.localhost:4566")], "").await.1, "one");
    let (_, elsewhere) = scene.send("GET", "/other/a/b", &[], "").await;
    assert!(elsewhere.contains("NothingRecorded"), "{elsewhere}");
}

#[tokio::test]
async fn what_s3_has_and_this_double_has_not_is_not_passed_over() {
    let scene = archive().await;
    scene.put("key", "one").await;
    for (method, path, headers) in [
        ("PUT", "/archive/key", &[("x-amz-object-lock-mode", "GOVERNANCE")][..]),
        ("PUT", "/archive/key", &[("if-none-match", "\"etag\"")]),
        ("GET", "/archive/key", &[("range", "bytes=0-1")]),
        ("GET", "/archive/key?tagging", &[]),
        ("POST", "/archive/key?uploads", &[]),
        ("GET", "/archive", &[]),
    ] {
        let (status, text) = scene.send(method, path, headers, "").await;
        assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{method} {path} {text}");
    }
}

#[tokio::test]
async fn a_fault_is_told_as_s3_tells_it() {
    let scene = archive().await;
    for (fault, expected) in [(Fault::Deny, "AccessDenied"), (Fault::Unavailable, "ServiceUnavailable")] {
        scene.proxy.heal();
        scene.proxy.inject("s3:PutObject", When::Always, fault);
        assert_eq!(scene.put("key", "one").await, expected);
    }
    scene.proxy.heal();
    scene.proxy.inject("s3:PutObject", When::First(1), Fault::Throttle);
    assert_eq!(scene.put("key", "one").await, "ok");
    assert_eq!(scene.proxy.count("s3:PutObject"), 6);
}
