//! What holds of the figures of a close, whatever the contract: openings and movements make closings, months make the whole,
//! postings make entries, what is left to recognise is price less revenue. And small histories with their figures.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod generated;

use generated::dated;
use jiff::civil::{Date, date};
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::close::{Balances, CutOff, Ledger, PostingKind, RollForward, cut_off, listing};
use milestoned_mapping::contract::Contract;
use milestoned_mapping::money::Minor;
use proptest::prelude::*;
use serde_json::{Value, json};

fn months(contract: &Contract) -> Vec<(Date, Date)> {
    let ledger = Ledger::of(contract);
    let Some(mut month) = ledger.first().map(Date::first_of_month) else { return Vec::new() };
    let mut months = Vec::new();
    // What is booked for dates that are closed ahead bears the first open date.
    let last = contract.journal().last().map_or(contract.as_of(), |entry| entry.date.max(contract.as_of()));
    while month <= last.last_of_month() {
        months.push((month, month.last_of_month()));
        month = month.last_of_month().tomorrow().unwrap();
    }
    months
}

fn holds(one: &RollForward) -> Result<(), TestCaseError> {
    let (opening, closing) = (one.opening, one.closing);
    prop_assert_eq!(opening.receivable + one.billed - one.collected, closing.receivable);
    prop_assert_eq!(opening.unbilled + one.unbilled_added - one.unbilled_released, closing.unbilled);
    prop_assert_eq!(opening.asset + one.asset_added - one.asset_released, closing.asset);
    let liability = opening.liability + one.billed - one.recognised - one.modifications + one.from_assets();
    prop_assert_eq!(liability, closing.liability);
    // Entries of open dates run ahead of what is booked later for closed ones: the balance between them may be below 0.
    prop_assert!(one.from_opening <= opening.liability.max(Minor::ZERO) && one.from_opening >= Minor::ZERO);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn openings_and_movements_make_closings_and_months_make_the_whole(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let mut contract = case.play();
        contract.close_day();
        let (ledger, months) = (Ledger::of(&contract), months(&contract));
        let Some(((first, _), (_, last))) = months.first().zip(months.last()) else { return Ok(()) };
        let mut before = Balances::default();
        let mut billed = Minor::ZERO;
        for (from, through) in &months {
            let one = ledger.roll_forward(*from, *through);
            holds(&one)?;
            prop_assert_eq!(one.opening, before);
            prop_assert_eq!(one.closing, ledger.at(*through));
            before = one.closing;
            billed += one.billed;
        }
        let whole = ledger.roll_forward(*first, *last);
        holds(&whole)?;
        prop_assert_eq!((whole.closing, whole.billed), (before, billed));
        let position = contract.position();
        prop_assert_eq!(before.liability, position.deferred_revenue.units());
        prop_assert_eq!(before.receivable, position.accounts_receivable.units());
        let sum = whole + whole;
        holds(&sum)?;
    }

    #[test]
    fn postings_of_a_month_make_its_entries_and_none_is_netted_away(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let contract = case.play();
        let ledger = Ledger::of(&contract);
        for (from, through) in months(&contract) {
            let postings = listing(&contract, &[], from, through);
            let opening = contract.opening_entry().filter(|one| (from..=through).contains(&one.date));
            let entries = contract.journal().into_iter().chain(opening);
            let entries = entries.filter(|one| (from..=through).contains(&one.date));
            let booked: Balances = entries.map(|one| Balances::of(&one.lines)).sum();
            prop_assert_eq!(postings.iter().map(|one| Balances::of(&one.lines)).sum::<Balances>(), booked);
            // What was posted of documents that were known in time is what the month billed.
            if postings.iter().all(|one| one.kind != PostingKind::OfClosedDates && one.kind != PostingKind::Opening) {
                let own = |one: &&milestoned_mapping::close::Listed| one.kind != PostingKind::NotTold;
                let of_documents: Balances = postings.iter().filter(own).map(|one| Balances::of(&one.lines)).sum();
                prop_assert_eq!(of_documents.billed(), ledger.roll_forward(from, through).billed);
            }
        }
    }

    #[test]
    fn what_is_left_to_recognise_is_price_less_revenue_in_every_split(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let mut contract = case.play();
        contract.close_day();
        if contract.disclosures().obligations.is_empty() || contract.as_of() < contract.terms().signed_on() {
            return Ok(());
        }
        let today = contract.as_of();
        let (left, position) = (contract.to_recognise(today), contract.position());
        prop_assert_eq!(left.total(), contract.total().units() - position.recognised.units());
        prop_assert_eq!(left.bands(today.last_of_month()).total(), left.total());
        let liability = position.deferred_revenue.units();
        prop_assert_eq!(left.releasing(liability).total(), liability);
        prop_assert_eq!(contract.disclosures().remaining.total.units(), left.total());
    }
}

fn played(until: &str, events: Value) -> Contract {
    let case = json!({ "until": until, "events": events, "contract": {
        "id": "SOW-1", "customer": "Northwind Ltd", "currency": "USD", "total": "300.00", "signed_on": "2026-03-02",
        "payment_terms": "net 30",
        "obligations": [{ "id": "services", "ssp": "300.00", "method": "output" }],
        "milestones": [{ "id": "M1", "name": "Design", "amount": "100.00" },
            { "id": "M2", "name": "Build", "amount": "200.00", "timing": "advance" }] } });
    Case::from_json(&case.to_string(), &Calendars::built_in()).unwrap().play()
}

