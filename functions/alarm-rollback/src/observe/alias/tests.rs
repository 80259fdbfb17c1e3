//! What Lambda and CodeDeploy answer, and what is made of it.

use aws_sdk_codedeploy::operation::batch_get_deployment_targets::BatchGetDeploymentTargetsOutput;
use aws_sdk_codedeploy::operation::batch_get_deployments::BatchGetDeploymentsOutput;
use aws_sdk_codedeploy::operation::list_deployment_targets::{
    ListDeploymentTargetsError, ListDeploymentTargetsOutput,
};
use aws_sdk_codedeploy::operation::list_deployments::{ListDeploymentsError, ListDeploymentsOutput};
use aws_sdk_codedeploy::types::{
    AppSpecContent, DeploymentCreator, DeploymentTarget, LambdaTarget, RevisionLocation, S3Location,
};
use aws_sdk_lambda::operation::get_alias::GetAliasError;
use aws_sdk_lambda::operation::list_aliases::ListAliasesOutput;
use aws_sdk_lambda::operation::list_tags::{ListTagsError, ListTagsOutput};
use aws_sdk_lambda::operation::list_versions_by_function::ListVersionsByFunctionOutput;
use aws_sdk_lambda::types::AliasConfiguration;
use aws_smithy_mocks::{Rule, mock};
use aws_smithy_types::error::ErrorMetadata;
use shared::error::Class;

use super::*;
use crate::facts::code_deploy::Status;
use crate::observe::code_deploy::tests::{clients, listed};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:checkout:live";

fn routed(weights: &[(&str, f64)]) -> AliasRoutingConfiguration {
    let weights = weights.iter().map(|(version, weight)| ((*version).to_owned(), *weight)).collect();
    AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights)).build()
}

fn seen() -> Scene {
    let alias = Alias { function: "checkout".to_owned(), name: "live".to_owned(), ..Alias::default() };
    Scene { alias: Some(alias), ..Scene::default() }
}

fn since() -> Question {
    Question::History { since: Timestamp::from_second(1_000).unwrap() }
}

fn no_versions() -> Rule {
    mock!(aws_sdk_lambda::Client::list_versions_by_function)
        .then_output(|| ListVersionsByFunctionOutput::builder().build())
}

fn recent(ids: &'static [&'static str]) -> Rule {
    mock!(aws_sdk_codedeploy::Client::list_deployments)
        .match_requests(|request| {
            let start = request.create_time_range().and_then(|range| range.start());
            request.include_only_statuses().is_empty()
                && request.application_name().is_none()
                && start.map(DateTime::secs) == Some(1_000)
        })
        .then_output(move || listed(ids))
}

fn on_their_way(ids: &'static [&'static str]) -> Rule {
    mock!(aws_sdk_codedeploy::Client::list_deployments)
        .match_requests(|request| {
            request.create_time_range().is_none() && request.include_only_statuses().len() == 5
        })
        .then_output(move || listed(ids))
}

/// A deployment of this function's alias from version 9 to version 10.
fn info(id: &str, second: i64, function: &str, alias: &str) -> DeploymentInfo {
    let content = format!(
        "Resources: [{{f: {{Properties: {{Name: {function}, Alias: {alias}, CurrentVersion: '9', TargetVersion: '10'}}}}}}]"
    );
    let content = AppSpecContent::builder().content(content).build();
    DeploymentInfo::builder()
        .deployment_id(id)
        .compute_platform(ComputePlatform::Lambda)
        .status(DeploymentStatus::Succeeded)
        .create_time(DateTime::from_secs(second))
        .complete_time(DateTime::from_secs(second + 10))
        .revision(RevisionLocation::builder().app_spec_content(content).build())
        .build()
}

