//! Everything, for people: with what was seen, what to do, and the causes.

use std::fmt::Write;

use shared::text::clean;

use crate::decision::Health;
use crate::result::words::{lasting, spoken, tally, those, took, when, wrong};
use crate::result::{Checked, Sweep};

/// How wide the column of labels is.
const LABEL: usize = 12;

/// All of it.
pub(super) fn write(sweep: &Sweep) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}: {}", clean(&sweep.environment), sweep.health.word());
    field(&mut text, "swept", &format!("{}, in {}", when(sweep.began), took(sweep)));
    field(&mut text, "found", &tally(&sweep.counts));
    list(&mut text, "not whole", sweep.incomplete.iter().map(|what| clean(what)));
    let rest = [Health::Unknown, Health::Healthy, Health::NotApplicable];
    for it in wrong(sweep).chain(rest.into_iter().flat_map(|health| those(sweep, health))) {
        text.push('\n');
        one(&mut text, it, sweep);
    }
    text
}

fn one(text: &mut String, it: &Checked, sweep: &Sweep) {
    let _ = writeln!(text, "{} {} {}", spoken(it.health).to_uppercase(), it.kind.title(), clean(&it.name));
    if !it.reason.is_empty() {
        field(text, "why", &clean(&it.reason));
    }
    if let Some(since) = it.since {
        field(text, "since", &format!("{} ({})", when(since), lasting(since, sweep.began)));
    }
    list(text, "because of", it.because_of.iter().map(|id| clean(id)));
    list(text, "affects", it.affects.iter().map(|id| clean(id)));
    list(text, "to do", it.todo.iter().map(|what| clean(what)));
    list(
        text,
        "seen",
        it.evidence.iter().map(|fact| format!("{}: {}", clean(&fact.name), clean(&fact.value))),
    );
    if let Some(arn) = &it.arn {
        field(text, "ARN", &clean(arn));
    }
}

fn field(text: &mut String, label: &str, value: &str) {
    let _ = writeln!(text, "  {label:LABEL$}{value}");
}

/// One below the other, with one label.
fn list(text: &mut String, label: &str, values: impl Iterator<Item = String>) {
    for (place, value) in values.enumerate() {
        field(text, if place == 0 { label } else { "" }, &value);
    }
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::decision::Health;
    use crate::result::samples;

    #[test]
    fn all_facts_are_told() {
        let mut web = samples::checked("ecs-service:prod/web", Health::Failed, "0 of 3 tasks run")
            .because_of(&["secret:prod/db"])
            .affects(&["load-balancer:web", "alarm:web: 5xx"])
            .saw(&[("Running", "0"), ("Desired", "3")]);
        web.arn = Some("arn:aws:ecs:eu-central-1:111122223333:service/prod/web".to_owned());
        web.todo = vec!["Look at the stopped tasks.".to_owned()];
        let sweep =
            samples::of(vec![web, samples::checked("kms-key:main", Health::Healthy, "it is enabled")]);
        let expected = "\
prod: failed
  swept       2026-11-26 12:00 UTC, in 2.1 s
  found       1 failed, 1 healthy
  not whole   the deadline came before 2 log groups

FAILED service prod/web
  why         0 of 3 tasks run
  since       2026-11-26 09:50 UTC (2 h 10 min)
  because of  secret:prod/db
  affects     load-balancer:web
              alarm:web: 5xx
  to do       Look at the stopped tasks.
  seen        Running: 0
              Desired: 3
  ARN         arn:aws:ecs:eu-central-1:111122223333:service/prod/web

HEALTHY KMS key main
  why         it is enabled
";
        assert_eq!(write(&sweep), expected);
    }
}
