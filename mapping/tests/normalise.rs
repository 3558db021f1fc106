//! What a source record says, read with a field map.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test reads files, and may fail")]

use milestoned_mapping::fact::Event;
use milestoned_mapping::fieldmap::{FieldMap, Shape};
use milestoned_mapping::json::Tree;
use milestoned_mapping::normalise::{LegPart, Normalised, normalise};
use milestoned_mapping::record::{Change, Content, SourceRecord};
use proptest::prelude::*;

/// Fields below `fields`, options with a value.
const SHAPE: Shape =
    Shape { envelope: Some("fields"), lines: |object| object.get("value").and_then(Tree::plain).into_iter().collect() };

fn map(name: &str) -> FieldMap {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/fieldmaps").join(name);
    FieldMap::from_toml(&std::fs::read_to_string(path).unwrap(), SHAPE).unwrap()
}

fn read(map: &FieldMap, raw: &str, history: Vec<Change>) -> Normalised {
    let record = SourceRecord {
        system: "jira".into(),
        object: "issue".into(),
        id: "10002".into(),
        version: "1".into(),
        at: "2026-03-02T09:00:00Z".parse().unwrap(),
        raw: raw.into(),
        content: Content::Fields { history },
    };
    normalise(&record, map)
}

fn change(id: &str, field: &str, from: Option<&str>, to: Option<&str>) -> Change {
    let (field, from, to) = (field.into(), from.map(Into::into), to.map(Into::into));
    Change {
        id: id.into(),
        at: "2026-03-02T09:00:00Z".parse().unwrap(),
        by: "dana@customer.example".into(),
        field,
        from,
        to,
    }
}

const ISSUE: &str = r#"{"fields":{"customfield_10101":"SOW-1","customfield_10102":"M1","customfield_10103":40000.00,
    "status":{"name":"Accepted"},"customfield_10105":"https://docs.example/second.pdf","customfield_10106":{"value":"Sponsor"},
    "customfield_10108":{"value":"3 of 47 fail"}}}"#;

#[test]
fn a_rejection_and_an_acceptance_in_one_read_have_the_values_of_their_own_moment() {
    let history = vec![
        change("1", "status", Some("To Do"), Some("Ready for acceptance")),
        change("1", "customfield_10104", None, Some("Test report, Data map")),
        change("2", "customfield_10105", None, Some("https://docs.example/first.pdf")),
        change("2", "status", Some("Ready for acceptance"), Some("Rejected")),
        change("3", "customfield_10106", Some("Clerk"), Some("Sponsor")),
        change(
            "3",
            "customfield_10105",
            Some("https://docs.example/first.pdf"),
            Some("https://docs.example/second.pdf"),
        ),
        change("3", "status", Some("Rejected"), Some("Accepted")),
    ];
    let read = read(&map("jira.toml"), ISSUE, history);
    assert_eq!(read.problems, []);
    let events: Vec<&Event> = read.facts.iter().map(|draft| &draft.fact.event).collect();
    let [
        Event::Submitted { evidence, .. },
        Event::Rejected { role: first, criteria, .. },
        Event::Accepted { role, document, .. },
    ] = events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(evidence, &["Data map", "Test report"]);
    assert_eq!((first.as_deref(), criteria.as_slice()), (Some("Clerk"), &["3 of 47 fail".to_owned()][..]));
    assert_eq!((role.as_deref(), document.as_deref()), (Some("Sponsor"), Some("https://docs.example/second.pdf")));
    let identities: std::collections::BTreeSet<_> = read.facts.iter().map(|draft| &draft.identity).collect();
    assert_eq!(identities.len(), 3, "each fact has a name of its own");
}

