//! Whoever has the database in his hands and changes one thing is found out: every column and JSON key of every table, rows
//! that are taken out, put in and put back, a whole contract, and the trail itself.
//!
//! The database is what the demo left (see `journeys::upgrade`), attested at its first start.

use std::collections::BTreeSet;
use std::io::Read as _;

use milestoned::store::action::Action;
use milestoned::store::attested::FREE;
use milestoned::store::audit::Head;
use milestoned::store::{Key, Store};
use rusqlite::types::Value as Held;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Rows of a table that are looked at: enough to have every kind of each.
const LOOKED_AT: usize = 60;
/// What a column may hold beside anything else, where the table allows only some words.
const WORDS: [&str; 12] = [
    "changed",
    "read",
    "new",
    "done",
    "parked",
    "sent",
    "refused",
    "contract",
    "target",
    "provider",
    "link",
    "invitation",
];

/// A row, column by column.
type Row = Vec<Held>;

/// A database, a way past the store, and the head that somebody kept outside.
struct Experiment {
    raw: Connection,
    store: Store,
    kept: Head,
    folder: tempfile::TempDir,
}

/// A table with its columns.
struct Table {
    name: String,
    columns: Vec<String>,
}

impl Table {
    fn all(&self) -> String {
        self.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
    }

    /// Each column as a condition or an assignment, numbered from `first`.
    fn each(&self, first: usize, is: &str, between: &str) -> String {
        let one = |(place, column): (usize, &String)| format!("\"{column}\" {is} ?{}", first + place);
        self.columns.iter().enumerate().map(one).collect::<Vec<_>>().join(between)
    }

    fn rows(&self, raw: &Connection, most: usize) -> Vec<Row> {
        let mut statement = raw.prepare(&format!("SELECT {} FROM {} LIMIT {most}", self.all(), self.name)).unwrap();
        let row = |row: &rusqlite::Row<'_>| (0..self.columns.len()).map(|index| row.get(index)).collect();
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn change(&self, raw: &Connection, from: &Row, to: &Row) -> rusqlite::Result<usize> {
        let (set, is) = (self.each(1, "=", ", "), self.each(self.columns.len() + 1, "IS", " AND "));
        raw.execute(&format!("UPDATE {} SET {set} WHERE {is}", self.name), params_from_iter(to.iter().chain(from)))
    }

    fn insert(&self, raw: &Connection, row: &Row) -> rusqlite::Result<usize> {
        let places = (1..=row.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", self.name, self.all());
        raw.execute(&sql, params_from_iter(row))
    }

    fn delete(&self, raw: &Connection, row: &Row) -> rusqlite::Result<usize> {
        raw.execute(&format!("DELETE FROM {} WHERE {}", self.name, self.each(1, "IS", " AND ")), params_from_iter(row))
    }
}

fn tables(raw: &Connection) -> Vec<Table> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
               AND name <> 'refinery_schema_history' ORDER BY name";
    let names: Vec<String> =
        raw.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let columns = |name: &String| {
        let statement = raw.prepare(&format!("SELECT * FROM {name}")).unwrap();
        statement.column_names().map(str::to_owned).collect()
    };
    names.into_iter().map(|name| Table { columns: columns(&name), name }).collect()
}

/// Values that a column could hold instead.
fn instead(was: &Held) -> Vec<Held> {
    match was {
        Held::Null => [Held::Text("2026-01-01".into()), Held::Integer(1)].into(),
        Held::Integer(number) => vec![Held::Integer(number + 1), Held::Integer(1 - number)],
        Held::Text(_) => WORDS.iter().map(|word| Held::Text((*word).into())).collect(),
        Held::Blob(bytes) => vec![Held::Blob(bytes.iter().map(|byte| byte ^ 1).collect())],
        Held::Real(_) => Vec::new(),
    }
}

/// Every value of a JSON text that holds no others: its path by keys, and its place.
pub(super) fn leaves(whole: &Value) -> Vec<(String, String)> {
    fn walk(at: &Value, pointer: String, path: String, found: &mut Vec<(String, String)>) {
        match at {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                walk(value, format!("{pointer}/{escaped}"), format!("{path}.{key}"), found);
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, value)| walk(value, format!("{pointer}/{index}"), format!("{path}[]"), found)),
            _ => found.push((path, pointer)),
        }
    }
    let mut found = Vec::new();
    walk(whole, String::new(), String::new(), &mut found);
    found
}

