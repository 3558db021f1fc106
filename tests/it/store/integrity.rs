//! Whoever has the database in his hands and changes one thing is found out: every column and JSON key of every table, rows
//! that are taken out, put in and put back, a whole contract, and the trail itself.
//!
//! The database is what the demo left (see `journeys::upgrade`), attested at its first start.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;

use milestoned::store::action::Action;
use milestoned::store::attested::FREE;
use milestoned::store::audit::Head;
use milestoned::store::{Key, Store};
use milestoned_tests::postgres::cluster;
use rusqlite::Connection;
use rusqlite::types::Value as Held;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, SimpleQueryMessage};

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
    raw: Raw,
    store: Store,
    kept: Head,
    folder: tempfile::TempDir,
}

/// What somebody has who has the database in his hands.
enum Raw {
    Postgres(Client),
    Sqlite(Connection),
}

/// A table with its columns, and whether each holds numbers, bytes or texts.
struct Table {
    name: String,
    columns: Vec<String>,
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes,
    Number,
    Text,
}

impl Raw {
    /// Runs statements. An error is what the database says.
    async fn run(&self, sql: &str) -> Result<u64, String> {
        match self {
            Self::Postgres(client) => {
                let answers = client.simple_query(sql).await.map_err(|error| error.to_string())?;
                let counts = answers.iter().filter_map(|answer| match answer {
                    SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
                    _ => None,
                });
                Ok(counts.sum())
            }
            Self::Sqlite(connection) => {
                let before = connection.total_changes();
                connection.execute_batch(sql).map_err(|error| error.to_string())?;
                Ok(connection.total_changes() - before)
            }
        }
    }

    /// Rows as texts.
    async fn texts(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        match self {
            Self::Postgres(client) => {
                let answers = client.simple_query(sql).await.unwrap();
                let rows = answers.iter().filter_map(|answer| match answer {
                    SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
                    }
                    _ => None,
                });
                rows.collect()
            }
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(sql).unwrap();
                let count = statement.column_count();
                let row = |row: &rusqlite::Row<'_>| {
                    (0..count)
                        .map(|index| {
                            Ok(match row.get::<_, Held>(index)? {
                                Held::Null => None,
                                Held::Integer(number) => Some(number.to_string()),
                                Held::Text(text) => Some(text),
                                Held::Blob(bytes) => Some(format!("\\x{}", hex::encode(bytes))),
                                Held::Real(number) => Some(number.to_string()),
                            })
                        })
                        .collect()
                };
                statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
            }
        }
    }

    /// The one value of the one row.
    async fn text(&self, sql: &str) -> String {
        self.texts(sql).await.remove(0).remove(0).unwrap()
    }

    fn literal(&self, value: &Held) -> String {
        match (value, self) {
            (Held::Null | Held::Real(_), _) => "NULL".into(),
            // PostgreSQL makes of a text in quotes whatever the column holds, a truth value too.
            (Held::Integer(number), Self::Postgres(_)) => format!("'{number}'"),
            (Held::Integer(number), Self::Sqlite(_)) => number.to_string(),
            (Held::Text(text), _) => format!("'{}'", text.replace('\'', "''")),
            (Held::Blob(bytes), Self::Postgres(_)) => format!("'\\x{}'", hex::encode(bytes)),
            (Held::Blob(bytes), Self::Sqlite(_)) => format!("x'{}'", hex::encode(bytes)),
        }
    }

    fn same(&self) -> &'static str {
        if matches!(self, Self::Postgres(_)) { "IS NOT DISTINCT FROM" } else { "IS" }
    }

    async fn tables(&self) -> Vec<Table> {
        let columns = match self {
            Self::Postgres(_) => {
                "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'
                 AND table_name <> 'refinery_schema_history' ORDER BY table_name COLLATE \"C\", ordinal_position"
            }
            Self::Sqlite(_) => {
                "SELECT t.name, c.name, lower(c.type) FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'refinery_schema_history'
                 ORDER BY t.name, c.cid"
            }
        };
        let mut tables: Vec<Table> = Vec::new();
        for row in self.texts(columns).await {
            let [name, column, kind] = row.try_into().unwrap();
            let (name, kind) = (name.unwrap(), kind.unwrap());
            if tables.last().is_none_or(|table| table.name != name) {
                tables.push(Table { name, columns: Vec::new(), kinds: Vec::new() });
            }
            let table = tables.last_mut().unwrap();
            table.columns.push(column.unwrap());
            table.kinds.push(match kind.as_str() {
                "bigint" | "integer" | "boolean" => Kind::Number,
                "bytea" | "blob" => Kind::Bytes,
                _ => Kind::Text,
            });
        }
        tables
    }
}