#[test]
fn what_cannot_be_understood_names_place_reason_and_remedy() {
    for (from, to, field, words) in [
        ("\"Accepted\"", "\"Abgenommen\"", "status (fields.status.name)", "\"Abgenommen\" is not mapped"),
        ("40000.00", "40000.000000001", "amount (fields.customfield_10103)", "digits that no currency has"),
        ("\"M1\"", "null", "milestone (fields.customfield_10102)", "is empty, while contract is filled in"),
        ("40000.00", "\"forty\"", "amount (fields.customfield_10103)", "is not a number"),
    ] {
        let read = read(&map("jira.toml"), &ISSUE.replace(from, to), Vec::new());
        let problem = read.problems.first().unwrap_or_else(|| panic!("{to} was taken"));
        assert!(problem.place.ends_with(&format!(", {field}")), "{problem:?}");
        assert!(problem.reason.contains(words) && !problem.remedy.is_empty(), "{problem:?}");
    }
    assert!(read(&map("jira.toml"), "{\"fields\":", Vec::new()).problems[0].reason.contains("not JSON"));
    assert_eq!(
        read(&map("jira.toml"), "{\"fields\":{}}", Vec::new()),
        Normalised::default(),
        "not ours, and no problem"
    );
}

#[test]
fn of_several_values_none_is_taken_for_the_contract_and_one_of_a_list_is_that_one() {
    let issue = |contract: &str| ISSUE.replacen("\"SOW-1\"", contract, 1);
    for one in [r#"{"value":"SOW-1"}"#, r#"[{"value":"SOW-1"}]"#, r#"["SOW-1"]"#] {
        assert_eq!(read(&map("jira.toml"), &issue(one), Vec::new()).contract.as_deref(), Some("SOW-1"), "{one}");
    }
    let read = read(&map("jira.toml"), &issue(r#"[{"value":"SOW-1"},{"value":"SOW-2"}]"#), Vec::new());
    let problem = &read.problems[0];
    assert!(problem.place.contains("customfield_10101") && problem.reason.contains("SOW-1, SOW-2"), "{problem:?}");
    assert_eq!(read.contract, None);
}

#[test]
fn a_deal_keeps_its_digits_whatever_way_the_number_is_written() {
    for (written, amount) in
        [("1.2345678E7", "12345678"), ("250000.0", "250000"), ("99999999999999.99", "99999999999999.99")]
    {
        let raw = format!(r#"{{"SOW_Number__c":"SOW-1","IsWon":true,"Amount":{written},"Account":{{"Name":"Acme"}}}}"#);
        let Some(LegPart::Crm(deal)) = read(&map("salesforce.toml"), &raw, Vec::new()).part else { panic!("no deal") };
        assert_eq!(
            (deal.record.amount.unwrap().to_string(), deal.record.stage.as_deref()),
            (amount.to_owned(), Some("closed_won"))
        );
    }
}

#[test]
fn a_field_map_names_every_problem() {
    let errors = FieldMap::from_toml("record = \"milestone\"\n[fields]\ncontract = \"a..b\"\nfrob = \"x\"\n", SHAPE)
        .unwrap_err();
    let places: Vec<&str> = errors.iter().map(|error| error.place.as_str()).collect();
    assert_eq!(places, ["fields.contract", "fields.frob", "fields.milestone", "fields.status", "transitions"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(raw in ".{0,200}", field in ".{0,20}", to in proptest::option::of(".{0,20}")) {
        read(&map("jira.toml"), &raw, vec![change("1", &field, None, to.as_deref())]);
        read(&map("jira.toml"), ISSUE, vec![change("1", "status", None, to.as_deref())]);
    }
}

#[test]
fn a_leg_carries_every_mapped_field() {
    let issue = r#"{"fields":{"customfield_10101":"SOW-1","customfield_10102":"M1","customfield_10103":40000.10,"status":{"name":"Done"},
        "customfield_10109":12,"customfield_10110":{"value":false},"customfield_10111":{"value":"customer_signoff"}}}"#;
    let psa = read(
        &map("jira.toml"),
        issue,
        vec![
            change("1", "status", Some("To Do"), Some("Ready for acceptance")),
            change("2", "attachment", None, Some("Test results.v2.pdf")),
            change("3", "attachment", None, Some("Minutes")),
        ],
    );
    let Some(LegPart::Psa(part)) = &psa.part else { panic!("{psa:?}") };
    let told = serde_json::to_value(part).unwrap();
    let expected = serde_json::json!({ "id": "M1", "status": "done", "amount": "40000.1", "window_days": 12, "deemed": false,
        "completion": "customer_signoff" });
    assert_eq!(told, expected);
    let facts = format!("{:?}", psa.facts);
    assert!(facts.contains("Test results.v2") && !facts.contains(".pdf") && facts.contains("Minutes"), "{facts}");

    let deal = read(
        &FieldMap::from_toml("record = \"deal\"\n[fields]\ncontract = \"Id\"\nstage = \"Stage\"\namount = \"Amount\"\ncurrency = \"Currency\"\ncustomer = \"Customer\"\n", Shape::PLAIN).unwrap(),
        r#"{"Id":"SOW-1","Stage":"closed_won","Amount":"40000.10","Currency":"USD","Customer":"Northwind Ltd"}"#,
        Vec::new(),
    );
    let Some(LegPart::Crm(leg)) = &deal.part else { panic!("{deal:?}") };
    let told = serde_json::to_value(leg).unwrap();
    for (field, value) in
        [("currency", "USD"), ("customer", "Northwind Ltd"), ("amount", "40000.1"), ("stage", "closed_won")]
    {
        assert_eq!(told[field], value, "{told}");
    }
}

#[test]
fn a_mapped_day_is_the_day_on_which_it_happened() {
    let text =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/fieldmaps/jira.toml"));
    let text = text.unwrap().replace("[transitions]", "accepted_on = \"fields.customfield_10199\"\n[transitions]");
    let map = FieldMap::from_toml(&text, SHAPE).unwrap();
    let history = vec![change("1", "status", Some("To Do"), Some("Accepted"))];
    for (written, day) in [
        ("\"2026-02-27\"", Some("2026-02-27")),
        ("\"2026-02-27T23:30:00.000+0000\"", Some("2026-02-27")),
        ("null", None),
        ("\"last week\"", None),
    ] {
        let issue = ISSUE.replacen("\"fields\":{", &format!("\"fields\":{{\"customfield_10199\":{written},"), 1);
        let read = read(&map, &issue, history.clone());
        assert_eq!(read.facts[0].fact.on, day.map(|day| day.parse().unwrap()), "{written}");
        assert_eq!(read.problems.is_empty(), written != "\"last week\"", "{:?}", read.problems);
    }
}

#[test]
fn an_instant_is_the_day_that_it_is_in_the_time_zone_of_its_field() {
    let text =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/fieldmaps/jira.toml"));
    let field = "accepted_on = { path = \"fields.customfield_10199\", timezone = \"Asia/Tokyo\" }\n[transitions]";
    let text = text.unwrap().replace("[transitions]", field);
    let map = FieldMap::from_toml(&text, SHAPE).unwrap();
    let history = vec![change("1", "status", Some("To Do"), Some("Accepted"))];
    for (written, day) in [
        ("2026-02-28T15:30:00.000+0000", "2026-03-01"),
        ("2026-02-28T14:59:59Z", "2026-02-28"),
        ("2026-02-28T08:00:00.000-0800", "2026-03-01"),
        ("2026-02-28", "2026-02-28"),
    ] {
        let issue = ISSUE.replacen("\"fields\":{", &format!("\"fields\":{{\"customfield_10199\":\"{written}\","), 1);
        assert_eq!(read(&map, &issue, history.clone()).facts[0].fact.on, Some(day.parse().unwrap()), "{written}");
    }
    let nowhere = text.replace("Asia/Tokyo", "Mars/Base");
    assert!(FieldMap::from_toml(&nowhere, SHAPE).unwrap_err()[0].reason.contains("Mars/Base"));
}

#[test]
fn characters_that_nobody_sees_come_along_with_what_is_pasted_and_are_no_part_of_it() {
    for unseen in ['\u{a0}', '\u{ad}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{202b}', '\u{2069}', '\u{feff}'] {
        let issue = ISSUE.replace("SOW-1", &format!("{unseen}SOW-1{unseen}"));
        let read = read(&map("jira.toml"), &issue, Vec::new());
        assert_eq!(read.contract.as_deref(), Some("SOW-1"), "U+{:04X}", u32::from(unseen));
    }
}

#[test]
fn a_field_map_tells_which_fields_it_reads() {
    let map = map("jira.toml");
    let names = map.source_fields();
    assert!(names.contains(&"customfield_10103".to_owned()) && !names.contains(&"fields".to_owned()), "{names:?}");
    assert!(map.paths().contains(&"fields.customfield_10104[*].value".to_owned()), "{:?}", map.paths());
}
