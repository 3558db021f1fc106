//! What people say about things that wait for them, what waits for their approval, and what they are shown beside it.

use milestoned_mapping::record::SourceRecord;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::contract::{DocumentKind, Waiting};
use milestoned_mapping::fact::Leg;
use milestoned_mapping::money::{Currency, Money};
use milestoned_trail::rows::named;
use serde::Serialize;
use utoipa::ToSchema;

use super::action::Action;
use super::actor::Actor;
use super::attest::Session;
use super::attested::{APPROVAL, FACT, OUTBOX, REVIEW};
use super::audit::{self, Entry};
use super::intake::{NewFact, insert_fact};
use super::session::{Row, Sql, among, cells, values};
use super::{Store, StoreError, Verb, instant, json, next_revision, parse};

/// What people said last about one thing that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mark {
    /// Who looks after it.
    pub owner: Option<String>,
    /// Until when nobody is reminded of it.
    #[schema(value_type = Option<String>, format = Date)]
    pub snoozed_until: Option<Date>,
    /// What somebody wrote down about it last.
    pub note: Option<String>,
}

/// What is to be said about one thing that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is this person's; nobody's.
    Assign(Option<String>),
    /// Nobody is reminded before this date; again from now on.
    Snooze(Option<Date>),
    /// Something worth knowing.
    Note(String),
}

/// What a person's word about a contract weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weight {
    /// It counts, and so does what others had said that waited for it.
    Counts {
        /// Rows of their facts.
        with: Vec<i64>,
    },
    /// It waits for another person; why.
    Waits(String),
}

/// A record of a connection that shows what an exception is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownBy {
    /// Contract.
    pub contract: String,
    /// Leg.
    pub leg: Leg,
    /// Milestone that the record shows; none: the whole contract.
    pub milestone: Option<String>,
    /// Connection.
    pub system: String,
    /// The vendor's object type.
    pub object: String,
    /// The vendor's id.
    pub id: String,
    /// What the vendor sent of it last; none: it was not kept, or could not be read.
    pub raw: Option<String>,
}

/// A document that its ERP has not got, as far as anybody knows, or has not posted.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// Contract.
    pub contract: String,
    /// Number.
    pub number: String,
    /// Kind.
    pub kind: DocumentKind,
    /// Amount.
    pub amount: Money,
}

macro_rules! undelivered {
    ($state:literal) => {
        concat!(
            "SELECT d.contract, d.kind, d.amount, d.currency, d.number FROM outbox AS o JOIN document AS d ON d.number = o.subject
             AND d.posting = o.key WHERE ",
            $state
        )
    };
}

/// Of all contracts, or of some: statements of their own, so that each is found by an index.
macro_rules! all_undelivered {
    ($($which:tt)*) => {
        concat!(
            undelivered!("o.state IN ('pending', 'sending', 'unknown', 'parked')"),
            $($which)*,
            " UNION ALL ",
            undelivered!(
                "o.state = 'dismissed' AND NOT EXISTS (SELECT 1 FROM fact AS f WHERE f.contract = o.contract
                 AND f.identity = 'withdrawn:' || o.key)"
            ),
            $($which)*,
            " UNION ALL ",
            // In this order: SQLite takes it as said, and would else look through all documents for the few that are not posted.
            "SELECT d.contract, d.kind, d.amount, d.currency, d.number FROM unposted AS u CROSS JOIN document AS d
             CROSS JOIN outbox AS o WHERE d.number = u.number AND d.target = u.system AND o.key = d.posting AND o.state = 'done'",
            $($which)*
        )
    };
}

const UNDELIVERED_OF: Sql = Sql {
    postgres: all_undelivered!(concat!(" AND ", among!(postgres, "o.contract", "$1"))),
    sqlite: all_undelivered!(concat!(" AND ", among!(sqlite, "o.contract", "$1"))),
};

/// Statements of their own, so that some contracts are found by their index.
macro_rules! shown_by {
    ($($which:tt)*) => {
        concat!(
            "SELECT s.contract, s.leg, s.milestone, s.system, s.object, s.remote_id, (SELECT r.record FROM source_record AS r
                WHERE r.system = s.system AND r.object = s.object AND r.remote_id = s.remote_id ORDER BY r.id DESC LIMIT 1)
             FROM (SELECT DISTINCT p.contract, p.leg, p.milestone, p.system, p.object, p.remote_id
                FROM exception AS e JOIN leg_part AS p ON p.contract = e.contract AND p.leg = e.leg
                AND (p.milestone IS NULL OR p.milestone = e.milestone) WHERE e.closed_on IS NULL",
            $($which)*,
            ") AS s ORDER BY s.contract, s.leg, s.system, s.object, s.remote_id"
        )
    };
}

const SHOWN_BY_OF: Sql = Sql {
    postgres: shown_by!(concat!(" AND ", among!(postgres, "e.contract", "$1"))),
    sqlite: shown_by!(concat!(" AND ", among!(sqlite, "e.contract", "$1"))),
};

