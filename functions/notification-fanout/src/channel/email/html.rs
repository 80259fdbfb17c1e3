//! A document as HTML: complete in itself, styled in place because mail clients drop style sheets, without images, and
//! without colours of its own for text and ground, so that a dark reader keeps its own.

use std::fmt::Write;

use crate::channel::plain::{self, Document};
use crate::render::Tone;

/// What the text between two tags may cost on one line.
const LONGEST_LINE: usize = 900;

const FONT: &str =
    "font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.45";

/// The whole of the HTML.
pub(super) fn write(document: &Document, tone: Tone) -> String {
    let mut html = Html(String::new());
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width\">");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">");
    html.raw("<meta name=\"supported-color-schemes\" content=\"light dark\">");
    html.element("title", "", &document.headline);
    html.raw(&format!("</head>\n<body style=\"margin:0;padding:16px;{FONT}\">"));
    // Lists of messages show the beginning of the body beside the subject, which stays that of the first message.
    html.element("div", "display:none;max-height:0;overflow:hidden", &preheader(document));
    html.raw(&format!(
        "<div style=\"border-left:6px solid {};padding-left:14px;max-width:720px\">",
        colour(tone)
    ));
    html.element("h1", "font-size:20px;margin:0 0 12px", &document.headline);
    if let Some(lead) = &document.lead {
        html.element("p", "margin:0 0 12px;font-weight:bold", lead);
    }
    html.table(
        &document.standing,
        "padding:1px 16px 1px 0;vertical-align:top;white-space:nowrap;opacity:.75",
    );
    if !document.summary.is_empty() {
        html.element("p", "margin:12px 0;white-space:pre-wrap", &document.summary);
    }
    for (heading, items) in &document.sections {
        html.element("h2", "font-size:16px;margin:16px 0 4px", heading);
        html.raw("<ul style=\"margin:0;padding-left:22px\">");
        for item in items {
            html.element("li", "white-space:pre-wrap", item);
        }
        html.raw("</ul>");
    }
    for (name, value) in &document.facts {
        html.element("p", "margin:12px 0 2px;font-weight:bold", name);
        if value.contains('\n') {
            let boxed = "margin:0;padding:8px;border:1px solid #8886;border-radius:4px;font-size:13px;\
                         white-space:pre-wrap;overflow-wrap:anywhere";
            html.element("pre", boxed, value);
        } else {
            html.element("p", "margin:0;overflow-wrap:anywhere", value);
        }
    }
    html.links(document);
    html.element("p", "margin:20px 0 0;font-size:12px;opacity:.7", &document.footer);
    html.raw("</div>\n</body>\n</html>");
    html.0
}

struct Html(String);

impl Html {
    fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
        self.0.push('\n');
    }

    fn element(&mut self, tag: &str, style: &str, text: &str) {
        self.open(tag, style);
        self.0.push_str(&escaped(text));
        // Within `pre` a line break before the end would show.
        let _ = writeln!(self.0, "</{tag}>");
    }

    fn open(&mut self, tag: &str, style: &str) {
        let style = if style.is_empty() { String::new() } else { format!(" style=\"{style}\"") };
        let _ = write!(self.0, "<{tag}{style}>");
    }

    fn table(&mut self, rows: &[(&'static str, String)], style: &str) {
        self.raw("<table role=\"presentation\" style=\"border-collapse:collapse;font-size:inherit\">");
        for (name, value) in rows {
            self.raw("<tr>");
            self.element("td", style, name);
            self.element("td", "padding:1px 0;overflow-wrap:anywhere", value);
            self.raw("</tr>");
        }
        self.raw("</table>");
    }

    fn links(&mut self, document: &Document) {
        let acknowledge = document.acknowledge.iter().map(|url| ("Acknowledge", url));
        let links = document.links.iter().map(|(title, url)| (title.as_str(), url));
        for (title, url) in acknowledge.chain(links) {
            self.raw("<p style=\"margin:12px 0 0\">");
            let target = url.replace('&', "&amp;");
            if target.len() <= LONGEST_LINE {
                self.raw(&format!("<a href=\"{target}\">"));
                self.0.push_str(&escaped(title));
                self.raw("</a></p>");
            } else {
                self.raw(&escaped(&format!("{title}: {url}")));
                self.raw("</p>");
            }
        }
    }
}

fn preheader(document: &Document) -> String {
    let summary = plain::line(&document.summary, 100);
    format!("{} {summary}", document.headline)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain::folded(text, LONGEST_LINE - 160, cost).chars() {
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

/// What a character costs when it is escaped, in bytes.
const fn cost(c: char) -> usize {
    match c {
        '&' | '\'' => 5,
        '<' | '>' => 4,
        '"' => 6,
        c => c.len_utf8(),
    }
}

/// Readable on a light ground and on a dark one.
const fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "#d92d20",
        Tone::Major => "#e8590c",
        Tone::Minor => "#e0a100",
        Tone::Low => "#3b82f6",
        Tone::Good => "#2f9e44",
        Tone::Neutral => "#868e96",
    }
}
