//! `wk incidents`, `wk ack`, `wk silence` and `wk route`.

mod words;

use serde_json::{Map, Value, json};

use super::when::at;
use super::{by, each, policy, shown, text};
use crate::Problem;
use crate::args::{Incidents, Silence, Sketch, Who};
use crate::exit::Exit;
use crate::reach::{Function, Reach, now};
use crate::say::{Out, Tone};
pub(super) use words::quoted;
use words::{lasts, matched};

/// So many of the incidents that nobody has in hand are named once more below the table, as they are acknowledged.
const MOST_NAMED: usize = 10;

pub(super) async fn incidents(reach: &Reach, asked: &Incidents, out: &Out) -> Result<Exit, Problem> {
    let since = asked.since.and_then(|back| now().checked_sub(back).ok());
    let listing = match since {
        _ if !asked.over => json!({}),
        None => json!({"over": true}),
        Some(since) => json!({"over": true, "since": since}),
    };
    let answer = reach.ask(Function::Acknowledge, &json!({"incidents": listing})).await?;
    out.answer(&answer, |out| {
        out.line(Tone::Strong, text(&answer, "/reason"));
        let rows: Vec<_> = each(&answer, "/incidents")
            .map(|it| {
                let [severity, title, by, incident] =
                    ["/severity", "/title", "/acknowledged/by", "/incident"].map(|field| shown(it, field));
                vec![severity, at(it, "/started"), title, by, incident]
            })
            .collect();
        if !rows.is_empty() {
            out.table(&["SEVERITY", "SINCE", "WHAT", "IN HAND", "INCIDENT"], rows);
        }
        for line in next_steps(&answer) {
            out.line(Tone::Faint, &line);
        }
        if asked.over {
            over(&answer, out);
        }
    });
    Ok(Exit::Good)
}

fn over(answer: &Value, out: &Out) {
    let rows: Vec<_> = each(answer, "/over")
        .map(|it| {
            let [severity, lasted, title, by, incident] =
                ["/severity", "/lasted", "/title", "/acknowledged/by", "/incident"]
                    .map(|field| shown(it, field));
            vec![severity, at(it, "/since"), lasted, title, by, incident]
        })
        .collect();
    if rows.is_empty() {
        out.line(Tone::Plain, "nothing was over in that time");
        return;
    }
    out.line(Tone::Plain, "");
    out.table(&["SEVERITY", "OVER SINCE", "LASTED", "WHAT", "WAS IN HAND", "INCIDENT"], rows);
    let omitted = answer.pointer("/omitted").and_then(Value::as_u64).unwrap_or_default();
    if omitted > 0 {
        out.line(Tone::Warm, &format!("{omitted} more were over in that time: ask for less with --since"));
    }
}

/// How what nobody has in hand is acknowledged, as a shell takes it: in a table a key may be broken up.
fn next_steps(answer: &Value) -> Vec<String> {
    let open: Vec<_> = each(answer, "/incidents")
        .filter(|it| it.pointer("/acknowledged").is_none_or(Value::is_null))
        .map(|it| format!("  wk ack {}", quoted(text(it, "/incident"))))
        .collect();
    if open.is_empty() {
        return Vec::new();
    }
    let more = open.len().saturating_sub(MOST_NAMED);
    let head = "nobody has these in hand; to take one:".to_owned();
    let tail = (more > 0).then(|| format!("  and {more} more: wk ack <incident>"));
    std::iter::once(head).chain(open.into_iter().take(MOST_NAMED)).chain(tail).collect()
}

pub(super) async fn acknowledge(
    reach: &Reach,
    incident: &str,
    who: &Who,
    out: &Out,
) -> Result<Exit, Problem> {
    let asked = json!({"acknowledge": {"incident": incident, "by": by(who)?}});
    out.begin();
    let answer = reach.ask(Function::Acknowledge, &asked).await?;
    out.answer(&answer, |out| {
        out.line(
            Tone::Plain,
            &format!("{}: {}", text(&answer, "/outcome").replace('_', " "), text(&answer, "/reason")),
        );
    });
    Ok(if text(&answer, "/outcome").contains("acknowledged") { Exit::Good } else { Exit::Errors })
}

