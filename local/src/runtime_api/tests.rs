use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Event, Function, Outcome};

const BINARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/runtime_api/function.py");

async fn start(env: &[(&str, &str)]) -> anyhow::Result<Function> {
    Function::spawn(Path::new(BINARY), env.iter().copied()).await
}

async fn answer(function: &Function, event: Event) -> Value {
    let outcome = function.invoke(event).await.unwrap().outcome;
    let Outcome::Ok(answer) = outcome else { panic!("{outcome:?}") };
    answer
}

#[tokio::test]
async fn a_function_answers_one_event_after_another_and_is_measured() {
    let function = start(&[]).await.unwrap();
    assert!(function.init() > Duration::ZERO);
    for count in 1..=3 {
        let invoked = function.invoke(Event::new(&json!({"answer": count}))).await.unwrap();
        assert_eq!(invoked.outcome, Outcome::Ok(json!(count)));
        assert!(invoked.handed.is_some() && invoked.took > Duration::ZERO);
    }
    assert!(function.peak_rss().unwrap() > 1024 * 1024);
}

#[tokio::test]
async fn events_that_come_at_once_are_handed_over_in_turn() {
    let function = start(&[]).await.unwrap();
    let (one, two) = tokio::join!(
        answer(&function, Event::new(&json!({"answer": 1}))),
        answer(&function, Event::new(&json!({"answer": 2}))),
    );
    assert_eq!((one, two), (json!(1), json!(2)));
}

#[tokio::test]
async fn a_failure_comes_with_its_type_and_message() {
    let function = start(&[]).await.unwrap();
    let invoked = function.invoke(Event::new(&json!("sing"))).await.unwrap();
    let message = "sing is not understood".to_owned();
    assert_eq!(invoked.outcome, Outcome::Error { kind: "Permanent".to_owned(), message });
    let invoked = function.invoke(Event::raw(*b"{\"no")).await.unwrap();
    assert!(matches!(invoked.outcome, Outcome::Error { kind, .. } if kind == "Event"));
}

#[tokio::test]
async fn the_environment_is_the_platforms_and_what_the_caller_adds_and_nothing_else() {
    let function = start(&[("MODE", "act"), ("AWS_ACCESS_KEY_ID", "AKIA")]).await.unwrap();
    let env = answer(&function, Event::new(&json!("environment"))).await;
    assert_eq!(env["MODE"], "act");
    assert_eq!(env["AWS_ACCESS_KEY_ID"], "AKIA");
    assert_eq!(env["AWS_LAMBDA_FUNCTION_NAME"], "function.py");
    assert_eq!(env["HOME"], Value::Null, "the caller's own environment stays out");
}

#[tokio::test]
async fn the_invocations_id_and_deadline_are_the_callers_choice() {
    let function = start(&[]).await.unwrap();
    let left = answer(&function, Event::new(&json!("left")).timeout(Duration::from_secs(7))).await;
    assert!((6.0..=7.0).contains(&left.as_f64().unwrap()), "{left}");

    let event = Event::new(&json!({"answer": null})).request_id("r-7");
    assert_eq!(function.invoke(event).await.unwrap().request_id, "r-7");
    assert_eq!(function.report("r-7").await.unwrap()["request_id"], "r-7");
}

#[tokio::test]
async fn a_process_that_ends_or_hangs_ends_its_invocation() {
    let function = start(&[]).await.unwrap();
    let invoked = function.invoke(Event::new(&json!("exit"))).await.unwrap();
    assert!(matches!(invoked.outcome, Outcome::Exited(status) if status.code() == Some(3)));
    let invoked = function.invoke(Event::new(&json!({"answer": 1}))).await.unwrap();
    assert!(matches!(invoked.outcome, Outcome::Exited(_)), "it does not come back: {invoked:?}");
    assert_eq!(invoked.handed, None);

    let function = start(&[]).await.unwrap();
    let event = Event::new(&json!("hang")).timeout(Duration::from_millis(50));
    assert_eq!(function.invoke(event).await.unwrap().outcome, Outcome::TimedOut);
}

#[tokio::test]
async fn a_process_can_be_killed_in_the_middle_of_an_invocation() {
    let function = start(&[]).await.unwrap();
    let (invoked, killed) = tokio::join!(function.invoke(Event::new(&json!("hang"))), function.kill());
    assert_eq!(invoked.unwrap().outcome, Outcome::Exited(killed.unwrap()));
}

#[tokio::test]
async fn a_start_that_fails_says_why_with_what_the_process_wrote() {
    let error = start(&[("START", "broken")]).await.unwrap_err().to_string();
    assert!(error.contains("ended at its start (exit status: 1)"), "{error}");
    assert!(error.contains("environment variable LEDGER_TABLE is not set"), "{error}");

    let error = start(&[("START", "refused")]).await.unwrap_err().to_string();
    assert!(error.contains("reported a failed start: Config: no table"), "{error}");

    let error = Function::spawn(Path::new("/nowhere"), [("A", "b")]).await.unwrap_err();
    assert!(format!("{error:#}").contains("cannot start /nowhere"), "{error:#}");
}

#[tokio::test]
async fn no_process_outlives_its_function() {
    let function = start(&[]).await.unwrap();
    let pid = function.pid;
    let mut exit = function.exit.clone();
    drop(function);
    // The keeper drops the watch together with the process.
    assert!(exit.wait_for(Option::is_some).await.is_err());
    let gone =
        || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
    // The kernel ends a process after the signal, not with it.
    let waited = async {
        while !gone() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waited).await.unwrap();
}
