//! The budgets of the account, with what was spent.

use aws_sdk_budgets::Client;
use aws_sdk_budgets::config::Region;
use aws_sdk_budgets::types::{Budget as Said, Expression, Spend, TagValues};
use shared::error::Call;
use shared::{Result, tags};

use crate::clients::home;
use crate::component::{Component, Kind};
use crate::decision::Findings;
use crate::decision::kind::budget::{Budget, Money, Scope, verdict};
use crate::sweep::{Api, Ask, Pages, unknown};

/// What the check is known by.
pub(crate) const NAME: &str = "monthly costs";

/// Checks what the environment costs; `account` is the number of the account that it is in.
pub(crate) async fn check(ask: &Ask<'_>, account: &str) {
    let component = Component::new(Kind::Budget, NAME);
    if account.is_empty() {
        let mut found = Findings::new();
        found.unknown("the number of the account is not known", "Tag what belongs to the environment.");
        return ask.say(&component, found.verdict(""));
    }
    let mut budgets = Vec::new();
    let unread = match read(ask, account, &mut budgets).await {
        Ok(()) => None,
        // An account that never had a budget.
        Err(error) if error.code() == Some("NotFoundException") => None,
        Err(error) if budgets.is_empty() => return ask.unknown(&component, &error),
        Err(error) => Some(unknown(&error)),
    };
    ask.say(&component, verdict(&budgets, unread.as_ref(), ask.expected));
}

/// Reads all pages into `budgets`; what was read stays there when one fails.
async fn read(ask: &Ask<'_>, account: &str, budgets: &mut Vec<Budget>) -> Result<()> {
    let own = ask.clients.budgets();
    let region = home(own.config().region().map(AsRef::as_ref)).to_owned();
    let client = Client::from_conf(own.config().to_builder().region(Region::new(region)).build());
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let turn = ask.turn(Api::Budgets).await;
        let answer = client
            .describe_budgets()
            .account_id(account)
            .max_results(100)
            .show_filter_expression(true)
            .set_next_token(token)
            .send()
            .await
            .action("budgets:ViewBudget")?;
        drop(turn);
        let page = answer.budgets.unwrap_or_default();
        budgets.extend(page.into_iter().map(|budget| read_one(budget, ask.environment)));
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            return Ok(());
        }
    }
}

fn read_one(said: Said, environment: &str) -> Budget {
    let money = |spend: Option<Spend>| spend.map(|it| Money { amount: it.amount, unit: it.unit });
    let scope = scope(&said, environment);
    let (spent, forecast) =
        said.calculated_spend.map_or((None, None), |it| (it.actual_spend, it.forecasted_spend));
    let health = said.health_status.and_then(|it| it.status);
    Budget {
        name: said.budget_name,
        sort: said.budget_type.as_str().to_owned(),
        every: said.time_unit.as_str().to_owned(),
        scope,
        limit: money(said.budget_limit),
        spent: money(spent),
        forecast: money(forecast),
        health: health.map(|word| word.as_str().to_owned()).unwrap_or_default(),
    }
}

/// What a budget looks at: its filters are `TagKeyValue: ["user:key$value"]` and the like, or an expression.
#[allow(deprecated, reason = "AWS answers in the older words for budgets that were made with them")]
fn scope(said: &Said, environment: &str) -> Scope {
    let tag = format!("{}${environment}", tags::ENVIRONMENT);
    let own = |value: &String| value.strip_prefix("user:").unwrap_or(value) == tag;
    let filters = said.cost_filters().filter(|filters| !filters.is_empty());
    let by_filters = match filters {
        None => Scope::Account,
        Some(filters) => match filters.get("TagKeyValue") {
            Some(values) if filters.len() == 1 && !values.is_empty() && values.iter().all(own) => {
                Scope::Environment
            }
            Some(_) | None => Scope::Part,
        },
    };
    match said.filter_expression() {
        Some(expression) if of_environment(expression, environment) => Scope::Environment,
        // The filters say the same in the older words.
        Some(_) if by_filters == Scope::Environment => Scope::Environment,
        Some(_) => Scope::Part,
        None => by_filters,
    }
}

