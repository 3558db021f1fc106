//! On PostgreSQL, too, whoever changes a column of a row that is attested, or takes a row out, is found out.

use std::collections::BTreeSet;

use milestoned::store::attested::FREE;
use milestoned_tests::postgres::cluster;
use tokio_postgres::Client;

use super::{connect, migrations};

/// What a column may hold, where the table allows only some words.
const WORDS: [&str; 13] = [
    "'changed'",
    "'read'",
    "'new'",
    "'done'",
    "'parked'",
    "'sent'",
    "'contract'",
    "'target'",
    "'provider'",
    "'invitation'",
    "1",
    "true",
    "'\\x01'::bytea",
];

/// Tables with their columns.
async fn tables(raw: &Client) -> Vec<(String, Vec<String>)> {
    let sql = "SELECT c.table_name::text, array_agg(c.column_name::text ORDER BY c.ordinal_position)
               FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
               WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.table_name <> 'refinery_schema_history'
               AND c.table_name NOT LIKE 'audit%' GROUP BY 1 ORDER BY 1";
    let rows = raw.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Puts a row into a table: each column has the first word that its type and the table take.
async fn fill(raw: &Client, table: &str, columns: &[String]) {
    let mut values: Vec<&str> = vec!["NULL"; columns.len()];
    for word in WORDS {
        for place in 0..columns.len() {
            let typed =
                format!("SELECT 1 WHERE (SELECT \"{}\" FROM {table} LIMIT 1) IS DISTINCT FROM {word}", columns[place]);
            if values[place] == "NULL" && raw.batch_execute(&typed).await.is_ok() {
                values[place] = word;
            }
        }
    }
    let insert =
        |values: &[&str]| format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE VALUES ({})", values.join(", "));
    // Words that the table allows alone are found by trying.
    for word in WORDS {
        if raw.batch_execute(&insert(&values)).await.is_ok() {
            return;
        }
        for place in 0..columns.len() {
            if ["state", "scope", "purpose", "way"].contains(&columns[place].as_str()) {
                values[place] = word;
            }
        }
    }
    raw.batch_execute(&insert(&values)).await.unwrap();
}

#[tokio::test]
async fn every_change_of_an_attested_row_is_noticed() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database().await.unwrap();
    let mut raw = cluster.client(&url).await.unwrap();
    migrations::postgres::migrations::runner().run_async(&mut raw).await.unwrap();
    // Foreign keys and triggers are for those who keep to the rules.
    raw.batch_execute("SET session_replication_role = replica").await.unwrap();
    let tables = tables(&raw).await;
    for (table, columns) in &tables {
        fill(&raw, table, columns).await;
    }
    let store = connect(&url).await.unwrap();
    let flaw = async || store.verify_audit(Vec::new()).await.unwrap().flaw();
    assert_eq!(flaw().await, None, "attested at the first start");
    for (table, _) in &tables {
        raw.batch_execute(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
    let (mut unnoticed, mut changes) = (BTreeSet::new(), 0);
    for (table, columns) in &tables {
        let put_back =
            format!("DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}");
        for column in columns {
            for word in WORDS.iter().chain(&["NULL"]) {
                let change =
                    format!("UPDATE {table} SET \"{column}\" = {word} WHERE \"{column}\" IS DISTINCT FROM {word}");
                if raw.execute(&change, &[]).await.is_ok_and(|rows| rows > 0) {
                    changes += 1;
                    if flaw().await.is_none() {
                        unnoticed.insert(format!("{table}.{column}"));
                    }
                    raw.batch_execute(&put_back).await.unwrap();
                }
            }
        }
        raw.batch_execute(&format!("DELETE FROM {table}")).await.unwrap();
        if flaw().await.is_none() {
            unnoticed.insert(format!("{table}.(a row)"));
        }
        raw.batch_execute(&put_back).await.unwrap();
        assert_eq!(flaw().await, None, "{table} was put back");
    }
    let free: BTreeSet<String> = FREE.iter().map(|free| format!("{}.{}", free.table, free.column)).collect();
    let whole = ["census", "hint", "lease", "rebuild"].map(|table| format!("{table}.(a row)"));
    let wrong: Vec<&String> = unnoticed.iter().filter(|one| !free.contains(*one) && !whole.contains(one)).collect();
    assert!(wrong.is_empty(), "changed, and not noticed: {wrong:#?}");
    assert!(changes > 500, "{changes} changes");
}
