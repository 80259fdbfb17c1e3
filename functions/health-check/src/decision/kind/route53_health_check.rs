//! A Route 53 health check: on, and reached by enough of its checkers.
//!
//! Route 53 takes an endpoint for healthy where more than 18 % of its checkers do ("How Amazon Route 53 determines
//! whether a health check is healthy"); below one half it is told here before Route 53 turns traffic away. Health checks
//! that have no checkers, since they follow others or an alarm, are for those to say.

use crate::decision::{Findings, Verdict};

/// More than this many percent of the checkers have to reach an endpoint.
const PERCENT: usize = 18;

/// What is known of a health check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The API does not know it.
    pub gone: bool,
    /// Such as `HTTPS` or `CALCULATED`; a word of AWS that may be new.
    pub sort: String,
    /// What it asks: host or address, port and path.
    pub endpoint: String,
    /// Route 53 does not ask any more.
    pub disabled: bool,
    /// Route 53 takes healthy for unhealthy, and the other way round.
    pub inverted: bool,
    /// Of a calculated one, how many it follows.
    pub children: usize,
    /// The alarm that it follows.
    pub alarm: String,
    /// What each checker says, such as `Success: HTTP Status Code 200, OK`.
    pub said: Vec<String>,
    /// Why its checkers could not be asked.
    pub unasked: Option<Verdict>,
}

impl Facts {
    /// Whether checkers ask for this kind of health check.
    pub fn has_checkers(&self) -> bool {
        matches!(self.sort.as_str(), "HTTP" | "HTTPS" | "HTTP_STR_MATCH" | "HTTPS_STR_MATCH" | "TCP")
    }
}

/// How the health check is.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut found = Findings::new();
    if facts.gone {
        found.absent("it does not exist any more", "Create it again, or take it out of its records.");
        return found.verdict("");
    }
    found.saw("Type", &facts.sort).saw("Endpoint", &facts.endpoint).saw("Alarm", &facts.alarm);
    if facts.disabled {
        let taken = if facts.inverted { "unhealthy" } else { "healthy" };
        found.degraded(
            format!("it is disabled: Route 53 takes it for {taken}, whatever happens"),
            "Enable it, or take it out of its records.",
        );
        return found.verdict("");
    }
    match facts.sort.as_str() {
        _ if facts.has_checkers() => checkers(&mut found, facts),
        "CALCULATED" => {
            found.not_applicable(format!(
                "it follows {} other health checks, which are checked themselves",
                facts.children
            ));
        }
        "CLOUDWATCH_METRIC" => {
            found.not_applicable("it follows an alarm");
        }
        "RECOVERY_CONTROL" => {
            found.not_applicable("it is switched by hand, by a routing control");
        }
        "" => {
            found.unknown("it is not said what it checks", "Check it by hand.");
        }
        other => {
            found.unknown(format!("it is of a type that is not known here: {other}"), "Check it by hand.");
        }
    }
    found.verdict("enough of its checkers reach it")
}

