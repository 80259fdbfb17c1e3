//! How far an operation is that was begun, by what the stack says.

use super::*;

/// By what an operation is done, the stack's status, its own events, and how far the operation is.
type Row = (Means, &'static str, &'static [(i64, &'static str)], &'static str);

#[test]
fn an_operation_stands_where_its_token_or_the_status_says() {
    use Means::{CancelUpdateStack as Cancel, ContinueUpdateRollback as Continue, RollbackStack as Rollback};
    let table: [Row; 17] = [
        (Continue, "UPDATE_ROLLBACK_FAILED", &[(20, "UPDATE_ROLLBACK_FAILED")], "before"),
        (
            Continue,
            "UPDATE_ROLLBACK_FAILED",
            &[(3, "UPDATE_ROLLBACK_FAILED"), (9, "UPDATE_ROLLBACK_IN_PROGRESS")],
            "made",
        ),
        (Continue, "UPDATE_ROLLBACK_IN_PROGRESS", &[], "made"),
        (Continue, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", &[], "made"),
        (Continue, "UPDATE_ROLLBACK_COMPLETE", &[], "made"),
        (Continue, "UPDATE_IN_PROGRESS", &[(3, "UPDATE_IN_PROGRESS")], "overtaken"),
        (
            Continue,
            "UPDATE_ROLLBACK_FAILED",
            &[(1, "UPDATE_ROLLBACK_FAILED"), (3, "UPDATE_IN_PROGRESS")],
            "overtaken",
        ),
        (Continue, "DELETE_IN_PROGRESS", &[], "overtaken"),
        (Cancel, "UPDATE_IN_PROGRESS", &[(20, "UPDATE_IN_PROGRESS")], "before"),
        (Cancel, "UPDATE_IN_PROGRESS", &[(3, "UPDATE_IN_PROGRESS")], "overtaken"),
        (Cancel, "UPDATE_ROLLBACK_IN_PROGRESS", &[(3, "UPDATE_ROLLBACK_IN_PROGRESS")], "made"),
        (Cancel, "UPDATE_ROLLBACK_FAILED", &[(3, "UPDATE_ROLLBACK_FAILED")], "made"),
        (Cancel, "UPDATE_COMPLETE", &[(3, "UPDATE_COMPLETE")], "overtaken"),
        (Rollback, "UPDATE_FAILED", &[(20, "UPDATE_FAILED")], "before"),
        (Rollback, "UPDATE_FAILED", &[(3, "UPDATE_FAILED"), (5, "UPDATE_IN_PROGRESS")], "overtaken"),
        (Rollback, "UPDATE_ROLLBACK_COMPLETE", &[], "made"),
        (Means::UpdateService, "UPDATE_FAILED", &[], "overtaken"),
    ];
    for (means, status, events, expected) in table {
        let mut scene = scene(status, events);
        let operation = operation(means, 10, None);
        let got = match position(&scene, &operation) {
            Position::Before => "before",
            Position::Made => "made",
            Position::Overtaken { running } => {
                assert_eq!(running, status);
                "overtaken"
            }
        };
        assert_eq!(got, expected, "{means:?} in {status} after {events:?}");
        scene
            .events
            .telling
            .push(Event { token: Some(operation.id.clone()), ..own(4, "UPDATE_ROLLBACK_IN_PROGRESS") });
        assert_eq!(position(&scene, &operation), Position::Made, "its token was seen");
    }
    let gone = position(&Scene::default(), &operation(Means::RollbackStack, 10, None));
    assert!(matches!(gone, Position::Overtaken { .. }));
}

#[test]
fn what_was_begun_is_not_attributed_anew() {
    let scene =
        scene("UPDATE_ROLLBACK_FAILED", &[(90, "UPDATE_ROLLBACK_FAILED"), (99, "UPDATE_IN_PROGRESS")]);
    let own = operation(Means::ContinueUpdateRollback, 10, None);
    let rules = &Policy::default();
    let wish = &alarm(1);
    let ask = Ask { wish, own: Some(&own), rules, now: ago(0) };
    assert_eq!(plan(&scene, &Memory::default(), &ask).unwrap().unwrap().act, skip(&[]));
    assert!(matches!(held(&scene, wish, rules), Why::TooOld { .. }));
}
