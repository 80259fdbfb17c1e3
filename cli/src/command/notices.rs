//! `wk incidents`, `wk ack`, `wk silence` and `wk route`.

use serde_json::{Map, Value, json};

use super::{by, each, policy, shown, text};
use crate::Problem;
use crate::args::{Silence, Sketch, Who};
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::{Out, Tone};

pub(super) async fn incidents(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    let answer = reach.ask(Function::Acknowledge, &json!({"incidents": {}})).await?;
    out.answer(&answer, |out| {
        out.line(Tone::Strong, text(&answer, "/reason"));
        let rows: Vec<_> = each(&answer, "/incidents")
            .map(|it| {
                ["/severity", "/started", "/title", "/acknowledged/by", "/incident"]
                    .map(|field| shown(it, field))
                    .into()
            })
            .collect();
        if !rows.is_empty() {
            out.table(&["SEVERITY", "SINCE", "WHAT", "IN HAND", "INCIDENT"], rows);
        }
    });
    Ok(Exit::Good)
}

pub(super) async fn acknowledge(
    reach: &Reach,
    incident: &str,
    who: &Who,
    out: &Out,
) -> Result<Exit, Problem> {
    let asked = json!({"acknowledge": {"incident": incident, "by": by(who)?}});
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
    if asked.matches.is_empty() {
        let answer = reach.ask(Function::NotificationFanout, &json!({"silences": {}})).await?;
        out.answer(&answer, |out| {
            let rows: Vec<_> = [("by hand", "/by_hand"), ("policy", "/of_policy")]
                .into_iter()
                .flat_map(|(of, list)| each(&answer, list).map(move |it| (of, it)))
                .map(|(of, it)| {
                    let mut row = vec![of.to_owned()];
                    row.extend(["/match", "/until", "/author", "/reason"].map(|field| shown(it, field)));
                    row
                })
                .collect();
            if rows.is_empty() {
                out.line(Tone::Plain, "there are no silences");
            } else {
                out.table(&["OF", "WHAT", "UNTIL", "AUTHOR", "REASON"], rows);
            }
        });
        return Ok(Exit::Good);
    }
    let silence = json!({"silence": {"match": pairs(&asked.matches)?, "until": asked.until, "author": by(&asked.who)?,
        "reason": asked.reason}});
    let answer = reach.ask(Function::NotificationFanout, &silence).await?;
    out.answer(&answer, |out| {
        out.line(Tone::Good, &format!("silenced until {}", shown(&answer, "/silence/until")));
        out.fact("id", shown(&answer, "/silence/id"));
    });
    Ok(Exit::Good)
}

pub(super) async fn test(reach: &Reach, asked: &Sketch, out: &Out) -> Result<Exit, Problem> {
    let Sketch { severity, state, source, kind, subject, labels, at, policy } = asked;
    let mut sketch =
        Map::from_iter([("severity".to_owned(), json!(severity)), ("state".to_owned(), json!(state))]);
    for (name, value) in [("source", source), ("kind", kind), ("subject", subject), ("at", at)] {
        sketch.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    if !labels.is_empty() {
        sketch.insert("labels".to_owned(), Value::Object(pairs(labels)?));
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
    Ok(Exit::Good)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::pairs;

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
}
