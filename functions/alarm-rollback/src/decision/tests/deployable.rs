//! Whether what is returned to can be deployed, and whether a copy of it has to be.

use super::truth::{REPOSITORY, digest};
use super::*;
use crate::cases::td;
use crate::facts::service::{Found, Image, Secret, Standing, Status};

rules! {
    what_cannot_be_deployed_is_not_returned_to,
    what_cannot_be_checked_is_said,
    a_deregistered_task_definition_is_deployed_as_a_copy,
    where_a_tag_was_moved_a_copy_names_the_digest,
    the_same_task_definition_with_another_image_is_copied,
    a_copy_that_was_registered_is_deployed,
}

fn what_cannot_be_deployed_is_not_returned_to() -> Vec<Case> {
    let unready = |change: fn(&mut Truth)| change;
    vec![
        when(
            "ECS does not know it",
            |truth| {
                truth.definitions.remove(&td(6));
            },
            "hold: ECS does not know the task definition web:6 (any more)",
        ),
        when(
            "its image is gone",
            unready(|truth| truth.definition(6).images[0].found = Found::Gone),
            "hold: web:6 cannot be deployed: its image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.6 is not in \
             the registry any more",
        ),
        when(
            "its secret is gone",
            unready(|truth| truth.definition(6).secrets[0].found = Found::Gone),
            "hold: web:6 cannot be deployed: its secret or parameter prod/web/db does not resolve any more",
        ),
        when(
            "it lacks the port",
            unready(|truth| truth.definition(6).containers[0].ports = vec![80]),
            "hold: web:6 cannot be deployed: the load balancer reaches port 8080 of the container web, which it does \
             not have",
        ),
        when(
            "it lacks the container",
            unready(|truth| truth.definition(6).containers[0].name = "app".to_owned()),
            "hold: web:6 cannot be deployed: the load balancer reaches port 8080 of the container web",
        ),
        when(
            "it is not made for Fargate",
            unready(|truth| truth.definition(6).fargate = false),
            "hold: web:6 cannot be deployed: the service runs on Fargate, for which it is not made",
        ),
        when(
            "the service does not run on Fargate",
            unready(|truth| {
                truth.definition(6).fargate = false;
                truth.service().fargate = false;
            }),
            "web:7 -> web:6",
        ),
        when(
            "nothing reaches it",
            unready(|truth| {
                truth.definition(6).containers[0].ports.clear();
                truth.service().ports.clear();
            }),
            "web:7 -> web:6",
        ),
        // Walking further back blindly would only be another outage.
        when(
            "there is an older one that could be",
            unready(|truth| {
                truth.history(&[
                    (Status::Successful, 5, 7),
                    (Status::Successful, 500, 6),
                    (Status::Successful, 900, 5),
                ]);
                truth.definition(6).images[0].found = Found::Gone;
            }),
            "hold: web:6 cannot be deployed: its image",
        ),
    ]
}

fn unchecked(why: &str) -> Found {
    Found::Unchecked(why.to_owned())
}

fn what_cannot_be_checked_is_said() -> Vec<Case> {
    vec![
        when(
            "an image elsewhere, of which no digest is known",
            |truth| {
                truth.definition(6).images[0].found = unchecked("it is not in Amazon ECR");
                truth.scene().revisions.as_mut().unwrap()[1].images.clear();
            },
            "web:7 -> web:6: update the service to web:6 (high confidence: it was deployed successfully before, and it \
             ran) [Not checked: whether the image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.6 is still there \
             (it is not in Amazon ECR).]",
        ),
        when(
            "a moved tag, of whose image no digest is known",
            |truth| {
                truth.definition(6).images[0].found = Found::Moved;
                truth.scene().revisions.as_mut().unwrap()[1].images.clear();
            },
            "web:7 -> web:6: update the service to web:6 (high confidence: it was deployed successfully before, and it \
             ran) [Not checked: whether 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.6 is the image that ran.]",
        ),
        when(
            "a secret elsewhere",
            |truth| truth.definition(6).secrets[0].found = unchecked("it is in another account"),
            "web:7 -> web:6: update the service to web:6 (high confidence: it was deployed successfully before, and it \
             ran) [Not checked: whether prod/web/db still resolves (it is in another account).]",
        ),
    ]
}

fn a_deregistered_task_definition_is_deployed_as_a_copy() -> Vec<Case> {
    vec![when(
        "its image is there",
        |truth| truth.definition(6).standing = Standing::Inactive,
        "web:7 -> web:6: copy web:6 (high confidence: it was deployed successfully before, and it ran) [It was \
         deregistered; a copy of it is registered.]",
    )]
}

