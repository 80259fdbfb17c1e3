//! What is asked by hand, or by the schedule: `{"explain": {…a notice…}}` says which channels would get it and why,
//! `{"silence": {…}}` keeps a silence, `{"silences": {}}` lists those there are, `{"audit": {…}}` says what was done, and
//! `{"heartbeat": {}}` tries whether people could be told now.

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::ledger::audit::Question;
use shared::notice::{Notice, Severity, State, Subject};
use shared::policy::notify::Silence;
use shared::policy::{Loaded, Policy};
use shared::timer::Reminder;
use shared::{Error, Report, Result, id};

use crate::decision::explain::explain;
use crate::group;
use crate::run::Run;
use crate::{Clients, Fanout, Rules};

/// A group that is due for longer than this has lost its reminder.
const OVERDUE: SignedDuration = SignedDuration::from_mins(5);

/// A request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Which channels would get this, and why.
    Explain(Sketch),
    /// Tell nobody for a while.
    Silence(Silence),
    /// Which silences are there?
    Silences(Nothing),
    /// What was done, and why?
    Audit(Past),
    /// Could people be told now?
    Heartbeat(Nothing),
}

/// Of which time, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// Since when.
    since: Timestamp,
    /// Of this target only.
    target: Option<String>,
}

/// Nothing more is to be said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Nothing {}

/// A notice as far as it matters for its routes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sketch {
    severity: Severity,
    state: State,
    source: String,
    environment: Option<String>,
    kind: String,
    subject: String,
    incident: String,
    labels: std::collections::BTreeMap<String, String>,
    /// A policy that is not in place yet, as its text; the one in place where it is left out.
    policy: Option<String>,
    /// When it is told; now where it is left out.
    at: Option<Timestamp>,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            severity: Severity::Sev2,
            state: State::Firing,
            source: "by-hand".to_owned(),
            environment: None,
            kind: "message".to_owned(),
            subject: "a test".to_owned(),
            incident: "by-hand:a-test".to_owned(),
            labels: std::collections::BTreeMap::new(),
            policy: None,
            at: None,
        }
    }
}

/// The request that an event is, if it is one.
///
/// # Errors
/// [`Error::Event`] for one that cannot be understood, with the field.
pub fn read(event: &Value) -> Result<Option<Request>> {
    let known = ["explain", "silence", "silences", "audit", "heartbeat"];
    if !event
        .as_object()
        .is_some_and(|fields| fields.len() == 1 && known.iter().any(|name| fields.contains_key(*name)))
    {
        return Ok(None);
    }
    serde_json::from_value(event.clone())
        .map(Some)
        .map_err(|error| Error::Event(format!("the request cannot be understood: {error}")))
}

