//! `incident`: what people were last told of a problem, so that its end is told too, and told once.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{Ledger, expiry, get_n, get_s, ms, s};
use crate::Result;
use crate::error::Call;
use crate::notice::State;

const DAYS_KEPT: i64 = 90;

/// What people were last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The incident's key.
    pub key: String,
    /// Where it stands.
    pub state: State,
    /// The revision of the last notice.
    pub revision: u64,
    /// What it is about, in the words of [`crate::target::Target`]; empty where that is not known.
    pub target: String,
    /// The operation that answered it, where there is one.
    pub operation: Option<String>,
    /// When it began.
    pub opened: Timestamp,
}

/// The key of the incident that an alarm is: the same for all that one alarm ever says.
pub fn alarm_key(arn_or_name: &str) -> String {
    format!("alarm:{arn_or_name}")
}

/// The name of the alarm whose incident this is; none for an incident that no alarm opened.
pub fn alarm_name(key: &str) -> Option<&str> {
    let alarm = key.strip_prefix("alarm:")?;
    Some(alarm.split_once(":alarm:").map_or(alarm, |(_, name)| name))
}

impl Ledger {
    /// The incident with this key, if people were told of it.
    ///
    /// # Errors
    /// What `dynamodb:GetItem` answers.
    pub async fn incident(&self, key: &str) -> Result<Option<Incident>> {
        let got = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", s(format!("incident#{key}")))
            .key("sk", s("state"))
            .consistent_read(true)
            .send()
            .await
            .action("dynamodb:GetItem")?;
        Ok(got.item.and_then(|item| {
            let state = match get_s(&item, "state")?.as_str() {
                "firing" => State::Firing,
                "resolved" => State::Resolved,
                _ => State::Info,
            };
            Some(Incident {
                key: key.to_owned(),
                state,
                revision: u64::try_from(get_n(&item, "revision")?).ok()?,
                target: get_s(&item, "target").unwrap_or_default(),
                operation: get_s(&item, "operation"),
                opened: super::get_ms(&item, "opened")?,
            })
        }))
    }

    /// Records what people are told, unless something newer is recorded. Recording the same again is harmless.
    ///
    /// # Errors
    /// What `dynamodb:PutItem` answers, but for a newer record, which stays.
    pub async fn record(&self, incident: &Incident, now: Timestamp) -> Result<()> {
        let revision = AttributeValue::N(incident.revision.to_string());
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(format!("incident#{}", incident.key)))
            .item("sk", s("state"))
            .item("state", s(incident.state.as_str()))
            .item("revision", revision.clone())
            .item("target", s(&incident.target))
            .item("opened", ms(incident.opened))
            .item("expires_at", expiry(now, DAYS_KEPT))
            .condition_expression("attribute_not_exists(pk) OR revision <= :revision")
            .expression_attribute_values(":revision", revision);
        let put = match &incident.operation {
            Some(operation) => put.item("operation", s(operation)),
            None => put,
        };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_older(error.as_service_error()) => Ok(()),
            Err(error) => Err(error).action("dynamodb:PutItem"),
        }
    }
}

fn is_older(error: Option<&PutItemError>) -> bool {
    error.is_some_and(PutItemError::is_conditional_check_failed_exception)
}

#[cfg(test)]
mod tests;
