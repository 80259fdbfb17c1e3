use proptest::prelude::{ProptestConfig, any, proptest};
use serde_norway::{Mapping, Value};
use shared::notice::Fact;
use tiktoken_rs::CoreBPE;

use super::{NAMED, document, write};
use crate::component::Kind;
use crate::decision::Health;
use crate::result::format::{Format, render};
use crate::result::{Checked, Sweep, samples};

/// The share of the pretty JSON's tokens that the YAML may take, in percent.
const SHARE: usize = 20;

/// The text that a scalar was written for.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map(str::to_owned)
        .or_else(|| value.as_i64().map(|number| number.to_string()))
        .unwrap_or_else(|| value.as_f64().unwrap().to_string())
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value.map_or_else(Vec::new, |value| value.as_sequence().unwrap().iter().map(text).collect())
}

fn evidence(value: Option<&Value>) -> Vec<Fact> {
    let empty = Mapping::new();
    let facts = value.map_or(&empty, |value| value.as_mapping().unwrap());
    let mut seen = Vec::new();
    for (name, value) in facts {
        let values = if value.is_sequence() { texts(Some(value)) } else { vec![text(value)] };
        seen.extend(values.into_iter().map(|value| Fact { name: text(name), value }));
    }
    seen
}

/// What the YAML says of all that is not healthy.
fn read(yaml: &str) -> Vec<Checked> {
    let document: Value = serde_norway::from_str(yaml).unwrap();
    let mut read = Vec::new();
    for health in Health::ALL.into_iter().filter(|health| *health != Health::Healthy) {
        for it in document.get(health.word()).and_then(Value::as_sequence).into_iter().flatten() {
            let id = text(it.get("id").unwrap());
            let (kind, name) = id.split_once(':').unwrap();
            read.push(Checked {
                kind: Kind::named(kind).unwrap(),
                name: name.to_owned(),
                arn: it.get("arn").map(text),
                health,
                reason: text(it.get("reason").unwrap()),
                evidence: evidence(it.get("evidence")),
                todo: texts(it.get("todo")),
                since: it.get("since").map(|since| text(since).parse().unwrap()),
                because_of: texts(it.get("because_of")),
                affects: texts(it.get("affects")),
            });
        }
    }
    read
}

/// What the model says of all that is not healthy, in the YAML's order.
fn meant(sweep: &Sweep) -> Vec<Checked> {
    let mut meant: Vec<_> =
        sweep.components.iter().filter(|it| it.health != Health::Healthy).cloned().collect();
    meant.sort_by_key(|it| std::cmp::Reverse(it.health));
    meant
}

#[track_caller]
fn says_every_fact(sweep: &Sweep) {
    let yaml = write(sweep);
    assert_eq!(read(&yaml), meant(sweep), "{yaml}");
}

fn tokens(bpe: &CoreBPE, text: &str) -> usize {
    bpe.encode_ordinary(text).len()
}

#[test]
fn for_a_language_model_the_yaml_costs_a_fifth_of_the_json_and_lacks_no_fact_about_what_is_not_healthy() {
    let bpe = tiktoken_rs::o200k_base().unwrap();
    for many in [60, 1000] {
        let sweep = samples::sweep(many);
        says_every_fact(&sweep);
        let json = tokens(&bpe, &render(&sweep, Format::Json));
        let yaml = tokens(&bpe, &render(&sweep, Format::Yaml));
        assert!(yaml * 100 <= json * SHARE, "of {many}: {yaml} tokens of {json}");
    }
}

#[test]
fn what_is_healthy_is_named_or_counted_by_its_kind() {
    let healthy = |id: String| samples::checked(&id, Health::Healthy, "fine").saw(&[("Status", "ACTIVE")]);
    let mut all: Vec<_> = ["1", "plain", "a, b", "x: y"].map(|name| healthy(format!("alarm:{name}"))).into();
    all.extend((0..=NAMED).map(|n| healthy(format!("sqs-queue:q{n}"))));
    let sweep = samples::of(all);
    let text = document(&sweep, NAMED);
    let document: Value = serde_norway::from_str(&text).unwrap();
    let kinds = document.get("healthy").unwrap();
    assert_eq!(texts(kinds.get("alarm")), ["1", "plain", "a, b", "x: y"]);
    assert_eq!(kinds.get("sqs-queue"), Some(&Value::from(NAMED + 1)));
    assert_eq!(document.get("counts").and_then(|counts| counts.get("healthy")), Some(&Value::from(25)));
    assert_eq!(texts(document.get("incomplete")), sweep.incomplete);
    assert!(!text.contains("ACTIVE"));
}

