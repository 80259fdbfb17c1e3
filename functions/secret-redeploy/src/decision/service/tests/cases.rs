//! The cases, by the rule that each shows.

use super::*;
use crate::cases::{NEW, OLD, tag};

type Rule = (&'static str, Vec<(&'static str, Truth)>);

fn with(name: &'static str, change: impl FnOnce(&mut Truth)) -> (&'static str, Truth) {
    let mut truth = truth();
    change(&mut truth);
    (name, truth)
}

fn tagged(name: &'static str, text: &str) -> (&'static str, Truth) {
    with(name, |truth| truth.web().tags = tag(text))
}

fn using(name: &'static str, text: &str, uses: &[(Place, &str)]) -> (&'static str, Truth) {
    with(name, |truth| {
        truth.web().tags = tag(text);
        truth.uses = Some(uses.iter().map(|(place, wanted)| used(*place, wanted)).collect());
    })
}

/// CodeDeploy deploys it, and its one task set is of the day before.
pub(super) fn by_code_deploy(truth: &mut Truth) {
    let web = truth.web();
    web.controller = Controller::CodeDeploy;
    web.deployments.clear();
    web.task_sets = vec![set("set", -1_440)];
    truth.group = Some(group());
}

fn set(id: &str, minutes: i64) -> TaskSet {
    TaskSet {
        id: format!("ecs-svc/{id}"),
        primary: true,
        task_definition: td("web", 7),
        created_at: Some(at(minutes)),
        steady: true,
    }
}

fn group() -> Group {
    Group { application: "shop".to_owned(), name: "web".to_owned(), under_way: None, specification: None }
}

fn code_deploy(name: &'static str, change: impl FnOnce(&mut Truth)) -> (&'static str, Truth) {
    with(name, |truth| {
        by_code_deploy(truth);
        change(truth);
    })
}

fn own(name: &'static str, own: Operation) -> (&'static str, Truth) {
    with(name, |truth| truth.memory.redeploys = vec![own])
}

fn ended(end: End, said: Option<&str>) -> Operation {
    Operation { end: Some(end), said: said.map(ToOwned::to_owned), ..operation() }
}

fn newest(name: &'static str, rollout: Option<Rollout>, minutes: i64) -> (&'static str, Truth) {
    with(name, |truth| truth.web().deployments = vec![deployment("2", rollout, minutes)])
}

fn older(id: &str, rollout: Option<Rollout>, minutes: i64) -> Deployment {
    Deployment { primary: false, ..deployment(id, rollout, minutes) }
}

fn rollback() -> Operation {
    Operation { id: "op-9".to_owned(), means: Means::UpdateService, redeploy: None, ..operation() }
}

fn lease(owner: &str, minutes: i64) -> Lease {
    Lease { owner: owner.to_owned(), until: at(minutes) }
}

fn images(name: &'static str, tags: &str, rules: &str, names: Names) -> (&'static str, Truth) {
    with(name, |truth| {
        truth.images = vec![image(names)];
        truth.web().tags = tag(tags);
        truth.policy = with_rules(rules);
    })
}

fn moved() -> Names {
    Names::Digest("sha256:bbbb".to_owned())
}

fn modes(name: &'static str, mode: Mode, secret: &str, service: &str) -> (&'static str, Truth) {
    with(name, |truth| {
        truth.policy.mode = mode;
        truth.secret = tag(secret);
        truth.web().tags = tag(service);
    })
}

pub(super) fn table() -> Vec<Rule> {
    [
        who(),
        uses(),
        what(),
        operations(),
        deployments(),
        tasks(),
        waits(),
        groups(),
        pins(),
        allowed(),
        notes(),
    ]
    .concat()
}

fn who() -> Vec<Rule> {
    vec![
        (
            "a service that runs with the version before is redeployed",
            vec![("tasks of the day before", truth())],
        ),
        (
            "what is gone is gone",
            vec![
                with("not described", |truth| truth.service = None),
                with("being deleted", |truth| truth.web().active = false),
            ],
        ),
        (
            "what belongs to others, or is taken out, is left alone",
            vec![
                tagged("another environment", "environment=dev"),
                tagged("its own environment", "environment=test"),
                tagged("opted out", "redeploy=off"),
                tagged("a tag that cannot be read", "redeploy=no"),
                tagged("the canary", "redeploy=first"),
                tagged("off", "mode=off"),
                with("the secret is off", |truth| truth.secret = tag("mode=off")),
                with("off for all", |truth| truth.policy.mode = Mode::Off),
                tagged("its environment counts before its own wish", "environment=dev redeploy=off mode=off"),
                tagged("its wish counts before its mode", "redeploy=off mode=off"),
            ],
        ),
    ]
}

