//! The demo's check of itself: what the simulated ERPs hold is exactly what the rules say.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_mapping::command::Side;
use milestoned_mapping::contract::DocumentKind;
use milestoned_mapping::postings::journal_entry_number;
use milestoned_mocks::ErpDocument;
use rust_decimal::Decimal;
use serde::Serialize;

use super::portfolio::Sample;
use super::world::World;
use crate::replay;
use crate::report::close::{self, Month, Sheet};
use crate::review::snapshot::utc_date;
use crate::store::actor::Actor;
use crate::store::outbox::Delivery;
use crate::store::vocabulary::DeliveryState;
use milestoned_workbook::cell::Cell;

/// A document, in the words that both sides share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Entry {
    pub(super) number: String,
    pub(super) kind: &'static str,
    pub(super) date: String,
    pub(super) currency: String,
    pub(super) amount: String,
}

/// What one ERP holds, and what the daemon says that it wrote there.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Erp {
    /// Documents that the simulator holds, written by us.
    pub(super) documents: Vec<Entry>,
    /// Count and sum by kind and currency, of the simulator's documents.
    pub(super) held: BTreeMap<String, Tally>,
    /// The same, of the daemon's own book.
    pub(super) own: BTreeMap<String, Tally>,
    /// Documents that others wrote: payments, and invoices by hand.
    pub(super) by_others: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Tally {
    pub(super) count: usize,
    pub(super) sum: String,
}

/// What an ERP's ledger says at the end of a month beside our books.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TieOut {
    pub(super) month: String,
    pub(super) erp: String,
    /// Accounts and currencies that were compared.
    pub(super) balances: usize,
    /// Those that differ.
    pub(super) differing: usize,
    /// Entries that the differences are made of, each by its number.
    pub(super) entries: Vec<String>,
}

/// Which ERPs there are.
pub(super) const ERPS: [&str; 2] = ["netsuite", "quickbooks"];

pub(super) struct Proof {
    pub(super) erps: BTreeMap<&'static str, Erp>,
    /// The tie-out of each month with each ERP's ledger.
    pub(super) ties: Vec<TieOut>,
    /// Where simulators and rules differ; empty: nowhere.
    pub(super) differences: Vec<String>,
}

/// Compares the simulated ERPs with the rules, the daemon's own book with the simulators, and its state with a replay.
pub(super) async fn prove(world: &World, samples: &[Sample]) -> anyhow::Result<Proof> {
    let mut differences = Vec::new();
    let mut erps = BTreeMap::new();
    for erp in ERPS {
        let all = match erp {
            "netsuite" => world.simulators.netsuite.documents(),
            _ => world.simulators.quickbooks.documents(),
        };
        let expected = expected(samples, erp);
        let ids: Vec<String> = samples.iter().map(|sample| format!("{}-", sample.id())).collect();
        let ours = |document: &ErpDocument| {
            document.kind != "payment"
                && (expected.iter().any(|entry| entry.number == document.number)
                    || ids.iter().any(|id| document.number.starts_with(id)))
        };
        let (ours, others): (Vec<_>, Vec<_>) = all.iter().partition(|document| ours(document));
        let mut documents: Vec<Entry> = ours.into_iter().map(entry).collect();
        // Deliveries run side by side: they are compared without regard to their order.
        documents.sort_by(|a, b| (&a.date, &a.number).cmp(&(&b.date, &b.number)));
        differences.extend(differing(erp, &expected, &documents));
        let deliveries = world.app.env.store.deliveries(None, &[DeliveryState::Done]).await?;
        let mut by_others: Vec<Entry> = others.into_iter().map(entry).collect();
        by_others.sort_by(|a, b| (&a.date, &a.number, &a.amount).cmp(&(&b.date, &b.number, &b.amount)));
        let own = own(erp, &deliveries);
        let held = tally(&documents);
        if own != held {
            differences.push(format!("{erp}: the daemon's own book says {own:?}, the ERP holds {held:?}"));
        }
        erps.insert(erp, Erp { documents, held, own, by_others });
    }
    let open = world.app.env.store.deliveries(None, DeliveryState::UNSETTLED).await?;
    differences.extend(open.iter().map(|delivery| {
        format!(
            "{} {} to {} is {}: {}",
            delivery.kind,
            delivery.subject,
            delivery.target,
            delivery.state,
            delivery.fault.as_deref().unwrap_or("")
        )
    }));
    for row in world.app.env.store.contracts().await? {
        if serde_json::to_string(&replay::contract(&world.app.env, &row).await?)? != row.state {
            differences.push(format!("contract {}: a replay of its facts gives another state", row.id));
        }
    }
    differences.extend(world.app.env.store.verify_audit(Vec::new()).await?.flaw());
    let ties = ties(world, &mut differences).await?;
    Ok(Proof { erps, ties, differences })
}

