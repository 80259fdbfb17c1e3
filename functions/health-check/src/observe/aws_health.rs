//! AWS Health: the events that are open or come, of this Region and of all.
//!
//! It answers in one Region of a partition only, and only with a Business support plan or a larger one.

use aws_sdk_health::Client;
use aws_sdk_health::config::Region;
use aws_sdk_health::types::{Event as Said, EventFilter, EventStatusCode};
use jiff::Timestamp;
use shared::Result;
use shared::error::Call;

use crate::clients::home;
use crate::component::{Component, Kind};
use crate::decision::kind::aws_health::{Event, Facts, verdict};
use crate::sweep::{Api, Ask, Pages, unknown};

/// What the check is known by.
pub(crate) const NAME: &str = "AWS Health";

/// Asks what AWS says of itself.
pub(crate) async fn check(ask: &Ask<'_>) {
    let component = Component::new(Kind::AwsHealth, NAME);
    let mut events = None;
    let read = read(ask, &mut events).await;
    let facts = match read {
        Ok(()) => Facts { supported: true, events, unread: None },
        Err(error) if error.code() == Some("SubscriptionRequiredException") => Facts::default(),
        Err(error) if events.is_none() => return ask.unknown(&component, &error),
        Err(error) => Facts { supported: true, events, unread: Some(unknown(&error)) },
    };
    ask.say(&component, verdict(&facts, ask.now));
}

/// Reads all pages into `events`; what was read stays there when one fails.
async fn read(ask: &Ask<'_>, events: &mut Option<Vec<Event>>) -> Result<()> {
    let here = ask.clients.health().config().region().map(ToString::to_string);
    let filter = EventFilter::builder()
        .event_status_codes(EventStatusCode::Open)
        .event_status_codes(EventStatusCode::Upcoming)
        .set_regions(here.clone().map(|here| vec![here, "global".to_owned()]))
        .build();
    let client = client(ask.clients.health(), home(here.as_deref()));
    let (mut token, mut pages) = (None, Pages::default());
    loop {
        let turn = ask.turn(Api::Health).await;
        let answer = client
            .describe_events()
            .filter(filter.clone())
            .max_results(100)
            .set_next_token(token)
            .send()
            .await
            .action("health:DescribeEvents")?;
        drop(turn);
        if let Some(page) = answer.events {
            events.get_or_insert_default().extend(page.into_iter().map(event));
        }
        token = pages.next(answer.next_token)?;
        if token.is_none() {
            return Ok(());
        }
    }
}

fn client(client: &Client, region: &str) -> Client {
    Client::from_conf(client.config().to_builder().region(Region::new(region.to_owned())).build())
}

fn event(said: Said) -> Event {
    Event {
        service: said.service.unwrap_or_default(),
        code: said.event_type_code.unwrap_or_default(),
        category: said.event_type_category.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        status: said.status_code.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        scope: said.event_scope_code.map(|it| it.as_str().to_owned()).unwrap_or_default(),
        region: said.region.unwrap_or_default(),
        starts: said.start_time.and_then(|at| Timestamp::from_second(at.secs()).ok()),
    }
}

#[cfg(test)]
pub(super) mod tests;
