//! An account with one of nearly every kind, and all of it as it should be.

use serde_json::{Value, json};

use crate::wire::{Call, Reply, now};

/// What bears the tag. The rest is found from there.
pub(super) const TAGGED: [&str; 21] = [
    "arn:aws:cloudformation:eu-central-1:1:stack/web/0a1b",
    "arn:aws:cloudwatch:eu-central-1:1:alarm:web: 5xx",
    "arn:aws:dynamodb:eu-central-1:1:table/orders",
    "arn:aws:ecs:eu-central-1:1:cluster/prod",
    "arn:aws:ecs:eu-central-1:1:service/prod/web",
    "arn:aws:elasticache:eu-central-1:1:replicationgroup:web",
    "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/web/50dc",
    "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/943f",
    "arn:aws:events:eu-central-1:1:rule/shop/nightly",
    "arn:aws:kms:eu-central-1:1:key/k",
    "arn:aws:lambda:eu-central-1:1:function:hook",
    "arn:aws:logs:eu-central-1:1:log-group:/ecs/web",
    "arn:aws:rds:eu-central-1:1:cluster:ledger",
    "arn:aws:rds:eu-central-1:1:db:orders",
    "arn:aws:route53:::healthcheck/h1",
    "arn:aws:route53:::hostedzone/Z1",
    "arn:aws:s3:::assets",
    "arn:aws:scheduler:eu-central-1:1:schedule-group/jobs",
    "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3",
    "arn:aws:sns:eu-central-1:1:news",
    "arn:aws:sqs:eu-central-1:1:orders",
];

/// So many seconds ago.
pub(super) fn ago(seconds: i64) -> i64 {
    now().as_second() - seconds
}

/// What the account answers; nothing to what it does not know.
pub(super) fn answer(call: &Call) -> Option<Reply> {
    let reply = match (call.service.as_str(), call.action.as_str()) {
        ("application-autoscaling", "DescribeScalableTargets") => Reply::ok(scaling()),
        ("ecs", "DescribeServices") => Reply::ok(json!({"services": [service("web", 3, 3)], "failures": []})),
        ("ecs", "DescribeClusters") => {
            Reply::ok(json!({"clusters": [{"clusterName": "prod", "status": "ACTIVE"}], "failures": []}))
        }
        ("ecs", "DescribeTaskDefinition") => Reply::ok(definition("web")),
        ("ecs", "ListTasks") => Reply::ok(json!({"taskArns": []})),
        ("ecr", "DescribeImages") => Reply::ok(image()),
        ("secretsmanager", "DescribeSecret") => Reply::ok(json!({
            "Name": "prod/db", "ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3",
            "LastChangedDate": 1.79e9, "VersionIdsToStages": {"v2": ["AWSCURRENT"]},
        })),
        ("kms", "DescribeKey") => Reply::ok(json!({"KeyMetadata": {"KeyId": "k", "KeyState": "Enabled"}})),
        ("wafv2", "GetWebACLForResource") => Reply::ok(web_acl()),
        ("acm", "DescribeCertificate") => Reply::ok(certificate("0a:1b", 100)),
        ("dynamodb", "DescribeTable") => Reply::ok(table()),
        ("dynamodb", "DescribeContinuousBackups") => Reply::ok(continuous_backups()),
        ("backup", _) => Reply::ok(recovery_points()),
        ("budgets", "DescribeBudgets") => Reply::ok(budgets()),
        ("health", "DescribeEvents") => Reply::cbor(&json!({"events": []})),
        ("logs", "DescribeLogGroups") => {
            Reply::ok(json!({"logGroups": [{"logGroupName": "/ecs/web", "retentionInDays": 90}]}))
        }
        ("monitoring", "DescribeAlarms") => Reply::cbor(&alarms()),
        ("monitoring", "GetMetricData") => metrics(&call.body),
        ("events", "DescribeRule") => Reply::ok(json!({"Name": "nightly", "State": "ENABLED",
            "Arn": "arn:aws:events:eu-central-1:1:rule/shop/nightly", "EventBusName": "shop", "EventPattern": "{}"})),
        ("events", "ListTargetsByRule") => Reply::ok(
            json!({"Targets": [{"Id": "1", "Arn": "arn:aws:lambda:eu-central-1:1:function:hook:live"}]}),
        ),
        ("scheduler", "GET /schedules") => Reply::ok(json!({"Schedules": [schedule()]})),
        ("scheduler", _) => Reply::ok(schedule()),
        ("lambda", action) if action.contains("event-source-mappings") => Reply::ok(mappings()),
        ("lambda", _) => Reply::ok(function()),
        ("sqs", "GetQueueUrl") => Reply::ok(
            json!({"QueueUrl": format!("https://sqs.eu-central-1.amazonaws.com/1/{}", queue_of(call))}),
        ),
        ("sqs", "GetQueueAttributes") => Reply::ok(queue(&queue_of(call))),
        _ => return xml(call),
    };
    Some(reply)
}

