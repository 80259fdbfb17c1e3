//! Maintenance windows, in the local time of their zone.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::read;

/// A time of the week in which people work on the environment.
///
/// It begins on each of its days at `from`, which belongs to it, and lasts until `to`, which does not. Where `to` is
/// not later than `from`, it is meant of the next day. A time that the clock skips or shows twice, when summer time
/// begins or ends, is taken so that the window is never shorter than written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// What people call it.
    pub name: String,
    /// On which days it begins; without any, on every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// When it begins: 00:00 to 23:59.
    #[serde(deserialize_with = "from")]
    pub from: TimeOfDay,
    /// When it is over: 00:00 to 24:00.
    #[serde(deserialize_with = "to")]
    pub to: TimeOfDay,
    /// The IANA time zone that these times are of, such as Europe/Berlin or UTC.
    #[serde(serialize_with = "zone_name", deserialize_with = "zone")]
    #[schemars(with = "String")]
    pub zone: TimeZone,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// What a clock shows, from 00:00 to 24:00, to the minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    hour: i8,
    minute: i8,
}

impl TimeOfDay {
    const MIDNIGHT: Self = Self { hour: 24, minute: 0 };
    /// When people begin to work.
    pub(super) const NINE: Self = Self { hour: 9, minute: 0 };

    /// `HH:MM`; `24:00` is the end of the day.
    fn parse(text: &str) -> Option<Self> {
        let (hour, minute) =
            text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        let read = Self { hour: hour.parse().ok()?, minute: minute.parse().ok()? };
        (digits && read.minute < 60 && read <= Self::MIDNIGHT).then_some(read)
    }

    /// This time of that day.
    pub(super) fn on(self, day: Date) -> Option<DateTime> {
        if self == Self::MIDNIGHT {
            return Some(day.tomorrow().ok()?.to_datetime(Time::midnight()));
        }
        Some(day.to_datetime(Time::new(self.hour, self.minute, 0, 0).ok()?))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl Window {
    /// When the window is over that is open now; `None` when it is not open.
    pub fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        // Yesterday's may last until today. Tomorrow's begins today where the clock skips midnight.
        [today.yesterday(), Ok(today), today.tomorrow()]
            .into_iter()
            .flatten()
            .filter_map(|day| self.beginning_on(day))
            .filter(|(from, to)| (*from..*to).contains(&now))
            .map(|(_, to)| to)
            .max()
    }

    /// When it opens next after now; `None` where it does not within a week.
    pub fn opens_after(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let days = (0..=8).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
        days.filter_map(|day| self.beginning_on(day)).map(|(from, _)| from).filter(|from| now < *from).min()
    }

    /// The window that begins on this day: from when, until when.
    fn beginning_on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days.is_empty() && !self.days.contains(&day.weekday().into()) {
            return None;
        }
        let last = if self.to > self.from { day } else { day.tomorrow().ok()? };
        let from = self.zone.to_ambiguous_timestamp(self.from.on(day)?).earlier().ok()?;
        let to = self.zone.to_ambiguous_timestamp(self.to.on(last)?).later().ok()?;
        Some((from, to))
    }
}

/// As people are told: `sunday (sun 02:00–04:00 Europe/Berlin)`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.name)?;
        for day in &self.days {
            write!(f, "{} ", format!("{day:?}").to_lowercase())?;
        }
        write!(f, "{}–{} {})", self.from, self.to, self.zone.iana_name().unwrap_or("UTC"))
    }
}

pub(super) fn from<'de, D: Deserializer<'de>>(from: D) -> Result<TimeOfDay, D::Error> {
    read::text(from, "a time from 00:00 to 23:59", |text| {
        TimeOfDay::parse(text).filter(|time| *time < TimeOfDay::MIDNIGHT)
    })
}

fn to<'de, D: Deserializer<'de>>(from: D) -> Result<TimeOfDay, D::Error> {
    read::text(from, "a time from 00:00 to 24:00", TimeOfDay::parse)
}

pub(super) fn zone<'de, D: Deserializer<'de>>(from: D) -> Result<TimeZone, D::Error> {
    read::text(from, "a time zone, such as Europe/Berlin or UTC", |text| TimeZone::get(text).ok())
}

pub(super) fn zone_name<S: Serializer>(zone: &TimeZone, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(zone.iana_name().unwrap_or("UTC"))
}

/// A time of a day; `24:00` is none.
impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from(deserializer)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for TimeOfDay {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"})
    }
}
