//! `wk silence`, `wk route test`, `wk ack` and `wk incidents`; and the freeze where its answer is lost.

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use local::deployment::until;
use local::proxy::{Fault, Proxy, When};
use serde_json::{Value, json};

use super::ready::{ELSEWHERE, stack};
use super::{with, wk};
use crate::stage::{PATIENCE, Stage, Test};

pub(super) fn tests() -> Vec<(&'static str, Test)> {
    vec![
        ("who_is_told_is_tried_silenced_and_acknowledged", |stage| notices(stage).boxed_local()),
        ("what_goes_on_is_listed_silenced_and_in_hand_until_it_is_over", |stage| {
            goes_on(stage).boxed_local()
        }),
        ("who_is_told_is_asked_for_in_words_that_can_be_meant", |stage| refused(stage).boxed_local()),
        ("a_freeze_whose_answer_is_lost_is_looked_at_again", |stage| freeze(stage).boxed_local()),
    ]
}

async fn notices(stage: &Stage) -> anyhow::Result<()> {
    let tried = wk(stage, &["route", "test", "--severity", "sev1", "--subject", "prod/web"]).await?;
    tried.expect(0, &["ops is told", "audit is told"])?.shown("route-test")?;
    let matched = "service=wk-silenced";
    let silence = ["silence", matched, "--until", "2h", "--reason", "a test of wk"];
    let made = wk(stage, &[["--output", "json"].as_slice(), &silence].concat()).await?.expect(0, &[])?;
    let made = made.json()?;
    let id = made.pointer("/silence/id").and_then(Value::as_str).context("it has no id")?;
    ensure!(made["note"].is_null() && made["matches"] == matched, "{made:#}");
    let again = wk(stage, &silence)
        .await?
        .expect(0, &["silenced until 20", "(2h)", "nothing that goes on"])?
        .shown("silence")?;
    ensure!(again.out.contains("to end it"), "{again:#?}");
    let listed = wk(stage, &["silence"]).await?;
    let listed = listed.expect(0, &["STILL", id, matched, "a test of wk", "ann", "wk silence --end"])?;
    listed.lines_with(&["STILL", id, "--end"]).shown("silences")?;
    // What runs already reads its rules anew every half a minute.
    let there = until(PATIENCE, async || {
        let listed = wk(stage, &["--remote", "silence"]).await?.expect(0, &[])?;
        Ok(listed.out.contains(id).then_some(()))
    });
    there.await?.context("the function does not know of it")?;

    wk(stage, &["silence", "--end", id, "--by", "ben"])
        .await?
        .expect(0, &["ended: service=wk-silenced"])?
        .shown("silence-end")?;
    wk(stage, &["silence", "--end", id])
        .await?
        .expect(0, &["over: ben ended it at", "nothing was changed"])?;
    wk(stage, &["--remote", "silence", "--end", id]).await?.expect(0, &["over: ben ended it at"])?;
    let listed = wk(stage, &["silence"]).await?.expect(0, &[])?;
    ensure!(!listed.out.contains(id), "it is over, and listed: {listed:#?}");
    wk(stage, &["audit", "--since", "1h"]).await?.expect(0, &[matched, "ended by ben"])?;

    wk(stage, &["ack", "nothing-of-the-kind"]).await?.expect(1, &["unknown"])?.shown("ack-unknown")?;
    wk(stage, &["incidents"]).await?.expect(0, &[])?;
    let over = wk(stage, &["--output", "json", "incidents", "--over", "--since", "7d"]).await?;
    let over = over.expect(0, &[])?.json()?;
    ensure!(over["over"].is_array() && over["omitted"] == 0, "{over:#}");
    // As the policy of the stage names it.
    stage.sqs.create_queue().queue_name("follow-orders").send().await?;
    wk(stage, &["scaling"]).await?.expect(0, &["ecs:demo/follow-web"]).map(drop)
}

/// From the first word about an incident to the last: whoever asks by hand sees it at each step.
async fn goes_on(stage: &Stage) -> anyhow::Result<()> {
    const INCIDENT: &str = "wk-goes-on";
    let topic = stage.deployment.output("NoticesTopicArn")?;
    let publish = async |state: &str| -> anyhow::Result<()> {
        let time = crate::world::now();
        let notice = json!({
            "schema": "watchkeeper.notice/1", "id": format!("{INCIDENT}-{state}"), "incident": INCIDENT,
            "revision": time.as_millisecond(), "state": state, "severity": "sev2", "source": "test",
            "environment": "dev", "subject": {"kind": "service", "id": INCIDENT},
            "title": "the fair is slow", "summary": "It is slow.", "time": time.to_string(),
        });
        stage.sns.publish().topic_arn(topic).message(notice.to_string()).send().await?;
        Ok(())
    };
    let listed = async |words: &[&str], wanted: &str| {
        let seen = until(PATIENCE, async || {
            let said = wk(stage, words).await?.expect(0, &[])?;
            let line = said.out.lines().find(|line| line.contains(INCIDENT)).map(ToOwned::to_owned);
            Ok(line.filter(|line| line.contains(wanted)))
        });
        seen.await?.with_context(|| format!("wk {words:?} does not list it with {wanted:?}"))
    };
    publish("firing").await?;
    let line = listed(&["incidents"], "the fair is slow").await?;
    ensure!(line.starts_with("sev2"), "{line}");
    let shown = wk(stage, &["incidents"]).await?.expect(0, &[])?;
    shown.lines_with(&["SEVERITY", "the fair is slow"]).shown("incidents")?;

    let silence = ["silence", "subject=wk-goes-on", "--until", "1h", "--reason", "the fair"];
    wk(stage, &silence).await?.expect(0, &["one incident that goes on now is silenced"])?;
    wk(stage, &["ack", INCIDENT, "--by", "ann"]).await?.expect(0, &["ann"])?;
    listed(&["incidents"], "ann").await?;

    publish("resolved").await?;
    let over = until(PATIENCE, async || {
        let left = wk(stage, &["incidents"]).await?.expect(0, &[])?;
        Ok((!left.out.contains(INCIDENT)).then_some(()))
    });
    over.await?.context("it is over, and goes on")?;
    listed(&["incidents", "--over"], "ann").await?;
    let over = wk(stage, &["ack", INCIDENT, "--by", "ben"]).await?;
    ensure!(over.exit == 1 || over.out.contains("over"), "{over:#?}");
    Ok(())
}

