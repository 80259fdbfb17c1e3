//! How a secret is rotated: the value of its tag `watchkeeper:rotation`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The tag on a secret that names its strategy.
pub const ROTATION: &str = "watchkeeper:rotation";

/// How a secret is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// One PostgreSQL user whose password is changed.
    Postgres,
    /// Two PostgreSQL users that take turns.
    PostgresAlternating,
    /// An ElastiCache user with two passwords.
    ValkeyUser,
    /// The AUTH token of a replication group.
    ValkeyAuthToken,
    /// A random value that nothing but the secret holds.
    Random,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Postgres, Self::PostgresAlternating, Self::ValkeyUser, Self::ValkeyAuthToken, Self::Random];

    /// The word of the tag.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::PostgresAlternating => "postgres-alternating",
            Self::ValkeyUser => "valkey-user",
            Self::ValkeyAuthToken => "valkey-auth-token",
            Self::Random => "random",
        }
    }

    /// Whether the old credential stays usable after the label moved, so that what still runs with it goes on, and so
    /// that the label may be put back.
    pub const fn overlaps(self) -> bool {
        match self {
            Self::PostgresAlternating | Self::ValkeyUser | Self::ValkeyAuthToken => true,
            Self::Postgres | Self::Random => false,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        Self::ALL.into_iter().find(|strategy| strategy.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|strategy| strategy.as_str()).collect();
            format!("{text:?} is no rotation strategy; write one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Strategy;

    #[test]
    fn a_strategy_is_its_word_in_the_tag_and_in_a_record() {
        for strategy in Strategy::ALL {
            assert_eq!(format!(" {strategy} ").parse(), Ok(strategy));
            assert_eq!(serde_json::to_value(strategy).unwrap(), strategy.as_str());
        }
        let unknown = "mysql".parse::<Strategy>().unwrap_err();
        assert!(unknown.contains("valkey-auth-token"), "{unknown}");
    }

    #[test]
    fn the_old_credential_outlives_the_move_only_where_two_are_valid_at_a_time() {
        let overlapping: Vec<_> = Strategy::ALL.into_iter().filter(|strategy| strategy.overlaps()).collect();
        assert_eq!(
            overlapping,
            [Strategy::PostgresAlternating, Strategy::ValkeyUser, Strategy::ValkeyAuthToken]
        );
    }
}
