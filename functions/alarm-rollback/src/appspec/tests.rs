//! Specifications as they are found, and as they are broken.

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

use super::*;

fn expected() -> Vec<Shift> {
    let [function, alias, current, target] = ["checkout", "live", "9", "10"].map(ToOwned::to_owned);
    vec![Shift { function, alias, current, target }]
}

#[test]
fn a_shift_reads_the_same_in_json_and_yaml_quoted_or_not_and_by_name_or_arn() {
    let json = r#"{"version":0.0,"Resources":[{"fn":{"Type":"AWS::Lambda::Function","Properties":
        {"Name":"checkout","Alias":"live","CurrentVersion":"9","TargetVersion":"10"}}}],"Hooks":[]}"#;
    let yaml = "
version: 0.0
Resources:
  - checkout:
      Type: AWS::Lambda::Function
      Properties:
        Name: arn:aws:lambda:eu-west-1:123456789012:function:checkout:live
        Alias: live
        CurrentVersion: 9
        TargetVersion: 10
Hooks:
  - BeforeAllowTraffic: check
";
    let lower = "resources: {fn: {properties: {name: '123456789012:function:checkout', alias: live, \
                 currentversion: '9', targetversion: '10'}}}";
    for text in [json, yaml, lower] {
        assert_eq!(shifts(text), expected(), "{text}");
        assert_eq!(task_definition(text), None, "{text}");
    }
}

#[test]
fn a_task_definition_is_read_where_there_is_one_and_not_where_there_are_two() {
    let service = |revision: u32| {
        format!(
            "{{TargetService: {{Type: AWS::ECS::Service, Properties: {{TaskDefinition: \"arn:td/web:{revision}\", \
             LoadBalancerInfo: {{ContainerName: web, ContainerPort: 80}}}}}}}}"
        )
    };
    let of = |services: &[String]| format!("version: 0.0\nResources: [{}]", services.join(", "));

    assert_eq!(task_definition(&of(&[service(7)])).as_deref(), Some("arn:td/web:7"));
    assert_eq!(task_definition(&of(&[service(7), service(7)])).as_deref(), Some("arn:td/web:7"));
    assert_eq!(task_definition(&of(&[service(7), service(8)])), None);
    assert_eq!(shifts(&of(&[service(7)])), []);
}

#[test]
fn what_cannot_be_read_says_nothing() {
    let deep = "[".repeat(5_000);
    let long = format!("{}{}", " ".repeat(MOST), "Resources: []");
    for text in [
        "",
        "version: 0.0",
        "Resources:",
        "Resources: [1, two, {three: 3}, {four: {Properties: 4}}]",
        "Resources: [{fn: {Properties: {Name: f, Alias: '', CurrentVersion: 1, TargetVersion: 2}}}]",
        "Resources: [{fn: {Properties: {Name: [f], Alias: a, CurrentVersion: 1, TargetVersion: 2}}}]",
        "os: linux\nfiles:\n  - source: /\n    destination: /srv",
        "{\"Resources\":",
        "\u{0}\u{1}",
        "a: &a [*a, *a]",
        &deep,
        &long,
    ] {
        assert_eq!(shifts(text), []);
        assert_eq!(task_definition(text), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_breaks_the_reader(text in any::<String>()) {
        let specification = format!("Resources: [{{a: {{Properties: {{TaskDefinition: {text}}}}}}}]");
        for text in [text, specification] {
            prop_assert!(shifts(&text).len() <= text.len());
            prop_assert!(task_definition(&text).is_none_or(|task_definition| !task_definition.is_empty()));
        }
    }
}