fn uses() -> Vec<Rule> {
    use Place::{Environment, Log, Registry, Secret, ServiceConnect, Volume};
    let one = |name, place| using(name, "", &[(place, "AWSCURRENT")]);
    vec![
        (
            "who reads the label when a task starts follows it, wherever that stands",
            vec![
                one("log options", Log),
                one("a volume", Volume),
                one("the proxy of Service Connect", ServiceConnect),
                with("judged before", |truth| truth.uses = None),
            ],
        ),
        (
            "a version that is pinned is not changed by any redeploy",
            vec![
                using("by its id", "", &[(Secret, OLD)]),
                using("the newest, by its id", "", &[(Secret, NEW)]),
                using("beside the label", "", &[(Secret, OLD), (Log, "AWSCURRENT")]),
                using("beside registry credentials", "", &[(Registry, "AWSCURRENT"), (Secret, OLD)]),
                using("in the environment", "", &[(Environment, OLD)]),
                using("in the environment, on", "redeploy=on", &[(Environment, OLD)]),
            ],
        ),
        (
            "who reads the secret by itself is redeployed where its tag says so",
            vec![
                one("without the tag", Environment),
                using("on", "redeploy=on", &[(Environment, "AWSCURRENT")]),
                using("first", "redeploy=first", &[(Environment, "AWSCURRENT")]),
                using("beside another reference", "", &[(Environment, "AWSCURRENT"), (Secret, "AWSCURRENT")]),
            ],
        ),
        (
            "who only pulls with it needs nothing",
            vec![
                one("registry credentials", Registry),
                using("on", "redeploy=on", &[(Registry, "AWSCURRENT")]),
                using("beside another reference", "", &[(Registry, "AWSCURRENT"), (Secret, "AWSCURRENT")]),
            ],
        ),
        (
            "only the label that moved counts, and AWSPREVIOUS moves with AWSCURRENT",
            vec![
                using("another label", "", &[(Secret, "BLUE")]),
                using("AWSPREVIOUS", "", &[(Secret, "AWSPREVIOUS")]),
                with("AWSCURRENT, when another moved", |truth| truth.redeploy.label = "BLUE".to_owned()),
                with("AWSPREVIOUS, when another moved", |truth| {
                    truth.redeploy.label = "BLUE".to_owned();
                    truth.uses = Some(vec![used(Secret, "AWSPREVIOUS")]);
                }),
                with("the other, when it moved", |truth| {
                    truth.redeploy.label = "BLUE".to_owned();
                    truth.uses = Some(vec![used(Secret, "BLUE")]);
                }),
            ],
        ),
    ]
}

fn what() -> Vec<Rule> {
    let daemon = |name, text: &str| {
        with(name, |truth| {
            (truth.web().daemon, truth.web().tags) = (true, tag(text));
            truth.web().maximum_percent = Some(100);
        })
    };
    vec![
        (
            "what runs nothing, and what others deploy, is left alone",
            vec![
                with("scaled to zero", |truth| (truth.web().desired, truth.web().running) = (0, 0)),
                with("about to be scaled to zero", |truth| truth.web().desired = 0),
                with("about to be started", |truth| (truth.web().running, truth.tasks) = (0, Vec::new())),
                with("an external controller", |truth| truth.web().controller = Controller::External),
                with("an external controller, on", |truth| {
                    (truth.web().controller, truth.web().tags) = (Controller::External, tag("redeploy=on"));
                }),
            ],
        ),
        (
            "a daemon is redeployed where its tag says so",
            vec![
                daemon("without the tag", ""),
                daemon("first", "redeploy=first"),
                daemon("on", "redeploy=on"),
            ],
        ),
    ]
}

