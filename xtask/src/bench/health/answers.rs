//! What each API says of a healthy environment, in the words that it has on the wire. Nothing is remembered: an answer
//! follows from the names in the call.

mod rest;
mod xml;

use aws_smithy_cbor::Encoder;
use jiff::Timestamp;
use local::proxy::{Answer, Call, Protocol};
use serde_json::{Value, json};

use super::account::{ALARMS, BALANCERS, KEYS, SECRETS, SERVICES, arn, hours};

/// The repositories that the images of all services are in.
const REPOSITORIES: usize = 30;

/// The answer to a call; nothing where a sweep has no business to make it.
pub(super) fn answer(call: &Call, now: Timestamp) -> Option<Answer> {
    match call.protocol {
        Protocol::Json => json_answer(call, now).map(|answer| Answer::json(&answer)),
        Protocol::Query => xml::query(call, now),
        Protocol::Cbor => cbor(call),
        Protocol::Rest => rest::answer(call, now).map(|answer| Answer::json(&answer)),
        Protocol::Xml => xml::bucket(call),
    }
}

fn json_answer(call: &Call, now: Timestamp) -> Option<Value> {
    let asked = call.json();
    Some(match call.action.as_str() {
        "ssm:GetParameter" => {
            json!({"Parameter": {"Name": "policy", "Type": "String", "Value": "health: {}", "Version": 1}})
        }
        "dynamodb:Query" => json!({"Items": [], "Count": 0, "ScannedCount": 0}),
        "dynamodb:PutItem" | "dynamodb:DeleteItem" => json!({}),
        "dynamodb:DescribeTable" => table(text(&asked, "TableName")),
        "dynamodb:DescribeContinuousBackups" => json!({"ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription":
                {"PointInTimeRecoveryStatus": "ENABLED", "LatestRestorableDateTime": hours(now, 0) - 300},
        }}),
        "ecs:DescribeClusters" => clusters(&asked),
        "ecs:DescribeServices" => services(&asked, now),
        "ecs:ListTasks" => json!({"taskArns": []}),
        "ecs:DescribeTaskDefinition" => task_definition(text(&asked, "taskDefinition")),
        "ecr:DescribeImages" => images(&asked, now),
        "application-autoscaling:DescribeScalableTargets" => json!({"ScalableTargets": scaled(&asked)}),
        "secretsmanager:DescribeSecret" => secret(text(&asked, "SecretId"), now),
        "kms:DescribeKey" => {
            json!({"KeyMetadata": {"KeyId": last(text(&asked, "KeyId")), "KeyState": "Enabled"}})
        }
        "logs:DescribeLogGroups" => {
            let group = json!({"logGroupName": text(&asked, "logGroupNamePrefix"), "retentionInDays": 90});
            json!({"logGroups": [group]})
        }
        "events:DescribeRule" => {
            let name = text(&asked, "Name");
            json!({"Name": name, "Arn": arn("events", &format!("rule/{name}")), "State": "ENABLED",
                "EventBusName": "default", "ScheduleExpression": "rate(1 day)"})
        }
        "events:ListTargetsByRule" => {
            let function = format!("function:hook-{:03}", number(text(&asked, "Rule")));
            json!({"Targets": [{"Id": "1", "Arn": arn("lambda", &function)}]})
        }
        "acm:DescribeCertificate" => certificate(text(&asked, "CertificateArn"), now),
        "wafv2:GetWebACLForResource" => web_acl(),
        "budgets:DescribeBudgets" => json!({"Budgets": [{
            "BudgetName": "all", "BudgetType": "COST", "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "2000.0", "Unit": "USD"},
            "CalculatedSpend": {"ActualSpend": {"Amount": "500.0", "Unit": "USD"},
                "ForecastedSpend": {"Amount": "1900.0", "Unit": "USD"}},
        }]}),
        "sqs:GetQueueUrl" => {
            json!({"QueueUrl": format!("http://127.0.0.1/123456789012/{}", text(&asked, "QueueName"))})
        }
        "sqs:GetQueueAttributes" => queue(last(text(&asked, "QueueUrl"))),
        _ => return None,
    })
}

