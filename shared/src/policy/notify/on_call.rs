//! Who is on call, and who is called when nobody answers.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::super::DAY;
use super::super::read::{self, Lasting};
use super::super::window::{self, Day, TimeOfDay};
use super::SeverityWord;
use super::quiet;
use crate::notice::Severity;

/// Somebody who can be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    /// The channels that reach this person.
    pub channels: Vec<String>,
    /// The id under which Slack knows this person, so that a message can name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mention: Option<String>,
}

/// People who take turns, a week each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The IANA time zone that the handover is of, such as Europe/Berlin or UTC.
    #[serde(serialize_with = "window::zone_name", deserialize_with = "window::zone")]
    #[schemars(with = "String")]
    pub zone: TimeZone,
    /// When the next person takes over.
    #[serde(default)]
    pub handover: Handover,
    /// The first person's first week begins with the first handover on or after this day.
    #[serde(deserialize_with = "date")]
    #[schemars(with = "String", extend("format" = "date"))]
    pub since: Date,
    /// Who, one after the other, and then again from the first.
    pub order: Vec<String>,
    /// Who stands in, and when; of several that hold, the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

impl Rotation {
    /// The how manieth week it is, from 0 on; before the first it is 0, too.
    pub fn week(&self, now: Timestamp) -> usize {
        let first = (0..7).filter_map(|days| self.since.checked_add(Span::new().days(days)).ok());
        let Some(first) = first.into_iter().find(|date| Day::from(date.weekday()) == self.handover.day)
        else {
            return 0;
        };
        let today = self.zone.to_datetime(now).date();
        let days = first.until(today).map_or(0, |span| i64::from(span.get_days()));
        // The clock may show a time twice, or skip it; which of the weeks around it is, only the moments tell.
        let begun = |week: &i64| self.takes_over(first, *week).is_some_and(|moment| moment <= now);
        let week = [days / 7, days / 7 - 1].into_iter().find(begun).unwrap_or_default();
        usize::try_from(week).unwrap_or_default()
    }

    /// When this week begins. A time that the clock skips is taken as much later, one that it shows twice is the first.
    fn takes_over(&self, first: Date, week: i64) -> Option<Timestamp> {
        let day = first.checked_add(Span::new().try_weeks(week).ok()?).ok()?;
        self.zone.to_ambiguous_timestamp(self.handover.at.on(day)?).compatible().ok()
    }
}

/// When the next person takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Handover {
    /// On which day of the week.
    pub day: Day,
    /// At what time: 00:00 to 23:59.
    #[serde(deserialize_with = "window::from")]
    pub at: TimeOfDay,
}

impl Default for Handover {
    fn default() -> Self {
        Self { day: Day::Mon, at: TimeOfDay::NINE }
    }
}

/// Somebody stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// From when on, RFC 3339 with an offset.
    #[serde(deserialize_with = "quiet::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub from: Timestamp,
    /// Until when, RFC 3339 with an offset.
    #[serde(deserialize_with = "quiet::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
    /// Who.
    pub person: String,
}

/// Who is called when nobody acknowledges an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Escalation {
    /// For incidents of which severities.
    #[schemars(with = "Vec<SeverityWord>")]
    pub severities: Vec<Severity>,
    /// Whom, and when; without any, nobody is called.
    pub steps: Vec<Call>,
}

impl Default for Escalation {
    fn default() -> Self {
        Self { severities: vec![Severity::Sev1], steps: Vec::new() }
    }
}

/// One step of the escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// How long after the incident began. From 0s to 24h.
    #[serde(with = "Lasting::<0, DAY>")]
    pub after: SignedDuration,
    /// Who: a rotation, a person, or a channel.
    pub to: String,
}

fn date<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    read::text(from, "a date, such as 2026-01-05", |text| text.parse().ok())
}
