use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types::{ResourceStatus, Stack, StackResource, StackStatus};

use super::super::uncovered;
use super::{CANCELLED, Stacks};
use crate::aws::sdk_config;
use crate::proxy::Proxy;

async fn serve(stacks: &Stacks) -> (Proxy, Client) {
    let double = stacks.clone();
    let proxy = Proxy::answering(move |call| double.answer(call).unwrap_or_else(|| uncovered(call)));
    let proxy = proxy.await.unwrap();
    let client = Client::new(&sdk_config(proxy.url()).await);
    (proxy, client)
}

async fn described(cfn: &Client, name: &str) -> Result<Stack, String> {
    let described = cfn.describe_stacks().stack_name(name).send().await;
    let described = described.map_err(|error| error.message().unwrap().to_owned())?;
    Ok(described.stacks().first().unwrap().clone())
}

async fn resources(cfn: &Client, name: &str) -> Vec<StackResource> {
    cfn.describe_stack_resources().stack_name(name).send().await.unwrap().stack_resources.unwrap()
}

async fn go_on(cfn: &Client, name: &str, token: &str, skip: &[&str]) -> Result<(), (String, String)> {
    let skip = skip.iter().map(|&skip| skip.to_owned()).collect();
    let call = cfn.continue_update_rollback().stack_name(name).client_request_token(token);
    match call.set_resources_to_skip(Some(skip)).send().await {
        Ok(_) => Ok(()),
        Err(error) => Err((error.code().unwrap().to_owned(), error.message().unwrap().to_owned())),
    }
}

