//! A database that a former version left behind: what was decided stays decided, and what cannot be kept so is told.
//!
//! `former/demo.db.gz` is the database of `milestoned demo --keep DIR` with seed 7, of commit 48bd86d, vacuumed.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use milestoned::app::App;
use milestoned::replay;
use milestoned::review::queue::{Filter, queue};
use milestoned::review::subject::Subject;
use milestoned_tests::World;
use rusqlite::Connection;

/// An hour after the demo's end.
const AFTER: &str = "2027-01-02T13:00:00Z";
const DOCUMENTS: &str = "SELECT number, kind, milestone, date, due_on, amount FROM document ORDER BY contract, ordinal";
const EXCEPTIONS: &str =
    "SELECT contract, code, milestone, leg, opened_on FROM exception WHERE closed_on IS NULL ORDER BY 1, ordinal";
const OUTBOX: &str = "SELECT key, state, command FROM outbox ORDER BY ordinal";
const FACTS: &str = "SELECT contract, identity, effective_at, position, problem, fact FROM fact ORDER BY id";

fn left_behind(folder: &Path, changes: &str) -> Connection {
    let mut database = Vec::new();
    flate2::read::GzDecoder::new(&include_bytes!("former/demo.db.gz")[..]).read_to_end(&mut database).unwrap();
    std::fs::write(folder.join("former.db"), database).unwrap();
    let connection = Connection::open(folder.join("former.db")).unwrap();
    connection.execute_batch(changes).unwrap();
    connection
}

fn rows(connection: &Connection, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

async fn upgraded(world: &World, folder: &Path) -> Arc<App> {
    world.another_on(folder.join("former.db")).await.unwrap()
}

#[tokio::test]
async fn every_decision_of_the_former_version_is_kept() {
    let (world, folder) = (World::start(AFTER).await.unwrap(), tempfile::tempdir().unwrap());
    let former = left_behind(folder.path(), "");
    let [documents, exceptions, outbox, facts] = [DOCUMENTS, EXCEPTIONS, OUTBOX, FACTS].map(|sql| rows(&former, sql));
    assert!(documents.len() > 50 && outbox.len() > 500 && facts.len() > 300);
    let app = upgraded(&world, folder.path()).await;
    app.decide().await.unwrap();
    assert_eq!(rows(&former, DOCUMENTS), documents);
    assert_eq!(rows(&former, EXCEPTIONS), exceptions);
    assert_eq!(rows(&former, OUTBOX), outbox, "nothing more is sent, and nothing less");
    assert_eq!(rows(&former, FACTS), facts);
    assert_eq!(app.env.store.pauses().await.unwrap(), []);
    assert_eq!(app.env.store.set_aside().await.unwrap(), []);
    for row in app.env.store.contracts().await.unwrap() {
        let again = replay::contract(&app.env, &row).await.unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), row.state, "{}", row.id);
    }
    let told = rows(&former, "SELECT count(*) FROM audit WHERE action = 'contract rebuilt'");
    assert_eq!(told, rows(&former, "SELECT count(*) FROM contract"));
    assert_eq!(app.env.store.verify_audit(Vec::new()).await.unwrap().flaw(), None);
}

#[tokio::test]
async fn what_would_be_decided_otherwise_is_halted_and_what_cannot_be_read_is_set_aside_and_the_rest_goes_on() {
    let (world, folder) = (World::start(AFTER).await.unwrap(), tempfile::tempdir().unwrap());
    let former = left_behind(
        folder.path(),
        "UPDATE document SET amount = '1.23' WHERE number = 'SOW-2041-M1';
         UPDATE contract SET agreement = replace(agreement, '\"USD\"', '\"dollars\"') WHERE id = 'CAP-1';",
    );
    let app = upgraded(&world, folder.path()).await;
    assert_eq!(rows(&former, "SELECT count(*) FROM audit WHERE action = 'contract rebuilt'"), [[28.into()]]);
    let halted = &app.env.store.pauses().await.unwrap()[0];
    assert_eq!((halted.name.as_str(), halted.actor.name()), ("SOW-2041", "milestoned"));
    assert!(halted.reason.contains("SOW-2041-M1") && halted.reason.contains("1.23"), "{}", halted.reason);
    let aside = app.env.store.contract("CAP-1".into()).await.unwrap_err().to_string();
    assert!(aside.contains("set aside") && aside.contains("agreement"), "{aside}");
    let items = queue(&app.env, &Filter::default()).await.unwrap();
    let item = items.iter().find(|item| item.subject == Subject::SetAside("CAP-1".into())).unwrap();
    assert!(!item.problem.remedy.is_empty());
    let again = upgraded(&world, folder.path()).await;
    assert_eq!(again.env.store.contracts().await.unwrap().len(), 28, "set aside once, and listed nowhere else");
}
