//! Tables that answer queries, in a database that vanishes with its simulator, or is emptied for the next one: a run that
//! opens simulators by the thousand makes tables and compiles queries once.

use std::cell::RefCell;
use std::ops::Deref;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// Most pages of a database that is worth keeping: to empty a larger one takes longer than to make a new one.
const MOST_PAGES: i64 = 1000;

thread_local!(static SPARE: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) });

struct Held {
    sql: Connection,
    purpose: &'static str,
    /// SQLite's number of the state of the tables' columns.
    schema: i64,
}

/// An empty database with the tables of a purpose.
pub(crate) struct Tables(Option<Held>);

impl Tables {
    /// One that another simulator of this thread has left, or a new one, made by `make`.
    pub(crate) fn open(
        purpose: &'static str,
        make: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<Tables> {
        let left = SPARE.with_borrow_mut(|spare| {
            let at = spare.iter().position(|held| held.purpose == purpose)?;
            Some(spare.swap_remove(at))
        });
        if left.is_some() {
            return Ok(Tables(left));
        }
        let sql = Connection::open("")?;
        sql.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-32000;")?;
        // A query is compiled once, and not again for every value that is bound to its limit.
        sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        sql.set_prepared_statement_cache_capacity(128);
        make(&sql)?;
        let schema = number(&sql, "PRAGMA schema_version")?;
        Ok(Tables(Some(Held { sql, purpose, schema })))
    }
}

impl Deref for Tables {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.0 {
            Some(held) => &held.sql,
            None => unreachable!("tables are given back when they are dropped"),
        }
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        let Some(held) = self.0.take() else { return };
        match emptied(&held) {
            Ok(true) => {
                // At the end of a thread there is nobody to leave it to.
                let _ = SPARE.try_with(|spare| spare.borrow_mut().push(held));
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "tables could not be emptied"),
        }
    }
}

/// Removes every row. Whether the tables are as they were made, and worth keeping.
fn emptied(held: &Held) -> rusqlite::Result<bool> {
    let sql = &held.sql;
    if number(sql, "PRAGMA schema_version")? != held.schema || number(sql, "PRAGMA page_count")? > MOST_PAGES {
        return Ok(false);
    }
    let mut tables = sql.prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        sql.prepare_cached(&format!("DELETE FROM \"{name}\""))?.execute([])?;
    }
    Ok(true)
}

fn number(sql: &Connection, question: &str) -> rusqlite::Result<i64> {
    sql.prepare_cached(question)?.query_row([], |row| row.get(0))
}