/// Ties out every month of the year that is over. An entry of ours that a ledger shows otherwise is a difference; what others
/// posted is named.
async fn ties(world: &World, differences: &mut Vec<String>) -> anyhow::Result<Vec<TieOut>> {
    let env = &world.app.env;
    let this = Month::of(utc_date(env.clock.now()));
    let (mut month, mut ties) = (this, Vec::new());
    for _ in 0..12 {
        month = month.before();
        let figures = close::look(env, month, &Actor::Daemon).await?;
        let sheet = |name: &str| figures.sheets.iter().find(|sheet| sheet.name == name);
        let (Some(balances), Some(entries)) = (sheet("Tie-out"), sheet("Differences")) else { continue };
        for erp in ERPS {
            let of_erp = |sheet: &Sheet| -> Vec<Vec<Cell>> {
                sheet.rows.iter().filter(|row| row.first().is_some_and(|cell| cell.shown() == erp)).cloned().collect()
            };
            let (of_it, rows) = (of_erp(balances), of_erp(entries));
            let differs =
                |row: &&Vec<Cell>| !balances.said(row, "Difference").parse::<Decimal>().unwrap_or_default().is_zero();
            differences.extend(rows.iter().filter(|row| !entries.said(row, "Contract").is_empty()).map(|row| {
                let said = |column: &str| entries.said(row, column);
                format!(
                    "{month}: {} of {} on {} is {} in the books and {} in the ledger of {erp}: {}",
                    said("Number"),
                    said("Contract"),
                    said("Account"),
                    said("In our books"),
                    said("In the ledger"),
                    said("Why")
                )
            }));
            let numbers: BTreeSet<String> = rows.iter().map(|row| entries.said(row, "Number")).collect();
            ties.push(TieOut {
                month: month.to_string(),
                erp: erp.to_owned(),
                balances: of_it.len(),
                differing: of_it.iter().filter(differs).count(),
                entries: numbers.into_iter().collect(),
            });
        }
    }
    ties.reverse();
    Ok(ties)
}

/// What the rules say that an ERP must hold.
fn expected(samples: &[Sample], erp: &str) -> BTreeSet<Entry> {
    let mut expected = BTreeSet::new();
    for sample in samples.iter().filter(|sample| sample.erp == erp) {
        let contract = sample.case.play();
        let currency = contract.terms().currency().to_string();
        for document in contract.documents() {
            let kind = if document.kind == DocumentKind::CreditMemo { "credit_memo" } else { "invoice" };
            expected.insert(Entry {
                number: document.number.clone(),
                kind,
                date: document.date.to_string(),
                currency: currency.clone(),
                amount: plain(&document.amount.to_string()),
            });
        }
        for entry in contract.journal() {
            let lines = contract.revenue_entry(entry.date);
            let debits: Decimal =
                lines.iter().filter(|line| line.side == Side::Debit).map(|line| line.amount.decimal()).sum();
            if !lines.is_empty() {
                expected.insert(Entry {
                    number: journal_entry_number(sample.id(), erp, entry.date, 1),
                    kind: "journal_entry",
                    date: entry.date.to_string(),
                    currency: currency.clone(),
                    amount: plain(&debits.to_string()),
                });
            }
        }
    }
    expected
}

fn differing(erp: &str, expected: &BTreeSet<Entry>, documents: &[Entry]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut seen = BTreeSet::new();
    for document in documents {
        if !seen.insert(document.number.clone()) {
            differences.push(format!("{erp} holds {} twice", document.number));
        }
        if !expected.contains(document) {
            let rule = expected.iter().find(|entry| entry.number == document.number);
            let rule = rule.map_or("nothing".to_owned(), |entry| format!("{entry:?}"));
            differences.push(format!("{erp} holds {document:?}, the rules say {rule}"));
        }
    }
    for missing in expected.iter().filter(|entry| !seen.contains(&entry.number)) {
        differences.push(format!("{erp} lacks {missing:?}"));
    }
    differences
}

fn entry(document: &ErpDocument) -> Entry {
    Entry {
        number: document.number.clone(),
        kind: document.kind,
        date: document.date.clone(),
        currency: document.currency.clone(),
        amount: plain(&document.amount),
    }
}

/// Amounts without trailing zeros: both sides write their own.
fn plain(amount: &str) -> String {
    amount.parse::<Decimal>().map_or_else(|_| amount.into(), |amount| amount.normalize().to_string())
}

fn tally(entries: &[Entry]) -> BTreeMap<String, Tally> {
    let mut sums: BTreeMap<String, (usize, Decimal)> = BTreeMap::new();
    for entry in entries {
        let sum = sums.entry(format!("{} {}", entry.kind, entry.currency)).or_default();
        sum.0 = sum.0.saturating_add(1);
        sum.1 = sum.1.saturating_add(entry.amount.parse().unwrap_or_default());
    }
    sums.into_iter().map(|(kind, (count, sum))| (kind, Tally { count, sum: sum.normalize().to_string() })).collect()
}

/// What the daemon's own book says that it wrote to an ERP.
fn own(erp: &str, deliveries: &[Delivery]) -> BTreeMap<String, Tally> {
    use milestoned_mapping::command::Command;
    let entries: Vec<Entry> = deliveries
        .iter()
        .filter(|delivery| delivery.target == erp)
        .filter_map(|delivery| {
            let (number, kind, date, amount, currency) = match delivery.command.as_ref()? {
                Command::Invoice(document) => {
                    (&document.number, "invoice", document.date, document.amount.decimal(), document.amount.currency())
                }
                Command::CreditMemo(document) => (
                    &document.number,
                    "credit_memo",
                    document.date,
                    document.amount.decimal(),
                    document.amount.currency(),
                ),
                Command::JournalEntry(entry) => {
                    let debits = entry.lines.iter().filter(|line| line.side == Side::Debit);
                    (
                        &entry.number,
                        "journal_entry",
                        entry.date,
                        debits.map(|line| line.amount.decimal()).sum(),
                        entry.lines.first()?.amount.currency(),
                    )
                }
                Command::AcceptanceRecord(_)
                | Command::BillingStatus(_)
                | Command::Customer { .. }
                | Command::InvoiceEmail(_)
                | Command::SalesOrder(_) => return None,
            };
            Some(Entry {
                number: number.clone(),
                kind,
                date: date.to_string(),
                currency: currency.to_string(),
                amount: plain(&amount.to_string()),
            })
        })
        .collect();
    tally(&entries)
}
