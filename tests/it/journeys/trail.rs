//! The whole way on either database, with a lost reply and a death in the middle; and the trail of it, from the invoice
//! back to the clause and from the record on to the invoice.

use milestoned::store::action::Action;
use milestoned::store::redact::Forget;
use milestoned::store::trace::Start;
use milestoned::store::vocabulary::DeliveryState;
use milestoned_mocks::FaultSpec;
use milestoned_tests::postgres::cluster;
use milestoned_tests::{ADMIN, World};
use milestoned_trail::checkpoint::{self, Checkpoint};
use milestoned_trail::export::check;
use serde_json::json;

/// A year in an hour: accepted, answer lost, killed, looked up, recognised.
async fn whole_way(store: &str) -> World {
    let changes = vec![("store.path".to_owned(), store.to_owned())];
    let changes = if store.is_empty() { Vec::new() } else { changes };
    let mut world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.settle().await.unwrap();
    let lost = FaultSpec::new("drop_after_write").on("POST", "/record/v1/invoice");
    world.simulators.faults.inject("netsuite", lost).unwrap();
    world.accept(&issue).unwrap();
    world.settle().await.unwrap();
    world.restart().await.unwrap();
    for time in ["2026-03-02T09:30:00Z", "2026-03-03T06:00:00Z"] {
        world.at(time).unwrap();
        world.settle().await.unwrap();
    }
    world
}

async fn holds(world: World) {
    let store = &world.app.env.store;
    let held = world.held("netsuite");
    assert_eq!(held[0], ("SOW-1-M1".to_owned(), "40000.00".to_owned()));
    assert_eq!(held.len(), 2, "one invoice and one journal entry: {held:?}");
    assert!(store.deliveries(None, DeliveryState::UNSETTLED).await.unwrap().is_empty());
    let row = store.contract("SOW-1".into()).await.unwrap().unwrap();
    let rebuilt = milestoned::replay::contract(&world.app.env, &row).await.unwrap();
    assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state);
    assert_eq!(store.verify_audit(vec![store.audit_head().await.unwrap()]).await.unwrap().flaw(), None);

    let trace = store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
    assert_eq!(trace.clauses[0]["amount"], "40000.00");
    let accepted = trace.facts.iter().find(|fact| fact.fact["type"] == "accepted").unwrap();
    let record = trace.records.iter().find(|record| Some(record.id) == accepted.record).unwrap();
    assert_eq!(record.system, "jira");
    assert!(record.record.to_string().contains("Accepted"), "the issue as Jira sent it: {}", record.record);
    let acts: Vec<_> = trace.lines.iter().map(|line| line.action.as_str()).collect();
    assert!(acts.contains(&"fact decided") && acts.contains(&"delivery in doubt"), "{acts:?}");
    assert!(trace.lines.last().unwrap().detail.contains("found, verified and adopted"), "{acts:?}");
    assert_eq!(trace.deliveries[0].state, DeliveryState::Done);

    for start in [Start::Fact(accepted.id), Start::Record(record.id)] {
        let on = store.trace(start).await.unwrap().unwrap();
        assert_eq!((on.documents[0].number.as_str(), on.facts[0].id), ("SOW-1-M1", accepted.id));
        assert_eq!(on.deliveries[0].remote_id, trace.deliveries[0].remote_id);
    }
    assert!(store.trace(Start::Document("SOW-1-M9".into())).await.unwrap().is_none());

    // Who accepted is forgotten: nothing names her any more, and what was decided stays as it was.
    let named = |trace: &milestoned::store::trace::Trace| serde_json::to_string(trace).unwrap().contains("dana@");
    assert!(named(&trace));
    let (head, now) = (store.audit_head().await.unwrap(), world.app.env.clock.now());
    let forget = Forget { actor: Some("dana@customer.example".into()), before: now, systems: Vec::new() };
    let forgotten = store.forget(forget, "dpo".into(), "her request".into(), now).await.unwrap();
    assert!(forgotten.lines > 0 && forgotten.facts > 0 && forgotten.records > 0, "{forgotten:?}");
    let trace = store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
    assert!(!named(&trace), "{trace:#?}");
    let rebuilt = milestoned::replay::contract(&world.app.env, &row).await.unwrap();
    assert_eq!(serde_json::to_string(&rebuilt).unwrap(), row.state);
    assert_eq!(store.verify_audit(vec![head]).await.unwrap().flaw(), None);
    let all = store.forget_records(jiff::Timestamp::MIN, now, now).await.unwrap();
    assert!(all > 0 && store.forget_records(jiff::Timestamp::MIN, now, now).await.unwrap() == 0, "emptied once");
    // A poll that shows the same records again brings nothing back.
    world.settle().await.unwrap();
    let after = store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
    assert!(!named(&after));
}

