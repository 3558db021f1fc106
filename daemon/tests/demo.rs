//! The real binary, killed at any moment: the year ends the same.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn demo(dir: &Path, seed: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milestoned"));
    command.args(["demo", "--json", "--seed", seed, "--keep"]).arg(dir).stdin(Stdio::null());
    command
}

fn acts_done(dir: &Path) -> u64 {
    let text = std::fs::read_to_string(dir.join("demo.json")).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|progress| progress["acts"].as_u64()).unwrap_or(0)
}

/// Kills the demo as soon as it has done this many acts; it may be anywhere in the next one.
fn killed_after(acts: u64, dir: &Path, seed: &str) {
    let mut child: Child = demo(dir, seed).stdout(Stdio::null()).spawn().unwrap();
    while acts_done(dir) < acts {
        assert!(child.try_wait().unwrap().is_none(), "the demo was over before act {acts}");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn outcome(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_year_that_is_killed_ten_times_ends_like_an_undisturbed_one_and_running_again_posts_nothing() {
    let (calm, rough) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let undisturbed = outcome(demo(calm.path(), "7").output().unwrap());
    for acts in [3, 29, 30, 58, 77, 96, 120, 121, 150, 170] {
        killed_after(acts, rough.path(), "11");
    }
    let disturbed = outcome(demo(rough.path(), "11").output().unwrap());
    assert_eq!(disturbed, undisturbed, "another seed, other faults, ten kills: the same year");
    assert_eq!(outcome(demo(calm.path(), "7").output().unwrap()), undisturbed, "running again posts nothing new");
    let year: serde_json::Value = serde_json::from_str(&undisturbed).unwrap();
    assert_eq!(year["differences"], serde_json::json!([]));
    for erp in ["netsuite", "quickbooks"] {
        assert_eq!(year["erps"][erp]["held"], year["erps"][erp]["own"], "{erp}");
        assert!(year["erps"][erp]["documents"].as_array().unwrap().len() > 50, "{erp}");
    }
}

#[test]
fn simulate_prints_one_document_and_a_bad_file_prints_none() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        Command::new(env!("CARGO_BIN_EXE_milestoned")).arg("simulate").arg(file).output().unwrap()
    };
    let case = "until = 2026-01-31\n[contract]\nid = \"A\"\ncustomer = \"C\"\ncurrency = \"USD\"\ntotal = \"10\"\nsigned_on = 2026-01-05\n\
                milestones = [{ id = \"M1\", name = \"One\", amount = \"10\", timing = \"advance\" }]\n";
    let good = run("good.toml", case);
    let report: serde_json::Value = serde_json::from_str(&outcome(good)).unwrap();
    assert_eq!(report["invoices"][0]["number"], "A-M1");
    for (name, text, words) in [
        ("bad.json", "{", "EOF"),
        (
            "bad.toml",
            case.replace("\"10\", timing", "10.0, timing").as_str(),
            "contract.milestones[0].amount: write the amount as text",
        ),
        (
            "event.toml",
            &format!("events = [{{ at = \"2026-01-06T00:00:00Z\", type = \"frob\" }}]\n{case}"),
            "events[0].type: \"frob\" is none of accepted, ",
        ),
        ("bad.txt", "", "must end in"),
    ] {
        let bad = run(name, text);
        let said = String::from_utf8(bad.stderr).unwrap();
        assert_eq!((bad.status.code(), bad.stdout.is_empty()), (Some(2), true), "{name}");
        assert!(said.contains(words) && said.contains(name), "{said}");
    }
}

#[test]
fn simulate_counts_with_the_calendars_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (config, case) = (folder.path().join("milestoned.toml"), folder.path().join("case.toml"));
    std::fs::write(&config, "[calendars.plant]\nweekend = [\"sunday\"]\nholidays = [2026-01-06]\n").unwrap();
    std::fs::write(
        &case,
        "until = 2026-01-31\nevents = [{ at = 2026-01-05T12:00:00Z, type = \"submitted\", milestone = \"M1\" }]\n\
         [contract]\nid = \"A\"\ncustomer = \"C\"\ncurrency = \"USD\"\ntotal = \"10\"\nsigned_on = 2026-01-05\ncalendar = \"plant\"\n\
         acceptance = { window_days = 4, deemed = true }\nmilestones = [{ id = \"M1\", name = \"One\", amount = \"10\" }]\n",
    )
    .unwrap();
    let run = |options: &[&std::ffi::OsStr]| {
        Command::new(env!("CARGO_BIN_EXE_milestoned")).arg("simulate").arg(&case).args(options).output().unwrap()
    };
    let report: serde_json::Value =
        serde_json::from_str(&outcome(run(&["--config".as_ref(), config.as_os_str()]))).unwrap();
    assert_eq!(report["milestones"][0]["accepted_on"], "2026-01-12");
    let without = run(&[]);
    assert!(String::from_utf8(without.stderr).unwrap().contains("contract.calendar: \"plant\" is none of"));
    assert_eq!(without.status.code(), Some(2));
}
