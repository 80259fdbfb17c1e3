//! The handler, in a world that answers as AWS does.

mod by_hand;
mod double;
mod failing;
mod sweeping;
mod waves;

use serde_json::{Value, json};

use crate::cases::{NEW, OLD, SECRET, at};
use double::{World, batch, deployed};

fn redeploy_pk(id: &str) -> String {
    format!("redeploy#{id}")
}

/// How far each service of a redeploy is.
fn standings(world: &World, id: &str) -> Vec<(String, String)> {
    let pk = redeploy_pk(id);
    let keys: Vec<_> = world
        .state()
        .table
        .keys()
        .filter(|(its, sk)| *its == pk && sk.starts_with("member#"))
        .cloned()
        .collect();
    keys.into_iter()
        .map(|(pk, sk)| {
            (
                sk["member#ecs:prod/".len()..].to_owned(),
                world.entry(&pk, &sk)["standing"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[track_caller]
fn check_standings(world: &World, id: &str, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, how)| ((*name).to_owned(), (*how).to_owned())).collect();
    assert_eq!(standings(world, id), expected);
}

/// The one notice since the last look.
#[track_caller]
fn notice(world: &World) -> Value {
    let [notice] = <[Value; 1]>::try_from(world.notices()).unwrap();
    notice
}

fn fact<'a>(notice: &'a Value, name: &str) -> &'a str {
    let facts = notice["facts"].as_array().unwrap();
    let fact = facts.iter().find(|fact| fact["name"] == name);
    fact.map_or("", |fact| fact["value"].as_str().unwrap())
}

fn steps(notice: &Value) -> String {
    let steps = notice["next_steps"].as_array().unwrap();
    steps.iter().map(|step| step.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The whole report as one line.
fn line(report: &shared::Report) -> String {
    let run = shared::report::Run {
        environment: "prod",
        function: "secret-redeploy",
        request_id: "r-1",
        cold: false,
        began: at(0),
        millis: 1.0,
    };
    shared::report::line(report, &run)
}