async fn refused(stage: &Stage) -> anyhow::Result<()> {
    let silence = |matched: &'static str, until: &'static str, reason: &'static str| {
        ["silence", matched, "--until", until, "--reason", reason]
    };
    let odd = wk(stage, &silence("servce=wk-odd", "1h", "a test of wk")).await?;
    odd.expect(
        2,
        &["silenced until", "note: servce is neither a field nor a label", "did you mean service?"],
    )?;
    let cases: [(&[&str], i32, &str); 17] = [
        (&["silence", "service=web"], 3, "--until"),
        (
            &silence("service=web", "2020-01-01T00:00:00Z", "x"),
            3,
            "silence.until is over: 2020-01-01T00:00:00Z",
        ),
        (&silence("service=web", "400d", "x"), 3, "more than a year away"),
        (&silence("service=web", "tomorrow", "x"), 3, "such as 30m, 2h or 3d"),
        (&silence("service=web", "1h", "  "), 3, "silence.reason is empty: say why"),
        (&silence("severity=sev9", "1h", "x"), 3, "silence.match.severity: it is not sev1 to sev4"),
        (&silence("service=!*", "1h", "x"), 3, "excludes all that it asks for"),
        (&["silence", "web"], 3, "--until"),
        (&silence("web", "1h", "x"), 3, "web is not of the form name=value"),
        (&["silence", "--end", "nothing"], 1, "no silence has the id \"nothing\""),
        (&["--remote", "silence", "--end", "nothing"], 1, "no silence has the id \"nothing\""),
        (&["silence", "--end", ""], 3, "unsilence.id is empty"),
        (&["route", "test", "--severity", "sev9"], 3, "write sev1, sev2, sev3 or sev4"),
        (&["route", "test", "--state", "over"], 3, "firing, resolved, info"),
        (&["route", "test", "--at", "noon"], 3, "a time with its offset"),
        (&["route", "test", "--label", "a=1", "--label", "a=2"], 3, "a notice has one label a"),
        (&["incidents", "--over", "--since", "31d"], 3, "up to 30d"),
    ];
    for (words, exit, said) in cases {
        wk(stage, words).await?.expect(exit, &[said])?;
    }
    Ok(())
}

/// In an environment of its own: the others go on meanwhile.
async fn freeze(stage: &Stage) -> anyhow::Result<()> {
    stack(stage, "wklost").await?;
    let proxy = Proxy::forwarding(&stage.deployment.aws.endpoint()).await?;
    let variables =
        [("AWS_REGION", ELSEWHERE), ("AWS_DEFAULT_REGION", ELSEWHERE), ("AWS_ENDPOINT_URL", proxy.url())];
    let wk = async |words: &[&str]| {
        with(stage, &[["--env", "wklost"].as_slice(), words].concat(), &variables).await
    };
    let region = aws_sdk_ssm::config::Region::new(ELSEWHERE);
    let ssm = aws_sdk_ssm::Client::new(&stage.deployment.config.to_builder().region(region).build());
    let policy = async || {
        let got = ssm.get_parameter().name("/watchkeeper/wklost/policy").send().await?;
        let parameter = got.parameter.context("there is no policy")?;
        anyhow::Ok((parameter.value.unwrap_or_default(), parameter.version))
    };
    // It was made, and the answer was lost: it is not made twice, and nobody else is blamed.
    proxy.inject("ssm:PutParameter", When::First(1), Fault::CutAfter);
    wk(&["freeze", "on", "--reason", "lost"]).await?.expect(0, &["frozen", "lost (ann)", "version 1"])?;
    ensure!(policy().await?.1 == 1 && proxy.count("ssm:PutParameter") == 1, "{:?}", policy().await?);
    proxy.heal();
    // The request was lost: it is sent again, once it is known that nothing was written.
    proxy.inject("ssm:PutParameter", When::First(1), Fault::CutBefore);
    wk(&["freeze", "off"]).await?.expect(0, &["not frozen", "version 2"])?;
    proxy.heal();
    // It is lost each time: what is true is said.
    proxy.inject("ssm:PutParameter", When::Always, Fault::InternalError);
    let lost = wk(&["freeze", "on"]).await?;
    let lost = lost.expect(3, &["ssm:PutParameter had no usable answer", "looked at again: not frozen"])?;
    ensure!(!lost.error.contains("AWS refused"), "{lost:#?}");
    ensure!(policy().await?.1 == 2, "{:?}", policy().await?);
    proxy.heal();
    proxy.inject("ssm:PutParameter", When::Always, Fault::Deny);
    wk(&["freeze", "on"]).await?.expect(3, &["AWS refused ssm:PutParameter", "AccessDenied"]).map(drop)
}
