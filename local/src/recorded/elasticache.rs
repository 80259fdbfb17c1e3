//! Users and replication groups of ElastiCache, whose passwords are those of a real server.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context;

use super::{Change, arn, locked};
use crate::proxy::{Answer, Call};
use crate::valkey::Admin;

mod calls;

/// What ElastiCache keeps of one Valkey server: its RBAC users, and the replication group that it is the node of.
///
/// It answers `DescribeUsers`, `ModifyUser`, `DescribeReplicationGroups` and `ModifyReplicationGroup`, and does to the
/// server what it is told. A clone is the same double. As ElastiCache does, it answers first and acts later: what is
/// changed is `modifying` until somebody looked at it often enough, takes no other change meanwhile, and only at the
/// end of that time does the server know the new password.
#[derive(Debug, Clone)]
pub struct ElastiCache {
    admin: Admin,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    users: Vec<User>,
    groups: Vec<Group>,
    changes: Vec<Change>,
    looks: usize,
    held: bool,
    broken: Option<String>,
}

#[derive(Debug, Clone)]
struct User {
    id: String,
    name: String,
    access: String,
    kind: Kind,
    passwords: Vec<String>,
    motion: Option<Motion>,
}

/// How a user proves who it is (`Authentication.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Password,
    NoPassword,
    Iam,
}

#[derive(Debug, Clone)]
struct Group {
    id: String,
    /// The tokens that the server takes, the oldest first.
    tokens: Vec<String>,
    /// It takes clients without a token.
    open: bool,
    /// The last token that was rotated in, until it was set.
    rotated: Option<String>,
    over_tls: bool,
    user_groups: Vec<String>,
    port: u16,
    motion: Option<Motion>,
}

/// A change that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Motion {
    looks_left: usize,
    /// The server is being told.
    told: bool,
}

/// What stands in the place of the `default` user's name with a replication group.
const DEFAULT: &str = "default";

impl ElastiCache {
    /// Nothing yet, in front of a server. What is changed is `modifying` for two looks.
    pub fn of(admin: Admin) -> Self {
        Self { admin, state: Arc::new(Mutex::new(State { looks: 2, ..State::default() })) }
    }

    /// What is changed stays `modifying` for so many calls that look at it.
    #[must_use]
    pub fn settling_after(self, looks: usize) -> Self {
        self.state().looks = looks;
        self
    }

    /// A user that the server knows by this name, with at most two passwords.
    pub async fn with_user(self, id: &str, name: &str, passwords: &[&str]) -> anyhow::Result<Self> {
        let passwords: Vec<String> = passwords.iter().map(|&it| it.to_owned()).collect();
        self.admin.passwords(name, &passwords).await?;
        let kind = if passwords.is_empty() { Kind::NoPassword } else { Kind::Password };
        self.state().users.push(user(id, name, kind, passwords));
        Ok(self)
    }

    /// A user that proves by IAM who it is; it has no password.
    #[must_use]
    pub fn with_iam_user(self, id: &str) -> Self {
        self.state().users.push(user(id, id, Kind::Iam, Vec::new()));
        self
    }

    /// The replication group of the server, over TLS, with this token or with none.
    pub async fn with_group(self, id: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let tokens: Vec<String> = token.into_iter().map(ToOwned::to_owned).collect();
        self.admin.passwords(DEFAULT, &tokens).await?;
        let group = Group {
            id: id.to_owned(),
            open: tokens.is_empty(),
            tokens,
            rotated: None,
            over_tls: true,
            user_groups: Vec::new(),
            port: self.admin.port(),
            motion: None,
        };
        self.state().groups.push(group);
        Ok(self)
    }

    /// The last group lets users in by RBAC, and takes no token.
    #[must_use]
    pub fn with_user_group(self, name: &str) -> Self {
        if let Some(group) = self.state().groups.last_mut() {
            group.user_groups.push(name.to_owned());
        }
        self
    }

    /// The last group does not encrypt in transit, and takes no token.
    #[must_use]
    pub fn without_tls(self) -> Self {
        if let Some(group) = self.state().groups.last_mut() {
            group.over_tls = false;
        }
        self
    }

    /// From now on what is `modifying` stays so, however often it is looked at.
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// What is `modifying` goes on.
    pub fn release(&self) {
        self.state().held = false;
    }

