//! AWS Backup: jobs that make, copy and restore backups. Shapes: AWS Backup Developer Guide, "Monitoring AWS Backup
//! events using Amazon EventBridge" and "Notification options with AWS Backup".

use serde_json::Value;
use shared::notice::{Notice, Severity, State};

use super::event::{Console, Event, Told, encoded, fact, name_of, parts_of, subject};
use super::letter::Letter;

/// A job that changed, as an event or as the text that the vault publishes.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    from_event(content, letter).or_else(|| from_text(content.as_str()?, letter))
}

/// What kind of job it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Backup,
    Copy,
    Restore,
}

impl Job {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Copy => "copy",
            Self::Restore => "restore",
        }
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Backup => "#/jobs/backup/details/",
            Self::Copy => "#/jobs/copy/details/",
            Self::Restore => "#/jobs/restore/details/",
        }
    }
}

/// What is known of a job.
struct Known<'a> {
    job: Job,
    id: Option<&'a str>,
    resource: Option<&'a str>,
    /// `FAILED`, `COMPLETED`, …
    state: &'a str,
    said: Option<&'a str>,
}

fn from_event(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let event = Event::from("aws.backup", content)?;
    let (job, id) = match event.kind {
        "Backup Job State Change" => (Job::Backup, event.text("/backupJobId")),
        "Copy Job State Change" => (Job::Copy, event.text("/copyJobId")),
        "Restore Job State Change" => (Job::Restore, event.text("/restoreJobId")),
        _ => return None,
    };
    // Some say `state`, some `status`, as the API does.
    let state = event.text("/state").or_else(|| event.text("/status"))?;
    let said = event.text("/statusMessage").map(|said| said.trim_matches('"'));
    let known = Known { job, id, resource: event.text("/resourceArn"), state, said };
    let (incident, title, state, severity) = known.told();
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("backup", known.of(), known.resource),
        title: &title,
        time: None,
    };
    let mut notice = told.of(&event, letter);
    known.tell(&mut notice, event.console());
    fact(&mut notice, "Vault", event.text("/backupVaultName"));
    fact(&mut notice, "To vault", event.text("/destinationBackupVaultArn").map(name_of));
    fact(&mut notice, "Kind", event.text("/resourceType"));
    Some(notice)
}

/// `An AWS Backup job failed. Resource ARN : arn:…. BackupJob ID : …`
fn from_text(text: &str, letter: &Letter<'_>) -> Option<Notice> {
    let job = match text.trim_start() {
        text if text.starts_with("An AWS Backup job ") => Job::Backup,
        text if text.starts_with("An AWS Backup copy job ") => Job::Copy,
        text if text.starts_with("An AWS Backup restore job ") => Job::Restore,
        _ => return None,
    };
    let (first, _) = text.split_once('.').unwrap_or((text, ""));
    let state = match first {
        first if first.contains("failed") => "FAILED",
        first if first.contains("expired") => "EXPIRED",
        first if first.contains("stopped") || first.contains("aborted") => "ABORTED",
        first if first.contains("completed") => "COMPLETED",
        _ => "STARTED",
    };
    let after = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        let word = rest.trim_start_matches([' ', ':']).split_whitespace().next()?;
        Some(word.trim_end_matches('.')).filter(|word| !word.is_empty())
    };
    let known = Known { job, id: after("Job ID"), resource: after("Resource ARN"), state, said: None };
    let (incident, title, state, severity) = known.told();
    let told = Told {
        incident: &incident,
        state,
        severity,
        subject: subject("backup", known.of(), known.resource),
        title: &title,
        time: letter.sent,
    };
    let (region, account) = letter.place();
    let mut notice = told.notice("backup", (region, account), letter);
    known.tell(&mut notice, region.and_then(Console::of));
    text.clone_into(&mut notice.summary);
    Some(notice)
}

impl Known<'_> {
    /// What it is of, as people call it.
    fn of(&self) -> &str {
        self.resource.map(name_of).or(self.id).unwrap_or("a resource")
    }

    /// The next job of the same resource that succeeds ends the incident. A restore is one of a kind.
    fn told(&self) -> (String, String, State, Severity) {
        let of = self.of();
        let word = self.job.as_str();
        let key = match self.job {
            Job::Backup | Job::Copy => self.resource.or(self.id),
            Job::Restore => self.id.or(self.resource),
        };
        let incident = format!("{word}:{}", key.unwrap_or("unknown"));
        let with_issues = self.job == Job::Backup && self.said.is_some();
        let (said, state, severity) = match self.state {
            "FAILED" => ("failed", State::Firing, Severity::Sev3),
            "EXPIRED" => ("did not begin in time", State::Firing, Severity::Sev3),
            "PARTIAL" => ("was made only in part", State::Firing, Severity::Sev3),
            "ABORTED" => ("was stopped", State::Info, Severity::Sev3),
            "COMPLETED" if with_issues => ("is done, with issues", State::Info, Severity::Sev3),
            "COMPLETED" => ("is done", State::Resolved, Severity::Sev4),
            _ => ("goes on", State::Info, Severity::Sev4),
        };
        (incident, format!("The {word} of {of} {said}"), state, severity)
    }

    fn tell(&self, notice: &mut Notice, console: Option<Console<'_>>) {
        notice.summary = match self.said {
            Some(said) => format!("{}: {said}", notice.title),
            None => format!("{}.", notice.title),
        };
        fact(notice, "Resource", self.resource);
        notice.fact("State", self.state);
        fact(notice, "Job", self.id);
        if let Some((Some(service), _, _)) = self.resource.map(parts_of) {
            notice.labels.insert("aws_service".to_owned(), service.to_owned());
        }
        if notice.state == State::Firing {
            let step = match self.job {
                Job::Backup => "Mend the cause, then start a backup of the resource on demand.",
                Job::Copy => "Mend the cause, then copy the newest recovery point.",
                Job::Restore => "Mend the cause, then restore again.",
            };
            notice.next_steps.push(step.to_owned());
        }
        if let (Some(console), Some(id)) = (console, self.id) {
            let page = format!("{}{}", self.job.page(), encoded(id));
            notice.links.push(console.link("Job", "backup/home", &page));
        }
    }
}
