//! The calls of the ElastiCache API that the double answers, and its XML.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ElastiCache, Group, Kind, Motion, State, User, arn};
use crate::proxy::{Answer, Call, escaped};
use crate::recorded::{Change, page};

type Form = BTreeMap<String, String>;

/// What an operation takes, of those that are answered. A list's members are named after it: `<list>.member.1`.
fn parameters(action: &str) -> Option<&'static [&'static str]> {
    Some(match action {
        "elasticache:DescribeUsers" => &["Engine", "UserId", "MaxRecords", "Marker"],
        "elasticache:DescribeReplicationGroups" => &["ReplicationGroupId", "MaxRecords", "Marker"],
        "elasticache:ModifyUser" => &[
            "UserId",
            "AccessString",
            "AppendAccessString",
            "Passwords",
            "NoPasswordRequired",
            "AuthenticationMode",
            "Engine",
        ],
        "elasticache:ModifyReplicationGroup" => {
            &["ReplicationGroupId", "AuthToken", "AuthTokenUpdateStrategy", "ApplyImmediately"]
        }
        _ => return None,
    })
}

pub(super) fn answer(double: &ElastiCache, call: &Call) -> Option<Answer> {
    let known = parameters(&call.action)?;
    let mut form: Form = call.form().into_iter().collect();
    form.remove("Action");
    form.remove("Version");
    let stranger = form.keys().find(|name| name.split('.').next().is_none_or(|name| !known.contains(&name)));
    if let Some(stranger) = stranger {
        return Some(value_refused(format!("{stranger} is not covered by this double")));
    }
    let result = match call.operation() {
        "DescribeUsers" => describe_users(double, &form),
        "DescribeReplicationGroups" => describe_groups(double, &form),
        "ModifyUser" => modify(double, call, &form, modify_user),
        _ => modify(double, call, &form, modify_group),
    };
    Some(match result {
        Ok(result) => Answer::query(call, &result),
        Err(refusal) => refusal,
    })
}

type Refused<T> = Result<T, Answer>;

fn value_refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, "InvalidParameterValue", message)
}

fn combination_refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Answer::error(400, "InvalidParameterCombination", message)
}

fn value<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.get(name).map(String::as_str)
}

fn members(form: &Form, name: &str) -> Vec<String> {
    (1..).map_while(|nth| form.get(&format!("{name}.member.{nth}"))).cloned().collect()
}

fn modify(
    double: &ElastiCache,
    call: &Call,
    form: &Form,
    change: fn(&mut State, &Form) -> Refused<String>,
) -> Refused<String> {
    let mut state = double.state();
    let result = change(&mut state, form)?;
    let pairs: Map<String, Value> =
        form.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    state.changes.push(Change { action: call.action.clone(), sent: Value::Object(pairs) });
    let at_once = state.looks == 0;
    drop(state);
    if at_once {
        double.look_at(|_| true, |_| true);
    }
    Ok(result)
}

fn describe_users(double: &ElastiCache, form: &Form) -> Refused<String> {
    let wanted = value(form, "UserId");
    let state = double.state();
    let found: Vec<User> =
        state.users.iter().filter(|user| wanted.is_none_or(|id| user.id == id)).cloned().collect();
    drop(state);
    if let (Some(id), true) = (wanted, found.is_empty()) {
        return Err(Answer::error(404, "UserNotFound", format!("User {id} not found.")));
    }
    let (found, marker) = paged(found, form)?;
    let ids: Vec<&str> = found.iter().map(|user| user.id.as_str()).collect();
    double.look_at(|user| ids.contains(&user.id.as_str()), |_| false);
    Ok(list("Users", "member", found.iter().map(described)) + &marker)
}

fn describe_groups(double: &ElastiCache, form: &Form) -> Refused<String> {
    let wanted = value(form, "ReplicationGroupId");
    let state = double.state();
    let found: Vec<Group> =
        state.groups.iter().filter(|group| wanted.is_none_or(|id| group.id == id)).cloned().collect();
    drop(state);
    if let (Some(id), true) = (wanted, found.is_empty()) {
        return Err(no_group(id));
    }
    let (found, marker) = paged(found, form)?;
    let ids: Vec<&str> = found.iter().map(|group| group.id.as_str()).collect();
    double.look_at(|_| false, |group| ids.contains(&group.id.as_str()));
    Ok(list("ReplicationGroups", "ReplicationGroup", found.iter().map(drawn)) + &marker)
}

fn no_group(id: &str) -> Answer {
    Answer::error(404, "ReplicationGroupNotFoundFault", format!("ReplicationGroup {id} not found."))
}