fn kept_elsewhere(id: &str) -> DeploymentInfo {
    let bucket = S3Location::builder().bucket("specifications").build();
    DeploymentInfo::builder()
        .deployment_id(id)
        .compute_platform(ComputePlatform::Lambda)
        .status(DeploymentStatus::InProgress)
        .revision(RevisionLocation::builder().s3_location(bucket).build())
        .build()
}

fn described(infos: Vec<DeploymentInfo>) -> Rule {
    mock!(aws_sdk_codedeploy::Client::batch_get_deployments).then_output(move || {
        BatchGetDeploymentsOutput::builder().set_deployments_info(Some(infos.clone())).build()
    })
}

#[tokio::test]
async fn an_alias_is_read_with_its_shares_and_the_tags_of_its_function() {
    let got = mock!(aws_sdk_lambda::Client::get_alias)
        .match_requests(|request| {
            request.function_name() == Some("checkout") && request.name() == Some("live")
        })
        .then_output(|| {
            GetAliasOutput::builder()
                .alias_arn(ARN)
                .function_version("9")
                .revision_id("revision-1")
                .routing_config(routed(&[("10", 0.1), ("11", 0.0)]))
                .build()
        });
    let tagged = mock!(aws_sdk_lambda::Client::list_tags)
        .match_requests(|request| {
            request.resource() == Some("arn:aws:lambda:eu-west-1:123456789012:function:checkout")
        })
        .then_output(|| ListTagsOutput::builder().tags("watchkeeper:mode", "act").build());

    let alias = scene(&clients(&[&got, &tagged], &[]), "checkout", "live").await.unwrap().alias.unwrap();

    assert_eq!((alias.arn.as_str(), alias.version.as_str()), (ARN, "9"));
    assert_eq!((alias.function.as_str(), alias.name.as_str()), ("checkout", "live"));
    assert_eq!(alias.weights, BTreeMap::from([("10".to_owned(), 100_000)]));
    assert_eq!(alias.revision_id, "revision-1");
    assert_eq!(alias.tags.get("watchkeeper:mode").map(String::as_str), Some("act"));
}

#[tokio::test]
async fn an_alias_that_is_not_there_is_an_answer_and_a_denial_is_not() {
    let failing = |code: &'static str| {
        mock!(aws_sdk_lambda::Client::get_alias)
            .then_error(move || GetAliasError::generic(ErrorMetadata::builder().code(code).build()))
    };
    let missing = failing("ResourceNotFoundException");
    assert_eq!(scene(&clients(&[&missing], &[]), "checkout", "live").await.unwrap(), Scene::default());

    let denied = failing("AccessDeniedException");
    let error = scene(&clients(&[&denied], &[]), "checkout", "live").await.unwrap_err();
    assert!(error.chain().starts_with("lambda:GetAlias is denied"), "{error:?}");

    let got = mock!(aws_sdk_lambda::Client::get_alias).then_output(|| {
        GetAliasOutput::builder().alias_arn(ARN).function_version("9").revision_id("revision-1").build()
    });
    let untold = mock!(aws_sdk_lambda::Client::list_tags).then_error(|| {
        ListTagsError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let error = scene(&clients(&[&got, &untold], &[]), "checkout", "live").await.unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.chain().starts_with("lambda:ListTags is denied"), "{error:?}");
}

