use std::collections::BTreeMap;

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_oneof, proptest};

use super::*;

fn container(name: &str, exit_code: Option<i32>, reason: Option<&str>) -> StoppedContainer {
    StoppedContainer {
        name: name.to_owned(),
        exit_code,
        reason: reason.map(ToOwned::to_owned),
        unhealthy: false,
    }
}

fn task(stop_code: &str, reason: &str, containers: &[StoppedContainer]) -> StoppedTask {
    StoppedTask {
        id: "t1".to_owned(),
        stop_code: Some(stop_code.to_owned()),
        reason: Some(reason.to_owned()),
        containers: containers.to_vec(),
        stopped_at: None,
    }
}

fn of_tasks(tasks: &[StoppedTask]) -> Diagnosis {
    diagnose(Evidence { tasks, ..Evidence::default() })
}

#[track_caller]
fn check_start(reason: &str, what: &str, next_step: &str) {
    let diagnosis = of_tasks(&[task("TaskFailedToStart", reason, &[container("app", None, None)])]);
    let cause = &diagnosis.causes[0];
    assert_eq!(cause.what, what);
    assert!(cause.next_step.contains(next_step), "{}", cause.next_step);
    assert_eq!(diagnosis.headline, format!("1 task stopped: {what}"));
    // EC2 tells the same as a container's reason.
    let on_instance = task(
        "EssentialContainerExited",
        "Essential container in task exited",
        &[container("app", None, Some(reason))],
    );
    assert_eq!(of_tasks(&[on_instance]).causes[0].what, what);
}

const PULL: &str = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval \
                    failed: ";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";

#[test]
fn a_missing_key_of_a_secret_is_named() {
    check_start(
        &format!(
            "{PULL}unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from \
             Secrets Manager did not contain json key DB_PASSWORD"
        ),
        "a secret does not have the key DB_PASSWORD that the task definition asks for",
        "Add the key",
    );
    check_start(
        &format!(
            "{PULL}unable to retrieve secret from asm: secret {SECRET}: did not contain json key api.key."
        ),
        "the secret prod/db does not have the key api.key that the task definition asks for",
        "Add the key",
    );
}

#[test]
fn what_is_wrong_with_a_secret_or_parameter_is_said_by_name() {
    let asm = format!("{PULL}unable to retrieve secret from asm: service call has been retried 1 time(s): ");
    check_start(
        &format!(
            "{asm}failed to fetch secret {SECRET} from secrets manager: ResourceNotFoundException: Secrets Manager \
             can't find the specified secret."
        ),
        "the secret prod/db does not exist",
        "valueFrom",
    );
    check_start(
        &format!(
            "{asm}ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: \
             AWSCURRENT"
        ),
        "a secret of the task definition has no value for the version or stage that the task definition asks for",
        "Write the secret's value",
    );
    check_start(
        &format!(
            "{asm}AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/web-exec/x is not authorized to \
             perform: secretsmanager:GetSecretValue on resource: {SECRET} because no identity-based policy allows it"
        ),
        "the execution role is denied secretsmanager:GetSecretValue on prod/db",
        "Allow secretsmanager:GetSecretValue",
    );
    check_start(
        &format!("{asm}AccessDeniedException: Access to KMS is not allowed"),
        "the execution role is denied kms:Decrypt",
        "Allow kms:Decrypt",
    );
    check_start(
        &format!(
            "{asm}failed to fetch secret {SECRET} from secrets manager: RequestCanceled: request context canceled \
             caused by: context deadline exceeded. Please check your task network configuration."
        ),
        "the task could not reach Secrets Manager over the network",
        "VPC endpoints",
    );
    check_start(
        &format!(
            "{PULL}unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid parameters: /prod/db/url"
        ),
        "the parameter /prod/db/url does not exist",
        "Create it",
    );
    check_start(
        &format!(
            "{PULL}unable to retrieve secrets from ssm: AccessDeniedException: User: x is not authorized to perform: \
             ssm:GetParameters on resource: arn:aws:ssm:eu-west-1:123456789012:parameter/prod/db"
        ),
        "the execution role is denied ssm:GetParameters on prod/db",
        "Allow ssm:GetParameters",
    );
}

#[test]
fn a_text_about_a_secret_is_never_repeated() {
    for text in
        ["invalid character 'h' looking for beginning of value hunter2", "hunter2", "unmarshal hunter2"]
    {
        let text = format!("{PULL}unable to retrieve secret from asm: {SECRET}: {text}");
        let diagnosis = of_tasks(&[task("TaskFailedToStart", &text, &[])]);
        let written = serde_json::to_string(&diagnosis).unwrap();
        assert!(written.contains("the secret prod/db") && !written.contains("hunter2"), "{written}");
    }
}

