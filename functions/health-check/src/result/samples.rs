//! Sweeps for tests: small ones made by hand, and large ones that are like those of a real environment.

use jiff::{SignedDuration, Timestamp};
use shared::notice::Fact;

use crate::component::Kind;
use crate::decision::Health;
use crate::result::{Checked, Counts, SCHEMA, Sweep};

const ACCOUNT: &str = "eu-central-1:111122223333";

const NAMES: [&str; 12] = [
    "orders",
    "billing",
    "catalogue",
    "search",
    "accounts",
    "invoices",
    "shipping",
    "reviews",
    "gateway",
    "mailer",
    "reports",
    "stock",
];

/// When the sweeps begin.
pub(crate) fn began() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().unwrap()
}

fn earlier(minutes: i64) -> Timestamp {
    began() - SignedDuration::from_mins(minutes)
}

/// One, by `<kind>:<name>`; what is not healthy is so for 2 hours and 10 minutes.
pub(crate) fn checked(id: &str, health: Health, reason: &str) -> Checked {
    let (kind, name) = id.split_once(':').unwrap();
    Checked {
        kind: Kind::named(kind).unwrap(),
        name: name.to_owned(),
        arn: None,
        health,
        reason: reason.to_owned(),
        evidence: Vec::new(),
        todo: Vec::new(),
        since: (health.is_bad() || health == Health::Unknown).then(|| earlier(130)),
        because_of: Vec::new(),
        affects: Vec::new(),
    }
}

impl Checked {
    pub(crate) fn because_of(mut self, ids: &[&str]) -> Self {
        self.because_of = ids.iter().copied().map(str::to_owned).collect();
        self
    }

    pub(crate) fn affects(mut self, ids: &[&str]) -> Self {
        self.affects = ids.iter().copied().map(str::to_owned).collect();
        self
    }

    pub(crate) fn saw(mut self, facts: &[(&str, &str)]) -> Self {
        let fact =
            |(name, value): &(&str, &str)| Fact { name: (*name).to_owned(), value: (*value).to_owned() };
        self.evidence = facts.iter().map(fact).collect();
        self
    }

    pub(crate) fn todo(mut self, todo: &[&str]) -> Self {
        self.todo = todo.iter().copied().map(str::to_owned).collect();
        self
    }

    fn arn(mut self, arn: &str) -> Self {
        self.arn = (!arn.is_empty()).then(|| arn.to_owned());
        self
    }
}

/// A sweep of these.
pub(crate) fn of(components: Vec<Checked>) -> Sweep {
    let counts = |health| components.iter().filter(|it| it.health == health).count();
    Sweep {
        schema: SCHEMA.to_owned(),
        environment: "prod".to_owned(),
        began: began(),
        took_ms: 2140,
        health: components.iter().map(|it| it.health).max().unwrap_or_default(),
        counts: Counts {
            failed: counts(Health::Failed),
            degraded: counts(Health::Degraded),
            unknown: counts(Health::Unknown),
            healthy: counts(Health::Healthy),
            not_applicable: counts(Health::NotApplicable),
        },
        incomplete: vec!["the deadline came before 2 log groups".to_owned()],
        components,
    }
}

/// A sweep that found nothing at all.
pub(crate) fn empty() -> Sweep {
    Sweep { incomplete: Vec::new(), ..of(Vec::new()) }
}

/// A sweep of so many. Of 60, ten are not healthy; of a thousand, fifty.
pub(crate) fn sweep(many: usize) -> Sweep {
    let rounds = (many / 200).max(1);
    let mut components: Vec<_> = (0..rounds).flat_map(bad).collect();
    components.extend((0..many - components.len()).map(healthy));
    of(components)
}

/// Ten that are not healthy: a cause, what it affects, others, and what could not be asked; and one that is not used.
fn bad(round: usize) -> Vec<Checked> {
    let mut bad = outage(round);
    bad.extend(by_themselves(round));
    bad
}

/// `name` in a round of its own.
fn named(name: &str, round: usize) -> String {
    if round == 0 { name.to_owned() } else { format!("{name}-{round}") }
}

fn arn(rest: &str, name: &str) -> String {
    format!("arn:aws:{rest}{name}").replace('@', ACCOUNT)
}

