//! The Markdown of an Adaptive Card, as far as cards use it: lists, bold, italic, links, and backslashes that keep text
//! from being markup.

use super::html::{escaped, link};

/// As HTML.
pub(super) fn html(text: &str) -> String {
    let mut shown = String::new();
    let mut in_list = false;
    for line in text.split('\n') {
        let item = line.strip_prefix("- ");
        if item.is_some() != in_list {
            shown.push_str(if in_list { "</ul>" } else { "<ul>" });
            in_list = item.is_some();
        }
        match item {
            Some(item) => shown.extend(["<li>", &inline(item), "</li>"]),
            None if line.is_empty() => {}
            None => shown.extend(["<p>", &inline(line), "</p>"]),
        }
    }
    if in_list {
        shown.push_str("</ul>");
    }
    shown
}

/// One line, without a paragraph around it.
pub(super) fn inline(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let (markup, left) = match c {
            '\\' => match after.chars().next() {
                Some(kept) if kept.is_ascii_punctuation() => {
                    (escaped(&kept.to_string()), after.get(kept.len_utf8()..).unwrap_or_default())
                }
                Some(_) | None => (escaped("\\"), after),
            },
            '*' if after.starts_with('*') => marked(after.get(1..).unwrap_or_default(), "**", "b")
                .unwrap_or_else(|| ("**".to_owned(), after.get(1..).unwrap_or_default())),
            '_' | '*' => marked(after, c.encode_utf8(&mut [0; 4]), "i")
                .unwrap_or_else(|| (escaped(&c.to_string()), after)),
            '[' => titled(after).unwrap_or_else(|| ("[".to_owned(), after)),
            c => (escaped(&c.to_string()), after),
        };
        shown.push_str(&markup);
        rest = left;
    }
    shown
}

fn marked<'a>(text: &'a str, end: &str, tag: &str) -> Option<(String, &'a str)> {
    let (inner, left) = text.split_once(end)?;
    (!inner.trim().is_empty()).then(|| (format!("<{tag}>{}</{tag}>", inline(inner)), left))
}

/// A link, from behind its first bracket on.
fn titled(text: &str) -> Option<(String, &str)> {
    let (title, rest) = text.split_once("](")?;
    let (url, left) = rest.split_once(')')?;
    Some((link(url, "", &inline(title)), left))
}

#[cfg(test)]
mod tests {
    use super::html;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(html(text), expected);
    }

    #[test]
    fn lists_and_paragraphs_are_shown_and_escapes_taken_away() {
        check("one\n\ntwo", "<p>one</p><p>two</p>");
        check("- a\n- b \\*c\\*\nend", "<ul><li>a</li><li>b *c*</li></ul><p>end</p>");
        check("**a** _b_ 2 * 3", "<p><b>a</b> <i>b</i> 2 * 3</p>");
        check("[A](https://a.example/)", "<p><a href=\"https://a.example/\" rel=\"noreferrer\">A</a></p>");
        check(
            "[A](javascript:x) \\[no\\](https://a)",
            "<p>A [no](https://a)</p>".replace("\\]", "]").as_str(),
        );
        check("<b>&", "<p>&lt;b&gt;&amp;</p>");
    }
}
