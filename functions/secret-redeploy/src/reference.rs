//! Which secret a reference means, in every way in which ECS lets it be written. Pure.
//!
//! | written | means |
//! |---|---|
//! | `arn:…:secretsmanager:…:secret:prod/db-AbCdEf` | the secret with this ARN |
//! | `arn:…:secretsmanager:…:secret:prod/db` | the secret whose ARN is this with a hyphen and six characters |
//! | either, and `:key:stage:version` | the same; each of the three may be empty or absent |
//! | `/aws/reference/secretsmanager/prod/db` | the secret of this name, through the Parameter Store |
//! | the same as `arn:…:ssm:…:parameter/aws/…`, and `:stage` or `:version` | the same |
//! | `prod/db`, for registry credentials only | the secret of this name, where the task runs |
//!
//! # Where one text can mean two secrets
//! `…:secret:prod/db-abcdef` is the whole ARN of a secret `prod/db`, and the ARN without its end of a secret
//! `prod/db-abcdef`. The end is never cut off the reference, only off the ARN of the secret that is looked for, so each
//! of the two is recognised. Where both are looked for, the whole ARN wins, as it does in Secrets Manager
//! (API reference, `GetSecretValue`, `SecretId`). Where only the second is, it counts as meant: Secrets Manager may not
//! find it in that spelling, but a redeploy too many does no harm, and one too few leaves a service with a password that
//! is no more.
//!
//! Nothing is ever compared by its beginning: `prod/db` is not `prod/db-replica`. A name means a secret of the account
//! and Region in which the task runs; an ARN of another account, Region or partition means another secret. A secret that
//! was deleted and made again has another ARN, and the old one means neither.

mod places;

use serde::{Deserialize, Serialize};

pub(crate) use places::live;
pub use places::{of_definition, of_service};

/// How the Parameter Store spells a secret (Systems Manager User Guide, "Referencing AWS Secrets Manager secrets from
/// Parameter Store parameters").
const PARAMETER: &str = "/aws/reference/secretsmanager/";

/// The stage that is meant where none is named.
const CURRENT: &str = "AWSCURRENT";

/// A version's id has at least as many characters (Secrets Manager API, `SecretVersionEntry.VersionId`). A stage of that
/// length is taken for a version: people are then told that it is pinned, instead of never hearing of it.
const VERSION_LENGTH: usize = 32;

/// One place that refers to a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Where it stands.
    pub place: Place,
    /// The container that it belongs to; none where it belongs to a whole task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The secret, as it is written there.
    pub secret: Spelling,
    /// The key within the secret's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version that is wanted.
    #[serde(default, skip_serializing_if = "Wanted::is_current")]
    pub wanted: Wanted,
}

/// Where a reference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// `secrets` of a container: read when the task starts.
    Secret,
    /// `secretOptions` of a container's log configuration: read when the task starts.
    Log,
    /// The credentials of an `FSx` volume: read when the task starts.
    Volume,
    /// `secretOptions` of the Service Connect proxy's log configuration: read when the task starts.
    ServiceConnect,
    /// The credentials of a private registry: read at every pull, so that no task holds an old one.
    Registry,
    /// A plain environment variable that holds an ARN: the application reads the secret itself, when it likes.
    Environment,
}

/// A secret as a reference spells it, without key, stage and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spelling(String);

/// The version that a reference wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// The one that carries this stage when a task starts.
    Stage(String),
    /// This one, whatever happens.
    Version(String),
}

/// A secret that is looked for: its whole ARN and its name, as `DescribeSecret` gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretId {
    /// The ARN, with its last six characters.
    pub arn: String,
    /// The name.
    pub name: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Stage(CURRENT.to_owned())
    }
}

impl Wanted {
    fn is_current(&self) -> bool {
        matches!(self, Self::Stage(stage) if stage == CURRENT)
    }
}

impl Spelling {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reference {
    /// Reads what stands where ECS takes an ARN; `None` where it means no secret, such as an SSM parameter.
    pub(crate) fn read(place: Place, container: Option<&str>, text: &str) -> Option<Self> {
        let (secret, key, wanted) = read_arn(text).or_else(|| read_parameter(text))?;
        Some(Self { place, container: container.map(ToOwned::to_owned), secret, key, wanted })
    }