fn accepted(at: &str, milestone: &str) -> Value {
    json!({ "at": at, "type": "accepted", "milestone": milestone, "by": "dana", "document": "https://docs.example/1.pdf" })
}

fn figures(one: &RollForward) -> [i128; 6] {
    [one.opening.liability, one.billed, one.recognised, one.modifications, one.from_opening, one.closing.liability]
        .map(Minor::units)
}

const MARCH: (Date, Date) = (date(2026, 3, 1), date(2026, 3, 31));
const APRIL: (Date, Date) = (date(2026, 4, 1), date(2026, 4, 30));

#[test]
fn what_was_billed_ahead_is_released_from_the_opening_liability() {
    let pay = json!({ "at": "2026-04-10T10:00:00Z", "type": "payment", "invoice": "SOW-1-M2", "amount": "200.00", "id": "P1" });
    let events = json!([accepted("2026-03-31T10:00:00Z", "M1"), pay, accepted("2026-04-20T10:00:00Z", "M2")]);
    let contract = played("2026-04-30", events);
    let ledger = Ledger::of(&contract);
    let (march, april) = (ledger.roll_forward(MARCH.0, MARCH.1), ledger.roll_forward(APRIL.0, APRIL.1));
    assert_eq!(figures(&march), [0, 30_000, 10_000, 0, 0, 20_000]);
    assert_eq!(figures(&april), [20_000, 0, 20_000, 0, 20_000, 0]);
    assert_eq!((april.collected.units(), april.closing.receivable.units()), (20_000, 10_000));
    let found = cut_off(&contract, MARCH.0, MARCH.1);
    assert_eq!(
        found.iter().map(|one| (one.milestone.as_str(), one.why)).collect::<Vec<_>>(),
        [("M2", CutOff::InvoicedNotAccepted)]
    );
    let posted: Vec<(&str, String)> =
        listing(&contract, &[], APRIL.0, APRIL.1).iter().map(|one| (one.kind.name(), one.number.clone())).collect();
    assert_eq!(posted, [("payment", "P1".to_owned()), ("entry, not told yet", String::new())]);
}

#[test]
fn a_change_order_that_measures_anew_is_a_modification_and_no_revenue_of_the_month() {
    let order = json!({ "at": "2026-04-05T10:00:00Z", "type": "amended", "version": 2, "signed": true, "total": "310.00",
        "change": [{ "id": "M1", "amount": "110.00" }], "add": [], "remove": [] });
    let contract = played("2026-04-30", json!([accepted("2026-03-10T10:00:00Z", "M1"), order]));
    let april = Ledger::of(&contract).roll_forward(APRIL.0, APRIL.1);
    assert_eq!(figures(&april), [20_000, 1_000, 0, 1_000, 1_000, 20_000]);
}

#[test]
fn an_acceptance_that_is_not_invoiced_stands_on_both_sides_of_the_cut_off() {
    let events = json!([
        { "at": "2026-03-05T10:00:00Z", "type": "review", "milestone": "M1", "decision": "hold", "by": "controller" },
        accepted("2026-03-20T10:00:00Z", "M1"),
    ]);
    let contract = played("2026-04-30", events);
    let why: Vec<CutOff> = cut_off(&contract, MARCH.0, MARCH.1).iter().map(|one| one.why).collect();
    assert_eq!(why, [CutOff::AcceptedNotInvoiced, CutOff::InvoicedNotAccepted]);
    let march = Ledger::of(&contract).roll_forward(MARCH.0, MARCH.1);
    assert_eq!(
        (march.closing.unbilled + march.closing.asset).units(),
        0,
        "revenue is taken from what was billed ahead"
    );
}

#[test]
fn what_time_earns_of_a_month_is_to_come_until_its_last_day_is_over() {
    let case = json!({ "until": "2026-03-30", "contract": { "id": "C", "customer": "c", "currency": "USD", "total": "90.00",
        "signed_on": "2026-01-01", "milestones": [{ "id": "M1", "name": "m", "amount": "90.00" }], "obligations": [
            { "id": "o", "ssp": "1.00", "method": "time_elapsed", "start": "2026-01-01", "end": "2026-03-31" }] } });
    let mut contract = Case::from_value(case, &Calendars::built_in()).unwrap().play();
    contract.advance_to(MARCH.1);
    assert_eq!(contract.to_recognise(MARCH.1).total().units(), 3_100);
    assert_eq!(
        contract.to_recognise(date(2026, 2, 28)).total().units(),
        3_100,
        "a month that is over has earned its part"
    );
    contract.close_day();
    assert_eq!(contract.to_recognise(MARCH.1).total().units(), 0);
}

#[test]
fn a_contract_has_open_dates_after_its_last_closed_one() {
    let contract =
        played("2026-04-30", json!([{ "at": "2026-04-05T10:00:00Z", "type": "period_closed", "through": MARCH.1 }]));
    let open = [MARCH.1, APRIL.0].map(|through| contract.has_open_dates_through(through));
    assert_eq!(open, [false, true]);
}

#[test]
fn what_is_due_and_not_invoiced_is_known_of_a_date_that_is_over() {
    let hold = json!({ "at": "2026-03-05T10:00:00Z", "type": "review", "milestone": "M1", "decision": "hold", "by": "controller" });
    let contract = played(
        "2026-04-30",
        json!([hold, accepted("2026-03-20T10:00:00Z", "M1"), accepted("2026-03-20T11:00:00Z", "M2")]),
    );
    let at = contract.balances_known_at(MARCH.1);
    assert_eq!((at.unbilled.units(), at.receivable.units(), at.liability.units()), (10_000, 20_000, 0));
}
