//! What the query language and change data capture look at: a row for each entity, in a file of its own that vanishes with the
//! connection, so that neither a page nor a million of entities costs a scan or memory.

use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};

use super::state::State;
use crate::json::Json;
use crate::series::Series;
use crate::spare::Tables;

/// `(property, column, kind)`: text, number, id of a reference, time, flag.
pub(crate) const COLUMNS: &[(&str, &str, char)] = &[
    ("Id", "id", 'n'),
    ("MetaData.CreateTime", "created", 't'),
    ("MetaData.LastUpdatedTime", "updated", 't'),
    ("Active", "active", 'f'),
    ("DocNumber", "docnumber", 's'),
    ("TxnDate", "txndate", 's'),
    ("DueDate", "duedate", 's'),
    ("CustomerRef", "customer", 'r'),
    ("TotalAmt", "total", 'n'),
    ("Balance", "balance", 'n'),
    ("DisplayName", "displayname", 's'),
    ("CompanyName", "companyname", 's'),
    ("GivenName", "givenname", 's'),
    ("FamilyName", "familyname", 's'),
    ("PrimaryEmailAddr", "email", 's'),
    ("FullyQualifiedName", "fullname", 's'),
    ("Name", "name", 's'),
    ("Type", "type", 's'),
    ("Sku", "sku", 's'),
    ("AccountType", "accounttype", 's'),
    ("AccountSubType", "accountsubtype", 's'),
    ("Classification", "classification", 's'),
    ("PaymentRefNum", "paymentref", 's'),
    ("AttachableRef.EntityRef.Type", "attachedtype", 's'),
    ("AttachableRef.EntityRef.value", "attachedto", 's'),
    ("FileName", "filename", 's'),
];

pub(crate) fn open() -> rusqlite::Result<Tables> {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(_, name, kind)| match kind {
            'n' | 't' | 'f' => format!("{name} NUMERIC"),
            _ => format!("{name} TEXT"),
        })
        .collect();
    let tables = format!(
        "CREATE TABLE entity (kind TEXT, {}, PRIMARY KEY (kind, id)) WITHOUT ROWID;
         CREATE INDEX eu ON entity (kind, updated, id);
         CREATE INDEX ed ON entity (kind, docnumber);
         CREATE INDEX ec ON entity (kind, customer);
         CREATE INDEX et ON entity (kind, txndate);
         CREATE INDEX en ON entity (kind, displayname);
         CREATE TABLE gone (kind TEXT, id TEXT, updated INTEGER);
         CREATE INDEX gu ON gone (kind, updated);",
        columns.join(", ")
    );
    Tables::open("quickbooks", |sql| sql.execute_batch(&tables))
}

fn first(record: &Json, list: &str) -> Json {
    record.list(list).first().cloned().unwrap_or_default()
}

impl State {
    fn indexed(&self, record: &Json, property: &str, kind: char) -> Value {
        let text = match property {
            "AttachableRef.EntityRef.Type" => first(record, "AttachableRef").text("EntityRef.type"),
            "AttachableRef.EntityRef.value" => first(record, "AttachableRef").text("EntityRef.value"),
            "PrimaryEmailAddr" => record.text("PrimaryEmailAddr.Address"),
            _ if kind == 'r' => record.text(&format!("{property}.value")),
            _ => record.text(property),
        };
        match kind {
            'f' => Value::Integer(i64::from(text != "false")),
            't' => self.time_of(&text).map_or(Value::Null, |time| Value::Integer(time.as_millisecond())),
            _ if text.is_empty() => Value::Null,
            _ => Value::Text(text),
        }
    }

    /// Brings the index up to what was committed since the last question.
    pub(crate) fn refresh(&mut self) -> rusqlite::Result<()> {
        let changes = self.store.changes();
        if changes.is_empty() {
            return Ok(());
        }
        let all = self.sql.unchecked_transaction()?;
        let mut touched = false;
        for (_, id) in changes.iter().filter(|(collection, _)| collection == "series") {
            if let Some(series) = self.store.get("series", id).map(Series::restored) {
                self.index_series(&series)?;
                touched = true;
            }
        }
        for (collection, id) in &changes {
            if let Some(kind) = collection.strip_prefix("rec:") {
                self.sql.prepare_cached("DELETE FROM entity WHERE kind = ? AND id = ?")?.execute([kind, id])?;
                if let Some(record) = self.store.get(collection, id) {
                    self.index(kind, record)?;
                }
                touched = true;
            } else if let Some(ghost) = self.store.get("deleted", id).filter(|_| collection == "deleted") {
                let (kind, id) = (ghost.text("entity"), ghost.text("Id"));
                let at = self.indexed(ghost, "MetaData.LastUpdatedTime", 't');
                self.sql.execute("INSERT INTO gone VALUES (?, ?, ?)", params![kind, id, at])?;
                // an entity of a series had no place in the store that could say so
                self.sql.execute("DELETE FROM entity WHERE kind = ? AND id = ?", [&kind, &id])?;
                touched = true;
            }
        }
        if touched {
            self.listed = None;
        }
        all.commit()
    }

    fn index(&self, kind: &str, record: &Json) -> rusqlite::Result<()> {
        let own = COLUMNS.iter().map(|(property, _, holds)| self.indexed(record, property, *holds));
        let values = std::iter::once(Value::Text(kind.to_string())).chain(own);
        let marks = vec!["?"; COLUMNS.len() + 1].join(",");
        self.sql
            .prepare_cached(&format!("INSERT INTO entity VALUES ({marks})"))?
            .execute(params_from_iter(values))
            .map(drop)
    }

    fn index_series(&self, series: &Series) -> rusqlite::Result<()> {
        let now = self.text_of_time(series.time(series.first));
        let template = series.template.clone().with("Id", "-1").with("MetaData", Json::from(vec![]));
        let meta = crate::json::obj! {"CreateTime" => &now, "LastUpdatedTime" => &now};
        self.index(&series.kind, &template.with("MetaData", meta))?;
        let value = |(_, name, kind): &(&str, &str, char)| match (*name, kind) {
            ("id", _) => "n + ?1 - 1".to_string(),
            // times of day are shown by the second
            (_, 't') => "(?3 + ?4 * ((n - 1) / ?6)) / 1000 * 1000".to_string(),
            (name, 's') => format!("replace(replace({name}, '{{n}}', n), '{{id}}', n + ?1 - 1)"),
            (name, _) => name.to_string(),
        };
        let values: Vec<String> = COLUMNS.iter().map(value).collect();
        let text = format!(
            "WITH RECURSIVE place(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM place WHERE n < ?2)
             INSERT INTO entity SELECT kind, {} FROM place, (SELECT * FROM entity WHERE kind = ?5 AND id = -1)",
            values.join(",")
        );
        let all = params![series.first, series.count, series.start, series.step, series.kind, series.tied];
        self.sql.execute(&text, all)?;
        self.sql.execute("DELETE FROM entity WHERE kind = ? AND id = -1", [&series.kind]).map(drop)
    }
}
