//! One Lambda alias, as the API has it: with weights, and with a revision id that every change renews. Local AWS has
//! aliases, but changes them whatever the revision id says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use local::proxy::{Answer, Call};
use serde_json::{Map, Value, json};

use crate::world::now;

/// The alias `live` of a function.
#[derive(Clone)]
pub(super) struct AliasDouble {
    state: Arc<Mutex<State>>,
}

struct State {
    function: String,
    version: String,
    weights: Map<String, Value>,
    revision: u32,
    versions: Vec<(String, Timestamp)>,
    /// What somebody does just before the next `UpdateAlias` arrives.
    meanwhile: Option<Map<String, Value>>,
    changes: Vec<Value>,
}

impl AliasDouble {
    /// It points to a version; the others are published an hour apart, and the last one five minutes ago.
    pub(super) fn new(function: &str, versions: &[&str], version: &str) -> Self {
        let published = |age: usize| {
            let hours = i64::try_from(age).unwrap_or_default();
            now() - SignedDuration::from_hours(hours) - SignedDuration::from_mins(5)
        };
        let count = versions.len();
        let versions = versions.iter().enumerate();
        let versions = versions.map(|(nth, version)| ((*version).to_owned(), published(count - 1 - nth)));
        Self {
            state: Arc::new(Mutex::new(State {
                function: function.to_owned(),
                version: version.to_owned(),
                weights: Map::new(),
                revision: 1,
                versions: versions.collect(),
                meanwhile: None,
                changes: Vec::new(),
            })),
        }
    }

    /// This share of the requests goes to another version.
    pub(super) fn weighted(self, version: &str, weight: f64) -> Self {
        self.state().weights.insert(version.to_owned(), json!(weight));
        self
    }

    /// Just before it is changed for the first time, somebody changes the share.
    pub(super) fn reweighted_meanwhile(self, version: &str, weight: f64) -> Self {
        self.state().meanwhile = Some(Map::from_iter([(version.to_owned(), json!(weight))]));
        self
    }

    /// Where it points, and with which weights beside.
    pub(super) fn points(&self) -> (String, Value) {
        let state = self.state();
        (state.version.clone(), Value::Object(state.weights.clone()))
    }

    /// What was sent with the calls that changed it.
    pub(super) fn changes(&self) -> Vec<Value> {
        self.state().changes.clone()
    }

    pub(super) fn answer(&self, call: &Call) -> Option<Answer> {
        let mut state = self.state();
        match call.action.as_str() {
            "lambda:GetAlias" => Some(Answer::json(&state.written())),
            "lambda:ListAliases" => Some(Answer::json(&json!({"Aliases": [state.written()]}))),
            "lambda:ListVersionsByFunction" => Some(Answer::json(&json!({"Versions": state.listed()}))),
            "lambda:UpdateAlias" => Some(state.update(&call.json())),
            action if action.starts_with("lambda:GET /2017-03-31/tags/") => {
                Some(Answer::json(&json!({"Tags": {}})))
            }
            _ => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn written(&self) -> Value {
        let (region, account) = (local::aws::REGION, local::aws::ACCOUNT);
        let mut written = json!({
            "AliasArn": format!("arn:aws:lambda:{region}:{account}:function:{}:live", self.function),
            "Name": "live",
            "FunctionVersion": self.version,
            "Description": "",
            "RevisionId": format!("revision-{}", self.revision),
        });
        if !self.weights.is_empty() {
            written["RoutingConfig"] = json!({"AdditionalVersionWeights": self.weights});
        }
        written
    }

    fn listed(&self) -> Vec<Value> {
        let versions = self.versions.iter();
        versions
            .map(|(version, published)| {
                json!({"FunctionName": self.function, "Version": version, "CodeSha256": format!("code of {version}"),
                    "LastModified": published.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()})
            })
            .collect()
    }

    /// "If the RevisionId you pass doesn't match the latest one, the update fails" (Lambda API, `UpdateAlias`). Weights
    /// that are not named stay.
    fn update(&mut self, sent: &Value) -> Answer {
        if let Some(weights) = self.meanwhile.take() {
            self.weights = weights;
            self.revision += 1;
        }
        if sent["RevisionId"] != format!("revision-{}", self.revision) {
            let message = "The RevisionId provided does not match the latest RevisionId for the alias.";
            return Answer::error(412, "PreconditionFailedException", message);
        }
        if let Some(version) = sent["FunctionVersion"].as_str() {
            version.clone_into(&mut self.version);
        }
        if let Some(weights) = sent["RoutingConfig"]["AdditionalVersionWeights"].as_object() {
            self.weights.clone_from(weights);
        }
        self.revision += 1;
        self.changes.push(sent.clone());
        Answer::json(&self.written())
    }
}