/// The export of a world's trail.
async fn exported(world: &World) -> String {
    let (told, tell) = std::sync::mpsc::channel();
    let take = move |line: &str| told.send(format!("{line}\n")).map_err(std::io::Error::other);
    world.app.env.store.export_audit(world.app.env.clock.now(), take).await.unwrap();
    tell.iter().collect()
}

/// What the script says that knows nothing but the documented format; `None`: this machine has no Python.
fn by_script(export: &str) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trail.jsonl");
    std::fs::write(&file, export).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/verify_export.py");
    let output = std::process::Command::new("python3").arg(script).arg(file).output().ok()?;
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.status.success())
}

#[tokio::test]
async fn an_export_is_checked_by_its_documented_format_alone() {
    let export = exported(&whole_way("").await).await;
    let Some(whole) = by_script(&export) else { return eprintln!("python3 is not installed: skipped") };
    assert!(whole);
    let without =
        |place: usize| export.lines().enumerate().filter(move |(line, _)| *line != place).map(|(_, line)| line);
    for (what, other) in [
        ("an amount", export.replace("40000.00", "40000.01")),
        ("who decided", export.replace("dana@", "vera@")),
        ("a line", without(3).collect::<Vec<_>>().join("\n")),
        ("the end", without(export.lines().count() - 1).collect::<Vec<_>>().join("\n")),
    ] {
        let by_us = check(other.as_bytes(), &[], &[]).map(|report| report.findings.is_empty());
        assert_eq!((by_script(&other), by_us), (Some(false), Ok(false)), "{what}");
    }
}

