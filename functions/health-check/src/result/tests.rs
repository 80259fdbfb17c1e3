use expect_test::expect_file;
use serde_json::Value;

use super::{SCHEMA, samples, schema};
use crate::result::format::{Format, render};

#[test]
fn the_published_schema_is_up_to_date() {
    // `UPDATE_EXPECT=1 cargo test -p health-check --lib schema` writes it anew.
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    expect_file!["../../result.schema.json"].assert_eq(&text);
}

#[test]
fn the_schema_says_what_a_result_says() {
    let schema = schema().to_value();
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA);
    assert_eq!(schema["properties"]["began"]["format"], "date-time");
    let checked = &schema["$defs"]["Checked"];
    assert_eq!(checked["properties"]["evidence"]["items"]["$ref"], "#/$defs/Fact");
    assert_eq!(schema["$defs"]["Fact"]["required"], serde_json::json!(["name", "value"]));

    let result: Value = serde_json::from_str(&render(&samples::sweep(60), Format::Json)).unwrap();
    let is_said = |object: &Value, schema: &Value| {
        for field in object.as_object().unwrap().keys() {
            assert!(schema["properties"].get(field).is_some(), "{field}");
        }
        for field in schema["required"].as_array().unwrap() {
            assert!(object.get(field.as_str().unwrap()).is_some(), "{field}");
        }
    };
    is_said(&result, &schema);
    is_said(&result["counts"], &schema["$defs"]["Counts"]);
    for component in result["components"].as_array().unwrap() {
        is_said(component, checked);
        for fact in component["evidence"].as_array().into_iter().flatten() {
            is_said(fact, &schema["$defs"]["Fact"]);
        }
    }
}
