//! What people look at: documents, exceptions, events, tokens of connections.

use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_connector_kit::Receipt;
use milestoned_mapping::contract::{Difference, DocumentKind, Severity};
use milestoned_mapping::fact::Leg;
use milestoned_mapping::money::{Currency, Money};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::attest::Session;
use super::attested::TOKEN;
use super::customers::{self, Whose};
use super::described::DifferenceBody;
use super::session::{Row, Sql, among, values};
use super::vocabulary::DeliveryState;
use super::{Store, StoreError, Verb, instant, json, parse};

/// A document with its delivery.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DocumentView {
    /// Number.
    pub number: String,
    /// Contract.
    pub contract: String,
    /// `invoice`, `credit_memo`, `supplementary_invoice`.
    #[schema(value_type = String)]
    pub kind: DocumentKind,
    /// Milestone.
    pub milestone: String,
    /// Date, contract's time zone.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// Due date.
    #[schema(value_type = String, format = Date)]
    pub due_on: Date,
    /// ISO 4217 code.
    #[schema(value_type = String)]
    pub currency: Currency,
    /// Amount, decimal text.
    #[schema(value_type = String)]
    #[serde(serialize_with = "decimal_text")]
    pub amount: Money,
    /// ERP connection.
    pub target: String,
    /// Key of its posting.
    pub posting: String,
    /// Where its delivery stands.
    pub delivery: Option<DeliveryState>,
    /// A poll has shown it in the ERP.
    pub confirmed: bool,
    /// The ERP shows it, and has not posted it.
    pub unposted: bool,
    /// A person has written it in the ERP, by hand.
    pub by_hand: bool,
    /// The number that the ERP gave it, where that is another.
    pub remote_number: Option<String>,
}

/// An exception, for people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExceptionView {
    /// Contract.
    pub contract: String,
    /// Code.
    pub code: String,
    /// Milestone, where it has one.
    pub milestone: Option<String>,
    /// Leg, where it has one.
    #[schema(value_type = Option<String>)]
    pub leg: Option<Leg>,
    /// `blocking` or `warning`.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// Opened on, contract's time zone.
    #[schema(value_type = String, format = Date)]
    pub opened_on: Date,
    /// Closed on; `None`: open.
    #[schema(value_type = Option<String>, format = Date)]
    pub closed_on: Option<Date>,
    /// Amount it holds back, decimal text.
    #[schema(value_type = Option<String>)]
    #[serde(serialize_with = "decimal_text_or_none")]
    pub held: Option<Money>,
    /// ISO 4217 code; none of a drift, which holds nothing.
    #[schema(value_type = Option<String>)]
    pub currency: Option<Currency>,
    /// What exactly; of a drift only.
    pub detail: Option<String>,
    /// Document, entry or milestone that a drift is about; empty: the contract.
    #[serde(skip)]
    pub subject: String,
    /// The values that differ.
    #[schema(value_type = Vec<DifferenceBody>)]
    pub differences: Vec<Difference>,
}

/// A fact that is parked, for people.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ParkedFact {
    /// Row.
    pub id: i64,
    /// Contract.
    pub contract: String,
    /// What is wrong.
    pub problem: String,
    /// The fact, JSON.
    pub fact: String,
    /// When it came, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub learned_at: Timestamp,
}

/// A fact whose contract nobody has filed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Unfiled {
    /// Contract id as the source has it.
    pub contract: String,
    /// Connections that speak of it.
    pub systems: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}

/// An event of the feed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventView {
    /// Place in the feed.
    pub seq: i64,
    /// Same for the same event.
    pub id: String,
    /// When, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
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

/// Contracts that legs speak of are found from one to the next by the index: a contract has many parts of legs.
macro_rules! unfiled {
    ($systems:literal) => {
        concat!(
            "WITH RECURSIVE seen (id) AS (SELECT min(contract) FROM leg_part UNION ALL
                SELECT (SELECT min(p.contract) FROM leg_part AS p WHERE p.contract > seen.id) FROM seen WHERE seen.id IS NOT NULL)
             SELECT p.contract, ",
            $systems,
            ", (SELECT min(learned_at) FROM fact AS f WHERE f.contract = p.contract) FROM leg_part AS p
             WHERE p.contract IN (SELECT id FROM seen WHERE id IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM contract AS c WHERE c.id = seen.id)) GROUP BY p.contract ORDER BY 1"
        )
    };
}

