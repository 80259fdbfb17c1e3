//! What people read, word for word: kept in `tests/snapshots`, without what no two runs have in common.
//! `UPDATE_EXPECT=1 cargo xtask test wk::` writes them anew.

use std::sync::LazyLock;

use anyhow::{Context, ensure};
use local::place;
use regex::Regex;

use super::Said;

/// What differs from run to run, and what stands in its place. The first that fits is taken.
static UNSTEADY: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( UTC)?", "<time>"),
        (r"\b\d\d:\d\d:\d\dZ", "<time>"),
        (r"\d\d? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d\d:\d\d", "<time>"),
        (r"/\d{4}/\d\d/\d\d/[\w-]+", "/<run>"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"ecs-svc/\w+", "<deployment>"),
        (r"\b[0-9a-f]{12,}\b", "<id>"),
        (r"\b\d+(\.\d+)? (ms|s|min|h|d|seconds?|minutes?|hours?|days?)\b", "<span>"),
        (r"\b\d+[dhms]( \d+[dhms])*\b", "<span>"),
        (r"-[0-9A-F]{12,}\b", "-<id>"),
        (r"(wk-[a-z]+/db)-\w{6}\b", "$1-<id>"),
        (r"of \d+ services that", "of <some> services that"),
        (r"127\.0\.0\.1:\d+", "<address>"),
        (r"(:secret:[\w/-]+)-[A-Za-z0-9]{6}\b", "$1-<id>"),
        (r"/[\w./-]*/target/", "<target>/"),
    ]
    .map(|(pattern, in_place)| (Regex::new(pattern).unwrap(), in_place))
    .into()
});

/// The same in every run. What is aligned to it is no longer, so that spaces count as one.
fn steady(text: &str) -> String {
    let steady = UNSTEADY.iter().fold(text.to_owned(), |text, (pattern, in_place)| {
        // The account is all digits, and always the same.
        let replaced = pattern.replace_all(&text, |found: &regex::Captures<'_>| {
            let whole = &found[0];
            if whole == local::aws::ACCOUNT {
                return whole.to_owned();
            }
            let mut new = String::new();
            found.expand(in_place, &mut new);
            new
        });
        replaced.into_owned()
    });
    let spaces = Regex::new(r"(\S) {2,}").unwrap();
    steady.lines().map(|line| format!("{}\n", spaces.replace_all(line, "$1  ").trim_end())).collect()
}

impl Said {
    /// Only the lines of the answer that have one of these words: what other tests leave behind is not shown.
    pub(super) fn lines_with(mut self, words: &[&str]) -> Self {
        let kept = self.out.lines().filter(|line| words.iter().any(|word| line.contains(word)));
        self.out = kept.map(|line| format!("{line}\n")).collect();
        self
    }

    /// It is what stands in `tests/snapshots/<name>.txt`.
    pub(super) fn shown(self, name: &str) -> anyhow::Result<Self> {
        let Self { words, exit, out, error } = &self;
        let words: Vec<_> = words
            .iter()
            .map(|word| if word.contains([' ', '*', '<']) { format!("'{word}'") } else { word.clone() })
            .collect();
        let text = steady(&format!("$ wk {}\n{error}{out}exit {exit}\n", words.join(" ")));
        let file = place::root().join("tests/snapshots").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            return Ok(self);
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        ensure!(
            text == expected,
            "it says\n{text}\nand tests/snapshots/{name}.txt says\n{expected}\nIf that is meant: UPDATE_EXPECT=1 cargo xtask test wk::"
        );
        Ok(self)
    }
}
