//! Contract files as people write them, through the binary.

#![expect(clippy::unwrap_used, reason = "a test runs the binary, and may fail")]

use std::process::{Command, Output};

use serde_json::Value;

fn milestoned(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_milestoned")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_template_makes_a_file_that_is_taken_without_a_note() {
    let folder = tempfile::tempdir().unwrap();
    for template in ["pilot", "phased", "go-live", "construction"] {
        let name = "O\"Neill \\ Sons";
        let made = milestoned(&[
            "contract",
            "new",
            template,
            "--id",
            "SOW-1",
            "--customer",
            name,
            "--total",
            "99999.99",
            "--signed-on",
            "2026-01-05",
        ]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        let file = folder.path().join(format!("{template}.toml"));
        std::fs::write(&file, &made.stdout).unwrap();
        let checked = milestoned(&["--json", "contract", "check", file.to_str().unwrap()]);
        let told: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!(
            (checked.status.code(), &told["problems"], &told["notes"]),
            (Some(0), &serde_json::json!([]), &serde_json::json!([])),
            "{template}"
        );
    }
}

#[test]
fn every_problem_of_a_file_is_told_at_once_with_line_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    let lines = [
        "id = \"SOW-1\"",
        "customer = \"Northwind\"",
        "currency = \"USD\"",
        "total = 100.00",
        "signed_on = \"soon\"",
        "payment_term = \"net 30\"",
        "[[milestones]]",
        "id = \"M1\"",
        "name = \"One\"",
        "amount = \"-1.00\"",
        "[[milestones]]",
        "id = \"M2\"",
        "amount = \"100.001\"",
        "depends_on = [\"M9\"]",
        "[milestoned]",
        "erpp = \"x\"",
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let checked = milestoned(&["contract", "check", file.to_str().unwrap()]);
    let told = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(2), "{told}");
    for problem in [
        ":4: total: write the amount as text in quotes",
        ":5: signed_on: \"soon\" is not a date",
        ":6: payment_term: is not a known field; write payment_terms",
        ":10: milestones[0].amount: -1.00 is negative",
        ":11: milestones[1].name: is missing; write a short name",
        ":13: milestones[1].amount: \"100.001\" has more decimals",
        ":16: milestoned.erpp: ",
    ] {
        assert!(told.contains(problem), "{problem}\n{told}");
    }
}

#[test]
fn the_schema_knows_every_field_that_the_reader_knows() {
    let schema: Value = serde_json::from_slice(&milestoned(&["contract", "schema"]).stdout).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (table, place) in [
        ("", "/properties"),
        ("acceptance", "/properties/acceptance/properties"),
        ("obligations", "/properties/obligations/items/properties"),
        ("milestones", "/properties/milestones/items/properties"),
    ] {
        let fields = schema.pointer(place).unwrap().as_object().unwrap();
        assert!(fields.len() > 5, "{table}");
        for field in fields.keys().filter(|field| *field != "milestoned") {
            // A value that no field can take: a known field complains of it, an unknown one of being unknown.
            let wrong = serde_json::json!({ field.as_str(): { "x": 1 } });
            let tree = match table {
                "" => wrong,
                "acceptance" => serde_json::json!({ "acceptance": wrong }),
                table => serde_json::json!({ table: [wrong] }),
            };
            let file = folder.path().join("one.json");
            std::fs::write(&file, tree.to_string()).unwrap();
            let told: Value =
                serde_json::from_slice(&milestoned(&["--json", "contract", "check", file.to_str().unwrap()]).stdout)
                    .unwrap();
            let unknown = told["problems"].as_array().unwrap().iter().any(|one| {
                one["reason"] == "is not a known field" && one["field"].as_str().unwrap().ends_with(field.as_str())
            });
            assert!(!unknown, "{table}.{field} is in the schema, and the reader does not know it");
        }
    }
}

#[test]
fn a_case_is_explained_and_a_rule_too() {
    let case = concat!(env!("CARGO_MANIFEST_DIR"), "/../mapping/tests/cases/accepted-in-part.json");
    let told = text(&milestoned(&["simulate", "--explain", case]).stdout);
    for part in [
        "10 business days, skipping Sat 2026-02-07",
        "holiday 2026-02-16",
        "M1a comes in with 45000.00",
        "due 2026-03-08: net 30 from the invoice",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    let rule = text(&milestoned(&["rules", "OVER_CAP"]).stdout);
    assert!(rule.contains("Raise the cap") && rule.contains("\"cap\": \"30000.00\""), "{rule}");
    assert_eq!(milestoned(&["rules", "NO_SUCH"]).status.code(), Some(1));
}
