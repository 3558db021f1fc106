//! Month-end closes: the figures of a month, prepared from the books and the ERPs' ledgers, looked at step by step, signed, and
//! frozen. What is learned of the month later is told beside the frozen figures, and changes none of them.
//!
//! `sheets` makes the figures from the contracts, `tie_out` compares them with a ledger, `steps` is the checklist, `package` writes
//! the files. What a package says is its figures and nothing else: made again it is the same, byte for byte.

pub mod package;
mod sheets;
pub mod steps;
mod tie_out;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::close::Balances;
use milestoned_mapping::money::Currency;
use milestoned_mapping::problem::Problem;
use milestoned_workbook::cell::Cell;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::export::rules_version;
use crate::environment::Environment;
use crate::known_balances::AtDate;
use crate::progress::Progress;
use crate::review::acts::{self, Refused, Word};
use crate::review::portfolio;
use crate::settings::Standard;
use crate::store::actor::Actor;
use crate::store::closes::{ClosePackage, Signed};
use crate::store::{StoreError, json, parse};

/// A month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(Date);

impl Month {
    /// The month of a date.
    pub fn of(date: Date) -> Self {
        Self(date.first_of_month())
    }

    /// Its first day.
    pub fn first(self) -> Date {
        self.0
    }

    /// Its last day.
    pub fn last(self) -> Date {
        self.0.last_of_month()
    }

    /// The one before it.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.yesterday().map_or(self.0, Date::first_of_month))
    }

    /// The one after it.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.last().tomorrow().unwrap_or(self.0))
    }

    /// In words: `March 2026`.
    pub fn in_words(self) -> String {
        self.0.strftime("%B %Y").to_string()
    }
}

impl std::str::FromStr for Month {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::new("month", format!("{text:?} is no month"), "write a month such as 2026-03");
        if text.len() != 7 {
            return Err(wrong());
        }
        format!("{text}-01").parse().map(Self).map_err(|_| wrong())
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.0.strftime("%Y-%m"))
    }
}

/// A table of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// Its name: of the tab of the workbook, and the key of the JSON.
    pub name: String,
    /// What it shows, in a sentence.
    pub note: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// What a row says in a column.
    pub fn said(&self, row: &[Cell], column: &str) -> String {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| row.get(place)).map(Cell::shown).unwrap_or_default()
    }

    fn new(name: &str, note: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { name: name.into(), note: note.into(), columns, rows: Vec::new() }
    }

    /// The name as it stands in an address.
    pub fn part(&self) -> String {
        part_of(&self.name)
    }
}

fn part_of(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

/// Balances of a contract at the end of the month, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Currency.
    pub currency: Currency,
    /// Balances.
    pub balances: Balances,
}

/// All that a package says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Month, such as `2026-03`.
    pub month: String,
    /// Whose words the balances bear.
    pub standard: Standard,
    /// When it was prepared, UTC.
    pub prepared_at: Timestamp,
    /// Who prepared it.
    pub prepared_by: Actor,
    /// The newest line of the audit trail then.
    pub audit: i64,
    /// Version of the rules.
    pub rules: String,
    /// What was found at each step of the checklist.
    pub findings: Vec<steps::Finding>,
    /// Tables.
    pub sheets: Vec<Sheet>,
    /// The postings from the first through the last of the month as an hledger journal, with the balances before them.
    pub journal: String,
    /// Closing balances, by contract.
    pub closing: BTreeMap<String, Closing>,
}

/// Prepares the figures of a month and keeps them in the place of former ones that nobody has signed. `progress`: of the contracts.
///
/// # Errors
/// The month is not over, or signed; the store failed.
pub async fn prepare(env: &Environment, month: Month, by: &Actor, progress: &Progress) -> Result<Figures, Refused> {
    is_over(env, month)?;
    if env.store.close_package(month.to_string()).await?.is_some_and(|package| package.signed.is_some()) {
        return Err(signed_already(month));
    }
    let figures = sheets::figures(env, month, by, progress).await?;
    let text = json(&figures)?;
    let package = ClosePackage {
        month: month.to_string(),
        prepared_by: by.clone(),
        prepared_at: figures.prepared_at,
        digest: digest(text.as_bytes()),
        figures: text,
        signed: None,
    };
    if !env.store.keep_close_package(package).await? {
        return Err(signed_already(month));
    }
    Ok(figures)
}