fn paged<T>(all: Vec<T>, form: &Form) -> Refused<(Vec<T>, String)> {
    let size = match value(form, "MaxRecords").map(str::parse::<usize>) {
        None => 100,
        Some(Ok(size @ 20..=100)) => size,
        Some(_) => return Err(value_refused("MaxRecords must be between 20 and 100")),
    };
    let (found, next) =
        page(all, value(form, "Marker"), size).ok_or_else(|| value_refused("Invalid marker"))?;
    Ok((found, next.map_or_else(String::new, |next| tag("Marker", &next))))
}

/// ElastiCache API, `ModifyUser`, and the user guide, "Role-Based Access Control (RBAC)".
fn modify_user(state: &mut State, form: &Form) -> Refused<String> {
    let looks = state.looks;
    let id = value(form, "UserId").ok_or_else(|| value_refused("UserId is required"))?;
    let user = state.users.iter_mut().find(|user| user.id == id);
    let user = user.ok_or_else(|| Answer::error(404, "UserNotFound", format!("User {id} not found.")))?;
    if user.motion.is_some() {
        return Err(Answer::error(400, "InvalidUserState", format!("User {id} is not in active state.")));
    }

    let (plain, in_mode) = (members(form, "Passwords"), members(form, "AuthenticationMode.Passwords"));
    let mode = value(form, "AuthenticationMode.Type");
    let none = value(form, "NoPasswordRequired") == Some("true");
    if [!plain.is_empty(), mode.is_some(), none].iter().filter(|given| **given).count() > 1 {
        return Err(combination_refused(
            "Passwords, NoPasswordRequired and AuthenticationMode are mutually exclusive",
        ));
    }
    let kind = match mode {
        Some("password") => Some(Kind::Password),
        Some("no-password-required") => Some(Kind::NoPassword),
        Some("iam") => Some(Kind::Iam),
        Some(_) => {
            return Err(value_refused(
                "AuthenticationMode.Type must be iam, password or no-password-required",
            ));
        }
        None if none => Some(Kind::NoPassword),
        None => (!plain.is_empty()).then_some(Kind::Password),
    };
    let passwords = if mode.is_some() { in_mode } else { plain };
    match kind {
        Some(Kind::Password) => {
            if user.kind == Kind::Iam && mode.is_none() {
                return Err(combination_refused("The user authenticates with IAM and has no password"));
            }
            check_passwords(&passwords)?;
        }
        Some(Kind::NoPassword | Kind::Iam) if !passwords.is_empty() => {
            return Err(combination_refused("No password goes with this type of authentication"));
        }
        Some(Kind::NoPassword | Kind::Iam) | None => {}
    }
    if let Some(kind) = kind {
        user.kind = kind;
        user.passwords = passwords;
        user.motion = Some(Motion { looks_left: looks, told: false });
    }
    if let Some(access) = value(form, "AccessString") {
        access.clone_into(&mut user.access);
    }
    Ok(described(user))
}

/// One or two, different, of 16 to 128 printable characters, without `,`, `"`, `/` and `@`.
fn check_passwords(passwords: &[String]) -> Refused<()> {
    if !(1..=2).contains(&passwords.len()) {
        return Err(value_refused("A user can have one or two passwords"));
    }
    if passwords.first() == passwords.get(1) {
        return Err(value_refused("The passwords of a user must be different"));
    }
    let fits = |password: &String| {
        let printable = password.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"/@".contains(&byte));
        printable && (16..=128).contains(&password.len())
    };
    if passwords.iter().all(fits) {
        Ok(())
    } else {
        Err(value_refused("A password must be 16 to 128 printable characters, and none of , \" / @"))
    }
}