fn operations() -> Vec<Rule> {
    vec![(
        "what this redeploy has begun is gone on with",
        vec![
            own("failed", ended(End::Failed, Some("its tasks do not start: password authentication failed"))),
            own("failed, and nobody said why", ended(End::Failed, None)),
            own("refused", ended(End::Refused, Some("ecs:UpdateService is denied"))),
            own("unhealed, which no redeploy becomes", ended(End::Unhealed, Some("it was not healed"))),
            own("under way", operation()),
            own("under way, past its deadline", Operation { deadline: at(2), ..operation() }),
            own("begun, and not made", Operation { deployment: None, ..operation() }),
            with("begun, not made, and its lease stands", |truth| {
                truth.memory.redeploys = vec![Operation { deployment: None, ..operation() }];
                truth.memory.redeploying = Some(lease("op-1", 16));
            }),
            with("made, and not recorded", |truth| {
                truth.memory.redeploys = vec![Operation { deployment: None, ..operation() }];
                truth.memory.redeploying = Some(lease("op-1", 16));
                truth.web().deployments = vec![
                    deployment("2", Some(Rollout::InProgress), 1),
                    older("1", Some(Rollout::Completed), -1_440),
                ];
            }),
            own("superseded by a deployment that is older than the move", ended(End::Superseded, None)),
            with("superseded three times", |truth| {
                let again = |id: &str, said| Operation { id: id.to_owned(), ..ended(End::Superseded, said) };
                truth.memory.redeploys =
                    vec![again("op-3", Some("another deployment")), again("op-2", None), again("op-1", None)];
            }),
            with("superseded by a deployment that is younger", |truth| {
                truth.memory.redeploys = vec![ended(End::Superseded, None)];
                truth.web().deployments = vec![deployment("3", Some(Rollout::Completed), 3)];
                truth.tasks = vec![task(4)];
            }),
            own("done, and tasks with the old version are left", ended(End::Recovered, None)),
            with("done, and all have the new version", |truth| {
                truth.memory.redeploys = vec![ended(End::Recovered, None)];
                truth.web().deployments = vec![deployment("2", Some(Rollout::Completed), 1)];
            }),
            own(
                "another redeploy failed",
                Operation { redeploy: Some("redeploy-0".to_owned()), ..ended(End::Failed, Some("other")) },
            ),
            with("the newest counts", |truth| {
                truth.memory.redeploys =
                    vec![ended(End::Failed, Some("the second")), ended(End::Superseded, Some("the first"))];
            }),
        ],
    )]
}

fn deployments() -> Vec<Rule> {
    vec![
        (
            "a deployment that began after the move brings the new version",
            vec![
                with("completed", |truth| {
                    truth.web().deployments = vec![deployment("2", Some(Rollout::Completed), 1)];
                    truth.tasks = vec![task(2)];
                }),
                with("completed, for another secret", |truth| {
                    truth.web().deployments = vec![deployment("2", Some(Rollout::Completed), 1)];
                    truth.memory.redeploys = vec![Operation {
                        id: "op-0".to_owned(),
                        redeploy: Some("redeploy-0".to_owned()),
                        ..ended(End::Recovered, None)
                    }];
                }),
                newest("completed, by taking another one back", Some(Rollout::Completed), 1),
                newest("under way", Some(Rollout::InProgress), 1),
                newest("completed, at the moment of the move", Some(Rollout::Completed), 0),
                newest("failed, and not taken back", Some(Rollout::Failed), 1),
                with("failed, and not taken back for a day", |truth| {
                    truth.web().deployments = vec![deployment("2", Some(Rollout::Failed), 1)];
                    truth.waits_since = Some(at(5 - 24 * 60));
                }),
                with("nothing said, all run", |truth| {
                    truth.web().deployments = vec![deployment("2", None, 1)];
                    truth.tasks = vec![task(2)];
                }),
                with("nothing said, one is missing", |truth| {
                    truth.web().deployments = vec![deployment("2", None, 1)];
                    truth.web().running = 2;
                }),
                with("nothing said, another beside it", |truth| {
                    truth.web().deployments = vec![deployment("2", None, 1), older("1", None, -1_440)];
                }),
                with("made for another secret's redeploy", |truth| {
                    truth.web().deployments = vec![deployment("2", Some(Rollout::InProgress), 1)];
                    truth.memory.redeploys = vec![Operation {
                        id: "op-0".to_owned(),
                        redeploy: Some("redeploy-0".to_owned()),
                        ..operation()
                    }];
                }),
                with("a rollback's", |truth| {
                    truth.web().deployments = vec![deployment("2", Some(Rollout::InProgress), 1)];
                    truth.memory.operations = vec![rollback()];
                }),
                with("without a time", |truth| truth.web().deployments[0].created_at = None),
            ],
        ),
        (
            "a task set that was made after the move brings the new version",
            vec![
                code_deploy("steady", |truth| truth.web().task_sets = vec![set("new", 1)]),
                code_deploy("not steady", |truth| {
                    truth.web().task_sets = vec![TaskSet { steady: false, ..set("new", 1) }];
                }),
                code_deploy("without the traffic", |truth| {
                    let green = TaskSet { primary: false, ..set("new", 1) };
                    truth.web().task_sets = vec![set("set", -1_440), green];
                }),
            ],
        ),
        (
            "who wants it is redeployed although it is fresh, and once",
            vec![
                with("deployed since", |truth| {
                    truth.redeploy.even_if_fresh = true;
                    truth.web().deployments = vec![deployment("2", Some(Rollout::Completed), 1)];
                    truth.tasks = vec![task(1)];
                }),
                with("redeployed since", |truth| {
                    truth.redeploy.even_if_fresh = true;
                    truth.memory.redeploys = vec![ended(End::Recovered, None)];
                    truth.web().deployments = vec![deployment("2", Some(Rollout::Completed), 1)];
                }),
            ],
        ),
    ]
}

