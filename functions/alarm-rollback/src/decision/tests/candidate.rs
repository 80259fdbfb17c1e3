//! What is returned to.

use shared::ledger::operation::{End, Operation};
use shared::ledger::revision::Standing;

use super::truth::{digest, operation, redeploy, tag};
use super::*;
use crate::cases::{ago, td};
use crate::cause::Wanted;
use crate::facts::service::{Rotated, Status};

rules! {
    the_last_good_deployment_is_returned_to_and_never_a_bad_one,
    a_revision_that_hardly_ran_has_proved_nothing,
    a_bad_revision_that_was_deployed_again_counts_as_its_owner_says,
    a_deployment_that_changed_no_code_is_not_rolled_back,
    a_redeploy_by_watchkeeper_is_named_with_its_secret,
    a_pinned_copy_is_the_code_that_it_is_a_copy_of,
    a_history_of_one_is_answered_by_what_it_began_from,
    without_history_the_ledger_is_asked_and_then_the_family,
    a_copy_is_what_it_is_a_copy_of,
    what_ecs_does_not_list_yet_is_not_judged,
    what_is_not_restored_is_said,
}

fn history(history: &'static [(Status, i64, u32)]) -> impl FnOnce(&mut Truth) {
    move |truth| truth.history(history)
}

const RAN: Status = Status::Successful;

fn the_last_good_deployment_is_returned_to_and_never_a_bad_one() -> Vec<Case> {
    let bad = |revisions: &'static [u32]| {
        move |truth: &mut Truth| {
            truth.history(&[(RAN, 5, 8), (RAN, 100, 7), (RAN, 200, 6)]);
            for revision in revisions {
                truth.remember(*revision, Standing::Bad, 90);
            }
        }
    };
    let between = &[(RAN, 5, 7), (Status::Stopped, 90, 8), (Status::RolledBack, 95, 9), (RAN, 120, 6)];
    vec![
        when("none is bad", bad(&[]), "web:8 -> web:7: update the service to web:7 (high confidence"),
        when("what did not arrive is passed over", history(between), "web:7 -> web:6"),
        when(
            "the one before is bad",
            bad(&[7]),
            "web:8 -> web:6: update the service to web:6 (high confidence",
        ),
        when("all are bad", bad(&[7, 6]), "hold: there is no revision known to be good to return to"),
        when("what runs is bad, too", bad(&[8]), "web:8 -> web:7"),
    ]
}

fn a_revision_that_hardly_ran_has_proved_nothing() -> Vec<Case> {
    // web:8 was to be mended by web:7.
    vec![
        when("for eight minutes", history(&[(RAN, 2, 7), (RAN, 12, 8), (RAN, 500, 6)]), "web:7 -> web:6"),
        when("for ten minutes", history(&[(RAN, 2, 7), (RAN, 14, 8), (RAN, 500, 6)]), "web:7 -> web:8"),
        when(
            "and there is nothing else",
            history(&[(RAN, 2, 7), (RAN, 12, 8)]),
            "hold: there is no revision known to be good",
        ),
        when(
            "nobody knows how long",
            |truth| truth.scene().deployments[1].finished_at = None,
            "hold: there is no revision known to be good",
        ),
    ]
}

fn a_bad_revision_that_was_deployed_again_counts_as_its_owner_says() -> Vec<Case> {
    let bad_since = |minutes| {
        move |truth: &mut Truth| {
            truth.history(&[(RAN, 5, 8), (RAN, 100, 7), (RAN, 900, 6)]);
            truth.remember(7, Standing::Bad, minutes);
        }
    };
    vec![
        when("bad before it was deployed", bad_since(200), "web:8 -> web:7"),
        when("bad since", bad_since(50), "web:8 -> web:6"),
    ]
}

fn rotated(secrets: &'static [(&'static str, Option<i64>)]) -> impl FnOnce(&mut Truth) {
    move |truth| {
        truth.history(&[(RAN, 5, 7), (RAN, 100, 7), (RAN, 200, 6)]);
        let rotated = secrets
            .iter()
            .map(|(name, minutes)| Rotated { name: (*name).to_owned(), changed_at: minutes.map(ago) });
        truth.scene().rotated = Some(rotated.collect());
    }
}

