//! The stack that is deployed: what the functions are given there, `wk` is given too.

use std::collections::BTreeMap;

use aws_sdk_cloudformation as cloudformation;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;

use crate::Problem;

/// Where the value of a function's variable stands in the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The parameter of this name.
    Parameter(&'static str),
    /// The output of this name.
    Output(&'static str),
}

/// Every variable of the functions that `wk` runs itself. The tests hold it against the template.
pub const SETTINGS: [(&str, From); 20] = [
    ("ACKNOWLEDGE_KEY_ARN", From::Output("AcknowledgeKeyArn")),
    ("ACKNOWLEDGE_URL", From::Output("AcknowledgeUrl")),
    ("ARCHIVE_BUCKET", From::Output("ArchiveBucket")),
    ("CHANNELS_SECRET_ARN", From::Parameter("ChannelsSecretArn")),
    ("CLUSTERS", From::Parameter("Clusters")),
    ("DEAD_LETTERS_URL", From::Output("NoticesDeadLettersUrl")),
    ("ENVIRONMENT", From::Parameter("Environment")),
    ("FUNCTIONS", From::Parameter("Functions")),
    ("LEDGER_TABLE", From::Output("LedgerTable")),
    ("MODE", From::Parameter("Mode")),
    ("NOTICES_QUEUE_URL", From::Output("NoticesQueueUrl")),
    ("NOTICES_TOPIC_ARN", From::Output("NoticesTopicArn")),
    ("QUEUES", From::Parameter("DeadLetterQueues")),
    ("REDEPLOYS_QUEUE_URL", From::Output("RedeploysUrl")),
    ("REMINDERS_QUEUE_URL", From::Output("NoticeRemindersUrl")),
    ("SETTLEMENTS_QUEUE_URL", From::Output("SettlementsUrl")),
    ("STACKS", From::Parameter("Stacks")),
    ("STATUS_BUCKET", From::Output("StatusBucket")),
    ("TIMERS_QUEUE_URL", From::Output("TimersUrl")),
    ("TRIAGES_QUEUE_URL", From::Output("TriagesUrl")),
];

/// What makes a stack one of Watchkeeper: outputs that no other stack has together.
const OURS: [&str; 3] = ["LedgerTable", "NoticesTopicArn", "AlarmRollbackFunction"];

/// A deployed stack of Watchkeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// What it watches.
    pub environment: String,
    /// CloudFormation's word for how it stands, such as `UPDATE_COMPLETE`.
    pub status: String,
    parameters: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    /// The stack of an environment; without one, the only one there is.
    ///
    /// # Errors
    /// When CloudFormation does not answer; when there is none, or there are several to choose from.
    pub async fn find(client: &cloudformation::Client, environment: Option<&str>) -> Result<Self, Problem> {
        choose(Self::all(client).await?, environment)
    }

    /// Every stack of Watchkeeper in this account and Region.
    ///
    /// # Errors
    /// When CloudFormation does not answer.
    pub async fn all(client: &cloudformation::Client) -> Result<Vec<Self>, Problem> {
        let mut found = Vec::new();
        let mut pages = client.describe_stacks().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| refused("cloudformation:DescribeStacks", &error))?;
            found.extend(page.stacks.unwrap_or_default().into_iter().filter_map(Self::read));
        }
        Ok(found)
    }

    /// Nothing where it is none of Watchkeeper.
    fn read(stack: cloudformation::types::Stack) -> Option<Self> {
        let parameters: BTreeMap<_, _> = stack
            .parameters
            .unwrap_or_default()
            .into_iter()
            .filter_map(|it| Some((it.parameter_key?, it.parameter_value?)))
            .collect();
        let outputs: BTreeMap<_, _> = stack
            .outputs
            .unwrap_or_default()
            .into_iter()
            .filter_map(|it| Some((it.output_key?, it.output_value?)))
            .collect();
        let ours = OURS.iter().all(|name| outputs.contains_key(*name));
        let environment = parameters.get("Environment").filter(|_| ours)?.clone();
        let status = stack.stack_status.map(|status| status.as_str().to_owned()).unwrap_or_default();
        Some(Self { name: stack.stack_name.unwrap_or_default(), environment, status, parameters, outputs })
    }

    /// Its account and Region, as its topic's ARN names them.
    pub fn place(&self) -> String {
        let topic = self.outputs.get("NoticesTopicArn").map(String::as_str).unwrap_or_default();
        let mut parts = topic.split(':').skip(3);
        let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{account}, {region}")
    }

    /// The value that the functions have in this variable.
    pub fn setting(&self, variable: &str) -> Option<String> {
        let (_, from) = SETTINGS.iter().find(|(name, _)| *name == variable)?;
        match from {
            From::Parameter(name) => self.parameters.get(*name),
            From::Output(name) => self.outputs.get(*name),
        }
        .cloned()
    }

    /// What it was deployed with; nothing where it has no such parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// What this `wk` would find in it, and does not: it is older, or newer.
    pub fn lacks(&self) -> Vec<&'static str> {
        let lacks = |from: &From| match from {
            From::Parameter(name) => (!self.parameters.contains_key(*name)).then_some(*name),
            From::Output(name) => (!self.outputs.contains_key(*name)).then_some(*name),
        };
        SETTINGS.iter().filter_map(|(_, from)| lacks(from)).collect()
    }

    /// An output.
    ///
    /// # Errors
    /// When the stack is older than `wk`.
    pub fn output(&self, name: &str) -> Result<&str, Problem> {
        self.outputs.get(name).map(String::as_str).ok_or_else(|| {
            Problem::new(format!(
                "the stack {} has no output {name}: it is older than this wk. Deploy it anew",
                self.name
            ))
        })
    }
}

