//! Log groups, one call each: CloudWatch Logs finds them by how their names begin.

use aws_sdk_cloudwatchlogs::types::LogGroup;
use futures_util::future::join_all;
use shared::Result;
use shared::error::Call;

use crate::component::{Component, Kind};
use crate::decision::kind::log_group::{Facts, verdict};
use crate::sweep::{Api, Ask, Pages};

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, groups: &[Component]) {
    join_all(groups.iter().map(|group| one(ask, group))).await;
}

async fn one(ask: &Ask<'_>, component: &Component) {
    match describe(ask, &component.name).await {
        Ok(None) => ask.say(component, verdict(&Facts::default(), ask.expected)),
        Ok(Some(group)) => {
            let key = group.kms_key_id;
            let facts = Facts {
                there: true,
                kept: group.retention_in_days,
                stored: group.stored_bytes,
                own_key: key.is_some(),
            };
            ask.say(component, verdict(&facts, ask.expected));
            let key = key.and_then(|arn| Component::at(&arn)).filter(|it| it.kind == Kind::Key);
            if let Some(key) = key {
                ask.needs(component, key);
            }
        }
        Err(error) => ask.unknown(component, &error),
    }
}

/// The group of exactly this name. Names come in order, so it is on the first page, unless the API changes its mind.
async fn describe(ask: &Ask<'_>, name: &str) -> Result<Option<LogGroup>> {
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let turn = ask.turn(Api::Logs).await;
        let answer = ask
            .clients
            .logs()
            .describe_log_groups()
            .log_group_name_prefix(name)
            .set_next_token(token)
            .send()
            .await
            .action("logs:DescribeLogGroups")?;
        drop(turn);
        let groups = answer.log_groups.unwrap_or_default();
        let group = groups.into_iter().find(|group| group.log_group_name.as_deref() == Some(name));
        if group.is_some() {
            return Ok(group);
        }
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::observe::s3::tests::mangled;
    use crate::wire::{Call, Reply, Wire};

    async fn checked(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Verdict {
        let wire = Wire::new(answer);
        let ask = wire.ask();
        check(&ask, &[Component::new(Kind::LogGroup, "/ecs/web")]).await;
        ask.verdict(Kind::LogGroup, "/ecs/web").unwrap()
    }

    #[tokio::test]
    async fn a_log_group_is_read_as_cloudwatch_logs_answers_and_others_of_its_prefix_are_not_it() {
        let group = |name: &str, days: i32| json!({"logGroupName": name, "retentionInDays": days});
        let cases = [
            (
                Reply::ok(json!({"logGroups": [group("/ecs/web", 30), group("/ecs/web-2", 1)]})),
                Health::Healthy,
                "kept for long enough",
            ),
            (Reply::ok(json!({"logGroups": [group("/ecs/web", 3)]})), Health::Degraded, "3 days only"),
            (
                Reply::ok(json!({"logGroups": [{"logGroupName": "/ecs/web", "storedBytes": 9}]})),
                Health::Healthy,
                "kept for long enough",
            ),
            (Reply::ok(json!({"logGroups": [group("/ecs/web-2", 30)]})), Health::Failed, "does not exist"),
            (Reply::ok(json!({})), Health::Failed, "does not exist"),
            (Reply::error(400, "AccessDeniedException"), Health::Unknown, "logs:DescribeLogGroups is denied"),
        ];
        for (reply, health, reason) in cases {
            let verdict = checked(move |_| reply.clone()).await;
            assert_eq!(verdict.health, health, "{verdict:?}");
            assert!(verdict.reason.contains(reason), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn it_may_be_on_a_later_page_and_a_page_that_fails_makes_it_unknown() {
        for fails in [false, true] {
            let verdict = checked(move |call| match (call.body.contains("nextToken"), fails) {
                (false, _) => Reply::ok(json!({"logGroups": [], "nextToken": "more"})),
                (true, true) => Reply::error(400, "ThrottlingException"),
                (true, false) => Reply::ok(json!({"logGroups": [{"logGroupName": "/ecs/web"}]})),
            })
            .await;
            assert_eq!(verdict.health, if fails { Health::Unknown } else { Health::Healthy }, "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn a_log_group_stands_on_its_key() {
        let wire = Wire::new(|_| {
            let group = json!({"logGroupName": "/ecs/web", "kmsKeyId": "arn:aws:kms:eu-central-1:1:key/k"});
            Reply::ok(json!({"logGroups": [group]}))
        });
        let ask = wire.ask();
        check(&ask, &[Component::new(Kind::LogGroup, "/ecs/web")]).await;
        assert_eq!(ask.take_more().first().map(Component::id).as_deref(), Some("kms-key:k"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_answer_never_makes_a_group_be_there(
            at in 0usize..100, long in 0usize..40, by in "[a-z{}\":,]{0,3}"
        ) {
            let good = r#"{"logGroups":[{"logGroupName":"/ecs/web","retentionInDays":30}]}"#;
            let body = mangled(good, at, long, &by);
            let there = body.contains("\"/ecs/web\"");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let verdict = runtime.block_on(checked(move |_| Reply::ok(&body)));
            prop_assert!(there || verdict.health != Health::Healthy, "{:?}", verdict);
        }
    }
}