impl Table {
    /// Each column as a condition or an assignment.
    fn each(&self, raw: &Raw, row: &Row, is: &str, between: &str) -> String {
        let each =
            self.columns.iter().zip(row).map(|(column, value)| format!("\"{column}\" {is} {}", raw.literal(value)));
        each.collect::<Vec<_>>().join(between)
    }

    async fn rows(&self, raw: &Raw, most: usize) -> Vec<Row> {
        let all = self.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        let texts = raw.texts(&format!("SELECT {all} FROM {} LIMIT {most}", self.name)).await;
        let held = |(text, kind): (Option<String>, &Kind)| match (text, kind) {
            (None, _) => Held::Null,
            (Some(text), Kind::Bytes) => Held::Blob(hex::decode(text.trim_start_matches("\\x")).unwrap()),
            (Some(text), Kind::Number) => Held::Integer(match text.as_str() {
                "t" => 1,
                "f" => 0,
                digits => digits.parse().unwrap(),
            }),
            (Some(text), Kind::Text) => Held::Text(text),
        };
        texts.into_iter().map(|row| row.into_iter().zip(&self.kinds).map(held).collect()).collect()
    }

    async fn change(&self, raw: &Raw, from: &Row, to: &Row) -> Result<u64, String> {
        let (set, is) = (self.each(raw, to, "=", ", "), self.each(raw, from, raw.same(), " AND "));
        raw.run(&format!("UPDATE {} SET {set} WHERE {is}", self.name)).await
    }

    async fn insert(&self, raw: &Raw, row: &Row) -> Result<u64, String> {
        let columns = self.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        let values = row.iter().map(|value| raw.literal(value)).collect::<Vec<_>>().join(", ");
        raw.run(&format!("INSERT INTO {} ({columns}) VALUES ({values})", self.name)).await
    }