impl Run<'_> {
    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request) -> Result<Report> {
        match request {
            Request::Explain(sketch) => match &sketch.policy {
                None => Ok(self.explained(&sketch)),
                Some(text) => Ok(self.under(text)?.explained(&sketch)),
            },
            Request::Silence(silence) => self.silenced(silence).await,
            Request::Silences(Nothing {}) => Ok(self.listed()),
            Request::Audit(past) => self.fanout.audit(&past, self.clients).await,
            Request::Heartbeat(Nothing {}) => self.beat().await,
        }
    }

    /// The same under a policy that is tried out.
    fn under(&self, text: &str) -> Result<Self> {
        let policy = Policy::parse("in the request", text)?;
        let Rules { silences, .. } = &*self.rules;
        let loaded = Loaded { policy, version: 0 };
        let rules = Rules { loaded, silences: silences.clone(), problem: None };
        Ok(Run { rules: Rc::new(rules), ..self.clone() })
    }

    /// The silences that were made by hand, and those of the policy.
    fn listed(&self) -> Report {
        let (by_hand, of_policy) = (&self.rules.silences, &self.notify().silences);
        let reason = format!("{} by hand, {} of the policy", by_hand.len(), of_policy.len());
        let answer = json!({"outcome": "listed", "by_hand": by_hand, "of_policy": of_policy});
        Report::new("listed", "silences", reason).answering(answer)
    }

    fn explained(&self, sketch: &Sketch) -> Report {
        let now = sketch.at.unwrap_or_else(|| self.now());
        let subject = Subject { kind: sketch.kind.clone(), id: sketch.subject.clone(), arn: None };
        let mut notice =
            Notice::new(&sketch.incident, sketch.state, sketch.severity, subject, "a dry run", now);
        notice.source.clone_from(&sketch.source);
        notice.environment = sketch.environment.clone().unwrap_or_else(|| self.environment().to_owned());
        notice.labels.clone_from(&sketch.labels);
        let mut explained = self.in_world(None, |world| explain(world, &notice, now));
        for told in &mut explained.channels {
            let takes = self.channel(&told.channel).map_or(Ok(()), |channel| channel.takes(&notice));
            if let Err(why) = takes {
                told.is_useless(why);
            }
        }
        let lines = explained.lines();
        let answer = json!({
            "outcome": "explained",
            "policy": {"version": self.rules.loaded.version, "problem": self.rules.problem},
            "channels": explained.channels,
            "unknown": explained.unknown,
            "lines": lines,
        });
        Report::new("explained", sketch.incident.clone(), lines.join("; ")).answering(answer)
    }

    async fn silenced(&self, mut silence: Silence) -> Result<Report> {
        if silence.matches.is_empty() {
            let advice = "a silence needs something to match, such as {\"service\": \"web\"}";
            return Err(Error::Event(advice.to_owned()));
        }
        if silence.id.is_empty() {
            // Two that differ in what they match are two.
            let matches = json!(silence.matches).to_string();
            silence.id = id::of(&[&matches, &silence.author, &silence.reason, &silence.until.to_string()]);
        }
        self.clients.ledger.silence(self.environment(), &silence, self.now()).await?;
        let reason = format!("until {}, by {}: {}", silence.until, silence.author, silence.reason);
        let answer = json!({"outcome": "silenced", "silence": silence});
        Ok(Report::new("silenced", silence.id.clone(), reason).answering(answer))
    }

    /// Tries what a delivery needs: secrets and policy were read to come here, the ledger answers below. Then arms anew
    /// what lost its reminder.
    async fn beat(&self) -> Result<Report> {
        let before = self.now().saturating_sub(OVERDUE).unwrap_or(Timestamp::MIN);
        let overdue = group::overdue(&self.clients.ledger, self.environment(), before).await?;
        for group in &overdue {
            self.arm(&Reminder::Flush { group: group.id.clone() }, self.now()).await?;
        }
        if let Some(problem) = &self.rules.problem {
            let holds = "notices go by the last policy that could be read, or the defaults";
            return Err(Error::Malformed(format!("{holds}, because {problem}")));
        }
        let unknown = self.named_but_unknown();
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            return Err(Error::Malformed(format!(
                "the policy names channels that the channels secret does not have: {names}"
            )));
        }
        if let Err(problem) = &self.secrets.signer {
            return Err(Error::Malformed(format!(
                "notices come without links to acknowledge, because {problem}"
            )));
        }
        #[expect(clippy::cast_precision_loss, reason = "groups are far fewer than 2^52")]
        let late = overdue.len() as f64;
        let reason = format!("people could be told now on {} channels", self.secrets.channels.len());
        Ok(Report::new("alive", "heartbeat", reason)
            .metric("Heartbeat", "Count", 1.0)
            .metric("OverdueGroups", "Count", late)
            .answering(json!({"outcome": "alive"})))
    }

    fn named_but_unknown(&self) -> Vec<String> {
        let named = self.notify().named();
        named.into_iter().filter(|name| self.channel(name).is_none()).map(ToOwned::to_owned).collect()
    }
}

impl Fanout {
    /// What was done, of all that the ledger remembers. It needs neither channels nor keys.
    pub(crate) async fn audit(&self, past: &Past, clients: &Clients) -> Result<Report> {
        let target = past.target.as_deref().map(str::parse).transpose().map_err(Error::Event)?;
        let environment = &self.config.environment;
        let question = Question {
            environment,
            since: past.since,
            target,
            queues: &queues(&self.config.acknowledge_key),
        };
        let audit = clients.ledger.audit(&question).await?;
        let reason = match audit.deeds.len() {
            0 => format!("nothing was done since {:.0}", past.since),
            1 => format!("one thing was done since {:.0}", past.since),
            several => format!("{several} things were done since {:.0}", past.since),
        };
        let answer =
            json!({"outcome": "listed", "reason": reason, "deeds": audit.deeds, "missing": audit.missing});
        Ok(Report::new("listed", "audit", reason).answering(answer))
    }
}

/// What the ARN of a queue of this account and Region begins with, by that of a secret here.
fn queues(secret: &str) -> String {
    let mut parts = secret.split(':').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    let (partition, _, region, account) = (next(), next(), next(), next());
    format!("arn:{partition}:sqs:{region}:{account}:")
}
