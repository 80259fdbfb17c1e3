//! The formats, all made of the one model.

use serde::Deserialize;

use crate::page::page;
use crate::result::{Sweep, summary, table, verbose, yaml};

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The contract, for programs: all of it, by `result.schema.json`.
    #[default]
    Json,
    /// A few lines: how many are how, and the root causes.
    Summary,
    /// A table of what is not healthy; the rest is counted.
    Table,
    /// For language models: every fact about what is not healthy, and of the rest the names or the number.
    Yaml,
    /// Everything, for people.
    Verbose,
    /// The status page, without the sweeps before.
    Html,
}

/// The sweep, so written; it ends with a line break.
pub fn render(sweep: &Sweep, format: Format) -> String {
    render_within(sweep, format, table::WIDTH)
}

/// The same, a table so many characters wide, from 60 on.
pub fn render_within(sweep: &Sweep, format: Format, width: usize) -> String {
    match format {
        Format::Json => json(sweep),
        Format::Summary => summary::write(sweep),
        Format::Table => table::write(sweep, width),
        Format::Yaml => yaml::write(sweep),
        Format::Verbose => verbose::write(sweep),
        Format::Html => page(sweep, &[]),
    }
}

fn json(sweep: &Sweep) -> String {
    // Nothing in the model can fail to be written: its keys are texts, and it writes no numbers but whole ones.
    let mut text = serde_json::to_string_pretty(sweep).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::{Format, render};
    use crate::result::{Sweep, samples};

    const ALL: [Format; 6] =
        [Format::Json, Format::Summary, Format::Table, Format::Yaml, Format::Verbose, Format::Html];

    #[test]
    fn the_json_is_the_whole_model() {
        let sweep = samples::sweep(60);
        assert_eq!(serde_json::from_str::<Sweep>(&render(&sweep, Format::Json)).unwrap(), sweep);
    }

    #[test]
    fn every_format_says_what_is_wrong_and_ends_with_a_line_break() {
        for format in ALL {
            let text = render(&samples::sweep(60), format);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{format:?}");
            assert!(text.contains("it is about to be deleted"), "{format:?}: {text}");
            assert!(!render(&samples::empty(), format).trim().is_empty(), "{format:?}");
        }
    }

    #[test]
    fn no_format_for_people_lets_a_text_steer_the_terminal() {
        let mut sweep = samples::sweep(60);
        for checked in &mut sweep.components {
            checked.reason.push_str("\u{1b}[2J\r\u{202e}evil");
            checked.name.push('\u{7}');
        }
        for format in [Format::Summary, Format::Table, Format::Yaml, Format::Verbose] {
            let text = render(&sweep, format);
            assert!(!text.contains(['\u{1b}', '\r', '\u{202e}', '\u{7}']), "{format:?}");
        }
    }
}
