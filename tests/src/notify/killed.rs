//! The process dies, at every call in turn, while it tells a group, or changes a message in Slack: what is written down as
//! told was told, and nothing is told more than twice.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use local::proxy::{Fault, Proxy, When};
use local::receiver::Answer;
use serde_json::json;

use super::doubles::{CONVERSATION, Log, SlackApp, TOKEN, at, double, slack, take, webhook};
use super::scene::{Named, SHORT, Scene, notice};
use crate::faults::reached;
use crate::stage::Stage;

pub(super) const TESTS: [Named; 3] = [
    ("a_group_whose_process_is_killed_at_any_call_is_told_at_most_twice", |stage| {
        grouped(stage).boxed_local()
    }),
    ("an_incident_in_slack_whose_process_is_killed_at_any_call_is_shown_as_it_stands", |stage| {
        in_slack(stage).boxed_local()
    }),
    ("what_is_in_the_air_when_the_process_is_killed_is_told_again_with_the_same_key", |stage| {
        in_the_air(stage).boxed_local()
    }),
];

/// So many stories are told at the same time: most of each is waiting.
const SIDE_BY_SIDE: usize = 16;

const MEMBERS: usize = 3;

async fn each<T>(count: usize, story: impl AsyncFn(usize, Fault) -> anyhow::Result<T>) -> anyhow::Result<()> {
    let all = (1..=count).flat_map(|nth| [(nth, Fault::Hang), (nth, Fault::HangAfter)]);
    let told = stream::iter(all).map(|(nth, fault)| {
        let told = story(nth, fault);
        async move { told.await.map(drop).with_context(|| format!("killed at call {nth} ({fault:?})")) }
    });
    told.buffer_unordered(SIDE_BY_SIDE).try_collect().await
}

/// Does all the work, with a process that is killed at a call, where there is one, and one that lives on.
async fn killed(scene: &Scene<'_>, at: Option<(usize, Fault)>) -> anyhow::Result<usize> {
    let proxy = Proxy::forwarding(&scene.stage.deployment.aws.endpoint()).await?;
    let function = scene.process(proxy.url()).await?;
    let Some((nth, fault)) = at else {
        scene.work(&function, SHORT).await?;
        return Ok(proxy.calls().len());
    };
    proxy.inject("*", When::Nth(nth), fault);
    let was_killed = tokio::select! {
        // It took fewer calls this time.
        worked = scene.work(&function, SHORT) => worked.map(|_| false)?,
        reached = reached(&proxy, nth, fault) => reached.map(|()| true)?,
    };
    if was_killed {
        function.kill().await?;
    }
    Ok(nth)
}

struct Group<'a> {
    scene: Scene<'a>,
    people: Log,
    machine: Log,
}

impl<'a> Group<'a> {
    async fn new(stage: &'a Stage, name: &str) -> anyhow::Result<Self> {
        let (people, answer) = double(slack, take);
        at(stage, &format!("/{name}/slack"), answer);
        let (machine, answer) = double(webhook, take);
        at(stage, &format!("/{name}/machine"), answer);
        let channels = |at: &str| {
            json!([
                {"name": format!("{name}-ops"), "type": "slack", "url": format!("{at}/slack")},
                {"name": format!("{name}-audit"), "type": "webhook", "url": format!("{at}/machine"), "secret": "key"},
            ])
        };
        let policy = "notify: {route: {group_by: [source], group_wait: 0s, group_interval: 0s}}";
        let scene = Scene::new(stage, name, channels, policy).await?;
        let bodies: Vec<_> = (0..MEMBERS)
            .map(|nth| notice(&format!("{name}-{nth}"), "firing", "sev3", 0).to_string())
            .collect();
        scene.send(&bodies).await?;
        Ok(Self { scene, people, machine })
    }

    /// How often people were told of a member.
    fn heard(&self, incident: &str) -> usize {
        self.people.taken().iter().filter(|message| message.to_string().contains(incident)).count()
    }

