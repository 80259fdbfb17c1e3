//! The notice of a deployment, for the record. Tags are whoever's text: they are shown, cut, and trusted in nothing.

use std::collections::BTreeMap;

use shared::notice::{Deployment, Notice};
use shared::tags::{self, Tags};

use super::words::{name, revision};
use super::{head, link, subject};
use crate::decision::{News, Policy};
use crate::facts::{Facts, Written};

/// The longest text of a tag that is shown; AWS allows 256 characters.
const LONGEST_TAG: usize = 256;

/// Tells of a deployment; `written` are the task definitions that could be read, by their ARNs.
pub(crate) fn news(
    facts: &Facts,
    policy: &Policy,
    news: &News,
    written: &BTreeMap<String, Written>,
) -> Notice {
    let own = news.revision.as_ref().and_then(|arn| written.get(arn));
    let before = news.back_to.as_ref().and_then(|arn| written.get(arn));
    let of = |key: &str| own.and_then(|own| tag(&own.tags, key)).or_else(|| tag(&news.tags, key));
    let called = name(&news.target);
    let deployment = Deployment {
        revision: news.revision.as_deref().map(|arn| revision(&news.target, arn)),
        image: own.and_then(|own| own.image.clone()),
        commit: of(tags::COMMIT),
        branch: of(tags::BRANCH),
        author: of(tags::AUTHOR),
        repository: of(tags::REPOSITORY),
        workflow: of(tags::WORKFLOW),
        health: news.health,
        // The service's own tags are of what was deployed last.
        back_to: before.and_then(|before| tag(&before.tags, tags::COMMIT)),
        ..Deployment::new(&news.deployment, news.status, &called)
    };
    let mut notice = deployment.notice(&policy.environment, policy.told.production, news.at);
    notice.subject = subject(&news.target, news.service.as_deref());
    head(&mut notice, policy);
    if let Some(secret) = &news.secret {
        notice.summary = format!("{} It was redeployed after the secret {secret} changed.", notice.summary);
        notice.fact("Secret", secret);
    }
    if let Some(said) = &news.said {
        notice.fact("Why", said);
    }
    if let Some(back_to) = &news.back_to {
        notice.fact("Goes back to", revision(&news.target, back_to));
    }
    notice.fact("Deployment", &news.deployment);
    link(&mut notice, &news.target, facts.service());
    notice
}

fn tag(tags: &Tags, key: &str) -> Option<String> {
    let value: String = tags.get(key)?.trim().chars().take(LONGEST_TAG).collect();
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