/// ElastiCache API, `ModifyReplicationGroup`, and the user guide, "Authenticating with the AUTH command".
fn modify_group(state: &mut State, form: &Form) -> Refused<String> {
    let looks = state.looks;
    let id =
        value(form, "ReplicationGroupId").ok_or_else(|| value_refused("ReplicationGroupId is required"))?;
    let group = state.groups.iter_mut().find(|group| group.id == id).ok_or_else(|| no_group(id))?;
    if group.motion.is_some() {
        let message = "Replication group must be in available state to modify.";
        return Err(Answer::error(400, "InvalidReplicationGroupState", message));
    }
    let Some(token) = value(form, "AuthToken") else {
        return Err(combination_refused(
            "AuthTokenUpdateStrategy goes with AuthToken; nothing else is covered here",
        ));
    };
    if value(form, "ApplyImmediately") != Some("true") {
        return Err(combination_refused("A change of the AUTH token must be applied immediately"));
    }
    if !group.over_tls {
        return Err(combination_refused(
            "AUTH token modification is only supported when encryption-in-transit is enabled.",
        ));
    }
    if !group.user_groups.is_empty() {
        return Err(combination_refused(
            "The replication group uses role-based access control and takes no AUTH token",
        ));
    }
    let fits = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!&#$^<>-".contains(&byte));
    if !fits || !(16..=128).contains(&token.len()) {
        return Err(value_refused(
            "Invalid AuthToken provided: 16 to 128 letters, digits and the characters ! & # $ ^ < > -",
        ));
    }
    match value(form, "AuthTokenUpdateStrategy") {
        // Without a strategy, it is ROTATE.
        None | Some("ROTATE") => rotate(group, token),
        Some("SET") => {
            let rotated = group.rotated.as_deref().ok_or_else(|| {
                combination_refused("The AUTH token can be SET only after it was rotated with ROTATE")
            })?;
            if rotated != token {
                return Err(value_refused("The AUTH token to SET must be the one that was last rotated"));
            }
            group.tokens = vec![token.to_owned()];
            group.open = false;
            group.rotated = None;
        }
        Some("DELETE") => {
            return Err(combination_refused(
                "The AUTH token can be deleted only in a move to role-based access control",
            ));
        }
        Some(_) => return Err(value_refused("AuthTokenUpdateStrategy must be SET, ROTATE or DELETE")),
    }
    group.motion = Some(Motion { looks_left: looks, told: false });
    Ok(format!("<ReplicationGroup>{}</ReplicationGroup>", drawn(group)))
}

/// Adds the token and keeps the one before; of two, the oldest goes, also for a token that is there already: nothing
/// says that it is spared. Where there was no token, clients without one stay welcome, but not past the next rotation.
fn rotate(group: &mut Group, token: &str) {
    group.open = group.tokens.is_empty();
    group.tokens.push(token.to_owned());
    while group.tokens.len() > 2 {
        group.tokens.remove(0);
    }
    group.rotated = Some(token.to_owned());
}

fn tag(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}

fn list(name: &str, member: &str, members: impl Iterator<Item = String>) -> String {
    let members: Vec<String> = members.map(|it| format!("<{member}>{it}</{member}>")).collect();
    format!("<{name}>{}</{name}>", members.concat())
}

fn described(user: &User) -> String {
    let kind = match user.kind {
        Kind::Password => "password",
        Kind::NoPassword => "no-password",
        Kind::Iam => "iam",
    };
    [
        tag("UserId", &user.id),
        tag("UserName", &user.name),
        tag("Status", if user.motion.is_some() { "modifying" } else { "active" }),
        tag("Engine", "valkey"),
        tag("MinimumEngineVersion", "7.2"),
        tag("AccessString", &user.access),
        "<UserGroupIds/>".to_owned(),
        format!(
            "<Authentication>{}{}</Authentication>",
            tag("Type", kind),
            tag("PasswordCount", &user.passwords.len().to_string())
        ),
        tag("ARN", &arn("elasticache", &format!("user:{}", user.id))),
    ]
    .concat()
}

fn drawn(group: &Group) -> String {
    let users: String = group.user_groups.iter().map(|it| tag("member", it)).collect();
    let endpoint = tag("Address", "localhost") + &tag("Port", &group.port.to_string());
    [
        tag("ReplicationGroupId", &group.id),
        tag("Description", "sessions"),
        tag("Status", if group.motion.is_some() { "modifying" } else { "available" }),
        "<PendingModifiedValues/>".to_owned(),
        format!("<MemberClusters>{}</MemberClusters>", tag("ClusterId", &format!("{}-001", group.id))),
        format!(
            "<NodeGroups><NodeGroup>{}{}<PrimaryEndpoint>{endpoint}</PrimaryEndpoint></NodeGroup></NodeGroups>",
            tag("NodeGroupId", "0001"),
            tag("Status", "available")
        ),
        tag("ClusterEnabled", "false"),
        tag("AuthTokenEnabled", if group.tokens.is_empty() { "false" } else { "true" }),
        tag("TransitEncryptionEnabled", if group.over_tls { "true" } else { "false" }),
        tag("AtRestEncryptionEnabled", "true"),
        format!("<UserGroupIds>{users}</UserGroupIds>"),
        tag("ARN", &arn("elasticache", &format!("replicationgroup:{}", group.id))),
        tag("Engine", "valkey"),
    ]
    .concat()
}
