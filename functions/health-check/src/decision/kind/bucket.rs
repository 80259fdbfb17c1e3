//! A bucket: there, closed to the public, and encrypted (Amazon S3 API).
//!
//! Encryption is asked of environments that protect what they store; versioning is only told, since what must survive
//! may be kept by replication or backups instead.

use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// What `HeadBucket` says; it answers with a status alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reach {
    /// It is there.
    Here,
    /// 404.
    Gone,
    /// 403: no permission, or somebody else's bucket.
    Forbidden,
    /// 301: it is in another Region, named where S3 names it.
    Elsewhere(String),
    /// A status that is none of these.
    #[default]
    Unclear,
}

/// What of public access is blocked; what S3 does not say is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublicAccess {
    /// `BlockPublicAcls`
    pub acls: Option<bool>,
    /// `IgnorePublicAcls`
    pub old_acls: Option<bool>,
    /// `BlockPublicPolicy`
    pub policy: Option<bool>,
    /// `RestrictPublicBuckets`
    pub old_policy: Option<bool>,
}

/// A part that is asked for by a call of its own: what it answered, or the verdict on the call that failed.
pub type Part<T> = Result<T, Verdict>;

/// What S3 says of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is there.
    pub reach: Reach,
    /// What is blocked; nothing where the bucket has no such settings.
    pub public: Part<Option<PublicAccess>>,
    /// The algorithms of its default encryption, such as `AES256` or `aws:kms`; none where it has no encryption.
    pub encryption: Part<Vec<String>>,
    /// `Enabled`, `Suspended`, or empty where it never had versions.
    pub versioning: Part<String>,
}

impl Facts {
    /// A bucket of which no more is known than whether it is there.
    pub const fn only(reach: Reach) -> Self {
        Self { reach, public: Ok(None), encryption: Ok(Vec::new()), versioning: Ok(String::new()) }
    }
}

/// How the bucket is.
pub fn verdict(facts: &Facts, expected: &Expected) -> Verdict {
    let mut found = Findings::new();
    match &facts.reach {
        Reach::Here => {
            public(&mut found, &facts.public);
            encryption(&mut found, &facts.encryption, expected.protected);
            versioning(&mut found, &facts.versioning);
        }
        Reach::Gone => {
            found.absent(
                "it does not exist (any more)",
                "Create the bucket again, or take away what names it.",
            );
        }
        Reach::Forbidden => {
            found.unknown(
                "it could not be checked: s3:ListBucket is denied, or it is another account's",
                "Allow s3:ListBucket on the bucket to the role of health-check.",
            );
        }
        Reach::Elsewhere(region) => {
            let region = if region.is_empty() { "another Region" } else { region };
            found.saw("Region", region).unknown(
                format!("it could not be checked: it is in {region}"),
                "Check it from the Region that it is in.",
            );
        }
        Reach::Unclear => {
            found.unknown("S3 does not say whether it is there", "Check it by hand.");
        }
    }
    found.verdict("it is there, and closed to the public")
}

fn public(found: &mut Findings, public: &Part<Option<PublicAccess>>) {
    const TODO: &str =
        "Block public access to the bucket, or list it under health.ignore if it is meant to be public.";
    match public {
        Err(why) => could_not(found, "its public access", why),
        Ok(None) => {
            found.degraded("public access to it is not blocked", TODO);
        }
        Ok(Some(PublicAccess { acls, old_acls, policy, old_policy })) => {
            let open: Vec<&str> = [
                ("BlockPublicAcls", acls),
                ("IgnorePublicAcls", old_acls),
                ("BlockPublicPolicy", policy),
                ("RestrictPublicBuckets", old_policy),
            ]
            .into_iter()
            .filter(|(_, blocked)| **blocked != Some(true))
            .map(|(name, _)| name)
            .collect();
            if open.is_empty() {
                found.saw("Public access", "blocked");
            } else {
                let open = open.join(", ");
                found.degraded(format!("public access to it is not all blocked: {open} is off"), TODO);
            }
        }
    }
}

