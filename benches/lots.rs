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

/// Contracts with their facts, approvals, documents and what was sent of them, each under the id of its lot.
pub(crate) const COPY: &str = "
INSERT INTO contract (id, agreement, digest, source, opened_on, opened_at, state, history, as_of, wake_at, planned_documents,
    journal_through, legs_changed, revision, customer)
  SELECT 'L' || n || substr(id, 4), replace(agreement, 'LOT-', 'L' || n || '-'), digest, source, opened_on, opened_at,
  replace(state, 'LOT-', 'L' || n || '-'), history, as_of, wake_at, planned_documents, journal_through, legs_changed, revision,
  customer FROM lot, contract WHERE id LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO approval (contract, milestone, since, amount, currency, shown, void)
  SELECT 'L' || n || substr(contract, 4), milestone, since, amount, currency, shown, void FROM lot, approval
  WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO fact (contract, identity, at, effective_at, learned_at, fact, actor, position, problem)
  SELECT 'L' || n || substr(contract, 4), identity, at, effective_at, learned_at, fact, actor, position, problem
  FROM lot, fact WHERE contract LIKE 'LOT-%' ORDER BY n, id;
INSERT INTO document (number, contract, ordinal, kind, milestone, date, due_on, currency, amount, target, posting, cause)
  SELECT 'L' || n || substr(number, 4), 'L' || n || substr(contract, 4), ordinal, kind, milestone, date, due_on, currency, amount,
  target, posting || '-' || n, cause FROM lot, document WHERE contract LIKE 'LOT-%' ORDER BY n;
INSERT INTO outbox (key, ordinal, contract, target, kind, subject, command, digest, after, state, attempts, due_at, created_at,
    settled_at, confirmed_at, receipt)
  SELECT key || '-' || n, ordinal + n * 100000, 'L' || n || substr(contract, 4), target, kind,
  replace(subject, 'LOT-', 'L' || n || '-'), replace(command, 'LOT-', 'L' || n || '-'), digest, after, state, attempts, due_at,
  created_at, settled_at, confirmed_at, receipt FROM lot, outbox WHERE contract LIKE 'LOT-%' ORDER BY n;
DROP TRIGGER audit_keeps_chained;
UPDATE audit SET attests = NULL;
UPDATE audit_head SET sealed = '';
";
