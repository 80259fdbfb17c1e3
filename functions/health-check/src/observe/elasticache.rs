//! ElastiCache's replication groups: one by its name, several from the list of all.

use std::collections::BTreeMap;

use aws_sdk_elasticache::types::ReplicationGroup;
use shared::error::Call;
use shared::{Error, Result};

use super::metrics;
use super::rds::{said, time};
use crate::component::Component;
use crate::decision::kind::cache::{Facts, Node, Shard, absent, verdict};
use crate::decision::kind::rds_instance::SILENCE;
use crate::sweep::{Api, Ask, Pages, unknown};

/// Checks all of them.
pub(crate) async fn check(ask: &Ask<'_>, components: &[Component]) {
    let one = match components {
        [] => return,
        [one] => Some(one.name.to_ascii_lowercase()),
        _ => None,
    };
    let (groups, failed) = groups(ask, one).await;
    let mut seen = Vec::new();
    for component in components {
        match (groups.get(&component.name.to_ascii_lowercase()), &failed) {
            (Some(group), _) => seen.push((component, facts(group))),
            (None, Some(error)) if error.code() != Some("ReplicationGroupNotFoundFault") => {
                ask.unknown(component, error);
            }
            (None, _) => ask.say(component, absent()),
        }
    }
    measure(ask, seen.iter_mut().map(|(_, facts)| facts).filter(|facts| facts.is_up()).collect()).await;
    for (component, facts) in &seen {
        ask.say(component, verdict(facts, ask.rules, ask.expected, ask.now));
    }
}

/// What was found, by name in small letters, and what kept the rest from being.
async fn groups(ask: &Ask<'_>, one: Option<String>) -> (BTreeMap<String, ReplicationGroup>, Option<Error>) {
    let (mut found, mut marker, mut pages) = (BTreeMap::new(), None, Pages::default());
    let named = |group: ReplicationGroup| {
        (group.replication_group_id().unwrap_or_default().to_ascii_lowercase(), group)
    };
    loop {
        let next = page(ask, one.clone(), marker).await.and_then(|(some, next)| {
            found.extend(some.into_iter().map(named));
            pages.next(next)
        });
        marker = match next {
            Ok(None) => return (found, None),
            Ok(next) => next,
            Err(error) => return (found, Some(error)),
        };
    }
}

async fn page(
    ask: &Ask<'_>,
    one: Option<String>,
    marker: Option<String>,
) -> Result<(Vec<ReplicationGroup>, Option<String>)> {
    let _turn = ask.turn(Api::ElastiCache).await;
    let call = ask.clients.elasticache().describe_replication_groups();
    let call = call.set_replication_group_id(one).set_marker(marker);
    let answer = call.send().await.action("elasticache:DescribeReplicationGroups")?;
    Ok((said(answer.replication_groups)?, answer.marker))
}

fn facts(group: &ReplicationGroup) -> Facts {
    let shards = group.node_groups().iter().map(|shard| Shard {
        name: shard.node_group_id().unwrap_or_default().to_owned(),
        status: shard.status().unwrap_or_default().to_owned(),
        roles: shard
            .node_group_members()
            .iter()
            .map(|node| node.current_role().unwrap_or_default().to_owned())
            .collect(),
    });
    let nodes = group.member_clusters().iter().map(|name| Node { name: name.clone(), ..Node::default() });
    Facts {
        status: group.status().unwrap_or_default().to_owned(),
        engine: group.engine().unwrap_or_default().to_owned(),
        created: time(group.replication_group_create_time()),
        shards: shards.collect(),
        failover: group.automatic_failover().map(|word| word.as_str().to_owned()).unwrap_or_default(),
        multi_az: group.multi_az().map(|word| word.as_str().to_owned()).unwrap_or_default(),
        tls: group.transit_encryption_enabled(),
        encrypted: group.at_rest_encryption_enabled(),
        nodes: nodes.collect(),
        unmeasured: None,
    }
}