#[test]
fn why_an_image_cannot_be_pulled_is_told_apart() {
    let image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:42";
    check_start(
        &format!(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {image}: not found"
        ),
        &format!("the image {image} is gone: no such tag or digest"),
        "lifecycle policy",
    );
    check_start(
        "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64'",
        "the image was not built for the task's processor",
        "runtimePlatform",
    );
    check_start(
        "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit.",
        "the registry refused the image: too many pulls",
        "pull-through cache",
    );
    check_start(
        &format!(
            "CannotPullContainerError: ref pull has been retried 1 time(s): failed to pull and unpack image \"{image}\": unexpected status code 403 Forbidden"
        ),
        &format!("the execution role may not pull the image {image}, or there is no such repository"),
        "ecr:BatchGetImage",
    );
    check_start(
        "CannotPullContainerError: pull access denied for web, repository does not exist or may require 'docker login'",
        "the execution role may not pull the image, or there is no such repository",
        "see whether the repository exists",
    );
    check_start(
        "CannotPullContainerError: ref pull has been retried 5 time(s): failed to copy: dial tcp 52.1.2.3:443: i/o timeout",
        "the task could not reach the image's registry over the network",
        "ecr.dkr",
    );
    check_start(
        "CannotPullContainerError: write /var/lib/x: no space left on device",
        "there was no room on the disk for the image",
        "ephemeral storage",
    );
    check_start(
        &format!(
            "{PULL}unable to retrieve ecr registry auth: service call has been retried 3 time(s): RequestError: send request failed caused by: Post \"https://api.ecr.eu-west-1.amazonaws.com/\""
        ),
        "the task could not reach Amazon ECR over the network",
        "ecr.api",
    );
    check_start(
        &format!(
            "{PULL}unable to retrieve ecr registry auth: AccessDeniedException: User: x is not authorized to perform: ecr:GetAuthorizationToken on resource: *"
        ),
        "the execution role is denied ecr:GetAuthorizationToken",
        "execution role",
    );
    check_start(
        "CannotPullContainerError: something else",
        "the image could not be pulled: CannotPullContainerError: something else",
        "network",
    );
}

#[test]
fn what_keeps_a_container_from_starting_is_told_apart() {
    check_start(
        "CannotStartContainerError: OCI runtime create failed: exec: \"serve\": executable file not found in $PATH",
        "the container's command does not exist in the image",
        "entryPoint",
    );
    check_start(
        "CannotStartContainerError: exec format error",
        "the container's command was not built for the task's processor",
        "runtimePlatform",
    );
    check_start(
        "CannotStartContainerError: bind for 0.0.0.0:8080 failed: port is already allocated",
        "a port of the container is taken on its instance",
        "awsvpc",
    );
    check_start(
        "CannotCreateContainerError: no",
        "the container could not be started: CannotCreateContainerError: no",
        "no line of the app",
    );
    check_start(
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: The \
         specified log group does not exist.",
        "the log group that the task definition names cannot be used",
        "awslogs-create-group",
    );
    check_start(
        "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: mount.nfs4: timed out",
        "a volume could not be mounted",
        "2049",
    );
    check_start(
        "ResourceInitializationError: failed to do something new",
        "the task's resources could not be made ready: ResourceInitializationError: failed to do something new",
        "Mend",
    );
}

#[track_caller]
fn check_exit(code: i32, what: &str) {
    let app = container("app", Some(code), None);
    let stopped = task("EssentialContainerExited", "Essential container in task exited", &[app]);
    assert_eq!(of_tasks(&[stopped]).causes[0].what, what);
}

#[test]
fn an_exit_code_is_put_into_words() {
    check_exit(0, "container app ended by itself with code 0, as if its work were done");
    check_exit(1, "container app exited with code 1, the app's own error");
    check_exit(2, "container app exited with code 2, the app's own error");
    check_exit(126, "container app exited with code 126: its command cannot be executed");
    check_exit(127, "container app exited with code 127: its command was not found");
    check_exit(134, "container app exited with code 134: it aborted");
    check_exit(137, "container app was killed (exit code 137)");
    check_exit(139, "container app crashed with a segmentation fault (exit code 139)");
    check_exit(143, "container app was told to stop (exit code 143)");
}

