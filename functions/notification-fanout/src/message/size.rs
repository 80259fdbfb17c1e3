//! Bounds what a notice holds. Whatever was sent, it can be written down, published again and shown.

use shared::id;
use shared::notice::Notice;

/// The most bytes of a notice as JSON: as many as a function may publish.
pub(super) const LARGEST: usize = 250_000;

/// The longest title, in characters.
pub(super) const LONGEST_TITLE: usize = 140;

/// The longest summary made of a text, in characters.
pub(super) const LONGEST_SUMMARY: usize = 20_000;

/// The longest of all other texts, in characters: also one of our own notices has no longer ones.
const LONGEST_WORD: usize = 2_000;

/// The most entries in any list.
const MOST_ENTRIES: usize = 50;

/// The longest key of an incident, in bytes: as much as a dead letter bears. A longer one keeps its beginning, and a hash of
/// the whole.
const LONGEST_INCIDENT: usize = 1_000;

/// Cuts the title of what is no notice of our own, and keeps it to one line.
pub(super) fn title(text: &str) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let kept: String = line.chars().take(LONGEST_TITLE).collect();
    if kept.len() < line.len() { format!("{kept}…") } else { kept }
}

/// Cuts what is longer than what any channel shows. A notice of the usual size stays as it is.
pub(super) fn bound(notice: &mut Notice) {
    if notice.incident.len() > LONGEST_INCIDENT {
        let kept: String = notice.incident.chars().take(200).collect();
        notice.incident = format!("{kept}…{}", id::of(&[&notice.incident]));
    }
    cut(&mut notice.summary, LONGEST_SUMMARY);
    if written(notice) <= LARGEST {
        return;
    }
    for text in [&mut notice.id, &mut notice.source, &mut notice.environment, &mut notice.title] {
        cut(text, LONGEST_WORD);
    }
    cut(&mut notice.subject.kind, LONGEST_WORD);
    cut(&mut notice.subject.id, LONGEST_WORD);
    notice.subject.arn = notice.subject.arn.take().filter(|arn| arn.len() <= LONGEST_WORD);
    let omitted = notice.facts.len().saturating_sub(MOST_ENTRIES);
    notice.facts.truncate(MOST_ENTRIES);
    for fact in &mut notice.facts {
        cut(&mut fact.name, 100);
        cut(&mut fact.value, LONGEST_WORD);
    }
    if omitted > 0 {
        notice.fact("Fields omitted", omitted);
    }
    for list in [&mut notice.actions, &mut notice.next_steps] {
        list.truncate(MOST_ENTRIES);
        for text in list.iter_mut() {
            cut(text, LONGEST_WORD);
        }
    }
    notice.links.retain(|link| link.url.len() <= LONGEST_WORD);
    notice.links.truncate(MOST_ENTRIES);
    notice.links.iter_mut().for_each(|link| cut(&mut link.title, 100));
    notice.labels.retain(|name, value| name.len() <= 100 && value.len() <= LONGEST_WORD);
    while notice.labels.len() > MOST_ENTRIES {
        notice.labels.pop_last();
    }
    if let Some(deployment) = &notice.deployment
        && serde_json::to_vec(deployment).map_or(0, |json| json.len()) > 10 * LONGEST_WORD
    {
        notice.deployment = None;
        notice.fact("Deployment", "what is said of it is too long to be shown");
    }
    // What is left over is in letters of many bytes each, or in such as JSON writes in six.
    let rest = [
        |notice: &mut Notice| notice.next_steps.clear(),
        |notice: &mut Notice| notice.actions.clear(),
        |notice: &mut Notice| notice.links.clear(),
        |notice: &mut Notice| notice.labels.clear(),
        |notice: &mut Notice| notice.facts.truncate(10),
        |notice: &mut Notice| cut(&mut notice.summary, LONGEST_WORD),
    ];
    for leave_out in rest {
        if written(notice) <= LARGEST {
            return;
        }
        leave_out(notice);
    }
}

/// How many bytes it has as JSON.
fn written(notice: &Notice) -> usize {
    serde_json::to_vec(notice).map_or(usize::MAX, |json| json.len())
}

fn cut(text: &mut String, longest: usize) {
    let length = text.chars().count();
    if length > longest {
        let kept: String = text.chars().take(longest).collect();
        *text = format!("{kept} … ({} characters omitted)", length - longest);
    }
}

#[cfg(test)]
mod tests;