#[tokio::test]
async fn resources_are_listed_page_by_page_as_they_are_described() {
    let double = Stacks::new().stuck("shop").paged(1);
    let (_proxy, cfn) = serve(&double).await;
    let nested = double.nested("shop").unwrap();
    let mut listed = Vec::new();
    let mut token = None;
    loop {
        let page = cfn.list_stack_resources().stack_name(&nested).set_next_token(token).send().await.unwrap();
        assert!(page.stack_resource_summaries().len() < 2);
        listed.extend(page.stack_resource_summaries.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    let described = resources(&cfn, &nested).await;
    let names: Vec<_> =
        described.iter().map(|it| (it.logical_resource_id(), it.resource_status_reason())).collect();
    assert_eq!(
        listed.iter().map(|it| (it.logical_resource_id(), it.resource_status_reason())).collect::<Vec<_>>(),
        names
    );
    assert_eq!(names.len(), 2);
}

#[tokio::test]
async fn stacks_are_described_and_listed_with_what_stands_above_them() {
    let double =
        Stacks::new().steady("calm").stuck("shop").with_role("arn:aws:iam::123456789012:role/deployer");
    let double = double.tagged("watchkeeper:mode", "act").paged(2);
    let (_proxy, cfn) = serve(&double).await;
    let shop = described(&cfn, "shop").await.unwrap();
    assert_eq!(shop.stack_status(), Some(&StackStatus::UpdateRollbackFailed));
    assert_eq!(shop.role_arn(), Some("arn:aws:iam::123456789012:role/deployer"));
    assert_eq!(shop.tags()[0].value(), Some("act"));
    assert_eq!((shop.parent_id(), shop.root_id()), (None, None));
    let nested = described(&cfn, &double.nested("shop").unwrap()).await.unwrap();
    assert_eq!((nested.parent_id(), nested.root_id()), (shop.stack_id(), shop.stack_id()));
    assert_eq!(described(&cfn, shop.stack_id().unwrap()).await.unwrap(), shop);
    assert_eq!(described(&cfn, "calm").await.unwrap().role_arn(), None);
    assert_eq!(described(&cfn, "nope").await.unwrap_err(), "Stack with id nope does not exist");

    let first = cfn.list_stacks().send().await.unwrap();
    let rest = cfn.list_stacks().set_next_token(first.next_token.clone()).send().await.unwrap();
    assert_eq!((first.stack_summaries().len(), rest.stack_summaries().len()), (2, 1));
    let stuck =
        cfn.list_stacks().stack_status_filter(StackStatus::UpdateRollbackFailed).send().await.unwrap();
    let parents: Vec<_> = stuck.stack_summaries().iter().map(|it| it.parent_id().is_some()).collect();
    assert_eq!(parents, [false, true]);
}

#[tokio::test]
async fn events_come_newest_first_and_tell_a_failed_rollback_from_a_cancelled_one() {
    let double = Stacks::new().stuck("shop");
    let (_proxy, cfn) = serve(&double).await;
    let nested = double.nested("shop").unwrap();
    let events = cfn.describe_stack_events().stack_name(&nested).send().await.unwrap().stack_events.unwrap();
    assert!(events.is_sorted_by(|newer, older| newer.timestamp().unwrap() >= older.timestamp().unwrap()));
    assert_eq!(events[0].resource_status(), Some(&ResourceStatus::UpdateRollbackFailed));
    assert_eq!(events[0].physical_resource_id(), events[0].stack_id());
    let ids: std::collections::BTreeSet<_> = events.iter().map(|it| it.event_id().unwrap()).collect();
    assert_eq!(ids.len(), events.len());

    let failed = resources(&cfn, &nested).await;
    let reasons: Vec<_> = failed
        .iter()
        .map(|it| {
            assert_eq!(it.resource_status(), Some(&ResourceStatus::UpdateFailed));
            (it.logical_resource_id().unwrap(), it.resource_status_reason() == Some(CANCELLED))
        })
        .collect();
    assert_eq!(reasons, [("Service", false), ("Worker", true)]);
    assert!(failed[0].resource_status_reason().unwrap().contains("\"Error occurred"));
}

#[tokio::test]
async fn a_rollback_goes_on_to_its_end_once_what_held_it_is_fixed() {
    let double = Stacks::new().stuck("shop");
    let (_proxy, cfn) = serve(&double).await;
    let nested = double.nested("shop").unwrap();
    go_on(&cfn, "shop", "first", &[]).await.unwrap();
    assert_eq!(double.status("shop").unwrap(), "UPDATE_ROLLBACK_IN_PROGRESS");
    assert_eq!(double.advance("shop").unwrap(), "UPDATE_ROLLBACK_FAILED");
    let shop = described(&cfn, "shop").await.unwrap();
    assert_eq!(shop.stack_status_reason(), Some("The following resource(s) failed to update: [Web]. "));
    let web = resources(&cfn, "shop").await;
    assert!(web[0].resource_status_reason().unwrap().starts_with("Embedded stack arn:aws:cloudformation:"));

    double.fix(&nested, "Service").unwrap();
    // The same call again is heard as the same call.
    go_on(&cfn, "shop", "first", &[]).await.unwrap();
    assert_eq!(double.status("shop").unwrap(), "UPDATE_ROLLBACK_FAILED");
    let (code, _) = go_on(&cfn, "shop", "first", &["Web"]).await.unwrap_err();
    assert_eq!(code, "TokenAlreadyExistsException");
    go_on(&cfn, "shop", "second", &[]).await.unwrap();
    assert_eq!(double.advance("shop").unwrap(), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(double.status(&nested).unwrap(), "UPDATE_ROLLBACK_COMPLETE");
    assert!(double.advance("shop").is_err());
    assert_eq!(double.changes().len(), 2);
    assert_eq!(double.changes()[1].sent["ClientRequestToken"], "second");
    let events = cfn.describe_stack_events().stack_name("shop").send().await.unwrap();
    assert_eq!(events.stack_events()[0].client_request_token(), Some("second"));
}

#[tokio::test]
async fn only_what_failed_to_roll_back_is_skipped_and_under_the_name_of_its_stack() {
    let double = Stacks::new().stuck("shop").settling_after(2);
    let (_proxy, cfn) = serve(&double).await;
    let nested = double.nested("shop").unwrap();
    let inside = |resource: &str| format!("{nested}.{resource}");
    for skip in ["Service", "Web", "Web.Service", &inside("Worker"), &inside("Nothing")] {
        let (code, message) = go_on(&cfn, "shop", "token", &[skip]).await.unwrap_err();
        assert_eq!(code, "ValidationError", "{skip}: {message}");
    }
    assert_eq!(go_on(&cfn, &nested, "token", &[]).await.unwrap_err().0, "ValidationError");
    assert_eq!(go_on(&cfn, "shop", "-first", &[]).await.unwrap_err().0, "ValidationError");
    assert_eq!(double.changes(), []);

    go_on(&cfn, "shop", "token", &[&inside("Service")]).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(described(&cfn, "shop").await.unwrap().stack_status().unwrap().as_str().to_owned());
    }
    let going = "UPDATE_ROLLBACK_IN_PROGRESS";
    assert_eq!(seen, [going, going, "UPDATE_ROLLBACK_COMPLETE"]);
    assert!(
        resources(&cfn, &nested)
            .await
            .iter()
            .all(|it| it.resource_status() == Some(&ResourceStatus::UpdateComplete))
    );
    assert_eq!(go_on(&cfn, "shop", "more", &[]).await.unwrap_err().0, "ValidationError");
}

#[tokio::test]
async fn a_forced_rollback_skips_by_itself_and_takes_no_list() {
    let double = Stacks::new().stuck("shop");
    let (_proxy, cfn) = serve(&double).await;
    let force = || cfn.continue_update_rollback().stack_name("shop").force_rollback(true);
    let both = force().resources_to_skip("Web").send().await.unwrap_err();
    assert_eq!(both.code(), Some("ValidationError"));
    force().send().await.unwrap();
    assert_eq!(double.advance("shop").unwrap(), "UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn an_update_is_cancelled_only_while_it_goes_on() {
    let double = Stacks::new().updating("slow", 40).steady("calm");
    let (_proxy, cfn) = serve(&double).await;
    let slow = described(&cfn, "slow").await.unwrap();
    let age = jiff::Timestamp::from_second(slow.last_updated_time().unwrap().secs()).unwrap();
    let age = super::now().duration_since(age).as_mins();
    assert!((39..=41).contains(&age), "{age}");
    let refused = cfn.cancel_update_stack().stack_name("calm").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationError"));
    cfn.cancel_update_stack().stack_name("slow").send().await.unwrap();
    assert_eq!(double.advance("slow").unwrap(), "UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn rolling_back_a_stack_that_never_was_stable_deletes_it() {
    let double = Stacks::new().never_created("new").half_updated("old");
    let (_proxy, cfn) = serve(&double).await;
    assert_eq!(described(&cfn, "new").await.unwrap().disable_rollback(), Some(true));
    for name in ["new", "old"] {
        let rolled = cfn.rollback_stack().stack_name(name).send().await.unwrap();
        assert_eq!(rolled.stack_id(), Some(&*double.id(name).unwrap()));
    }
    assert_eq!(double.status("new").unwrap(), "DELETE_COMPLETE");
    assert_eq!(described(&cfn, "new").await.unwrap_err(), "Stack with id new does not exist");
    let deleted = described(&cfn, &double.id("new").unwrap()).await.unwrap();
    assert!(deleted.deletion_time().is_some());
    assert_eq!(double.advance("old").unwrap(), "UPDATE_ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn a_resource_leads_to_its_stack() {
    let double = Stacks::new().steady("calm");
    let (_proxy, cfn) = serve(&double).await;
    let service = resources(&cfn, "calm").await[0].physical_resource_id.clone().unwrap();
    let found = cfn.describe_stack_resources().physical_resource_id(&service).send().await.unwrap();
    assert_eq!(found.stack_resources()[0].stack_name(), Some("calm"));
    let none = cfn.describe_stack_resources().physical_resource_id("nothing").send().await.unwrap_err();
    assert_eq!(none.code(), Some("ValidationError"));
}
