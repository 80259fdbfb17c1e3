//! The case that the table varies: everything about it says "roll back".

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

pub(super) fn td(revision: u32) -> String {
    format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/web:{revision}")
}

pub(super) fn specification(revision: u32) -> String {
    format!("Resources: [{{TargetService: {{Properties: {{TaskDefinition: \"{}\"}}}}}}]", td(revision))
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) record: Record,
    pub(super) service: String,
    pub(super) memory: Memory,
    pub(super) own: Option<Operation>,
    pub(super) wish: Wish,
}

impl Case {
    pub(super) fn settle(&self) -> Result<Plan, Why> {
        let rules = shared::policy::Policy::default();
        let ask = Ask { wish: &self.wish, own: self.own.as_ref(), rules: &rules, now: now() };
        plan(&self.record, &self.service, &self.memory, &ask)
    }

    /// The deployment of web:7, in this state since so many minutes.
    pub(super) fn newest(&mut self, status: Status, minutes: i64) {
        self.record.newest = deployment("d-1", status, minutes, 7);
        self.record.succeeded.retain(|deployment| deployment.id != "d-1");
        if status == Status::Succeeded {
            self.record.succeeded.insert(0, self.record.newest.clone());
        }
    }

    /// Deployments that succeeded, newest first: id, minutes since the end, revision.
    pub(super) fn history(&mut self, history: &[(&str, i64, u32)]) {
        let succeeded = history
            .iter()
            .map(|(id, minutes, revision)| deployment(id, Status::Succeeded, *minutes, *revision));
        self.record.succeeded = succeeded.collect();
        self.record.newest = self.record.succeeded[0].clone();
    }
}

pub(super) fn case() -> Case {
    let newest = deployment("d-1", Status::Succeeded, 5, 7);
    let record = Record {
        application: "shop".to_owned(),
        group: "web".to_owned(),
        succeeded: vec![newest.clone(), deployment("d-0", Status::Succeeded, 5_000, 6)],
        newest,
        whole: true,
    };
    Case { record, service: td(7), memory: Memory::default(), own: None, wish: fired(1) }
}

/// Ended so many minutes ago, if it ended, and began two minutes before.
pub(super) fn deployment(id: &str, status: Status, minutes: i64, revision: u32) -> Deployment {
    Deployment {
        id: id.to_owned(),
        status,
        rollback: false,
        description: None,
        created_at: Some(ago(minutes + 2)),
        completed_at: (status != Status::InProgress).then(|| ago(minutes)),
        task_definition: Some(td(revision)),
        specification: Some(specification(revision)),
    }
}

/// Begun a minute ago, from web:7 to web:6.
pub(super) fn own(id: &str) -> Operation {
    Operation {
        id: id.to_owned(),
        incident: "alarm:web-5xx".to_owned(),
        means: Means::CreateDeployment,
        from: td(7),
        to: td(6),
        copy_of: None,
        deployment: None,
        blames: true,
        before: None,
        asked_by: None,
        redeploy: None,
        said: None,
        began: ago(1),
        deadline: ago(-59),
        end: None,
    }
}
