//! A portfolio as large as one likes: a lot of contracts that went in by the API is copied in the database, under other ids.

use rusqlite::Connection;

/// Copies the lot, by statements that join `lot`, a table of numbers.
pub(crate) fn multiply(path: &std::path::Path, lots: usize, copy: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("CREATE TEMP TABLE lot (n INTEGER)").unwrap();
    for lot in 1..lots {
        connection.execute("INSERT INTO lot VALUES (?1)", [i64::try_from(lot).unwrap()]).unwrap();
    }
    connection.execute_batch(&format!("BEGIN; {copy} COMMIT; ANALYZE;")).unwrap();
}
