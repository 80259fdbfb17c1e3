//! A reader of HTML as the page writes it, strict where browsers are lenient.

use std::collections::BTreeMap;

/// What ends with its beginning.
const VOID: [&str; 1] = ["meta"];

/// An element: its name and its attributes.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
    /// All text within it.
    pub(super) text: String,
}

impl Element {
    pub(super) fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

/// All elements in their order; panics where the text is not well-formed.
pub(super) fn read(html: &str) -> Vec<Element> {
    let mut rest = html.strip_prefix("<!doctype html>\n").expect("a doctype");
    let (mut elements, mut open) = (Vec::<Element>::new(), Vec::<usize>::new());
    while !rest.is_empty() {
        let (text, from) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        assert!(!text.contains('>'), "a bracket in a text: {text}");
        let decoded = decoded(text);
        for place in &open {
            elements[*place].text.push_str(&decoded);
        }
        assert!(!open.is_empty() || decoded.trim().is_empty(), "text outside: {text}");
        let Some(tag) = from.strip_prefix('<') else { break };
        let (tag, after) = tag.split_once('>').expect("the end of a tag");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let place = open.pop().expect("something open");
            assert_eq!(elements[place].name, name, "the wrong end");
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let element = element(tag);
        let name = element.name.clone();
        elements.push(element);
        if name == "style" {
            let (style, after) = rest.split_once("</style>").expect("the end of the style");
            elements.last_mut().unwrap().text.push_str(style);
            rest = after;
        } else if !closed && !VOID.contains(&name.as_str()) {
            open.push(elements.len() - 1);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    elements
}

fn element(tag: &str) -> Element {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(!name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric()), "no name: {tag}");
    let mut attributes = BTreeMap::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (attribute, from) = rest.split_at(end);
        assert!(
            attribute.bytes().all(|c| c.is_ascii_alphabetic() || c == b'-' || c.is_ascii_digit()),
            "{tag}"
        );
        let (value, after) = match from.strip_prefix("=\"") {
            Some(value) => value.split_once('"').expect("the end of a value"),
            None => ("", from),
        };
        assert!(!value.contains('<'), "a bracket in a value: {tag}");
        assert!(attributes.insert(attribute.to_owned(), decoded(value)).is_none(), "twice: {tag}");
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Element { name: name.to_owned(), attributes, text: String::new() }
}

fn decoded(text: &str) -> String {
    const ENTITIES: [(&str, char); 5] =
        [("amp;", '&'), ("lt;", '<'), ("gt;", '>'), ("quot;", '"'), ("#39;", '\'')];
    let mut parts = text.split('&');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, c) = ENTITIES
            .iter()
            .find(|(entity, _)| part.starts_with(entity))
            .expect("an ampersand that is escaped");
        decoded.push(*c);
        decoded.push_str(&part[entity.len()..]);
    }
    decoded
}
