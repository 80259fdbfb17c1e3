//! The letters themselves.

use shared::notice::Severity;

use super::*;

#[track_caller]
fn check(facts: &Facts, verdict: &Verdict, expected: &str) {
    assert_eq!(read(&told(facts, verdict)), expected);
}

const SAYS: &str = "CloudWatch says: Threshold Crossed: 7 % is more than 5 %.\n";

#[test]
fn a_rollback_says_what_happened_what_was_done_and_what_is_left() {
    let mut facts = fired(service());
    let Cause::Alarm(change) = &mut facts.cause else { panic!("an alarm") };
    change.description = Some("More than 5 % of answers are errors.".to_owned());
    let mut rollback = of_service();
    rollback.plan.notes = vec!["Not restored: the subnets was a and is b.".to_owned()];
    check(
        &facts,
        &Verdict::RollBack(rollback),
        "SEV-2 firing prod/web rolled back to web:6\n\
         The alarm web 5xx fired soon after web:7 was deployed to prod/web. Set prod/web from web:7 back to web:6.\n\
         Tasks: 2 running of 3 desired\n\
         From: web:7\n\
         To: web:6\n\
         Operation: op-1\n\
         Why this one: high confidence: the deployment in flight began from it\n\
         Note: Not restored: the subnets was a and is b.\n\
         Alarm: web 5xx\n\
         Description: More than 5 % of answers are errors.\n\
         CloudWatch says: Threshold Crossed: 7 % is more than 5 %.\n\
         done: Set prod/web from web:7 back to web:6, 21s after the alarm fired.\n\
         next: Wait for the closing notice: Watchkeeper follows prod/web to the end, and says whether web 5xx went back \
         to OK.\n\
         next: Find out what is wrong with web:7; it is remembered as bad and is not returned to.\n\
         next: To take it back: aws ecs update-service --cluster prod --service web --task-definition web:7\n",
    );
}

#[test]
fn a_proposal_says_how_to_do_it_and_how_to_allow_it() {
    check(
        &fired(service()),
        &propose(of_service(), Withheld::Observe),
        &format!(
            "SEV-2 firing prod/web would be rolled back to web:6\n\
             The alarm web 5xx fired soon after web:7 was deployed to prod/web. Nothing was changed, because Watchkeeper \
             only observes here; otherwise prod/web would be set from web:7 back to web:6.\n\
             Tasks: 2 running of 3 desired\n\
             From: web:7\n\
             To: web:6\n\
             Why this one: high confidence: the deployment in flight began from it\n\
             Alarm: web 5xx\n\
             {SAYS}\
             next: To do it by hand: aws ecs update-service --cluster prod --service web --task-definition web:6\n\
             next: To let Watchkeeper act: set the tag watchkeeper:mode to act on the service prod/web.\n"
        ),
    );
}

#[test]
fn a_stuck_stack_is_told_in_its_own_words() {
    let mut rollback = of_stack(continued(&["Queue"]));
    rollback.plan.basis = Basis::LastStable;
    rollback.plan.notes = vec!["Skipped, because their own rollback failed: Queue (in use).".to_owned()];
    let happened = "The stack billing is in UPDATE_ROLLBACK_FAILED.";
    check(
        &stuck("UPDATE_ROLLBACK_FAILED"),
        &Verdict::RollBack(rollback.clone()),
        &format!(
            "SEV-3 firing Stack billing: its rollback was continued\n\
             {happened} Told CloudFormation to continue the rollback of the stack billing.\n\
             From: UPDATE_ROLLBACK_FAILED\n\
             To: UPDATE_ROLLBACK_COMPLETE\n\
             Operation: op-1\n\
             Why this one: high confidence: AWS goes back to the last stable state itself\n\
             Note: Skipped, because their own rollback failed: Queue (in use).\n\
             Stack: {STACK}\n\
             done: Told CloudFormation to continue the rollback of the stack billing.\n\
             next: Wait for the closing notice: Watchkeeper follows billing to the end.\n"
        ),
    );
    rollback.plan.notes.clear();
    check(
        &stuck("UPDATE_ROLLBACK_FAILED"),
        &propose(rollback, Withheld::Window { name: "sunday".to_owned() }),
        &format!(
            "SEV-2 firing Stack billing: its rollback would be continued\n\
             {happened} Nothing was changed, because it is the maintenance window \"sunday\"; otherwise the rollback of \
             the stack billing would be continued without Queue.\n\
             From: UPDATE_ROLLBACK_FAILED\n\
             To: UPDATE_ROLLBACK_COMPLETE\n\
             Why this one: high confidence: AWS goes back to the last stable state itself\n\
             Stack: {STACK}\n\
             next: To do it by hand: aws cloudformation continue-update-rollback --stack-name billing \
             --resources-to-skip Queue\n"
        ),
    );
}