macro_rules! approvals {
    ($($which:tt)*) => {
        concat!(
            "SELECT contract, milestone, since, amount, currency, shown, void FROM approval",
            $($which)*,
            " ORDER BY contract, since, milestone"
        )
    };
}

const APPROVALS_OF: Sql = Sql {
    postgres: approvals!(concat!(" WHERE ", among!(postgres, "contract", "$1"))),
    sqlite: approvals!(concat!(" WHERE ", among!(sqlite, "contract", "$1"))),
};

/// Agreements of some contracts; `$1` is a JSON list of their ids.
const AGREEMENTS: Sql = Sql {
    postgres: "SELECT id, customer, agreement FROM contract
               WHERE id = ANY (ARRAY (SELECT json_array_elements_text(CAST(CAST($1 AS TEXT) AS json))))",
    sqlite: "SELECT id, customer, agreement FROM contract WHERE id IN (SELECT value FROM json_each($1))",
};

/// What people said of some things; `$1` is a JSON list of their subjects.
const MARKS: Sql = Sql {
    postgres: concat!(
        "SELECT subject, assignee, snoozed_until, note FROM review WHERE ",
        among!(postgres, "subject", "$1")
    ),
    sqlite: concat!(
        "SELECT subject, assignee, snoozed_until, note FROM review WHERE ",
        among!(sqlite, "subject", "$1")
    ),
};

/// All that is written down about what waits for approval of a contract, anew.
pub(super) fn keep_approvals(tx: &Session<'_>, contract: &str, rows: &[Waiting]) -> Result<(), StoreError> {
    tx.delete(&APPROVAL, "DELETE FROM approval WHERE contract = $1 RETURNING mac", values![contract])?;
    for row in rows {
        let (since, amount, shown) = (row.since.to_string(), row.amount.to_string(), json(&row.shown)?);
        let (currency, void) = (row.amount.currency(), row.void.as_ref().map(json).transpose()?);
        let told = cells![contract, &row.milestone, &since, &amount, currency.code(), &shown, &void];
        let code = tx.code(&APPROVAL, &told, &[])?;
        tx.run(
            "INSERT INTO approval (contract, milestone, since, amount, currency, shown, void, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            values![contract, row.milestone, since, amount, currency.code(), shown, void, code],
        )?;
        tx.inserted(&APPROVAL, 0, &code);
    }
    Ok(())
}

fn read_approval(row: &Row<'_>) -> Result<(String, Waiting), StoreError> {
    let contract: String = row.get(0)?;
    let currency: Currency = row.parsed(4, "approval.currency")?;
    let void: Option<String> = row.get(6)?;
    let waiting = Waiting {
        milestone: row.get(1)?,
        since: row.parsed(2, "approval.since")?,
        amount: row.money(3, currency, "approval.amount")?.unwrap_or_else(|| currency.minor(0)),
        shown: parse("approval", "shown", &contract, &row.get::<String>(5)?)?,
        void: void.map(|void| parse("approval", "void", &contract, &void)).transpose()?,
    };
    Ok((contract, waiting))
}