fn of_environment(expression: &Expression, environment: &str) -> bool {
    let alone = expression.and().is_empty()
        && expression.or().is_empty()
        && expression.not().is_none()
        && expression.dimensions().is_none()
        && expression.cost_categories().is_none();
    let tags = expression.tags();
    let key = tags.and_then(|tags| tags.key()).unwrap_or_default();
    let values = tags.map(TagValues::values).unwrap_or_default();
    alone
        && key.strip_prefix("user:").unwrap_or(key) == tags::ENVIRONMENT
        && values.len() == 1
        && values.iter().all(|value| value == environment)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{NAME, check};
    use crate::component::Kind;
    use crate::decision::{Health, Verdict};
    use crate::observe::s3::tests::mangled;
    use crate::wire::{Call, Reply, Wire};

    fn budget(spent: &str, more: Value) -> Value {
        let mut budget = json!({
            "BudgetName": "all", "BudgetType": "COST", "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "2000.0", "Unit": "USD"},
            "CalculatedSpend": {
                "ActualSpend": {"Amount": spent, "Unit": "USD"},
                "ForecastedSpend": {"Amount": "1900.0", "Unit": "USD"},
            },
        });
        let Value::Object(more) = more else { return budget };
        budget.as_object_mut().unwrap().extend(more);
        budget
    }

    async fn checked(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Verdict {
        let wire = Wire::new(answer);
        let ask = wire.ask();
        check(&ask, "123456789012").await;
        assert!(wire.calls().iter().all(|call| call.body.contains("123456789012")));
        ask.verdict(Kind::Budget, NAME).unwrap()
    }

    #[tokio::test]
    async fn budgets_are_read_as_aws_answers() {
        let of = |budget: Value| Reply::ok(json!({"Budgets": [budget]}));
        let cases = [
            (of(budget("500", json!({}))), Health::Healthy, "no more than it may"),
            (of(budget("2500", json!({}))), Health::Degraded, "2500.00 USD of 2000.00 USD of all is spent"),
            (Reply::ok(json!({"Budgets": []})), Health::Degraded, "no budget"),
            (Reply::ok(json!({})), Health::Degraded, "no budget"),
            (Reply::error(400, "NotFoundException"), Health::Degraded, "no budget"),
            (
                of(budget("1", json!({"CalculatedSpend": null}))),
                Health::Unknown,
                "does not say what all allows",
            ),
            (of(budget("1", json!({"BudgetType": "WISH"}))), Health::Unknown, "WISH"),
            (
                of(budget("1", json!({"HealthStatus": {"Status": "UNHEALTHY"}}))),
                Health::Unknown,
                "AWS cannot work all out",
            ),
            (Reply::error(400, "AccessDeniedException"), Health::Unknown, "budgets:ViewBudget is denied"),
        ];
        for (reply, health, reason) in cases {
            let verdict = checked(move |_| reply.clone()).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_budget_of_the_environments_tag_counts_alone_and_one_of_a_part_does_not() {
        let tag = |value: &str| json!({"CostFilters": {"TagKeyValue": [format!("user:watchkeeper:environment${value}")]}});
        let expression =
            json!({"FilterExpression": {"Tags": {"Key": "watchkeeper:environment", "Values": ["prod"]}}});
        let cases = [
            (tag("prod"), Health::Healthy),
            (expression, Health::Healthy),
            (tag("dev"), Health::Degraded),
            (json!({"CostFilters": {"Service": ["Amazon EC2"]}}), Health::Degraded),
            (
                json!({"FilterExpression": {"Dimensions": {"Key": "SERVICE", "Values": ["EC2"]}}}),
                Health::Degraded,
            ),
        ];
        for (more, health) in cases {
            let reply = Reply::ok(json!({"Budgets": [budget("9000", json!({})), budget("1", more.clone())]}));
            assert_eq!(checked(move |_| reply.clone()).await.health, health, "{more}");
        }
    }

    #[tokio::test]
    async fn what_was_read_before_a_page_failed_counts_and_the_rest_is_unknown() {
        for (spent, health) in [("9000", Health::Degraded), ("1", Health::Unknown)] {
            let verdict = checked(move |call| {
                if call.body.contains("NextToken") {
                    return Reply::error(400, "ThrottlingException");
                }
                Reply::ok(json!({"Budgets": [budget(spent, json!({}))], "NextToken": "more"}))
            })
            .await;
            assert_eq!(verdict.health, health, "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn without_an_account_nothing_is_asked_and_it_is_unknown() {
        let wire = Wire::new(|_| Reply::ok(json!({})));
        let ask = wire.ask();
        check(&ask, "").await;
        assert_eq!(ask.verdict(Kind::Budget, NAME).unwrap().health, Health::Unknown);
        assert!(wire.calls().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_answer_never_makes_what_was_spent_less(
            at in 0usize..400, long in 0usize..40, by in "[a-z{}\":,]{0,3}"
        ) {
            let body = mangled(&json!({"Budgets": [budget("500.0", json!({}))]}).to_string(), at, long, &by);
            // A digit more in the limit is another limit.
            prop_assume!(!body.contains("\"2000") || body.contains("\"2000.0\""));
            let said = body.contains("\"COST\"") && body.contains("\"2000.0\"");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let verdict = runtime.block_on(checked(move |_| Reply::ok(&body)));
            prop_assert!(said || verdict.health != Health::Healthy, "{:?}", verdict);
        }
    }
}
