//! Text without what opens something or tells of a person.
//!
//! What is looked for is found in one pass, in linear time; where a value ends is then read by hand, because it depends on
//! how it begins: behind a quote at the same quote, however often that is escaped; else at the end of its line or word.
//! Where that is not clear, more is hidden than has to be.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Names whose values are never shown, as parts of them in lower case.
const SECRET: [&str; 33] = [
    "address",
    "auth",
    "bearer",
    "birth",
    "card",
    "cookie",
    "credential",
    "customer",
    "cvv",
    "email",
    "iban",
    "ip",
    "jwt",
    "key",
    "mail",
    "name",
    "otp",
    "pass",
    "phone",
    "pin",
    "private",
    "pw",
    "pwd",
    "secret",
    "session",
    "signature",
    "ssn",
    "street",
    "tax",
    "token",
    "user",
    "webhook",
    "zip",
];

/// So many digits may be a card, an account or a telephone.
pub(super) const LONG_NUMBER: usize = 9;

/// A word of so many letters and digits may be a token.
const LONG_WORD: usize = 20;

/// A part of a link of so many letters and digits, mixed, may be a token.
const MIXED_WORD: usize = 12;

/// The longest name of a value.
const LONGEST_NAME: usize = 60;

/// What a text is cut at into words.
const ENDS: [char; 13] = [' ', '\n', '\t', ',', ';', '"', '\'', '<', '>', '(', ')', '&', '`'];