const UNFILED: Sql = Sql {
    postgres: unfiled!("string_agg(DISTINCT p.system, ',')"),
    sqlite: unfiled!("group_concat(DISTINCT p.system)"),
};

macro_rules! exceptions {
    ($($which:tt)*) => {
        concat!(
            "SELECT contract, code, milestone, leg, severity, opened_on, closed_on, held, currency, NULL AS detail, ordinal,
             '' AS subject, differences FROM exception WHERE ",
            $($which)*,
            " UNION ALL SELECT contract, kind, milestone, leg, 'warning', opened_on, closed_on, NULL, NULL, detail, 1000000000,
             subject, '[]' FROM drift WHERE ",
            $($which)*,
            " ORDER BY 1, 11, 2, 12"
        )
    };
}

/// Of all contracts, open ones or closed ones too, and of some: statements of their own, so that each is found by an index.
const OPEN: &str = exceptions!("closed_on IS NULL");
const ALL: &str = exceptions!("1 = 1");
const OPEN_OF: Sql = Sql {
    postgres: exceptions!(concat!(among!(postgres, "contract", "$1"), " AND closed_on IS NULL")),
    sqlite: exceptions!(concat!(among!(sqlite, "contract", "$1"), " AND closed_on IS NULL")),
};
const ALL_OF: Sql = Sql {
    postgres: exceptions!(among!(postgres, "contract", "$1")),
    sqlite: exceptions!(among!(sqlite, "contract", "$1")),
};

fn read_exception(row: &Row<'_>) -> Result<ExceptionView, StoreError> {
    let currency: Option<Currency> = row.parsed_option(8, "exception.currency")?;
    let held = currency.map(|currency| row.money(7, currency, "exception.held")).transpose()?;
    let contract: String = row.get(0)?;
    Ok(ExceptionView {
        differences: parse("exception", "differences", &contract, &row.get::<String>(12)?)?,
        contract,
        code: row.get(1)?,
        milestone: row.get(2)?,
        leg: row.parsed_option(3, "exception.leg")?,
        severity: row.parsed(4, "exception.severity")?,
        opened_on: row.parsed(5, "exception.opened_on")?,
        closed_on: row.parsed_option(6, "exception.closed_on")?,
        held: held.flatten(),
        currency,
        detail: row.get(9)?,
        subject: row.get(11)?,
    })
}

/// The time zone of a contract's terms, which the two databases take out of JSON differently.
macro_rules! zone {
    (postgres) => {
        "CAST(c.agreement AS json) #>> '{terms,timezone}'"
    };
    (sqlite) => {
        "json_extract(c.agreement, '$.terms.timezone')"
    };
}

macro_rules! billed {
    ($database:ident) => {
        concat!(
            "SELECT d.date, d.amount, ",
            zone!($database),
            " FROM document AS d JOIN contract AS c ON c.id = d.contract WHERE d.contract <> $4 AND d.currency = $2
             AND d.date >= $3 AND d.kind <> 'credit_memo' AND ",
            among!($database, "d.contract", "$1")
        )
    };
}

/// An invoice of another contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Billed {
    /// Its date.
    pub date: Date,
    /// Its amount.
    pub amount: Money,
    /// The time zone to which the date belongs.
    pub timezone: Option<String>,
}

/// Invoices of some contracts, but not of one of them.
const BILLED: Sql = Sql { postgres: billed!(postgres), sqlite: billed!(sqlite) };