/// The figures of a month as everything is known now; nothing is kept.
///
/// # Errors
/// The store failed.
pub async fn look(env: &Environment, month: Month, by: &Actor) -> Result<Figures, StoreError> {
    sheets::figures(env, month, by, &Progress::default()).await
}

fn signed_already(month: Month) -> Refused {
    let remedy = "what is learned of it later stands on its page as adjustments";
    Refused::Contradicted(Problem::new("month", format!("{} is signed", month.in_words()), remedy))
}

fn is_over(env: &Environment, month: Month) -> Result<(), Refused> {
    // On the last of the meridians the month is over when it is over everywhere.
    let everywhere = env.clock.now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-12))).date();
    if month.last() < everywhere {
        return Ok(());
    }
    let reason = format!("{} is not over everywhere", month.in_words());
    Err(Refused::Invalid(Problem::new("month", reason, "close a month that is over")))
}

/// SHA-256, hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The package of a month with its figures.
///
/// # Errors
/// Nobody has prepared the month, or the store failed.
pub async fn kept(env: &Environment, month: Month) -> Result<(ClosePackage, Figures), Refused> {
    let missing = || {
        let remedy = format!("prepare it: `milestoned close prepare {month}`, or on the page /closes");
        Refused::Missing(Problem::new("month", format!("nobody has prepared {}", month.in_words()), remedy))
    };
    let package = env.store.close_package(month.to_string()).await?.ok_or_else(missing)?;
    let figures = parse("close_package", "figures", &package.month, &package.figures)?;
    Ok((package, figures))
}

/// Signs the package that was shown: its figures are frozen, and all dates through the month's end are closed. `looked_at`: steps
/// at which something was found and which the signer has looked at now.
///
/// # Errors
/// The figures are others than those that were shown; a step is open; the signer prepared it and two people are needed.
pub async fn sign(
    env: &Environment,
    month: Month,
    shown: &str,
    looked_at: &[String],
    word: &Word,
) -> Result<(), Refused> {
    let (package, figures) = kept(env, month).await?;
    if package.signed.is_some() {
        return Err(signed_already(month));
    }
    if package.digest != shown {
        let reason = "the figures were prepared anew since they were shown";
        return Err(Refused::Contradicted(Problem::new(
            "digest",
            reason,
            "look at them again, and sign what stands there",
        )));
    }
    if env.settings.close.two_people && package.prepared_by == word.actor() {
        let reason = format!("{} prepared the figures", word.actor());
        return Err(Refused::Excluded(Problem::new("close.two_people", reason, "somebody else has to sign")));
    }
    for step in looked_at {
        steps::look_at(env, month, step, word).await?;
    }
    let open = steps::open(&steps::steps(env, month, &figures).await?);
    if !open.is_empty() {
        let reason = format!("nobody has looked at: {}", open.join(", "));
        return Err(Refused::Invalid(Problem::new("steps", reason, "look at each, and say so")));
    }
    let text = format!("milestoned close {month} {}", package.digest);
    let (public_key, signature) = env.key.sign(&text).ok_or_else(|| {
        Refused::Invalid(Problem::new("key", "this machine cannot sign", "see the log, and tell the maintainers"))
    })?;
    let signed = Signed { by: word.actor(), at: env.clock.now(), public_key, signature };
    acts::close_dates(env, None, month.last(), word).await?;
    if !env.store.sign_close(month.to_string(), package.digest, signed, word.reason().to_owned()).await? {
        return Err(signed_already(month));
    }
    Ok(())
}