fn outage(round: usize) -> Vec<Checked> {
    let at = |name: &str| named(name, round);
    let (db, web, api) = (at("prod/db"), at("prod/web"), at("prod/api"));
    let [secret, service, other, balancer, targets] = [
        format!("secret:{db}"),
        format!("ecs-service:{web}"),
        format!("ecs-service:{api}"),
        format!("load-balancer:{}", at("web")),
        format!("target-group:{}", at("web")),
    ];
    vec![
        checked(&secret, Health::Failed, "it is about to be deleted on 2026-12-03")
            .arn(&arn("secretsmanager:@:secret:", &format!("{db}-a1B2c3")))
            .saw(&[
                ("Deleted", "2026-11-26T09:50:11Z"),
                ("Last changed", "2026-08-02"),
                ("Rotation", "every 30 days"),
            ])
            .todo(&["Restore the secret, or have the services that read it use another one."])
            .affects(&[&service, &other, &targets, &balancer]),
        checked(&service, Health::Failed, "0 of 3 tasks run")
            .arn(&arn("ecs:@:service/", &web))
            .saw(&[
                ("Status", "ACTIVE"),
                ("Running", "0 of 3"),
                ("Rollout", "COMPLETED"),
                ("Task definition", "web:42"),
                ("Last event", "(service web) is unable to consistently start tasks successfully."),
            ])
            .todo(&["Look at why its tasks stop: the stopped tasks name the reason."])
            .because_of(&[&secret])
            .affects(&[&targets, &balancer]),
        checked(&other, Health::Degraded, "1 of 2 tasks runs; it has been short of tasks for 2 h")
            .arn(&arn("ecs:@:service/", &api))
            .saw(&[
                ("Status", "ACTIVE"),
                ("Running", "1 of 2"),
                ("Rollout", "COMPLETED"),
                ("Task definition", "api:117"),
            ])
            .todo(&["Look at why its tasks stop: the stopped tasks name the reason."])
            .because_of(&[&secret]),
        checked(&targets, Health::Failed, "none of 3 targets is healthy")
            .arn(&arn("elasticloadbalancing:@:targetgroup/", &format!("{}/943f017f100becff", at("web"))))
            .saw(&[
                ("Healthy", "0 of 3"),
                ("Reason", "Target.Timeout"),
                ("Health check", "HTTP /health on 8080"),
            ])
            .todo(&["Have the service answer its health check."])
            .because_of(&[&secret])
            .affects(&[&balancer]),
        checked(&balancer, Health::Degraded, "9 % of its answers are errors of its own")
            .arn(&arn("elasticloadbalancing:@:loadbalancer/app/", &format!("{}/50dc6c495c0c9188", at("web"))))
            .saw(&[
                ("State", "active"),
                ("5xx of its own", "412 of 4580"),
                ("Scheme", "internet-facing"),
                ("Zones", "3"),
            ])
            .todo(&["Have its targets answer: it has none to send to."])
            .because_of(&[&secret]),
        checked(
            &format!("ecs-stopped-tasks:{web}"),
            Health::Degraded,
            "7 tasks stopped within the last hour",
        )
        .saw(&[
            ("Stopped", "7"),
            ("Code", "TaskFailedToStart"),
            ("Reason", "ResourceInitializationError: unable to pull secrets or registry auth"),
        ])
        .todo(&["Give the execution role access to the secret, or restore it."])
        .because_of(&[&secret]),
    ]
}

fn by_themselves(round: usize) -> Vec<Checked> {
    let at = |name: &str| named(name, round);
    vec![
        checked(
            &format!("dlq:{}", at("orders-dlq")),
            Health::Degraded,
            "12 letters lie in it, the oldest for 3 days",
        )
        .arn(&arn("sqs:@:", &at("orders-dlq")))
        .saw(&[("Letters", "12"), ("Oldest", "3 d 2 h"), ("Kept for", "14 d"), ("Source", "orders")])
        .todo(&["Look at the letters, mend what refuses them, and redrive them."]),
        checked(&format!("certificate:{}", at("shop.example")), Health::Degraded, "it expires in 12 days")
            .arn(&arn("acm:@:certificate/", "3f1c2d7e-8a41-4b9e-9d6c-0f5a7b8c9d0e"))
            .saw(&[
                ("Status", "ISSUED"),
                ("Expires", "2026-12-08"),
                ("Renewal", "PENDING_VALIDATION"),
                ("Domains", "shop.example, www.shop.example"),
            ])
            .todo(&["Put the validation records of ACM into the zone shop.example."]),
        checked(&format!("rds-instance:{}", at("orders")), Health::Degraded, "9 % of its storage is free")
            .arn(&arn("rds:@:db:", &at("orders")))
            .saw(&[
                ("Status", "available"),
                ("Class", "db.r6g.large"),
                ("Free storage", "18 of 200 GiB"),
                ("CPU", "41 %"),
                ("Multi-AZ", "yes"),
            ])
            .todo(&["Give it more storage, or let it grow by itself."]),
        checked(&format!("sqs-queue:{}", at("mails")), Health::Unknown, "sqs:GetQueueAttributes is denied")
            .arn(&arn("sqs:@:", &at("mails")))
            .todo(&["Grant sqs:GetQueueAttributes to the function's role."]),
        checked(&format!("budget:{}", at("month")), Health::NotApplicable, "there is no budget")
            .saw(&[("Budgets", "0")]),
    ]
}