/// Measures all nodes of what is up, in one call.
async fn measure(ask: &Ask<'_>, mut seen: Vec<&mut Facts>) {
    let names = ["EngineCPUUtilization", "DatabaseMemoryUsagePercentage", "CacheHitRate"];
    let nodes = seen.iter().flat_map(|facts| &facts.nodes);
    let queries: Vec<_> = nodes
        .flat_map(|node| {
            names.map(|name| metrics::Query {
                namespace: "AWS/ElastiCache",
                name,
                dimensions: vec![("CacheClusterId", node.name.clone())],
                statistic: "Average",
                over: SILENCE,
            })
        })
        .collect();
    if queries.is_empty() {
        return;
    }
    match metrics::ask(ask, &queries).await {
        Ok(values) => {
            let mut values = values.into_iter();
            let mut next = || values.next().flatten();
            for node in seen.iter_mut().flat_map(|facts| &mut facts.nodes) {
                (node.cpu, node.memory, node.hits) = (next(), next(), next());
            }
        }
        Err(error) => {
            for facts in seen {
                facts.unmeasured = Some(unknown(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

    use super::check;
    use crate::component::{Component, Kind};
    use crate::decision::{Health, Verdict};
    use crate::wire::{Call, Reply, Wire};

    const FINE: &[Option<f64>] = &[Some(5.0), Some(20.0), Some(95.0), Some(4.0), Some(20.0), None];
    const STATUS: &str = "<Status>available</Status>";

    fn group(name: &str) -> String {
        format!(
            "<ReplicationGroup><ReplicationGroupId>{name}</ReplicationGroupId>{STATUS}<MultiAZ>enabled</MultiAZ>\
             <AutomaticFailover>enabled</AutomaticFailover><Engine>redis</Engine>\
             <TransitEncryptionEnabled>true</TransitEncryptionEnabled>\
             <AtRestEncryptionEnabled>true</AtRestEncryptionEnabled>\
             <NodeGroups><NodeGroup><NodeGroupId>0001</NodeGroupId>{STATUS}<NodeGroupMembers>\
             <NodeGroupMember><CacheClusterId>{name}-001</CacheClusterId><CurrentRole>primary</CurrentRole></NodeGroupMember>\
             <NodeGroupMember><CacheClusterId>{name}-002</CacheClusterId><CurrentRole>replica</CurrentRole></NodeGroupMember>\
             </NodeGroupMembers></NodeGroup></NodeGroups>\
             <MemberClusters><ClusterId>{name}-001</ClusterId><ClusterId>{name}-002</ClusterId></MemberClusters>\
             </ReplicationGroup>"
        )
    }

    fn list(groups: &str, marker: &str) -> Reply {
        let marker = if marker.is_empty() { String::new() } else { format!("<Marker>{marker}</Marker>") };
        let groups = format!("<ReplicationGroups>{groups}</ReplicationGroups>{marker}");
        Reply::xml("DescribeReplicationGroups", &groups)
    }

    async fn checked(
        metrics: Reply,
        names: &[&str],
        answer: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    ) -> (Vec<Verdict>, Vec<Call>) {
        let wire = Wire::new(
            move |call| {
                if call.action == "GetMetricData" { metrics.clone() } else { answer(call) }
            },
        );
        let ask = wire.ask();
        let components: Vec<_> = names.iter().map(|name| Component::new(Kind::Cache, *name)).collect();
        check(&ask, &components).await;
        let verdicts = names.iter().map(|name| ask.verdict(Kind::Cache, name).unwrap());
        (verdicts.collect(), wire.calls())
    }

    #[tokio::test]
    async fn one_is_asked_by_its_name_and_several_in_one_list() {
        let (verdicts, calls) = checked(Reply::metrics(FINE), &["Web"], |_| list(&group("web"), "")).await;
        assert_eq!(verdicts[0].health, Health::Healthy, "{verdicts:?}");
        assert!(calls[0].body.contains("ReplicationGroupId=web"), "{calls:?}");
        assert_eq!(calls.len(), 2);

        let both = |_: &Call| list(&[group("web"), group("jobs")].concat(), "");
        let metrics = [FINE, FINE].concat();
        let (verdicts, calls) = checked(Reply::metrics(&metrics), &["web", "jobs", "gone"], both).await;
        let health: Vec<_> = verdicts.iter().map(|verdict| verdict.health).collect();
        assert_eq!(health, [Health::Healthy, Health::Healthy, Health::Failed]);
        assert_eq!(calls.len(), 2, "{calls:?}");
    }

    #[tokio::test]
    async fn what_is_gone_bad_or_cannot_be_asked_is_told_apart() {
        let cases = [
            (Reply::xml_error(404, "ReplicationGroupNotFoundFault"), Health::Failed, "does not exist"),
            (
                Reply::xml_error(403, "AccessDenied"),
                Health::Unknown,
                "elasticache:DescribeReplicationGroups is denied",
            ),
            (Reply::xml_error(400, "Throttling"), Health::Unknown, "Throttling"),
            (list("", ""), Health::Failed, "does not exist"),
            (Reply::xml("DescribeReplicationGroups", ""), Health::Unknown, "does not say what there is"),
            (
                list(&group("web").replacen("available", "create-failed", 1), ""),
                Health::Failed,
                "create-failed",
            ),
            (list(&group("web").replacen("available", "melted", 1), ""), Health::Unknown, "melted"),
            (list(&group("web").replace("primary", "replica"), ""), Health::Failed, "no primary"),
            (list(&group("web").replace(">enabled<", ">disabled<"), ""), Health::Degraded, "fail over"),
        ];
        for (reply, health, reason) in cases {
            let (verdicts, _) = checked(Reply::metrics(FINE), &["web"], move |_| reply.clone()).await;
            assert_eq!(verdicts[0].health, health, "{verdicts:?}");
            assert!(verdicts[0].reason.contains(reason), "{verdicts:?}");
        }
        let (verdicts, _) = checked(Reply::metrics(&[]), &["web"], |_| list(&group("web"), "")).await;
        assert!(verdicts[0].reason.contains("web-001 is silent"), "{verdicts:?}");
        let denied = Reply::error(403, "AccessDenied");
        let (verdicts, _) = checked(denied, &["web"], |_| list(&group("web"), "")).await;
        assert_eq!(verdicts[0].health, Health::Unknown, "{verdicts:?}");
        assert!(verdicts[0].reason.contains("its metrics could not be checked"), "{verdicts:?}");
    }

    #[tokio::test]
    async fn what_was_read_before_a_page_failed_counts() {
        let answer = |call: &Call| {
            if call.body.contains("Marker=") {
                return Reply::xml_error(400, "Throttling");
            }
            list(&group("web"), "next")
        };
        let (verdicts, _) = checked(Reply::metrics(FINE), &["web", "jobs"], answer).await;
        assert_eq!(verdicts[0].health, Health::Healthy, "{verdicts:?}");
        assert_eq!(verdicts[1].health, Health::Unknown, "{verdicts:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mangled_answer_is_never_healthy_without_its_states(
            place in any::<proptest::sample::Index>(), length in 0_usize..60, with in "[a-z<>/0-9]{0,8}", cut in any::<bool>(),
        ) {
            let good = group("web");
            let start = place.index(good.len());
            let end = if cut { good.len() } else { (start + length).min(good.len()) };
            let mangled = format!("{}{with}{}", &good[..start], &good[end..]);
            let states = mangled.matches(STATUS).count();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let checked = checked(Reply::metrics(FINE), &["web"], move |_| list(&mangled, ""));
            let (verdicts, _) = runtime.block_on(checked);
            prop_assert!(states == 2 || verdicts[0].health != Health::Healthy, "{verdicts:?}");
        }
    }
}