macro_rules! documents {
    () => {
        "SELECT d.number, d.contract, d.kind, d.milestone, d.date, d.due_on, d.currency, d.amount, d.target, d.posting,
         o.state, d.cause, o.confirmed_at, coalesce(o.by_hand, FALSE), o.receipt,
         EXISTS (SELECT 1 FROM unposted AS u WHERE u.number = d.number AND u.system = d.target) FROM document AS d LEFT JOIN outbox AS o ON o.key = d.posting WHERE "
    };
}

/// Documents of the contracts whose ids stand in a JSON list.
const DOCUMENTS_OF: Sql = Sql {
    postgres: concat!(documents!(), among!(postgres, "d.contract", "$1"), " ORDER BY d.contract, d.ordinal"),
    sqlite: concat!(documents!(), among!(sqlite, "d.contract", "$1"), " ORDER BY d.contract, d.ordinal"),
};

/// A document by its number, with the position of the fact that set it off.
pub(super) fn document(tx: &Session<'_>, number: &str) -> Result<Option<(DocumentView, Option<i64>)>, StoreError> {
    tx.one(concat!(documents!(), "d.number = $1"), values![number], |row| Ok((read_document(row)?, row.get(11)?)))
}

/// Money as decimal text.
fn decimal_text<S: Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(money)
}

#[expect(clippy::ref_option, reason = "serde hands the field over so")]
fn decimal_text_or_none<S: Serializer>(money: &Option<Money>, serializer: S) -> Result<S::Ok, S::Error> {
    match money {
        Some(money) => serializer.collect_str(money),
        None => serializer.serialize_none(),
    }
}

fn read_document(row: &Row<'_>) -> Result<DocumentView, StoreError> {
    let currency: Currency = row.parsed(6, "document.currency")?;
    let amount = row.money(7, currency, "document.amount")?.unwrap_or_else(|| currency.minor(0));
    let number: String = row.get(0)?;
    let receipt: Option<Receipt> =
        row.get::<Option<String>>(14)?.map(|text| parse("outbox", "receipt", &number, &text)).transpose()?;
    Ok(DocumentView {
        remote_number: receipt.and_then(|receipt| receipt.remote_number).filter(|theirs| *theirs != number),
        number,
        contract: row.get(1)?,
        kind: row.parsed(2, "document.kind")?,
        milestone: row.get(3)?,
        date: row.parsed(4, "document.date")?,
        due_on: row.parsed(5, "document.due_on")?,
        currency,
        amount,
        target: row.get(8)?,
        posting: row.get(9)?,
        delivery: row.parsed_option(10, "outbox.state")?,
        confirmed: row.get::<Option<String>>(12)?.is_some(),
        unposted: row.get(15)?,
        by_hand: row.get(13)?,
    })
}

/// A token of a connection, and as it is stored: hidden, but for one that a former version has kept.
fn held_token(tx: &Session<'_>, connection: &str, name: &str) -> Result<Option<(String, String)>, StoreError> {
    if !tx.examine_one(&TOKEN, values![connection, name])?.is_some_and(|examined| examined.genuine) {
        return Ok(None);
    }
    let sql = "SELECT value FROM token WHERE connection = $1 AND name = $2";
    let Some(stored) = tx.one(sql, values![connection, name], |row| row.get::<String>(0))? else { return Ok(None) };
    let key = &tx.house.key;
    if !key.is_named_in(&stored) {
        return Ok(Some((stored.clone(), stored)));
    }
    let opened = key.open(&format!("token:{connection}:{name}"), &stored);
    let opened = opened.map_err(|error| StoreError::Key(format!("the token {name} of {connection}: {error}")))?;
    Ok(Some((opened, stored)))
}

fn hide_token(tx: &Session<'_>, connection: &str, name: &str, token: &str) -> Result<String, StoreError> {
    let hidden = tx.house.key.seal(&format!("token:{connection}:{name}"), token);
    hidden.map_err(|error| StoreError::Key(format!("the token {name} of {connection}: {error}")))
}