    /// What is written down as told was told.
    async fn expect_true(&self) -> anyhow::Result<()> {
        for nth in 0..MEMBERS {
            let incident = format!("{}-{nth}", self.scene.name);
            let people = self.scene.told(&incident, &format!("{}-ops", self.scene.name)).await?;
            ensure!(people.is_none() || self.heard(&incident) > 0, "{incident} is told in the ledger alone");
            let machine = self.scene.told(&incident, &format!("{}-audit", self.scene.name)).await?;
            let keys = self.keys(&incident);
            ensure!(machine.is_none() || !keys.is_empty(), "{incident} is signed in the ledger alone");
        }
        Ok(())
    }

    /// The keys under which the machine was told of a member.
    fn keys(&self, incident: &str) -> Vec<String> {
        let all = self.machine.all();
        let about = all.iter().filter(|heard| heard.request.json()["incident"] == incident);
        about.map(|heard| heard.request.header("idempotency-key").to_owned()).collect()
    }

    async fn expect_end(&self) -> anyhow::Result<usize> {
        let mut repeated = 0;
        for nth in 0..MEMBERS {
            let incident = format!("{}-{nth}", self.scene.name);
            let state = self.scene.told(&incident, &format!("{}-ops", self.scene.name)).await?;
            ensure!(state.as_deref() == Some("firing"), "{incident} is not known to be told: {state:?}");
            let (times, keys) = (self.heard(&incident), self.keys(&incident));
            ensure!((1..=2).contains(&times), "people heard of {incident} {times} times");
            let one: BTreeSet<_> = keys.iter().collect();
            ensure!(
                (1..=2).contains(&keys.len()) && one.len() == 1,
                "the machine heard {incident} as {keys:?}"
            );
            repeated += times - 1 + keys.len() - 1;
        }
        ensure!(self.scene.letters().await?.is_empty(), "something was given up");
        Ok(repeated)
    }
}

async fn grouped(stage: &Stage) -> anyhow::Result<()> {
    let whole = Group::new(stage, "killed-group").await?;
    let count = killed(&whole.scene, None).await?;
    ensure!(whole.expect_end().await? == 0, "without a death something is told twice");
    let messages = whole.people.taken().len();
    ensure!(messages == 1, "the group is told in {messages} messages");
    let repeated = std::cell::Cell::new(0);
    each(count, async |nth, fault| {
        let story = Group::new(stage, &format!("killed-group-{nth}-{fault:?}").to_lowercase()).await?;
        killed(&story.scene, Some((nth, fault))).await?;
        story.expect_true().await?;
        story.scene.work(&story.scene.healthy().await?, SHORT).await?;
        repeated.set(repeated.get() + story.expect_end().await?);
        Ok(())
    })
    .await?;
    eprintln!("… {} deaths at {count} calls, {} repetitions", 2 * count, repeated.get());
    Ok(())
}

