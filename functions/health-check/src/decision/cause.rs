//! Which of the bad things is the reason for the others.
//!
//! Traffic goes from the load balancer to the target group to the service, and the service's tasks start from a task
//! definition that names images and secrets: whatever comes later is what the earlier stands on. A thing that is bad, and
//! stands on nothing that is at least as bad, is a root cause. Task definitions and target groups only name what comes
//! next: they are looked through also where nothing is wrong with themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::Health;
use crate::component::Kind;

/// One thing, and what it names that it has to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its kind.
    pub kind: Kind,
    /// How it is.
    pub health: Health,
    /// The ids of what its API says that it uses.
    pub uses: BTreeSet<String>,
}

/// Why a thing is bad, and what is bad because of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    /// The root causes, other than itself.
    pub because_of: BTreeSet<String>,
    /// What is bad because of it, where it is a root cause.
    pub affects: BTreeSet<String>,
}

/// The links of all bad things.
#[must_use]
pub fn causes(nodes: &BTreeMap<String, Node>) -> BTreeMap<String, Links> {
    let below = stands_on(nodes);
    let mut links: BTreeMap<String, Links> = BTreeMap::new();
    for (id, node) in nodes.iter().filter(|(_, node)| node.health.is_bad()) {
        let roots = roots(id, node, nodes, &below);
        for root in &roots {
            links.entry(root.clone()).or_default().affects.insert(id.clone());
        }
        links.entry(id.clone()).or_default().because_of = roots;
    }
    links
}

/// By id, the ids of what it stands on. ECS names the target groups of a service, and a target group its load balancers;
/// but it is the service that the target group stands on, and the target group that the load balancer does.
fn stands_on(nodes: &BTreeMap<String, Node>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, node) in nodes {
        for (used_id, used) in node.uses.iter().filter_map(|used| nodes.get_key_value(used)) {
            let turned = matches!(
                (node.kind, used.kind),
                (Kind::Service, Kind::Targets) | (Kind::Targets, Kind::LoadBalancer)
            );
            let (upper, lower) = if turned { (used_id, id) } else { (id, used_id) };
            below.entry(upper).or_default().insert(lower);
        }
    }
    pass_passwords_on(nodes, &mut below);
    below
}

/// Whoever reads the password of a database asks the database: no API says it otherwise.
fn pass_passwords_on<'a>(
    nodes: &'a BTreeMap<String, Node>,
    below: &mut BTreeMap<&'a str, BTreeSet<&'a str>>,
) {
    let is = |id: &str, kinds: &[Kind]| nodes.get(id).is_some_and(|node| kinds.contains(&node.kind));
    let is_database = |id: &str| is(id, &[Kind::Cluster, Kind::Instance]);
    let mut opened: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (database, node) in nodes.iter().filter(|(id, _)| is_database(id)) {
        for secret in node.uses.iter().filter(|used| is(used, &[Kind::Secret])) {
            opened.entry(secret).or_default().insert(database);
        }
    }
    for (_, lower) in below.iter_mut().filter(|(id, _)| !is_database(id)) {
        let more: Vec<&str> = lower.iter().filter_map(|id| opened.get(id)).flatten().copied().collect();
        lower.extend(more);
    }
}

/// Goes down from a bad thing through what is at least as bad, to what stands on nothing such. Things that stand on each
/// other in a ring, and on nothing else that is bad, are each their own cause.
fn roots<'a>(
    id: &'a str,
    node: &Node,
    nodes: &'a BTreeMap<String, Node>,
    below: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> BTreeSet<String> {
    let (mut roots, mut seen) = (BTreeSet::new(), BTreeSet::from([id]));
    let mut left = vec![(id, node.health)];
    while let Some((at, health)) = left.pop() {
        let worse = as_bad_below(at, health, nodes, below);
        if worse.is_empty() && at != id {
            roots.insert(at.to_owned());
        }
        left.extend(worse.into_iter().filter(|(lower, _)| seen.insert(lower)));
    }
    roots
}

