//! From rich to minimal: a message that a channel does not like is told plainer, because a page that is refused for its
//! looks is a page that nobody sees.

use crate::decision::Meaning;

/// How much of a notice a message shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// All of it, in the channel's own blocks.
    Rich,
    /// The most of it, as text.
    Plain,
    /// One short line, which says what it is and how to find it.
    Minimal,
}

impl Rung {
    /// The rungs, from the top down.
    pub const ALL: [Self; 3] = [Self::Rich, Self::Plain, Self::Minimal];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rich => "rich",
            Self::Plain => "plain",
            Self::Minimal => "minimal",
        }
    }
}

/// Tries the rungs in their order as long as the channel asks for a plainer message. One that is still not plain
/// enough on the last of them is refused.
pub async fn descend(rungs: &[Rung], mut attempt: impl AsyncFnMut(Rung) -> Meaning) -> Meaning {
    let mut disliked = "there is no message to send".to_owned();
    for rung in rungs {
        match attempt(*rung).await {
            Meaning::Simplify(why) => disliked = why,
            meaning @ (Meaning::Acknowledged
            | Meaning::Accepted
            | Meaning::Later { .. }
            | Meaning::Refused(_)) => return meaning,
        }
    }
    Meaning::Refused(disliked)
}

#[cfg(test)]
mod tests {
    use super::{Rung, descend};
    use crate::decision::Meaning;

    async fn check(answers: &[Meaning], expected: Meaning, tried: usize) {
        let mut seen = Vec::new();
        let meaning = descend(&Rung::ALL, async |rung| {
            seen.push(rung);
            answers[seen.len() - 1].clone()
        })
        .await;
        assert_eq!((meaning, seen.as_slice()), (expected, &Rung::ALL[..tried]));
    }

    #[tokio::test]
    async fn each_dislike_goes_one_rung_down_and_the_last_one_is_a_refusal() {
        let disliked = || Meaning::Simplify("400 invalid_blocks".to_owned());
        let refused = || Meaning::Refused("404".to_owned());
        check(&[Meaning::Accepted], Meaning::Accepted, 1).await;
        check(&[disliked(), Meaning::Acknowledged], Meaning::Acknowledged, 2).await;
        check(&[disliked(), refused()], refused(), 2).await;
        let last = Meaning::Refused("400 invalid_blocks".to_owned());
        check(&[disliked(), disliked(), disliked()], last, 3).await;
    }
}