async fn in_slack(stage: &Stage) -> anyhow::Result<()> {
    let (scene, app) = incident(stage, "killed-app").await?;
    let count = killed(&scene, None).await?;
    ensure!(app.posted().len() == 1, "without a death: {:#?}", app.posted());
    each(count, async |nth, fault| {
        let (scene, app) = incident(stage, &format!("killed-app-{nth}-{fault:?}").to_lowercase()).await?;
        killed(&scene, Some((nth, fault))).await?;
        let channel = format!("{}-app", scene.name);
        let told = scene.told(&scene.name, &channel).await?;
        ensure!(told.is_none() || !app.posted().is_empty(), "it is told in the ledger alone");
        scene.work(&scene.healthy().await?, SHORT).await?;
        let first: Vec<_> = app.posted().into_iter().filter(|posted| posted.thread.is_none()).collect();
        ensure!((1..=2).contains(&first.len()), "it was posted {} times: {first:#?}", first.len());

        // Its end, with the death where its beginning had none.
        scene.send(&[notice(&scene.name, "resolved", "sev2", 1).to_string()]).await?;
        killed(&scene, Some((nth, fault))).await?;
        let told = scene.told(&scene.name, &channel).await?;
        let shown = |app: &SlackApp| {
            let posted = app.posted();
            let answered = posted.iter().any(|posted| posted.thread.is_some());
            answered && posted.iter().any(|posted| posted.said.iter().any(|said| said.contains("resolved")))
        };
        ensure!(told.as_deref() != Some("resolved") || shown(&app), "its end is told in the ledger alone");
        scene.work(&scene.healthy().await?, SHORT).await?;
        ensure!(shown(&app), "its end is not shown: {:#?}", app.posted());
        let answers = app.posted().iter().filter(|posted| posted.thread.is_some()).count();
        ensure!((1..=2).contains(&answers), "its end was said {answers} times: {:#?}", app.posted());
        let last = app.posted().into_iter().rfind(|posted| posted.thread.is_none());
        let stands = last.and_then(|last| last.said.last().cloned()).unwrap_or_default();
        ensure!(stands.contains("resolved"), "the newest message does not show that it is over: {stands}");
        Ok(())
    })
    .await
}

/// A Slack app that is to be told of an incident.
async fn incident<'a>(stage: &'a Stage, name: &str) -> anyhow::Result<(Scene<'a>, SlackApp)> {
    let app = SlackApp::default();
    let called = app.clone();
    at(stage, &format!("/{name}/slack/"), move |request| called.called(request));
    let channels = |at: &str| {
        json!([{"name": format!("{name}-app"), "type": "slack-app", "token": TOKEN, "channel": CONVERSATION,
            "api": format!("{at}/slack/")}])
    };
    let scene = Scene::new(stage, name, channels, "").await?;
    scene.send(&[notice(name, "firing", "sev2", 0).to_string()]).await?;
    Ok((scene, app))
}

/// The receiver has the request and has not answered: whoever goes on cannot know.
async fn in_the_air(stage: &Stage) -> anyhow::Result<()> {
    let receiver = &stage.deployment.receiver;
    receiver.answer("/killed-air/machine", Answer::new(200, "ok").after(Duration::from_secs(60)));
    let channels = |at: &str| json!([{"name": "killed-air-audit", "type": "webhook", "url": format!("{at}/machine"), "secret": "key"}]);
    let scene = Scene::new(stage, "killed-air", channels, "").await?;
    scene.send(&[notice("killed-air", "firing", "sev2", 0).to_string()]).await?;
    let function = scene.healthy().await?;
    tokio::select! {
        worked = scene.work(&function, SHORT) => anyhow::bail!("it was told before it was: {worked:?}"),
        came = receiver.wait_for("/killed-air/machine", 1, SHORT) => came.map(drop)?,
    }
    function.kill().await?;
    let states = scene.deliveries("killed-air").await?;
    ensure!(states.iter().all(|(_, state)| state == "in_flight"), "what is in the air counts as {states:?}");

    scene.work(&scene.healthy().await?, SHORT).await?;
    let requests = receiver.requests("/killed-air/machine");
    let keys: BTreeSet<_> = requests.iter().map(|request| request.header("idempotency-key")).collect();
    ensure!(requests.len() == 2 && keys.len() == 1, "{} requests under {keys:?}", requests.len());
    ensure!(requests[1].body == requests[0].body, "a repetition says something else");
    let attempts: Vec<_> = requests.iter().map(|request| request.header("watchkeeper-attempt")).collect();
    ensure!(attempts == ["1", "2"], "the attempts are {attempts:?}");
    let states = scene.deliveries("killed-air").await?;
    ensure!(states.iter().all(|(_, state)| state == "acknowledged"), "the ledger says {states:?}");
    Ok(())
}
