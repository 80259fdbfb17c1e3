//! RDS: instances and clusters, fifty a call.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{DbCluster, DbInstance, Filter, PendingMaintenanceAction};
use futures_util::future::{join, join_all};
use jiff::Timestamp;
use shared::error::Call;
use shared::tags::Tags;
use shared::{Error, Result};

use super::{backup, metrics};
use crate::component::{Component, Kind};
use crate::decision::kind::rds_instance::{MAX_CONNECTIONS, SILENCE};
use crate::decision::kind::{rds_cluster, rds_instance};
use crate::sweep::{Api, Ask, Pages, unknown};

/// As many names are asked for in a call: what it finds is always one page.
const AT_ONCE: usize = 50;

/// Checks all of these instances.
pub(crate) async fn check_instances(ask: &Ask<'_>, components: &[Component]) {
    let names = names(components);
    let (listed, maintenance) =
        join(instances(ask, &names), maintenance(ask, "db-instance-id", &names)).await;
    let mut seen = Vec::new();
    for component in components {
        match listed.of(&component.name) {
            Asked::Is(instance) => {
                let mut facts = instance_facts(instance, &component.tags);
                facts.maintenance = maintenance.of_name(&component.name);
                seen.push((component, instance, facts));
            }
            Asked::Absent => ask.say(component, rds_instance::absent()),
            Asked::Failed(error) => ask.unknown(component, error),
        }
    }
    measure(ask, seen.iter_mut().map(|(component, _, facts)| (component.name.as_str(), facts)).collect())
        .await;
    for (component, instance, facts) in &seen {
        ask.say(component, rds_instance::verdict(facts, ask.rules, ask.expected, ask.now));
        let secret = instance.master_user_secret().and_then(|secret| secret.secret_arn());
        stands_on(ask, component, instance.kms_key_id(), secret);
        // A cluster is backed up as a whole, and a replica is made again from what it copies.
        if facts.cluster.is_none() && facts.replica_of.is_none() {
            backed_up(ask, component, instance.db_instance_arn(), &facts.status);
        }
    }
}

/// Checks all of these clusters.
pub(crate) async fn check_clusters(ask: &Ask<'_>, components: &[Component]) {
    let names = names(components);
    let (listed, maintenance) = join(clusters(ask, &names), maintenance(ask, "db-cluster-id", &names)).await;
    for component in components {
        let cluster = match listed.of(&component.name) {
            Asked::Is(cluster) => cluster,
            Asked::Absent => {
                ask.say(component, rds_cluster::absent());
                continue;
            }
            Asked::Failed(error) => {
                ask.unknown(component, error);
                continue;
            }
        };
        let mut facts = cluster_facts(cluster);
        facts.maintenance = maintenance.of_name(&component.name);
        ask.say(component, rds_cluster::verdict(&facts, ask.rules, ask.expected, ask.now));
        let secret = cluster.master_user_secret().and_then(|secret| secret.secret_arn());
        stands_on(ask, component, cluster.kms_key_id(), secret);
        for member in facts.members.iter().filter(|member| !member.name.is_empty()) {
            ask.needs(component, member_of(cluster, &member.name));
        }
        if !facts.follows {
            backed_up(ask, component, cluster.db_cluster_arn(), &facts.status);
        }
    }
}

/// A member, with the ARN that follows from that of its cluster.
fn member_of(cluster: &DbCluster, name: &str) -> Component {
    let front = cluster.db_cluster_arn().and_then(|arn| arn.split_once(":cluster:")).map(|(front, _)| front);
    Component { arn: front.map(|front| format!("{front}:db:{name}")), ..Component::new(Kind::Instance, name) }
}

fn stands_on(ask: &Ask<'_>, component: &Component, key: Option<&str>, secret: Option<&str>) {
    for other in [key, secret].into_iter().flatten().filter_map(Component::at) {
        ask.needs(component, other);
    }
}