#[track_caller]
fn check_stop(code: &str, reason: &str, containers: &[StoppedContainer], expected: Option<&str>) {
    let diagnosis = of_tasks(&[task(code, reason, containers)]);
    assert_eq!(diagnosis.causes.first().map(|cause| cause.what.as_str()), expected);
}

#[test]
fn the_stop_code_is_put_into_words() {
    let killed = [container("app", Some(137), None)];
    let ordinary = "Scaling activity initiated by (deployment ecs-svc/1)";
    check_stop("ServiceSchedulerInitiated", ordinary, &killed, None);
    check_stop("UserInitiated", "Task stopped by user", &killed, Some("somebody stopped the task"));
    check_stop(
        "SpotInterruption",
        "Your Spot Task was interrupted.",
        &[],
        Some("AWS took the Spot capacity back"),
    );
    check_stop("TerminationNotice", "", &[], Some("AWS took the Spot capacity back"));
    let machine = "AWS stopped the task because the machine under it failed";
    check_stop("InfrastructureHealth", "", &[], Some(machine));
    check_stop("TaskFailedToStart", "Unexpected EC2 error", &[], Some("ECS says: Unexpected EC2 error"));
    check_stop("SomethingNew", "", &[], None);
}

#[test]
fn a_failed_health_check_comes_before_the_signals_that_follow_it() {
    let killed = [container("app", Some(137), None)];
    check_stop(
        "ServiceSchedulerInitiated",
        "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/abc)",
        &killed,
        Some("the task failed the load balancer's health checks of target group web"),
    );
    let mut unhealthy = container("app", Some(143), None);
    unhealthy.unhealthy = true;
    check_stop(
        "ServiceSchedulerInitiated",
        "Task failed container health checks",
        &[container("proxy", Some(0), None), unhealthy],
        Some("the task failed the health check of container app in its task definition"),
    );
}

#[test]
fn memory_and_the_container_that_failed_first_come_before_those_stopped_with_it() {
    let reason = "Essential container in task exited";
    let memory = container("app", Some(137), Some("OutOfMemoryError: Container killed due to memory usage"));
    check_stop(
        "EssentialContainerExited",
        reason,
        &[container("proxy", Some(143), None), memory],
        Some("container app ran out of memory"),
    );
    check_stop(
        "EssentialContainerExited",
        reason,
        &[
            container("proxy", Some(143), None),
            container("agent", Some(0), None),
            container("app", Some(3), None),
        ],
        Some("container app exited with code 3, the app's own error"),
    );
}

#[test]
fn the_most_frequent_cause_is_the_headline_and_at_most_three_are_told() {
    let exited = |code| {
        let app = container("app", Some(code), None);
        task("EssentialContainerExited", "Essential container in task exited", &[app])
    };
    let ordinary = task("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment x)", &[]);
    let tasks = [exited(2), exited(1), ordinary, exited(1), exited(3), exited(1), exited(139)];
    let diagnosis = of_tasks(&tasks);
    assert_eq!(diagnosis.headline, "3 of 6 tasks: container app exited with code 1, the app's own error");
    let counts: Vec<_> = diagnosis.causes.iter().map(|cause| cause.count).collect();
    assert_eq!(counts, [3, 1, 1]);
    assert!(diagnosis.causes[1].what.contains("code 2"), "the newest among equals");
}

#[test]
fn a_known_log_is_named_with_its_stream() {
    let app = container("app", Some(1), None);
    let tasks = [task("EssentialContainerExited", "Essential container in task exited", &[app])];
    let mut place = LogPlace { group: "/ecs/web".to_owned(), prefix: Some("web".to_owned()) };
    let step = |place: &LogPlace| {
        let logs = BTreeMap::from([("app".to_owned(), place.clone())]);
        let evidence = Evidence { tasks: &tasks, logs: Some(&logs), ..Evidence::default() };
        diagnose(evidence).causes[0].next_step.clone()
    };
    assert_eq!(step(&place), "Read its log: aws logs tail /ecs/web --since 1h --log-stream-names web/app/t1");
    place.prefix = None;
    assert_eq!(step(&place), "Read its log: aws logs tail /ecs/web --since 1h");
    assert_eq!(of_tasks(&tasks).causes[0].next_step, "Read the log of container app of task t1.");
}

#[track_caller]
fn check_event(message: &str, expected: Option<&str>) {
    let events = [message.to_owned()];
    let diagnosis = diagnose(Evidence { events: &events, ..Evidence::default() });
    let expected = expected.unwrap_or("no stopped task and no event says why");
    assert_eq!(diagnosis.headline, expected);
}

