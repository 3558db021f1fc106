//! Dates: what is told late, months that are closed, and whether the books follow when things happened.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan as _};
use milestoned_mapping::command::{Account, JournalLine, Side};
use milestoned_mapping::contract::{Contract, DatedEntry};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rust_decimal::Decimal;
use serde_json::json;

use super::Scope;
use super::agreement::Agreement;
use super::books;
use super::company::Closing;
use super::world::World;

/// Some weeks pass.
pub(super) fn weeks_pass(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let weeks = dice.random_range(1..6);
    world.act("weeks pass", &format!("{weeks} weeks"));
    for _ in 0..weeks {
        world.advance(SignedDuration::from_hours(7 * 24));
        world.turn(None)?;
    }
    Ok(())
}

/// A person closes dates that are over everywhere: mostly months, also others.
pub(super) fn close(world: &mut World, dice: &mut StdRng) -> anyhow::Result<()> {
    let over = world.now().in_tz("Etc/GMT+12")?.date().yesterday()?;
    let month = over.tomorrow()?.first_of_month().yesterday()?;
    let through = if dice.random_bool(0.5) { month } else { over.checked_sub(dice.random_range(0..20).days())? };
    world.act("close", &through.to_string());
    let at = world.now();
    world.must("sue", "/v1/closed-dates", &json!({ "through": through, "reason": "it is reported" }))?;
    world.turn(None)?;
    let mut entries = BTreeMap::new();
    for place in 0..world.agreements.len() {
        let id = world.agreement(place)?.id;
        let contract = world.contract(id)?;
        if contract.closed_through() >= Some(through) {
            entries.insert(id, through_date(&contract, through));
        }
    }
    world.company.closings.push(Closing { through, at, entries });
    Ok(())
}

/// What is booked through a date, each entry in words.
fn through_date(contract: &Contract, through: Date) -> Vec<String> {
    let entries = contract.journal().into_iter().filter(|entry| entry.date <= through);
    entries.map(|entry| format!("{} {:?}", entry.date, entry.lines)).collect()
}