fn encryption(found: &mut Findings, encryption: &Part<Vec<String>>, expected: bool) {
    match encryption {
        Err(why) if expected => could_not(found, "its encryption", why),
        Err(_) => {
            found.saw("Encryption", "could not be asked");
        }
        Ok(algorithms) if algorithms.is_empty() => {
            found.saw("Encryption", "none");
            if expected {
                found.degraded("it encrypts nothing by default", "Turn on its default encryption.");
            }
        }
        Ok(algorithms) => {
            found.saw("Encryption", algorithms.join(", "));
        }
    }
}

fn versioning(found: &mut Findings, versioning: &Part<String>) {
    match versioning {
        Err(_) => found.saw("Versioning", "could not be asked"),
        Ok(word) if word.is_empty() => found.saw("Versioning", "off"),
        Ok(word) => found.saw("Versioning", word),
    };
}

fn could_not(found: &mut Findings, what: &str, why: &Verdict) {
    found.unknown(format!("{what} {}", why.reason), why.todo.join(" "));
}

#[cfg(test)]
mod tests {
    use shared::policy::health::Expectations;

    use super::{Facts, PublicAccess, Reach, verdict};
    use crate::decision::{Health, Verdict};

    fn blocked() -> PublicAccess {
        let on = Some(true);
        PublicAccess { acls: on, old_acls: on, policy: on, old_policy: on }
    }

    fn good() -> Facts {
        Facts {
            reach: Reach::Here,
            public: Ok(Some(blocked())),
            encryption: Ok(vec!["AES256".to_owned()]),
            versioning: Ok("Enabled".to_owned()),
        }
    }

    #[test]
    fn a_bucket_is_there_closed_and_encrypted_and_what_could_not_be_asked_is_unknown() {
        let denied = Verdict {
            health: Health::Unknown,
            reason: "could not be checked: denied".to_owned(),
            todo: vec!["Allow it.".to_owned()],
            ..Verdict::default()
        };
        let open = PublicAccess { policy: Some(false), old_policy: None, ..blocked() };
        let cases = [
            (good(), Health::Healthy, "it is there, and closed to the public"),
            (Facts::only(Reach::Gone), Health::Failed, "it does not exist (any more)"),
            (
                Facts::only(Reach::Forbidden),
                Health::Unknown,
                "it could not be checked: s3:ListBucket is denied, or it is another account's",
            ),
            (
                Facts::only(Reach::Elsewhere("us-east-1".to_owned())),
                Health::Unknown,
                "it could not be checked: it is in us-east-1",
            ),
            (
                Facts::only(Reach::Elsewhere(String::new())),
                Health::Unknown,
                "it could not be checked: it is in another Region",
            ),
            (Facts::only(Reach::default()), Health::Unknown, "S3 does not say whether it is there"),
            (Facts { public: Ok(None), ..good() }, Health::Degraded, "public access to it is not blocked"),
            (
                Facts { public: Ok(Some(open)), ..good() },
                Health::Degraded,
                "public access to it is not all blocked: BlockPublicPolicy, RestrictPublicBuckets is off",
            ),
            (
                Facts { encryption: Ok(Vec::new()), ..good() },
                Health::Degraded,
                "it encrypts nothing by default",
            ),
            (
                Facts { encryption: Err(denied.clone()), ..good() },
                Health::Unknown,
                "its encryption could not be checked: denied",
            ),
            (
                Facts { public: Err(denied.clone()), ..good() },
                Health::Unknown,
                "its public access could not be checked: denied",
            ),
            (
                Facts { versioning: Err(denied.clone()), ..good() },
                Health::Healthy,
                "it is there, and closed to the public",
            ),
        ];
        let production = Expectations::default().of("prod", true);
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts, &production);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
            assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{facts:?}");
        }
    }

    #[test]
    fn encryption_counts_only_where_data_is_protected() {
        let development = Expectations::default().of("dev", false);
        let facts = Facts { encryption: Ok(Vec::new()), versioning: Ok(String::new()), ..good() };
        let verdict = verdict(&facts, &development);
        assert_eq!(verdict.health, Health::Healthy);
        let told: Vec<_> = verdict.evidence.iter().map(|fact| fact.value.as_str()).collect();
        assert_eq!(told, ["blocked", "none", "off"]);
    }
}
