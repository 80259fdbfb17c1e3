//! The page that a browser shows: one file, without scripts and without anything from elsewhere. Whatever is not ours
//! is escaped, and kept from turning the text around it.

use std::fmt;

use jiff::Timestamp;
use shared::ledger::activity::{Acknowledged, Activity};
use shared::text::LONGEST_NAME;

use crate::decision::Verdict;

/// The longest title that is shown, in characters.
const LONGEST_TITLE: usize = 500;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--ground:#f6f8fa;--card:#fff;--line:#d0d7de;--deed:#0b5cad;\
--on-deed:#fff;--sev:#9a6700}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4ae;--ground:#0d1117;--card:#161b22;--line:#3d444d;\
--deed:#6cb6ff;--on-deed:#0d1117;--sev:#e3b341}}\
*{box-sizing:border-box}\
body{margin:0;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}\
main{max-width:36rem;margin:0 auto;padding:1.25rem;background:var(--card);border:1px solid var(--line);\
border-radius:.5rem;overflow-wrap:anywhere}\
h1{margin:.25rem 0 1rem;font-size:1.35rem;line-height:1.3}\
p{margin:.5rem 0}.severity{margin:0;color:var(--sev);font-weight:700}.said{font-weight:600}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1rem 0}dt{color:var(--soft)}dd{margin:0}\
form{margin-top:1.25rem}label{display:block;margin-bottom:.25rem}\
input,button{width:100%;min-height:3rem;padding:.5rem .75rem;border-radius:.375rem;font:inherit}\
input{border:1px solid var(--soft);background:var(--ground);color:inherit}\
button{margin-top:.75rem;border:0;background:var(--deed);color:var(--on-deed);font-weight:700;cursor:pointer}\
:focus-visible{outline:3px solid var(--deed);outline-offset:2px}";

/// The page for a verdict.
pub fn render(verdict: &Verdict) -> String {
    let heading = heading(verdict);
    let (headline, rest) = match verdict.activity() {
        Some(activity) => (title(activity), about(verdict, activity)),
        None => (heading.to_owned(), format!("<p>{}</p>", Text(advice(verdict)))),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{}<h1 dir=\"auto\">{}</h1>\n{rest}\n</main>\n</body>\n</html>\n",
        Text(heading),
        Severity(verdict),
        Text(&headline),
    )
}

/// In a few words, what the page says.
const fn heading(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Open(_) => "Acknowledge an incident",
        Verdict::Held(_) => "Somebody has it in hand",
        Verdict::Done(_) => "Acknowledged",
        Verdict::Before(_) => "Somebody else was first",
        Verdict::Over(_) => "It is over",
        Verdict::Unknown => "No such incident",
        Verdict::Forged => "This link is not valid",
        Verdict::Expired => "This link has expired",
        Verdict::Odd(_) => "That cannot be used",
        Verdict::Method => "That is not done here",
    }
}

/// What to do where there is no incident to show.
const fn advice(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Odd(why) => why,
        Verdict::Unknown => "Nothing is known of it any more, so there is nothing to acknowledge.",
        Verdict::Forged => "A part of it may be missing. Open it again from the message, as a whole.",
        Verdict::Expired => "Open the link in a newer message about the incident.",
        Verdict::Method => "Open the link in a browser.",
        Verdict::Open(_) | Verdict::Held(_) | Verdict::Done(_) | Verdict::Before(_) | Verdict::Over(_) => "",
    }
}

fn title(activity: &Activity) -> String {
    let title: String = activity.title.chars().take(LONGEST_TITLE).collect();
    if title.trim().is_empty() { "An incident".to_owned() } else { title }
}

fn about(verdict: &Verdict, activity: &Activity) -> String {
    let said = match verdict {
        Verdict::Done(_) => "It is in your hands. Nobody else is called while it goes on.",
        Verdict::Open(_) => "Nobody has it in hand yet.",
        Verdict::Held(_)
        | Verdict::Before(_)
        | Verdict::Over(_)
        | Verdict::Unknown
        | Verdict::Forged
        | Verdict::Expired
        | Verdict::Odd(_)
        | Verdict::Method => heading(verdict),
    };
    let over = matches!(verdict, Verdict::Over(_));
    let state = match (over, activity.flapping) {
        (true, _) => "over",
        (false, true) => "goes on, and comes and goes",
        (false, false) => "goes on",
    };
    let began = Time(activity.started);
    let ended = if over { format!("<dt>Ended</dt><dd>{}</dd>", Time(activity.since)) } else { String::new() };
    let acknowledged = match &activity.acknowledged {
        Some(Acknowledged { by, at }) => format!("<bdi>{}</bdi>, {}", Text(by), Time(*at)),
        None => "nobody".to_owned(),
    };
    let form = if matches!(verdict, Verdict::Open(_)) { form() } else { String::new() };
    format!(
        "<p class=\"said\" role=\"status\">{said}</p>\n<dl><dt>State</dt><dd>{state}</dd><dt>Began</dt><dd>{began}</dd>\
         {ended}<dt>Acknowledged</dt><dd>{acknowledged}</dd></dl>{form}"
    )
}

/// Without an address it is sent to the page's own, and with it the link's token, which so stands nowhere in the page.
fn form() -> String {
    format!(
        "\n<form method=\"post\">\n<label for=\"name\">Your name (you may leave it out)</label>\n\
         <input id=\"name\" name=\"name\" maxlength=\"{LONGEST_NAME}\" autocomplete=\"name\">\n\
         <button type=\"submit\">I have it in hand</button>\n</form>"
    )
}

/// The severity's line, where there is an incident.
struct Severity<'a>(&'a Verdict);

impl fmt::Display for Severity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.activity() {
            Some(activity) => writeln!(f, "<p class=\"severity\">{}</p>", activity.severity),
            None => Ok(()),
        }
    }
}

/// A time for people, and for their browsers.
struct Time(Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.strftime("%Y-%m-%d %H:%M UTC");
        write!(f, "<time datetime=\"{}\">{shown}</time>", self.0)
    }
}

/// Text that is not ours, as HTML, also within an attribute.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c if c.is_control() => f.write_str(" "),
            c => write!(f, "{c}"),
        })
    }
}

#[cfg(test)]
mod tests;