/// Every key of a JSON text, as a path, with the text in which what stands there is something else.
fn edits(text: &str) -> Vec<(String, String)> {
    let Ok(whole @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let edited = |(path, pointer): (String, String)| {
        let mut other = whole.clone();
        let place = other.pointer_mut(&pointer)?;
        *place = match &place {
            Value::String(text) => Value::String(format!("{text}x")),
            Value::Number(number) => Value::from(number.as_i64().unwrap_or(0) + 1),
            Value::Bool(truth) => Value::Bool(!*truth),
            _ => Value::String("x".into()),
        };
        Some((path, other.to_string()))
    };
    leaves(&whole).into_iter().filter_map(edited).collect()
}

/// A row for a table that the demo leaves empty.
fn fill(raw: &Connection, table: &Table) {
    if raw.query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
        return;
    }
    let fits = WORDS.iter().any(|word| {
        let mut values: Row = Vec::new();
        for column in &table.columns {
            let kind: String = raw
                .query_row("SELECT type FROM pragma_table_info(?1) WHERE name = ?2", [&table.name, column], |row| {
                    row.get(0)
                })
                .unwrap();
            values.push(match (kind.as_str(), column.as_str()) {
                ("INTEGER", _) => Held::Integer(1),
                ("BLOB", _) => Held::Blob(vec![1]),
                (_, "rights" | "content" | "shown") => Held::Text(r#"{"some":["thing",1]}"#.into()),
                _ => Held::Text((*word).into()),
            });
        }
        table.insert(raw, &values).is_ok()
    });
    assert!(fits, "no row fits {}", table.name);
}

impl Experiment {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let mut database = Vec::new();
        let packed = &include_bytes!("../journeys/former/demo.db.gz")[..];
        flate2::read::GzDecoder::new(packed).read_to_end(&mut database).unwrap();
        std::fs::write(&path, database).unwrap();
        // Brought to this version's tables first, so that every one of them has a row that is attested.
        let mut raw = super::without_triggers(&path);
        super::migrations::sqlite::migrations::runner().run(&mut raw).unwrap();
        raw.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        raw.execute_batch("PRAGMA foreign_keys = off; DELETE FROM rebuild;").unwrap();
        for table in tables(&raw) {
            if table.columns.contains(&"contract".to_owned()) && table.name != "audit" {
                raw.execute_batch(&format!(
                    "DELETE FROM {} WHERE contract NOT IN (SELECT id FROM contract ORDER BY id LIMIT 6)",
                    table.name
                ))
                .unwrap();
            }
            fill(&raw, &table);
        }
        let store = Store::open(&path, Key::of([7; 32])).unwrap();
        let kept = store.audit_head().await.unwrap();
        Self { raw, store, kept, folder }
    }

    async fn flaw(&self) -> Option<String> {
        self.store.verify_audit(vec![self.kept.clone()]).await.unwrap().flaw()
    }

    /// Whether the first of these rows that the table takes in the place of one is noticed; it is undone afterwards. `None`:
    /// the table takes none of them.
    async fn notices(&self, table: &Table, was: &Row, others: Vec<Row>) -> Option<bool> {
        let other = others
            .into_iter()
            .find(|other| other != was && table.change(&self.raw, was, other).is_ok_and(|rows| rows > 0))?;
        let noticed = self.flaw().await.is_some();
        assert!(table.change(&self.raw, &other, was).unwrap() > 0);
        Some(noticed)
    }

    /// Changes each column and JSON key of a table once. Gives what was not noticed, and how many columns and keys there are.
    async fn columns(&self, table: &Table) -> (Vec<String>, usize) {
        let rows = table.rows(&self.raw, LOOKED_AT);
        let (mut unnoticed, mut seen) = (Vec::new(), BTreeSet::new());
        for row in &rows {
            for (place, column) in table.columns.iter().enumerate() {
                let with = |value: Held| {
                    let mut other = row.clone();
                    other[place] = value;
                    other
                };
                let empty = matches!(row[place], Held::Null);
                if seen.insert(format!("{column}{}", if empty { " where it is empty" } else { "" })) {
                    let mut others: Vec<Row> = instead(&row[place]).into_iter().map(with).collect();
                    if !empty {
                        others.push(with(Held::Null));
                    }
                    if self.notices(table, row, others).await == Some(false) {
                        unnoticed.push(format!("{}.{column}", table.name));
                    }
                }
                let Held::Text(text) = &row[place] else { continue };
                for (path, other) in edits(text) {
                    if seen.insert(format!("{column}{path}"))
                        && self.notices(table, row, vec![with(Held::Text(other))]).await == Some(false)
                    {
                        unnoticed.push(format!("{}.{column}{path}", table.name));
                    }
                }
            }
        }
        unnoticed.sort();
        unnoticed.dedup();
        (unnoticed, seen.len())
    }

    /// Takes a row out, and puts one in. Gives what was not noticed.
    async fn rows(&self, table: &Table) -> Vec<String> {
        let mut unnoticed = Vec::new();
        let row = &table.rows(&self.raw, 1)[0];
        table.delete(&self.raw, row).unwrap();
        if self.flaw().await.is_none() {
            unnoticed.push(format!("{}: a row taken out", table.name));
        }
        table.insert(&self.raw, row).unwrap();
        // The same row under another name.
        let other: Row = row
            .iter()
            .zip(&table.columns)
            .map(|(value, column)| match value {
                Held::Text(text) if !["state", "scope", "way", "purpose"].contains(&column.as_str()) => {
                    Held::Text(format!("{text}x"))
                }
                Held::Integer(number) => Held::Integer(number + 1_000_000),
                other => other.clone(),
            })
            .collect();
        if table.insert(&self.raw, &other).is_ok() {
            if self.flaw().await.is_none() {
                unnoticed.push(format!("{}: a row put in", table.name));
            }
            table.delete(&self.raw, &other).unwrap();
        }
        unnoticed
    }
}

