//! `wk scale`.

use serde_json::json;

use super::deed::{Deed, cluster, outcome};
use super::{asker, services, text};
use crate::Problem;
use crate::args::Scale;
use crate::exit::Exit;
use crate::reach::{Function, Reach};
use crate::say::Out;

pub(super) async fn run(reach: &Reach, asked: &Scale, out: &Out) -> Result<Exit, Problem> {
    let by = asker(&asked.sure)?;
    let service = services::service(reach, &asked.service).await?;
    let event = |dry_run: bool, confirm: Option<&str>| json!({"scale": {"service": service, "to": asked.count, "dry_run": dry_run, "confirm": confirm, "by": by}});
    let deed = Deed {
        function: Function::QueueScale,
        event: &event,
        word: "SCALE",
        cluster: cluster(&service),
        done: "scaled",
        without: |plan| if text(plan, "/outcome") == "kept" { Exit::Good } else { Exit::Errors },
        show: &outcome,
        unknown: "it may have been done all the same: look with wk diagnose before you ask again",
        sure: &asked.sure,
    };
    deed.run(reach, out).await
}