/// A text of a JSON object.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list in a JSON object.
fn texts<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    value.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What stands behind the last slash.
fn last(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// The last three digits of a name that stand by themselves: its number.
fn number(name: &str) -> usize {
    let digits = |part: &str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    parts.rfind(|part| digits(part)).and_then(|part| part.parse().ok()).unwrap_or_default()
}

/// The key that encrypts what has this name.
fn key(name: &str) -> String {
    arn("kms", &format!("key/0000-{:03}", number(name) % KEYS))
}

fn table(name: &str) -> Value {
    json!({"Table": {
        "TableName": name, "TableArn": arn("dynamodb", &format!("table/{name}")), "TableStatus": "ACTIVE",
        "CreationDateTime": 1.7e9, "DeletionProtectionEnabled": true,
        "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key(name)},
    }})
}

fn clusters(asked: &Value) -> Value {
    let clusters = texts(asked, "clusters").map(|cluster| {
        json!({"clusterName": last(cluster), "clusterArn": cluster, "status": "ACTIVE",
            "activeServicesCount": 30, "runningTasksCount": 90, "pendingTasksCount": 0,
            "registeredContainerInstancesCount": 0})
    });
    json!({"clusters": clusters.collect::<Vec<_>>(), "failures": []})
}

fn services(asked: &Value, now: Timestamp) -> Value {
    let cluster = last(text(asked, "cluster"));
    let services = texts(asked, "services").map(last).map(|name| {
        json!({
            "serviceName": name, "serviceArn": arn("ecs", &format!("service/{cluster}/{name}")),
            "clusterArn": arn("ecs", &format!("cluster/{cluster}")), "status": "ACTIVE",
            "desiredCount": 3, "runningCount": 3, "pendingCount": 0, "launchType": "FARGATE",
            "schedulingStrategy": "REPLICA", "taskDefinition": arn("ecs", &format!("task-definition/{name}:7")),
            "deploymentController": {"type": "ECS"},
            "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200},
            "loadBalancers": [{
                "targetGroupArn": arn("elasticloadbalancing", &format!("targetgroup/{name}/943f")),
                "containerName": "app", "containerPort": 80,
            }],
            "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED",
                "desiredCount": 3, "runningCount": 3, "failedTasks": 0, "createdAt": hours(now, -24)}],
            "events": [], "createdAt": hours(now, -240), "tags": [{"key": "team", "value": "shop"}],
        })
    });
    json!({"services": services.collect::<Vec<_>>(), "failures": []})
}

fn task_definition(arn_of_it: &str) -> Value {
    let number = number(arn_of_it);
    let repository = number % REPOSITORIES;
    json!({"taskDefinition": {
        "taskDefinitionArn": arn_of_it, "family": format!("svc-{number:03}"), "revision": 7, "status": "ACTIVE",
        "containerDefinitions": [{
            "name": "app",
            "image": format!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/app-{repository:03}:v{number}"),
            "secrets": [{"name": "DATABASE", "valueFrom":
                arn("secretsmanager", &format!("secret:prod/svc-{:03}-a1B2c3", number % SECRETS))}],
        }],
    }})
}

fn images(asked: &Value, now: Timestamp) -> Value {
    let ids = asked.get("imageIds").and_then(Value::as_array).into_iter().flatten();
    let images = ids.map(|id| {
        json!({
            "registryId": "123456789012", "repositoryName": text(asked, "repositoryName"),
            "imageDigest": format!("sha256:{}", text(id, "imageTag")), "imageTags": [text(id, "imageTag")],
            "imagePushedAt": hours(now, -240), "imageStatus": "ACTIVE",
            "imageScanStatus": {"status": "COMPLETE"},
            "imageScanFindingsSummary": {"findingSeverityCounts": {"LOW": 2}},
        })
    });
    json!({"imageDetails": images.collect::<Vec<_>>()})
}