/// Kind, the front of the name, the front of the ARN, reason, evidence.
type Sample =
    (&'static str, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);
const SAMPLES: [Sample; 20] = [
    (
        "ecs-service",
        "prod/",
        "ecs:@:service/prod/",
        "3 of 3 tasks run",
        &[
            ("Status", "ACTIVE"),
            ("Running", "3 of 3"),
            ("Rollout", "COMPLETED"),
            ("Task definition", "worker:17"),
        ],
    ),
    (
        "task-definition",
        "",
        "ecs:@:task-definition/",
        "all that it names is there",
        &[("Status", "ACTIVE"), ("Images", "1"), ("Secrets", "3")],
    ),
    (
        "target-group",
        "",
        "elasticloadbalancing:@:targetgroup/",
        "3 of 3 targets are healthy",
        &[("Healthy", "3 of 3"), ("Health check", "HTTP /health on 8080"), ("Zones", "3")],
    ),
    (
        "image",
        "registry/",
        "",
        "it is there, and its scan found nothing serious",
        &[("Digest", "sha256:9f2c44e1a7b0"), ("Scan", "COMPLETE"), ("Critical", "0"), ("High", "0")],
    ),
    (
        "autoscaling",
        "prod/",
        "",
        "3 tasks, between 2 and 10",
        &[("Least", "2"), ("Most", "10"), ("Now", "3")],
    ),
    (
        "sqs-queue",
        "",
        "sqs:@:",
        "what is sent is received",
        &[
            ("Visible", "4"),
            ("In flight", "2"),
            ("Oldest message", "14 s"),
            ("Dead-letter queue", "after 5 receives"),
        ],
    ),
    ("dlq", "dead-", "sqs:@:", "it is empty", &[("Letters", "0"), ("Kept for", "14 d")]),
    (
        "secret",
        "prod/",
        "secretsmanager:@:secret:prod/",
        "it can be read",
        &[("Last changed", "2026-11-02"), ("Rotation", "every 30 days"), ("Next rotation", "2026-12-02")],
    ),
    ("kms-key", "", "kms:@:key/", "it is enabled", &[("State", "Enabled")]),
    (
        "log-group",
        "/ecs/",
        "logs:@:log-group:/ecs/",
        "it is written to",
        &[("Kept for", "90 d"), ("Last written", "2026-11-26T11:58:40Z"), ("Encryption", "its own key")],
    ),
    (
        "alarm",
        "too many errors of ",
        "cloudwatch:@:alarm:",
        "it is OK",
        &[("State", "OK"), ("Since", "2026-11-21T03:12:44Z"), ("Actions", "enabled")],
    ),
    (
        "s3-bucket",
        "prod-",
        "s3:::prod-",
        "it is private and encrypted",
        &[
            ("Public access", "blocked"),
            ("Encryption", "aws:kms"),
            ("Versioning", "Enabled"),
            ("Replication", "none"),
        ],
    ),
    (
        "lambda-function",
        "",
        "lambda:@:function:",
        "it is active, and nothing it did failed",
        &[
            ("State", "Active"),
            ("Last update", "Successful"),
            ("Errors", "0 of 1204"),
            ("Throttles", "0"),
            ("Runtime", "provided.al2023"),
        ],
    ),
    ("event-source", "on-", "", "it is enabled", &[("State", "Enabled"), ("Last result", "OK")]),
    (
        "dynamodb-table",
        "",
        "dynamodb:@:table/",
        "it is active",
        &[
            ("Status", "ACTIVE"),
            ("Point-in-time recovery", "ENABLED"),
            ("Throttled", "0"),
            ("Deletion protection", "yes"),
        ],
    ),
    (
        "rds-instance",
        "db-",
        "rds:@:db:",
        "it is available",
        &[
            ("Status", "available"),
            ("Class", "db.r6g.large"),
            ("Free storage", "160 of 200 GiB"),
            ("CPU", "12 %"),
            ("Connections", "84"),
            ("Multi-AZ", "yes"),
        ],
    ),
    (
        "backup",
        "db-",
        "",
        "its newest recovery point is 5 h old",
        &[("Newest", "2026-11-26T07:02:10Z"), ("Plan", "daily")],
    ),
    (
        "endpoint",
        "https://shop.example/",
        "",
        "it answers 200 in 84 ms",
        &[("Status", "200"), ("Time", "84 ms"), ("Address", "198.51.100.7")],
    ),
    (
        "stack",
        "",
        "cloudformation:@:stack/",
        "it is UPDATE_COMPLETE",
        &[("Status", "UPDATE_COMPLETE"), ("Drift", "IN_SYNC"), ("Changed", "2026-11-20")],
    ),
    (
        "schedule",
        "jobs/",
        "scheduler:@:schedule/jobs/",
        "it is enabled, and its target is there",
        &[("State", "ENABLED"), ("Expression", "cron(0 3 * * ? *)"), ("Dead-letter queue", "yes")],
    ),
];

/// One that is healthy, of one of twenty kinds.
fn healthy(place: usize) -> Checked {
    let (kind, prefix, arn, reason, facts) = SAMPLES[place % SAMPLES.len()];
    let turn = place / SAMPLES.len();
    let name = match turn / NAMES.len() {
        0 => NAMES[turn].to_owned(),
        again => format!("{}-{again}", NAMES[turn % NAMES.len()]),
    };
    let arn =
        if arn.is_empty() { String::new() } else { format!("arn:aws:{arn}{name}").replace('@', ACCOUNT) };
    checked(&format!("{kind}:{prefix}{name}"), Health::Healthy, reason).arn(&arn).saw(facts)
}
