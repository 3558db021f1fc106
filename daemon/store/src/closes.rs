//! Month-end closes: who looks after which step of a month, the month's package, and what people have judged.

use jiff::Timestamp;
use milestoned_mapping::fact::Fact;

use super::action::Action;
use super::actor::Actor;
use super::attested::{CLOSE_PACKAGE, CLOSE_STEP};
use super::audit::{self, Entry};
use super::session::{Row, values};
use super::{Store, StoreError, Verb, instant};

/// A step of a month's close, as far as people have said something about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseStep {
    /// Month, such as `2026-03`.
    pub month: String,
    /// Its name.
    pub step: String,
    /// Who looks after it.
    pub owner: Option<String>,
    /// Who has looked at it, and when.
    pub done: Option<(Actor, Timestamp)>,
    /// What they wrote.
    pub note: String,
}

/// The package of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosePackage {
    /// Month, such as `2026-03`.
    pub month: String,
    /// Who prepared it.
    pub prepared_by: Actor,
    /// When.
    pub prepared_at: Timestamp,
    /// All that it says, JSON.
    pub figures: String,
    /// SHA-256 of the figures, hexadecimal.
    pub digest: String,
    /// Once it is signed.
    pub signed: Option<Signed>,
}

/// Who signed a package, and the house's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Who.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// The house's public key, hexadecimal.
    pub public_key: String,
    /// Its signature, hexadecimal.
    pub signature: String,
}

/// A fact that somebody told, with who and when.
#[derive(Debug, Clone)]
pub struct Told {
    /// Contract.
    pub contract: String,
    /// The fact.
    pub fact: Fact,
    /// Who told it.
    pub actor: Actor,
    /// When it was learned.
    pub learned_at: Timestamp,
}

const PACKAGE: &str =
    "SELECT month, prepared_by, prepared_at, figures, digest, signed_by, signed_at, public_key, signature
    FROM close_package WHERE month = $1";

fn read_package(row: &Row<'_>) -> Result<ClosePackage, StoreError> {
    let by: Option<String> = row.get(5)?;
    let signed = match (by, row.parsed_option(6, "close_package.signed_at")?) {
        (Some(by), Some(at)) => Some(Signed {
            by: by.into(),
            at,
            public_key: row.get::<Option<String>>(7)?.unwrap_or_default(),
            signature: row.get::<Option<String>>(8)?.unwrap_or_default(),
        }),
        _ => None,
    };
    Ok(ClosePackage {
        month: row.get(0)?,
        prepared_by: row.actor(1)?,
        prepared_at: row.parsed(2, "close_package.prepared_at")?,
        figures: row.get(3)?,
        digest: row.get(4)?,
        signed,
    })
}