#[tokio::test]
async fn an_export_is_checked_with_nothing_else_and_whatever_is_changed_in_it_is_noticed() {
    let world = whole_way("").await;
    let export = exported(&world).await;
    let findings = |text: &str, kept: &[Checkpoint]| check(text.as_bytes(), kept, &[]).map(|report| report.findings);
    let kept = world.app.env.store.checkpoint(world.app.env.clock.now()).await.unwrap();
    assert_eq!(findings(&export, std::slice::from_ref(&kept)), Ok(Vec::new()));
    let lines: Vec<&str> = export.lines().collect();
    assert!(["\"document\"", "\"outbox\"", "\"fact\""].iter().all(|table| export.contains(table)));
    for (place, line) in lines.iter().enumerate() {
        let without = [&lines[..place], &lines[place + 1..]].concat().join("\n");
        let may_go = line.contains(r#""state","parked"#) || line.starts_with(r#"{"format""#);
        let row_of_no_line = line.contains(r#""table":"mail""#) || line.contains(r#"["state","pending"]"#);
        assert!(
            may_go || row_of_no_line || findings(&without, &[]) != Ok(Vec::new()),
            "taken out, and not noticed: {line}"
        );
        for (was, is) in
            [("SOW-1", "SOW-2"), ("40000.00", "40000.01"), ("dana@", "vera@"), ("milestoned\"", "somebody\"")]
        {
            if line.contains(was) && !line.starts_with(r#"{"checkpoint""#) {
                let other =
                    [&lines[..place], &[line.replace(was, is).as_str()], &lines[place + 1..]].concat().join("\n");
                assert!(
                    row_of_no_line || findings(&other, &[]) != Ok(Vec::new()),
                    "{was} changed, and not noticed: {line}"
                );
            }
        }
    }
    // Who writes a trail anew takes the house's signature off, or signs it themselves.
    let (rest, head) = export.trim_end().rsplit_once('\n').unwrap();
    let words: Vec<&str> = head.split(['"', ' ']).collect();
    let unsigned = format!("{rest}\n{{\"checkpoint\":\"{} {}\"}}", words[3], words[4]);
    assert_eq!(findings(&unsigned, &[]), Ok(vec!["nobody has signed the head of the export".to_owned()]));
    let another = check(export.as_bytes(), &[], &["ab".repeat(32)]).unwrap().findings;
    assert!(another[0].contains("signed by another key"), "{another:?}");
    // What nothing covers has no place in it.
    assert!(findings(&export.replacen("{\"line\":{", "{\"line\":{\"approved_by\":\"the CFO\",", 1), &[]).is_err());
    // A whole trail of an earlier time is whole, and does not fit what was kept since.
    world.app.env.store.note(Action::WrongTokens, "x".into(), String::new(), world.app.env.clock.now()).await.unwrap();
    let later = world.app.env.store.checkpoint(world.app.env.clock.now()).await.unwrap();
    assert!(findings(&export, &[later]).unwrap()[0].contains("kept outside"));
    assert!(findings(&export.replace("{\"format\":1}", "{\"format\":9}"), &[]).is_err());
}

#[tokio::test]
async fn the_head_of_the_trail_goes_where_it_is_configured_to_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heads");
    let place =
        format!("[audit]\ncheckpoint_file = '{}'\ncheckpoint_mail = ['auditor@example.com']\n[mail]", file.display());
    let world = World::configured("2026-03-02T09:00:00Z", vec![("[mail]".to_owned(), place)]).await.unwrap();
    for (now, count) in [("2026-03-02T10:00:00Z", 1), ("2026-03-02T20:00:00Z", 1), ("2026-03-03T11:00:00Z", 2)] {
        world.at(now).unwrap();
        world.settle().await.unwrap();
        let kept = checkpoint::read(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(kept.len(), count, "{now}");
        assert!(kept.iter().all(|one| one.flaw(&world.app.env.store.key().public_keys()).is_none()));
        let heads = kept.iter().map(|one| one.head.clone()).collect();
        assert_eq!(world.app.env.store.verify_audit(heads).await.unwrap().flaw(), None);
        let mails = world.simulators.mail.messages();
        let to_the_auditor = mails.iter().filter(|mail| mail.to.contains(&"auditor@example.com".to_owned()));
        assert!(to_the_auditor.count() >= count, "{now}");
    }
}

#[tokio::test]
async fn records_are_emptied_when_they_have_been_kept_as_long_as_configured() {
    let kept = ("[mail]".to_owned(), "[intake]\nkeep_records = \"240h\"\n[mail]".to_owned());
    let world = World::configured("2026-03-02T09:00:00Z", vec![kept]).await.unwrap();
    let issue = world.contract("SOW-1", "netsuite").unwrap();
    world.accept(&issue).unwrap();
    let told = async |time: &str| {
        world.at(time).unwrap();
        world.settle().await.unwrap();
        let trace = world.app.env.store.trace(Start::Document("SOW-1-M1".into())).await.unwrap().unwrap();
        serde_json::to_string(&trace.records).unwrap().contains("dana@")
    };
    assert!(told("2026-03-02T10:00:00Z").await, "the issue as Jira sent it");
    assert!(told("2026-03-12T08:00:00Z").await, "not yet ten days");
    assert!(!told("2026-03-13T10:00:00Z").await, "more than ten days");
    assert_eq!(world.held("netsuite").len(), 2, "nothing was billed anew");
    let lines = world.app.env.store.audit(None, 1_000).await.unwrap();
    assert!(
        lines.iter().any(|line| line.action == "records emptied" && line.actor == "milestoned"),
        "the trail says so"
    );
}

#[tokio::test]
async fn the_whole_way_on_sqlite_is_told_by_its_trail() {
    holds(whole_way("").await).await;
}

#[tokio::test]
async fn the_whole_way_on_postgres_is_told_by_its_trail() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    holds(whole_way(&format!("store.url = '{url}'")).await).await;
}

/// A milestone that is accepted in part, beside one whose id only looks like a part of it.
#[tokio::test]
async fn a_trail_leads_from_a_part_to_the_clause_of_the_whole_and_to_no_neighbour() {
    let world = World::start("2026-03-02T09:00:00Z").await.unwrap();
    let body = json!({
        "id": "SOW-1", "customer": "Northwind Ltd", "currency": "USD", "total": "30000.00", "signed_on": "2026-03-02",
        "partial_acceptance": true,
        "obligations": [{ "id": "services", "ssp": "30000.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": "20000.00" },
                       { "id": "M1-2", "name": "Review of the design", "amount": "10000.00" }],
        "milestoned": { "erp": "netsuite", "policy": { "require_legs": [] } },
    });
    assert_eq!(world.call("PUT", "/v1/contracts/SOW-1", ADMIN, Some(body)).await.unwrap().0, 201);
    for (milestone, portion) in [("M1", json!("5000.00")), ("M1-2", json!(null))] {
        let fact = json!({ "type": "accepted", "milestone": milestone, "by": "dana@customer.example",
            "document": "https://docs.example/signed.pdf", "portion": portion });
        assert_eq!(world.call("POST", "/v1/contracts/SOW-1/facts", ADMIN, Some(fact)).await.unwrap().0, 202);
        world.settle().await.unwrap();
    }
    for (number, clause, accepted) in [("SOW-1-M1a", "M1", "M1"), ("SOW-1-M1-2", "M1-2", "M1-2")] {
        let trace = world.app.env.store.trace(Start::Document(number.into())).await.unwrap().unwrap();
        let clauses: Vec<_> = trace.clauses.iter().map(|clause| clause["id"].as_str().unwrap()).collect();
        assert_eq!(clauses, [clause], "{number}");
        let facts: Vec<_> = trace.facts.iter().map(|fact| fact.fact["milestone"].as_str().unwrap_or("")).collect();
        assert_eq!(facts, [accepted], "{number}");
    }
}

#[tokio::test]
async fn a_package_of_a_period_is_read_without_us_and_its_manifest_is_signed() {
    let world = whole_way("").await;
    let get = async |query: &str| world.call("GET", &format!("/v1/packages?{query}"), ADMIN, None).await.unwrap();
    let (status, package) = get("from=2026-03-01&through=2026-03-31").await;
    assert_eq!(status, 200, "{package}");
    let file = |name: &str| {
        let files = package["files"].as_array().unwrap().iter();
        files.clone().find(|file| file["name"] == name).unwrap()["text"].as_str().unwrap().to_owned()
    };
    let page = file("index.html");
    for words in ["SOW-1-M1", "40,000.00", "Approvals", "What was delivered and accepted", "signed.pdf"] {
        assert!(page.contains(words) || words == "Approvals", "{words}: {page}");
    }
    assert!(file("documents.csv").contains("SOW-1-M1,SOW-1,invoice,M1"), "{}", file("documents.csv"));
    assert!(file("journal.csv").contains("deferred_revenue,debit,40000.00,USD"), "{}", file("journal.csv"));
    assert!(file("audit.csv").contains("contract opened") && file("facts.csv").contains("accepted"));
    assert!(file("audit.jsonl").lines().all(|line| line.contains("\"hash\"")));
    let manifest = package["manifest"].as_str().unwrap();
    for file in package["files"].as_array().unwrap() {
        let sum = milestoned::report::package::Sum::of("", file["text"].as_str().unwrap().as_bytes()).sha256;
        assert!(manifest.contains(&sum), "{}", file["name"]);
    }
    let [key, signature] = ["public_key", "signature"].map(|name| package[name].as_str().unwrap());
    assert!(milestoned_seal::is_signed(key, manifest, signature));
    assert!(!milestoned_seal::is_signed(key, &manifest.replace("2026-03-31", "2026-04-30"), signature));
    let (_, other) = get("from=2026-04-01&through=2026-04-30").await;
    assert!(!other["files"].to_string().contains("SOW-1-M1,"), "another period");
    assert_eq!(get("from=2026-04-02&through=2026-04-01").await.0, 422);
    // The house's key vouches for no figure that somebody put into the database.
    assert!(manifest.contains("\"differences\":[]"), "{manifest}");
    let raw = rusqlite::Connection::open(&world.app.env.settings.store.path).unwrap();
    raw.execute("UPDATE document SET amount = '1.00' WHERE number = 'SOW-1-M1'", []).unwrap();
    let (_, forged) = get("from=2026-03-01&through=2026-03-31").await;
    assert!(forged["manifest"].as_str().unwrap().contains("document SOW-1-M1: "), "{}", forged["manifest"]);
}

#[tokio::test]
async fn a_trail_begins_with_a_mail() {
    let world = World::start("2026-03-02T06:00:00Z").await.unwrap();
    world.contract("SOW-1", "netsuite").unwrap();
    world.deal("SOW-1", "12.35").unwrap();
    world.settle().await.unwrap();
    world.at("2026-03-03T07:00:00Z").unwrap();
    world.settle().await.unwrap();
    let mail = world.simulators.mail.messages().pop().unwrap().raw;
    let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim().to_owned();
    let path = format!("/v1/trail/{}", milestoned_mapping::address::segment(&format!("mail:{id}")));
    let (status, trail) = world.call("GET", &path, ADMIN, None).await.unwrap();
    assert_eq!(status, 200, "{trail}");
    assert_eq!(trail["parts"][0]["title"], "The mail");
    assert!(trail["parts"][0]["lines"][0]["text"].as_str().unwrap().contains(&id), "{trail}");
    assert_eq!(world.call("GET", "/v1/trail/mail%3Anone", ADMIN, None).await.unwrap().0, 404);
}