#[test]
fn the_events_of_the_service_are_put_into_words() {
    let place = "service web was unable to place a task because no container instance met all of its requirements. The \
                 closest matching container-instance 1 ";
    let unplaced = "service web was unable to place a task. Reason: ";
    for (message, why) in [
        (format!("{place}has insufficient CPU units available."), "no instance has enough CPU left"),
        (format!("{place}has insufficient memory available."), "no instance has enough memory left"),
        (format!("{place}is already using a port required by your task."), "the port is taken on every instance"),
        (format!("{place}is missing an attribute required by your task."), "no instance has an attribute that the task needs"),
        (format!("{place}encountered error \"AGENT\"."), "the ECS agent of the instance does not answer"),
        (format!("{place}encountered error \"RESOURCE:ENI\"."), "no instance has a network interface left"),
        (
            "service web was unable to place a task because no container instance met all of its requirements. Reason: \
             No Container Instances were found in your cluster."
                .to_owned(),
            "the cluster has no instances",
        ),
        (
            format!("{unplaced}You've reached the limit on the number of vCPUs you can run concurrently."),
            "the account's Fargate quota is used up",
        ),
        (
            format!("{unplaced}Capacity is unavailable at this time. Please try again later."),
            "AWS has no capacity there now",
        ),
        (format!("{unplaced}Something new."), "Something new."),
    ] {
        check_event(&message, Some(&format!("tasks could not be placed: {why}")));
    }
    check_event(
        &format!("{unplaced}{PULL}unable to retrieve secret from asm: did not contain json key app_id."),
        Some("a secret does not have the key app_id that the task definition asks for"),
    );
    check_event(
        "(service web) (port 8080) is unhealthy in (target-group arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/\
         web/abc) due to (reason Health checks failed with these codes: [503]).",
        Some("tasks are unhealthy in target group web: Health checks failed with these codes: [503]"),
    );
    check_event(
        "(service web) (deployment ecs-svc/1) deployment failed: alarm detected.",
        Some("an alarm of the service's deployment configuration fired while it was deployed"),
    );
    check_event(
        "service web is unable to consistently start tasks successfully.",
        Some("the tasks stop again and again soon after they start"),
    );
    check_event(
        "service web operations are being throttled. Will try again later.",
        Some("ECS is being throttled by another service"),
    );
    check_event(
        "service web was unable to stop or start tasks during a deployment because of the service deployment configuration.",
        Some("the deployment configuration lets ECS neither stop a task nor start one"),
    );
    check_event(
        "ECS was unable to assume the role 'x' that was provided for this task.",
        Some("ECS may not assume a role that the service needs"),
    );
    check_event("(service web) has reached a steady state.", None);
    check_event("(service web) (deployment ecs-svc/1) deployment failed: tasks failed to start.", None);
}

#[test]
fn without_tasks_and_events_ecs_itself_is_heard() {
    let said = |said| diagnose(Evidence { said: Some(said), ..Evidence::default() }).headline;
    assert_eq!(
        said("ECS deployment circuit breaker: tasks failed to start."),
        "ECS says: ECS deployment circuit breaker: tasks failed to start."
    );
    assert_eq!(said(" "), "no stopped task and no event says why");
    assert!(said(&"é\n".repeat(1_000)).ends_with(" …"));
}

fn text() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        Just("ResourceInitializationError"),
        Just("CannotPullContainerError"),
        Just("did not contain json key"),
        Just("from asm"),
        Just(":secret:"),
        Just(":parameter/"),
        Just("(target-group "),
        Just("unable to place a task"),
        Just("is unhealthy in"),
        Just("to perform: "),
        Just("İ€é"),
        Just("Reason: "),
    ];
    let piece = prop_oneof![words.prop_map(ToOwned::to_owned), any::<String>()];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.join(""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_ecs_writes_it_is_read_and_kept_short(
        reasons in prop::collection::vec(text(), 0..4),
        events in prop::collection::vec(text(), 0..4),
        code in prop::option::of(any::<i32>()),
    ) {
        let tasks: Vec<_> = reasons.iter()
            .map(|reason| task("TaskFailedToStart", reason, &[container("app", code, Some(reason))]))
            .collect();
        let diagnosis = diagnose(Evidence { tasks: &tasks, events: &events, ..Evidence::default() });
        prop_assert!(!diagnosis.headline.is_empty());
        prop_assert!(diagnosis.causes.len() <= 3);
    }
}