/// What APIs answer that speak XML.
fn xml(call: &Call) -> Option<Reply> {
    let action = call.action.as_str();
    let reply = match (call.service.as_str(), action) {
        ("cloudformation", "DescribeStacks") => stack("UPDATE_COMPLETE"),
        ("elasticache", _) => cache(),
        ("elasticloadbalancing", "DescribeLoadBalancers") => load_balancer("web", "active"),
        ("elasticloadbalancing", "DescribeListeners") => listeners(),
        ("elasticloadbalancing", "DescribeTargetGroups") => target_groups(&["web"]),
        ("elasticloadbalancing", "DescribeTargetHealth") => targets("healthy", ""),
        ("rds", "DescribeDBInstances") => {
            instances(&[instance("orders", "available"), aurora("ledger-1"), aurora("ledger-2")])
        }
        ("rds", "DescribeDBClusters") => cluster(),
        ("rds", _) => Reply::xml(action, ""),
        ("route53", action) if action.ends_with("/rrset") => Reply::ok(records()),
        ("route53", action) if action.ends_with("/status") => {
            Reply::ok(observations("Success: HTTP Status Code 200, OK"))
        }
        ("route53", action) if action.contains("/healthcheck/") => Reply::ok(health_check()),
        ("route53", _) => Reply::ok(zone()),
        ("s3", action) if action.starts_with("HEAD") => Reply::ok(""),
        ("s3", _) => bucket(&call.query),
        ("sns", "GetTopicAttributes") => Reply::xml(
            action,
            "<Attributes><entry><key>SubscriptionsConfirmed</key><value>1</value></entry></Attributes>",
        ),
        ("sns", "ListSubscriptionsByTopic") => Reply::xml(
            action,
            "<Subscriptions><member><TopicArn>arn:aws:sns:eu-central-1:1:news</TopicArn><Protocol>sqs</Protocol>\
             <SubscriptionArn>arn:aws:sns:eu-central-1:1:news:0a1b</SubscriptionArn><Owner>1</Owner>\
             <Endpoint>arn:aws:sqs:eu-central-1:1:orders</Endpoint></member></Subscriptions>",
        ),
        _ => return None,
    };
    Some(reply)
}

/// A service of the cluster `prod`, settled for a day, behind the target group of its name.
pub(super) fn service(name: &str, running: u32, desired: u32) -> Value {
    json!({
        "serviceArn": format!("arn:aws:ecs:eu-central-1:1:service/prod/{name}"), "serviceName": name,
        "clusterArn": "arn:aws:ecs:eu-central-1:1:cluster/prod", "status": "ACTIVE",
        "desiredCount": desired, "runningCount": running, "pendingCount": 0,
        "launchType": "FARGATE", "schedulingStrategy": "REPLICA",
        "taskDefinition": format!("arn:aws:ecs:eu-central-1:1:task-definition/{name}:7"),
        "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 200},
        "loadBalancers": [{
            "targetGroupArn": format!("arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/{name}/943f"),
            "containerName": "app", "containerPort": 80,
        }],
        "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED",
            "desiredCount": desired, "runningCount": running, "failedTasks": 0, "createdAt": ago(86_400)}],
        "events": [], "createdAt": ago(864_000), "tags": [],
    })
}

