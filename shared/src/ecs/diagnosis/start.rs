//! Why a task did not even start: secrets, images, logs, volumes, the container's own command.

use super::{Finding, quote};

/// What a text of ECS says of a start that failed; nothing where it speaks of something else.
pub(super) fn of_text(text: &str) -> Option<Finding> {
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["cannotpull"]) {
        return Some(pull(text, &has));
    }
    if has(&["cannotstartcontainererror", "cannotcreatecontainererror"]) {
        return Some(command(text, &has));
    }
    if has(&["did not contain json key"]) {
        return Some(missing_key(text, &lower));
    }
    if has(&[
        "failed to validate logger args",
        "specified log group does not exist",
        "log group does not exist",
    ]) {
        return Some(Finding::new(
            "the log group that the task definition names cannot be used",
            "Create the log group, or let the execution role create it (awslogs-create-group and \
             logs:CreateLogGroup).",
        ));
    }
    if has(&["efs utils", "set up volume", "mounting efs", "mount.nfs", "failed to mount"]) {
        return Some(Finding::new(
            "a volume could not be mounted",
            "See whether the file system has a mount target in the task's subnets, whether its security group lets \
             NFS (port 2049) in, and whether the task may use the access point.",
        ));
    }
    if has(&["ecr registry auth", "registry auth from amazon ecr", "//api.ecr."]) {
        return Some(denied(text, &lower, &has).unwrap_or_else(|| no_route("Amazon ECR")));
    }
    if has(&[
        "secretsmanager",
        "secrets manager",
        "from asm",
        "from ssm",
        "ssm parameter",
        "unable to pull secrets",
    ]) {
        return Some(secret(text, &lower, &has));
    }
    if has(&["resourceinitializationerror"]) {
        return Some(Finding::new(
            format!("the task's resources could not be made ready: {}", quote(text)),
            "Mend what the message names; no line of the app has run.",
        ));
    }
    None
}

fn pull(text: &str, has: &dyn Fn(&[&str]) -> bool) -> Finding {
    let image = image(text).map(|image| format!(" {image}")).unwrap_or_default();
    if has(&["descriptor matching platform", "no matching manifest"]) {
        return Finding::new(
            format!("the image{image} was not built for the task's processor"),
            "Build it for the runtimePlatform of the task definition (docker buildx build --platform linux/amd64 or \
             linux/arm64), or change that.",
        );
    }
    if has(&["toomanyrequests", "too many requests", "rate limit"]) {
        return Finding::new(
            format!("the registry refused the image{image}: too many pulls"),
            "Pull through an ECR pull-through cache, or log in to the registry with repositoryCredentials.",
        );
    }
    if has(&["no space left"]) {
        return Finding::new(
            format!("there was no room on the disk for the image{image}"),
            "Raise the task's ephemeral storage or the instance's disk, or make the image smaller.",
        );
    }
    if has(&["forbidden", "not authorized", "accessdenied", "denied", "no basic auth", "unauthorized"]) {
        return Finding::new(
            format!("the execution role may not pull the image{image}, or there is no such repository"),
            "Allow ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer to the execution role, \
             and see whether the repository exists and its policy allows the account.",
        );
    }
    if has(&["not found", "manifest unknown", "does not exist", "notfound"]) {
        return Finding::new(
            format!("the image{image} is gone: no such tag or digest"),
            "See whether a lifecycle policy removed it; push it again, or deploy a revision whose image exists.",
        );
    }
    if has(NO_ANSWER) {
        return no_route("the image's registry");
    }
    Finding::new(
        format!("the image{image} could not be pulled: {}", quote(text)),
        "See whether the image exists and whether the execution role and the network can reach it.",
    )
}

/// What a client says that gets no answer.
const NO_ANSWER: &[&str] = &[
    "i/o timeout",
    "deadline exceeded",
    "request canceled",
    "requestcanceled",
    "send request failed",
    "timed out",
    "timeout",
    "no such host",
    "connection refused",
    "network configuration",
    "dial tcp",
];

fn no_route(place: &str) -> Finding {
    Finding::new(
        format!("the task could not reach {place} over the network"),
        "See the task's subnets: a route to a NAT gateway, or VPC endpoints (ecr.api, ecr.dkr, s3, secretsmanager, ssm, \
         logs) whose security groups let the task in; a public subnet needs assignPublicIp.",
    )
}

fn command(text: &str, has: &dyn Fn(&[&str]) -> bool) -> Finding {
    if has(&["executable file not found", "no such file or directory"]) {
        return Finding::new(
            "the container's command does not exist in the image",
            "Compare entryPoint and command of the task definition with what the image holds.",
        );
    }
    if has(&["exec format error"]) {
        return Finding::new(
            "the container's command was not built for the task's processor",
            "Build the image for the runtimePlatform of the task definition.",
        );
    }
    if has(&["port is already allocated", "address already in use"]) {
        return Finding::new(
            "a port of the container is taken on its instance",
            "Use dynamic host ports or the network mode awsvpc, or run fewer tasks on one instance.",
        );
    }
    Finding::new(
        format!("the container could not be started: {}", quote(text)),
        "Mend what the message names; no line of the app has run.",
    )
}