/// A balance that would be another, had everything been known then that is known now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adjustment {
    /// Contract.
    pub contract: String,
    /// Which balance, in the words of the standard.
    pub balance: &'static str,
    /// Currency.
    pub currency: String,
    /// As it was frozen.
    pub frozen: String,
    /// As it is known now.
    pub known: String,
    /// What lies between the two.
    pub difference: String,
}

/// What is known now of the balances at the end of a month and was not when its figures were frozen. It is booked on the first
/// open date; the figures stay.
///
/// # Errors
/// The store failed.
pub async fn adjustments(env: &Environment, month: Month, figures: &Figures) -> Result<Vec<Adjustment>, StoreError> {
    let labels = figures.standard.labels();
    let mut found = Vec::new();
    let none = Balances::default();
    let mut now = env.balances.lock().await;
    follow(env, month.last(), &mut now).await?;
    let ids: BTreeSet<&String> = figures.closing.keys().chain(now.balances.keys()).collect();
    for id in ids {
        let (then, known) = (figures.closing.get(id), now.balances.get(id));
        let currency = then.map(|closing| closing.currency).or(known.map(|(currency, _)| *currency));
        let Some(currency) = currency else { continue };
        let (frozen, known) = (then.map_or(none, |closing| closing.balances), known.map_or(none, |(_, known)| *known));
        let pairs = [
            (labels.receivable, frozen.receivable, known.receivable),
            (labels.unbilled, frozen.unbilled, known.unbilled),
            (labels.asset, frozen.asset, known.asset),
            (labels.liability, frozen.liability, known.liability),
            ("Revenue to date", frozen.revenue, known.revenue),
            ("Payments to date", frozen.cash, known.cash),
        ];
        found.extend(pairs.into_iter().filter(|(_, then, now)| then != now).map(|(balance, then, now)| Adjustment {
            contract: id.clone(),
            balance,
            currency: currency.to_string(),
            frozen: currency.money(then).to_string(),
            known: currency.money(now).to_string(),
            difference: currency.money(now - then).to_string(),
        }));
    }
    Ok(found)
}

/// Adjustments as a table.
pub fn adjusted(adjustments: &[Adjustment]) -> Sheet {
    let note = "What is known now of the balances at the end of the month and was not when its figures were frozen.";
    let columns = ["Contract", "Balance", "Currency", "Frozen", "As known now", "Difference"];
    let mut sheet = Sheet::new("Adjustments", note, &columns);
    sheet.rows.extend(adjustments.iter().map(|adjustment| {
        let Adjustment { contract, balance, currency, frozen, known, difference } = adjustment;
        let mut row = vec![Cell::text(contract), Cell::text(balance), Cell::text(currency)];
        row.extend([frozen, known, difference].map(|amount| Cell::Amount(amount.clone())));
        row
    }));
    sheet
}

/// Computes the balances at the end of a date of the contracts that were decided about since they were computed last.
async fn follow(env: &Environment, date: Date, known: &mut AtDate) -> Result<(), StoreError> {
    if known.on != Some(date) {
        *known = AtDate { on: Some(date), ..AtDate::default() };
    }
    let revisions: BTreeMap<String, i64> = env.store.revisions().await?.into_iter().collect();
    let is_new = |(id, revision): &(&String, &i64)| known.revisions.get(*id) != Some(*revision);
    let changed: Vec<String> = revisions.iter().filter(is_new).map(|(id, _)| id.clone()).collect();
    for ids in changed.chunks(portfolio::AT_ONCE) {
        for contract in portfolio::states(env, ids).await? {
            let (id, currency) = (contract.terms().id().to_owned(), contract.terms().currency());
            let balances = contract.balances_known_at(date);
            if balances == Balances::default() {
                known.balances.remove(&id);
            } else {
                known.balances.insert(id, (currency, balances));
            }
        }
    }
    known.revisions = revisions;
    Ok(())
}

/// Version of the rules that the figures follow from.
fn version() -> String {
    rules_version()
}