/// The task definition of a service, which reads the secret `prod/db`.
pub(super) fn definition(name: &str) -> Value {
    json!({"taskDefinition": {
        "taskDefinitionArn": format!("arn:aws:ecs:eu-central-1:1:task-definition/{name}:7"), "family": name,
        "revision": 7, "status": "ACTIVE",
        "containerDefinitions": [{
            "name": "app", "image": "1.dkr.ecr.eu-central-1.amazonaws.com/shop/web:2",
            "secrets": [{"name": "DB",
                "valueFrom": "arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3:password::"}],
        }],
    }})
}

fn scaling() -> Value {
    json!({"ScalableTargets": [{
        "ServiceNamespace": "ecs", "ResourceId": "service/prod/web", "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1, "MaxCapacity": 6, "RoleARN": "arn:aws:iam::1:role/r", "CreationTime": 1.7e9,
    }]})
}

fn image() -> Value {
    json!({"imageDetails": [{
        "registryId": "1", "repositoryName": "shop/web", "imageDigest": "sha256:a", "imageTags": ["2"],
        "imagePushedAt": 1.7e9, "imageStatus": "ACTIVE", "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindingsSummary": {"findingSeverityCounts": {"LOW": 2}},
    }]})
}

fn web_acl() -> Value {
    json!({"WebACL": {
        "Name": "edge", "Id": "a1", "ARN": "arn:aws:wafv2:eu-central-1:1:regional/webacl/edge/a1",
        "DefaultAction": {"Allow": {}},
        "Rules": [{"Name": "rate", "Priority": 2, "Action": {"Block": {}}, "Statement": {}}],
        "VisibilityConfig": {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "edge"},
    }})
}

/// A certificate with this serial number that ends after so many days.
pub(super) fn certificate(serial: &str, days: i64) -> Value {
    json!({"Certificate": {
        "CertificateArn": "arn:aws:acm:eu-central-1:1:certificate/c1", "DomainName": "www.example.com",
        "SubjectAlternativeNames": ["www.example.com"], "Serial": serial, "Status": "ISSUED",
        "NotBefore": ago(300 * 86_400), "NotAfter": ago(-days * 86_400), "KeyAlgorithm": "EC-prime256v1",
        "InUseBy": ["arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/web/50dc"],
        "Type": "AMAZON_ISSUED", "RenewalEligibility": "ELIGIBLE",
    }})
}

fn table() -> Value {
    json!({"Table": {
        "TableName": "orders", "TableArn": "arn:aws:dynamodb:eu-central-1:1:table/orders",
        "TableStatus": "ACTIVE", "CreationDateTime": 1.7e9, "DeletionProtectionEnabled": true,
    }})
}

fn continuous_backups() -> Value {
    json!({"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
        "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED",
            "LatestRestorableDateTime": ago(300)}}})
}

fn recovery_points() -> Value {
    json!({"RecoveryPoints": [{"RecoveryPointArn": "arn:aws:backup:eu-central-1:1:recovery-point:1",
        "Status": "COMPLETED", "CreationDate": ago(3 * 3_600)}]})
}

fn budgets() -> Value {
    json!({"Budgets": [{
        "BudgetName": "all", "BudgetType": "COST", "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "2000.0", "Unit": "USD"},
        "CalculatedSpend": {
            "ActualSpend": {"Amount": "500.0", "Unit": "USD"}, "ForecastedSpend": {"Amount": "1900.0", "Unit": "USD"},
        },
    }]})
}

fn alarms() -> Value {
    json!({"MetricAlarms": [{
        "AlarmName": "web: 5xx", "AlarmArn": "arn:aws:cloudwatch:eu-central-1:1:alarm:web: 5xx",
        "StateValue": "OK", "StateReason": "All is well.", "ActionsEnabled": true,
        "AlarmActions": ["arn:aws:sns:eu-central-1:1:news"], "TreatMissingData": "missing",
        "StateUpdatedTimestamp": {"$time": 1_790_000_000},
        "Dimensions": [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "web"}],
    }]})
}

