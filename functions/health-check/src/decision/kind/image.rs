//! An image in ECR: whether a task that starts anew finds it, and what its scan found (ECR API, `ImageDetail`).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::decision::{Findings, Verdict};

/// What ECR says of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Its digest; ECR has one of every image.
    pub digest: String,
    /// `imageStatus`: `ACTIVE`, `ARCHIVED`, `ACTIVATING`; none where ECR says nothing of it.
    pub status: Option<String>,
    /// When it was pushed.
    pub pushed: Option<Timestamp>,
    /// Its scan.
    pub scan: Scan,
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scan {
    /// It was not scanned.
    #[default]
    None,
    /// What ECR says of the scan.
    Read {
        /// `imageScanStatus.status`, such as `COMPLETE`; none where ECR says nothing of it.
        status: Option<String>,
        /// How many findings are how severe.
        findings: BTreeMap<String, u32>,
    },
    /// The scan may not be asked for, and why: enhanced scanning wants a permission of its own, and whether the image is
    /// there is known without.
    Denied(String),
    /// The scan could not be asked for, and why.
    Unread(String),
}

/// The verdict on an image that ECR does not have.
pub fn absent() -> Verdict {
    let mut found = Findings::new();
    found.failed(
        "it is not in its repository (any more): what runs goes on, but no task can start anew",
        "Push the image again, or deploy a revision whose image exists; see whether a lifecycle policy removed it.",
    );
    found.verdict("")
}

/// The verdict on an image whose repository ECR does not have.
pub fn without_repository() -> Verdict {
    let mut found = Findings::new();
    found.failed(
        "its repository does not exist (any more): what runs goes on, but no task can start anew",
        "Create the repository and push the image again, or deploy a revision whose image exists.",
    );
    found.verdict("")
}

/// The verdict on an image that is elsewhere.
pub fn elsewhere() -> Verdict {
    let mut found = Findings::new();
    found.not_applicable("it is not in ECR");
    found.verdict("")
}

/// How the image is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    found.saw("Digest", &facts.digest);
    if let Some(pushed) = facts.pushed {
        found.saw("Pushed", pushed);
    }
    if facts.digest.is_empty() {
        found.unknown("ECR says nothing of it", "Check it by hand.");
    }
    match facts.status.as_deref() {
        None | Some("ACTIVE") => {}
        Some("ARCHIVED") => {
            found.failed(
                "it is archived: what runs goes on, but no task can start anew",
                "Restore the image from the archive, or deploy a revision whose image is not archived.",
            );
        }
        Some("ACTIVATING") => {
            found.degraded(
                "it is being restored from the archive: until then, no task can start anew",
                "Wait until it is restored before the service is deployed.",
            );
        }
        Some(other) => {
            found.unknown(format!("ECR says a status that is not known here: {other}"), "Check it by hand.");
        }
    }
    scan(&facts.scan, &mut found);
    found.verdict("it is there")
}