/// What is to be looked at, the more telling first. It compiles, as its test shows; without it, no text is shown at all.
static TELLING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let secret = format!("[A-Za-z0-9_.$:-]*(?i:{})[A-Za-z0-9_.$-]*", SECRET.join("|"));
    let word = format!("[A-Za-z0-9_.$-]*(?i:{})[A-Za-z0-9_.$-]*", SECRET.join("|"));
    Regex::new(&format!(
        r#"(?x)
          (?P<pem> -----BEGIN [^-]* ----- )
        | (?P<url> [A-Za-z][A-Za-z0-9+.-]* :// )
        | (?P<plain> \b arn:aws[a-z-]* : [a-z0-9-]* : [a-z0-9-]* : [0-9]* : [A-Za-z0-9_/:.$-]+
                   | \b [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} (?: [T\ ][0-9]{{2}}:[0-9]{{2}} (?: :[0-9]{{2}} )? (?: [.,][0-9]{{1,9}} )?
                     (?: Z | [+-][0-9]{{2}}:?[0-9]{{2}} )? )? \b
                   | \b secretsmanager:[A-Z][A-Za-z]+ \b )
        | (?P<token> eyJ[A-Za-z0-9_-]{{4,}} (?: \.[A-Za-z0-9_-]* )*
                   | \b (?: A3T | AKIA | ASIA | AGPA | AIDA | AROA | AIPA | ANPA | ANVA | ABIA | ACCA ) [A-Z0-9]{{12,}}
                   | gh[a-z]_[A-Za-z0-9]{{8,}} | github_pat_[A-Za-z0-9_]+ | xox[a-z]-[A-Za-z0-9-]+
                   | [prs]k_(?: live | test )_[A-Za-z0-9]+ | glpat-[A-Za-z0-9_-]+
                   | \+?[0-9] (?: [\ ().-]{{0,2}} [0-9] ){{8,}} )
        | (?P<scheme> \b (?i: basic | bearer | negotiate | ntlm ) \s+ )
        | (?P<schemes> \b (?i: digest \s+ [a-z]+ = | aws4-hmac-sha256 ) \s* )
        | (?P<element> < {secret} (?: \s [^<>]* )? > )
        | (?P<flag> -- {word} [\\"'`]* [\ \t,]+ )
        | (?P<pair> ["'`] {word} [\\]* ["'`] [\ \t]* , [\ \t]* )
        | (?P<named> (?P<name> {word} ) (?P<quote> [\\"'`\]]* ) (?P<is> [\ \t]* (?: => | := | %3[aAdD] | [:=] ) [\ \t]* ) )
        "#
    ))
    .ok()
});

/// Whether the value of this name is never shown.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// Whether this is the name of such a value, and nothing else.
pub(super) fn is_secret_name(text: &str) -> bool {
    let name = text.trim_start_matches('-');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.$:-".contains(&byte);
    name.len() <= LONGEST_NAME && name.bytes().all(fits) && is_secret(name)
}

/// Whether a field of this name, with this value, names another field's secret.
pub(super) fn names(name: &str, value: &str) -> bool {
    let name = name.to_lowercase();
    let names = ["name", "key", "header", "field", "parameter", "variable"];
    (names.iter().any(|end| name.ends_with(end)) || name == "k" || name == "n") && is_secret_name(value)
}

/// Text without addresses, tokens and long numbers, and without the values of names that say what they are.
pub(crate) fn masked(text: &str) -> String {
    let Some(telling) = TELLING.as_ref() else { return "***".to_owned() };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = telling.captures_at(text, at) {
        let Some(whole) = found.get(0) else { break };
        words(text.get(at..whole.start()).unwrap_or_default(), &mut out);
        at = hide(text, &found, &mut out).max(whole.end());
    }
    words(text.get(at..).unwrap_or_default(), &mut out);
    out
}

/// Writes what may be seen of it, and says where the text goes on.
fn hide(text: &str, found: &Captures<'_>, out: &mut String) -> usize {
    let (start, end) = found.get(0).map_or((0, text.len()), |whole| (whole.start(), whole.end()));
    let whole = text.get(start..end).unwrap_or_default();
    let rest = text.get(end..).unwrap_or_default();
    if found.name("plain").is_some() {
        // The name of an assumed role's session may be somebody's address.
        out.push_str(if rest.starts_with('@') { "***" } else { whole });
        return end;
    }
    if found.name("url").is_some() {
        out.push_str(whole);
        return end + url(rest, out);
    }
    if found.name("pem").is_some() {
        out.push_str("***");
        let last = rest.find("-----END").map(|at| at + "-----END".len());
        let closes = last.and_then(|last| Some(last + rest.get(last..)?.find("-----")? + "-----".len()));
        return end + closes.unwrap_or(rest.len());
    }
    if found.name("token").is_some() {
        out.push_str("***");
        return end;
    }
    if found.name("element").is_some() {
        // Its attributes may be secrets, too.
        let name = whole.split([' ', '\t', '\r', '\n', '>']).next().unwrap_or_default();
        out.push_str(name);
        out.push_str(">***");
        return end + rest.find("</").unwrap_or(rest.len());
    }
    let name = found.name("name").map_or("", |name| name.as_str());
    let is = found.name("is").map_or("", |is| is.as_str());
    if is.starts_with(':') && is_failure(name) {
        out.push_str(whole);
        return end;
    }
    if found.name("pair").is_some() && !rest.trim_start_matches('\\').starts_with(['"', '\'', '`']) {
        out.push_str(whole);
        return end;
    }
    out.push_str(whole);
    out.push_str("***");
    let is_quoted = found.name("quote").is_some_and(|quote| !quote.as_str().is_empty());
    let to = if found.name("schemes").is_some() {
        line(rest)
    } else if found.name("named").is_none() {
        value(rest, false, false)
    } else {
        value(rest, is.ends_with([' ', '\t']) || ends_line(rest), is_quoted)
    };
    let hidden = rest.get(..to).unwrap_or_default();
    let named = hidden.trim_matches(['"', '\'', '\\', '`', ' ']);
    if names(name, named) { end + to + sibling(rest.get(to..).unwrap_or_default()) } else { end + to }
}

/// Whether a line ends here, be it as it is written within a string.
fn ends_line(rest: &str) -> bool {
    let unescaped = rest.trim_start_matches('\\');
    rest.starts_with(['\r', '\n']) || unescaped.len() < rest.len() && unescaped.starts_with(['r', 'n', 't'])
}

/// `KeyError: …` names a failure, and no value.
fn is_failure(name: &str) -> bool {
    let name = name.to_lowercase();
    ["error", "exception", "failure", "fault"].iter().any(|end| name.ends_with(end))
}

/// Where the value ends whose name was the value before: of the same object, element, or part of a form.
fn sibling(rest: &str) -> usize {
    let blank = rest.trim_start_matches(['"', '\'', '\\']).trim_start_matches('\r');
    if blank.starts_with("\n\n") || blank.starts_with("\n\r\n") {
        return rest.find("\n--").unwrap_or(rest.len());
    }
    rest.find('}').or_else(|| rest.find('\n')).unwrap_or(rest.len())
}

/// Where a value ends that begins here. Without a quote, it goes to the end of its line, or else of its word.
fn value(rest: &str, is_line: bool, is_quoted: bool) -> usize {
    // As Python writes bytes.
    let prefix = rest.len() - rest.trim_start_matches(['b', 'u', 'r', 'f', 'B', 'U', 'R', 'F']).len();
    for skipped in [0, prefix] {
        let from = rest.get(skipped..).unwrap_or_default();
        let escapes = from.len() - from.trim_start_matches('\\').len();
        let quote = from.get(escapes..).and_then(|from| from.chars().next());
        if let (Some(quote @ ('"' | '\'' | '`')), true) = (quote, skipped <= 2) {
            return skipped + string(from, escapes, quote);
        }
    }
    if rest.starts_with(['{', '[', '(']) {
        return nested(rest);
    }
    let literal = rest.find([',', '}', ']', ' ', '\n', '\r']).unwrap_or(rest.len());
    let is_literal = rest.get(..literal).is_some_and(|it| {
        ["true", "false", "null", "None", "True", "False"].contains(&it) || it.parse::<f64>().is_ok()
    });
    if is_quoted && is_literal {
        return literal;
    }
    if is_line && !rest.starts_with("arn:") { line(rest) } else { word(rest) }
}

fn word(rest: &str) -> usize {
    rest.find(char::is_whitespace).unwrap_or(rest.len())
}

/// The end of the line, and of those that belong to it: the next one, where this one is empty, and all that are indented.
fn line(rest: &str) -> usize {
    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        let is_first = end == 0 || rest.get(..end).is_some_and(|before| before.trim().is_empty());
        if !is_first && !line.starts_with([' ', '\t']) {
            break;
        }
        end += line.len();
    }
    // The line's end is no part of it.
    rest.get(..end).map_or(end, |line| line.trim_end_matches(['\r', '\n']).len())
}

/// Where a string ends that begins with so many backslashes and this quote.
fn string(rest: &str, escapes: usize, quote: char) -> usize {
    let mut backslashes = 0;
    let mut places = rest.char_indices().skip(escapes + 1).peekable();
    while let Some((place, char)) = places.next() {
        if char == '\\' {
            backslashes += 1;
            continue;
        }
        // Within an escaped text, what is escaped once more has more backslashes.
        let closes = if escapes == 0 { backslashes % 2 == 0 } else { backslashes <= escapes };
        backslashes = 0;
        // Twice, it stands for itself, as in YAML and SQL, where a backslash says nothing.
        if char != quote || escapes == 0 && places.next_if(|(_, next)| *next == quote).is_some() || !closes {
            continue;
        }
        return place + quote.len_utf8();
    }
    rest.len()
}

/// Where an object or a list ends.
fn nested(rest: &str) -> usize {
    let (mut depth, mut backslashes, mut skipped) = (0_usize, 0, 0);
    for (place, char) in rest.char_indices() {
        if place < skipped {
            continue;
        }
        match char {
            '\\' => {
                backslashes += 1;
                continue;
            }
            '"' | '\'' | '`' => {
                let from = rest.get(place - backslashes..).unwrap_or_default();
                skipped = place - backslashes + string(from, backslashes, char);
            }
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return place + 1;
                }
            }
            _ => {}
        }
        backslashes = 0;
    }
    rest.len()
}

/// Of an address, behind its `://`: the host, and of the path what is no token. Where it ends is the answer.
fn url(rest: &str, out: &mut String) -> usize {
    let run = rest.get(..word(rest)).unwrap_or_default();
    // A password may hold anything but a space; so may what stands between two addresses, which is hidden then, too.
    let from = run.rfind('@').map_or(0, |at| at + 1);
    if from > 0 {
        out.push_str("***@");
    }
    let run = run.get(from..).unwrap_or_default();
    let address =
        run.get(..run.find(['"', '\'', '<', '>', '\\', '`']).unwrap_or(run.len())).unwrap_or_default();
    let path = address.get(..address.find(['?', '#']).unwrap_or(address.len())).unwrap_or_default();
    let host = path.split('/').next().unwrap_or_default().to_ascii_lowercase();
    // Whoever has all of such an address may write there.
    let is_hook = host.starts_with("hooks.") || host.contains("webhook");
    for (place, part) in path.split('/').enumerate() {
        if place > 0 {
            out.push('/');
        }
        let hides = place > 0 && (is_hook && !part.is_empty() || is_token(part));
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        out.push_str(if hides || digits >= LONG_NUMBER { "***" } else { part });
    }
    if let Some(mark) = address.get(path.len()..).and_then(|query| query.chars().next()) {
        out.push(mark);
        out.push_str("***");
    }
    from + address.len()
}

/// Whether a part of a path may open something: it is long, or mixed as nobody names things.
fn is_token(part: &str) -> bool {
    let (mut letters, mut digits, mut others) = (0, 0, 0);
    for byte in part.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'z' | b'A'..=b'Z' => letters += 1,
            _ => others += 1,
        }
    }
    LONG_WORD <= part.len() || MIXED_WORD <= part.len() && others == 0 && letters > 2 && digits > 2
}

/// What tells nothing by its name, a word at a time.
fn words(text: &str, out: &mut String) {
    for word in text.split_inclusive(ENDS) {
        let bare = word.trim_end_matches(ENDS);
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let hides = bare.contains('@') || digits >= LONG_NUMBER || bare.len() >= LONG_WORD && digits > 0;
        out.push_str(if hides { "***" } else { bare });
        out.push_str(word.get(bare.len()..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::TELLING;

    #[test]
    fn what_is_looked_for_can_be() {
        assert!(TELLING.is_some());
    }
}