fn choose(found: Vec<Stack>, environment: Option<&str>) -> Result<Stack, Problem> {
    let names = |stacks: &[Stack]| {
        let all: Vec<_> = stacks.iter().map(|stack| stack.environment.as_str()).collect();
        all.join(", ")
    };
    let all = names(&found);
    let mut fitting: Vec<_> = found
        .into_iter()
        .filter(|stack| environment.is_none_or(|wanted| stack.environment == wanted))
        .collect();
    match (fitting.pop(), fitting.is_empty(), environment) {
        (Some(stack), true, _) => Ok(stack),
        (Some(_), false, None) => Err(Problem::new(format!(
            "several environments are watched here: {all}. Say which: --env, or WK_ENV"
        ))),
        (Some(last), false, Some(wanted)) => {
            let names: Vec<_> = fitting.iter().chain([&last]).map(|stack| stack.name.as_str()).collect();
            Err(Problem::new(format!("several stacks watch {wanted}: {}; only one may", names.join(", "))))
        }
        (None, _, Some(wanted)) if !all.is_empty() => Err(Problem::new(format!(
            "no stack of Watchkeeper watches {wanted} in this account and Region; there are: {all}"
        ))),
        (None, _, _) => Err(Problem::new(
            "there is no stack of Watchkeeper in this account and Region. Is it the right --profile and --region? \
             The README says how to deploy one"
                .to_owned(),
        )),
    }
}

/// An error with its causes, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !words.ends_with(&said) {
            words = format!("{words}: {said}");
        }
        cause = error.source();
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What AWS said, as somebody at a terminal can use it.
pub(crate) fn refused<E, R>(action: &str, error: &aws_sdk_cloudformation::error::SdkError<E, R>) -> Problem
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error.as_service_error() {
        Some(said) => Problem::new(format!(
            "AWS refused {action}: {}: {}",
            said.code().unwrap_or("unknown"),
            said.message().unwrap_or("it does not say why")
        )),
        None => Problem::new(format!(
            "AWS cannot be asked ({action}): {}. Are there credentials and a Region: --profile, --region, or aws sso login?",
            causes(error)
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Stack, choose};

    fn stack(environment: &str) -> Stack {
        let parameters = BTreeMap::from([("Mode".to_owned(), "observe".to_owned())]);
        let outputs = BTreeMap::from([("TimersUrl".to_owned(), "https://sqs/timers".to_owned())]);
        Stack {
            name: format!("watchkeeper-{environment}"),
            environment: environment.to_owned(),
            status: "UPDATE_COMPLETE".to_owned(),
            parameters,
            outputs,
        }
    }

    #[track_caller]
    fn check(there: &[&str], wanted: Option<&str>, expected: Result<&str, &str>) {
        let chosen = choose(there.iter().map(|name| stack(name)).collect(), wanted);
        match (chosen, expected) {
            (Ok(stack), Ok(environment)) => assert_eq!(stack.environment, environment),
            (Err(problem), Err(said)) => assert!(problem.to_string().contains(said), "{problem}"),
            (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_stack_is_chosen_by_its_environment_and_never_guessed() {
        check(&["prod"], None, Ok("prod"));
        check(&["dev", "prod"], Some("prod"), Ok("prod"));
        check(&["dev", "prod"], None, Err("several environments are watched here: dev, prod. Say which"));
        check(&["dev", "prod"], Some("staging"), Err("no stack of Watchkeeper watches staging"));
        check(
            &["prod", "prod"],
            Some("prod"),
            Err("several stacks watch prod: watchkeeper-prod, watchkeeper-prod; only one may"),
        );
        check(&[], None, Err("there is no stack of Watchkeeper"));
        check(&[], Some("prod"), Err("there is no stack of Watchkeeper"));
    }

    #[test]
    fn what_the_functions_are_given_is_found_and_what_is_missing_is_named() {
        let stack = stack("dev");
        assert_eq!(stack.setting("MODE").as_deref(), Some("observe"));
        assert_eq!(stack.setting("TIMERS_QUEUE_URL").as_deref(), Some("https://sqs/timers"));
        assert_eq!(stack.setting("HOME"), None);
        let lacks = stack.lacks();
        assert!(lacks.contains(&"LedgerTable") && lacks.contains(&"Clusters"), "{lacks:?}");
        assert!(!lacks.contains(&"Mode") && !lacks.contains(&"TimersUrl"), "{lacks:?}");
        let problem = stack.output("LedgerTable").unwrap_err().to_string();
        assert!(problem.contains("has no output LedgerTable"), "{problem}");
    }
}
