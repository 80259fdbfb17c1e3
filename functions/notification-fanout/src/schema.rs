//! Whether a payload is valid by a schema: the few words of JSON Schema that the schemas of the channels are written in.
//! A whole library would ask for features of `serde_json` that every other package of the workspace would then be built with.

use serde_json::{Map, Value};

/// What is wrong with a value; nothing where it is valid by this definition of the schema, or by the whole schema.
pub(crate) fn problem(schema: &str, definition: Option<&str>, value: &Value) -> Option<String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let root = definition.map_or(&schema, |name| &schema["definitions"][name]);
    check(&schema, root, value).err()
}

fn check(whole: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    for (word, rule) in schema.as_object().unwrap() {
        let holds = match word.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/definitions/").unwrap();
                check(whole, &whole["definitions"][name], value)?;
                true
            }
            "allOf" => {
                rule.as_array().unwrap().iter().try_for_each(|schema| check(whole, schema, value))?;
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|schema| check(whole, schema, value).is_ok()),
            "type" => is(value, rule.as_str().unwrap()),
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|text| is_one_of(text, rule.as_str().unwrap())),
            "required" => {
                value.as_object().is_none_or(|object| names(rule).all(|name| object.contains_key(name)))
            }
            "properties" => {
                let none = Map::new();
                for (name, value) in value.as_object().unwrap_or(&none) {
                    if let Some(schema) = rule.get(name) {
                        check(whole, schema, value)?;
                    }
                }
                true
            }
            "additionalProperties" if rule == &Value::Bool(false) => {
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|object| object.keys().all(|name| known.contains_key(name)))
            }
            "items" => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().try_for_each(|item| check(whole, rule, item))?;
                true
            }
            "minLength" => length(value).is_none_or(|length| length >= rule.as_u64().unwrap()),
            "maxLength" => length(value).is_none_or(|length| length <= rule.as_u64().unwrap()),
            // A remark, or not checked by a validator unless it is asked to.
            "$schema" | "title" | "default" | "example" | "format" => true,
            other => panic!("{other} is not known here"),
        };
        if !holds {
            return Err(format!("{word} {rule} does not hold of {value}"));
        }
    }
    Ok(())
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().filter_map(Value::as_str)
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is not known here"),
    }
}

/// The patterns of this schema are words, each letter small or large: `^([g|G][o|O][o|O][d|D])|(…)$`.
fn is_one_of(text: &str, pattern: &str) -> bool {
    let words = pattern.trim_start_matches("^(").trim_end_matches(")$").split(")|(");
    let word =
        |word: &str| -> String { word.split('[').filter_map(|letter| letter.chars().next()).collect() };
    words.map(word).any(|word| word.eq_ignore_ascii_case(text))
}
