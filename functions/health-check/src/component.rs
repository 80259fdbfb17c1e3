//! What is checked: one thing that the environment stands on.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::tags::Tags;

use crate::decision::kind::dlq::sounds_dead;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $word:literal $title:literal,)+) => {
        /// A kind of thing that is checked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $word)] $kind,)+
        }

        impl Kind {
            /// All of them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$kind),+];

            /// The word that it is known by.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }

            /// What people call it.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }
        }
    };
}

kinds! {
    /// A CloudWatch alarm, metric or composite.
    Alarm "alarm" "alarm",
    /// What AWS says of its own health, where the support plan allows to ask.
    AwsHealth "aws-health" "AWS Health",
    /// The newest recovery point of a resource, RDS snapshots, point-in-time recovery.
    Backup "backup" "backup",
    /// What the month has cost against the budget.
    Budget "budget" "budget",
    /// An ElastiCache replication group.
    Cache "cache" "cache",
    /// An ACM certificate.
    Certificate "certificate" "certificate",
    /// An Aurora or Multi-AZ cluster.
    Cluster "rds-cluster" "database cluster",
    /// A name that must resolve.
    DnsName "dns-name" "DNS name",
    /// An ECS cluster.
    EcsCluster "ecs-cluster" "ECS cluster",
    /// An address that is asked over HTTP.
    Endpoint "endpoint" "endpoint",
    /// A Lambda event source mapping.
    EventSource "event-source" "event source",
    /// A Lambda function.
    Function "lambda-function" "function",
    /// A Route 53 health check.
    HealthCheck "route53-health-check" "Route 53 health check",
    /// The image that a service runs: whether it is there, and what its scan found.
    Image "image" "image",
    /// An RDS instance.
    Instance "rds-instance" "database",
    /// A KMS key.
    Key "kms-key" "KMS key",
    /// A dead-letter queue.
    Letters "dlq" "dead-letter queue",
    /// A listener of a load balancer.
    Listener "listener" "listener",
    /// An application, network or gateway load balancer.
    LoadBalancer "load-balancer" "load balancer",
    /// A log group.
    LogGroup "log-group" "log group",
    /// An SQS queue.
    Queue "sqs-queue" "queue",
    /// A record set of a hosted zone that leads nowhere.
    Records "route53-zone" "hosted zone",
    /// An EventBridge rule.
    Rule "event-rule" "rule",
    /// The scaling of a service, at its limit or not.
    Scaling "autoscaling" "autoscaling",
    /// An EventBridge Scheduler schedule.
    Schedule "schedule" "schedule",
    /// A secret of Secrets Manager.
    Secret "secret" "secret",
    /// An ECS service.
    Service "ecs-service" "service",
    /// An S3 bucket.
    Bucket "s3-bucket" "bucket",
    /// A CloudFormation stack.
    Stack "stack" "stack",
    /// Tasks of a service that stopped lately.
    StoppedTasks "ecs-stopped-tasks" "stopped tasks",
    /// The subscriptions of an SNS topic.
    Subscriptions "sns-topic" "topic",
    /// A DynamoDB table.
    Table "dynamodb-table" "table",
    /// The targets of a target group.
    Targets "target-group" "target group",
    /// Required tags.
    Tagging "tags" "tags",
    /// The task definition that a service runs, against what it names.
    TaskDefinition "task-definition" "task definition",
    /// A TLS endpoint: the certificates that it presents.
    Tls "tls-endpoint" "TLS endpoint",
    /// The web ACL of a load balancer.
    WebAcl "waf" "web ACL",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Kind {
    /// The kind by its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What an ARN is the name of, and how people call it; nothing where it is none of what is checked.
    pub fn of(arn: &str) -> Option<(Self, String)> {
        let mut parts = arn.splitn(6, ':').skip(2);
        let (service, _region, _account, resource) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (sort, name) = resource.split_once(['/', ':']).unwrap_or(("", resource));
        // What is in the name behind its first part: `app/web/50dc6c495c0c9188` is the load balancer `web`.
        let within = |place: usize| name.split('/').nth(place).unwrap_or(name).to_owned();
        let named = match (service, sort) {
            ("acm", "certificate") => (Self::Certificate, name.to_owned()),
            ("cloudformation", "stack") => (Self::Stack, within(0)),
            ("cloudwatch", "alarm") => (Self::Alarm, name.to_owned()),
            ("dynamodb", "table") if !name.contains('/') => (Self::Table, name.to_owned()),
            ("ecs", "cluster") => (Self::EcsCluster, name.to_owned()),
            ("ecs", "service") => (Self::Service, name.to_owned()),
            ("elasticache", "replicationgroup") => (Self::Cache, name.to_owned()),
            ("elasticloadbalancing", "loadbalancer") if name.contains('/') => (Self::LoadBalancer, within(1)),
            ("elasticloadbalancing", "listener") => (Self::Listener, name.to_owned()),
            ("elasticloadbalancing", "targetgroup") => (Self::Targets, within(0)),
            ("events", "rule") => (Self::Rule, name.to_owned()),
            ("kms", "key") => (Self::Key, name.to_owned()),
            ("lambda", "function") => (Self::Function, name.split(':').next().unwrap_or(name).to_owned()),
            ("logs", "log-group") => (Self::LogGroup, name.trim_end_matches(":*").to_owned()),
            ("rds", "cluster") => (Self::Cluster, name.to_owned()),
            ("rds", "db") => (Self::Instance, name.to_owned()),
            ("route53", "healthcheck") => (Self::HealthCheck, name.to_owned()),
            ("route53", "hostedzone") => (Self::Records, name.to_owned()),
            ("s3", "") => (Self::Bucket, name.to_owned()),
            ("scheduler", "schedule") => (Self::Schedule, name.to_owned()),
            // A group stands for the schedules in it; they cannot be tagged.
            ("scheduler", "schedule-group") => (Self::Schedule, format!("{name}/*")),
            ("secretsmanager", "secret") => (Self::Secret, without_suffix(name).to_owned()),
            ("sns", "") => (Self::Subscriptions, name.to_owned()),
            ("sqs", "") if sounds_dead(name) => (Self::Letters, name.to_owned()),
            ("sqs", "") => (Self::Queue, name.to_owned()),
            _ => return None,
        };
        Some(named)
    }
}

/// A secret's name without the six characters that Secrets Manager adds to its ARN. An ARN may come without them; a last word
/// of six small letters is the name's own.
fn without_suffix(name: &str) -> &str {
    let is_added = |suffix: &str| {
        suffix.len() == 6
            && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && suffix.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    match name.rsplit_once('-') {
        Some((front, suffix)) if is_added(suffix) => front,
        Some(_) | None => name,
    }
}

/// What a thing is remembered by: an image is another one with each deployment, and so is a task definition, but what is
/// wrong with them mostly stays.
pub(crate) fn remembered(kind: Kind, name: &str) -> String {
    if !matches!(kind, Kind::Image | Kind::TaskDefinition) {
        return format!("{kind}:{name}");
    }
    let name = name.split('@').next().unwrap_or(name);
    // A registry may have a port; a tag comes behind the last slash.
    let plain = match name.rsplit_once(':') {
        Some((plain, tag)) if !tag.contains('/') => plain,
        Some(_) | None => name,
    };
    format!("{kind}:{plain}")
}

/// One thing that is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its kind.
    pub kind: Kind,
    /// What people call it; with its kind, it is known by that.
    pub name: String,
    /// Its ARN, where it has one.
    pub arn: Option<String>,
    /// Its tags, where they are known.
    pub tags: Tags,
}

impl Component {
    /// One without an ARN.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), arn: None, tags: Tags::new() }
    }

    /// What an ARN is the name of.
    pub fn at(arn: &str) -> Option<Self> {
        let (kind, name) = Kind::of(arn)?;
        Some(Self { kind, name, arn: Some(arn.to_owned()), tags: Tags::new() })
    }

    /// What it is known by: kind and name.
    pub fn id(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }

    /// What it is remembered by from one sweep to the next.
    pub(crate) fn remembered(&self) -> String {
        remembered(self.kind, &self.name)
    }

    /// The number of the account that its ARN names.
    pub(crate) fn account(&self) -> Option<&str> {
        self.arn.as_deref()?.split(':').nth(4).filter(|account| !account.is_empty())
    }

    /// Its ARN; its name where it has none.
    pub fn arn(&self) -> &str {
        self.arn.as_deref().unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use shared::policy::health::KINDS;

    use super::{Kind, remembered};

    #[test]
    fn what_is_checked_is_known_by_its_arn() {
        let cases = [
            ("arn:aws:ecs:eu-central-1:1:service/prod/web", Some((Kind::Service, "prod/web"))),
            ("arn:aws:ecs:eu-central-1:1:cluster/prod", Some((Kind::EcsCluster, "prod"))),
            ("arn:aws:ecs:eu-central-1:1:task-definition/web:1", None),
            (
                "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/web/50dc6c495c0c9188",
                Some((Kind::LoadBalancer, "web")),
            ),
            ("arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/classic", None),
            (
                "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/web/943f017f100becff",
                Some((Kind::Targets, "web")),
            ),
            ("arn:aws:rds:eu-central-1:1:db:orders", Some((Kind::Instance, "orders"))),
            ("arn:aws:rds:eu-central-1:1:cluster:orders", Some((Kind::Cluster, "orders"))),
            ("arn:aws:rds:eu-central-1:1:snapshot:orders", None),
            ("arn:aws:s3:::assets", Some((Kind::Bucket, "assets"))),
            ("arn:aws:sqs:eu-central-1:1:orders", Some((Kind::Queue, "orders"))),
            ("arn:aws:sqs:eu-central-1:1:orders-DLQ.fifo", Some((Kind::Letters, "orders-DLQ.fifo"))),
            ("arn:aws:secretsmanager:eu-central-1:1:secret:prod-secret", Some((Kind::Secret, "prod-secret"))),
            ("arn:aws:sns:eu-central-1:1:news", Some((Kind::Subscriptions, "news"))),
            ("arn:aws:lambda:eu-central-1:1:function:hook:live", Some((Kind::Function, "hook"))),
            ("arn:aws:secretsmanager:eu-central-1:1:secret:prod/db-a1B2c3", Some((Kind::Secret, "prod/db"))),
            ("arn:aws:cloudwatch:eu-central-1:1:alarm:web: 5xx", Some((Kind::Alarm, "web: 5xx"))),
            ("arn:aws:cloudformation:eu-central-1:1:stack/web/0a1b", Some((Kind::Stack, "web"))),
            ("arn:aws:dynamodb:eu-central-1:1:table/orders/index/by-day", None),
            ("arn:aws:logs:eu-central-1:1:log-group:/ecs/web:*", Some((Kind::LogGroup, "/ecs/web"))),
            ("arn:aws:events:eu-central-1:1:rule/bus/nightly", Some((Kind::Rule, "bus/nightly"))),
            ("arn:aws:route53:::hostedzone/Z1", Some((Kind::Records, "Z1"))),
            ("arn:aws:scheduler:eu-central-1:1:schedule-group/jobs", Some((Kind::Schedule, "jobs/*"))),
            ("not an arn", None),
            ("", None),
            ("arn:aws:ecs", None),
        ];
        for (arn, expected) in cases {
            let expected = expected.map(|(kind, name)| (kind, name.to_owned()));
            assert_eq!(Kind::of(arn), expected, "{arn}");
        }
    }

    #[test]
    fn an_image_and_a_task_definition_are_remembered_across_deployments() {
        let cases = [
            (Kind::TaskDefinition, "web:42", "task-definition:web"),
            (Kind::Image, "shop/web:1.2", "image:shop/web"),
            (Kind::Image, "shop/web@sha256:0a1b", "image:shop/web"),
            (Kind::Image, "shop/web:1.2@sha256:0a1b", "image:shop/web"),
            (Kind::Image, "shop/web", "image:shop/web"),
            (Kind::Alarm, "web: 5xx", "alarm:web: 5xx"),
            (Kind::Tls, "www.example.com:443", "tls-endpoint:www.example.com:443"),
        ];
        for (kind, name, id) in cases {
            assert_eq!(remembered(kind, name), id);
        }
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.word()), Some(kind));
        }
        let mut words = Kind::ALL.map(Kind::word);
        words.sort_unstable();
        assert_eq!(words, KINDS, "the policy knows them all");
    }
}