    /// Reads what stands where ECS takes an ARN or a name.
    fn read_or_name(place: Place, container: Option<&str>, text: &str) -> Option<Self> {
        Self::read(place, container, text).or_else(|| {
            (!text.is_empty() && !text.contains(':')).then(|| Self {
                place,
                container: container.map(ToOwned::to_owned),
                secret: Spelling(text.to_owned()),
                key: None,
                wanted: Wanted::default(),
            })
        })
    }
}

type Parts = (Spelling, Option<String>, Wanted);

/// `arn:<partition>:secretsmanager:<Region>:<account>:secret:<name>`, and after it `:<key>:<stage>:<version>`. No name
/// holds a colon.
fn read_arn(text: &str) -> Option<Parts> {
    let mut parts = text.split(':');
    let secret: Vec<&str> = parts.by_ref().take(7).collect();
    let ["arn", _, "secretsmanager", _, _, "secret", name] = secret.as_slice() else {
        return None;
    };
    if name.is_empty() {
        return None;
    }
    let mut field = || parts.next().filter(|field| !field.is_empty()).map(ToOwned::to_owned);
    let (key, stage, version) = (field(), field(), field());
    // Stage and version exclude one another. Where both are given, the version is what no redeploy can change.
    let wanted = version.map(Wanted::Version).or(stage.map(Wanted::Stage)).unwrap_or_default();
    Some((Spelling(secret.join(":")), key, wanted))
}

/// `/aws/reference/secretsmanager/<name>`, bare or as the ARN of a parameter, and after it `:<stage>` or `:<version>`.
fn read_parameter(text: &str) -> Option<Parts> {
    let name = parameter(text)?.1;
    let (name, selector) =
        name.split_once(':').map_or((name, None), |(name, selector)| (name, Some(selector)));
    let wanted = match selector {
        None | Some("") => Wanted::default(),
        Some(version) if VERSION_LENGTH <= version.len() => Wanted::Version(version.to_owned()),
        Some(stage) => Wanted::Stage(stage.to_owned()),
    };
    let end = selector.map_or(text.len(), |selector| text.len() - selector.len() - 1);
    (!name.is_empty()).then(|| Some((Spelling(text.get(..end)?.to_owned()), None, wanted)))?
}

/// The place and the name of a secret that is spelled as a parameter. A bare one is where the task runs.
fn parameter(text: &str) -> Option<(Option<[&str; 3]>, &str)> {
    if let Some(name) = text.strip_prefix(PARAMETER) {
        return Some((None, name));
    }
    let mut parts = text.splitn(6, ':');
    let (Some("arn"), Some(partition), Some("ssm"), Some(region), Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let name = resource.strip_prefix("parameter")?.strip_prefix(PARAMETER)?;
    Some((Some([partition, region, account]), name))
}

/// Partition, Region and account of an ARN.
fn place(arn: &str) -> Option<[&str; 3]> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(_), Some(region), Some(account), Some(_)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some([partition, region, account])
}

/// How a reference and a secret fit, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// The whole ARN.
    Whole,
    /// The ARN without its end, or the name through the Parameter Store.
    Partial,
    /// The name, of whichever account and Region the task runs in.
    Name,
}

fn fit(reference: &Reference, secret: &SecretId) -> Option<Fit> {
    let written = reference.secret.as_str();
    if written == secret.arn {
        return Some(Fit::Whole);
    }
    if let Some((of, name)) = parameter(written) {
        let fit = if of.is_none() { Fit::Name } else { Fit::Partial };
        return (name == secret.name && of.is_none_or(|of| Some(of) == place(&secret.arn))).then_some(fit);
    }
    if without_end(&secret.arn) == Some(written) {
        return Some(Fit::Partial);
    }
    (written == secret.name).then_some(Fit::Name)
}

/// The ARN without the hyphen and the six characters that Secrets Manager adds to the name.
fn without_end(arn: &str) -> Option<&str> {
    let (rest, end) = arn.rsplit_once('-')?;
    (end.len() == 6 && end.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(rest)
}

/// Whether a reference means this secret. A name is taken for one of the secret's own account and Region: see [`meant`].
pub fn matches(reference: &Reference, secret: &SecretId) -> bool {
    fit(reference, secret).is_some()
}

/// Which of these secrets a reference means, if a task where `home` is holds it; `home` is the ARN of the service.
pub fn meant<'a>(reference: &Reference, home: &str, secrets: &'a [SecretId]) -> Option<&'a SecretId> {
    let whole = secrets.iter().find(|secret| fit(reference, secret) == Some(Fit::Whole));
    whole.or_else(|| {
        secrets.iter().find(|secret| match fit(reference, secret) {
            Some(Fit::Whole | Fit::Partial) => true,
            Some(Fit::Name) => place(home) == place(&secret.arn),
            None => false,
        })
    })
}

#[cfg(test)]
mod tests;