fn scan(scan: &Scan, found: &mut Findings) {
    let (status, findings) = match scan {
        Scan::None => {
            found.saw("Scan", "none");
            return;
        }
        Scan::Denied(why) => {
            found.saw("Scan", format!("could not be read: {why}"));
            return;
        }
        Scan::Unread(why) => {
            let why = format!("its scan could not be read: {why}");
            found.unknown(why, "It is read again at the next sweep.");
            return;
        }
        Scan::Read { status, findings } => (status.as_deref(), findings),
    };
    found.saw("Scan", status.unwrap_or_default());
    match status {
        // What was not scanned is noted, and is not bad.
        None
        | Some(
            "COMPLETE"
            | "ACTIVE"
            | "IN_PROGRESS"
            | "PENDING"
            | "FAILED"
            | "UNSUPPORTED_IMAGE"
            | "LIMIT_EXCEEDED"
            | "SCAN_ELIGIBILITY_EXPIRED"
            | "FINDINGS_UNAVAILABLE"
            | "IMAGE_ARCHIVED",
        ) => {}
        Some(other) => {
            found.unknown(
                format!("ECR says a status of its scan that is not known here: {other}"),
                "Check it by hand.",
            );
        }
    }
    for (name, severity) in [("Critical findings", "CRITICAL"), ("High findings", "HIGH")] {
        if let Some(count) = findings.get(severity) {
            found.saw(name, count);
        }
    }
    match findings.get("CRITICAL").copied().unwrap_or_default() {
        0 => {}
        count => {
            let noun = if count == 1 { "vulnerability" } else { "vulnerabilities" };
            found.degraded(
                format!("its scan found {count} critical {noun}"),
                "Build the image anew on a mended base or with mended packages, and deploy it.",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Facts, Scan, absent, elsewhere, verdict, without_repository};
    use crate::decision::Health;

    fn there() -> Facts {
        Facts { digest: "sha256:a".to_owned(), ..Facts::default() }
    }

    fn scanned(status: Option<&str>, findings: &[(&str, u32)]) -> Facts {
        let findings: BTreeMap<String, u32> =
            findings.iter().map(|(severity, count)| ((*severity).to_owned(), *count)).collect();
        Facts { scan: Scan::Read { status: status.map(ToOwned::to_owned), findings }, ..there() }
    }

    #[test]
    fn an_image_that_is_there_is_healthy_unless_its_scan_found_what_is_critical() {
        let status = |word: &str| Facts { status: Some(word.to_owned()), ..there() };
        let denied = || Scan::Denied("denied".to_owned());
        let unread = || Scan::Unread("slow".to_owned());
        let cases = [
            (there(), Health::Healthy, "it is there"),
            (status("ACTIVE"), Health::Healthy, "it is there"),
            (status("ARCHIVED"), Health::Failed, "it is archived"),
            (status("ACTIVATING"), Health::Degraded, "being restored"),
            (status("MELTED"), Health::Unknown, "not known here: MELTED"),
            (Facts::default(), Health::Unknown, "ECR says nothing of it"),
            (scanned(Some("COMPLETE"), &[]), Health::Healthy, "it is there"),
            (scanned(None, &[]), Health::Healthy, "it is there"),
            (scanned(Some("UNSUPPORTED_IMAGE"), &[]), Health::Healthy, "it is there"),
            (scanned(Some("COMPLETE"), &[("HIGH", 9), ("CRITICAL", 0)]), Health::Healthy, "it is there"),
            (scanned(Some("COMPLETE"), &[("CRITICAL", 1)]), Health::Degraded, "1 critical vulnerability"),
            (scanned(Some("ACTIVE"), &[("CRITICAL", 2)]), Health::Degraded, "2 critical vulnerabilities"),
            (scanned(Some("MELTED"), &[]), Health::Unknown, "not known here: MELTED"),
            (Facts { scan: denied(), ..there() }, Health::Healthy, "it is there"),
            (Facts { scan: denied(), ..status("ARCHIVED") }, Health::Failed, "it is archived"),
            (Facts { scan: unread(), ..there() }, Health::Unknown, "its scan could not be read: slow"),
            (Facts { scan: unread(), ..status("ARCHIVED") }, Health::Failed, "it is archived"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!(verdict.health, health, "{facts:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
            assert_eq!(health == Health::Healthy, verdict.todo.is_empty(), "{verdict:?}");
        }
        let seen = verdict(&scanned(Some("COMPLETE"), &[("HIGH", 9)])).evidence;
        assert!(seen.iter().any(|fact| fact.name == "High findings" && fact.value == "9"), "{seen:?}");
        let seen = verdict(&Facts { scan: denied(), ..there() }).evidence;
        assert!(
            seen.iter().any(|fact| fact.name == "Scan" && fact.value == "could not be read: denied"),
            "{seen:?}"
        );
    }

    #[test]
    fn an_image_that_is_gone_has_failed_and_one_elsewhere_is_for_others() {
        assert_eq!(absent().health, Health::Failed);
        assert_eq!(without_repository().health, Health::Failed);
        assert!(!absent().absent && !without_repository().absent, "a service needs it");
        assert_eq!(elsewhere().health, Health::NotApplicable);
    }
}