impl Store {
    /// Documents of one contract or all, in the order in which they came about.
    ///
    /// # Errors
    /// The database failed.
    pub fn documents(&self, contract: Option<String>) -> Verb<'_, Vec<DocumentView>> {
        self.read(move |tx| match contract {
            Some(id) => tx.all(concat!(documents!(), "d.contract = $1 ORDER BY d.ordinal"), values![id], read_document),
            None => tx.all(concat!(documents!(), "1 = 1 ORDER BY d.contract, d.ordinal"), values![], read_document),
        })
    }

    /// Documents of some contracts, by contract, in the order in which they came about.
    ///
    /// # Errors
    /// The database failed.
    pub fn documents_of(&self, contracts: Vec<String>) -> Verb<'_, Vec<DocumentView>> {
        self.read(move |tx| tx.all(DOCUMENTS_OF, values![json(&contracts)?], read_document))
    }

    /// The contract of the document with this number, in whatever letters it is written.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract_of_number(&self, number: String) -> Verb<'_, Option<String>> {
        let sql = "SELECT contract FROM document WHERE lower(number) = lower($1) ORDER BY number LIMIT 1";
        self.read(move |tx| tx.one(sql, values![number], |row| row.get(0)))
    }

    /// The invoices of other contracts that share a customer with one, in one currency, since a date.
    ///
    /// # Errors
    /// The database failed.
    pub fn billed_beside(&self, whose: Whose, currency: Currency, since: Date) -> Verb<'_, Vec<Billed>> {
        self.read(move |tx| {
            let among = customers::beside(tx, &whose)?.contracts;
            let rows = tx.all(BILLED, values![among, currency.code(), since.to_string(), whose.contract], |row| {
                let (date, timezone) = (row.parsed(0, "document.date")?, row.get(2)?);
                Ok(row.money(1, currency, "document.amount")?.map(|amount| Billed { date, amount, timezone }))
            })?;
            Ok(rows.into_iter().flatten().collect())
        })
    }

    /// Exceptions of some contracts or all, and after them the drifts of each; open ones only, or all.
    ///
    /// # Errors
    /// The database failed.
    pub fn exceptions(&self, contracts: Option<Vec<String>>, open: bool) -> Verb<'_, Vec<ExceptionView>> {
        self.read(move |tx| match (contracts, open) {
            (Some(ids), true) => tx.all(OPEN_OF, values![json(&ids)?], read_exception),
            (Some(ids), false) => tx.all(ALL_OF, values![json(&ids)?], read_exception),
            (None, true) => tx.all(OPEN, values![], read_exception),
            (None, false) => tx.all(ALL, values![], read_exception),
        })
    }

    /// How many approvals, exceptions and drifts wait for a person: kind of thing, code, severity, how many.
    ///
    /// # Errors
    /// The database failed.
    pub fn decided_and_waiting(&self) -> Verb<'_, Vec<(String, String, Severity, i64)>> {
        self.read(|tx| {
            tx.all(
                "SELECT thing, code, severity, count(*) FROM (
                    SELECT 'exception' AS thing, code, severity FROM exception WHERE closed_on IS NULL
                    UNION ALL SELECT 'drift', kind, 'warning' FROM drift WHERE closed_on IS NULL
                    UNION ALL SELECT 'approval', '', 'blocking' FROM approval) AS waiting
                 GROUP BY thing, code, severity ORDER BY 1, 2, 3",
                values![],
                |row| Ok((row.get(0)?, row.get(1)?, row.parsed(2, "exception.severity")?, row.get(3)?)),
            )
        })
    }

    /// How many source records wait for a person.
    ///
    /// # Errors
    /// The database failed.
    pub fn parked_record_count(&self) -> Verb<'_, i64> {
        let sql = "SELECT count(*) FROM source_record WHERE state = 'parked'";
        self.read(move |tx| Ok(tx.one(sql, values![], |row| row.get(0))?.unwrap_or(0)))
    }

    /// Facts that were refused.
    ///
    /// # Errors
    /// The database failed.
    pub fn parked_facts(&self) -> Verb<'_, Vec<ParkedFact>> {
        self.read(|tx| {
            tx.all(
                "SELECT id, contract, problem, fact, learned_at FROM fact WHERE problem IS NOT NULL AND closed_at IS NULL
                 AND NOT (identity >= 'first:' AND identity < 'first;') ORDER BY id",
                values![],
                |row| {
                    Ok(ParkedFact {
                        id: row.get(0)?,
                        contract: row.get(1)?,
                        problem: row.get(2)?,
                        fact: row.get(3)?,
                        learned_at: row.parsed(4, "fact.learned_at")?,
                    })
                },
            )
        })
    }

    /// Contracts that sources speak of and nobody has filed.
    ///
    /// # Errors
    /// The database failed.
    pub fn unfiled(&self) -> Verb<'_, Vec<Unfiled>> {
        self.read(|tx| {
            tx.all(UNFILED, values![], |row| {
                let since = row.parsed_option(2, "fact.learned_at")?;
                Ok(Unfiled { contract: row.get(0)?, systems: row.get(1)?, since })
            })
        })
    }

    /// How many contracts there are.
    ///
    /// # Errors
    /// The database failed.
    pub fn contract_count(&self) -> Verb<'_, i64> {
        self.read(|tx| Ok(tx.one("SELECT count(*) FROM contract", values![], |row| row.get(0))?.unwrap_or(0)))
    }

    /// Events after a place in the feed.
    ///
    /// # Errors
    /// The database failed.
    pub fn events(&self, after: i64, limit: u32) -> Verb<'_, Vec<EventView>> {
        self.read(move |tx| {
            tx.all("SELECT seq, identity, at, type, contract, milestone, body FROM event WHERE seq > $1 ORDER BY seq LIMIT $2", values![after, i64::from(limit)], |row| {
                Ok(EventView {
                    seq: row.get(0)?,
                    id: row.get(1)?,
                    at: row.parsed(2, "event.at")?,
                    kind: row.get(3)?,
                    contract: row.get(4)?,
                    milestone: row.get(5)?,
                    body: row.get(6)?,
                })
            })
        })
    }

    /// A rotated token of a connection. One that is not attested is none.
    ///
    /// # Errors
    /// The database failed, or it was hidden with a key that is not among those configured.
    pub fn token(&self, connection_name: String, name: String) -> Verb<'_, Option<String>> {
        self.read(move |tx| Ok(held_token(tx, &connection_name, &name)?.map(|(token, _)| token)))
    }

    /// Stores a rotated token; the connection may use it only after this returned.
    ///
    /// # Errors
    /// The database failed: the token must not be used.
    pub fn store_token(&self, connection_name: String, name: String, value: String, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let value = hide_token(tx, &connection_name, &name, &value)?;
            tx.overwrite(&TOKEN, values![connection_name, name], || {
                tx.run(
                    "INSERT INTO token (connection, name, value, stored_at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (connection, name) DO UPDATE SET value = $3, stored_at = $4",
                    values![connection_name, name, value, instant(now)],
                )
            })
            .map(drop)
        })
    }

    /// Stores a rotated token in the place of the one that it came from. `false`: another one has taken that place, and
    /// stays.
    ///
    /// # Errors
    /// The database failed: the token must not be used.
    pub fn replace_token(
        &self,
        (connection_name, name): (String, String),
        was: Option<String>,
        value: String,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(move |tx| {
            let (at, value) = (instant(now), hide_token(tx, &connection_name, &name, &value)?);
            let held = held_token(tx, &connection_name, &name)?;
            if held.as_ref().map(|(token, _)| token) != was.as_ref() {
                return Ok(false);
            }
            let changed = tx.overwrite(&TOKEN, values![connection_name, name], || match &held {
                Some((_, stored)) => tx.run(
                    "UPDATE token SET value = $3, stored_at = $4 WHERE connection = $1 AND name = $2 AND value = $5",
                    values![connection_name, name, value, at, *stored],
                ),
                None => tx.run(
                    "INSERT INTO token (connection, name, value, stored_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                    values![connection_name, name, value, at],
                ),
            })?;
            Ok(changed == 1)
        })
    }
}
