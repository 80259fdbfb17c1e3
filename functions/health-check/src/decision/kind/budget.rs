//! What the environment costs against its budgets (AWS Budgets API, `DescribeBudgets`).
//!
//! The budgets that look at the environment's tag alone count; where there are none, those that look at the whole
//! account. Those that look at a part of it, such as one service, say nothing of the environment. Money that is spent is
//! no outage: the worst is degraded.

use shared::policy::health::Expected;

use crate::decision::{Findings, Verdict};

/// A budget of the account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// `COST`, `USAGE` …
    pub sort: String,
    /// `MONTHLY`, `QUARTERLY` …
    pub every: String,
    /// What it looks at.
    pub scope: Scope,
    /// The limit.
    pub limit: Option<Money>,
    /// What was spent.
    pub spent: Option<Money>,
    /// What AWS expects to be spent by the end; it needs some weeks to have an opinion.
    pub forecast: Option<Money>,
    /// `UNHEALTHY` where AWS cannot work it out.
    pub health: String,
}

/// What a budget looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All of the account.
    #[default]
    Account,
    /// What has the tag of this environment.
    Environment,
    /// Something else, such as one service.
    Part,
}

/// An amount, as AWS writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Money {
    /// Such as `1234.5`.
    pub amount: String,
    /// Such as `USD`.
    pub unit: String,
}

impl Money {
    fn number(&self) -> Option<f64> {
        self.amount.trim().parse::<f64>().ok().filter(|number| number.is_finite())
    }

    /// In dollars, where it is in dollars.
    fn dollars(&self) -> Option<f64> {
        self.number().filter(|_| self.unit == "USD")
    }

    fn text(&self) -> String {
        self.number().map(|number| format!("{number:.2} {}", self.unit)).unwrap_or_default()
    }
}

/// How what is spent is; `unread` is the verdict on the call that failed before all budgets were read.
pub fn verdict(budgets: &[Budget], unread: Option<&Verdict>, expected: &Expected) -> Verdict {
    let mut found = Findings::new();
    if let Some(why) = unread {
        found.unknown(format!("not all budgets were read: it {}", why.reason), why.todo.join(" "));
    }
    let of = |scope: Scope| -> Vec<&Budget> {
        // A sort that AWS did not name may be the one.
        let cost = |budget: &&Budget| !is_other(&budget.sort);
        budgets.iter().filter(cost).filter(|budget| budget.scope == scope).collect()
    };
    let own = of(Scope::Environment);
    let counting = if own.is_empty() { of(Scope::Account) } else { own };
    let dollars = expected.budget;
    found.saw("Expected at most", format!("{dollars} USD a month"));
    if counting.is_empty() && unread.is_none() {
        found.saw("Other budgets", budgets.len()).degraded(
            "no budget watches over what it costs",
            format!("Create a monthly cost budget of {dollars} dollars."),
        );
    }
    for budget in counting {
        against_limit(&mut found, budget);
        // What the whole account costs says nothing of this environment.
        if budget.every == "MONTHLY" && budget.scope == Scope::Environment {
            against_expected(&mut found, budget, dollars);
        }
    }
    found.verdict("it costs no more than it may")
}

/// Whether it is a budget of something else than costs.
fn is_other(sort: &str) -> bool {
    matches!(
        sort,
        "USAGE" | "RI_COVERAGE" | "RI_UTILIZATION" | "SAVINGS_PLANS_COVERAGE" | "SAVINGS_PLANS_UTILIZATION"
    )
}

const SPEND_LESS: &str = "Look in Cost Explorer at what costs more than it should, or raise the budget.";

fn against_limit(found: &mut Findings, budget: &Budget) {
    let Budget { name, sort, limit, spent, forecast, health, .. } = budget;
    let text = |money: &Option<Money>| money.as_ref().map(Money::text).unwrap_or_default();
    found.saw(&format!("{name}: limit"), text(limit));
    found.saw(&format!("{name}: spent"), text(spent));
    found.saw(&format!("{name}: forecast"), text(forecast));
    if sort != "COST" {
        let sort = if sort.is_empty() { "none" } else { sort };
        found.unknown(format!("{name} is of a sort that is not known here: {sort}"), "Check it by hand.");
    }
    if !matches!(health.as_str(), "" | "HEALTHY") {
        found.unknown(format!("AWS cannot work {name} out: {health}"), "Look at the budget's health.");
    }
    let number = |money: &Option<Money>| money.as_ref().and_then(Money::number);
    let (Some(most), Some(now)) = (number(limit), number(spent)) else {
        found.unknown(format!("AWS does not say what {name} allows and what was spent"), "Check it by hand.");
        return;
    };
    if most < now {
        found.degraded(format!("{} of {} of {name} is spent", text(spent), text(limit)), SPEND_LESS);
    } else if number(forecast).is_some_and(|later| most < later) {
        let why = format!("{} will be spent, {} is what {name} allows", text(forecast), text(limit));
        found.degraded(why, SPEND_LESS);
    }
}

