//! What people look at: documents, exceptions, events, tokens of connections.

use jiff::Timestamp;
use serde::Serialize;

use super::session::{Row, Session, Sql, values};
use super::{Store, StoreError, instant};

/// A document with its delivery.
#[derive(Debug, Clone, Serialize)]
pub struct DocumentView {
    /// Number.
    pub number: String,
    /// Contract.
    pub contract: String,
    /// `invoice`, `credit_memo`, `supplementary_invoice`.
    pub kind: String,
    /// Milestone.
    pub milestone: String,
    /// Date, contract's time zone.
    pub date: String,
    /// Due date.
    pub due_on: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Amount, decimal text.
    pub amount: String,
    /// ERP connection.
    pub target: String,
    /// Key of its posting.
    pub posting: String,
    /// Where its delivery stands.
    pub delivery: Option<String>,
}

/// An exception, for people.
#[derive(Debug, Clone, Serialize)]
pub struct ExceptionView {
    /// Contract.
    pub contract: String,
    /// Code.
    pub code: String,
    /// Milestone, where it has one.
    pub milestone: Option<String>,
    /// Leg, where it has one.
    pub leg: Option<String>,
    /// `blocking` or `warning`.
    pub severity: String,
    /// Opened on, contract's time zone.
    pub opened_on: String,
    /// Closed on; `None`: open.
    pub closed_on: Option<String>,
    /// Amount it holds back, decimal text.
    pub held: Option<String>,
    /// ISO 4217 code.
    pub currency: String,
    /// What exactly; of a drift only.
    pub detail: Option<String>,
}

/// A fact that is parked, for people.
#[derive(Debug, Clone, Serialize)]
pub struct ParkedFact {
    /// Row.
    pub id: i64,
    /// Contract.
    pub contract: String,
    /// What is wrong.
    pub problem: String,
    /// The fact, JSON.
    pub fact: String,
    /// When it came.
    pub learned_at: String,
}

/// A fact whose contract nobody has filed.
#[derive(Debug, Clone, Serialize)]
pub struct Unfiled {
    /// Contract id as the source has it.
    pub contract: String,
    /// Connections that speak of it.
    pub systems: String,
    /// Since when.
    pub since: Option<String>,
}

/// An event of the feed.
#[derive(Debug, Clone, Serialize)]
pub struct EventView {
    /// Place in the feed.
    pub seq: i64,
    /// Same for the same event.
    pub id: String,
    /// When, UTC.
    pub at: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Contract.
    pub contract: String,
    /// Milestone.
    pub milestone: Option<String>,
    /// Body, JSON text.
    pub body: String,
}

const UNFILED: Sql = Sql {
    postgres: "SELECT p.contract, string_agg(DISTINCT p.system, ','), (SELECT min(learned_at) FROM fact AS f WHERE f.contract = p.contract)
               FROM leg_part AS p WHERE p.contract NOT IN (SELECT id FROM contract) GROUP BY p.contract ORDER BY 1",
    sqlite: "SELECT p.contract, group_concat(DISTINCT p.system), (SELECT min(learned_at) FROM fact AS f WHERE f.contract = p.contract)
             FROM leg_part AS p WHERE p.contract NOT IN (SELECT id FROM contract) GROUP BY p.contract ORDER BY 1",
};

macro_rules! exceptions {
    ($which:literal) => {
        concat!(
            "SELECT contract, code, milestone, leg, severity, opened_on, closed_on, held, currency, NULL AS detail, ordinal,
             '' AS subject FROM exception WHERE ",
            $which,
            " UNION ALL SELECT contract, kind, milestone, leg, 'warning', opened_on, closed_on, NULL, '', detail, 1000000000,
             subject FROM drift WHERE ",
            $which,
            " ORDER BY 1, 11, 2, 12"
        )
    };
}

/// Statements of their own, so that each is found by an index: with one for all of them every row would be looked at.
fn exceptions(contract: bool, open: bool) -> &'static str {
    match (contract, open) {
        (true, true) => exceptions!("contract = $1 AND closed_on IS NULL"),
        (true, false) => exceptions!("contract = $1"),
        (false, true) => exceptions!("closed_on IS NULL"),
        (false, false) => exceptions!("1 = 1"),
    }
}

macro_rules! documents {
    () => {
        "SELECT d.number, d.contract, d.kind, d.milestone, d.date, d.due_on, d.currency, d.amount, d.target, d.posting,
         o.state, d.cause FROM document AS d LEFT JOIN outbox AS o ON o.key = d.posting WHERE "
    };
}

/// A document by its number, with the position of the fact that set it off.
pub(super) fn document(tx: &Session<'_>, number: &str) -> Result<Option<(DocumentView, Option<i64>)>, StoreError> {
    tx.one(concat!(documents!(), "d.number = $1"), values![number], |row| Ok((read_document(row)?, row.get(11)?)))
}

fn read_document(row: &Row<'_>) -> Result<DocumentView, StoreError> {
    Ok(DocumentView {
        number: row.get(0)?,
        contract: row.get(1)?,
        kind: row.get(2)?,
        milestone: row.get(3)?,
        date: row.get(4)?,
        due_on: row.get(5)?,
        currency: row.get(6)?,
        amount: row.get(7)?,
        target: row.get(8)?,
        posting: row.get(9)?,
        delivery: row.get(10)?,
    })
}