/// What is next below a thing, and at least as bad.
fn as_bad_below<'a>(
    at: &'a str,
    health: Health,
    nodes: &'a BTreeMap<String, Node>,
    below: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> Vec<(&'a str, Health)> {
    let (mut found, mut seen, mut left) = (Vec::new(), BTreeSet::from([at]), vec![at]);
    while let Some(upper) = left.pop() {
        for lower in below.get(upper).into_iter().flatten().copied() {
            let Some(node) = nodes.get(lower).filter(|_| seen.insert(lower)) else { continue };
            if node.health.is_bad() && health <= node.health {
                found.push((lower, node.health));
            } else if matches!(node.kind, Kind::TaskDefinition | Kind::Targets) {
                left.push(lower);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Links, Node, causes};
    use crate::component::Kind;
    use crate::decision::Health::{self, Degraded, Failed, Healthy, Unknown};

    fn world(of: &[(&str, Kind, Health, &[&str])]) -> BTreeMap<String, Node> {
        let node = |(id, kind, health, uses): &(&str, Kind, Health, &[&str])| {
            let uses = uses.iter().map(ToString::to_string).collect();
            ((*id).to_owned(), Node { kind: *kind, health: *health, uses })
        };
        of.iter().map(node).collect()
    }

    fn set(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_missing_secret_is_why_the_load_balancer_answers_with_errors() {
        let links = causes(&world(&[
            ("lb", Kind::LoadBalancer, Failed, &[]),
            ("tg", Kind::Targets, Failed, &["lb"]),
            ("web", Kind::Service, Failed, &["tg", "secret", "db"]),
            ("db", Kind::Instance, Healthy, &[]),
            ("secret", Kind::Secret, Failed, &[]),
        ]));
        for id in ["lb", "tg", "web"] {
            assert_eq!(links[id], Links { because_of: set(&["secret"]), affects: set(&[]) }, "{id}");
        }
        assert_eq!(links["secret"].affects, set(&["lb", "tg", "web"]));
        assert!(!links.contains_key("db"), "what is healthy explains nothing");
    }

    #[test]
    fn what_only_names_what_comes_next_is_looked_through() {
        let links = causes(&world(&[
            ("web", Kind::Service, Failed, &["stopped", "definition"]),
            ("stopped", Kind::StoppedTasks, Failed, &["definition"]),
            ("definition", Kind::TaskDefinition, Healthy, &["secret", "image"]),
            ("image", Kind::Image, Healthy, &[]),
            ("secret", Kind::Secret, Failed, &[]),
        ]));
        assert_eq!(links["web"].because_of, set(&["secret"]));
        assert_eq!(links["stopped"].because_of, set(&["secret"]));
        assert!(!links.contains_key("definition"));
    }

    #[test]
    fn what_is_less_bad_explains_nothing() {
        let links = causes(&world(&[
            ("web", Kind::Service, Failed, &["secret", "queue"]),
            ("api", Kind::Service, Degraded, &["secret"]),
            ("secret", Kind::Secret, Degraded, &[]),
            ("queue", Kind::Queue, Unknown, &[]),
        ]));
        assert_eq!(links["web"].because_of, set(&[]));
        assert_eq!(links["api"].because_of, set(&["secret"]));
        assert_eq!(links["secret"].affects, set(&["api"]));
    }

    #[test]
    fn a_ring_has_no_cause_but_itself_and_ends() {
        let links = causes(&world(&[
            ("a", Kind::Function, Failed, &["b", "a", "gone"]),
            ("b", Kind::Queue, Failed, &["a"]),
        ]));
        assert_eq!(links["a"], Links::default());
        assert_eq!(links["b"], Links::default());
    }

    #[test]
    fn a_service_stands_on_what_its_task_definition_names_and_on_the_database_whose_password_it_reads() {
        let links = causes(&world(&[
            ("web", Kind::Service, Failed, &["definition"]),
            ("definition", Kind::TaskDefinition, Healthy, &["login", "token"]),
            ("login", Kind::Secret, Healthy, &[]),
            ("token", Kind::Secret, Failed, &[]),
            ("db", Kind::Instance, Failed, &["login"]),
            ("other", Kind::Instance, Failed, &["login"]),
        ]));
        assert_eq!(links["web"].because_of, set(&["db", "other", "token"]));
        assert_eq!(links["db"], Links { because_of: set(&[]), affects: set(&["web"]) });
        assert!(!links.contains_key("definition") && !links.contains_key("login"));
    }

    #[test]
    fn two_causes_are_both_named() {
        let links = causes(&world(&[
            ("web", Kind::Service, Failed, &["db", "secret"]),
            ("db", Kind::Instance, Failed, &["key"]),
            ("key", Kind::Key, Failed, &[]),
            ("secret", Kind::Secret, Failed, &[]),
        ]));
        assert_eq!(links["web"].because_of, set(&["key", "secret"]));
        assert_eq!(links["db"], Links { because_of: set(&["key"]), affects: set(&[]) });
    }
}