pub(super) async fn silence(reach: &Reach, asked: &Silence, out: &Out) -> Result<Exit, Problem> {
    if let Some(id) = &asked.end {
        return unsilence(reach, id, &asked.who, out).await;
    }
    if asked.matches.is_empty() {
        return silences(reach, out).await;
    }
    let now = now();
    let until = asked.until.map(|until| until.from(now)).transpose().map_err(Problem::new)?;
    let silence = json!({"silence": {"match": pairs(&asked.matches)?, "until": until, "author": by(&asked.who)?,
        "reason": asked.reason}});
    out.begin();
    let answer = reach.ask(Function::NotificationFanout, &silence).await?;
    let note = text(&answer, "/note");
    out.answer(&answer, |out| {
        let until = at(&answer, "/silence/until");
        let left = answer.pointer("/silence").map(|it| lasts(it, now)).unwrap_or_default();
        let what = answer.pointer("/silence").map(matched).unwrap_or_default();
        out.line(Tone::Good, &format!("silenced until {until} ({left}): {what}"));
        out.fact("id", shown(&answer, "/silence/id"));
        let count = answer.pointer("/count").and_then(Value::as_u64).unwrap_or_default();
        out.fact("goes on", goes_on(count));
        for it in each(&answer, "/incidents") {
            out.fact(
                "",
                format!("{} {} ({})", text(it, "/severity"), text(it, "/title"), text(it, "/incident")),
            );
        }
        out.fact("to end it", format!("wk silence --end {}", quoted(text(&answer, "/silence/id"))));
        if !note.is_empty() {
            out.line(Tone::Warm, &format!("note: {note}"));
        }
    });
    Ok(if note.is_empty() { Exit::Good } else { Exit::Warnings })
}

/// How much of what goes on is silenced.
fn goes_on(count: u64) -> String {
    match count {
        0 => "nothing that goes on now matches".to_owned(),
        1 => "one incident that goes on now is silenced".to_owned(),
        several => format!("{several} incidents that go on now are silenced"),
    }
}

async fn unsilence(reach: &Reach, id: &str, who: &Who, out: &Out) -> Result<Exit, Problem> {
    let asked = json!({"unsilence": {"id": id, "by": by(who)?}});
    out.begin();
    let answer = reach.ask(Function::NotificationFanout, &asked).await?;
    out.answer(&answer, |out| {
        let tone = if text(&answer, "/outcome") == "ended" { Tone::Good } else { Tone::Plain };
        out.line(tone, &format!("{}: {}", text(&answer, "/outcome"), text(&answer, "/reason")));
    });
    Ok(Exit::Good)
}

async fn silences(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    let answer = reach.ask(Function::NotificationFanout, &json!({"silences": {}})).await?;
    let now = now();
    out.answer(&answer, |out| {
        let rows: Vec<_> = ["/by_hand", "/of_policy"]
            .into_iter()
            .flat_map(|list| each(&answer, list))
            .map(|it| {
                let [id, author, reason] = ["/id", "/author", "/reason"].map(|field| shown(it, field));
                vec![id, matched(it), at(it, "/until"), lasts(it, now), author, reason]
            })
            .collect();
        if rows.is_empty() {
            out.line(Tone::Plain, "there are no silences");
            return;
        }
        out.table(&["ID", "WHAT", "UNTIL", "STILL", "AUTHOR", "REASON"], rows);
        if each(&answer, "/by_hand").next().is_some() {
            out.line(Tone::Faint, "to end one: wk silence --end <ID>");
        }
        if each(&answer, "/of_policy").next().is_some() {
            out.line(Tone::Faint, "those of the policy are ended there, in notify.silences");
        }
    });
    Ok(Exit::Good)
}

pub(super) async fn test(reach: &Reach, asked: &Sketch, out: &Out) -> Result<Exit, Problem> {
    let Sketch { severity, state, source, kind, subject, labels, at, policy } = asked;
    let mut sketch =
        Map::from_iter([("severity".to_owned(), json!(severity)), ("state".to_owned(), json!(state))]);
    for (name, value) in [("source", source), ("kind", kind), ("subject", subject)] {
        sketch.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    if let Some(at) = at {
        sketch.insert("at".to_owned(), json!(at.from(now()).map_err(Problem::new)?));
    }
    if !labels.is_empty() {
        sketch.insert("labels".to_owned(), Value::Object(once_each(labels)?));
    }
    if let Some(file) = policy {
        sketch.insert("policy".to_owned(), json!(policy::read(file)?));
    }
    let answer = reach.ask(Function::NotificationFanout, &json!({"explain": sketch})).await?;
    out.answer(&answer, |out| {
        for line in each(&answer, "/lines").filter_map(Value::as_str) {
            out.line(Tone::Plain, line);
        }
        for unknown in each(&answer, "/unknown").filter_map(Value::as_str) {
            out.line(
                Tone::Bad,
                &format!("the policy names {unknown}, which the channels secret does not have"),
            );
        }
        if answer.pointer("/policy/problem").is_some_and(|it| !it.is_null()) {
            out.line(Tone::Bad, &shown(&answer, "/policy/problem"));
        }
    });
    Ok(tested(&answer))
}

/// Whether people would hear of it, as far as the policy and the channels can be used.
fn tested(answer: &Value) -> Exit {
    let is_told = |it: &Value| matches!(text(it, "/would"), "tell" | "hold");
    let is_broken = |it: &Value| text(it, "/why").starts_with("the channel cannot be used");
    if answer.pointer("/policy/problem").is_some_and(|it| !it.is_null()) {
        Exit::Unable
    } else if each(answer, "/unknown").next().is_some()
        || each(answer, "/channels").any(is_broken)
        || !each(answer, "/channels").any(is_told)
    {
        Exit::Warnings
    } else {
        Exit::Good
    }
}

/// `name=value` of each; a name that comes twice has several.
fn pairs(all: &[String]) -> Result<Map<String, Value>, Problem> {
    let mut pairs = Map::new();
    for pair in all {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Problem::new(format!("{pair} is not of the form name=value, such as service=web")));
        };
        match pairs.get_mut(name) {
            None => {
                pairs.insert(name.to_owned(), json!(value));
            }
            Some(Value::Array(several)) => several.push(json!(value)),
            Some(one) => *one = json!([one.clone(), value]),
        }
    }
    Ok(pairs)
}

