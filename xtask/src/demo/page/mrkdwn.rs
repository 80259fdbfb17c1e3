//! Slack's `mrkdwn`, as far as messages use it: bold, italic, struck out, code, fences, links and mentions. Text stands in
//! it with `&`, `<` and `>` escaped.

use super::html::{escaped, link};

/// As HTML.
pub(super) fn html(text: &str) -> String {
    let mut shown = String::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 1 {
            shown.extend(["<pre>", &escaped(&unescaped(part.trim_matches('\n'))), "</pre>"]);
        } else {
            // A fence stands on lines of its own already.
            let part = if index > 0 { part.strip_prefix('\n').unwrap_or(part) } else { part };
            shown.push_str(&inline(part.strip_suffix('\n').unwrap_or(part)).replace('\n', "<br>"));
        }
    }
    shown
}

/// Of plain text: without markup.
pub(super) fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn inline(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let (markup, left) = match c {
            '<' => match after.split_once('>') {
                Some((inner, left)) => (special(inner), left),
                None => (escaped("<"), after),
            },
            '*' | '_' | '~' | '`' if !before.is_alphanumeric() => match spanned(c, after) {
                Some((inner, left)) => (inner, left),
                None => (escaped(&c.to_string()), after),
            },
            '&' => match entity(rest) {
                Some((markup, left)) => (markup.to_owned(), left),
                None => ("&amp;".to_owned(), after),
            },
            c => (escaped(&c.to_string()), after),
        };
        shown.push_str(&markup);
        before = c;
        rest = left;
    }
    shown
}

fn entity(text: &str) -> Option<(&'static str, &str)> {
    let all = ["&lt;", "&gt;", "&amp;"];
    all.into_iter().find_map(|entity| Some((entity, text.strip_prefix(entity)?)))
}

/// What stands between two marks, on one line and without space at its ends.
fn spanned(mark: char, text: &str) -> Option<(String, &str)> {
    let line = text.split('\n').next().unwrap_or_default();
    let ends = |at: &usize| {
        let next = line.get(at + 1..).and_then(|rest| rest.chars().next());
        next.is_none_or(|next| !next.is_alphanumeric())
    };
    let end = line.match_indices(mark).map(|(at, _)| at).find(ends)?;
    let (inner, left) = (text.get(..end)?, text.get(end + 1..)?);
    if inner.is_empty() || inner.starts_with(' ') || inner.ends_with(' ') {
        return None;
    }
    let tag = match mark {
        '*' => "b",
        '_' => "i",
        '~' => "s",
        _ => return Some((format!("<code>{}</code>", escaped(&unescaped(inner))), left)),
    };
    Some((format!("<{tag}>{}</{tag}>", inline(inner)), left))
}

/// What stands between angle brackets: a link, or somebody who is called.
fn special(inner: &str) -> String {
    let (target, title) = inner.split_once('|').unwrap_or((inner, ""));
    let target = unescaped(target);
    if target.starts_with(['@', '#', '!']) {
        let name = if title.is_empty() { target.trim_start_matches(['!', '#']) } else { title };
        return format!("<span class=\"mention\">{}</span>", escaped(&unescaped(name)));
    }
    let title = if title.is_empty() { target.clone() } else { unescaped(title) };
    link(&target, "", &escaped(&title))
}

#[cfg(test)]
mod tests {
    use super::html;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(html(text), expected);
    }

    #[test]
    fn markup_is_shown_and_text_stays_text() {
        check("*Did*\n• a &lt;b&gt; &amp;amp; c", "<b>Did</b><br>• a &lt;b&gt; &amp;amp; c");
        check("_1 more_ ~no~ `a*b*`", "<i>1 more</i> <s>no</s> <code>a*b*</code>");
        check("2*3*4 and * alone *", "2*3*4 and * alone *");
        check("snake_case_name", "snake_case_name");
        check(
            "*<https://a.example/?b=1&amp;c=2|Acknowledge>*",
            "<b><a href=\"https://a.example/?b=1&amp;c=2\" rel=\"noreferrer\">Acknowledge</a></b>",
        );
        check("<javascript:alert(1)|x>", "x");
        check(
            "<@U012> <!subteam^S1>",
            "<span class=\"mention\">@U012</span> <span class=\"mention\">subteam^S1</span>",
        );
    }

    #[test]
    fn what_is_fenced_is_shown_as_it_is() {
        check("*Trace*\n```\n*a* &lt;b&gt;\n```\nend", "<b>Trace</b><pre>*a* &lt;b&gt;</pre>end");
        check("```\nnever closed", "<pre>never closed</pre>");
    }
}
