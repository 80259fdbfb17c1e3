//! Buckets: whether each is there first, and then its settings, a call each.

use futures_util::future::{join, join_all};
use shared::error::Call;
use shared::{Error, Result};

use crate::component::{Component, Kind};
use crate::decision::kind::bucket::{Facts, Part, PublicAccess, Reach, verdict};
use crate::sweep::{Api, Ask, unknown};

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, buckets: &[Component]) {
    join_all(buckets.iter().map(|bucket| one(ask, bucket))).await;
}

async fn one(ask: &Ask<'_>, bucket: &Component) {
    match reach(ask, &bucket.name).await {
        Ok(Reach::Here) => settings(ask, bucket).await,
        Ok(reach) => ask.say(bucket, verdict(&Facts::only(reach), ask.expected)),
        Err(error) => ask.unknown(bucket, &error),
    }
}

/// `HeadBucket` answers with a status and headers alone: there is no error code to read.
async fn reach(ask: &Ask<'_>, name: &str) -> Result<Reach> {
    let _turn = ask.turn(Api::S3).await;
    let sent = ask.clients.s3().head_bucket().bucket(name).send().await;
    let refused = sent.as_ref().err().and_then(|error| error.raw_response()).map(|response| {
        let region = response.headers().get("x-amz-bucket-region").unwrap_or_default();
        (response.status().as_u16(), region.to_owned())
    });
    match refused {
        Some((404, _)) => Ok(Reach::Gone),
        Some((403, _)) => Ok(Reach::Forbidden),
        Some((301 | 307, region)) => Ok(Reach::Elsewhere(region)),
        // What is signed for another Region than the bucket's.
        Some((400, region)) if !region.is_empty() => Ok(Reach::Elsewhere(region)),
        Some(_) | None => sent.action("s3:ListBucket").map(|_| Reach::Here),
    }
}

async fn settings(ask: &Ask<'_>, bucket: &Component) {
    let name = &bucket.name;
    let (public, (encryption, versioning)) =
        join(public(ask, name), join(encryption(ask, name), versioning(ask, name))).await;
    let (encryption, keys) = match encryption {
        Ok((algorithms, keys)) => (Ok(algorithms), keys),
        Err(error) => (Err(unknown(&error)), Vec::new()),
    };
    let facts = Facts { reach: Reach::Here, public: part(public), encryption, versioning: part(versioning) };
    ask.say(bucket, verdict(&facts, ask.expected));
    for key in keys.iter().filter_map(|key| Component::at(key)).filter(|it| it.kind == Kind::Key) {
        ask.needs(bucket, key);
    }
}

fn part<T>(answer: Result<T>) -> Part<T> {
    answer.map_err(|error| unknown(&error))
}

fn says(error: &Error, code: &str) -> bool {
    error.code() == Some(code)
}