    async fn delete(&self, raw: &Raw, row: &Row) -> Result<u64, String> {
        raw.run(&format!("DELETE FROM {} WHERE {}", self.name, self.each(raw, row, raw.same(), " AND "))).await
    }
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
async fn fill(raw: &Raw, table: &Table) {
    if raw.text(&format!("SELECT count(*) FROM {}", table.name)).await != "0" {
        return;
    }
    let mut fits = false;
    for word in WORDS {
        let value = |(column, kind): (&String, &Kind)| match (kind, column.as_str()) {
            (Kind::Number, _) => Held::Integer(1),
            (Kind::Bytes, _) => Held::Blob(vec![1]),
            (Kind::Text, "rights" | "content" | "shown") => Held::Text(r#"{"some":["thing",1]}"#.into()),
            (Kind::Text, _) => Held::Text(word.into()),
        };
        let row = table.columns.iter().zip(&table.kinds).map(value).collect();
        fits |= !fits && table.insert(raw, &row).await.is_ok();
    }
    assert!(fits, "no row fits {}", table.name);
}

/// What the demo left, brought to this version's tables, so that every one of them has a row; not attested yet.
async fn left_by_the_demo(path: &Path) -> Raw {
    let mut database = Vec::new();
    let packed = &include_bytes!("../journeys/former/demo.db.gz")[..];
    flate2::read::GzDecoder::new(packed).read_to_end(&mut database).unwrap();
    std::fs::write(path, database).unwrap();
    let mut connection = super::without_triggers(path);
    super::migrations::sqlite::migrations::runner().run(&mut connection).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = off; DELETE FROM rebuild;").unwrap();
    let raw = Raw::Sqlite(connection);
    for table in raw.tables().await {
        if table.columns.contains(&"contract".to_owned()) && table.name != "audit" {
            let kept = "SELECT id FROM contract ORDER BY id LIMIT 6";
            raw.run(&format!("DELETE FROM {} WHERE contract NOT IN ({kept})", table.name)).await.unwrap();
        }
        fill(&raw, &table).await;
    }
    raw
}

impl Experiment {
    async fn on_sqlite() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let raw = left_by_the_demo(&path).await;
        let store = Store::open(&path, Key::of([7; 32])).unwrap();
        let kept = store.audit_head().await.unwrap();
        Some(Self { raw, store, kept, folder })
    }

    /// The same rows in the other database. `None`: it is not installed.
    async fn on_postgres() -> Option<Self> {
        let url = cluster()?.database().await.unwrap();
        drop(super::connect(&url).await.unwrap());
        let client = cluster()?.client(&url).await.unwrap();
        client.batch_execute("SET session_replication_role = replica").await.unwrap();
        let (raw, folder) = (Raw::Postgres(client), tempfile::tempdir().unwrap());
        let other = left_by_the_demo(&folder.path().join("m.db")).await;
        for table in other.tables().await {
            let mut sql = format!("DELETE FROM {};", table.name);
            for row in table.rows(&other, usize::MAX >> 1).await {
                let columns = table.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
                let values = row.iter().map(|value| raw.literal(value)).collect::<Vec<_>>().join(", ");
                write!(sql, "INSERT INTO {} ({columns}) VALUES ({values});", table.name).unwrap();
            }
            raw.run(&sql).await.unwrap();
        }
        let store = super::connect(&url).await.unwrap();
        let kept = store.audit_head().await.unwrap();
        Some(Self { raw, store, kept, folder })
    }

    async fn flaw(&self) -> Option<String> {
        self.store.verify_audit(vec![self.kept.clone()]).await.unwrap().flaw()
    }

    /// Whether the first of these rows that the table takes in the place of one is noticed; it is undone afterwards. `None`:
    /// the table takes none of them.
    async fn notices(&self, table: &Table, was: &Row, others: Vec<Row>) -> Option<bool> {
        for other in others.into_iter().filter(|other| other != was) {
            if table.change(&self.raw, was, &other).await.is_ok_and(|rows| rows > 0) {
                let noticed = self.flaw().await.is_some();
                assert!(table.change(&self.raw, &other, was).await.unwrap() > 0);
                return Some(noticed);
            }
        }
        None
    }

    /// Changes each column and JSON key of a table once. Gives what was not noticed, and how many columns and keys there are.
    async fn columns(&self, table: &Table) -> (Vec<String>, usize) {
        let rows = table.rows(&self.raw, LOOKED_AT).await;
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
        let row = &table.rows(&self.raw, 1).await[0];
        table.delete(&self.raw, row).await.unwrap();
        if self.flaw().await.is_none() {
            unnoticed.push(format!("{}: a row taken out", table.name));
        }
        table.insert(&self.raw, row).await.unwrap();
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
        if table.insert(&self.raw, &other).await.is_ok() {
            if self.flaw().await.is_none() {
                unnoticed.push(format!("{}: a row put in", table.name));
            }
            table.delete(&self.raw, &other).await.unwrap();
        }
        unnoticed
    }
}

/// Each experiment, on both databases.
macro_rules! on_both {
    ($($experiment:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $experiment() {
                let Some(experiment) = super::Experiment::on_sqlite().await else { return };
                super::$experiment(experiment).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $experiment() {
                let Some(experiment) = super::Experiment::on_postgres().await else { return };
                super::$experiment(experiment).await;
            })*
        }
    };
}

on_both!(
    every_change_of_what_matters_is_noticed,
    a_contract_that_is_removed_with_all_its_rows_is_missed,
    a_chain_that_is_reckoned_anew_or_cut_off_does_not_fit_the_sealed_head,
);

async fn every_change_of_what_matters_is_noticed(experiment: Experiment) {
    assert_eq!(experiment.flaw().await, None);
    let (mut unnoticed, mut rows, mut changes, mut columns) = (BTreeSet::new(), Vec::new(), 0, 0);
    for table in experiment.raw.tables().await {
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
    let _ = writeln!(
        std::io::stderr(),
        "{changes} columns and keys changed; {} of {columns} columns may change freely",
        free.len()
    );
    assert!(changes > 500, "{changes} changes");
    assert!(free.len() * 10 <= columns, "{} of {columns} columns may change freely", free.len());
}

async fn a_contract_that_is_removed_with_all_its_rows_is_missed(experiment: Experiment) {
    let id = experiment.raw.text("SELECT min(id) FROM contract").await;
    for table in experiment.raw.tables().await {
        let column = if table.name == "contract" { "id" } else { "contract" };
        if table.name != "audit" && table.columns.contains(&column.to_owned()) {
            experiment.raw.run(&format!("DELETE FROM {} WHERE {column} = '{id}'", table.name)).await.unwrap();
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

async fn a_chain_that_is_reckoned_anew_or_cut_off_does_not_fit_the_sealed_head(experiment: Experiment) {
    let raw = &experiment.raw;
    raw.run("CREATE TABLE kept AS SELECT * FROM audit; CREATE TABLE kept_head AS SELECT * FROM audit_head")
        .await
        .unwrap();
    // Line 100 is edited, and every line from there on is hashed as the daemon does.
    raw.run("UPDATE audit SET subject = 'other' WHERE seq = 100").await.unwrap();
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
        raw.run(&format!("UPDATE audit SET hash = '{previous}' WHERE seq = {}", line.seq)).await.unwrap();
    }
    raw.run(&format!("UPDATE audit_head SET hash = '{previous}'")).await.unwrap();
    let verdict = experiment.store.verify_audit(Vec::new()).await.unwrap();
    assert_eq!(verdict.broken, None, "as a chain it is whole");
    assert_eq!(verdict.findings[0].table, "audit_head", "{:?}", verdict.findings);
    let put_back = "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; DELETE FROM audit_head;
                    INSERT INTO audit_head SELECT * FROM kept_head; DROP TABLE kept; DROP TABLE kept_head";
    raw.run(put_back).await.unwrap();
    assert_eq!(experiment.flaw().await, None, "put back");
    // The tail is cut off, and the head moved with it.
    raw.run(
        "DELETE FROM audit WHERE seq > 100; UPDATE audit_head SET seq = 100, hash = (SELECT hash FROM audit WHERE seq = 100)",
    )
    .await
    .unwrap();
    let verdict = experiment.store.verify_audit(Vec::new()).await.unwrap();
    assert_eq!((verdict.broken, verdict.findings[0].table.as_str()), (None, "audit_head"));
}

#[tokio::test]
async fn a_whole_database_of_an_earlier_time_does_not_fit_a_head_that_was_kept_outside() {
    let mut experiment = Experiment::on_sqlite().await.unwrap();
    let earlier = experiment.folder.path().join("earlier.db");
    experiment.raw.run(&format!("VACUUM INTO '{}'", earlier.display())).await.unwrap();
    experiment.store.note(Action::WrongTokens, "later".into(), String::new(), super::now()).await.unwrap();
    experiment.kept = experiment.store.audit_head().await.unwrap();
    assert_eq!(experiment.flaw().await, None);
    experiment.store = Store::open(&earlier, Key::of([7; 32])).unwrap();
    assert_eq!(experiment.store.verify_audit(Vec::new()).await.unwrap().flaw(), None, "it was whole at its time");
    let flaw = experiment.flaw().await.unwrap();
    assert!(flaw.contains("kept outside"), "{flaw}");
}