impl Store {
    /// The package of a month; `None`: nobody has prepared one.
    ///
    /// # Errors
    /// The database failed, or the row is not attested.
    pub fn close_package(&self, month: String) -> Verb<'_, Option<ClosePackage>> {
        self.read(move |tx| {
            let genuine = tx.examine_one(&CLOSE_PACKAGE, values![month])?.is_none_or(|row| row.genuine);
            if !genuine {
                return Err(StoreError::Unattested { table: "close_package", row: month });
            }
            tx.one(PACKAGE, values![month], read_package)
        })
    }

    /// Months that have a package, the newest first, without what it says.
    ///
    /// # Errors
    /// The database failed.
    pub fn close_packages(&self) -> Verb<'_, Vec<ClosePackage>> {
        self.read(|tx| {
            let sql = "SELECT month, prepared_by, prepared_at, '', digest, signed_by, signed_at, public_key, signature
                FROM close_package ORDER BY month DESC";
            tx.all(sql, values![], read_package)
        })
    }

    /// Keeps a package that was prepared in the place of a former one. `false`: the month is signed, and stays as it is.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_close_package(&self, package: ClosePackage) -> Verb<'_, bool> {
        self.write(move |tx| {
            let ClosePackage { month, prepared_by, prepared_at, figures, digest, .. } = package;
            let at = instant(prepared_at);
            let kept = tx.change(&CLOSE_PACKAGE, values![month], || {
                tx.run(
                    "INSERT INTO close_package (month, prepared_by, prepared_at, figures, digest) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (month) DO UPDATE SET prepared_by = $2, prepared_at = $3, figures = $4, digest = $5
                     WHERE close_package.signed_at IS NULL",
                    values![month, prepared_by.name(), at, figures, digest],
                )
            })?;
            if kept == 1 {
                let line = Entry::by(&prepared_by, Action::ClosePrepared, None, month, format!("figures {digest}"));
                audit::append(tx, prepared_at, &[line])?;
            }
            Ok(kept == 1)
        })
    }

    /// Signs the package with this digest. `false`: another one stands there now, or the month is signed.
    ///
    /// # Errors
    /// The database failed.
    pub fn sign_close(&self, month: String, digest: String, signed: Signed, reason: String) -> Verb<'_, bool> {
        self.write(move |tx| {
            let at = instant(signed.at);
            let done = tx.change(&CLOSE_PACKAGE, values![month], || {
                tx.run(
                    "UPDATE close_package SET signed_by = $3, signed_at = $4, public_key = $5, signature = $6
                     WHERE month = $1 AND digest = $2 AND signed_at IS NULL",
                    values![month, digest, signed.by.name(), at, signed.public_key, signed.signature],
                )
            })?;
            if done == 1 {
                let detail = format!("figures {digest}: {reason}");
                audit::append(tx, signed.at, &[Entry::by(&signed.by, Action::CloseSigned, None, month, detail)])?;
            }
            Ok(done == 1)
        })
    }

    /// What people have said about the steps of a month.
    ///
    /// # Errors
    /// The database failed.
    pub fn close_steps(&self, month: String) -> Verb<'_, Vec<CloseStep>> {
        self.read(move |tx| {
            let sql =
                "SELECT month, step, owner, done_by, done_at, note FROM close_step WHERE month = $1 ORDER BY step";
            tx.all(sql, values![month], |row| {
                let by: Option<String> = row.get(3)?;
                let at: Option<Timestamp> = row.parsed_option(4, "close_step.done_at")?;
                Ok(CloseStep {
                    month: row.get(0)?,
                    step: row.get(1)?,
                    owner: row.get(2)?,
                    done: by.map(Actor::from).zip(at),
                    note: row.get(5)?,
                })
            })
        })
    }

    /// Writes down who looks after a step, or that somebody has looked at it.
    ///
    /// # Errors
    /// The database failed.
    pub fn keep_close_step(&self, step: CloseStep, actor: Actor, now: Timestamp) -> Verb<'_, ()> {
        self.write(move |tx| {
            let CloseStep { month, step, owner, done, note } = step;
            let (by, at) = (done.as_ref().map(|(by, _)| by.to_string()), done.as_ref().map(|(_, at)| instant(*at)));
            tx.overwrite(&CLOSE_STEP, values![month, step], || {
                tx.run(
                    "INSERT INTO close_step (month, step, owner, done_by, done_at, note) VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (month, step) DO UPDATE SET owner = $3, done_by = $4, done_at = $5, note = $6",
                    values![month, step, owner, by, at, note],
                )
            })?;
            let owner = owner.map_or_else(String::new, |owner| format!(", {owner} looks after it"));
            let detail = match by {
                Some(_) => format!("looked at{owner}: {note}"),
                None => format!("open{owner}"),
            };
            audit::append(tx, now, &[Entry::by(&actor, Action::CloseStep, None, format!("{month} {step}"), detail)])
        })
    }

    /// Facts of all contracts that were learned from one instant on and before another and may be somebody's judgement: what
    /// was overruled, adopted, withdrawn, estimated, or dated otherwise than it was learned.
    ///
    /// # Errors
    /// The database failed.
    pub fn judgements(&self, from: Timestamp, until: Timestamp) -> Verb<'_, Vec<Told>> {
        self.read(move |tx| {
            let sql = r#"SELECT contract, fact, actor, learned_at FROM fact WHERE learned_at >= $1 AND learned_at < $2
                AND position IS NOT NULL AND (fact LIKE '%"type":"overrule"%' OR fact LIKE '%"type":"adopted"%'
                OR fact LIKE '%"type":"withdrawn"%' OR fact LIKE '%"type":"cost"%' OR fact LIKE '%"on":"%') ORDER BY id"#;
            tx.all(sql, values![instant(from), instant(until)], read_told)
        })
    }

    /// Rejections of all contracts, in the order in which they were learned.
    ///
    /// # Errors
    /// The database failed.
    pub fn rejections(&self) -> Verb<'_, Vec<Told>> {
        self.read(|tx| {
            let sql = r#"SELECT contract, fact, actor, learned_at FROM fact WHERE position IS NOT NULL
                AND fact LIKE '%"type":"rejected"%' ORDER BY id"#;
            tx.all(sql, values![], read_told)
        })
    }
}

fn read_told(row: &Row<'_>) -> Result<Told, StoreError> {
    Ok(Told {
        contract: row.get(0)?,
        fact: super::parse("fact", "fact", "", &row.get::<String>(1)?)?,
        actor: row.actor(2)?,
        learned_at: row.parsed(3, "fact.learned_at")?,
    })
}