fn backed_up(ask: &Ask<'_>, component: &Component, arn: Option<&str>, status: &str) {
    if let Some(arn) = arn.or(component.arn.as_deref())
        && !["creating", "deleting"].contains(&status)
    {
        ask.leads(component, backup::of(component, arn));
    }
}

fn instance_facts(instance: &DbInstance, tags: &Tags) -> rds_instance::Facts {
    let text = |text: Option<&str>| text.map(ToOwned::to_owned).filter(|text| !text.is_empty());
    let replication = instance.status_infos().iter().filter(|info| info.normal() == Some(false));
    let tag = instance.tag_list().iter().find(|tag| tag.key() == Some(MAX_CONNECTIONS));
    rds_instance::Facts {
        status: instance.db_instance_status().unwrap_or_default().to_owned(),
        engine: instance.engine().unwrap_or_default().to_owned(),
        class: instance.db_instance_class().unwrap_or_default().to_owned(),
        created: time(instance.instance_create_time()),
        cluster: text(instance.db_cluster_identifier()),
        replica_of: text(instance.read_replica_source_db_instance_identifier())
            .or_else(|| text(instance.read_replica_source_db_cluster_identifier())),
        multi_az: instance.multi_az(),
        encrypted: instance.storage_encrypted(),
        kept_days: instance.backup_retention_period(),
        deletion_protection: instance.deletion_protection(),
        public: instance.publicly_accessible(),
        storage_gib: instance.allocated_storage(),
        grows_to_gib: instance.max_allocated_storage(),
        replication: replication
            .map(|info| {
                let said = [info.status(), info.message()].into_iter().flatten();
                said.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ")
            })
            .collect(),
        secret: instance
            .master_user_secret()
            .and_then(|secret| secret.secret_status())
            .unwrap_or_default()
            .to_owned(),
        certificate_ends: instance
            .certificate_details()
            .and_then(|certificate| time(certificate.valid_till())),
        changes: changes(instance),
        maintenance: Vec::new(),
        most_connections: tags
            .get(MAX_CONNECTIONS)
            .cloned()
            .or_else(|| tag.and_then(|tag| tag.value()).map(ToOwned::to_owned)),
        metrics: BTreeMap::new(),
        unmeasured: None,
    }
}

/// What is changed at the next chance. A new password is one of the changes, and is not read.
fn changes(instance: &DbInstance) -> Vec<String> {
    let mut changes = Vec::new();
    if let Some(pending) = instance.pending_modified_values() {
        changes.extend(pending.db_instance_class().map(|class| format!("class {class}")));
        changes.extend(pending.engine_version().map(|version| format!("version {version}")));
        changes.extend(pending.allocated_storage().map(|gib| format!("storage {gib} GiB")));
        changes.extend(pending.multi_az().map(|on| format!("Multi-AZ {on}")));
    }
    let groups = instance.db_parameter_groups().iter();
    if groups.filter_map(|group| group.parameter_apply_status()).any(|status| status == "pending-reboot") {
        changes.push("parameters, at the next reboot".to_owned());
    }
    changes
}

fn cluster_facts(cluster: &DbCluster) -> rds_cluster::Facts {
    let said = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
    let members = cluster.db_cluster_members().iter().map(|member| rds_cluster::Member {
        name: member.db_instance_identifier().unwrap_or_default().to_owned(),
        writes: member.is_cluster_writer(),
    });
    rds_cluster::Facts {
        status: cluster.status().unwrap_or_default().to_owned(),
        engine: cluster.engine().unwrap_or_default().to_owned(),
        mode: cluster.engine_mode().unwrap_or_default().to_owned(),
        created: time(cluster.cluster_create_time()),
        members: members.collect(),
        follows: said(cluster.global_cluster_identifier()) || said(cluster.replication_source_identifier()),
        multi_az: cluster.multi_az(),
        encrypted: cluster.storage_encrypted(),
        kept_days: cluster.backup_retention_period(),
        deletion_protection: cluster.deletion_protection(),
        public: cluster.publicly_accessible(),
        certificate_ends: cluster
            .certificate_details()
            .and_then(|certificate| time(certificate.valid_till())),
        maintenance: Vec::new(),
    }
}