fn against_expected(found: &mut Findings, budget: &Budget, expected: u32) {
    let dollars = |money: &Option<Money>| money.as_ref().and_then(Money::dollars);
    let most = f64::from(expected);
    if dollars(&budget.spent).is_some_and(|spent| most < spent) {
        found.degraded(format!("it costs more than the {expected} dollars a month that it may"), SPEND_LESS);
    } else if dollars(&budget.forecast).is_some_and(|later| most < later) {
        found.degraded(
            format!("it will cost more than the {expected} dollars a month that it may"),
            SPEND_LESS,
        );
    }
}

#[cfg(test)]
mod tests {
    use shared::policy::health::Expectations;

    use super::{Budget, Money, Scope, verdict};
    use crate::decision::{Health, Verdict};

    fn usd(amount: &str) -> Money {
        Money { amount: amount.to_owned(), unit: "USD".to_owned() }
    }

    fn budget(limit: &str, spent: &str, forecast: &str) -> Budget {
        Budget {
            name: "all".to_owned(),
            sort: "COST".to_owned(),
            every: "MONTHLY".to_owned(),
            limit: Some(usd(limit)),
            spent: Some(usd(spent)),
            forecast: Some(usd(forecast)),
            ..Budget::default()
        }
    }

    #[test]
    fn costs_stay_below_the_limit_and_below_what_the_environment_may_cost() {
        let good = || budget("2000", "500.5", "1900");
        let scoped = |scope: Scope, spent: &str| Budget { scope, ..budget("2000", spent, "0") };
        let own = |limit: &str, spent: &str, forecast: &str| Budget {
            scope: Scope::Environment,
            ..budget(limit, spent, forecast)
        };
        let none = "no budget watches over what it costs";
        let silent = "AWS does not say what all allows and what was spent";
        let cases = [
            (vec![good()], Health::Healthy, "it costs no more than it may"),
            (vec![], Health::Degraded, none),
            (vec![Budget { sort: "USAGE".to_owned(), ..good() }], Health::Degraded, none),
            (vec![scoped(Scope::Part, "1")], Health::Degraded, none),
            (
                vec![budget("1000", "1000.01", "1200")],
                Health::Degraded,
                "1000.01 USD of 1000.00 USD of all is spent",
            ),
            (vec![budget("1000", "1000", "1000")], Health::Healthy, "it costs no more than it may"),
            (
                vec![budget("1000", "10", "1000.01")],
                Health::Degraded,
                "1000.01 USD will be spent, 1000.00 USD is what all allows",
            ),
            (
                vec![own("5000", "2000.01", "3000")],
                Health::Degraded,
                "it costs more than the 2000 dollars a month that it may",
            ),
            (
                vec![own("5000", "2000", "2000.01")],
                Health::Degraded,
                "it will cost more than the 2000 dollars a month that it may",
            ),
            (
                vec![Budget { every: "ANNUALLY".to_owned(), ..budget("50000", "20000", "") }],
                Health::Healthy,
                "it costs no more than it may",
            ),
            // The account has more in it than this environment.
            (vec![budget("5000", "4000", "4500")], Health::Healthy, "it costs no more than it may"),
            // What the environment's own budget says counts, not the account's.
            (
                vec![scoped(Scope::Account, "9000"), scoped(Scope::Environment, "1")],
                Health::Healthy,
                "it costs no more than it may",
            ),
            (vec![Budget { forecast: None, ..good() }], Health::Healthy, "it costs no more than it may"),
            (vec![Budget { spent: None, ..good() }], Health::Unknown, silent),
            (vec![budget("much", "1", "1")], Health::Unknown, silent),
            (vec![budget("NaN", "1", "1")], Health::Unknown, silent),
            (
                vec![Budget { sort: "WISHES".to_owned(), ..good() }],
                Health::Unknown,
                "all is of a sort that is not known here: WISHES",
            ),
            (
                vec![Budget { health: "UNHEALTHY".to_owned(), ..good() }],
                Health::Unknown,
                "AWS cannot work all out: UNHEALTHY",
            ),
        ];
        let production = Expectations::default().of("prod", true);
        for (budgets, health, reason) in cases {
            let verdict = verdict(&budgets, None, &production);
            assert_eq!((verdict.health, verdict.reason.as_str()), (health, reason), "{budgets:?}");
            assert_eq!(verdict.health == Health::Healthy, verdict.todo.is_empty(), "{budgets:?}");
        }
        let throttled =
            Verdict { reason: "could not be checked: throttled".to_owned(), ..Verdict::default() };
        let nothing = verdict(&[], Some(&throttled), &production);
        assert_eq!(nothing.health, Health::Unknown, "what was not read may be the budget");
        let spent = verdict(&[budget("1", "2", "3")], Some(&throttled), &production);
        assert_eq!(spent.health, Health::Degraded);
    }
}