fn scaled(asked: &Value) -> Vec<Value> {
    let targets = texts(asked, "ResourceIds").map(|resource| {
        json!({"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": "ecs:service:DesiredCount",
            "MinCapacity": 3, "MaxCapacity": 12, "RoleARN": "arn:aws:iam::123456789012:role/r",
            "CreationTime": 1.7e9, "SuspendedState": {"DynamicScalingInSuspended": false,
                "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false}})
    });
    targets.collect()
}

fn secret(arn_of_it: &str, now: Timestamp) -> Value {
    json!({
        "ARN": arn_of_it, "Name": arn_of_it.split(":secret:").nth(1).unwrap_or_default(),
        "RotationEnabled": true, "LastChangedDate": hours(now, -240), "NextRotationDate": hours(now, 24),
        "KmsKeyId": key(arn_of_it), "VersionIdsToStages": {"v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT"]},
    })
}

fn certificate(arn_of_it: &str, now: Timestamp) -> Value {
    let balancer = format!("loadbalancer/app/lb-{:03}/50dc", number(arn_of_it));
    json!({"Certificate": {
        "CertificateArn": arn_of_it, "DomainName": "www.example.com", "Serial": "0a:1b", "Status": "ISSUED",
        "NotBefore": hours(now, -2_400), "NotAfter": hours(now, 4_800), "KeyAlgorithm": "EC-prime256v1",
        "InUseBy": [arn("elasticloadbalancing", &balancer)], "Type": "AMAZON_ISSUED",
        "RenewalEligibility": "ELIGIBLE",
    }})
}

fn web_acl() -> Value {
    let block = json!({"Name": "rate", "Priority": 1, "Action": {"Block": {}}, "Statement": {},
        "VisibilityConfig": {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "rate"}});
    json!({"WebACL": {
        "Name": "edge", "Id": "a1", "ARN": arn("wafv2", "regional/webacl/edge/a1"),
        "DefaultAction": {"Allow": {}}, "Rules": [block], "Capacity": 700,
        "VisibilityConfig":
            {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "edge"},
    }})
}

fn queue(name: &str) -> Value {
    let mut attributes = json!({
        "QueueArn": arn("sqs", name), "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
        "MessageRetentionPeriod": "345600", "VisibilityTimeout": "30", "SqsManagedSseEnabled": "true",
    });
    if name.ends_with("-dlq") {
        if let Some(attributes) = attributes.as_object_mut() {
            attributes.insert("MessageRetentionPeriod".to_owned(), json!("1209600"));
        }
    } else if let Some(attributes) = attributes.as_object_mut() {
        let letters = arn("sqs", &format!("jobs-{:03}-dlq", number(name) / 2));
        let policy = json!({"deadLetterTargetArn": letters, "maxReceiveCount": 5});
        attributes.insert("RedrivePolicy".to_owned(), json!(policy.to_string()));
    }
    json!({"Attributes": attributes})
}

fn cbor(call: &Call) -> Option<Answer> {
    let answer = match call.action.as_str() {
        "cloudwatch:GetMetricData" => metrics(&call.body),
        "cloudwatch:DescribeAlarms" => {
            let alarms = (0..ALARMS).map(|number| {
                let name = format!("svc-{number:03}-errors");
                json!({"AlarmName": name, "AlarmArn": arn("cloudwatch", &format!("alarm:{name}")),
                    "StateValue": "OK", "StateReason": "Threshold not crossed.", "ActionsEnabled": true,
                    "AlarmActions": [arn("sns", "news-000")], "TreatMissingData": "notBreaching"})
            });
            json!({"MetricAlarms": alarms.collect::<Vec<_>>()})
        }
        "health:DescribeEvents" => json!({"events": []}),
        _ => return None,
    };
    let mut encoder = Encoder::new(Vec::new());
    encode(&mut encoder, &answer);
    Some(Answer::raw(200, encoder.into_writer()))
}

/// The value of each query, in order; none of what counts failures.
fn metrics(body: &[u8]) -> Value {
    const NAME: &[u8] = b"MetricName";
    let names = body.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    let names = names.map(|(at, _)| body.get(at + NAME.len()..).and_then(short_text).unwrap_or_default());
    let results = names.enumerate().map(|(place, name)| {
        let value = match name {
            "CPUUtilization" | "MemoryUtilization" | "EngineCPUUtilization" => Some(20.0),
            "DatabaseMemoryUsagePercentage" => Some(30.0),
            "CacheHitRate" => Some(95.0),
            "DatabaseConnections" => Some(12.0),
            "FreeStorageSpace" => Some(8e10),
            "RequestCount" | "Invocations" => Some(100.0),
            "TargetResponseTime" => Some(0.2),
            "Duration" => Some(250.0),
            _ => None,
        };
        json!({"Id": format!("q{place}"), "Values": value.into_iter().collect::<Vec<f64>>()})
    });
    json!({"MetricDataResults": results.collect::<Vec<_>>()})
}

/// A CBOR text of less than 256 bytes: its length stands in the first byte, or in the one behind it (RFC 8949, 3.1).
fn short_text(bytes: &[u8]) -> Option<&str> {
    let (&head, rest) = bytes.split_first()?;
    let (length, rest) = match head {
        0x60..=0x77 => (head - 0x60, rest),
        0x78 => rest.split_first().map(|(length, rest)| (*length, rest))?,
        _ => return None,
    };
    std::str::from_utf8(rest.get(..usize::from(length))?).ok()
}

fn encode(encoder: &mut Encoder, value: &Value) {
    match value {
        Value::Null => drop(encoder.null()),
        Value::Bool(value) => drop(encoder.boolean(*value)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => drop(encoder.long(whole)),
            None => drop(encoder.double(number.as_f64().unwrap_or_default())),
        },
        Value::String(text) => drop(encoder.str(text)),
        Value::Array(items) => {
            encoder.array(items.len());
            for item in items {
                encode(encoder, item);
            }
        }
        Value::Object(fields) => {
            encoder.map(fields.len());
            for (name, value) in fields {
                encoder.str(name);
                encode(encoder, value);
            }
        }
    }
}

/// The load balancer that a target group belongs to.
fn balancer_of(group: &str) -> String {
    let number = number(group) * BALANCERS / SERVICES;
    arn("elasticloadbalancing", &format!("loadbalancer/app/lb-{number:03}/50dc"))
}

#[cfg(test)]
mod tests {
    use aws_smithy_cbor::Encoder;
    use serde_json::json;

    use super::{encode, metrics, number};

    #[test]
    fn names_have_numbers() {
        for (name, expected) in
            [("svc-012", 12), ("arn:aws:ecs:eu-central-1:123456789012:task-definition/svc-007:7", 7)]
        {
            assert_eq!(number(name), expected, "{name}");
        }
    }

    #[test]
    fn metrics_are_answered_in_the_order_of_the_queries() {
        let query = |name: &str| json!({"MetricStat": {"Metric": {"MetricName": name}}, "Id": "q"});
        let long = "NumberOfNotificationsFailedAndMore";
        let mut encoder = Encoder::new(Vec::new());
        encode(&mut encoder, &json!({"MetricDataQueries": [query(long), query("CacheHitRate")]}));
        let expected =
            json!({"MetricDataResults": [{"Id": "q0", "Values": []}, {"Id": "q1", "Values": [95.0]}]});
        assert_eq!(metrics(&encoder.into_writer()), expected);
    }
}
