//! Untrusted text on its way into the page.

/// As text, or as the value of an attribute in quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A link with markup as its text, or only that where it leads to no `https` address.
pub(super) fn link(url: &str, class: &str, markup: &str) -> String {
    if !url.starts_with("https://") {
        return markup.to_owned();
    }
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<a{class} href=\"{}\" rel=\"noreferrer\">{markup}</a>", escaped(url))
}

/// Text in which addresses are links; its line breaks stay.
pub(super) fn linked(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("https://") {
        let (before, from) = rest.split_at(at);
        let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '|' | ')' | ']');
        let whole = from.get(..from.find(ends).unwrap_or(from.len())).unwrap_or_default();
        // What ends the sentence is not part of the address.
        let (url, after) = from.split_at(whole.trim_end_matches(['.', ',', ';', ':', '!', '?']).len());
        shown.push_str(&escaped(before));
        shown.push_str(&link(url, "", &escaped(url)));
        rest = after;
    }
    shown.push_str(&escaped(rest));
    shown
}

#[cfg(test)]
mod tests {
    use super::{escaped, link, linked};

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escaped("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn only_https_is_a_link() {
        assert_eq!(
            link("https://a.example/?b&c", "", "A"),
            "<a href=\"https://a.example/?b&amp;c\" rel=\"noreferrer\">A</a>"
        );
        assert_eq!(link("javascript:alert(1)", "", "A"), "A");
    }

    #[test]
    fn addresses_in_a_text_are_links() {
        let expected =
            "See <a href=\"https://a.example/b\" rel=\"noreferrer\">https://a.example/b</a>, &lt;ok&gt;";
        assert_eq!(linked("See https://a.example/b, <ok>"), expected);
    }
}
