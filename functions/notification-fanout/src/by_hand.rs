//! What is asked by hand, or by the schedule: `{"explain": {…a notice…}}` says which channels would get it and why,
//! `{"silence": {…}}` keeps a silence, `{"unsilence": {…}}` ends one, `{"silences": {}}` lists those there are,
//! `{"audit": {…}}` says what was done, and `{"heartbeat": {}}` tries whether people could be told now.

mod request;

pub use request::{End, Past, Request, Sketch, read};

use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::ledger::activity::Activity;
use shared::ledger::audit::Question;
use shared::ledger::silence::Ending;
use shared::notice::{Notice, Subject};
use shared::policy::notify::Silence;
use shared::policy::{self, Loaded, Policy};
use shared::timer::Reminder;
use shared::{Error, Report, Result, id};

use crate::decision::explain::explain;
use crate::decision::silence::{policy_id, refusal, remark, silenced};
use crate::group;
use crate::run::Run;
use crate::{Clients, Fanout, Rules};

/// A group that is due for longer than this has lost its reminder.
const OVERDUE: SignedDuration = SignedDuration::from_mins(5);

/// So many of the incidents that a silence silences at once are named, and so many ids where one is not known.
const MOST_NAMED: usize = 20;

impl Run<'_> {
    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request) -> Result<Report> {
        match request {
            Request::Explain(sketch) => match &sketch.policy {
                None => Ok(self.explained(&sketch)),
                Some(text) => Ok(self.under(text)?.explained(&sketch)),
            },
            Request::Silence(silence) => self.silence(silence).await,
            Request::Unsilence(end) => self.unsilence(&end).await,
            Request::Silences => Ok(self.listed()),
            Request::Audit(past) => self.fanout.audit(&past, self.clients).await,
            Request::Heartbeat => self.beat().await,
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

    /// The silences that were made by hand, and those of the policy, each with the id that it is ended by, or that says
    /// where it stands.
    fn listed(&self) -> Report {
        let (by_hand, of_policy) = (&self.rules.silences, self.of_policy());
        let reason = format!("{} by hand, {} of the policy", by_hand.len(), of_policy.len());
        let answer = json!({"outcome": "listed", "by_hand": by_hand, "of_policy": of_policy});
        Report::new("listed", "silences", reason).answering(answer)
    }

    fn of_policy(&self) -> Vec<Silence> {
        let with_id =
            |(place, silence): (usize, &Silence)| Silence { id: policy_id(place), ..silence.clone() };
        self.notify().silences.iter().enumerate().map(with_id).collect()
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
            let Some(channel) = self.channel(&told.channel) else { continue };
            match (channel.broken(), channel.takes(&notice)) {
                (Some(why), _) => told.is_useless(&format!("cannot be used: {why}")),
                (None, Err(why)) => told.is_useless(why),
                (None, Ok(())) => {}
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

    async fn silence(&self, mut silence: Silence) -> Result<Report> {
        let now = self.now();
        if let Some(why) = refusal(&silence, now) {
            return Err(Error::Event(why));
        }
        if silence.id.is_empty() {
            // Two that differ in what they match are two.
            let matches = json!(silence.matches).to_string();
            silence.id = id::of(&[&matches, &silence.author, &silence.reason, &silence.until.to_string()]);
        }
        let (ledger, environment) = (&self.clients.ledger, self.environment());
        let firing = ledger.firing(environment).await?;
        let note = remark(&silence, environment, &self.notify().labels(), &firing);
        ledger.silence(environment, &silence, now).await?;
        self.fanout.read_rules_again();
        let quiet = silenced(&silence, &firing, now);
        let goes_on = match quiet.len() {
            0 => "nothing that goes on now".to_owned(),
            1 => "one incident that goes on now".to_owned(),
            several => format!("{several} incidents that go on now"),
        };
        let (until, author, why) = (silence.until, &silence.author, &silence.reason);
        let reason = format!("{} until {until}, by {author}: {why}; {goes_on}", silence.matches);
        let named = |activity: &&Activity| json!({"incident": activity.incident, "severity": activity.severity, "title": activity.title});
        let answer = json!({
            "outcome": "silenced",
            "silence": silence,
            "matches": silence.matches.to_string(),
            "count": quiet.len(),
            "incidents": quiet.iter().take(MOST_NAMED).map(named).collect::<Vec<_>>(),
            "note": note,
        });
        Ok(Report::new("silenced", silence.id.clone(), reason).answering(answer))
    }

    async fn unsilence(&self, end: &End) -> Result<Report> {
        let End { id, by } = end;
        let (ledger, environment, now) = (&self.clients.ledger, self.environment(), self.now());
        let of_policy = self.of_policy();
        if of_policy.iter().any(|silence| silence.id == *id) {
            let parameter = policy::parameter(environment);
            return Err(Error::Malformed(format!(
                "{id} stands in the policy, and is ended there: take it out of notify.silences in {parameter}"
            )));
        }
        let (outcome, reason, silence) = match ledger.end_silence(environment, id, by, now).await? {
            Ending::Done(silence) => {
                let reason = format!("{} is told again; what goes on, within 15 minutes", silence.matches);
                ("ended", reason, silence)
            }
            Ending::Before { silence, by: Some(before) } => {
                ("over", format!("{before} ended it at {:.0}; nothing was changed", silence.until), silence)
            }
            Ending::Before { silence, by: None } => {
                ("over", format!("its time was over at {:.0}; nothing was changed", silence.until), silence)
            }
            Ending::Unknown => {
                let by_hand = ledger.silences(environment, now).await?;
                return Err(Error::Malformed(unknown(id, by_hand.iter().chain(&of_policy))));
            }
        };
        self.fanout.read_rules_again();
        let answer = json!({"outcome": outcome, "reason": reason, "silence": silence});
        Ok(Report::new(outcome, id.clone(), reason).record("by_hand", &json!({"by": by})).answering(answer))
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

/// That there is no such silence, and which there are.
fn unknown<'a>(id: &str, there: impl Iterator<Item = &'a Silence>) -> String {
    let id: String = id.chars().take(60).collect();
    let mut named: Vec<_> = there.map(|silence| format!("{} ({})", silence.id, silence.matches)).collect();
    let omitted = named.len().saturating_sub(MOST_NAMED);
    named.truncate(MOST_NAMED);
    if omitted > 0 {
        named.push(format!("{omitted} more"));
    }
    match named.as_slice() {
        [] => format!("no silence has the id {id:?}, and there is none at all"),
        named => format!("no silence has the id {id:?}; there are {}", named.join(", ")),
    }
}

/// What the ARN of a queue of this account and Region begins with, by that of a secret here.
fn queues(secret: &str) -> String {
    let mut parts = secret.split(':').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    let (partition, _, region, account) = (next(), next(), next(), next());
    format!("arn:{partition}:sqs:{region}:{account}:")
}
