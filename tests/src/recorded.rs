//! What local AWS lacks, with recorded answers: service deployments of ECS, aliases under change, stacks that are
//! stuck. The binaries are real, and so is everything else that they talk to.

mod alias;
mod alias_double;
mod service;
mod stack;

use local::proxy::{Answer, Call};
use serde_json::json;

use crate::stage::Test;

pub(crate) fn tests() -> Vec<(String, Test)> {
    let tests = service::TESTS.into_iter().chain(alias::TESTS).chain(stack::TESTS);
    tests.map(|(name, test)| (format!("recorded::{name}"), test)).collect()
}

/// A registry that has every image that it is asked for by its digest, under these tags (ECR API, `DescribeImages`).
fn registry(call: &Call, tags: &[&str]) -> Option<Answer> {
    if !call.is("ecr:DescribeImages") {
        return None;
    }
    let sent = call.json();
    Some(Answer::json(&json!({"imageDetails": [{
        "registryId": sent["registryId"],
        "repositoryName": sent["repositoryName"],
        "imageDigest": sent["imageIds"][0]["imageDigest"],
        "imageTags": tags,
    }]})))
}