fn a_deployment_that_changed_no_code_is_not_rolled_back() -> Vec<Case> {
    let same = "hold: the newest deployment runs the same task definition and images as the one before, so its code \
                is not to blame; a rotated secret or the platform may be";
    let named = "hold: the newest deployment runs the same task definition and images as the one before, so its code \
                 is not to blame; it is rotation-related: prod/web/db changed shortly before";
    let secrets = &[("prod/web/db", Some(66)), ("prod/web/old", Some(68)), ("prod/web/never", None)];
    let undated = |truth: &mut Truth| {
        rotated(&[("prod/web/db", Some(100_000))])(truth);
        truth.scene().deployments[0].created_at = None;
    };
    let unresolved = |truth: &mut Truth| {
        truth.history(&[(RAN, 5, 7), (RAN, 100, 7), (RAN, 200, 6)]);
        truth.scene().revisions.as_mut().unwrap()[0].images.clear();
    };
    let on_its_way = |truth: &mut Truth| {
        truth.history(&[(Status::InProgress, 1, 7), (RAN, 100, 7), (RAN, 200, 6)]);
        truth.scene().sources = Some(vec!["revision-1".to_owned()]);
    };
    vec![
        when("no secret changed", rotated(&[]), same),
        when("a secret changed within the hour before", rotated(secrets), named),
        when("a secret changed long ago, and no time is listed", undated, same),
        when("ECS resolved no digest", unresolved, same),
        when("it is on its way", on_its_way, same),
        when(
            "all there is began from the same",
            |truth| {
                truth.history(&[(RAN, 5, 7)]);
                truth.began_from(&[7]);
            },
            same,
        ),
    ]
}

fn a_redeploy_by_watchkeeper_is_named_with_its_secret() -> Vec<Case> {
    let redeployed = |status, minutes, end| {
        move |truth: &mut Truth| {
            truth.history(&[(status, minutes, 7), (RAN, 900, 7), (RAN, 1_300, 6)]);
            truth.scene().sources = Some(vec!["revision-1".to_owned()]);
            truth.memory().redeploys = vec![redeploy(7, 7, minutes + 2, end)];
        }
    };
    let also_changed = |truth: &mut Truth| {
        redeployed(RAN, 5, Some(End::Recovered))(truth);
        truth.scene().rotated =
            Some(vec![Rotated { name: "prod/web/key".to_owned(), changed_at: Some(ago(20)) }]);
    };
    let unlisted = |deployed, end| {
        move |truth: &mut Truth| {
            truth.scene().deployments.clear();
            truth.service().deployed_at = Some(ago(deployed));
            truth.memory().redeploys = vec![redeploy(7, 7, 7, end)];
        }
    };
    let then_code = |truth: &mut Truth| {
        truth.history(&[(RAN, 5, 7), (RAN, 20, 6), (RAN, 500, 6)]);
        truth.memory().redeploys = vec![redeploy(6, 6, 22, Some(End::Recovered))];
    };
    let named = "hold: the newest deployment runs the same task definition and images as the one before, so its code \
                 is not to blame; it is rotation-related: Watchkeeper redeployed it at 2026-11-20T11:55:00Z because of \
                 the secret prod/web/db (operation re-7)";
    let long = "hold: the newest deployment runs the same task definition and images as the one before, so its code \
                is not to blame; it is rotation-related: Watchkeeper redeployed it at 2026-11-20T11:50:00Z";
    let both = "hold: the newest deployment runs the same task definition and images as the one before, so its code \
                is not to blame; it is rotation-related: prod/web/key changed shortly before, and Watchkeeper \
                redeployed it at 2026-11-20T11:55:00Z";
    let unnamed = "hold: the newest deployment runs the same task definition and images as the one before, so its \
                   code is not to blame; a rotated secret or the platform may be";
    vec![
        when("it is done", redeployed(RAN, 5, Some(End::Recovered)), named),
        when("it is on its way", redeployed(Status::InProgress, 10, None), long),
        when("another secret changed, too", also_changed, both),
        when("it was refused, and somebody did the same", redeployed(RAN, 5, Some(End::Refused)), unnamed),
        when("ECS lists no deployments", unlisted(7, Some(End::Recovered)), named),
        when("ECS lists none, and it was refused", unlisted(7, Some(End::Refused)), "web:7 -> web:6"),
        when("ECS lists none, and somebody deployed before it", unlisted(9, None), "web:7 -> web:6"),
        when("other code was deployed after it", then_code, "web:7 -> web:6"),
    ]
}