fn tasks() -> Vec<Rule> {
    let of = |name, minutes: &[i64]| {
        with(name, |truth| truth.tasks = minutes.iter().map(|one| task(*one)).collect())
    };
    let back = |name, minutes: &[i64]| {
        with(name, |truth| {
            truth.redeploy.holds_before = Some(at(-10));
            truth.tasks = minutes.iter().map(|one| task(*one)).collect();
        })
    };
    vec![
        (
            "tasks that were made after the move have the new version",
            vec![
                of("all of them", &[1, 2]),
                of("at the moment of the move", &[0]),
                of("one is older", &[1, -1]),
                of("none runs", &[]),
                with("without a time", |truth| truth.tasks[0].created_at = None),
            ],
        ),
        (
            "where a label was put back, tasks from before it left have the version, too",
            vec![
                back("older than the first move", &[-11, -600]),
                back("older and younger than both", &[-11, 1]),
                back("from between", &[-11, -5]),
                back("at the moment of the first move", &[-10]),
            ],
        ),
    ]
}

fn waits() -> Vec<Rule> {
    let beside = |name, change: &dyn Fn(&mut Truth)| {
        with(name, |truth| {
            truth.web().deployments = vec![
                deployment("1", Some(Rollout::InProgress), -10),
                older("0", Some(Rollout::Completed), -1_440),
            ];
            change(truth);
        })
    };
    vec![
        (
            "a deployment that began before the move is waited for, as long as patience lasts",
            vec![
                beside("under way", &|_| {}),
                beside("for an hour", &|truth| truth.waits_since = Some(at(-55))),
                beside("for a day", &|truth| truth.waits_since = Some(at(5 - 24 * 60))),
                beside("for an hour, and the policy is impatient", &|truth| {
                    truth.policy = with_rules("redeploy: {patience: 30m}");
                    truth.waits_since = Some(at(-55));
                }),
                with("draining", |truth| {
                    truth.web().deployments.push(older("0", Some(Rollout::Completed), -2_000));
                }),
                with("failed, and not taken back", |truth| {
                    truth.web().deployments = vec![deployment("1", Some(Rollout::Failed), -10)];
                }),
            ],
        ),
        (
            "a rollback is waited for",
            vec![
                with("under way", |truth| truth.memory.operations = vec![rollback()]),
                with("over", |truth| {
                    truth.memory.operations = vec![Operation { end: Some(End::Recovered), ..rollback() }];
                }),
                with("past its deadline", |truth| {
                    truth.memory.operations = vec![Operation { deadline: at(5), ..rollback() }];
                }),
                with("for a day", |truth| {
                    truth.memory.operations = vec![rollback()];
                    truth.waits_since = Some(at(5 - 24 * 60));
                }),
            ],
        ),
        (
            "a service is not redeployed twice in a short time",
            vec![
                with("a while ago", |truth| truth.memory.redeploying = Some(lease("op-0", 12))),
                with("long ago", |truth| truth.memory.redeploying = Some(lease("op-0", 5))),
                with("a while ago, and somebody asks for it", |truth| {
                    truth.redeploy.cause = Cause::ByHand { by: None };
                    truth.memory.redeploying = Some(lease("op-0", 12));
                }),
            ],
        ),
        (
            "what ECS can neither stop nor start is left alone",
            vec![
                with("one task, and no room", |truth| {
                    let web = truth.web();
                    (web.desired, web.minimum_percent, web.maximum_percent) = (1, Some(100), Some(100));
                }),
                with("the same, beside a second set", |truth| {
                    let web = truth.web();
                    (web.strategy, web.maximum_percent) = (Strategy::Shifted, Some(100));
                }),
            ],
        ),
    ]
}

