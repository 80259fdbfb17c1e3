use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_assert_ne, proptest};
use proptest::strategy::Strategy as _;
use shared::ledger::rotation::{Phase, State};
use shared::strategy::Strategy;

use super::STEPS;
use crate::cases::{document, facts, group, let_in, overlap, refused, rotation, secret, user, values};
use crate::decision::{Action, Question, Step, Verdict, decide};
use crate::event::Hook;
use crate::facts::{Facts, Which};

/// A world that may be anything that can come about.
#[derive(Debug, Clone)]
struct World {
    step: Hook,
    strategy: Strategy,
    labels: Vec<(String, Vec<String>)>,
    enabled: Option<bool>,
    pending: Option<bool>,
    entry: Option<(String, String, State)>,
    overlap: Option<(String, Phase)>,
    logins: Vec<(Which, bool)>,
    status: String,
}

fn worlds() -> impl proptest::strategy::Strategy<Value = World> {
    let version = prop::sample::select(vec!["v0", "v1", "v2", "v3"]).prop_map(ToOwned::to_owned);
    let label =
        prop::sample::select(vec!["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"]).prop_map(ToOwned::to_owned);
    let labels = prop::collection::vec((version.clone(), prop::collection::vec(label, 0..3)), 0..4);
    let state = prop::sample::select(vec![State::UnderWay, State::Rotated, State::Settled, State::Failed]);
    let phase = prop::sample::select(vec![Phase::Added, Phase::Settling, Phase::Settled]);
    let which = prop::sample::select(vec![Which::Pending, Which::Current, Which::Previous, Which::Superuser]);
    let status = prop::sample::select(vec!["active", "available", "modifying", "deleting"]);
    (
        prop::sample::select(STEPS.to_vec()),
        prop::sample::select(Strategy::ALL.to_vec()),
        labels,
        any::<Option<bool>>(),
        any::<Option<bool>>(),
        prop::option::of((version.clone(), version.clone(), state)),
        prop::option::of((version, phase)),
        prop::collection::vec((which, any::<bool>()), 0..5),
        status.prop_map(ToOwned::to_owned),
    )
        .prop_map(|(step, strategy, labels, enabled, pending, entry, overlap, logins, status)| World {
            step,
            strategy,
            labels,
            enabled,
            pending,
            entry,
            overlap,
            logins,
            status,
        })
}

fn known(world: &World) -> Facts {
    let mut facts = facts(world.step, world.strategy);
    let mut secret = secret(world.strategy);
    if !world.labels.is_empty() {
        secret.stages = world.labels.iter().cloned().collect();
    }
    secret.rotation_enabled = world.enabled;
    facts.secret = Some(Some(secret));
    match world.pending {
        Some(true) => {}
        Some(false) => drop(facts.values.insert(Which::Pending, None)),
        None => {
            let current = facts.values[&Which::Current].clone();
            facts.values.insert(Which::Pending, current);
        }
    }
    facts.values.insert(Which::Superuser, Some(document(r#"{"username":"root","password":"root-pass"}"#)));
    facts.values.insert(Which::Left, Some(document(values(Strategy::ValkeyAuthToken).1)));
    facts.rotation = Some(
        world
            .entry
            .as_ref()
            .map(|(version, previous, state)| rotation(version, previous, world.strategy, *state)),
    );
    facts.overlap = Some(world.overlap.as_ref().map(|(version, phase)| overlap(version, *phase)));
    facts.user = Some(Some(user(&world.status, "password")));
    facts.group = Some(Some(group(&world.status)));
    for (which, is_in) in &world.logins {
        facts.logins.insert(*which, if *is_in { let_in("app") } else { refused() });
    }
    facts
}

/// Where the answer to a login is not known, the server refuses.
fn verdict(facts: &mut Facts) -> Verdict {
    loop {
        match decide(facts, "prod") {
            Step::Settled(verdict) => return verdict,
            Step::Look(Question::Login(which, _)) => drop(facts.logins.insert(which, refused())),
            Step::Look(Question::Value(which, _)) => drop(facts.values.insert(which, None)),
            Step::Look(question) => panic!("{question:?} was answered"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn nothing_is_changed_but_for_the_version_that_is_pending_and_not_current(world in worlds()) {
        let mut facts = known(&world);
        let verdict = verdict(&mut facts);
        if let Verdict::Act(plan) = &verdict {
            let secret = facts.secret().unwrap();
            prop_assert!(secret.rotation_enabled != Some(false));
            if plan.action != Action::Rotated {
                prop_assert!(secret.holds("v2", "AWSPENDING") && !secret.holds("v2", "AWSCURRENT"));
                prop_assert_eq!(plan.from.as_deref(), secret.version("AWSCURRENT"));
            }
        }
    }

    #[test]
    fn a_value_is_made_only_where_there_is_none(world in worlds()) {
        let mut facts = known(&world);
        if let Verdict::Act(plan) = verdict(&mut facts)
            && matches!(plan.action, Action::Create(_))
        {
            prop_assert_eq!(world.pending, Some(false));
            prop_assert_eq!(world.step, Hook::CreateSecret);
        }
    }

    #[test]
    fn the_label_moves_only_from_where_the_rotation_set_out(world in worlds()) {
        let mut facts = known(&world);
        if let Verdict::Act(plan) = verdict(&mut facts)
            && plan.action == Action::Finish
            && let Some(entry) = facts.entry()
        {
            prop_assert_eq!(&entry.previous, &plan.from);
        }
    }

    #[test]
    fn no_token_is_added_while_another_one_may_be_in_use(world in worlds()) {
        let mut facts = known(&World { strategy: Strategy::ValkeyAuthToken, ..world });
        if let Verdict::Act(plan) = verdict(&mut facts)
            && matches!(plan.action, Action::RotateToken { .. })
            && let Some(Some(overlap)) = &facts.overlap
            && overlap.phase != Phase::Settled
        {
            let current = facts.secret().unwrap().version("AWSCURRENT");
            prop_assert_ne!(Some(overlap.version.as_str()), current);
        }
    }

    #[test]
    fn no_verdict_shows_a_value(world in worlds()) {
        let mut facts = known(&world);
        let verdict = verdict(&mut facts);
        let told = format!("{verdict:?} {} {facts:?} {}",
            serde_json::to_string(&verdict).unwrap(), serde_json::to_string(&facts).unwrap());
        for value in ["current-1", "pending-2", "previous-0", "root-pass"] {
            prop_assert!(!told.contains(value), "{}", told);
        }
    }
}
