//! All that is written: answers to standard output, everything else to standard error.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use shared::text::clean;

use crate::exit::Exit;

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// As the function answered, for scripts.
    Json,
}

/// How a text is set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Warm,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Warm => AnsiColor::Yellow.on_default(),
        }
    }
}

/// Where it is written. Colours come only where a terminal shows them and `NO_COLOR` does not forbid it.
#[derive(Debug)]
pub struct Out {
    output: Output,
    /// Whether something could not be written, although somebody reads.
    cut: Cell<bool>,
    /// Whether something may have been changed.
    begun: Cell<bool>,
}

impl Out {
    /// Answers are written so.
    pub const fn new(output: Output) -> Self {
        Self { output, cut: Cell::new(false), begun: Cell::new(false) }
    }

    /// How it ended, all things considered: an answer that could not be written is none, but what was done is done.
    pub fn ended(&self, exit: Exit) -> Exit {
        match (self.cut.get(), self.begun.get(), exit) {
            (true, true, Exit::Good) => {
                self.problem(&"it was done, but the answer could not be written");
                exit
            }
            (true, false, Exit::Good) => {
                self.problem(&"the answer could not be written");
                Exit::Unable
            }
            _ => exit,
        }
    }

    /// An answer: as it is for scripts, as these words for people.
    pub(crate) fn answer(&self, answer: &Value, words: impl FnOnce(&Self)) {
        match self.output {
            Output::Json => self.raw(&format!("{answer:#}\n")),
            Output::Text => words(self),
        }
    }

    /// Whether people read it.
    pub(crate) fn is_for_people(&self) -> bool {
        self.output == Output::Text
    }

    /// A text as it is.
    pub(crate) fn raw(&self, text: &str) {
        let mut to = anstream::stdout();
        let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        // Whoever reads it may have read enough.
        if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
            self.cut.set(true);
        }
    }

    /// A line.
    pub(crate) fn line(&self, tone: Tone, text: &str) {
        let style = tone.style();
        self.raw(&format!("{style}{}{style:#}\n", clean(text)));
    }

    /// A line with a label before it.
    pub(crate) fn fact(&self, label: &str, text: impl Display) {
        let style = Tone::Faint.style();
        self.raw(&format!("  {style}{label:<12}{style:#} {}\n", clean(&text.to_string())));
    }

    /// How wide the terminal is, in characters; nothing where it is none.
    #[expect(clippy::unused_self, reason = "nothing is asked of where it is written but through this")]
    pub(crate) fn width(&self) -> Option<u16> {
        let width = ratatui::crossterm::terminal::size().ok().map(|(width, _)| width);
        width.filter(|width| *width > 0 && std::io::stdout().is_terminal())
    }

    /// Rows under heads.
    pub(crate) fn table(&self, heads: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(heads.to_vec());
        for row in rows {
            table.add_row(row.iter().map(|cell| clean(cell)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            self.raw(&format!("{}\n", line.trim_end()));
        }
    }

    /// What goes on, for whoever waits.
    #[expect(clippy::unused_self, reason = "nothing is written but through this")]
    pub(crate) fn note(&self, text: &str) {
        let style = Tone::Faint.style();
        let _ = writeln!(anstream::stderr(), "{style}{}{style:#}", clean(text));
    }

    /// Why it does not go on.
    pub fn problem(&self, text: &dyn Display) {
        let style = Tone::Bad.style();
        let _ = writeln!(anstream::stderr(), "{style}wk:{style:#} {}", clean(&text.to_string()));
    }

    /// What a person at the terminal types when asked; nothing where nobody is there.
    pub(crate) async fn typed(&self, question: &str) -> Option<String> {
        if !self.is_for_people() || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let _ = write!(anstream::stderr(), "{question} ");
        let _ = anstream::stderr().flush();
        // Beside the runtime's own thread, so that Ctrl-C is heard meanwhile.
        let typing = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).ok()?;
            Some(line.trim().to_owned())
        });
        typing.await.ok().flatten()
    }

    /// From here on something may be changed: to be said right before it is asked for.
    pub(crate) fn begin(&self) {
        self.begun.set(true);
    }

    /// Whether something may have been changed.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.get()
    }
}

#[cfg(test)]
mod tests {
    use super::{Out, Output};
    use crate::exit::Exit;

    #[test]
    fn an_answer_that_could_not_be_written_is_none_but_what_was_done_is_done() {
        for (cut, begun, exit, expected) in [
            (false, false, Exit::Good, Exit::Good),
            (true, false, Exit::Good, Exit::Unable),
            (true, true, Exit::Good, Exit::Good),
            (true, true, Exit::Errors, Exit::Errors),
            (true, false, Exit::Warnings, Exit::Warnings),
        ] {
            let out = Out::new(Output::Text);
            out.cut.set(cut);
            if begun {
                out.begin();
            }
            assert_eq!(out.ended(exit), expected, "{cut} {begun}");
        }
    }
}
