//! The case that the table varies: everything about it says "roll back".

use std::collections::BTreeSet;

use shared::ledger::revision::{Revision, Standing};

use super::*;

pub(super) fn now() -> Timestamp {
    "2026-11-20T03:00:00Z".parse().unwrap()
}

pub(super) fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

pub(super) fn fired(minutes: i64) -> Wish {
    Wish::TakeBack { fired_at: ago(minutes) }
}

/// All there is to know, of which the rules see what they ask for.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) scene: Scene,
    pub(super) taken: BTreeSet<String>,
    pub(super) memory: Memory,
    pub(super) own: Option<Operation>,
    pub(super) wish: Wish,
}

impl World {
    pub(super) fn alias(&mut self) -> &mut Alias {
        self.scene.alias.as_mut().unwrap()
    }

    pub(super) fn history(&mut self) -> &mut History {
        self.scene.history.as_mut().unwrap()
    }

    pub(super) fn deployments(&mut self, deployments: Vec<Shift>) {
        self.history().deployments = deployments;
    }

    pub(super) fn version(&mut self, number: &str) -> &mut Version {
        self.history().versions.iter_mut().find(|version| version.version == number).unwrap()
    }

    /// Asks until it is settled, as the handler does.
    pub(super) fn settle(&self) -> Result<Plan, Why> {
        self.run().1
    }

    pub(super) fn asked(&self) -> Vec<Question> {
        self.run().0
    }

    fn run(&self) -> (Vec<Question>, Result<Plan, Why>) {
        let rules = shared::policy::Policy::default();
        let ask = Ask { wish: &self.wish, own: self.own.as_ref(), rules: &rules, now: now() };
        let mut known = Scene { alias: self.scene.alias.clone(), ..Scene::default() };
        let mut asked = Vec::new();
        for _ in 0..3 {
            match plan(&known, &self.memory, &ask) {
                Ok(settled) => return (asked, settled),
                Err(question) => {
                    match question {
                        Question::History { .. } => known.history.clone_from(&self.scene.history),
                        Question::Taken => known.taken = Some(self.taken.clone()),
                    }
                    asked.push(question);
                }
            }
        }
        panic!("the same thing is asked again and again: {asked:?}");
    }
}

/// The alias went from version 9 to version 10, which was published five minutes ago; the alarm fired a minute ago.
pub(super) fn world() -> World {
    let alias = Alias {
        arn: "arn:aws:lambda:eu-west-1:123456789012:function:checkout:live".to_owned(),
        function: "checkout".to_owned(),
        name: "live".to_owned(),
        version: "10".to_owned(),
        revision_id: "revision-1".to_owned(),
        ..Alias::default()
    };
    let versions = [("7", 4_000), ("8", 3_000), ("9", 2_000), ("10", 5)];
    let history = History {
        deployments: Vec::new(),
        whole: true,
        versions: versions.map(|(number, minutes)| version(number, minutes)).to_vec(),
        all_versions: true,
    };
    World {
        scene: Scene { alias: Some(alias), history: Some(history), taken: None },
        taken: BTreeSet::new(),
        memory: Memory::default(),
        own: None,
        wish: fired(1),
    }
}

/// Published so many minutes ago, with code of its own.
pub(super) fn version(number: &str, minutes: i64) -> Version {
    Version {
        version: number.to_owned(),
        code: Some(format!("sha-{number}")),
        published_at: Some(ago(minutes)),
    }
}

/// Ended so many minutes ago, if it ended, and began two minutes before.
pub(super) fn shift(id: &str, status: Status, minutes: i64, current: &str, target: &str) -> Shift {
    Shift {
        id: id.to_owned(),
        status,
        rollback: false,
        created_at: Some(ago(minutes + 2)),
        completed_at: (status != Status::InProgress).then(|| ago(minutes)),
        current: current.to_owned(),
        target: target.to_owned(),
    }
}

pub(super) fn revision(version: &str, standing: Standing, minutes: i64) -> Revision {
    Revision { arn: version.to_owned(), standing, since: ago(minutes) }
}

pub(super) fn operation(id: &str, means: Means, from: &str, to: &str, minutes: i64) -> Operation {
    Operation {
        id: id.to_owned(),
        incident: "alarm:checkout-errors".to_owned(),
        means,
        from: from.to_owned(),
        to: to.to_owned(),
        copy_of: None,
        deployment: None,
        blames: true,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began: ago(minutes),
        deadline: ago(minutes - 30),
        end: None,
    }
}