/// The same of what a notice has: of each name one.
fn once_each(all: &[String]) -> Result<Map<String, Value>, Problem> {
    let pairs = pairs(all)?;
    match pairs.iter().find(|(_, value)| value.is_array()) {
        Some((name, _)) => Err(Problem::new(format!("a notice has one label {name}: give it once"))),
        None => Ok(pairs),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{next_steps, once_each, pairs, tested};
    use crate::exit::Exit;

    #[track_caller]
    fn check(all: &[&str], expected: Result<Value, &str>) {
        let all: Vec<_> = all.iter().map(|pair| (*pair).to_owned()).collect();
        match (pairs(&all), expected) {
            (Ok(pairs), Ok(expected)) => assert_eq!(Value::Object(pairs), expected),
            (Err(problem), Err(said)) => assert!(problem.to_string().contains(said), "{problem}"),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn what_is_matched_is_read_pair_by_pair() {
        check(&["service=web", "source=rds"], Ok(json!({"service": "web", "source": "rds"})));
        check(&["source=rds", "source=cloudwatch"], Ok(json!({"source": ["rds", "cloudwatch"]})));
        check(&["subject=a=b"], Ok(json!({"subject": "a=b"})));
        check(&["web"], Err("web is not of the form name=value"));
        check(&["=web"], Err("=web is not of the form"));
    }
    #[test]
    fn a_label_of_a_notice_is_given_once() {
        let labels = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert!(once_each(&labels(&["service=web", "team=shop"])).is_ok());
        let twice = once_each(&labels(&["service=web", "service=api"])).unwrap_err().to_string();
        assert_eq!(twice, "a notice has one label service: give it once");
    }

    #[test]
    fn whether_somebody_would_be_told_is_the_exit() {
        let told = json!({"would": "tell", "why": "by itself, at once"});
        let waits = json!({"would": "hold", "why": "a maintenance window"});
        let dropped = json!({"would": "drop", "why": "a silence"});
        let broken = json!({"would": "drop", "why": "the channel cannot be used: url is no address"});
        for (problem, channels, unknown, expected) in [
            (None, json!([told, dropped]), json!([]), Exit::Good),
            (None, json!([waits]), json!([]), Exit::Good),
            (None, json!([dropped]), json!([]), Exit::Warnings),
            (None, json!([]), json!([]), Exit::Warnings),
            (None, json!([told, broken]), json!([]), Exit::Warnings),
            (None, json!([told]), json!(["pager"]), Exit::Warnings),
            (Some("line 3"), json!([told]), json!([]), Exit::Unable),
        ] {
            let answer = json!({"policy": {"problem": problem}, "channels": channels, "unknown": unknown});
            assert_eq!(tested(&answer), expected, "{answer}");
        }
    }

    #[test]
    fn what_nobody_has_in_hand_is_named_as_it_is_acknowledged() {
        let open = |key: &str| json!({"incident": key, "acknowledged": null});
        let held = json!({"incident": "held", "acknowledged": {"by": "ann"}});
        assert!(next_steps(&json!({"incidents": [held]})).is_empty());
        let steps = next_steps(&json!({"incidents": [open("alarm:a b"), held, open("c")]}));
        assert_eq!(steps, ["nobody has these in hand; to take one:", "  wk ack 'alarm:a b'", "  wk ack c"]);
        let many: Vec<_> = (0..12).map(|number| open(&number.to_string())).collect();
        let steps = next_steps(&json!({"incidents": many}));
        assert_eq!((steps.len(), steps.last().unwrap().as_str()), (12, "  and 2 more: wk ack <incident>"));
    }
}