#[test]
fn where_much_is_wrong_what_is_healthy_is_only_counted() {
    let names = "  kms-key: [orders, billing, catalogue]\n";
    let mut sweep = samples::sweep(60);
    assert!(write(&sweep).contains(names));
    sweep.components.extend(samples::sweep(400).components.into_iter().filter(|it| it.health.is_bad()));
    assert!(!write(&sweep).contains(names) && write(&sweep).contains("  kms-key: 3\n"));
    says_every_fact(&sweep);
}

#[test]
fn it_is_as_it_is_written_here() {
    let web = samples::checked("ecs-service:prod/web", Health::Failed, "0 of 3 tasks run: none is placed")
        .because_of(&["secret:prod/db"])
        .affects(&["load-balancer:web", "alarm:web: 5xx"])
        .saw(&[("Running", "0"), ("Task", "a"), ("Image", "no"), ("Task", "b, c"), ("Version", "1.10")]);
    let sweep = samples::of(vec![
        web,
        samples::checked("budget:month", Health::NotApplicable, "there is none"),
        samples::checked("kms-key:main", Health::Healthy, "it is enabled"),
        samples::checked("kms-key:logs", Health::Healthy, "it is enabled"),
    ]);
    let expected = "\
health: failed
environment: prod
began: 2026-11-26T12:00:00Z
took_ms: 2140
counts: {failed: 1, healthy: 2, not-applicable: 1}
incomplete:
- the deadline came before 2 log groups
failed:
- id: ecs-service:prod/web
  reason: \"0 of 3 tasks run: none is placed\"
  since: 2026-11-26T09:50:00Z
  because_of: [secret:prod/db]
  affects: [load-balancer:web, \"alarm:web: 5xx\"]
  evidence:
    Running: 0
    Task: [a, \"b, c\"]
    Image: \"no\"
    Version: \"1.10\"
not-applicable:
- id: budget:month
  reason: there is none
healthy:
  kms-key: [main, logs]
";
    assert_eq!(document(&sweep, NAMED), expected);
}

#[test]
fn texts_that_yaml_takes_for_something_else_stay_what_they_are() {
    let texts = [
        "",
        " ",
        "~",
        "null",
        "Yes",
        "n",
        "0",
        "007",
        "1.10",
        "87.5",
        "0.001",
        "1e3",
        "0x1F",
        "12:30:45",
        "1_000",
        ".5",
        "2026-11-26",
        "2026-11-26T12:00:00Z",
        "-",
        "- a",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "[a]",
        "{a: b}",
        "a, b",
        "? a",
        "| a",
        "> a",
        "'a'",
        "\"a\"",
        "\\n",
        "a\nb",
        "a\tb",
        "a\r",
        "\u{0}",
        "\u{85}",
        "\u{feff}a",
        "\u{2028}",
        "\u{202e}abc",
        "👩\u{200d}🚒",
        "שלום",
        "٣",
        "---",
        "...",
        "<<",
        "=",
        "9999999999999999999999",
        "12 %",
        "https://a.example/?a=b#c",
        "arn:aws:s3:::b",
        "Infinity",
        "nan",
        "½",
    ];
    let mut all = Vec::new();
    for (place, text) in texts.into_iter().enumerate() {
        let mut it = samples::checked(&format!("alarm:{text}"), Health::Failed, text)
            .because_of(&[text, text])
            .affects(&[text])
            .saw(&[("Name", text), (&format!("{text}{place}"), text)]);
        it.todo = vec![text.to_owned()];
        it.arn = Some(text.to_owned());
        all.push(it);
    }
    let long = "a very long name: ".repeat(200);
    all.push(samples::checked("alarm:long", Health::Unknown, &long).saw(&[(&long, &long), ("After", "1")]));
    says_every_fact(&samples::of(all));
}

#[test]
fn no_kind_is_called_like_a_field() {
    for field in ["id", "reason", "since", "because_of", "affects", "todo", "evidence", "arn"] {
        assert_eq!(Kind::named(field), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_a_text_is_it_is_read_as_it_was(text in any::<String>(), name in "\\PC{0,12}", number in "[0-9.eE:_xo+-]{1,9}") {
        let mut it = samples::checked(&format!("alarm:{text}"), Health::Unknown, &number)
            .because_of(&[&text, &number])
            .affects(&[&name])
            .saw(&[(&format!("{name}."), &text), (&format!("{name}!"), &number)]);
        it.todo = vec![name, text];
        let mut sweep = samples::of(vec![it]);
        sweep.incomplete = vec![number.clone()];
        sweep.environment = number;
        says_every_fact(&sweep);
    }
}
