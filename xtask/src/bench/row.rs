//! One number with its meaning, its baseline and its goal; and the table of all.

use serde::Serialize;

/// A number that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// Whose it is and what, as `<whose>: <what>`.
    name: String,
    unit: &'static str,
    value: f64,
    /// The same of what it is compared with: the floor, unless the name says otherwise.
    baseline: Option<f64>,
    /// The value over the baseline.
    ratio: Option<f64>,
    /// The most that the value may be, or the least where more is better.
    goal: Option<f64>,
    met: Option<bool>,
}

impl Row {
    /// A number without baseline or goal.
    pub(super) fn new(whose: &str, what: &str, unit: &'static str, value: f64) -> Self {
        let name = format!("{whose}: {what}");
        Self { name, unit, value: rounded(value), baseline: None, ratio: None, goal: None, met: None }
    }

    /// Whose it is.
    pub(super) fn whose(&self) -> &str {
        self.parts().0
    }

    fn parts(&self) -> (&str, &str) {
        self.name.split_once(": ").unwrap_or(("", &self.name))
    }

    /// Beside this.
    pub(super) fn beside(mut self, baseline: f64) -> Self {
        self.baseline = Some(rounded(baseline));
        self.ratio = (baseline > 0.0).then(|| rounded(self.value / baseline));
        self
    }

    /// It must be at least this.
    pub(super) fn at_least(mut self, goal: f64) -> Self {
        self.goal = Some(rounded(goal));
        self.met = Some(rounded(goal) <= self.value);
        self
    }

    /// It may be at most this.
    pub(super) fn at_most(mut self, goal: f64) -> Self {
        self.goal = Some(rounded(goal));
        self.met = Some(self.value <= rounded(goal));
        self
    }
}

/// To three places: more is noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// The rows under the names of whose they are, and how many goals are met. Rows of the same stand together.
pub(super) fn table(rows: &[Row]) -> Vec<String> {
    let width = rows.iter().map(|row| row.parts().1.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    let mut under = "";
    for row in rows {
        let (whose, what) = row.parts();
        if under != whose {
            if !under.is_empty() {
                lines.push(String::new());
            }
            let heading = format!(
                "{whose:<width$}  {:>8} {:5} {:>8} {:>5} {:>7}",
                "value", "", "baseline", "ratio", "goal"
            );
            lines.push(heading);
            under = whose;
        }
        let number = |value: Option<f64>| value.map(shown).unwrap_or_default();
        let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let line = format!(
            "{what:<width$}  {:>8} {:5} {:>8} {ratio:>5} {:>7} {met}",
            shown(row.value),
            row.unit,
            number(row.baseline),
            number(row.goal),
        );
        lines.push(line.trim_end().to_owned());
    }
    let goals = rows.iter().filter_map(|row| row.met);
    let (all, met) = goals.fold((0, 0), |(all, met), is_met| (all + 1, met + usize::from(is_met)));
    lines.extend([String::new(), format!("{met} of {all} goals are met.")]);
    lines
}

/// Whole numbers as they are, others with the places that tell something.
fn shown(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        format!("{value:.0}")
    } else if value.abs() < 10.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Row, table};

    #[test]
    fn a_goal_is_met_up_to_its_edge() {
        for (value, met) in [(13.9, true), (14.0, true), (14.1, false)] {
            assert_eq!(Row::new("f", "peak RSS", "MB", value).at_most(14.0).met, Some(met), "{value}");
        }
        for (value, met) in [(99.9, false), (100.0, true), (100.1, true)] {
            assert_eq!(Row::new("f", "decisions", "/s", value).at_least(100.0).met, Some(met), "{value}");
        }
        assert_eq!(Row::new("f", "peak RSS", "MB", 1.0).met, None);
    }

    #[test]
    fn a_row_has_all_its_members_also_where_nothing_is_known() {
        let row = Row::new("f", "zip", "MB", 2.0);
        let expected = json!({"name": "f: zip", "unit": "MB", "value": 2.0, "baseline": null, "ratio": null, "goal": null, "met": null});
        assert_eq!(serde_json::to_value(&row).unwrap(), expected);
        let row = serde_json::to_value(row.beside(0.8).at_most(3.5)).unwrap();
        assert_eq!((&row["baseline"], &row["ratio"], &row["met"]), (&json!(0.8), &json!(2.5), &json!(true)));
    }

    #[test]
    fn the_table_groups_by_whose_the_numbers_are_and_counts_the_goals() {
        let lines = table(&[
            Row::new("a", "init", "ms", 2.25).beside(1.5).at_most(4.5),
            Row::new("a", "calls", "", 13.0).at_most(12.0),
            Row::new("b", "init", "ms", 12.345),
        ]);
        let expected = [
            "a         value       baseline ratio    goal",
            "init      2.250 ms       1.500  1.50   4.500 met",
            "calls        13                           12 MISSED",
            "",
            "b         value       baseline ratio    goal",
            "init       12.3 ms",
            "",
            "1 of 2 goals are met.",
        ];
        assert_eq!(lines, expected);
    }
}