/// Enough numbers for each that is asked for in one call.
fn metrics(asked: &str) -> Reply {
    let some: &[f64] = match asked {
        _ if asked.contains("FreeStorageSpace") => &[12.0, 30.0, 5e10],
        _ if asked.contains("AWS/RDS") => &[12.0, 30.0],
        _ if asked.contains("AWS/ElastiCache") => &[5.0, 20.0, 95.0],
        _ if asked.contains("AWS/ECS") => &[10.0],
        _ if asked.contains("AWS/ApplicationELB") => &[100.0, 0.0, 0.0, 0.1],
        _ if asked.contains("AWS/Lambda") => &[9.0, 0.0, 0.0, 100.0],
        _ => &[0.0],
    };
    let all: Vec<Option<f64>> = some.iter().copied().cycle().take(24).map(Some).collect();
    Reply::metrics(&all)
}

fn schedule() -> Value {
    json!({
        "Arn": "arn:aws:scheduler:eu-central-1:1:schedule/jobs/nightly", "GroupName": "jobs", "Name": "nightly",
        "State": "ENABLED", "ScheduleExpression": "rate(1 hour)",
        "Target": {"Arn": "arn:aws:lambda:eu-central-1:1:function:hook", "RoleArn": "arn:aws:iam::1:role/r"},
    })
}

fn function() -> Value {
    json!({
        "FunctionName": "hook", "FunctionArn": "arn:aws:lambda:eu-central-1:1:function:hook",
        "Runtime": "provided.al2023", "Timeout": 10, "State": "Active", "LastUpdateStatus": "Successful",
        "LastModified": "2026-11-26T11:00:00.000+0000",
    })
}

fn mappings() -> Value {
    json!({"EventSourceMappings": [{
        "UUID": "0a1b", "FunctionArn": "arn:aws:lambda:eu-central-1:1:function:hook",
        "EventSourceArn": "arn:aws:sqs:eu-central-1:1:orders", "State": "Enabled", "LastModified": 1.7e9,
        "StateTransitionReason": "USER_INITIATED",
        "EventSourceMappingArn": "arn:aws:lambda:eu-central-1:1:event-source-mapping:0a1b",
    }]})
}

/// The queue that a call is about.
fn queue_of(call: &Call) -> String {
    let body: Value = serde_json::from_str(&call.body).unwrap();
    let name = body.get("QueueName").or_else(|| body.get("QueueUrl")).and_then(Value::as_str).unwrap();
    name.rsplit('/').next().unwrap().to_owned()
}

fn queue(name: &str) -> Value {
    let arn = |name: &str| format!("arn:aws:sqs:eu-central-1:1:{name}");
    let mut attributes = json!({
        "QueueArn": arn(name), "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0", "MessageRetentionPeriod": "345600", "SqsManagedSseEnabled": "true",
    });
    if name == "orders" {
        let policy = json!({"deadLetterTargetArn": arn("orders-dlq"), "maxReceiveCount": 5});
        attributes["RedrivePolicy"] = json!(policy.to_string());
    } else {
        attributes["MessageRetentionPeriod"] = json!("1209600");
    }
    json!({"Attributes": attributes})
}

/// The stack `web`, changed last an hour ago.
pub(super) fn stack(status: &str) -> Reply {
    Reply::xml(
        "DescribeStacks",
        &format!(
            "<Stacks><member><StackId>arn:aws:cloudformation:eu-central-1:1:stack/web/0a1b</StackId>\
             <StackName>web</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
             <LastUpdatedTime>2026-11-26T11:00:00Z</LastUpdatedTime><StackStatus>{status}</StackStatus>\
             <EnableTerminationProtection>true</EnableTerminationProtection></member></Stacks>"
        ),
    )
}

fn cache() -> Reply {
    let node = |number: u8, role: &str| {
        format!(
            "<NodeGroupMember><CacheClusterId>web-00{number}</CacheClusterId>\
             <CurrentRole>{role}</CurrentRole></NodeGroupMember>"
        )
    };
    Reply::xml(
        "DescribeReplicationGroups",
        &format!(
            "<ReplicationGroups><ReplicationGroup><ReplicationGroupId>web</ReplicationGroupId>\
             <Status>available</Status><MultiAZ>enabled</MultiAZ><AutomaticFailover>enabled</AutomaticFailover>\
             <Engine>redis</Engine><TransitEncryptionEnabled>true</TransitEncryptionEnabled>\
             <AtRestEncryptionEnabled>true</AtRestEncryptionEnabled><NodeGroups><NodeGroup>\
             <NodeGroupId>0001</NodeGroupId><Status>available</Status><NodeGroupMembers>{}{}</NodeGroupMembers>\
             </NodeGroup></NodeGroups><MemberClusters><ClusterId>web-001</ClusterId><ClusterId>web-002</ClusterId>\
             </MemberClusters></ReplicationGroup></ReplicationGroups>",
            node(1, "primary"),
            node(2, "replica")
        ),
    )
}

