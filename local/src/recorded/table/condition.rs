//! Condition expressions (DynamoDB developer guide, "Condition and filter expressions, operators, and functions"): those
//! that compare top-level attributes and values, and say which attributes are there.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Entry;

/// Why an expression is refused, in DynamoDB's words or close to them.
pub(super) type Refused<T> = Result<T, String>;

/// What an expression is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Operand, Comparator, Operand),
    Within(Operand, Vec<Operand>),
    Exists(String),
    Absent(String),
    Begins(String, Operand),
}

/// An attribute or a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Attribute(String),
    Value(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Condition {
    /// Reads the expression of this name, with the names and values that the call gives to it; each has to be used.
    pub(super) fn read(expression: &str, asked: &Value) -> Refused<Self> {
        let fields = |name: &str| asked.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut reader = Reader {
            words: words(expression)?,
            at: 0,
            names: fields("ExpressionAttributeNames"),
            values: fields("ExpressionAttributeValues"),
            used: BTreeSet::new(),
        };
        let condition = reader.any()?;
        if let Some(word) = reader.words.get(reader.at) {
            return Err(format!("Invalid expression: Syntax error; token: \"{word}\""));
        }
        for (given, what) in [(&reader.names, "Names"), (&reader.values, "Values")] {
            if let Some(idle) = given.keys().find(|name| !reader.used.contains(*name)) {
                return Err(format!(
                    "Value provided in ExpressionAttribute{what} unused in expressions: keys: {{{idle}}}"
                ));
            }
        }
        Ok(condition)
    }

    /// Whether it holds for an entry, or for none.
    pub(super) fn holds(&self, entry: Option<&Entry>) -> bool {
        let attribute = |name: &str| entry.and_then(|entry| entry.get(name));
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(entry)),
            Self::Any(any) => any.iter().any(|one| one.holds(entry)),
            Self::Not(not) => !not.holds(entry),
            Self::Exists(name) => attribute(name).is_some(),
            Self::Absent(name) => attribute(name).is_none(),
            Self::Begins(name, with) => {
                let text = |value: Option<&Value>| Some(value?.get("S")?.as_str()?.to_owned());
                match (text(attribute(name)), text(with.of(entry))) {
                    (Some(text), Some(start)) => text.starts_with(&start),
                    _ => false,
                }
            }
            Self::Compare(one, comparator, other) => match (one.of(entry), other.of(entry)) {
                (Some(one), Some(other)) => comparator.holds(one, other),
                _ => *comparator == Comparator::Unequal,
            },
            Self::Within(one, others) => one.of(entry).is_some_and(|one| {
                others
                    .iter()
                    .filter_map(|other| other.of(entry))
                    .any(|other| Comparator::Equal.holds(one, other))
            }),
        }
    }

    /// The value that it wants an attribute to equal, whatever else it wants.
    pub(super) fn equals(&self, name: &str) -> Option<&Value> {
        match self {
            Self::All(all) => all.iter().find_map(|one| one.equals(name)),
            Self::Compare(Operand::Attribute(attribute), Comparator::Equal, Operand::Value(value))
                if attribute == name =>
            {
                Some(value)
            }
            Self::Any(_)
            | Self::Not(_)
            | Self::Compare(..)
            | Self::Within(..)
            | Self::Exists(_)
            | Self::Absent(_)
            | Self::Begins(..) => None,
        }
    }
}

impl Operand {
    fn of<'v>(&'v self, entry: Option<&'v Entry>) -> Option<&'v Value> {
        match self {
            Self::Attribute(name) => entry?.get(name),
            Self::Value(value) => Some(value),
        }
    }
}

impl Comparator {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "=" => Self::Equal,
            "<>" => Self::Unequal,
            "<" => Self::Less,
            "<=" => Self::AtMost,
            ">" => Self::More,
            ">=" => Self::AtLeast,
            _ => return None,
        })
    }

    /// Values of different types are unequal, and neither is less.
    fn holds(self, one: &Value, other: &Value) -> bool {
        let order = order(one, other);
        match self {
            Self::Equal => order == Some(Ordering::Equal) || one == other,
            Self::Unequal => !Self::Equal.holds(one, other),
            Self::Less => order == Some(Ordering::Less),
            Self::AtMost => order.is_some_and(Ordering::is_le),
            Self::More => order == Some(Ordering::Greater),
            Self::AtLeast => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// Texts by their bytes, numbers as numbers.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let text = |value: &Value, kind: &str| Some(value.get(kind)?.as_str()?.to_owned());
    if let (Some(one), Some(other)) = (text(one, "S"), text(other, "S")) {
        return Some(one.cmp(&other));
    }
    let (one, other) = (text(one, "N")?, text(other, "N")?);
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => Some(one.cmp(&other)),
        _ => one.parse::<f64>().ok()?.partial_cmp(&other.parse().ok()?),
    }
}

