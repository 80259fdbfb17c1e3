//! APIs that answer in XML: Elastic Load Balancing, RDS, ElastiCache, CloudFormation, SNS, and S3.

use std::fmt::Write;

use jiff::Timestamp;
use local::proxy::{Answer, Call};

use super::{balancer_of, key, number};
use crate::bench::health::account::{CACHES, arn};

/// The answer to a call of the Query protocol; nothing where a sweep has no business to make it.
pub(super) fn query(call: &Call, now: Timestamp) -> Option<Answer> {
    let form = call.form();
    let of = |beginning: &str| {
        let own = form.iter().filter(|(name, _)| name.starts_with(beginning));
        own.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let one = |name: &str| of(name).first().copied().unwrap_or_default().to_owned();
    let filtered = || of("Filters.Filter.1.Values.");
    let result = match call.action.as_str() {
        "elasticloadbalancing:DescribeLoadBalancers" => {
            list("LoadBalancers", "member", of("LoadBalancerArns."), balancer)
        }
        "elasticloadbalancing:DescribeTargetGroups" => {
            list("TargetGroups", "member", of("TargetGroupArns."), group)
        }
        "elasticloadbalancing:DescribeListeners" => {
            let of_one = listeners(&one("LoadBalancerArn"));
            let named = of("ListenerArns.");
            let named = if named.is_empty() { of_one.iter().map(String::as_str).collect() } else { named };
            list("Listeners", "member", named, listener)
        }
        "elasticloadbalancing:DescribeTargetHealth" => {
            list("TargetHealthDescriptions", "member", vec!["10.0.0.1", "10.0.1.1", "10.0.2.1"], target)
        }
        "rds:DescribeDBInstances" => {
            list("DBInstances", "DBInstance", filtered(), |name| instance(name, now))
        }
        "rds:DescribeDBClusters" => list("DBClusters", "DBCluster", filtered(), |name| cluster(name, now)),
        "rds:DescribePendingMaintenanceActions" => "<PendingMaintenanceActions/>".to_owned(),
        "elasticache:DescribeReplicationGroups" => {
            let caches: Vec<_> = (0..CACHES).map(|number| format!("cache-{number:03}")).collect();
            let all = caches.iter().map(String::as_str).collect();
            list("ReplicationGroups", "ReplicationGroup", all, cache)
        }
        "cloudformation:DescribeStacks" => list("Stacks", "member", vec![&one("StackName")], stack),
        "sns:GetTopicAttributes" => {
            let entry =
                |key: &str, value: &str| format!("<entry><key>{key}</key><value>{value}</value></entry>");
            let key = key(&one("TopicArn"));
            let entries = entry("SubscriptionsConfirmed", "1") + &entry("KmsMasterKeyId", &key);
            format!("<Attributes>{entries}</Attributes>")
        }
        "sns:ListSubscriptionsByTopic" => {
            list("Subscriptions", "member", vec![&one("TopicArn")], subscription)
        }
        "sns:Publish" => "<MessageId>1</MessageId>".to_owned(),
        _ => return None,
    };
    Some(Answer::query(call, &result))
}

/// The answer to a call about a bucket.
pub(super) fn bucket(call: &Call) -> Option<Answer> {
    const CLOSED: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
        <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
        <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let query = call.path.split_once('?').map_or("", |(_, query)| query);
    let body = if call.action == "s3:ListBucket" {
        String::new()
    } else if query.contains("publicAccessBlock") {
        CLOSED.to_owned()
    } else if query.contains("encryption") {
        let (bucket, _) = call.object();
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{}</KMSMasterKeyID>\
             </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
            key(&bucket)
        )
    } else if query.contains("versioning") {
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned()
    } else {
        return None;
    };
    Some(Answer::raw(200, body))
}

fn list(all: &str, each: &str, names: Vec<&str>, describe: impl Fn(&str) -> String) -> String {
    let mut text = format!("<{all}>");
    for name in names {
        // Writing into a string does not fail.
        let _ = write!(text, "<{each}>{}</{each}>", describe(name));
    }
    text + &format!("</{all}>")
}

/// The name in the ARN of a load balancer, a target group or a stack.
fn name_in(arn: &str, place: usize) -> &str {
    arn.split('/').nth(place).unwrap_or_default()
}

/// Every second one is reached from the internet.
fn balancer(arn: &str) -> String {
    let scheme = if number(arn).is_multiple_of(2) { "internet-facing" } else { "internal" };
    format!(
        "<LoadBalancerArn>{arn}</LoadBalancerArn><LoadBalancerName>{}</LoadBalancerName><Scheme>{scheme}</Scheme>\
         <Type>application</Type><State><Code>active</Code></State><CreatedTime>2026-01-01T00:00:00Z</CreatedTime>",
        name_in(arn, 2)
    )
}

fn group(arn: &str) -> String {
    format!(
        "<TargetGroupArn>{arn}</TargetGroupArn><TargetGroupName>{}</TargetGroupName><TargetType>ip</TargetType>\
         <LoadBalancerArns><member>{}</member></LoadBalancerArns>",
        name_in(arn, 1),
        balancer_of(arn)
    )
}

/// The two of a load balancer.
fn listeners(balancer: &str) -> [String; 2] {
    let front = balancer.replacen(":loadbalancer/", ":listener/", 1);
    ["f80", "f443"].map(|port| format!("{front}/{port}"))
}