fn where_a_tag_was_moved_a_copy_names_the_digest() -> Vec<Case> {
    let found = |found: Found| move |truth: &mut Truth| truth.definition(6).images[0].found = found;
    let both = |truth: &mut Truth| {
        truth.definition(6).standing = Standing::Inactive;
        truth.definition(6).images[0].found = Found::Moved;
    };
    let named = |truth: &mut Truth| {
        truth.definition(6).images[0].image = format!("{REPOSITORY}@sha256:6");
        truth.definition(6).images[0].found = unchecked("it is in another account or Region");
    };
    vec![
        when(
            "its tag names another image by now",
            found(Found::Moved),
            "web:7 -> web:6: copy web:6 with web@sha256:6 (high confidence: it was deployed successfully before, and it \
             ran) [The tag of 123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.6 names another image by now; a copy \
             that names the digest is registered.]",
        ),
        when(
            "it cannot be looked for, but its digest is known",
            found(unchecked("it is not in Amazon ECR")),
            "web:7 -> web:6: copy web:6 with web@sha256:6 (high confidence: it was deployed successfully before, and it \
             ran) [Not checked: whether the image",
        ),
        when("it is deregistered, too", both, "web:7 -> web:6: copy web:6 with web@sha256:6"),
        when("it names the digest itself", named, "web:7 -> web:6: update the service to web:6"),
    ]
}

/// web:7 was deployed again with another image behind the same tag.
fn redeployed(found: Found) -> impl FnOnce(&mut Truth) {
    move |truth| {
        truth.history(&[
            (Status::Successful, 5, 7),
            (Status::Successful, 500, 7),
            (Status::Successful, 900, 6),
        ]);
        truth.scene().revisions.as_mut().unwrap()[1].images = digest("old");
        truth.definition(7).images[0].found = found;
    }
}

fn the_same_task_definition_with_another_image_is_copied() -> Vec<Case> {
    let pinned = |truth: &mut Truth| {
        redeployed(Found::There)(truth);
        truth.definition(7).images[0].image = format!("{REPOSITORY}@sha256:old");
    };
    vec![
        when("its tag was moved", redeployed(Found::Moved), "web:7 -> web:7: copy web:7 with web@sha256:old"),
        // To update the service to what it is set to already would change nothing.
        when(
            "its tag was moved back",
            redeployed(Found::There),
            "web:7 -> web:7: copy web:7 with web@sha256:old",
        ),
        when("its old image is gone", redeployed(Found::Gone), "hold: web:7 cannot be deployed: its image"),
        when("a copy would be the same", pinned, "hold: it runs web:7 already"),
    ]
}

/// The copy that a rollback wants was registered, and the decision goes on with it.
fn copied(change: impl FnOnce(&mut Truth)) -> impl FnOnce(&mut Truth) {
    move |truth| {
        change(truth);
        let rollback = truth.rollback();
        assert!(matches!(rollback.plan.act, Act::RegisterTaskDefinition { .. }), "{rollback:?}");
        truth.begin(&rollback);
        truth.copied(&rollback.operation, 8);
    }
}

fn a_copy_that_was_registered_is_deployed() -> Vec<Case> {
    let updated = "web:7 -> web:8: update the service to web:8 (high confidence";
    let made = |truth: &mut Truth| {
        copied(redeployed(Found::Moved))(truth);
        truth.service().task_definition = td(8);
    };
    let hurried: fn(&mut Truth) = |truth| {
        redeployed(Found::Moved)(truth);
        // Deployed within the minute that the clocks may differ.
        truth.scene().deployments[0].created_at = Some(crate::cases::ago(1));
        truth.service().deployed_at = Some(crate::cases::ago(1));
    };
    let begun = |change: fn(&mut Truth)| {
        move |truth: &mut Truth| {
            change(truth);
            let rollback = truth.rollback();
            truth.begin(&rollback);
        }
    };
    let not_copied = "web:7 -> web:7: copy web:7 with web@sha256:old";
    vec![
        when(
            "of a deregistered one",
            copied(|truth| truth.definition(6).standing = Standing::Inactive),
            updated,
        ),
        when(
            "of one with a moved tag",
            copied(|truth| truth.definition(6).images[0].found = Found::Moved),
            updated,
        ),
        when("of the same task definition with another image", copied(redeployed(Found::Moved)), updated),
        when("of the same, deployed a moment ago", copied(hurried), updated),
        when("it runs by now", made, "done before: web:7 -> web:8"),
        when(
            "it was begun, and no copy is registered",
            begun(|truth| redeployed(Found::Moved)(truth)),
            not_copied,
        ),
        when("it was begun a moment after the deployment", begun(hurried), not_copied),
    ]
}

#[test]
fn a_copy_remembers_what_it_is_a_copy_of() {
    let plan = truth().with(copied(redeployed(Found::Moved))).rollback().plan;
    assert_eq!((plan.to, plan.copy_of), (td(8), Some(td(7))));
    let first = truth().with(redeployed(Found::Moved)).rollback().plan;
    assert_eq!((first.to, first.copy_of), (td(7), None));
    assert_eq!(first.act.means(), shared::ledger::operation::Means::UpdateService);
}

#[test]
fn only_what_is_written_with_a_tag_is_written_anew() {
    let mut case = truth();
    let sidecar = Image {
        container: "proxy".to_owned(),
        image: format!("{REPOSITORY}-proxy@sha256:proxy"),
        found: Found::There,
    };
    case.definition(6).images.push(sidecar);
    case.definition(6).images[0].found = Found::Moved;
    case.definition(6).secrets.push(Secret { name: "another".to_owned(), found: Found::There });
    let Act::RegisterTaskDefinition { of, images } = case.rollback().plan.act else {
        panic!("no copy");
    };
    assert_eq!(of, td(6));
    assert_eq!(images, [("web".to_owned(), format!("{REPOSITORY}@sha256:6"))].into());
}
