//! A few lines: how many are how, then one line for each root cause.

use std::fmt::Write;

use shared::text::clean;

use crate::decision::Health;
use crate::result::words::{counted, lasting, tally, those, took, when, wrong};
use crate::result::{Checked, Sweep};

/// How many lines there are of what is wrong, and of what is unknown.
const LINES: usize = 20;

/// How many of what a cause affects are named.
const NAMED: usize = 3;

/// The summary.
pub(super) fn write(sweep: &Sweep) -> String {
    let mut text = String::new();
    let checked = sweep.components.len();
    let _ = writeln!(
        text,
        "{}: {} ({}, {checked} checked in {})",
        clean(&sweep.environment),
        sweep.health.word(),
        when(sweep.began),
        took(sweep)
    );
    let _ = writeln!(text, "{}", tally(&sweep.counts));
    for what in &sweep.incomplete {
        let _ = writeln!(text, "not whole: {}", clean(what));
    }
    let roots: Vec<_> = wrong(sweep).filter(|it| it.because_of.is_empty()).collect();
    lines(&mut text, &roots, |it| cause(it, sweep));
    lines(&mut text, &unknown(sweep), |(it, more)| {
        let which = match more {
            0 => format!("{} {}", it.kind.title(), clean(&it.name)),
            more => counted(it.kind, more + 1),
        };
        format!("unknown {which}: {}", clean(&it.reason))
    });
    text
}

fn lines<T>(text: &mut String, them: &[T], line: impl Fn(&T) -> String) {
    for it in them.iter().take(LINES) {
        let _ = writeln!(text, "{}", line(it));
    }
    if let Some(more @ 1..) = them.len().checked_sub(LINES) {
        let _ = writeln!(text, "… and {more} more; the table has them all");
    }
}

fn cause(it: &Checked, sweep: &Sweep) -> String {
    let mut line =
        format!("{} {} {}: {}", it.health.word(), it.kind.title(), clean(&it.name), clean(&it.reason));
    if let Some(since) = it.since {
        let _ = write!(line, "; since {} ({})", when(since), lasting(since, sweep.began));
    }
    if !it.affects.is_empty() {
        let named: Vec<_> = it.affects.iter().take(NAMED).map(|id| clean(id)).collect();
        let _ = write!(line, "; affects {}", named.join(", "));
        if let Some(more @ 1..) = it.affects.len().checked_sub(NAMED) {
            let _ = write!(line, " and {more} more");
        }
    }
    line
}

/// What could not be checked; the same reason of the same kind is one, with how many more there are.
fn unknown(sweep: &Sweep) -> Vec<(&Checked, usize)> {
    let mut groups: Vec<(&Checked, usize)> = Vec::new();
    for it in those(sweep, Health::Unknown) {
        match groups.iter_mut().find(|(first, _)| first.kind == it.kind && first.reason == it.reason) {
            Some((_, more)) => *more += 1,
            None => groups.push((it, 0)),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::decision::Health;
    use crate::result::samples;

    #[test]
    fn the_root_causes_are_told_and_what_they_affect_is_named_with_them() {
        let sweep = samples::of(vec![
            samples::checked("secret:prod/db", Health::Failed, "it is about to be deleted").affects(&[
                "ecs-service:prod/web",
                "ecs-service:prod/api",
                "load-balancer:web",
                "endpoint:https://shop.example",
            ]),
            samples::checked("ecs-service:prod/web", Health::Failed, "0 of 3 tasks run")
                .because_of(&["secret:prod/db"]),
            samples::checked("alarm:cpu", Health::Degraded, "it is in alarm"),
            samples::checked("sqs-queue:orders", Health::Unknown, "sqs:GetQueueAttributes is denied"),
            samples::checked("sqs-queue:mails", Health::Unknown, "sqs:GetQueueAttributes is denied"),
            samples::checked("s3-bucket:assets", Health::Healthy, "it is private"),
        ]);
        assert_eq!(
            write(&sweep),
            "prod: failed (2026-11-26 12:00 UTC, 6 checked in 2.1 s)\n\
             2 failed, 1 degraded, 2 unknown, 1 healthy\n\
             not whole: the deadline came before 2 log groups\n\
             failed secret prod/db: it is about to be deleted; since 2026-11-26 09:50 UTC (2 h 10 min); affects \
             ecs-service:prod/web, ecs-service:prod/api, load-balancer:web and 1 more\n\
             degraded alarm cpu: it is in alarm; since 2026-11-26 09:50 UTC (2 h 10 min)\n\
             unknown 2 queues: sqs:GetQueueAttributes is denied\n"
        );
    }

    #[test]
    fn it_stays_short_and_says_so() {
        let bad =
            (0..30).map(|n| samples::checked(&format!("alarm:{n}"), Health::Degraded, "it is in alarm"));
        let text = write(&samples::of(bad.collect()));
        assert_eq!(text.lines().count(), 3 + 20 + 1);
        assert!(text.ends_with("… and 10 more; the table has them all\n"));
    }
}