async fn public(ask: &Ask<'_>, name: &str) -> Result<Option<PublicAccess>> {
    let _turn = ask.turn(Api::S3).await;
    let answer = ask
        .clients
        .s3()
        .get_public_access_block()
        .bucket(name)
        .send()
        .await
        .action("s3:GetBucketPublicAccessBlock");
    match answer {
        Ok(answer) => {
            Ok(Some(answer.public_access_block_configuration.map_or_else(PublicAccess::default, |blocked| {
                PublicAccess {
                    acls: blocked.block_public_acls,
                    old_acls: blocked.ignore_public_acls,
                    policy: blocked.block_public_policy,
                    old_policy: blocked.restrict_public_buckets,
                }
            })))
        }
        Err(error) if says(&error, "NoSuchPublicAccessBlockConfiguration") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The algorithms, and the keys of the account that they use.
async fn encryption(ask: &Ask<'_>, name: &str) -> Result<(Vec<String>, Vec<String>)> {
    let _turn = ask.turn(Api::S3).await;
    let answer = ask
        .clients
        .s3()
        .get_bucket_encryption()
        .bucket(name)
        .send()
        .await
        .action("s3:GetEncryptionConfiguration");
    let answer = match answer {
        Err(error) if says(&error, "ServerSideEncryptionConfigurationNotFoundError") => {
            return Ok((Vec::new(), Vec::new()));
        }
        other => other?,
    };
    let rules = answer.server_side_encryption_configuration.map(|it| it.rules).unwrap_or_default();
    let rules: Vec<_> =
        rules.into_iter().filter_map(|rule| rule.apply_server_side_encryption_by_default).collect();
    let algorithms = rules.iter().map(|rule| rule.sse_algorithm.as_str().to_owned()).collect();
    Ok((algorithms, rules.into_iter().filter_map(|rule| rule.kms_master_key_id).collect()))
}

async fn versioning(ask: &Ask<'_>, name: &str) -> Result<String> {
    let _turn = ask.turn(Api::S3).await;
    let answer = ask
        .clients
        .s3()
        .get_bucket_versioning()
        .bucket(name)
        .send()
        .await
        .action("s3:GetBucketVersioning")?;
    Ok(answer.status.map(|status| status.as_str().to_owned()).unwrap_or_default())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::wire::{Call, Reply, Wire};

    /// An answer that was damaged on its way: some of it is replaced by something else.
    pub(in crate::observe) fn mangled(good: &str, at: usize, long: usize, by: &str) -> String {
        let characters: Vec<char> = good.chars().collect();
        let at = at % characters.len();
        let end = (at + long).min(characters.len());
        characters[..at].iter().copied().chain(by.chars()).chain(characters[end..].iter().copied()).collect()
    }

    const CLOSED: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
        <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
        <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    const KMS: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
        <SSEAlgorithm>aws:kms</SSEAlgorithm>\
        <KMSMasterKeyID>arn:aws:kms:eu-central-1:1:key/k</KMSMasterKeyID>\
        </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
    const VERSIONS: &str = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";

    /// S3's errors have no envelope: the code is put where S3 puts it.
    fn refusal(status: u16, code: &str) -> Reply {
        Reply::xml_error(status, &format!("x</Code></Error><Code>{code}</Code><Error><Code>x"))
    }

    fn good(call: &Call) -> Reply {
        match call {
            Call { action, .. } if action.starts_with("HEAD") => Reply::ok(""),
            Call { query, .. } if query.contains("publicAccessBlock") => Reply::ok(CLOSED),
            Call { query, .. } if query.contains("encryption") => Reply::ok(KMS),
            Call { .. } => Reply::ok(VERSIONS),
        }
    }

    async fn checked(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (Verdict, Vec<String>) {
        let wire = Wire::new(answer);
        let ask = wire.ask();
        check(&ask, &[Component::at("arn:aws:s3:::assets").unwrap()]).await;
        let more = ask.take_more().iter().map(Component::id).collect();
        (ask.verdict(Kind::Bucket, "assets").unwrap(), more)
    }

    #[tokio::test]
    async fn a_bucket_is_read_as_s3_answers_and_stands_on_its_key() {
        let (verdict, more) = checked(good).await;
        assert_eq!(verdict.health, Health::Healthy, "{verdict:?}");
        assert_eq!(more, ["kms-key:k"]);
        let told: Vec<_> = verdict.evidence.iter().map(|fact| fact.value.as_str()).collect();
        assert_eq!(told, ["blocked", "aws:kms", "Enabled"]);
    }

    #[tokio::test]
    async fn the_status_alone_says_whether_a_bucket_is_there() {
        let cases = [
            (404, Health::Failed, "does not exist"),
            (403, Health::Unknown, "s3:ListBucket is denied"),
            (301, Health::Unknown, "it is in us-east-1"),
            (400, Health::Unknown, "it is in us-east-1"),
            (503, Health::Unknown, "s3:ListBucket failed"),
        ];
        for (status, health, reason) in cases {
            let (verdict, _) =
                checked(move |_| Reply::error(status, "").with("x-amz-bucket-region", "us-east-1")).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_setting_that_is_not_there_is_no_error_and_one_that_is_denied_names_the_action() {
        let cases = [
            (
                "publicAccessBlock",
                "NoSuchPublicAccessBlockConfiguration",
                Health::Degraded,
                "public access to it is not blocked",
            ),
            (
                "encryption",
                "ServerSideEncryptionConfigurationNotFoundError",
                Health::Degraded,
                "encrypts nothing",
            ),
            ("publicAccessBlock", "AccessDenied", Health::Unknown, "s3:GetBucketPublicAccessBlock is denied"),
            ("encryption", "AccessDenied", Health::Unknown, "s3:GetEncryptionConfiguration is denied"),
            ("encryption", "SlowDown", Health::Unknown, "SlowDown"),
            ("versioning", "AccessDenied", Health::Healthy, "closed to the public"),
        ];
        for (part, code, health, reason) in cases {
            let (verdict, _) =
                checked(move |call| if call.query.contains(part) { refusal(403, code) } else { good(call) })
                    .await;
            assert_eq!(verdict.health, health, "{part} {code}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_answer_never_closes_a_bucket(
            at in 0usize..400, long in 0usize..60, by in "[a-z</>]{0,3}"
        ) {
            let body = mangled(CLOSED, at, long, &by);
            let closed = body.matches(">true<").count() == 4;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (verdict, _) = runtime.block_on(checked(move |call| {
                if call.query.contains("publicAccessBlock") { Reply::ok(&body) } else { good(call) }
            }));
            prop_assert!(closed || verdict.health != Health::Healthy, "{:?}", verdict);
        }
    }
}