    /// Somebody changes something else of a replication group: it is `modifying`, and its tokens stay.
    pub fn modify_elsewhere(&self, id: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        let looks_left = state.looks;
        let group = state.groups.iter_mut().find(|group| group.id == id);
        group.with_context(|| format!("there is no replication group {id}"))?.motion =
            Some(Motion { looks_left, told: false });
        Ok(())
    }

    /// The calls that changed something, in their order, with what they sent.
    pub fn changes(&self) -> Vec<Change> {
        self.state().changes.clone()
    }

    /// The passwords of a user as ElastiCache knows them.
    pub fn passwords(&self, id: &str) -> anyhow::Result<Vec<String>> {
        let state = self.state();
        let user = state.users.iter().find(|user| user.id == id);
        Ok(user.with_context(|| format!("there is no user {id}"))?.passwords.clone())
    }

    /// The tokens of a replication group, the oldest first.
    pub fn tokens(&self, id: &str) -> anyhow::Result<Vec<String>> {
        let state = self.state();
        let group = state.groups.iter().find(|group| group.id == id);
        Ok(group.with_context(|| format!("there is no replication group {id}"))?.tokens.clone())
    }

    /// Brings what is under way to its end.
    ///
    /// # Errors
    /// When it does not end within some seconds, because it is held or the server refused.
    pub async fn settled(&self) -> anyhow::Result<()> {
        for _ in 0..500 {
            if self.look_at(|_| true, |_| true) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let broken = self.state().broken.clone();
        anyhow::bail!(
            "what is modified does not come to its end: {}",
            broken.as_deref().unwrap_or("it is held")
        )
    }

    /// The answer to a call that this double covers. It must be asked for within a Tokio runtime.
    pub fn answer(&self, call: &Call) -> Option<Answer> {
        calls::answer(self, call)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Somebody looked at some users and groups; whether nothing goes on in them.
    fn look_at(&self, users: impl Fn(&User) -> bool, groups: impl Fn(&Group) -> bool) -> bool {
        let mut state = self.state();
        let held = state.held;
        let mut tell: Vec<(String, Vec<String>, Of)> = Vec::new();
        let mut still = true;
        for user in state.users.iter_mut().filter(|user| users(user)) {
            let Some(motion) = &mut user.motion else { continue };
            still = false;
            if motion.ends(held) {
                tell.push((user.name.clone(), user.passwords.clone(), Of::User(user.id.clone())));
            }
        }
        for group in state.groups.iter_mut().filter(|group| groups(group)) {
            let Some(motion) = &mut group.motion else { continue };
            still = false;
            if motion.ends(held) {
                // A server that takes clients without a password takes them with any.
                let tokens = if group.open { Vec::new() } else { group.tokens.clone() };
                tell.push((DEFAULT.to_owned(), tokens, Of::Group(group.id.clone())));
            }
        }
        drop(state);
        for (name, passwords, of) in tell {
            let this = self.clone();
            tokio::spawn(async move { this.tell(&name, &passwords, &of).await });
        }
        still
    }

    async fn tell(&self, name: &str, passwords: &[String], of: &Of) {
        let told = self.admin.passwords(name, passwords).await;
        let mut state = self.state();
        if let Err(error) = told {
            state.broken = Some(format!("{error:#}"));
            return;
        }
        match of {
            Of::User(id) => {
                for user in state.users.iter_mut().filter(|user| user.id == *id) {
                    user.motion = None;
                }
            }
            Of::Group(id) => {
                for group in state.groups.iter_mut().filter(|group| group.id == *id) {
                    group.motion = None;
                }
            }
        }
    }
}

#[derive(Debug)]
enum Of {
    User(String),
    Group(String),
}

impl Motion {
    /// One more look; whether the server is to be told now.
    const fn ends(&mut self, held: bool) -> bool {
        if held || self.told {
            return false;
        }
        self.looks_left = self.looks_left.saturating_sub(1);
        self.told = self.looks_left == 0;
        self.told
    }
}

fn user(id: &str, name: &str, kind: Kind, passwords: Vec<String>) -> User {
    let access = "on ~* &* +@all".to_owned();
    User { id: id.to_owned(), name: name.to_owned(), access, kind, passwords, motion: None }
}

#[cfg(test)]
mod tests;