fn a_pinned_copy_is_the_code_that_it_is_a_copy_of() -> Vec<Case> {
    // web:8 was registered as a copy of web:7 that names the digest, because the tag was moved, and deployed.
    let copied = |history: &'static [(Status, i64, u32)]| {
        move |truth: &mut Truth| {
            truth.history(history);
            truth.scene().sources = Some(vec!["revision-1".to_owned()]);
            truth.memory().redeploys = vec![redeploy(7, 8, 7, None)];
            for revision in truth.scene().revisions.as_mut().unwrap() {
                if revision.task_definition == td(8) {
                    revision.images = digest("7");
                }
            }
        }
    };
    let unlisted = |truth: &mut Truth| {
        copied(&[(RAN, 15, 8)])(truth);
        truth.scene().deployments.clear();
        truth.scene().earlier = Some(vec![td(7), td(6)]);
        truth.remember(7, Standing::Good, 2_000);
    };
    let bad = |truth: &mut Truth| {
        copied(&[(RAN, 5, 9), (RAN, 100, 8), (RAN, 900, 7), (RAN, 1_300, 6)])(truth);
        truth.remember(8, Standing::Bad, 50);
    };
    let same = "hold: the newest deployment runs the same task definition and images as the one before, so its code \
                is not to blame; it is rotation-related: Watchkeeper redeployed it at 2026-11-20T11:55:00Z";
    vec![
        when("it is the newest", copied(&[(RAN, 5, 8), (RAN, 900, 7), (RAN, 1_300, 6)]), same),
        when("it is on its way", copied(&[(Status::InProgress, 5, 8), (RAN, 900, 7)]), same),
        when(
            "other code was deployed over it",
            copied(&[(RAN, 5, 9), (RAN, 100, 8), (RAN, 900, 7)]),
            "web:9 -> web:8",
        ),
        when("it is bad, and so is its original", bad, "web:9 -> web:6"),
        when(
            "ECS lists no deployments",
            unlisted,
            "web:8 -> web:6: update the service to web:6 (low confidence",
        ),
        case(
            "ECS lists none, and a person wants the one before",
            truth().by_hand(Wanted::Previous).with(unlisted),
            "web:8 -> web:6",
        ),
    ]
}

fn a_history_of_one_is_answered_by_what_it_began_from() -> Vec<Case> {
    let began_from = |sources: &'static [u32]| {
        move |truth: &mut Truth| {
            truth.history(&[(RAN, 5, 7), (Status::RolledBack, 90, 6)]);
            truth.began_from(sources);
        }
    };
    let bad = |truth: &mut Truth| {
        began_from(&[5])(truth);
        truth.remember(5, Standing::Bad, 2_000);
    };
    let undescribed = |truth: &mut Truth| {
        began_from(&[5])(truth);
        truth.scene().sources = Some(vec!["source-gone".to_owned(), "source-5".to_owned()]);
    };
    let unknown = "hold: what ran before the newest deployment is not known";
    vec![
        when(
            "from web:5",
            began_from(&[5]),
            "web:7 -> web:5: update the service to web:5 (medium confidence: it ran before",
        ),
        when("from nothing", began_from(&[]), unknown),
        when("from several, none of which was deployed", began_from(&[5, 4]), unknown),
        when("from two, one of which ECS does not describe", undescribed, unknown),
        when("from one that is bad", bad, "hold: there is no revision known to be good"),
        when(
            "ECS does not describe the newest either",
            |truth| truth.scene().revisions = Some(Vec::new()),
            unknown,
        ),
    ]
}

fn without_history_the_ledger_is_asked_and_then_the_family() -> Vec<Case> {
    let remembered = |known: &'static [(u32, Standing, i64)]| {
        move |truth: &mut Truth| {
            truth.scene().deployments.clear();
            for (revision, standing, minutes) in known {
                truth.remember(*revision, *standing, *minutes);
            }
        }
    };
    let alone = |truth: &mut Truth| {
        remembered(&[])(truth);
        truth.scene().earlier = Some(Vec::new());
    };
    let good = &[(7, Standing::Good, 20), (5, Standing::Good, 900), (4, Standing::Good, 9_000)];
    vec![
        when(
            "the ledger knows what was good",
            remembered(good),
            "web:7 -> web:5: update the service to web:5 (medium confidence: known to be good since 2026-11-19T21:02:00Z)",
        ),
        when(
            "the ledger knows nothing",
            remembered(&[]),
            "web:7 -> web:6: update the service to web:6 (low confidence: the next lower one; whether it ever ran",
        ),
        when("the next lower one is bad", remembered(&[(6, Standing::Bad, 900)]), "web:7 -> web:5"),
        when(
            "all lower ones are bad",
            remembered(&[(6, Standing::Bad, 900), (5, Standing::Bad, 900)]),
            "hold: there is no revision known to be good",
        ),
        when("there is no lower one", alone, "hold: there is no revision known to be good"),
    ]
}

