//! Whether the world is as it must be. What the ERP holds is read from the simulated ERP, never from the daemon.

use std::collections::{BTreeMap, BTreeSet};

use milestoned::cli::status::rebuild;
use milestoned_mapping::command::Side;
use milestoned_mapping::contract::{Contract, DocumentKind};
use milestoned_mapping::postings::journal_entry_number;
use rust_decimal::Decimal;

use super::world::{CONTRACT, World};

/// What holds at any moment.
pub(super) fn always(world: &World) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for document in world.documents() {
        let live = document.status != "voided";
        anyhow::ensure!(!live || seen.insert(document.number.clone()), "1: the ERP holds {} twice", document.number);
        let milestone = world.milestones.iter().find(|one| document.number == format!("{CONTRACT}-{}", one.id));
        anyhow::ensure!(
            document.kind != "invoice" || milestone.is_none_or(|one| one.ever_accepted),
            "2: the ERP holds {} and it was never accepted",
            document.number
        );
    }
    Ok(())
}

/// What holds once troubles have stopped and time has passed.
pub(super) fn at_last(world: &mut World) -> anyhow::Result<()> {
    always(world)?;
    let open = world
        .ask(|app| async move { app.store.deliveries(None, &["pending", "sending", "unknown", "parked"]).await })??;
    if open.iter().any(|one| one.fault.as_deref().is_some_and(|fault| fault.contains("refresh token is refused"))) {
        // A crash between the vendor's answer and our keeping it has cost the refresh token: a person connects again.
        return Ok(());
    }
    let open: Vec<_> = open
        .iter()
        .filter(|one| !is_consequence(world, &one.subject))
        .map(|one| format!("{} {} {}: {}", one.kind, one.subject, one.state, one.fault.as_deref().unwrap_or_default()))
        .collect();
    anyhow::ensure!(open.is_empty(), "7: deliveries are left: {open:?}");

    let row = world.ask(|app| async move { app.store.contract(CONTRACT.into()).await })??;
    let row = row.ok_or_else(|| anyhow::anyhow!("7: the contract is gone"))?;
    let replayed = {
        let row = row.clone();
        world.ask(|app| async move { rebuild(&app, &row).await })??
    };
    anyhow::ensure!(serde_json::to_string(&replayed)? == row.state, "5: a replay gives another state");
    let contract: Contract = serde_json::from_str(&row.state)?;
    documents(world, &contract)?;
    invoiced(world, &contract)?;
    payments(world, &contract)?;

    let chain = world.ask(|app| async move { app.store.verify_audit(Vec::new()).await })??;
    anyhow::ensure!(chain.broken.is_none(), "6: the audit chain is broken: {chain:?}");
    let work = world.ask(|app| async move { app.store.work(CONTRACT.into()).await })??;
    let waiting = work.map(|work| work.pending.len()).unwrap_or_default();
    let parked = world.ask(|app| async move { app.store.parked_facts().await })??;
    anyhow::ensure!(waiting == 0 && parked.is_empty(), "7: {waiting} facts wait, {} are parked", parked.len());
    let now = world.now();
    let hints = world.ask(|app| async move { app.store.hints_due("jira".into(), now, 100).await })??;
    anyhow::ensure!(hints.is_empty(), "7: {} hints were never followed", hints.len());
    Ok(())
}

/// A credit memo or supplement of an invoice that the accountant has voided cannot be applied any more: a person decides.
fn is_consequence(world: &World, subject: &str) -> bool {
    world.voided.iter().any(|number| subject.starts_with(number.as_str()))
}

fn plain(amount: &str) -> String {
    amount.parse::<Decimal>().map_or_else(|_| amount.into(), |amount| amount.normalize().to_string())
}

/// 4: what the ERP holds is what the rules say.
fn documents(world: &World, contract: &Contract) -> anyhow::Result<()> {
    let mut wanted: BTreeMap<String, (&str, String, String)> = BTreeMap::new();
    for document in contract.documents() {
        let kind = if document.kind == DocumentKind::CreditMemo { "credit_memo" } else { "invoice" };
        wanted.insert(document.number.clone(), (kind, plain(&document.amount.to_string()), document.date.to_string()));
    }
    for entry in contract.journal() {
        let lines = contract.revenue_entry(entry.date);
        let debits: Decimal =
            lines.iter().filter(|line| line.side == Side::Debit).map(|line| line.amount.decimal()).sum();
        if !lines.is_empty() && entry.date < contract.as_of() {
            let number = journal_entry_number(CONTRACT, world.erp, entry.date);
            wanted.insert(number, ("journal_entry", debits.normalize().to_string(), entry.date.to_string()));
        }
    }
    let held: BTreeMap<String, (&str, String, String)> = world
        .documents()
        .into_iter()
        .map(|one| {
            let amount = wanted.get(&one.number).filter(|_| one.status == "voided").map(|said| said.1.clone());
            (one.number, (one.kind, amount.unwrap_or_else(|| plain(&one.amount)), one.date))
        })
        .collect();
    for (number, said) in &wanted {
        let is = held.get(number);
        anyhow::ensure!(
            is == Some(said) || is_consequence(world, number),
            "4: {number}: the rules say {said:?}, the ERP holds {is:?}"
        );
    }
    let unknown: Vec<&String> = held.keys().filter(|number| !wanted.contains_key(*number)).collect();
    anyhow::ensure!(unknown.is_empty(), "4: the ERP holds {unknown:?}, of which the rules know nothing");
    Ok(())
}

/// 3: accepted, held by nothing, and not invoiced.
fn invoiced(world: &World, contract: &Contract) -> anyhow::Result<()> {
    for milestone in world.milestones.iter().filter(|one| one.accepted) {
        let number = format!("{CONTRACT}-{}", milestone.id);
        let held = contract.exceptions().iter().any(|one| {
            one.closed_on.is_none()
                && one.severity.to_string() == "blocking"
                && one.milestone.as_ref().is_none_or(|of| *of == milestone.id)
        });
        let there = world.documents().iter().any(|one| one.number == number);
        anyhow::ensure!(there || held, "3: {} is accepted, nothing holds it, and it is not invoiced", milestone.id);
    }
    Ok(())
}

/// 8: payments are known once.
fn payments(world: &World, contract: &Contract) -> anyhow::Result<()> {
    let wanted: u64 = world.paid.values().sum();
    let cash = plain(&contract.position().cash.to_string());
    let unmatched = contract.exceptions().iter().any(|one| one.code.to_string() == "UNMATCHED_PAYMENT");
    // A payment beyond what is open on its invoice, credit memos counted, is no entry: a person applies it (section 7).
    anyhow::ensure!(
        unmatched || cash == plain(&wanted.to_string()),
        "8: {wanted} were paid, the contract knows of {cash}"
    );
    Ok(())
}
