//! The process killed at everything it does, and the rotation begun again: it ends in the same state, the server never
//! stops letting the service in, and no version ever had two values.

use anyhow::{Context, ensure};
use futures_util::{FutureExt, StreamExt};
use local::proxy::{Fault, When};
use local::rotation::CURRENT;
use local::wire::Dead;

use super::measured;
use super::scene::{Kind, Scene};
use crate::faults::reached;
use crate::stage::{Stage, Test};

pub(super) const TESTS: [(&str, Test); 6] = [
    ("a_single_user_survives_a_kill_at_each_call_and_at_all_that_is_sent_to_the_server", |stage| {
        everywhere(stage, Kind::Postgres).boxed_local()
    }),
    (
        "two_users_that_take_turns_survive_a_kill_at_each_call_and_at_all_that_is_sent_to_the_server",
        |stage| everywhere(stage, Kind::Alternating).boxed_local(),
    ),
    ("a_valkey_user_survives_a_kill_at_each_call_and_at_all_that_is_sent_to_the_server", |stage| {
        everywhere(stage, Kind::User).boxed_local()
    }),
    ("an_auth_token_survives_a_kill_at_each_call_and_at_all_that_is_sent_to_the_server", |stage| {
        everywhere(stage, Kind::Token).boxed_local()
    }),
    ("a_random_value_survives_a_kill_at_each_call", |stage| everywhere(stage, Kind::Random).boxed_local()),
    ("a_change_whose_answer_is_lost_or_that_arrives_twice_is_made_once", |stage| {
        lost_and_repeated(stage).boxed_local()
    }),
];

/// How many stories go on at once.
const AT_ONCE: usize = 4;

/// Where the process is killed.
#[derive(Debug, Clone, Copy)]
enum At {
    /// At the nth call to AWS.
    Call(usize, Fault),
    /// At the nth thing that is sent to the server.
    Sent(Dead),
}

impl At {
    fn word(self) -> String {
        match self {
            Self::Call(nth, Fault::Hang) => format!("before-call-{nth}"),
            Self::Call(nth, _) => format!("after-call-{nth}"),
            Self::Sent(Dead::Before(nth)) => format!("before-sent-{nth}"),
            Self::Sent(Dead::After(nth)) => format!("after-sent-{nth}"),
        }
    }
}

async fn everywhere(stage: &Stage, kind: Kind) -> anyhow::Result<()> {
    // How much there is to be killed at is learned, not listed.
    let scene = Scene::new(stage, kind, &format!("killed-{}", kind.word())).await?;
    let hook = scene.hook().await?;
    scene.rotate(&hook, "one").await?;
    let calls = scene.proxy.calls().len();
    let sent = scene.wire.as_ref().map_or(0, local::wire::Wire::sent);
    ensure!(calls > 8, "a rotation takes more than {calls} calls");

    let at_calls = (1..=calls).flat_map(|nth| [At::Call(nth, Fault::Hang), At::Call(nth, Fault::HangAfter)]);
    let at_sent = (1..=sent).flat_map(|nth| [At::Sent(Dead::Before(nth)), At::Sent(Dead::After(nth))]);
    let stories = at_calls.chain(at_sent).map(|at| async move {
        let killed = killed_at(stage, kind, at).await;
        killed.with_context(|| format!("{} killed {}", kind.word(), at.word()))
    });
    let mut stories = futures_util::stream::iter(stories).buffer_unordered(AT_ONCE);
    let (mut killed, mut told) = (0, 0);
    while let Some(story) = stories.next().await {
        killed += usize::from(story?);
        told += 1;
    }
    // What is sent in one piece or in two is chance, so the last may not come; most must have met their end.
    ensure!(killed * 4 > told * 3, "only {killed} of {told} were killed");
    measured(&format!("{}: killed {killed} times, at {calls} calls and at {sent} things sent", kind.word()));
    Ok(())
}

async fn lost_and_repeated(stage: &Stage) -> anyhow::Result<()> {
    const CHANGES: [&str; 5] = [
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
        "elasticache:ModifyUser",
        "elasticache:ModifyReplicationGroup",
        "dynamodb:PutItem",
    ];
    let faults = [("lost", Fault::CutAfter), ("repeated", Fault::Repeat)];
    let stories = Kind::ALL.into_iter().flat_map(|kind| CHANGES.map(|action| (kind, action)));
    let stories = stories.filter(|(kind, action)| match *action {
        "elasticache:ModifyUser" => *kind == Kind::User,
        "elasticache:ModifyReplicationGroup" => *kind == Kind::Token,
        _ => true,
    });
    let stories = stories.flat_map(|(kind, action)| faults.map(|(word, fault)| (kind, action, word, fault)));
    let stories = stories.map(|(kind, action, word, fault)| async move {
        let short = action.split_once(':').map_or(action, |(_, short)| short).to_lowercase();
        let scene = Scene::new(stage, kind, &format!("{word}-{}-{short}", kind.word())).await?;
        let from = scene.secrets.version(&scene.name, CURRENT)?.context("no current version")?;
        scene.proxy.inject(action, When::First(1), fault);
        let hook = scene.hook().await?;
        let rotation = scene.rotation("one")?;
        let told = || format!("{} with the first {action} {word}", kind.word());
        scene.rotate(&hook, "one").await.with_context(told)?;
        scene.expect_rotated(&rotation, &from).await.with_context(told)?;
        scene.hear_out(&hook).await?;
        scene.expect_silence()?;
        Ok(usize::from(scene.proxy.count(action) > 0))
    });
    let mut stories = futures_util::stream::iter(stories).buffer_unordered(AT_ONCE);
    let mut met = 0;
    while let Some(story) = stories.next().await {
        let story: anyhow::Result<usize> = story;
        met += story?;
    }
    ensure!(met == 34, "only {met} stories met their fault");
    Ok(())
}

/// Kills there and begins the rotation again; whether it came to that.
async fn killed_at(stage: &Stage, kind: Kind, at: At) -> anyhow::Result<bool> {
    let scene = Scene::new(stage, kind, &format!("k-{}-{}", kind.word(), at.word())).await?;
    let from = scene.secrets.version(&scene.name, CURRENT)?.context("no current version")?;
    let rotation = scene.rotation("one")?;
    match at {
        At::Call(nth, fault) => scene.proxy.inject("*", When::Nth(nth), fault),
        At::Sent(dead) => scene.wire.as_ref().context("no wire")?.die(dead),
    }
    let hook = scene.hook().await?;
    let met = async {
        match at {
            At::Call(nth, fault) => reached(&scene.proxy, nth, fault).await,
            At::Sent(_) => match &scene.wire {
                Some(wire) => {
                    wire.reached().await;
                    Ok(())
                }
                None => std::future::pending().await,
            },
        }
    };
    let killed = tokio::select! {
        biased;
        met = met => met.map(|()| true)?,
        ended = rotation.run(&hook) => ended.map(|_| false)?,
    };
    hook.kill().await?;
    scene.hear_out(&hook).await?;
    if let Some(wire) = &scene.wire {
        wire.heal();
    }
    scene.proxy.heal();
    scene.expect_a_way_in().await?;

    let hook = scene.hook().await?;
    scene.rotate(&hook, "one").await?;
    scene.expect_rotated(&rotation, &from).await?;
    scene.hear_out(&hook).await?;
    scene.expect_silence()?;
    Ok(killed)
}