#[tokio::test]
async fn versions_are_read_page_by_page_without_their_configuration() {
    let page =
        |marker: Option<&'static str>, next: Option<&'static str>, numbers: &'static [&'static str]| {
            mock!(aws_sdk_lambda::Client::list_versions_by_function)
                .match_requests(move |request| request.marker() == marker && request.max_items() == Some(50))
                .then_output(move || {
                    let versions = numbers.iter().map(|number| {
                        FunctionConfiguration::builder()
                            .version(*number)
                            .code_sha256(format!("sha-{number}"))
                            .last_modified("2026-11-20T02:55:00.000+0000")
                            .build()
                    });
                    ListVersionsByFunctionOutput::builder()
                        .set_versions(Some(versions.collect()))
                        .set_next_marker(next.map(ToOwned::to_owned))
                        .build()
                })
        };
    let (first, second) = (page(None, Some("more"), &["$LATEST", "9"]), page(Some("more"), None, &["10"]));
    let clients = clients(&[&first, &second], &[&recent(&[]), &on_their_way(&[])]);
    let mut scene = seen();

    answer(&clients, &mut scene, since()).await.unwrap();

    let history = scene.history.unwrap();
    let numbers: Vec<_> = history.versions.iter().map(|version| version.version.as_str()).collect();
    assert_eq!(numbers, ["9", "10"]);
    assert_eq!(history.versions[1].code.as_deref(), Some("sha-10"));
    assert_eq!(history.versions[1].published_at, "2026-11-20T02:55:00Z".parse().ok());
    assert!(history.all_versions && history.whole && history.deployments.is_empty());
}

#[tokio::test]
async fn versions_without_end_are_not_read_without_end() {
    let endless = mock!(aws_sdk_lambda::Client::list_versions_by_function)
        .then_output(|| ListVersionsByFunctionOutput::builder().next_marker("more").build());
    let (_, all) = versions(&clients(&[&endless], &[]), "checkout").await.unwrap();
    assert!(!all);
    assert_eq!(endless.num_calls(), PAGES);
}

#[tokio::test]
async fn codedeploys_deployments_of_the_alias_are_found_among_all_others_newest_first() {
    let mut of_a_service = info("d-4", 4_000, "checkout", "live");
    of_a_service.compute_platform = Some(ComputePlatform::Ecs);
    let mut rollback = info("d-2", 2_000, "checkout", "live");
    rollback.creator = Some(DeploymentCreator::CodeDeployRollback);
    let batch = described(vec![
        info("d-1", 1_500, "arn:aws:lambda:eu-west-1:123456789012:function:checkout", "live"),
        rollback,
        info("d-3", 3_000, "checkout", "canary"),
        info("d-5", 5_000, "checkout-admin", "live"),
        of_a_service,
    ]);
    let lists = (recent(&["d-1", "d-2", "d-3"]), on_their_way(&["d-2", "d-4", "d-5"]));
    let clients = clients(&[&no_versions()], &[&lists.0, &lists.1, &batch]);
    let mut scene = seen();

    answer(&clients, &mut scene, since()).await.unwrap();

    let history = scene.history.unwrap();
    let found: Vec<_> =
        history.deployments.iter().map(|shift| (shift.id.as_str(), shift.rollback, shift.status)).collect();
    assert_eq!(found, [("d-2", true, Status::Succeeded), ("d-1", false, Status::Succeeded)]);
    let first = &history.deployments[1];
    assert_eq!((first.current.as_str(), first.target.as_str()), ("9", "10"));
    assert_eq!(first.completed_at, Timestamp::from_second(1_510).ok());
    assert!(history.whole);
    assert_eq!(batch.num_calls(), 1);
}

#[tokio::test]
async fn where_the_specification_is_kept_elsewhere_the_targets_tell() {
    let batch = described(vec![kept_elsewhere("d-1")]);
    let ids = mock!(aws_sdk_codedeploy::Client::list_deployment_targets)
        .match_requests(|request| request.deployment_id() == Some("d-1"))
        .then_output(|| ListDeploymentTargetsOutput::builder().target_ids("checkout:live").build());
    let targets = mock!(aws_sdk_codedeploy::Client::batch_get_deployment_targets)
        .match_requests(|request| request.target_ids() == ["checkout:live"])
        .then_output(|| {
            let info = LambdaFunctionInfo::builder()
                .function_name("checkout")
                .function_alias("live")
                .current_version("9")
                .target_version("10");
            let lambda = LambdaTarget::builder().lambda_function_info(info.build()).build();
            let target = DeploymentTarget::builder().lambda_target(lambda).build();
            BatchGetDeploymentTargetsOutput::builder().deployment_targets(target).build()
        });
    let lists = (recent(&[]), on_their_way(&["d-1"]));
    let clients = clients(&[&no_versions()], &[&lists.0, &lists.1, &batch, &ids, &targets]);
    let mut scene = seen();

    answer(&clients, &mut scene, since()).await.unwrap();

    let history = scene.history.unwrap();
    assert_eq!(history.deployments[0].status, Status::InProgress);
    assert_eq!((history.deployments[0].current.as_str(), history.whole), ("9", true));
}