/// Measures what is up, all in one call.
async fn measure(ask: &Ask<'_>, seen: Vec<(&str, &mut rds_instance::Facts)>) {
    let mut seen: Vec<_> = seen.into_iter().filter(|(_, facts)| facts.is_up()).collect();
    let queries: Vec<_> = seen
        .iter()
        .flat_map(|(name, facts)| {
            wanted(facts).map(|(metric, statistic)| query(name, facts, metric, statistic))
        })
        .collect();
    if queries.is_empty() {
        return;
    }
    match metrics::ask(ask, &queries).await {
        Ok(values) => {
            let mut values = queries.iter().map(|query| query.name).zip(values);
            for (_, facts) in &mut seen {
                let own = wanted(facts).count();
                let own = values.by_ref().take(own);
                facts.metrics = own.filter_map(|(name, value)| Some((name, value?))).collect();
            }
        }
        Err(error) => {
            for (_, facts) in seen {
                facts.unmeasured = Some(unknown(&error));
            }
        }
    }
}

fn wanted(facts: &rds_instance::Facts) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let storage = facts.has_storage().then_some(("FreeStorageSpace", "Average"));
    let units = facts.is_serverless().then_some(("ServerlessDatabaseCapacity", "Maximum"));
    [("CPUUtilization", "Average"), ("DatabaseConnections", "Maximum")]
        .into_iter()
        .chain(storage)
        .chain(units)
}

fn query(
    name: &str,
    facts: &rds_instance::Facts,
    metric: &'static str,
    statistic: &'static str,
) -> metrics::Query {
    let namespace = match facts.engine.as_str() {
        "docdb" => "AWS/DocDB",
        "neptune" => "AWS/Neptune",
        _ => "AWS/RDS",
    };
    let dimensions = vec![("DBInstanceIdentifier", name.to_ascii_lowercase())];
    metrics::Query { namespace, name: metric, dimensions, statistic, over: SILENCE }
}

/// RDS keeps names in small letters, and finds them in no other.
pub(super) fn names(components: &[Component]) -> Vec<String> {
    components.iter().map(|component| component.name.to_ascii_lowercase()).collect()
}

/// What was found by name, and what could not be asked.
#[derive(Debug)]
pub(super) struct Listed<T> {
    found: BTreeMap<String, T>,
    failed: Vec<(Vec<String>, Error)>,
}

/// What came of asking for one.
#[derive(Debug)]
pub(super) enum Asked<'a, T> {
    /// It is there.
    Is(&'a T),
    /// It is not there.
    Absent,
    /// It could not be asked.
    Failed(&'a Error),
}

impl<T> Listed<T> {
    /// What came of asking for this one. What was found before a page failed counts.
    pub(super) fn of(&self, name: &str) -> Asked<'_, T> {
        let name = name.to_ascii_lowercase();
        if let Some(found) = self.found.get(&name) {
            return Asked::Is(found);
        }
        let failed = self.failed.iter().find(|(names, _)| names.contains(&name));
        failed.map_or(Asked::Absent, |(_, error)| Asked::Failed(error))
    }
}

/// A page: names and what they are the names of, and where the next begins.
type Page<T> = (Vec<(String, T)>, Option<String>);

async fn list<T>(
    names: &[String],
    page: impl AsyncFn(Vec<String>, Option<String>) -> Result<Page<T>>,
) -> Listed<T> {
    let chunk = async |names: &[String]| {
        let (mut found, mut marker, mut pages) = (Vec::new(), None, Pages::default());
        loop {
            let next = page(names.to_vec(), marker).await.and_then(|(some, next)| {
                found.extend(some);
                pages.next(next)
            });
            marker = match next {
                Ok(None) => return (found, None),
                Ok(next) => next,
                Err(error) => return (found, Some((names.to_vec(), error))),
            };
        }
    };
    let mut listed = Listed { found: BTreeMap::new(), failed: Vec::new() };
    for (found, failed) in join_all(names.chunks(AT_ONCE).map(chunk)).await {
        listed.found.extend(found.into_iter().map(|(name, one)| (name.to_ascii_lowercase(), one)));
        listed.failed.extend(failed);
    }
    listed
}

fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// The instances of these names.
pub(super) async fn instances(ask: &Ask<'_>, names: &[String]) -> Listed<DbInstance> {
    list(names, async |names, marker| {
        let _turn = ask.turn(Api::Rds).await;
        let call = ask.clients.rds().describe_db_instances().set_marker(marker);
        let call = call.filters(filter("db-instance-id", names));
        let answer = call.send().await.action("rds:DescribeDBInstances")?;
        let found = said(answer.db_instances)?.into_iter();
        let found = found.map(|one| (one.db_instance_identifier().unwrap_or_default().to_owned(), one));
        Ok((found.collect(), answer.marker))
    })
    .await
}

/// The clusters of these names.
pub(super) async fn clusters(ask: &Ask<'_>, names: &[String]) -> Listed<DbCluster> {
    list(names, async |names, marker| {
        let _turn = ask.turn(Api::Rds).await;
        let call = ask.clients.rds().describe_db_clusters().set_marker(marker);
        let call = call.filters(filter("db-cluster-id", names));
        let answer = call.send().await.action("rds:DescribeDBClusters")?;
        let found = said(answer.db_clusters)?.into_iter();
        let found = found.map(|one| (one.db_cluster_identifier().unwrap_or_default().to_owned(), one));
        Ok((found.collect(), answer.marker))
    })
    .await
}

/// What AWS is going to maintain, by name. It is told beside the verdict, and changes none.
async fn maintenance(ask: &Ask<'_>, by: &str, names: &[String]) -> Listed<Vec<PendingMaintenanceAction>> {
    list(names, async |names, marker| {
        let _turn = ask.turn(Api::Rds).await;
        let call = ask.clients.rds().describe_pending_maintenance_actions().set_marker(marker);
        let call = call.filters(filter(by, names));
        let answer = call.send().await.action("rds:DescribePendingMaintenanceActions")?;
        let found = answer.pending_maintenance_actions.unwrap_or_default().into_iter();
        let found = found.map(|one| {
            let arn = one.resource_identifier().unwrap_or_default();
            let name = arn.rsplit(':').next().unwrap_or_default().to_owned();
            (name, one.pending_maintenance_action_details.unwrap_or_default())
        });
        Ok((found.collect(), answer.marker))
    })
    .await
}

impl Listed<Vec<PendingMaintenanceAction>> {
    fn of_name(&self, name: &str) -> Vec<String> {
        match self.of(name) {
            Asked::Is(actions) => actions.iter().map(action).collect(),
            Asked::Absent => Vec::new(),
            Asked::Failed(error) => vec![format!("not known: {}", error.chain())],
        }
    }
}

fn action(action: &PendingMaintenanceAction) -> String {
    let what = action.action().unwrap_or("something");
    let date = [action.current_apply_date(), action.forced_apply_date(), action.auto_applied_after_date()];
    match date.into_iter().find_map(time) {
        Some(date) => format!("{what} from {} on", date.strftime("%F")),
        None => what.to_owned(),
    }
}

/// A list that an API answered. An empty one is there, and says that nothing is: one that is not there says nothing.
pub(super) fn said<T>(list: Option<Vec<T>>) -> Result<Vec<T>> {
    list.ok_or_else(|| Error::Malformed("the answer does not say what there is".to_owned()))
}

/// A time of an API.
pub(super) fn time(time: Option<&aws_smithy_types::DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(time?.secs()).ok()
}

#[cfg(test)]
mod tests;