pub(super) fn load_balancer(name: &str, state: &str) -> Reply {
    Reply::xml(
        "DescribeLoadBalancers",
        &format!(
            "<LoadBalancers><member><LoadBalancerArn>arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/\
             {name}/50dc</LoadBalancerArn><LoadBalancerName>{name}</LoadBalancerName>\
             <Scheme>internet-facing</Scheme><Type>application</Type><State><Code>{state}</Code></State>\
             <CreatedTime>2026-01-01T00:00:00Z</CreatedTime></member></LoadBalancers>"
        ),
    )
}

fn listeners() -> Reply {
    let front = "arn:aws:elasticloadbalancing:eu-central-1:1";
    Reply::xml(
        "DescribeListeners",
        &format!(
            "<Listeners><member><ListenerArn>{front}:listener/app/web/50dc/f80</ListenerArn>\
             <Protocol>HTTP</Protocol><Port>80</Port><DefaultActions><member><Type>redirect</Type>\
             <RedirectConfig><Protocol>HTTPS</Protocol><StatusCode>HTTP_301</StatusCode></RedirectConfig></member>\
             </DefaultActions></member><member><ListenerArn>{front}:listener/app/web/50dc/f443</ListenerArn>\
             <Protocol>HTTPS</Protocol><Port>443</Port><SslPolicy>ELBSecurityPolicy-TLS13-1-2-2021-06</SslPolicy>\
             <Certificates><member><CertificateArn>arn:aws:acm:eu-central-1:1:certificate/c1</CertificateArn></member>\
             </Certificates><DefaultActions><member><Type>forward</Type>\
             <TargetGroupArn>{front}:targetgroup/web/943f</TargetGroupArn></member></DefaultActions></member></Listeners>"
        ),
    )
}

/// Target groups of these names, behind the load balancer `web`.
pub(super) fn target_groups(names: &[&str]) -> Reply {
    let front = "arn:aws:elasticloadbalancing:eu-central-1:1";
    let member = |name: &&str| {
        format!(
            "<member><TargetGroupArn>{front}:targetgroup/{name}/943f</TargetGroupArn>\
             <TargetGroupName>{name}</TargetGroupName><TargetType>ip</TargetType><LoadBalancerArns>\
             <member>{front}:loadbalancer/app/web/50dc</member></LoadBalancerArns></member>"
        )
    };
    let members: String = names.iter().map(member).collect();
    Reply::xml("DescribeTargetGroups", &format!("<TargetGroups>{members}</TargetGroups>"))
}

/// Two targets in this state.
pub(super) fn targets(state: &str, reason: &str) -> Reply {
    let member = |address: &str| {
        format!(
            "<member><Target><Id>{address}</Id><Port>80</Port></Target><TargetHealth><State>{state}</State>\
             <Reason>{reason}</Reason></TargetHealth></member>"
        )
    };
    let members = [member("10.0.0.1"), member("10.0.1.1")].concat();
    let descriptions = format!("<TargetHealthDescriptions>{members}</TargetHealthDescriptions>");
    Reply::xml("DescribeTargetHealth", &descriptions)
}

pub(super) fn instance(name: &str, status: &str) -> String {
    format!(
        "<DBInstance><DBInstanceIdentifier>{name}</DBInstanceIdentifier>\
         <DBInstanceArn>arn:aws:rds:eu-central-1:1:db:{name}</DBInstanceArn>\
         <DBInstanceStatus>{status}</DBInstanceStatus><Engine>postgres</Engine>\
         <DBInstanceClass>db.t4g.medium</DBInstanceClass><AllocatedStorage>100</AllocatedStorage>\
         <InstanceCreateTime>2026-01-01T00:00:00Z</InstanceCreateTime><MultiAZ>true</MultiAZ>\
         <StorageEncrypted>true</StorageEncrypted><BackupRetentionPeriod>7</BackupRetentionPeriod>\
         <DeletionProtection>true</DeletionProtection><PubliclyAccessible>false</PubliclyAccessible>\
         <LatestRestorableTime>2026-11-26T11:55:00Z</LatestRestorableTime></DBInstance>"
    )
}

