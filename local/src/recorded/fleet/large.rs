//! A fleet by its size alone.

use serde_json::json;

use super::super::{ago, arn};
use super::{Fleet, State};

/// The suffix that Secrets Manager puts after a secret's name in its ARN.
const SUFFIX: &str = "-AbCdEf";

/// How large a fleet is, and who in it uses which secret.
#[derive(Debug, Clone)]
pub struct Size {
    /// Over so many clusters the services are spread: `cluster-1`, `cluster-2`, …
    pub clusters: usize,
    /// So many services: `service-0001`, `service-0002`, …
    pub services: usize,
    /// So many task definitions has the family of each service: `service-0001:1`, …
    pub revisions: usize,
    /// So many of them, the newest, stand in deployments of the service that are not over: at least one.
    pub active: usize,
    /// So many services use the secret, evenly spread.
    pub using: usize,
    /// The name of the secret.
    pub secret: String,
}

impl Default for Size {
    fn default() -> Self {
        Self { clusters: 5, services: 500, revisions: 4, active: 4, using: 50, secret: "prod/db".to_owned() }
    }
}

/// What a fleet by size has.
#[derive(Debug, Clone)]
pub struct Use {
    /// The ARN of the secret.
    pub secret_arn: String,
    /// The services that use it, as `cluster-1/service-0001`.
    pub services: Vec<String>,
}

impl Fleet {
    /// A fleet of this size, and who in it uses the secret. The users name it in turn by its ARN, by its ARN with a key
    /// of its JSON, by its ARN without the random suffix, and for a log driver; every fourth names it only in its oldest
    /// deployment that is not over. The others use a secret with a name that begins like it.
    pub fn of(size: &Size) -> (Self, Use) {
        let mut fleet = Self::new();
        let secret = arn("secretsmanager", &format!("secret:{}", size.secret));
        let mut services = Vec::with_capacity(size.using);
        let (active, revisions) = (size.active.max(1), size.revisions.max(size.active).max(1));
        for nth in 0..size.services {
            let cluster = format!("cluster-{}", nth % size.clusters.max(1) + 1);
            let name = format!("service-{:04}", nth + 1);
            // As many of the first n + 1 as are due, so that they are evenly spread.
            let due = |nth: usize| nth * size.using / size.services.max(1);
            let user = (due(nth + 1) > due(nth)).then_some(services.len());
            fleet = fleet.service(&cluster, &name);
            let oldest = revisions - active + 1;
            for revision in 1..=revisions {
                // A user in four has moved on from the secret, and its oldest tasks have not.
                let named = user.filter(|user| user % 4 != 3 || active == 1 || revision == oldest);
                fleet.state().large(&format!("{name}:{revision}"), named, &secret);
            }
            for revision in oldest..revisions {
                fleet = fleet.lingering(&format!("{name}:{revision}"), 600);
            }
            fleet = fleet.deployed(&format!("{name}:{revisions}"), 300);
            if user.is_some() {
                services.push(format!("{cluster}/{name}"));
            }
        }
        fleet.state().prepare();
        (fleet, Use { secret_arn: format!("{secret}{SUFFIX}"), services })
    }
}

impl State {
    /// A task definition as they are: a few containers' worth of settings, and secrets.
    fn large(&mut self, name: &str, user: Option<usize>, secret: &str) {
        let decoy = format!("{secret}-replica-GhIjKl");
        let mut secrets = vec![json!({"name": "OTHER", "valueFrom": decoy})];
        let mut log = json!({"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/all", "awslogs-region": "eu-central-1"}});
        match user.map(|user| user % 4) {
            None => {}
            Some(3) => {
                log = json!({
                    "logDriver": "awsfirelens",
                    "options": {"Name": "datadog"},
                    "secretOptions": [{"name": "apikey", "valueFrom": format!("{secret}{SUFFIX}")}],
                });
            }
            Some(way) => {
                let from = match way {
                    1 => format!("{secret}{SUFFIX}:password::"),
                    2 => secret.to_owned(),
                    _ => format!("{secret}{SUFFIX}"),
                };
                secrets.push(json!({"name": "DATABASE_URL", "valueFrom": from}));
            }
        }
        let at = ago(60 * 24 * 30);
        let family = name.split(':').next().unwrap_or(name);
        let container = json!({
            "name": "app",
            "image": format!("123456789012.dkr.ecr.eu-central-1.amazonaws.com/{family}:latest"),
            "cpu": 0,
            "essential": true,
            "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}],
            "environment": [{"name": "RAILS_ENV", "value": "production"}, {"name": "PORT", "value": "8080"}],
            "secrets": secrets,
            "logConfiguration": log,
        });
        self.define(name, &json!({"containerDefinitions": [container]}), at);
    }
}