fn listener(listener: &str) -> String {
    let number = number(listener);
    if listener.ends_with("/f80") {
        return format!(
            "<ListenerArn>{listener}</ListenerArn><Protocol>HTTP</Protocol><Port>80</Port><DefaultActions><member>\
             <Type>redirect</Type><RedirectConfig><Protocol>HTTPS</Protocol><StatusCode>HTTP_301</StatusCode>\
             </RedirectConfig></member></DefaultActions>"
        );
    }
    let certificate = arn("acm", &format!("certificate/c-{number:03}"));
    let group = arn("elasticloadbalancing", &format!("targetgroup/svc-{:03}/943f", 6 * number));
    format!(
        "<ListenerArn>{listener}</ListenerArn><Protocol>HTTPS</Protocol><Port>443</Port>\
         <SslPolicy>ELBSecurityPolicy-TLS13-1-2-2021-06</SslPolicy><Certificates><member>\
         <CertificateArn>{certificate}</CertificateArn></member></Certificates><DefaultActions><member>\
         <Type>forward</Type><TargetGroupArn>{group}</TargetGroupArn></member></DefaultActions>"
    )
}

fn target(address: &str) -> String {
    format!(
        "<Target><Id>{address}</Id><Port>80</Port></Target><TargetHealth><State>healthy</State></TargetHealth>"
    )
}

/// The first twenty are members of clusters, two of each.
fn instance(name: &str, now: Timestamp) -> String {
    let number = number(name);
    let (engine, cluster) = if number < 20 {
        let cluster = format!("<DBClusterIdentifier>aurora-{:03}</DBClusterIdentifier>", number / 2);
        ("aurora-postgresql", cluster)
    } else {
        ("postgres", String::new())
    };
    format!(
        "<DBInstanceIdentifier>{name}</DBInstanceIdentifier><DBInstanceArn>{}</DBInstanceArn>\
         <DBInstanceStatus>available</DBInstanceStatus><Engine>{engine}</Engine>{cluster}\
         <DBInstanceClass>db.t4g.medium</DBInstanceClass><AllocatedStorage>100</AllocatedStorage>\
         <InstanceCreateTime>2026-01-01T00:00:00Z</InstanceCreateTime><MultiAZ>true</MultiAZ>\
         <StorageEncrypted>true</StorageEncrypted><BackupRetentionPeriod>7</BackupRetentionPeriod>\
         <DeletionProtection>true</DeletionProtection><PubliclyAccessible>false</PubliclyAccessible>\
         <LatestRestorableTime>{now:.0}</LatestRestorableTime><KmsKeyId>{}</KmsKeyId>",
        arn("rds", &format!("db:{name}")),
        key(name)
    )
}

fn cluster(name: &str, now: Timestamp) -> String {
    let members = [(0, true), (1, false)].map(|(place, writes)| {
        format!(
            "<DBClusterMember><DBInstanceIdentifier>db-{:03}</DBInstanceIdentifier>\
             <IsClusterWriter>{writes}</IsClusterWriter></DBClusterMember>",
            2 * number(name) + place
        )
    });
    format!(
        "<DBClusterIdentifier>{name}</DBClusterIdentifier><Status>available</Status><DBClusterArn>{}</DBClusterArn>\
         <Engine>aurora-postgresql</Engine><MultiAZ>true</MultiAZ><StorageEncrypted>true</StorageEncrypted>\
         <BackupRetentionPeriod>7</BackupRetentionPeriod><DeletionProtection>true</DeletionProtection>\
         <ClusterCreateTime>2026-01-01T00:00:00Z</ClusterCreateTime>\
         <LatestRestorableTime>{now:.0}</LatestRestorableTime><KmsKeyId>{}</KmsKeyId>\
         <DBClusterMembers>{}</DBClusterMembers>",
        arn("rds", &format!("cluster:{name}")),
        key(name),
        members.concat()
    )
}

fn cache(name: &str) -> String {
    let node = |node: &str, role: &str| {
        format!(
            "<NodeGroupMember><CacheClusterId>{name}-{node}</CacheClusterId><CurrentRole>{role}</CurrentRole>\
             </NodeGroupMember>"
        )
    };
    format!(
        "<ReplicationGroupId>{name}</ReplicationGroupId><Status>available</Status><MultiAZ>enabled</MultiAZ>\
         <AutomaticFailover>enabled</AutomaticFailover><Engine>redis</Engine>\
         <TransitEncryptionEnabled>true</TransitEncryptionEnabled>\
         <AtRestEncryptionEnabled>true</AtRestEncryptionEnabled><NodeGroups><NodeGroup>\
         <NodeGroupId>0001</NodeGroupId><Status>available</Status><NodeGroupMembers>{}{}</NodeGroupMembers>\
         </NodeGroup></NodeGroups><MemberClusters><ClusterId>{name}-001</ClusterId>\
         <ClusterId>{name}-002</ClusterId></MemberClusters>",
        node("001", "primary"),
        node("002", "replica")
    )
}

fn stack(arn: &str) -> String {
    format!(
        "<StackId>{arn}</StackId><StackName>{}</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime>\
         <StackStatus>UPDATE_COMPLETE</StackStatus><EnableTerminationProtection>true</EnableTerminationProtection>",
        name_in(arn, 1)
    )
}

/// A queue is subscribed to each topic.
fn subscription(topic: &str) -> String {
    let queue = arn("sqs", &format!("jobs-{:03}", number(topic)));
    format!(
        "<TopicArn>{topic}</TopicArn><Protocol>sqs</Protocol><SubscriptionArn>{topic}:0a1b</SubscriptionArn>\
         <Owner>123456789012</Owner><Endpoint>{queue}</Endpoint>"
    )
}