#[tokio::test]
async fn every_change_of_what_matters_is_noticed() {
    let experiment = Experiment::begin().await;
    assert_eq!(experiment.flaw().await, None);
    let (mut unnoticed, mut rows, mut changes, mut columns) = (BTreeSet::new(), Vec::new(), 0, 0);
    for table in tables(&experiment.raw) {
        let (missed, seen) = experiment.columns(&table).await;
        unnoticed.extend(missed);
        changes += seen;
        columns += table.columns.len();
        rows.extend(experiment.rows(&table).await);
    }
    assert_eq!(experiment.flaw().await, None, "everything was undone");
    let free: BTreeSet<String> = FREE.iter().map(|free| format!("{}.{}", free.table, free.column)).collect();
    let wrong: Vec<&String> = unnoticed.difference(&free).collect();
    assert!(wrong.is_empty(), "changed, and not noticed: {wrong:#?}");
    let whole: BTreeSet<String> = rows.iter().map(|text| text.split(':').next().unwrap().to_owned()).collect();
    let may: BTreeSet<String> = ["census", "hint", "lease", "rebuild"].map(Into::into).into();
    assert!(whole.is_subset(&may), "taken out or put in, and not noticed: {rows:#?}");
    assert!(changes > 500, "{changes} changes");
    assert!(free.len() * 10 <= columns, "{} of {columns} columns may change freely", free.len());
}