#[test]
fn what_was_asked_for_names_who_asked() {
    let facts = asked("lambda:checkout:live", Wanted::Previous, service());
    let mut rollback = of_alias();
    rollback.plan.before = json!({"version": "7", "weights": {"8": 0.1}, "revision_id": "r-1"});
    let notice = told(&facts, &Verdict::RollBack(rollback));
    assert_eq!(notice.title, "checkout:live rolled back to version 7");
    assert_eq!(
        notice.summary,
        "ann asked for a rollback. Pointed checkout:live from version 8 back to version 7, for all requests."
    );
    let undo = "To take it back: aws lambda update-alias --function-name checkout --name live --function-version 7 \
                --routing-config AdditionalVersionWeights={8=0.1}";
    assert_eq!(notice.next_steps.last().map(String::as_str), Some(undo));
    assert!(notice.facts.iter().any(|fact| fact.name == "Asked by" && fact.value == "ann"));
}

/// The summary, when an alarm is the cause, of what is done and of what would be done.
#[track_caller]
fn check_summary(rollback: Rollback, done: &str, proposed: &str) {
    let scene = if matches!(rollback.target, Target::Stack { .. }) { billing() } else { service() };
    let facts = fired(scene);
    let proposal = told(&facts, &propose(rollback.clone(), Withheld::Observe)).summary;
    assert_eq!(told(&facts, &Verdict::RollBack(rollback)).summary, done);
    let otherwise = proposal.split_once("; otherwise ").map(|(_, otherwise)| otherwise);
    assert_eq!(otherwise, Some(proposed));
}

#[test]
fn every_act_has_its_own_words() {
    let summaries: [(&str, &str); 12] = [
        (
            "The alarm web 5xx fired soon after web:7 was deployed to prod/web. Set prod/web from web:7 back to web:6.",
            "prod/web would be set from web:7 back to web:6.",
        ),
        (
            "The alarm web 5xx fired, and prod/web was scaled to zero. Scaled prod/web from 0 tasks to 3 tasks.",
            "prod/web would be scaled from 0 tasks to 3 tasks.",
        ),
        (
            "The alarm web 5xx fired while web:7 was being deployed to prod/web. Stopped the deployment of web:7 to \
             prod/web, so that ECS goes back to web:6.",
            "the deployment of web:7 to prod/web would be stopped, so that it goes back to web:6.",
        ),
        (
            "The alarm web 5xx fired soon after web:7 was deployed to prod/web. Set prod/web from web:7 back to web:6.",
            "prod/web would be set from web:7 back to web:6.",
        ),
        (
            "The alarm web 5xx fired soon after web:7 was deployed to prod/web. Told CodeDeploy to deploy web:6 to \
             prod/web in place of web:7.",
            "prod/web would be set from web:7 back to web:6.",
        ),
        (
            "The alarm web 5xx fired while web:7 was being deployed to prod/web. Stopped the deployment of web:7 to \
             prod/web, so that CodeDeploy goes back to web:6.",
            "the deployment of web:7 to prod/web would be stopped, so that it goes back to web:6.",
        ),
        (
            "The alarm web 5xx fired soon after version 8 was deployed to checkout:live. Pointed checkout:live from \
             version 8 back to version 7, for all requests.",
            "checkout:live would be pointed from version 8 back to version 7, for all requests.",
        ),
        (
            "The alarm web 5xx fired while version 8 was being deployed to checkout:live. Stopped the deployment of \
             version 8 to checkout:live, so that CodeDeploy goes back to version 7.",
            "the deployment of version 8 to checkout:live would be stopped, so that it goes back to version 7.",
        ),
        (
            "The alarm web 5xx fired, and the stack billing is in UPDATE_ROLLBACK_FAILED. Cancelled the update of the \
             stack billing, so that CloudFormation rolls it back.",
            "the update of the stack billing would be cancelled, so that it is rolled back.",
        ),
        (
            "The alarm web 5xx fired, and the stack billing is in UPDATE_ROLLBACK_FAILED. Told CloudFormation to \
             continue the rollback of the stack billing.",
            "the rollback of the stack billing would be continued.",
        ),
        (
            "The alarm web 5xx fired, and the stack billing is in UPDATE_ROLLBACK_FAILED. Told CloudFormation to \
             continue the rollback of the stack billing.",
            "the rollback of the stack billing would be continued without Queue, Inner.Table.",
        ),
        (
            "The alarm web 5xx fired, and the stack billing is in UPDATE_ROLLBACK_FAILED. Told CloudFormation to roll \
             the stack billing back to its last stable state.",
            "the stack billing would be rolled back to its last stable state.",
        ),
    ];
    for (rollback, (done, proposed)) in every_act().into_iter().zip(summaries) {
        check_summary(rollback, done, proposed);
    }
}