fn groups() -> Vec<Rule> {
    vec![(
        "what CodeDeploy deploys is deployed by CodeDeploy",
        vec![
            code_deploy("nothing under way", |_| {}),
            code_deploy("no group", |truth| truth.group = None),
            code_deploy("a deployment under way", |truth| {
                truth.group = Some(Group { under_way: Some("d-1".to_owned()), ..group() });
            }),
            code_deploy("two task sets", |truth| {
                truth.web().task_sets =
                    vec![set("set", -1_440), TaskSet { primary: false, ..set("green", -10) }];
            }),
            code_deploy("no task set", |truth| truth.web().task_sets.clear()),
            code_deploy("begun, and not made", |truth| {
                truth.memory.redeploys =
                    vec![Operation { means: Means::RedeployByCodeDeploy, deployment: None, ..operation() }];
            }),
        ],
    )]
}

fn pins() -> Vec<Rule> {
    let refuse = "redeploy: {moved_image: refuse}";
    let unknown = |name, tags: &str| {
        with(name, |truth| {
            truth.web().tags = tag(tags);
            truth.tasks.iter_mut().for_each(|task| task.digests.clear());
        })
    };
    vec![
        (
            "the image that runs is the image that stays",
            vec![
                images("its name holds the digest", "", "", Names::Pinned),
                images("its tag moved", "", "", moved()),
                images("its tag is gone", "", "", Names::Nothing),
                images("its registry cannot be looked at", "", "", Names::Unchecked),
                images("its tag moved, on", "redeploy=on", "", moved()),
                unknown("nobody knows what runs", ""),
                unknown("nobody knows what runs, on", "redeploy=on"),
            ],
        ),
        (
            "where the policy refuses, no other image is deployed, and no copy is made",
            vec![
                images("its name holds the digest", "", refuse, Names::Pinned),
                images("its tag means what runs", "", refuse, Names::Digest(DIGEST.to_owned())),
                images("its tag moved", "", refuse, moved()),
                images("its tag is gone", "", refuse, Names::Nothing),
                images("its registry cannot be looked at", "", refuse, Names::Unchecked),
                images("its tag moved, on", "redeploy=on", refuse, moved()),
            ],
        ),
    ]
}

fn allowed() -> Vec<Rule> {
    vec![(
        "what may be done, the template and the tags of both say",
        vec![
            modes("observe", Mode::Observe, "", ""),
            modes("observe, and the service may be acted on", Mode::Observe, "", "mode=act"),
            modes("observe, and the secret may be acted on", Mode::Observe, "mode=act", ""),
            modes("act, and the secret is observed", Mode::Act, "mode=observe", ""),
            modes("act, and the service is observed", Mode::Act, "mode=act", "mode=observe"),
            modes("act, and a tag that cannot be read", Mode::Act, "", "mode=yes"),
        ],
    )]
}

fn notes() -> Vec<Rule> {
    vec![(
        "what people should know of a redeployment is said",
        vec![
            with("traffic is shifted", |truth| truth.web().strategy = Strategy::Shifted),
            with("it pauses", |truth| {
                truth.web().strategy = Strategy::Shifted;
                truth.web().pauses =
                    vec!["POST_TEST_TRAFFIC_SHIFT".to_owned(), "POST_PRODUCTION_TRAFFIC_SHIFT".to_owned()];
            }),
        ],
    )]
}
