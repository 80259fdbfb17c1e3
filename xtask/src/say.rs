//! Everything that is printed: lines of at most 80 columns, with colour and progress only where a person looks.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use local::progress::Progress;

/// The width of a line.
const WIDTH: usize = 80;

/// Where the text of a labelled line begins.
const TEXT: usize = 25;

/// Tells a process that writes through another what the other's output can show.
pub(crate) const LOOK: &str = "WATCHKEEPER_LOOK";

/// What the output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    colour: bool,
    /// Whether a line can be written over.
    live: bool,
}

fn look() -> Look {
    static LOOK_OF_OUTPUT: OnceLock<Look> = OnceLock::new();
    *LOOK_OF_OUTPUT.get_or_init(|| {
        if let Some(look) = std::env::var_os(LOOK) {
            let look = look.to_string_lossy();
            return Look { colour: look.contains("colour"), live: look.contains("live") };
        }
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        Look { colour: terminal && !plain && !dumb, live: terminal && !dumb }
    })
}

/// The value of [`LOOK`] for a process whose output goes on to ours.
pub(crate) fn look_for_others() -> &'static str {
    match look() {
        Look { colour: true, live: true } => "colour live",
        Look { colour: true, live: false } => "colour",
        Look { colour: false, live: true } => "live",
        Look { colour: false, live: false } => "plain",
    }
}

/// How a text is set off.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// A heading.
    Strong,
    /// By the way.
    Faint,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Worth a look.
    Warm,
}

fn painted(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Strong => "1",
        Tone::Faint => "2",
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Warm => "33",
    };
    if look().colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Writes bytes as they are.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: nothing is left to be told.
    let _ = out.write_all(bytes);
    let _ = out.flush();
}

/// A line as it is.
pub(crate) fn line(text: &str) {
    let clear = if look().live { "\r\x1b[2K" } else { "" };
    raw(format!("{clear}{text}\n").as_bytes());
}

/// What this is.
pub(crate) fn title(text: &str, below: &str) {
    line("");
    line(&painted(Tone::Strong, text));
    for part in wrapped(below, WIDTH) {
        line(&part);
    }
}

/// A part of a story begins.
pub(crate) fn heading(number: usize, text: &str) {
    line("");
    line(&painted(Tone::Strong, &format!("{number}. {text}")));
}

/// Something that happened at a time since the beginning, with a label before it.
pub(crate) fn at(time: Duration, tone: Tone, label: &str, text: &str) {
    let time = format!("{:>8.2} s", time.as_secs_f64());
    labelled(&painted(Tone::Faint, &time), tone, label, text);
}

/// More about the line before.
pub(crate) fn also(label: &str, text: &str) {
    labelled(&" ".repeat(10), Tone::Faint, label, text);
}

fn labelled(before: &str, tone: Tone, label: &str, text: &str) {
    let mut label = painted(tone, &format!("{label:<11}"));
    for (index, part) in wrapped(text, WIDTH - TEXT).iter().enumerate() {
        if index == 0 {
            line(&format!("{before}  {label}  {part}"));
        } else {
            line(&format!("{}{part}", " ".repeat(TEXT)));
        }
        label.clear();
    }
}

/// Somebody else's words, set apart.
pub(crate) fn quote(from: &str, lines: &[String]) {
    let bar = painted(Tone::Faint, "│");
    line(&format!("            {} {}", painted(Tone::Faint, "╭─"), painted(Tone::Warm, from)));
    for text in lines {
        for part in wrapped(text, WIDTH - 14) {
            line(format!("            {bar} {part}").trim_end());
        }
    }
    line(&format!("            {}", painted(Tone::Faint, "╰─")));
}

/// An indented line with a word in a tone before it.
pub(crate) fn item(tone: Tone, word: &str, text: &str) {
    let indent = 4 + word.chars().count();
    let mut first = true;
    for part in wrapped(text, WIDTH - indent) {
        if first {
            line(&format!("  {}  {part}", painted(tone, word)));
        } else {
            line(&format!("{}{part}", " ".repeat(indent)));
        }
        first = false;
    }
}

/// A row of a table: a mark, and text whose columns are kept.
pub(crate) fn row(tone: Tone, mark: &str, text: &str) {
    line(&format!("  {}  {text}", painted(tone, mark)));
}

/// An error, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for (index, cause) in error.chain().enumerate() {
        let cause = cause.to_string();
        if index == 0 {
            text.push_str(&cause);
        } else if !text.ends_with(&cause) {
            let _ = write!(text, ": {cause}");
        }
    }
    line("");
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    for (index, part) in wrapped(&format!("error: {first}"), WIDTH).iter().enumerate() {
        line(&painted(if index == 0 { Tone::Bad } else { Tone::Plain }, part));
    }
    for rest in lines {
        for part in wrapped(rest, WIDTH - 2) {
            line(&format!("  {part}"));
        }
    }
}

/// The text in lines of at most so many characters, broken between words; a longer word is cut.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut current = String::new();
        let mut length = 0;
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let letters = word.chars().count();
            if length > 0 && length + 1 + letters > width {
                lines.push(std::mem::take(&mut current));
                length = 0;
            }
            if length > 0 {
                current.push(' ');
                length += 1;
            }
            for letter in word.chars() {
                if length == width {
                    lines.push(std::mem::take(&mut current));
                    length = 0;
                }
                current.push(letter);
                length += 1;
            }
        }
        lines.push(current);
    }
    lines
}

/// Progress on the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal;

impl Progress for Terminal {
    fn step(&self, text: &str) {
        item(Tone::Faint, "·", text);
    }

    fn detail(&self, text: &str) {
        if look().live {
            let short: String = text.chars().take(WIDTH - 6).collect();
            raw(format!("\r\x1b[2K    {}", painted(Tone::Faint, &short)).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(wrapped(text, 10), expected);
    }

    #[test]
    fn text_is_broken_between_words_and_a_word_only_where_it_fills_a_line() {
        check("", &[""]);
        check("ten chars.", &["ten chars."]);
        check("ten chars, and more", &["ten chars,", "and more"]);
        check("arn:aws:sns:eu is long", &["arn:aws:sn", "s:eu is", "long"]);
        check("one\ntwo", &["one", "two"]);
    }
}