#[test]
fn every_act_has_its_command_and_a_way_back_where_there_is_one() {
    let request = r#"invoke alarm-rollback with {"rollback": {"target": "ecs:prod/web", "dry_run": false, "confirm": "ROLLBACK"}}"#;
    let stop = "aws deploy stop-deployment --deployment-id d-1 --auto-rollback-enabled";
    let service = "aws ecs update-service --cluster prod --service web";
    let alias = "aws lambda update-alias --function-name checkout --name live --function-version";
    let expected = [
        (format!("{service} --task-definition web:6"), Some(format!("{service} --task-definition web:7"))),
        (format!("{service} --desired-count 3"), Some(format!("{service} --desired-count 0"))),
        (
            "aws ecs stop-service-deployment --service-deployment-arn arn:deployment --stop-type ROLLBACK".to_owned(),
            Some(format!("{service} --task-definition web:7")),
        ),
        (request.to_owned(), Some(format!("{service} --task-definition web:7"))),
        (
            request.to_owned(),
            Some(request.replace(r#""dry_run""#, r#""undo": "op-1", "dry_run""#)),
        ),
        (stop.to_owned(), None),
        (
            format!("{alias} 7 --routing-config AdditionalVersionWeights={{}}"),
            Some(format!("{alias} 8 --routing-config AdditionalVersionWeights={{}}")),
        ),
        (stop.to_owned(), None),
        ("aws cloudformation cancel-update-stack --stack-name billing".to_owned(), None),
        ("aws cloudformation continue-update-rollback --stack-name billing".to_owned(), None),
        (
            "aws cloudformation continue-update-rollback --stack-name billing --resources-to-skip Queue Inner.Table"
                .to_owned(),
            None,
        ),
        ("aws cloudformation rollback-stack --stack-name billing".to_owned(), None),
    ];
    let facts = fired(super::service());
    for (rollback, (command, undo)) in every_act().into_iter().zip(expected) {
        assert_eq!(words::command(&rollback), command);
        let operation = operation_of(&rollback, &facts);
        assert_eq!(words::undo(&rollback.target, &operation), undo, "{command}");
    }
}

#[test]
fn nothing_is_said_twice_in_a_row_left_open_or_too_long_for_a_subject_line() {
    for rollback in every_act() {
        let scene = || if matches!(rollback.target, Target::Stack { .. }) { billing() } else { service() };
        let target = rollback.target.to_string();
        for facts in [fired(scene()), stuck("UPDATE_FAILED"), asked(&target, Wanted::Previous, scene())] {
            for verdict in [Verdict::RollBack(rollback.clone()), propose(rollback.clone(), Withheld::Observe)]
            {
                let notice = told(&facts, &verdict);
                let text = read(&notice);
                let words: Vec<_> = text.split_whitespace().collect();
                let doubled = words.windows(2).find(|pair| pair[0] == pair[1]);
                assert_eq!(doubled, None, "{text}");
                assert!(!text.contains("web:7 tasks") && !text.contains("arn:aws:ecs"), "{text}");
                assert!(notice.summary.ends_with('.') && !notice.summary.contains(".."), "{text}");
                assert!(notice.title.len() < 90, "{}", notice.title);
            }
        }
    }
}

#[test]
fn a_copy_is_told_as_what_it_is_a_copy_of() {
    let mut rollback = of_service();
    rollback.plan.to = td(9);
    rollback.plan.copy_of = Some(td(6));
    let notice = told(&fired(service()), &Verdict::RollBack(rollback));
    assert_eq!(notice.title, "prod/web rolled back to web:9 (a copy of web:6)");
    assert_eq!(
        notice.actions,
        ["Set prod/web from web:7 back to web:9 (a copy of web:6), 21s after the alarm fired."]
    );
}

#[test]
fn what_was_done_by_an_invocation_that_was_cut_off_is_told_like_what_was_done_now() {
    let facts = fired(service());
    let operation = operation_of(&of_service(), &facts);
    let verdict = Verdict::RolledBack { target: "ecs:prod/web".parse().unwrap(), operation };
    let now = read(&told(&facts, &Verdict::RollBack(of_service())));
    let why = "Why this one: high confidence: the deployment in flight began from it\n";
    assert_eq!(read(&told(&facts, &verdict)), now.replace(why, ""));
}

/// Which tags say what, and where the notice says that leave is given.
#[track_caller]
fn check_leave(alarm: Option<&str>, target: Option<&str>, place: &str) {
    let tagged = |mode: &str| tags::Tags::from([(tags::MODE.to_owned(), mode.to_owned())]);
    let mut facts = fired(service());
    facts.alarm = Some(Alarm { state: None, tags: alarm.map(tagged).unwrap_or_default() });
    if let Some(World { scene: facts::Scene::Service(scene), .. }) = &mut facts.world
        && let (Some(service), Some(mode)) = (&mut scene.service, target)
    {
        service.tags = tagged(mode);
    }
    let notice = told(&facts, &propose(of_service(), Withheld::Observe));
    let expected = format!("To let Watchkeeper act: set the tag watchkeeper:mode to act on {place}.");
    assert_eq!(notice.next_steps.last(), Some(&expected));
}

#[test]
fn leave_is_given_where_the_careful_tag_is() {
    check_leave(None, None, "the service prod/web");
    check_leave(Some("act"), Some("observe"), "the service prod/web");
    check_leave(Some("observe"), None, "the alarm");
    check_leave(Some("observe"), Some("act"), "the alarm");
    check_leave(Some("observe"), Some("observe"), "the alarm and on the service prod/web");
}

#[test]
fn too_little_confidence_says_where_the_policy_asks_for_more() {
    use shared::policy::Confidence;
    let withheld = Withheld::Confidence { is: Confidence::Low, least: Confidence::High };
    let notice = told(&fired(service()), &propose(of_service(), withheld));
    assert!(
        notice
            .summary
            .contains("because the confidence is low, and the policy wants at least high; otherwise"),
        "{}",
        notice.summary
    );
    let leave = "To let Watchkeeper act: lower rollback.confidence in the policy.";
    assert_eq!(notice.next_steps.last().map(String::as_str), Some(leave));
}

#[test]
fn doing_nothing_is_told_with_its_reason_and_the_next_step() {
    let target: Target = "ecs:prod/web".parse().unwrap();
    let why = Held::SameCode { rotated: vec!["prod/db".to_owned()], redeployed: None };
    check(
        &fired(service()),
        &Verdict::Hold { target: Some(target), why },
        &format!(
            "SEV-2 firing web 5xx fires; prod/web was left alone\n\
             Nothing was rolled back: the newest deployment runs the same task definition and images as the one before, \
             so its code is not to blame; it is rotation-related: prod/db changed shortly before.\n\
             Tasks: 2 running of 3 desired\n\
             Alarm: web 5xx\n\
             {SAYS}\
             next: Look at the secrets the tasks started with and at what they depend on, not at the code.\n"
        ),
    );
    let mut unknown = fired(service());
    unknown.world = None;
    check(
        &unknown,
        &Verdict::Hold { target: None, why: Held::SetByHand },
        &format!(
            "SEV-4 info web 5xx fires; nothing was done\n\
             Nothing was rolled back: the alarm's state was set by hand, so this counts as a test.\n\
             Alarm: web 5xx\n\
             {SAYS}\
             next: Nothing: the alarm reaches Watchkeeper.\n"
        ),
    );
    let why = Held::Stack(crate::decision::stack::Why::NothingToSkip);
    check(
        &stuck("UPDATE_ROLLBACK_FAILED"),
        &Verdict::Hold { target: "stack:billing".parse().ok(), why },
        &format!(
            "SEV-2 firing The stack billing is in UPDATE_ROLLBACK_FAILED; nothing was done\n\
             Nothing was done: the rollback of the stack was continued once and failed again, and CloudFormation names no \
             resource that failed because of the rollback.\n\
             Stack: {STACK}\n\
             next: Look at the events of the stack and of those nested in it, mend what failed, and continue the \
             rollback.\n"
        ),
    );
}

fn incident(facts: &Facts, target: &str) -> Incident {
    let opened = time("2026-11-20T03:00:00Z");
    Incident {
        key: facts.incident_key(),
        state: State::Firing,
        revision: told(facts, &Verdict::Hold { target: None, why: Held::NoTarget }).revision,
        target: target.to_owned(),
        operation: None,
        opened,
    }
}

#[test]
fn a_recovery_closes_the_same_incident_under_a_higher_revision() {
    let mut facts = fired(service());
    let incident = incident(&facts, "ecs:prod/web");
    let revision = incident.revision;
    let Cause::Alarm(change) = &mut facts.cause else { panic!("an alarm") };
    change.state = AlarmState::Ok;
    change.changed_at = time("2026-11-20T03:06:05Z");
    let notice = told(&facts, &Verdict::Resolve(incident.clone()));
    assert_eq!((notice.state, &notice.incident), (State::Resolved, &incident.key));
    assert!(notice.revision > revision);
    assert_eq!(notice.title, "web 5xx is OK again");
    assert_eq!(notice.summary, "The alarm web 5xx went back to OK after 6m 5s.");
    assert_eq!(notice.subject.id, "prod/web");
}

#[test]
fn a_stack_that_got_well_takes_back_what_was_told_of_it() {
    let mut facts = stuck("UPDATE_ROLLBACK_COMPLETE");
    let incident = incident(&facts, "stack:billing");
    let Cause::Stack(change) = &mut facts.cause else { panic!("a stack") };
    change.at = time("2026-11-20T04:00:00Z");
    let notice = told(&facts, &Verdict::Resolve(incident));
    assert_eq!(notice.title, "Stack billing is in UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(notice.summary, "The stack billing came to UPDATE_ROLLBACK_COMPLETE after 1h.");
}

#[test]
fn a_failure_names_the_missing_action_and_comes_before_what_a_verdict_would_say() {
    let error = Error::Denied { action: "ecs:UpdateService", source: "not authorized".into() };
    let facts = fired(service());
    let notice = failure(&facts, &policy(), &error);
    assert_eq!((notice.severity, &notice.incident), (Severity::Sev1, &facts.incident_key()));
    assert!(notice.revision < told(&facts, &Verdict::RollBack(of_service())).revision);
    let mut again = stuck("UPDATE_ROLLBACK_FAILED");
    let known = incident(&again, "stack:billing");
    again.incident = Some(Some(known.clone()));
    let notice_again = failure(&again, &policy(), &error);
    let verdict = told(&again, &Verdict::Resolve(known.clone()));
    assert!(known.revision < notice_again.revision && notice_again.revision < verdict.revision);
    assert_eq!(
        read(&notice),
        format!(
            "SEV-1 firing web 5xx fires; Watchkeeper could not deal with it\n\
             An error stopped Watchkeeper while it dealt with this. Do not rely on a rollback. Trying again does not mend \
             it.\n\
             Tasks: 2 running of 3 desired\n\
             Error: ecs:UpdateService is denied to this function's role: grant it on the resource named in the cause: not \
             authorized\n\
             Alarm: web 5xx\n\
             {SAYS}\
             next: Look at it now; roll back by hand if its deployment is to blame.\n\
             next: Mend the error; an event that fails for good waits in the queue FailedInvocations.\n"
        )
    );
    let later = Error::Later("the target was changed".to_owned());
    let notice = failure(&stuck("UPDATE_ROLLBACK_FAILED"), &policy(), &later);
    assert!(notice.summary.ends_with("It tries again within minutes, and says so if that works."));
    assert_eq!(notice.next_steps[0], "Look at the stack billing now, and bring it on by hand.");
}

#[test]
fn links_survive_names_with_spaces_and_every_kind_of_target_has_one() {
    let urls = |facts: &Facts, rollback: Rollback| {
        let notice = told(facts, &Verdict::RollBack(rollback));
        notice.links.into_iter().map(|link| link.url).collect::<Vec<_>>()
    };
    let console = "https://eu-west-1.console.aws.amazon.com";
    let alarm = format!("{console}/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/web%205xx");
    assert_eq!(
        urls(&fired(service()), of_service()),
        [format!("{console}/ecs/v2/clusters/prod/services/web/deployments?region=eu-west-1"), alarm.clone()]
    );
    assert_eq!(
        urls(&fired(service()), of_alias()),
        [format!("{console}/lambda/home?region=eu-west-1#/functions/checkout/aliases/live"), alarm]
    );
    assert_eq!(
        urls(&stuck("UPDATE_ROLLBACK_FAILED"), of_stack(Act::RollbackStack)),
        [format!("{console}/cloudformation/home?region=eu-west-1#/stacks?filteringText=billing")]
    );
}

/// Whoever invoked the function by hand reads the answer.
#[track_caller]
fn check_answer(verdict: &Verdict, outcome: &str, reason: &str, keys: &[&str]) {
    let facts = asked("ecs:prod/web", Wanted::At(time("2026-11-19T00:00:00Z")), service());
    let report = report(&facts, &policy(), verdict);
    assert_eq!((report.outcome(), report.reason()), (outcome, reason));
    let answer = report.answer().as_object().unwrap();
    assert_eq!((&answer["outcome"], &answer["reason"]), (&json!(outcome), &json!(reason)));
    let mut further: Vec<_> =
        answer.keys().map(String::as_str).filter(|key| !["outcome", "reason"].contains(key)).collect();
    further.sort_unstable();
    assert_eq!(further, keys);
    if let Some(command) = answer.get("command") {
        let again = r#"{"rollback": {"target": "ecs:prod/web", "at": "2026-11-19T00:00:00Z", "dry_run": false, "confirm": "ROLLBACK"}}"#;
        assert_eq!(command, &json!(format!("invoke alarm-rollback with {again}")));
    }
}

#[test]
fn an_answer_has_what_its_verdict_leaves_to_know() {
    let target: Target = "ecs:prod/web".parse().unwrap();
    let grounds = "(high confidence: the deployment in flight began from it)";
    check_answer(
        &propose(of_service(), Withheld::DryRun),
        "proposed",
        &format!("this is a dry run: prod/web would be set from web:7 back to web:6 {grounds}"),
        &["command", "plan"],
    );
    check_answer(
        &Verdict::RollBack(of_service()),
        "rolled_back",
        &format!("Set prod/web from web:7 back to web:6 {grounds}"),
        &["next_step", "operation", "plan", "undo"],
    );
    let facts = fired(service());
    let operation = operation_of(&of_service(), &facts);
    check_answer(
        &Verdict::RolledBack { target: target.clone(), operation },
        "rolled_back",
        "Set prod/web from web:7 back to web:6, by an invocation that was cut off",
        &["next_step", "operation", "undo"],
    );
    check_answer(
        &Verdict::Hold { target: Some(target.clone()), why: Held::NoService },
        "held",
        "there is no service of that name",
        &["missing", "next_step"],
    );
    check_answer(
        &Verdict::HandOver { target, operation: "op-1".to_owned() },
        "handed_over",
        "the alarm is OK; whether the rollback (operation op-1) is over is looked at now",
        &[],
    );
    check_answer(&Verdict::Resolve(incident(&facts, "ecs:prod/web")), "resolved", "it is over", &[]);
}

#[test]
fn whoever_asks_by_hand_is_told_what_to_do_with_what_they_asked_for() {
    let at = "2026-11-27T12:00:00Z".parse().unwrap();
    let operation = || "op-1".to_owned();
    for (why, is_missing, said) in [
        (Held::NoService, true, "Look at the name"),
        (Held::Alias(crate::decision::alias::Why::Missing), true, "Look at the name"),
        (Held::Stack(crate::decision::stack::Why::Missing), true, "Look at the name"),
        (Held::InProgress { operation: operation(), began: at }, false, "wk audit says how it ended"),
        (Held::Unfinished { operation: operation(), began: at }, false, "wk audit says how it ended"),
        (Held::Cooldown { until: at }, false, "again after 2026-11-27T12:00:00Z"),
        (Held::NotActive, false, "Find out whether this is meant"),
    ] {
        let next = why.next_step_by_hand();
        assert!(next.contains(said), "{why:?}: {next}");
        assert_eq!(why.is_missing(), is_missing, "{why:?}");
    }
}
