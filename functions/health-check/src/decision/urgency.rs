//! How soon somebody has to answer.

use shared::notice::Severity;

use super::change::Level;
use crate::component::Kind;

/// What traffic needs: nothing works for users without one of these.
const CARRIES_TRAFFIC: [Kind; 9] = [
    Kind::Cache,
    Kind::Cluster,
    Kind::DnsName,
    Kind::Endpoint,
    Kind::Instance,
    Kind::LoadBalancer,
    Kind::Service,
    Kind::Targets,
    Kind::Tls,
];

/// How soon somebody has to answer for a thing by itself.
#[must_use]
pub fn severity(kind: Kind, level: Level, production: bool) -> Severity {
    match (level, production) {
        (Level::Failed, true) if CARRIES_TRAFFIC.contains(&kind) => Severity::Sev1,
        (Level::Failed, true) => Severity::Sev2,
        (Level::Failed, false) | (Level::Degraded, true) => Severity::Sev3,
        (Level::Degraded, false) | (Level::Unknown | Level::Well, _) => Severity::Sev4,
    }
}

#[cfg(test)]
mod tests {
    use shared::notice::Severity::{self, Sev1, Sev2, Sev3, Sev4};

    use super::severity;
    use crate::component::Kind;
    use crate::decision::change::Level::{self, Degraded, Failed};

    #[test]
    fn how_soon_follows_from_what_it_is_and_where() {
        let cases: [(Kind, Level, bool, Severity); 6] = [
            (Kind::Service, Failed, true, Sev1),
            (Kind::Secret, Failed, true, Sev2),
            (Kind::Service, Degraded, true, Sev3),
            (Kind::Service, Failed, false, Sev3),
            (Kind::Service, Degraded, false, Sev4),
            (Kind::Service, Level::Unknown, true, Sev4),
        ];
        for (kind, level, production, expected) in cases {
            assert_eq!(severity(kind, level, production), expected, "{kind} {level:?} {production}");
        }
    }
}
