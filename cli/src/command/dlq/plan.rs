//! The plan of a deed with letters, as people read it.

use serde_json::{Value, json};

use crate::command::when::{aged, lasting};
use crate::command::{each, shown, text};
use crate::reach::now;
use crate::say::{Out, Tone};

/// More groups or parts are not listed.
const LISTED: usize = 20;

/// Tells it: all in one line, then group by group, or part by part.
pub(super) fn show(plan: &Value, out: &Out) {
    let tone = if text(plan, "/outcome") == "proposed" { Tone::Strong } else { Tone::Plain };
    out.line(tone, text(plan, "/reason"));
    let groups: Vec<&Value> = each(plan, "/groups").collect();
    let heads = ["GROUP", "LETTERS", "SENT NOW", "LATER", "ARCHIVED", "STAY", "WHAT THEY DIED OF"];
    let fields = ["/group", "/letters", "/send", "/later", "/archive", "/leave", "/line"];
    table(&heads, &fields, &groups, "groups", out);
    for group in groups.iter().take(LISTED) {
        out.fact(text(group, "/group"), becomes(group));
    }
    let parts: Vec<&Value> = each(plan, "/parts").collect();
    let heads = ["PART", "SENT", "RESTORED BEFORE", "OTHER GROUPS", "CANNOT BE SENT"];
    let fields = ["/part", "/send", "/restored_before", "/passed_over", "/cannot"];
    table(&heads, &fields, &parts, "parts", out);
    if plan.get("lost_at").is_some_and(|at| !at.is_null()) {
        out.fact("lost at", aged(plan, "/lost_at", now()));
    }
    for (label, list) in [("not looked at", "/not_looked_at"), ("forgotten", "/forgotten")] {
        for part in each(plan, list).filter_map(Value::as_str) {
            out.fact(label, part);
        }
    }
    for note in ["/notes", "/why"].into_iter().flat_map(|list| each(plan, list)).filter_map(Value::as_str) {
        out.line(Tone::Warm, note);
    }
}

/// What of a plan must not change between a look at it and the deed: what becomes of how many letters. Of a queue that holds
/// more than one look reads, that is the count alone: no two looks see the same letters.
pub(super) fn numbers(plan: &Value) -> Value {
    let of = |it: &Value, fields: &[&str]| -> Vec<Value> {
        fields.iter().map(|field| it.get(field).cloned().unwrap_or_default()).collect()
    };
    if plan.get("whole") == Some(&Value::Bool(false)) {
        return json!(of(plan, &["outcome", "letters"]));
    }
    let all = of(plan, &["outcome", "letters", "send", "later", "archive", "leave"]);
    let group = ["group", "letters", "send", "later", "archive", "leave", "to"];
    let groups: Vec<_> = each(plan, "/groups").map(|it| of(it, &group)).collect();
    let part = ["part", "send", "restored_before", "passed_over", "cannot"];
    let parts: Vec<_> = each(plan, "/parts").map(|it| of(it, &part)).collect();
    json!([all, groups, parts])
}

fn table(heads: &[&str], fields: &[&str], rows: &[&Value], what: &str, out: &Out) {
    if rows.is_empty() {
        return;
    }
    let row = |it: &&Value| fields.iter().map(|field| shown(it, field)).collect();
    out.table(heads, rows.iter().take(LISTED).map(row).collect());
    if let Some(more) = rows.len().checked_sub(LISTED).filter(|more| *more > 0) {
        out.line(Tone::Plain, &format!("and {more} more {what}: --output json has them all"));
    }
}

/// What becomes of a group: where to, in which stages, and why.
fn becomes(group: &Value) -> String {
    let why = text(group, "/why");
    let Some(to) = group.get("to").and_then(Value::as_str) else { return why.to_owned() };
    let to = to.rsplit(':').next().unwrap_or(to);
    let stages: Vec<String> = each(group, "/stages").map(ToString::to_string).collect();
    let patience = group.get("patience_seconds").and_then(Value::as_i64);
    match (stages.as_slice(), patience) {
        ([], _) => format!("to {to}: {why}"),
        ([_], _) | (_, None) => format!("to {to}, {}: {why}", stages.join(", then ")),
        (_, Some(patience)) => {
            format!("to {to}, {}, {} apart at least: {why}", stages.join(", then "), lasting(patience))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{becomes, numbers};

    #[test]
    fn a_plan_is_the_same_while_the_same_becomes_of_as_many() {
        let plan = json!({"outcome": "proposed", "letters": 3, "send": 3, "whole": true,
            "groups": [{"group": "a", "send": 3, "why": "held until 3"}]});
        for (pointer, value, same) in [
            ("/letters", json!(4), false),
            ("/send", json!(2), false),
            ("/groups/0/send", json!(2), false),
            ("/groups", json!([]), false),
            ("/outcome", json!("nothing_to_do"), false),
            ("/groups/0/why", json!("held until 4"), true),
        ] {
            let mut other = plan.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert_eq!(numbers(&plan) == numbers(&other), same, "{pointer}");
        }
        let part = |groups| json!({"outcome": "proposed", "letters": 5000, "whole": false, "groups": groups});
        assert_eq!(numbers(&part(json!([]))), numbers(&part(json!([{"group": "a"}]))));
    }

    #[test]
    fn what_becomes_of_a_group_is_told_with_where_to_and_in_which_stages() {
        let to = "arn:aws:sqs:eu-central-1:1:orders";
        for (group, expected) in [
            (json!({"why": "they are not asked for"}), "they are not asked for"),
            (json!({"why": "they pass", "to": to}), "to orders: they pass"),
            (
                json!({"why": "a few first", "to": to, "stages": [3], "patience_seconds": 300}),
                "to orders, 3: a few first",
            ),
            (
                json!({"why": "a few first", "to": to, "stages": [5, 20, 7], "patience_seconds": 300}),
                "to orders, 5, then 20, then 7, 5 minutes apart at least: a few first",
            ),
        ] {
            assert_eq!(becomes(&group), expected);
        }
    }
}
