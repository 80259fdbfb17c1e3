//! What people are told.

use jiff::Timestamp;
use shared::Error;
use shared::ledger::scaling::{End, Scaling};
use shared::notice::{Notice, Severity, State, Subject};
use shared::policy::Scale;
use shared::target::Target;

use crate::decision::{Aside, Facts, Step};

/// The name in `source`.
const SOURCE: &str = "queue-scale";

/// What every notice of a service has in common.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    /// The rule.
    pub(crate) rule: &'a Scale,
    /// What is known.
    pub(crate) facts: &'a Facts,
    /// The environment.
    pub(crate) environment: &'a str,
}

/// What a step is, for the log and for who asks by hand.
pub(crate) fn words(rule: &Scale, step: &Step) -> String {
    match step {
        Step::Nothing { why } | Step::Remember { why, .. } => format!("left as it is: {why}"),
        Step::Set { scaling } => {
            format!("from {} to {}, for {}", scaling.before, tasks(scaling.to), rule.queue)
        }
        Step::Tell { scaling } => format!("it has {}: told", tasks(scaling.to)),
        Step::StepAside { aside: Aside::Found(found), .. } => {
            format!("somebody else set it to {}: left alone", tasks(*found))
        }
        Step::StepAside { aside: Aside::Gone, .. } => "it is gone: left alone".to_owned(),
        Step::StepAside { aside: Aside::Forgotten, .. } => {
            "nobody looked after it for a day: it keeps its count".to_owned()
        }
        Step::Propose { to, withheld } => format!("would get {}, but {withheld}", tasks(*to)),
    }
}

fn tasks(count: u32) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

