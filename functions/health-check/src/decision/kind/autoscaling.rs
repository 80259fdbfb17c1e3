//! The scaling of a service: whether it has reached its limit, or is suspended (Application Auto Scaling API,
//! `ScalableTarget`).

use crate::decision::{Findings, Verdict};

/// What `DescribeScalableTargets` says of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// How many tasks the service is meant to have now.
    pub desired: u32,
    /// The least and the most that it is scaled to; none where it is not scaled.
    pub bounds: Option<(u32, u32)>,
    /// What is suspended, in words.
    pub suspended: Vec<&'static str>,
}

/// How the scaling is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    let Some((least, most)) = facts.bounds else {
        found.not_applicable("its service is not scaled by Application Auto Scaling");
        return found.verdict("");
    };
    found.saw("Tasks", format!("{} desired, from {least} to {most}", facts.desired));
    if facts.desired == 0 {
        found.not_applicable("its service is scaled to zero");
        return found.verdict("");
    }
    if !facts.suspended.is_empty() {
        let what = facts.suspended.join(", ");
        found.saw("Suspended", &what);
        found.degraded(
            format!("it is suspended: {what}"),
            "Resume the scaling, unless somebody still needs it suspended.",
        );
    }
    match most {
        0 => {
            found.unknown("Application Auto Scaling does not say how far it may scale", "Check it by hand.");
        }
        // Somebody holds it there.
        _ if least == most => {}
        _ if most <= facts.desired => {
            found.degraded(
                format!("it is at its limit: {} of at most {most} tasks", facts.desired),
                "Raise the maximum capacity, or find what the load comes from.",
            );
        }
        _ => {}
    }
    found.verdict(if least == most {
        format!("it is held at {most}")
    } else {
        format!("it can scale to {most}")
    })
}

#[cfg(test)]
mod tests {
    use super::{Facts, verdict};
    use crate::decision::Health;

    #[test]
    fn scaling_is_degraded_at_its_limit_and_while_it_is_suspended() {
        let of = |desired, least, most| Facts { desired, bounds: Some((least, most)), suspended: Vec::new() };
        let suspended = |facts| Facts { suspended: vec!["scaling out"], ..facts };
        let cases = [
            (of(2, 1, 3), Health::Healthy, "it can scale to 3"),
            (of(3, 1, 3), Health::Degraded, "it is at its limit: 3 of at most 3 tasks"),
            (of(4, 1, 3), Health::Degraded, "it is at its limit: 4 of at most 3 tasks"),
            (of(3, 3, 3), Health::Healthy, "it is held at 3"),
            (of(0, 0, 3), Health::NotApplicable, "its service is scaled to zero"),
            (suspended(of(0, 0, 0)), Health::NotApplicable, "its service is scaled to zero"),
            (suspended(of(1, 1, 3)), Health::Degraded, "it is suspended: scaling out"),
            (
                suspended(of(3, 1, 3)),
                Health::Degraded,
                "it is suspended: scaling out; it is at its limit: 3 of at most 3 tasks",
            ),
            (of(1, 0, 0), Health::Unknown, "Application Auto Scaling does not say how far it may scale"),
            (
                Facts { desired: 2, ..Facts::default() },
                Health::NotApplicable,
                "its service is not scaled by Application Auto Scaling",
            ),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{facts:?}");
            let calm = matches!(health, Health::Healthy | Health::NotApplicable);
            assert_eq!(calm, verdict.todo.is_empty(), "{verdict:?}");
        }
    }
}