/// Splits an expression into its words.
fn words(expression: &str) -> Refused<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_named = |c: char| c.is_ascii_alphanumeric() || "_#:-".contains(c);
        let length = match first {
            '(' | ')' | ',' | '=' => 1,
            '<' | '>' => rest.find(|c: char| !"<>=".contains(c)).unwrap_or(rest.len()),
            _ if is_named(first) => rest.find(|c: char| !is_named(c)).unwrap_or(rest.len()),
            _ => return Err(format!("Invalid expression: Syntax error; token: \"{first}\"")),
        };
        let (word, after) = rest.split_at(length);
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
}

struct Reader {
    words: Vec<String>,
    at: usize,
    names: Map<String, Value>,
    values: Map<String, Value>,
    used: BTreeSet<String>,
}

impl Reader {
    fn any(&mut self) -> Refused<Condition> {
        let mut any = vec![self.all()?];
        while self.takes("OR") {
            any.push(self.all()?);
        }
        Ok(one_of(any, Condition::Any))
    }

    fn all(&mut self) -> Refused<Condition> {
        let mut all = vec![self.not()?];
        while self.takes("AND") {
            all.push(self.not()?);
        }
        Ok(one_of(all, Condition::All))
    }

    fn not(&mut self) -> Refused<Condition> {
        if self.takes("NOT") {
            return Ok(Condition::Not(Box::new(self.not()?)));
        }
        if self.takes("(") {
            let within = self.any()?;
            self.expect(")")?;
            return Ok(within);
        }
        let function = self.words.get(self.at).cloned().unwrap_or_default();
        if self.words.get(self.at + 1).is_some_and(|word| word == "(") {
            self.at += 2;
            let name = self.attribute()?;
            let condition = match function.as_str() {
                "attribute_exists" => Condition::Exists(name),
                "attribute_not_exists" => Condition::Absent(name),
                "begins_with" => {
                    self.expect(",")?;
                    Condition::Begins(name, self.operand()?)
                }
                _ => return Err(format!("Invalid expression: Invalid function name; function: {function}")),
            };
            self.expect(")")?;
            return Ok(condition);
        }
        let one = self.operand()?;
        if self.takes("IN") {
            self.expect("(")?;
            let mut others = vec![self.operand()?];
            while self.takes(",") {
                others.push(self.operand()?);
            }
            self.expect(")")?;
            return Ok(Condition::Within(one, others));
        }
        let word = self.next()?;
        let comparator = Comparator::of(&word)
            .ok_or_else(|| format!("Invalid expression: Syntax error; token: \"{word}\""))?;
        Ok(Condition::Compare(one, comparator, self.operand()?))
    }

    fn operand(&mut self) -> Refused<Operand> {
        if !self.words.get(self.at).is_some_and(|word| word.starts_with(':')) {
            return self.attribute().map(Operand::Attribute);
        }
        let name = self.next()?;
        let value = self.values.get(&name).cloned().ok_or_else(|| {
            format!("Invalid expression: An expression attribute value used in expression is not defined; attribute value: {name}")
        })?;
        self.used.insert(name);
        Ok(Operand::Value(value))
    }

    fn attribute(&mut self) -> Refused<String> {
        let word = self.next()?;
        if !word.starts_with('#') {
            return if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
                Ok(word)
            } else {
                Err(format!("Invalid expression: Syntax error; token: \"{word}\""))
            };
        }
        let name = self.names.get(&word).and_then(Value::as_str).map(ToOwned::to_owned).ok_or_else(|| {
            format!("Invalid expression: An expression attribute name used in the document path is not defined; attribute name: {word}")
        })?;
        self.used.insert(word);
        Ok(name)
    }

    fn next(&mut self) -> Refused<String> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word.ok_or_else(|| "Invalid expression: Syntax error; token: \"<EOF>\"".to_owned())
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let is_next = self.words.get(self.at).is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, wanted: &str) -> Refused<()> {
        let word = self.next()?;
        if word == wanted {
            Ok(())
        } else {
            Err(format!("Invalid expression: Syntax error; token: \"{word}\""))
        }
    }
}

fn one_of(mut several: Vec<Condition>, of: fn(Vec<Condition>) -> Condition) -> Condition {
    match several.len() {
        1 => several.remove(0),
        _ => of(several),
    }
}