fn aurora(name: &str) -> String {
    instance(name, "available").replace(
        "<Engine>postgres",
        "<DBClusterIdentifier>ledger</DBClusterIdentifier><Engine>aurora-postgresql",
    )
}

pub(super) fn instances(of: &[String]) -> Reply {
    Reply::xml("DescribeDBInstances", &format!("<DBInstances>{}</DBInstances>", of.concat()))
}

fn cluster() -> Reply {
    let member = |name: &str, writes: bool| {
        format!(
            "<DBClusterMember><DBInstanceIdentifier>{name}</DBInstanceIdentifier>\
             <IsClusterWriter>{writes}</IsClusterWriter></DBClusterMember>"
        )
    };
    Reply::xml(
        "DescribeDBClusters",
        &format!(
            "<DBClusters><DBCluster><DBClusterIdentifier>ledger</DBClusterIdentifier><Status>available</Status>\
             <DBClusterArn>arn:aws:rds:eu-central-1:1:cluster:ledger</DBClusterArn>\
             <Engine>aurora-postgresql</Engine><MultiAZ>true</MultiAZ><StorageEncrypted>true</StorageEncrypted>\
             <BackupRetentionPeriod>7</BackupRetentionPeriod><DeletionProtection>true</DeletionProtection>\
             <LatestRestorableTime>2026-11-26T11:55:00Z</LatestRestorableTime>\
             <DBClusterMembers>{}{}</DBClusterMembers></DBCluster></DBClusters>",
            member("ledger-1", true),
            member("ledger-2", false)
        ),
    )
}

/// A private zone: no name of it is looked up.
fn zone() -> String {
    "<GetHostedZoneResponse><HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name>\
     <CallerReference>r</CallerReference><Config><PrivateZone>true</PrivateZone></Config></HostedZone>\
     </GetHostedZoneResponse>"
        .to_owned()
}

fn records() -> String {
    let record = |sort: &str, value: &str| {
        format!(
            "<ResourceRecordSet><Name>example.com.</Name><Type>{sort}</Type><TTL>300</TTL><ResourceRecords>\
             <ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
        )
    };
    let all = [
        record("NS", "ns-1.awsdns-00.com."),
        record("SOA", "ns-1.awsdns-00.com. a 1"),
        record("A", "10.0.0.1"),
    ];
    format!(
        "<ListResourceRecordSetsResponse><ResourceRecordSets>{}</ResourceRecordSets><IsTruncated>false</IsTruncated>\
         <MaxItems>300</MaxItems></ListResourceRecordSetsResponse>",
        all.concat()
    )
}

pub(super) fn health_check() -> String {
    "<GetHealthCheckResponse><HealthCheck><Id>h1</Id><CallerReference>r</CallerReference><HealthCheckConfig>\
     <Type>HTTPS</Type><FullyQualifiedDomainName>www.example.com</FullyQualifiedDomainName></HealthCheckConfig>\
     <HealthCheckVersion>1</HealthCheckVersion></HealthCheck></GetHealthCheckResponse>"
        .to_owned()
}

pub(super) fn observations(said: &str) -> String {
    let one = |region: &str| {
        format!(
            "<HealthCheckObservation><Region>{region}</Region><IPAddress>1.2.3.4</IPAddress><StatusReport>\
             <Status>{said}</Status><CheckedTime>2026-11-26T11:59:00Z</CheckedTime></StatusReport>\
             </HealthCheckObservation>"
        )
    };
    format!(
        "<GetHealthCheckStatusResponse><HealthCheckObservations>{}</HealthCheckObservations>\
         </GetHealthCheckStatusResponse>",
        ["eu-west-1", "us-east-1", "us-west-1"].map(one).concat()
    )
}

fn bucket(query: &str) -> Reply {
    Reply::ok(match query {
        _ if query.contains("publicAccessBlock") => {
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
             <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
             <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        }
        _ if query.contains("encryption") => {
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>\
             </ServerSideEncryptionConfiguration>"
        }
        _ => "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    })
}
