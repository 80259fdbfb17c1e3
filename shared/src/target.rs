//! What can be rolled back, in the words of the `watchkeeper:target` tag.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// What can be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// `ecs:<cluster>/<service>`
    Service {
        /// The cluster's name.
        cluster: String,
        /// The service's name.
        service: String,
    },
    /// `lambda:<function>:<alias>`
    Alias {
        /// The function's name.
        function: String,
        /// The alias.
        alias: String,
    },
    /// `stack:<name>`
    Stack {
        /// The stack's name.
        name: String,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { cluster, service } => write!(f, "ecs:{cluster}/{service}"),
            Self::Alias { function, alias } => write!(f, "lambda:{function}:{alias}"),
            Self::Stack { name } => write!(f, "stack:{name}"),
        }
    }
}

/// A target stands in a record as its text.
impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A target stands in a document as its text, such as `ecs:prod/web`; for `#[serde(with)]`.
pub mod as_text {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Target;

    /// Writes the text.
    ///
    /// # Errors
    /// What the writer answers.
    pub fn serialize<S: Serializer>(target: &Target, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(target)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// A text that is no target.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Target, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.trim().split_once(':') {
            Some(("ecs", rest)) => rest
                .split_once('/')
                .filter(|(cluster, service)| is_name(cluster) && is_name(service))
                .map(|(cluster, service)| Self::Service {
                    cluster: cluster.to_owned(),
                    service: service.to_owned(),
                }),
            Some(("lambda", rest)) => rest
                .split_once(':')
                .filter(|(function, alias)| is_name(function) && is_name(alias))
                .map(|(function, alias)| Self::Alias {
                    function: function.to_owned(),
                    alias: alias.to_owned(),
                }),
            Some(("stack", name)) if is_name(name) => Some(Self::Stack { name: name.to_owned() }),
            Some(_) | None => None,
        };
        parsed.ok_or_else(|| {
            format!("{text:?} is not a target; write ecs:<cluster>/<service>, lambda:<function>:<alias> or stack:<name>")
        })
    }
}

/// Whether a pattern covers a name: the name itself, or its beginning and a star, such as `orders-dlq`, `orders-*`, `*`.
pub fn covers(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

/// Letters, digits, hyphens and underscores, at most 255: what ECS, Lambda and CloudFormation names are made of.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{Target, covers};

    #[track_caller]
    fn check(text: &str, valid: bool) {
        match text.parse::<Target>() {
            Ok(target) => {
                assert!(valid, "{text:?} was read as {target:?}");
                assert_eq!(target.to_string(), text.trim());
            }
            Err(error) => {
                assert!(!valid, "{error}");
                assert!(error.contains("ecs:<cluster>/<service>"));
            }
        }
    }

    #[test]
    fn a_name_is_covered_by_itself_by_its_beginning_and_by_a_star() {
        for (pattern, name, expected) in [
            ("*", "orders-dlq", true),
            ("orders-dlq", "orders-dlq", true),
            ("orders-dlq", "orders-dlq-2", false),
            ("orders-*", "orders-dlq", true),
            ("orders-*", "orders-", true),
            ("orders-*", "Orders-dlq", false),
            ("orders*dlq", "orders-dlq", false),
            ("", "orders-dlq", false),
        ] {
            assert_eq!(covers(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_target_reads_back_as_it_was_written() {
        check("ecs:prod/web", true);
        check(" ecs:prod/web-1_a ", true);
        check("lambda:checkout:live", true);
        check("stack:billing-prod", true);
    }

    #[test]
    fn anything_else_is_refused_with_the_three_spellings() {
        for text in [
            "",
            "ecs:",
            "ecs:web",
            "ecs:/web",
            "ecs:prod/",
            "ecs:a/b/c",
            "lambda:f",
            "stack:",
            "prod/web",
            "ECS:a/b",
            "ecs:a/ b",
        ] {
            check(text, false);
        }
    }
}