#[tokio::test]
async fn a_contract_that_is_removed_with_all_its_rows_is_missed() {
    let experiment = Experiment::begin().await;
    let id: String = experiment.raw.query_row("SELECT min(id) FROM contract", [], |row| row.get(0)).unwrap();
    for table in tables(&experiment.raw) {
        let column = if table.name == "contract" { "id" } else { "contract" };
        if table.name != "audit" && table.columns.contains(&column.to_owned()) {
            experiment.raw.execute(&format!("DELETE FROM {} WHERE {column} = ?1", table.name), [&id]).unwrap();
        }
    }
    let verdict = experiment.store.verify_audit(Vec::new()).await.unwrap();
    let told: Vec<&str> = verdict.findings.iter().map(|finding| finding.table.as_str()).collect();
    assert!(["contract", "document", "fact", "outbox"].iter().all(|table| told.contains(table)), "{told:?}");
}

fn hashed(fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    hex::encode(hash.finalize())
}

#[tokio::test]
async fn a_chain_that_is_reckoned_anew_or_cut_off_does_not_fit_the_sealed_head() {
    let experiment = Experiment::begin().await;
    let raw = &experiment.raw;
    raw.execute_batch("CREATE TABLE kept AS SELECT * FROM audit").unwrap();
    let head: (i64, String, String) = raw
        .query_row("SELECT seq, hash, sealed FROM audit_head", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    // Line 100 is edited, and every line from there on is hashed as the daemon does.
    raw.execute_batch("UPDATE audit SET subject = 'other' WHERE seq = 100").unwrap();
    let lines = experiment.store.audit(None, i64::MAX).await.unwrap();
    let mut previous = lines[98].hash.clone();
    for line in &lines[99..] {
        let (seq, personal) = (line.seq.to_string(), line.personal.clone().unwrap());
        let contract = line.contract.as_ref().map(|contract| format!("={contract}")).unwrap_or_default();
        let mut fields = vec!["2", &previous, &seq, &line.at, &line.action, &contract, &line.subject, &personal];
        if let Some(attests) = &line.attests {
            fields[0] = "3";
            fields.push(attests);
        }
        previous = hashed(&fields);
        raw.execute("UPDATE audit SET hash = ?1 WHERE seq = ?2", (&previous, line.seq)).unwrap();
    }
    raw.execute("UPDATE audit_head SET hash = ?1", [&previous]).unwrap();
    let verdict = experiment.store.verify_audit(Vec::new()).await.unwrap();
    assert_eq!(verdict.broken, None, "as a chain it is whole");
    assert_eq!(verdict.findings[0].table, "audit_head", "{:?}", verdict.findings);
    raw.execute_batch("DELETE FROM audit; INSERT INTO audit SELECT * FROM kept").unwrap();
    raw.execute("UPDATE audit_head SET seq = ?1, hash = ?2, sealed = ?3", (head.0, &head.1, &head.2)).unwrap();
    assert_eq!(experiment.flaw().await, None, "put back");
    // The tail is cut off, and the head moved with it.
    raw.execute_batch(
        "DELETE FROM audit WHERE seq > 100; UPDATE audit_head SET seq = 100, hash = (SELECT hash FROM audit WHERE seq = 100)",
    )
    .unwrap();
    let verdict = experiment.store.verify_audit(Vec::new()).await.unwrap();
    assert_eq!((verdict.broken, verdict.findings[0].table.as_str()), (None, "audit_head"));
}

#[tokio::test]
async fn a_whole_database_of_an_earlier_time_does_not_fit_a_head_that_was_kept_outside() {
    let mut experiment = Experiment::begin().await;
    let earlier = experiment.folder.path().join("earlier.db");
    experiment.raw.execute("VACUUM INTO ?1", [earlier.to_str().unwrap()]).unwrap();
    experiment.store.note(Action::WrongTokens, "later".into(), String::new(), super::now()).await.unwrap();
    experiment.kept = experiment.store.audit_head().await.unwrap();
    assert_eq!(experiment.flaw().await, None);
    experiment.store = Store::open(&earlier, Key::of([7; 32])).unwrap();
    assert_eq!(experiment.store.verify_audit(Vec::new()).await.unwrap().flaw(), None, "it was whole at its time");
    let flaw = experiment.flaw().await.unwrap();
    assert!(flaw.contains("kept outside"), "{flaw}");
}