fn checkers(found: &mut Findings, facts: &Facts) {
    if let Some(why) = &facts.unasked {
        found.unknown(format!("its checkers {}", why.reason), why.todo.join(" "));
        return;
    }
    let begins = |word: &str| facts.said.iter().filter(|said| said.starts_with(word)).count();
    let (up, down) = (begins("Success"), begins("Failure"));
    let all = up + down;
    found.saw("Checkers that reach it", format!("{up} of {all}"));
    if all == 0 {
        let said = facts.said.iter().find(|said| !said.is_empty());
        let why =
            said.map_or_else(|| "nothing yet".to_owned(), |said| format!("what is not known here: {said}"));
        found.unknown(format!("its checkers say {why}"), "Check it by hand if it stays so.");
        return;
    }
    let healthy = PERCENT * all < 100 * up;
    let reach = if up == 1 { "reaches" } else { "reach" };
    let counted = format!("{up} of {all} checkers {reach} it");
    let failure = facts.said.iter().find(|said| said.starts_with("Failure"));
    let because = failure.map(|said| format!(" ({})", said.trim_end_matches('.'))).unwrap_or_default();
    match (facts.inverted, healthy) {
        (false, false) => {
            found.failed(
                format!("{counted}{because}"),
                "Look at its endpoint, and whether it lets Route 53's checkers in.",
            );
        }
        (false, true) if up * 2 < all => {
            found.degraded(
                format!("only {counted}; at 18 % Route 53 takes it for unhealthy{because}"),
                "Look at its endpoint from several Regions.",
            );
        }
        (true, true) => {
            found.failed(
                format!("{counted}, and it is inverted: Route 53 takes it for unhealthy"),
                "Look at why its endpoint answers, or take the inversion away.",
            );
        }
        (false, true) | (true, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, verdict};
    use crate::decision::{Findings, Health};

    fn of(up: usize, down: usize) -> Facts {
        let up = std::iter::repeat_n("Success: HTTP Status Code 200, OK".to_owned(), up);
        let down = std::iter::repeat_n("Failure: Connection refused.".to_owned(), down);
        Facts { sort: "HTTPS".to_owned(), said: up.chain(down).collect(), ..Facts::default() }
    }

    fn sort(sort: &str) -> Facts {
        Facts { sort: sort.to_owned(), ..of(0, 0) }
    }

    #[test]
    fn a_health_check_is_healthy_where_enough_of_its_checkers_reach_it() {
        let denied = || {
            let mut found = Findings::new();
            found.unknown("could not be checked: denied", "Allow it.");
            Some(found.verdict(""))
        };
        let inverted = |facts: Facts| Facts { inverted: true, ..facts };
        let (fine, bad, down, open, none) =
            (Health::Healthy, Health::Degraded, Health::Failed, Health::Unknown, Health::NotApplicable);
        let cases = [
            (of(16, 0), fine, "enough of its checkers"),
            (of(8, 8), fine, "enough of its checkers"),
            (of(7, 9), bad, "only 7 of 16 checkers reach it"),
            // Eighteen percent are not enough, and more are.
            (of(18, 82), down, "18 of 100 checkers reach it (Failure: Connection refused)"),
            (of(19, 81), bad, "only 19 of 100 checkers reach it"),
            (of(1, 15), down, "1 of 16 checkers reaches it"),
            (of(0, 16), down, "0 of 16 checkers reach it"),
            (inverted(of(16, 0)), down, "it is inverted"),
            (inverted(of(0, 16)), fine, "enough of its checkers"),
            (of(0, 0), open, "its checkers say nothing yet"),
            (Facts { said: vec![String::new()], ..of(0, 0) }, open, "its checkers say nothing yet"),
            (Facts { said: vec!["Perhaps".to_owned()], ..of(0, 0) }, open, "not known here: Perhaps"),
            (Facts { unasked: denied(), ..of(0, 0) }, open, "its checkers could not be checked: denied"),
            (Facts { disabled: true, ..of(16, 0) }, bad, "it is disabled: Route 53 takes it for healthy"),
            (
                inverted(Facts { disabled: true, ..of(16, 0) }),
                bad,
                "it is disabled: Route 53 takes it for unhealthy",
            ),
            (Facts { children: 3, ..sort("CALCULATED") }, none, "it follows 3 other health checks"),
            (sort("CLOUDWATCH_METRIC"), none, "it follows an alarm"),
            (sort("RECOVERY_CONTROL"), none, "by a routing control"),
            (sort("GOPHER"), open, "not known here: GOPHER"),
            (sort(""), open, "it is not said what it checks"),
            (Facts { gone: true, ..Facts::default() }, down, "does not exist any more"),
        ];
        for (facts, health, reason) in cases {
            let verdict = verdict(&facts);
            assert_eq!(verdict.health, health, "{facts:?}: {verdict:?}");
            assert!(verdict.reason.contains(reason), "{facts:?}: {verdict:?}");
            let nothing_to_do = matches!(verdict.health, Health::Healthy | Health::NotApplicable);
            assert_eq!(nothing_to_do, verdict.todo.is_empty(), "{verdict:?}");
        }
    }
}