#[tokio::test]
async fn a_record_that_is_not_searched_whole_says_so() {
    let not_begun = mock!(aws_sdk_codedeploy::Client::list_deployment_targets).then_error(|| {
        let code = "DeploymentNotStartedException";
        ListDeploymentTargetsError::generic(ErrorMetadata::builder().code(code).build())
    });
    let many = || (0..DEPLOYMENTS + 30).map(|index| format!("d-{index}")).collect::<Vec<_>>();
    let long = mock!(aws_sdk_codedeploy::Client::list_deployments)
        .match_requests(|request| request.create_time_range().is_some())
        .then_output(move || ListDeploymentsOutput::builder().set_deployments(Some(many())).build());
    let more = mock!(aws_sdk_codedeploy::Client::list_deployments)
        .match_requests(|request| request.create_time_range().is_some())
        .then_output(|| ListDeploymentsOutput::builder().deployments("d-1").next_token("more").build());
    let elsewhere = (0..=ASKED_FOR_TARGETS).map(|index| kept_elsewhere(&format!("d-{index}"))).collect();
    for (case, list, infos, calls, asked) in [
        ("not begun", recent(&["d-1"]), vec![kept_elsewhere("d-1")], 1, 1),
        ("kept elsewhere too often", recent(&["d-1"]), elsewhere, 1, ASKED_FOR_TARGETS),
        ("too many", long, Vec::new(), DEPLOYMENTS / code_deploy::AT_ONCE, 0),
        ("another page", more, Vec::new(), 1, 0),
    ] {
        let (before, batch, none) = (not_begun.num_calls(), described(infos), on_their_way(&[]));
        let clients = clients(&[&no_versions()], &[&list, &none, &batch, &not_begun]);
        let mut scene = seen();
        answer(&clients, &mut scene, since()).await.unwrap();
        let history = scene.history.unwrap();
        assert!(!history.whole && history.deployments.is_empty(), "{case}");
        assert_eq!((batch.num_calls(), not_begun.num_calls() - before), (calls, asked), "{case}");
    }
}

#[tokio::test]
async fn a_record_that_may_not_be_read_is_never_taken_for_an_empty_one() {
    let denied = mock!(aws_sdk_codedeploy::Client::list_deployments).then_error(|| {
        ListDeploymentsError::generic(ErrorMetadata::builder().code("AccessDeniedException").build())
    });
    let mut scene = seen();
    let error = answer(&clients(&[&no_versions()], &[&denied]), &mut scene, since()).await.unwrap_err();
    assert!(error.chain().starts_with("codedeploy:ListDeployments is denied"), "{error:?}");
    assert_eq!(scene.history, None);
}

#[tokio::test]
async fn what_other_aliases_carry_is_taken_and_what_this_one_carries_is_not() {
    let listed = mock!(aws_sdk_lambda::Client::list_aliases).then_output(|| {
        let alias =
            |name: &str, version: &str| AliasConfiguration::builder().name(name).function_version(version);
        ListAliasesOutput::builder()
            .aliases(alias("live", "10").build())
            .aliases(alias("beta", "8").routing_config(routed(&[("9", 0.5), ("7", 0.0)])).build())
            .build()
    });
    let mut scene = seen();
    answer(&clients(&[&listed], &[]), &mut scene, Question::Taken).await.unwrap();
    assert_eq!(scene.taken, Some(["8", "9"].map(ToOwned::to_owned).into()));
}