/// What lines add up to, by account: debits positive.
fn balances<'a>(lines: impl Iterator<Item = &'a JournalLine>) -> BTreeMap<&'static str, Decimal> {
    let mut sums = BTreeMap::<&str, Decimal>::new();
    for line in lines {
        let sum = sums.entry(line.account.name()).or_default();
        let amount = line.amount.decimal();
        *sum = sum.saturating_add(if line.side == Side::Debit { amount } else { -amount });
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

/// 18: entries of closed dates stay as they were; all entries together are the position.
pub(super) fn books_hold(world: &World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    for closing in &world.company.closings {
        let Some(known) = closing.entries.get(agreement.id) else { continue };
        let now = through_date(contract, closing.through);
        anyhow::ensure!(
            *known == now,
            "18: {}: entries through {}, which was closed, were {known:?} and are {now:?}",
            agreement.id,
            closing.through
        );
    }
    let entries: Vec<DatedEntry> = contract.opening_entry().into_iter().chain(contract.journal()).collect();
    let booked = balances(entries.iter().flat_map(|entry| &entry.lines));
    let at = contract.position();
    let mut position = BTreeMap::from([
        (Account::AccountsReceivable.name(), at.accounts_receivable.decimal()),
        (Account::UnbilledReceivable.name(), at.unbilled_receivable.decimal()),
        (Account::ContractAsset.name(), at.contract_asset.decimal()),
        (Account::DeferredRevenue.name(), -at.deferred_revenue.decimal()),
        (Account::Revenue.name(), -at.revenue.decimal()),
        (Account::Cash.name(), at.cash.decimal()),
    ]);
    position.retain(|_, sum| !sum.is_zero());
    anyhow::ensure!(
        booked == position,
        "18: {}: entries come to {booked:?}, the position is {position:?}",
        agreement.id
    );
    Ok(())
}

/// 4: the entries of a date in the ERP, one or several, come to what the rules say of that date.
pub(super) fn entries_agree(world: &World, agreement: &Agreement, contract: &Contract) -> anyhow::Result<()> {
    let mut dates: BTreeMap<Date, BTreeMap<&str, Decimal>> = BTreeMap::new();
    for entry in contract.journal().into_iter().filter(|entry| entry.date < contract.as_of()) {
        dates.insert(entry.date, balances(contract.revenue_entry(entry.date).iter()));
    }
    let mut held: BTreeMap<Date, BTreeMap<&str, Decimal>> = BTreeMap::new();
    for (date, account, amount) in entry_lines(world, agreement)? {
        let sum = held.entry(date).or_default().entry(account).or_default();
        *sum = sum.saturating_add(amount);
    }
    for sums in held.values_mut() {
        sums.retain(|_, sum| !sum.is_zero());
    }
    for sums in [&mut held, &mut dates] {
        sums.retain(|_, sums| !sums.is_empty());
    }
    anyhow::ensure!(dates == held, "4: {}: the rules say {dates:?}, the ERP's entries {held:?}", agreement.id);
    Ok(())
}

/// Lines of journal entries of a contract that the ERP holds: date, account, debits positive.
fn entry_lines(world: &World, agreement: &Agreement) -> anyhow::Result<Vec<(Date, &'static str, Decimal)>> {
    let names = [Account::UnbilledReceivable, Account::ContractAsset, Account::DeferredRevenue, Account::Revenue];
    let mut lines = Vec::new();
    let documents = world.documents();
    for one in documents.iter().filter(|one| one.kind == "journal_entry" && agreement.owns(&one.number)) {
        for (account, side, amount) in &one.lines {
            let place = books::accounts(world.erp).iter().position(|known| known == account);
            let name = place.and_then(|place| names.get(place)).map_or("another", |account| account.name());
            let amount: Decimal = amount.parse()?;
            let signed = if *side == milestoned_mocks::Side::Debit { amount } else { -amount };
            lines.push((one.date.parse()?, name, signed));
        }
    }
    Ok(lines)
}

/// When a milestone's revenue is to be booked.
enum Booked {
    /// On this date.
    On(Date),
    /// After this date, which was closed when it was told.
    After(Date),
}

/// 17: revenue stands where the customer accepted, where the project tool has a field for that date: without one, what is
/// learned late bears the day on which it is learned. Only of contracts whose milestones were accepted once, or never moved, and
/// which no change order touched: of others, what was recognised when is the rules' own matter.
pub(super) fn revenue_follows(world: &World, agreement: &Agreement) -> anyhow::Result<()> {
    let touched = world.touched.keys().any(|number| agreement.owns(number));
    if world.scope == Scope::Vendors
        || agreement.version > 1
        || touched
        || agreement.milestones.iter().any(|one| one.lost)
    {
        return Ok(());
    }
    let mut expected = Vec::new();
    for one in &agreement.milestones {
        match (one.moves, one.signed.filter(|_| one.accepted)) {
            (0, _) => {}
            (1, Some(signed)) if one.adopted.as_deref() != Some("OLD-1") => match booked(world, agreement, signed) {
                Some(booked) => expected.push((one.amount, booked)),
                None => return Ok(()),
            },
            _ => return Ok(()),
        }
    }
    let mut revenue: BTreeMap<Date, Decimal> = BTreeMap::new();
    for (date, _, amount) in
        entry_lines(world, agreement)?.into_iter().filter(|(_, name, _)| *name == Account::Revenue.name())
    {
        let sum = revenue.entry(date).or_default();
        *sum = sum.saturating_sub(amount);
    }
    let mut exact: BTreeMap<Date, Decimal> = BTreeMap::new();
    for (amount, booked) in &expected {
        if let Booked::On(date) = booked {
            let sum = exact.entry(*date).or_default();
            *sum = sum.saturating_add(Decimal::from(*amount));
        }
    }
    let first_open = expected.iter().filter_map(|(_, booked)| match booked {
        Booked::After(closed) => Some(*closed),
        Booked::On(_) => None,
    });
    let first_open = first_open.min();
    for date in exact.keys().chain(revenue.keys()) {
        let (should, is) =
            (exact.get(date).copied().unwrap_or_default(), revenue.get(date).copied().unwrap_or_default());
        let late = is > should && first_open.is_some_and(|closed| *date > closed);
        anyhow::ensure!(
            is == should || late,
            "17: {}: {is} of revenue stands on {date}, and {should} was accepted on it",
            agreement.id
        );
    }
    Ok(())
}

/// When an acceptance of a date, told at an instant, is to be booked; `None`: the date was closed at about that time.
fn booked(world: &World, agreement: &Agreement, (on, told): (Date, jiff::Timestamp)) -> Option<Booked> {
    let on = on.max(agreement.signed_on);
    let filed = jiff::civil::date(2026, 3, 2);
    let first = agreement.books_from.or((agreement.signed_on < filed).then_some(filed));
    let from_the_start = first.and_then(|first| first.yesterday().ok()).filter(|closed| on <= *closed);
    let closings = || world.company.closings.iter().filter(|closing| on <= closing.through);
    let before = closings().filter(|closing| closing.at < told).map(|closing| closing.through);
    match before.chain(from_the_start).max() {
        Some(closed) => Some(Booked::After(closed)),
        None if closings().next().is_none() => Some(Booked::On(on)),
        None => None,
    }
}