impl About<'_> {
    /// The service has another count.
    pub(crate) fn set(&self, scaling: &Scaling) -> Notice {
        let Scaling { before, to, own, .. } = scaling;
        let (name, queue) = (self.name(), &self.rule.queue);
        let waiting = self.waiting();
        if scaling.end == Some(End::Back) {
            let title = format!("{name} has its own {} again", tasks(*own));
            let mut notice = self.notice(scaling, State::Resolved, Severity::Sev4, &title);
            notice.summary = format!("{waiting} wait in {queue}, few enough for long enough.");
            if before != to {
                notice.actions = vec![format!("Set {name} from {before} back to {}.", tasks(*to))];
            }
            return notice;
        }
        let title = format!("{name} scaled from {before} to {}", tasks(*to));
        let mut notice = self.notice(scaling, State::Firing, Severity::Sev3, &title);
        notice.summary = format!("{waiting} wait in {queue}.");
        notice.actions = vec![format!("Set {name} from {before} to {}.", tasks(*to))];
        if *to >= self.rule.at_most {
            let most = tasks(self.rule.at_most);
            notice.next_steps.push(format!(
                "It has all that the policy allows, {most}. If the queue grows still, find out what its tasks wait for."
            ));
        }
        notice.next_steps.push(format!(
            "Nothing has to be done: it gets its own {} back when few messages have waited for a while.",
            tasks(*own)
        ));
        notice.next_steps.push(format!(
            "To take it back: {}. Watchkeeper leaves it alone for an hour then.",
            self.command(*own)
        ));
        notice
    }

    /// It is over, and the service has another count than its own.
    pub(crate) fn stepped_aside(&self, scaling: &Scaling, aside: Aside) -> Notice {
        let (name, queue) = (self.name(), &self.rule.queue);
        let title = match aside {
            Aside::Found(found) => format!("{name} was set to {} by somebody else", tasks(found)),
            Aside::Gone => format!("{name}, which was scaled for {queue}, is gone"),
            Aside::Forgotten => format!("{name} keeps {}", tasks(scaling.to)),
        };
        let mut notice = self.notice(scaling, State::Resolved, Severity::Sev4, &title);
        notice.summary = match aside {
            Aside::Found(_) => format!(
                "Watchkeeper had set {name} to {}, for the messages in {queue}. It leaves the service alone for an hour, \
                 and takes what it has then for its own count.",
                tasks(scaling.to)
            ),
            Aside::Gone => "There is nothing left to give its own count back to.".to_owned(),
            Aside::Forgotten => format!(
                "It was scaled for the messages in {queue}, and then not looked after for more than a day. What it has is \
                 taken for its own count now."
            ),
        };
        notice.fact("Own count", scaling.own);
        let differs = match aside {
            Aside::Found(found) => found != scaling.own,
            Aside::Gone => false,
            Aside::Forgotten => scaling.to != scaling.own,
        };
        if differs {
            notice.next_steps.push(format!("To give it its own count: {}", self.command(scaling.own)));
        }
        notice
    }

    /// ECS would not change the count.
    pub(crate) fn refused(&self, scaling: &Scaling, error: &Error) -> Notice {
        let (name, to) = (self.name(), scaling.to);
        let title = format!("{name} could not be set to {}", tasks(to));
        let mut notice = self.notice(scaling, State::Firing, Severity::Sev2, &title);
        notice.summary =
            format!("{} wait in {}, and ECS refuses the change.", self.waiting(), self.rule.queue);
        notice.fact("Why", error.chain());
        notice.next_steps = vec![
            format!("Set it by hand: {}", self.command(to)),
            "Mend what the error names. Watchkeeper tries again in an hour.".to_owned(),
        ];
        notice
    }

    /// What would be done. The day is its revision, so that it is the same notice if it is told again.
    pub(crate) fn proposed(&self, to: u32, withheld: &str, day: Timestamp, now: Timestamp) -> Notice {
        let name = self.name();
        let title = format!("{name} would be scaled to {}", tasks(to));
        let incident = format!("{}:proposed", self.incident(&self.facts.queue));
        let mut notice = self.of(&incident, State::Info, Severity::Sev3, &title, day);
        notice.time = now;
        notice.summary =
            format!("{} wait in {}. Nothing was changed: {withheld}.", self.waiting(), self.rule.queue);
        notice.next_steps = vec![format!("To do it by hand: {}", self.command(to))];
        notice
    }

    fn notice(&self, scaling: &Scaling, state: State, severity: Severity, title: &str) -> Notice {
        // The queue may have another name in the policy by now; the incident goes on.
        let incident = self.incident(&scaling.queue);
        let mut notice = self.of(&incident, state, severity, title, scaling.changed);
        notice.started = Some(scaling.began);
        notice.fact("Operation", &scaling.id);
        notice
    }

    fn incident(&self, queue: &str) -> String {
        format!("queue-depth:{queue}:{}", self.rule.service)
    }

    fn of(&self, incident: &str, state: State, severity: Severity, title: &str, time: Timestamp) -> Notice {
        let name = self.name();
        let arn = |region: &str, account: &str| format!("arn:aws:ecs:{region}:{account}:service/{name}");
        let parts: Vec<&str> = self.facts.queue.split(':').collect();
        let arn = match parts.as_slice() {
            [_, _, _, region, account, _] => Some(arn(region, account)),
            _ => None,
        };
        let subject = Subject { kind: "ecs-service".to_owned(), id: name, arn };
        let mut notice = Notice::new(incident, state, severity, subject, title, time);
        SOURCE.clone_into(&mut notice.source);
        self.environment.clone_into(&mut notice.environment);
        notice.labels.insert("queue".to_owned(), self.rule.queue.clone());
        notice.fact("Queue", &self.rule.queue);
        notice.fact("Messages waiting", self.facts.waiting);
        if let Some(service) = self.facts.service {
            notice.fact("Tasks", format!("{} running of {} desired", service.running, service.desired));
        }
        notice.fact("At most", tasks(self.rule.at_most));
        notice
    }

    fn waiting(&self) -> String {
        match self.facts.waiting {
            1 => "1 message".to_owned(),
            waiting => format!("{waiting} messages"),
        }
    }

    /// The service as `<cluster>/<service>`.
    fn name(&self) -> String {
        let target = self.rule.service.to_string();
        target.strip_prefix("ecs:").unwrap_or(&target).to_owned()
    }

    fn command(&self, count: u32) -> String {
        match &self.rule.service {
            Target::Service { cluster, service } => format!(
                "aws ecs update-service --cluster {cluster} --service {service} --desired-count {count}"
            ),
            other @ (Target::Alias { .. } | Target::Stack { .. }) => other.to_string(),
        }
    }
}