fn a_copy_is_what_it_is_a_copy_of() -> Vec<Case> {
    // web:8 was registered as a copy of web:6, in order to leave web:7.
    let copied = |newest: &'static [(Status, i64, u32)]| {
        move |truth: &mut Truth| {
            truth.history(newest);
            let copy =
                Operation { copy_of: Some(td(6)), ..operation("op-1", 7, 8, 202, Some(End::Recovered)) };
            truth.memory().operations.push(copy);
            truth.remember(7, Standing::Bad, 202);
            for revision in truth.scene().revisions.as_mut().unwrap() {
                if revision.task_definition == td(8) {
                    revision.images = digest("6");
                }
            }
        }
    };
    let bad = |truth: &mut Truth| {
        copied(&[(RAN, 5, 9), (RAN, 50, 5), (RAN, 200, 8), (RAN, 300, 7), (RAN, 900, 6)])(truth);
        truth.remember(8, Standing::Bad, 55);
        truth.remember(5, Standing::Bad, 40);
    };
    vec![
        when(
            "it was good",
            copied(&[(RAN, 5, 9), (RAN, 200, 8), (RAN, 300, 7), (RAN, 900, 6)]),
            "web:9 -> web:8",
        ),
        when("it was bad, and so is its original", bad, "hold: there is no revision known to be good"),
        case(
            "it runs, and a person wants the one before",
            truth().by_hand(Wanted::Previous).with(copied(&[
                (RAN, 200, 8),
                (RAN, 300, 7),
                (RAN, 900, 6),
                (RAN, 1_300, 5),
            ])),
            "web:8 -> web:5",
        ),
        when(
            "its original is deployed again",
            copied(&[(RAN, 5, 6), (RAN, 200, 8), (RAN, 300, 7)]),
            "hold: the newest \
         deployment runs the same task definition and images",
        ),
    ]
}

fn what_ecs_does_not_list_yet_is_not_judged() -> Vec<Case> {
    // ECS describes the service with the fix already, and does not list its deployment yet.
    vec![when(
        "a fix is beginning",
        |truth| truth.service().task_definition = td(8),
        "hold: another deployment of the service is just beginning",
    )]
}

fn what_is_not_restored_is_said() -> Vec<Case> {
    let around = |now: &'static [(&'static str, &'static str)],
                  then: &'static [(&'static str, &'static str)]| {
        move |truth: &mut Truth| {
            let read = |pairs: &[(&str, &str)]| {
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
            };
            let revisions = truth.scene().revisions.as_mut().unwrap();
            revisions[0].around = read(now);
            revisions[1].around = read(then);
        }
    };
    let back = "web:7 -> web:6: update the service to web:6 (high confidence: it was deployed successfully before, \
                and it ran)";
    let subnets = "web:7 -> web:6: update the service to web:6 (high confidence: it was deployed successfully before, \
                   and it ran) [Not restored: subnets, which changed from subnet-1 to subnet-2.]";
    let platform = "web:7 -> web:6: update the service to web:6 (high confidence: it was deployed successfully before, \
                    and it ran) [Not restored: platform version, which changed from nothing to 1.4.0.]";
    vec![
        when("the same network", around(&[("subnets", "subnet-1")], &[("subnets", "subnet-1")]), back),
        when("another network", around(&[("subnets", "subnet-2")], &[("subnets", "subnet-1")]), subnets),
        when("something new", around(&[("platform version", "1.4.0")], &[]), platform),
    ]
}

#[test]
fn only_what_an_unclear_history_needs_is_asked() {
    let asked = |truth: Truth| -> Vec<_> {
        let of_service = |question| {
            if let Question::Service(question) = question { Some(question) } else { None }
        };
        truth.asked().into_iter().filter_map(of_service).collect()
    };
    let arns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (revisions, candidate) = (
        service::Question::Revisions(arns(&["revision-0", "revision-1"])),
        service::Question::Candidate { arn: td(6), images: digest("6") },
    );
    assert_eq!(asked(truth()), [revisions, candidate]);
    let one = truth().with(|truth| {
        truth.history(&[(RAN, 5, 7)]);
        truth.began_from(&[5]);
    });
    let sources = service::Question::Sources("deployment-0".to_owned());
    let revisions = service::Question::Revisions(arns(&["revision-0", "source-5"]));
    let candidate = service::Question::Candidate { arn: td(5), images: digest("5") };
    assert_eq!(asked(one), [sources, revisions, candidate]);
    let same = truth().with(rotated(&[]));
    assert_eq!(asked(same).last(), Some(&service::Question::Rotated(td(7))));
    let marked = truth().with(|truth| tag(&mut truth.alarm().tags, "mode", "off"));
    assert_eq!(asked(marked), []);
}
