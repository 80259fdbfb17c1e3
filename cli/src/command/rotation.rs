//! `wk secrets rotation`.

use serde_json::{Value, json};

use super::checks::sweep;
use super::{each, shown, text};
use crate::Problem;
use crate::exit::Exit;
use crate::reach::Reach;
use crate::say::{Out, Tone};

pub(super) async fn run(reach: &Reach, out: &Out) -> Result<Exit, Problem> {
    out.note("Looking at every secret of the environment …");
    let sweep = sweep(reach, &["secret"]).await?;
    let secrets: Vec<_> = each(&sweep, "/components").map(secret).collect();
    let answer = json!({"environment": reach.stack.environment, "secrets": secrets, "incomplete": sweep.get("incomplete")});
    out.answer(&answer, |out| {
        let fields = ["/secret", "/last", "/next", "/is", "/why"];
        let rows: Vec<Vec<String>> =
            secrets.iter().map(|it| fields.map(|field| shown(it, field)).into()).collect();
        if rows.is_empty() {
            out.line(Tone::Plain, "no secret bears the environment's tag, and no service of it uses one");
        } else {
            out.table(&["SECRET", "LAST ROTATED", "NEXT", "IS", "WHY"], rows);
        }
        for line in each(&sweep, "/incomplete").filter_map(Value::as_str) {
            out.line(Tone::Warm, line);
        }
    });
    let any = |health: &str| each(&sweep, "/components").any(|it| text(it, "/health") == health);
    let partly = each(&sweep, "/incomplete").next().is_some() || any("degraded") || any("unknown");
    Ok(match (any("failed"), partly) {
        (true, _) => Exit::Errors,
        (false, true) => Exit::Warnings,
        (false, false) => Exit::Good,
    })
}

/// What is known of the rotation of one.
fn secret(it: &Value) -> Value {
    let seen = |name: &str| {
        let mut evidence = each(it, "/evidence").filter(|fact| text(fact, "/name") == name);
        evidence.next().and_then(|fact| fact.get("value")).filter(|value| **value != json!("")).cloned()
    };
    let next = seen("Next rotation").or_else(|| seen("Rotation"));
    json!({"secret": it.get("name"), "arn": it.get("arn"), "last": seen("Last rotated"), "next": next,
        "is": it.get("health"), "why": it.get("reason")})
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::secret;

    #[test]
    fn what_health_check_says_of_a_secret_is_its_rotation() {
        let of = |evidence: Value| {
            secret(&json!({"kind": "secret", "name": "prod/db", "health": "degraded",
                "reason": "its rotation is overdue", "evidence": evidence}))
        };
        let rotating = of(json!([
            {"name": "Last rotated", "value": "2026-10-26T00:00:00Z"},
            {"name": "Next rotation", "value": "2026-11-25T00:00:00Z"},
        ]));
        assert_eq!(rotating["last"], "2026-10-26T00:00:00Z");
        assert_eq!(rotating["next"], "2026-11-25T00:00:00Z");
        assert_eq!(
            (&rotating["is"], &rotating["why"]),
            (&json!("degraded"), &json!("its rotation is overdue"))
        );
        let never = of(json!([{"name": "Last rotated", "value": ""}, {"name": "Rotation", "value": "off"}]));
        assert_eq!((&never["last"], &never["next"]), (&Value::Null, &json!("off")));
    }
}