impl Store {
    /// Documents of one contract or all, in the order in which they came about.
    ///
    /// # Errors
    /// The database failed.
    pub async fn documents(&self, contract: Option<String>) -> Result<Vec<DocumentView>, StoreError> {
        self.read(move |tx| match contract {
            Some(id) => tx.all(concat!(documents!(), "d.contract = $1 ORDER BY d.ordinal"), values![id], read_document),
            None => tx.all(concat!(documents!(), "1 = 1 ORDER BY d.contract, d.ordinal"), values![], read_document),
        })
        .await
    }

    /// Exceptions of one contract or all, and after them its drifts; open ones only, or all.
    ///
    /// # Errors
    /// The database failed.
    pub async fn exceptions(&self, contract: Option<String>, open: bool) -> Result<Vec<ExceptionView>, StoreError> {
        self.read(move |tx| {
            let sql = exceptions(contract.is_some(), open);
            let id = values![contract.as_deref().unwrap_or_default()];
            tx.all(sql, if contract.is_some() { id } else { &[] }, |row| {
                Ok(ExceptionView {
                    contract: row.get(0)?,
                    code: row.get(1)?,
                    milestone: row.get(2)?,
                    leg: row.get(3)?,
                    severity: row.get(4)?,
                    opened_on: row.get(5)?,
                    closed_on: row.get(6)?,
                    held: row.get(7)?,
                    currency: row.get(8)?,
                    detail: row.get(9)?,
                })
            })
        })
        .await
    }

    /// How many exceptions and drifts are open, by code and severity.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_exceptions(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.read(|tx| {
            tx.all(
                "SELECT code, severity, count(*) FROM (SELECT code, severity FROM exception WHERE closed_on IS NULL
                 UNION ALL SELECT kind, 'warning' FROM drift WHERE closed_on IS NULL) AS seen
                 GROUP BY code, severity ORDER BY 1, 2",
                values![],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
        })
        .await
    }

    /// How many source records wait for a person.
    ///
    /// # Errors
    /// The database failed.
    pub async fn parked_record_count(&self) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM source_record WHERE state = 'parked'";
        self.read(move |tx| Ok(tx.one(sql, values![], |row| row.get(0))?.unwrap_or(0))).await
    }

    /// Facts that were refused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn parked_facts(&self) -> Result<Vec<ParkedFact>, StoreError> {
        self.read(|tx| {
            tx.all(
                "SELECT id, contract, problem, fact, learned_at FROM fact WHERE problem IS NOT NULL AND closed_at IS NULL
                 ORDER BY id",
                values![],
                |row| {
                    Ok(ParkedFact {
                        id: row.get(0)?,
                        contract: row.get(1)?,
                        problem: row.get(2)?,
                        fact: row.get(3)?,
                        learned_at: row.get(4)?,
                    })
                },
            )
        })
        .await
    }

    /// Contracts that sources speak of and nobody has filed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn unfiled(&self) -> Result<Vec<Unfiled>, StoreError> {
        self.read(|tx| {
            tx.all(UNFILED, values![], |row| {
                Ok(Unfiled { contract: row.get(0)?, systems: row.get(1)?, since: row.get(2)? })
            })
        })
        .await
    }

    /// How many contracts there are.
    ///
    /// # Errors
    /// The database failed.
    pub async fn contract_count(&self) -> Result<i64, StoreError> {
        self.read(|tx| Ok(tx.one("SELECT count(*) FROM contract", values![], |row| row.get(0))?.unwrap_or(0))).await
    }

    /// Events after a place in the feed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn events(&self, after: i64, limit: u32) -> Result<Vec<EventView>, StoreError> {
        self.read(move |tx| {
            tx.all("SELECT seq, identity, at, type, contract, milestone, body FROM event WHERE seq > $1 ORDER BY seq LIMIT $2", values![after, i64::from(limit)], |row| {
                Ok(EventView {
                    seq: row.get(0)?,
                    id: row.get(1)?,
                    at: row.get(2)?,
                    kind: row.get(3)?,
                    contract: row.get(4)?,
                    milestone: row.get(5)?,
                    body: row.get(6)?,
                })
            })
        })
        .await
    }

    /// A rotated token of a connection.
    ///
    /// # Errors
    /// The database failed.
    pub async fn token(&self, connection_name: String, name: String) -> Result<Option<String>, StoreError> {
        self.read(move |tx| {
            tx.one(
                "SELECT value FROM token WHERE connection = $1 AND name = $2",
                values![connection_name, name],
                |row| row.get(0),
            )
        })
        .await
    }

    /// Stores a rotated token; the connection may use it only after this returned.
    ///
    /// # Errors
    /// The database failed: the token must not be used.
    pub async fn store_token(
        &self,
        connection_name: String,
        name: String,
        value: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.run(
                "INSERT INTO token (connection, name, value, stored_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (connection, name) DO UPDATE SET value = $3, stored_at = $4",
                values![connection_name, name, value, instant(now)],
            )?;
            Ok(())
        })
        .await
    }

    /// Stores a rotated token in the place of the one that it came from. `false`: another one has taken that place, and
    /// stays.
    ///
    /// # Errors
    /// The database failed: the token must not be used.
    pub async fn replace_token(
        &self,
        (connection_name, name): (String, String),
        was: Option<String>,
        value: String,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let at = instant(now);
            let changed = match was {
                Some(was) => tx.run(
                    "UPDATE token SET value = $3, stored_at = $4 WHERE connection = $1 AND name = $2 AND value = $5",
                    values![connection_name, name, value, at, was],
                )?,
                None => tx.run(
                    "INSERT INTO token (connection, name, value, stored_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                    values![connection_name, name, value, at],
                )?,
            };
            Ok(changed == 1)
        })
        .await
    }
}