impl Store {
    /// Milestones whose invoice waits for a reviewer: of some contracts, or of all, by contract.
    ///
    /// # Errors
    /// The database failed.
    pub fn approvals(&self, contracts: Option<Vec<String>>) -> Verb<'_, Vec<(String, Waiting)>> {
        self.read(move |tx| match contracts {
            Some(ids) => tx.all(APPROVALS_OF, values![json(&ids)?], read_approval),
            None => tx.all(approvals!(""), values![], read_approval),
        })
    }

    /// Documents that their ERP has not got (on their way, in doubt, refused or given up) or not posted. Of some contracts, or of
    /// all.
    ///
    /// # Errors
    /// The database failed.
    pub fn undelivered(&self, contracts: Option<Vec<String>>) -> Verb<'_, Vec<Undelivered>> {
        self.read(move |tx| match contracts {
            Some(ids) => tx.all(UNDELIVERED_OF, values![json(&ids)?], read_undelivered),
            None => tx.all(all_undelivered!(""), values![], read_undelivered),
        })
    }

    /// What people said about some things that wait, by the text of their subject.
    ///
    /// # Errors
    /// The database failed.
    pub fn marks(&self, subjects: Vec<String>) -> Verb<'_, BTreeMap<String, Mark>> {
        self.read(move |tx| {
            let rows = tx.all(MARKS, values![json(&subjects)?], |row| {
                let snoozed_until = row.parsed_option(2, "review.snoozed_until")?;
                Ok((row.get(0)?, Mark { owner: row.get(1)?, snoozed_until, note: row.get(3)? }))
            })?;
            Ok(rows.into_iter().collect())
        })
    }

    /// Somebody says something about a thing that waits.
    ///
    /// # Errors
    /// The database failed.
    pub fn say_of(&self, subject: String, change: Change, line: Entry, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let (column, value) = match &change {
                Change::Assign(to) => (ASSIGN, to.clone()),
                Change::Snooze(until) => (SNOOZE, until.map(|date| date.to_string())),
                Change::Note(text) => (NOTE, Some(text.clone())),
            };
            tx.overwrite(&REVIEW, values![subject], || tx.run(column, values![subject, value]))?;
            audit::append(tx, now, &[line])
        })
    }

    /// Stores what a person decided about a contract, with the audit line that says it in words. `false`: it is known.
    ///
    /// # Errors
    /// The database failed.
    pub fn tell(&self, fact: NewFact, weight: Weight, line: Entry, now: Timestamp) -> Verb<'_, bool> {
        self.write(move |tx| {
            let new = insert_fact(tx, &fact, None, now)?;
            if !new {
                return Ok(false);
            }
            let known = "SELECT id FROM fact WHERE contract = $1 AND identity = $2";
            let known = tx.one(known, values![fact.contract, fact.identity], |row| row.get::<i64>(0))?;
            match &weight {
                Weight::Counts { with } => {
                    let sql = "UPDATE fact SET problem = NULL WHERE id = $1 AND position IS NULL";
                    for row in with {
                        tx.change(&FACT, values![*row], || tx.run(sql, values![*row]))?;
                    }
                }
                Weight::Waits(why) => {
                    let sql = "UPDATE fact SET problem = $2 WHERE id = $1";
                    tx.change(&FACT, values![known], || tx.run(sql, values![known, why]))?;
                    // The revision makes cached queues read the contract again: it waits for a second person now.
                    let sql = concat!("UPDATE contract SET ", next_revision!(), " WHERE id = $1");
                    tx.run(sql, values![fact.contract])?;
                }
            }
            let told = tx.examine_one(&FACT, values![known])?;
            let attests = told.map(|told| named(FACT.name, &told.attested.digest));
            audit::append(tx, now, &[Entry { attests, ..line }])?;
            Ok(true)
        })
    }

    /// A person gives a refused delivery up; with it goes what follows for its contract, where something does. `false`: no
    /// delivery that waits for a person has this key, and nothing was written.
    ///
    /// # Errors
    /// The database failed.
    pub fn give_up(
        &self,
        key: String,
        (actor, reason): (Actor, String),
        follows: Option<NewFact>,
        now: Timestamp,
    ) -> Verb<'_, bool> {
        self.write(move |tx| {
            let given_up = tx.change(&OUTBOX, values![key], || {
                tx.one(
                    "UPDATE outbox SET state = 'dismissed', settled_at = $2 WHERE key = $1 AND state = 'parked'
                     RETURNING contract, subject",
                    values![key, instant(now)],
                    |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
                )
            })?;
            let Some((contract, subject)) = given_up else { return Ok(false) };
            if let Some(fact) = &follows {
                insert_fact(tx, fact, None, now)?;
            }
            let detail = format!("key {key}: {reason}");
            audit::append(tx, now, &[Entry::by(&actor, Action::DeliveryDismissed, Some(&contract), subject, detail)])?;
            Ok(true)
        })
    }

    /// Customer and agreement of some contracts, by id.
    ///
    /// # Errors
    /// The database failed.
    pub fn agreements(&self, ids: Vec<String>) -> Verb<'_, BTreeMap<String, (String, String)>> {
        self.read(move |tx| {
            let rows = tx.all(AGREEMENTS, values![json(&ids)?], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
            Ok(rows.into_iter().collect())
        })
    }

    /// The records that show what open exceptions of a leg are about: those of some contracts, or of all.
    ///
    /// # Errors
    /// The database failed.
    pub fn shown_by(&self, contracts: Option<Vec<String>>) -> Verb<'_, Vec<ShownBy>> {
        self.read(move |tx| match contracts {
            Some(ids) => tx.all(SHOWN_BY_OF, values![json(&ids)?], read_shown_by),
            None => tx.all(shown_by!(""), values![], read_shown_by),
        })
    }
}

fn read_undelivered(row: &Row<'_>) -> Result<Undelivered, StoreError> {
    let currency: Currency = row.parsed(3, "document.currency")?;
    Ok(Undelivered {
        contract: row.get(0)?,
        number: row.get(4)?,
        kind: row.parsed(1, "document.kind")?,
        amount: row.money(2, currency, "document.amount")?.unwrap_or_else(|| currency.minor(0)),
    })
}

fn read_shown_by(row: &Row<'_>) -> Result<ShownBy, StoreError> {
    Ok(ShownBy {
        contract: row.get(0)?,
        leg: row.parsed(1, "leg_part.leg")?,
        milestone: row.get(2)?,
        system: row.get(3)?,
        object: row.get(4)?,
        id: row.get(5)?,
        raw: row.get::<Option<String>>(6)?.and_then(|record| {
            let record: SourceRecord = serde_json::from_str(&record).ok()?;
            Some(record.raw)
        }),
    })
}

const ASSIGN: &str = "INSERT INTO review (subject, assignee) VALUES ($1, $2)
    ON CONFLICT (subject) DO UPDATE SET assignee = $2";
const SNOOZE: &str = "INSERT INTO review (subject, snoozed_until) VALUES ($1, $2)
    ON CONFLICT (subject) DO UPDATE SET snoozed_until = $2";
const NOTE: &str = "INSERT INTO review (subject, note) VALUES ($1, $2) ON CONFLICT (subject) DO UPDATE SET note = $2";
