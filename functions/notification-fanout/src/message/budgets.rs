//! AWS Budgets: the text that a budget publishes when a threshold is passed.

use serde_json::Value;
use shared::notice::{Link, Notice, Severity, State};

use super::event::{Told, subject};
use super::letter::Letter;

/// What stands behind a name and a colon is shown under the same name.
const SHOWN: [&str; 7] = [
    "Budget Type",
    "Budgeted Amount",
    "Alert Type",
    "Alert Threshold",
    "ACTUAL Amount",
    "FORECASTED Amount",
    "Forecasted Amount",
];

/// A threshold that was passed. Nothing tells when it is not any more, so that it is for the record.
pub(super) fn recognise(content: &Value, letter: &Letter<'_>) -> Option<Notice> {
    let text = content.as_str()?;
    if !text.trim_start().starts_with("AWS Budget Notification") {
        return None;
    }
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(before, _)| before.trim() == name).map(|(_, value)| value.trim());
        values.find(|value| !value.is_empty())
    };
    let name = field("Budget Name")?;
    let account = text.lines().find_map(|line| line.trim().strip_prefix("AWS Account ")).map(str::trim);
    let account = account.filter(|account| account.bytes().all(|byte| byte.is_ascii_digit()));
    let forecast = field("Alert Type").is_some_and(|kind| kind.eq_ignore_ascii_case("FORECASTED"));
    let amount =
        field("ACTUAL Amount").or_else(|| field("FORECASTED Amount")).or_else(|| field("Forecasted Amount"));
    let of = match (amount, field("Budgeted Amount")) {
        (Some(amount), Some(budgeted)) => format!(": {amount} of {budgeted}"),
        (Some(amount), None) => format!(": {amount}"),
        (None, _) => String::new(),
    };
    let said = if forecast { "will pass its threshold, as forecast" } else { "has passed its threshold" };
    let title = format!("The budget {name} {said}{of}");
    let threshold = field("Alert Threshold").unwrap_or_default();
    let kind = if forecast { "forecast" } else { "actual" };
    let incident = format!("budget:{}:{name}:{kind}:{threshold}", account.unwrap_or_default());
    let told = Told {
        incident: &incident,
        state: State::Info,
        severity: if forecast { Severity::Sev4 } else { Severity::Sev3 },
        subject: subject("budget", name, None),
        title: &title,
        time: letter.sent,
    };
    let mut notice = told.notice("budgets", (None, account), letter);
    notice.summary = format!("{title}.");
    for name in SHOWN {
        if let Some(value) = field(name) {
            notice.fact(name, value);
        }
    }
    notice.next_steps.push("Look in Cost Explorer which service the costs come from.".to_owned());
    let url = "https://console.aws.amazon.com/costmanagement/home#/budgets";
    notice.links.push(Link { title: "Budgets".to_owned(), url: url.to_owned() });
    Some(notice)
}