fn missing_key(text: &str, lower: &str) -> Finding {
    let key = lower
        .find("json key")
        .and_then(|at| text.get(at + "json key".len()..))
        .and_then(|rest| rest.split_whitespace().next())
        .map(|key| key.trim_matches(|c: char| !is_name(c) || c == '.'))
        .filter(|key| !key.is_empty())
        .map_or_else(|| "a key".to_owned(), |key| format!("the key {key}"));
    let secret = secret_name(text).map_or_else(|| "a secret".to_owned(), |name| format!("the secret {name}"));
    Finding::new(
        format!("{secret} does not have {key} that the task definition asks for"),
        "Add the key to the secret's JSON, or mend the key in the task definition's valueFrom.",
    )
}

/// Never quotes the text: it can hold a part of the secret's value.
fn secret(text: &str, lower: &str, has: &dyn Fn(&[&str]) -> bool) -> Finding {
    let is_parameter =
        has(&["from ssm", "ssm parameter", ":parameter/", "invalid parameters", "parameternotfound"]);
    let kind = if is_parameter { "parameter" } else { "secret" };
    let name = if is_parameter { parameter_name(text) } else { secret_name(text) };
    let name =
        name.map_or_else(|| format!("a {kind} of the task definition"), |name| format!("the {kind} {name}"));
    if let Some(finding) = denied(text, lower, has) {
        return finding;
    }
    if has(&["staging label", "version"]) && has(&["resourcenotfound", "can't find"]) {
        return Finding::new(
            format!("{name} has no value for the version or stage that the task definition asks for"),
            "Write the secret's value, or mend the version in the task definition's valueFrom.",
        );
    }
    if has(&["resourcenotfound", "can't find", "parameternotfound", "invalid parameters", "not found"]) {
        return Finding::new(
            format!("{name} does not exist"),
            "Create it, or mend its name in the task definition's valueFrom; it must be in the same Region.",
        );
    }
    if has(&["looking for beginning", "unmarshal", "invalid character", "not valid json"]) {
        return Finding::new(
            format!("{name} is no JSON, and the task definition asks for a key of it"),
            "Write the secret as a JSON object, or take the key out of the task definition's valueFrom.",
        );
    }
    if has(NO_ANSWER) {
        return no_route(if is_parameter { "Systems Manager" } else { "Secrets Manager" });
    }
    Finding::new(
        format!("{name} could not be read"),
        "See the stopped task in the ECS console; the message may quote the value, so it is not repeated here.",
    )
}

fn denied(text: &str, lower: &str, has: &dyn Fn(&[&str]) -> bool) -> Option<Finding> {
    if !has(&["accessdenied", "access denied", "not authorized", "access to kms is not allowed"]) {
        return None;
    }
    let action = lower
        .find("to perform: ")
        .and_then(|at| text.get(at + "to perform: ".len()..))
        .and_then(|rest| rest.split_whitespace().next())
        .filter(|action| action.contains(':'))
        .unwrap_or(if has(&["kms"]) { "kms:Decrypt" } else { "what it needs" });
    let name = secret_name(text).or_else(|| parameter_name(text));
    let on = name.map(|name| format!(" on {name}")).unwrap_or_default();
    Some(Finding::new(
        format!("the execution role is denied {action}{on}"),
        format!("Allow {action} to the task definition's execution role, and see the resource's own policy."),
    ))
}

/// The name of the secret whose ARN stands in the text, without the six characters that AWS appends.
fn secret_name(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(":secret:")?;
    let name = rest.split(|c: char| !is_name(c)).next()?.trim_end_matches('.');
    let suffix = |text: &str| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let bare = name.rsplit_once('-').filter(|(_, last)| suffix(last)).map(|(bare, _)| bare);
    Some(bare.unwrap_or(name)).filter(|name| !name.is_empty())
}

/// The name of the parameter that the text names, by its ARN or after `invalid parameters:`.
fn parameter_name(text: &str) -> Option<&str> {
    let named = text.split_once(":parameter/").or_else(|| text.split_once("nvalid parameters: "));
    let name = named?.1.split(|c: char| !is_name(c)).next()?.trim_end_matches('.');
    (!name.is_empty()).then_some(name)
}

/// What names of secrets, parameters and keys are made of.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/_+=.@!-".contains(c)
}

/// The image that the text names: `image "<…>"`, `<registry>/<name>:<tag>` or `@sha256:…`.
fn image(text: &str) -> Option<&str> {
    if let Some(image) = between(text, "image \"", "\"").filter(|image| !image.is_empty()) {
        return Some(image);
    }
    let is_image =
        |word: &&str| word.contains('/') && (word.contains(".dkr.ecr.") || word.contains("docker.io/"));
    text.split_whitespace().map(|word| word.trim_matches(|c: char| "\"',;:()".contains(c))).find(is_image)
}

/// What stands between two texts.
pub(super) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(between, _)| between)
}
