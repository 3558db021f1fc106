//! What holds of the books of contracts that nobody thought of: events that are known late, dates that are closed.

mod generated;

use std::collections::BTreeMap;

use generated::{case, dated, read};
use jiff::civil::Date;
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::Case;
use milestoned_mapping::command::{Account, Command, DeliveryKey, JournalEntry, Side};
use milestoned_mapping::contract::{Contract, DocumentKind};
use milestoned_mapping::fact::{Event, Fact};
use milestoned_mapping::postings::{Addresses, Planned, plan};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

type Balances = BTreeMap<&'static str, i64>;

fn add(balances: &mut Balances, account: Account, side: Side, minor: i64) {
    *balances.entry(account.name()).or_default() += if side == Side::Debit { minor } else { -minor };
}

/// All entries together.
fn booked(contract: &Contract) -> Balances {
    let mut sum = Balances::new();
    for line in contract.journal().into_iter().flat_map(|entry| entry.lines) {
        add(&mut sum, line.account, line.side, line.amount.minor());
    }
    sum.retain(|_, balance| *balance != 0);
    sum
}

fn position(contract: &Contract) -> Balances {
    let at = contract.position();
    let mut balances = Balances::new();
    for (account, side, money) in [
        (Account::AccountsReceivable, Side::Debit, at.accounts_receivable),
        (Account::UnbilledReceivable, Side::Debit, at.unbilled_receivable),
        (Account::ContractAsset, Side::Debit, at.contract_asset),
        (Account::DeferredRevenue, Side::Credit, at.deferred_revenue),
        (Account::Revenue, Side::Credit, at.revenue),
        (Account::Cash, Side::Debit, at.cash),
    ] {
        add(&mut balances, account, side, money.minor());
    }
    balances.retain(|_, balance| *balance != 0);
    balances
}

fn played(case: &Case) -> Vec<Fact> {
    case.events().iter().filter(|fact| case.terms().local_date(fact.at) <= case.until()).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn all_entries_together_are_the_position_and_closed_dates_keep_theirs(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let (mut contract, mut closed) = (case.open(), Vec::new());
        let mut through: Option<Date> = None;
        for fact in played(&case) {
            let _ = contract.apply(&fact);
            if let Event::PeriodClosed { through: date } = &fact.event {
                through = through.max(Some(*date));
            }
            prop_assert_eq!(booked(&contract), position(&contract));
            let kept = |entry: &milestoned_mapping::contract::DatedEntry| through.is_some_and(|through| entry.date <= through);
            let now: Vec<_> = contract.journal().into_iter().filter(kept).collect();
            if matches!(fact.event, Event::PeriodClosed { .. }) {
                closed.clone_from(&now);
            }
            prop_assert_eq!(&now, &closed);
        }
        contract.advance_to(case.until());
        contract.close_day();
        prop_assert_eq!(booked(&contract), position(&contract));
    }

    /// Whatever is learned late: each entry that an ERP was told stays as it was, and all of a date are what is known of it.
    #[test]
    fn what_an_erp_was_told_of_a_date_is_what_is_known_of_it(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let (mut contract, records) = (case.open(), BTreeMap::new());
        let addresses = Addresses { erp: "erp", orders: false, emails: false, acceptances: false, links: "", records: &records };
        let mut told: Vec<(DeliveryKey, JournalEntry)> = Vec::new();
        for fact in played(&case) {
            let (before, entries) = (contract.clone(), told.iter().map(|(_, entry)| entry.clone()).collect::<Vec<_>>());
            let _ = contract.apply(&fact);
            let planned = Planned { documents: before.documents().len(), journal_through: None, entries: &entries };
            for one in plan(&before, &contract, planned, &addresses).postings {
                let Command::JournalEntry(entry) = one.command else { continue };
                prop_assert!(entry.date < contract.as_of());
                prop_assert!(told.iter().all(|(key, known)| *key != one.key && known.number != entry.number));
                told.push((one.key, entry));
            }
            for entry in contract.journal().iter().filter(|entry| entry.date < contract.as_of()) {
                let (mut known, mut sum) = (Balances::new(), Balances::new());
                contract.revenue_entry(entry.date).iter().for_each(|line| add(&mut known, line.account, line.side, line.amount.minor()));
                let of_date = told.iter().filter(|(_, told)| told.date == entry.date);
                of_date.flat_map(|(_, told)| &told.lines).for_each(|line| add(&mut sum, line.account, line.side, line.amount.minor()));
                sum.retain(|_, balance| *balance != 0);
                prop_assert_eq!(known, sum);
            }
        }
    }

    /// And no invoice is credited by more than it bears.
    #[test]
    fn what_is_open_on_all_invoices_is_the_receivable_of_the_position(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let contract = case.play();
        let receivables = contract.receivables();
        let open: i64 = receivables.iter().map(|one| one.open.minor()).sum();
        prop_assert_eq!(open, contract.position().accounts_receivable.minor());
        prop_assert!(receivables.iter().all(|one| one.credited.minor() <= one.amount.minor()));
    }

    /// But for an invoice that somebody else wrote, which bears its own date.
    #[test]
    fn documents_and_exceptions_bear_the_day_on_which_they_came_about(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let mut contract = case.open();
        for fact in played(&case) {
            let (documents, exceptions, before) = (contract.documents().len(), contract.exceptions().len(), contract.as_of());
            let _ = contract.apply(&fact);
            let days = before..=contract.as_of();
            prop_assert!(contract.documents().iter().skip(documents).all(|one| one.adopted || days.contains(&one.date)));
            prop_assert!(contract.exceptions().iter().skip(exceptions).all(|one| days.contains(&one.opened_on)));
        }
    }

    /// Whatever is learned of the first day lets the books be reckoned anew from there.
    #[test]
    fn books_that_are_reckoned_anew_are_the_same(json in dated()) {
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { return Ok(()) };
        let mut contract = case.play();
        let before = contract.journal();
        let at = case.terms().start_of(case.until());
        let nothing = json!({ "at": at, "on": case.terms().signed_on(), "type": "usage", "metric": "no such meter", "value": "1" });
        contract.apply(&serde_json::from_value(nothing).unwrap()).unwrap();
        prop_assert_eq!(before, contract.journal());
    }

    #[test]
    fn the_order_in_which_late_reports_come_does_not_change_open_books(json in case(), order in any::<bool>()) {
        let case = read(&json);
        let (mut one, mut other) = (case.play(), case.play());
        let at = case.terms().start_of(case.until().tomorrow().unwrap());
        let signed = case.terms().signed_on();
        let late = |days: i64, event: Value| {
            let mut event = event;
            event["at"] = json!(at);
            event["on"] = json!(signed.checked_add(jiff::Span::new().days(days)).unwrap());
            serde_json::from_value::<Fact>(event).unwrap()
        };
        let usage = |value: &str| json!({ "type": "usage", "metric": "calls", "value": value });
        let cost = |incurred: &str| json!({ "type": "cost", "obligation": "O0", "incurred": incurred, "estimate_to_complete": "100" });
        let mut facts = [late(3, usage("2000")), late(5, usage("999")), late(7, cost("300")), late(9, cost("100"))];
        facts.iter().for_each(|fact| drop(one.apply(fact)));
        if order { facts.reverse() } else { facts.rotate_left(2) }
        facts.iter().for_each(|fact| drop(other.apply(fact)));
        prop_assert_eq!(one.journal(), other.journal());
    }
}

/// What is generated reaches what its name promises.
#[test]
fn generated_books_have_retainage_adoptions_reversals_and_what_is_withdrawn_or_undone() {
    let (mut runner, mut seen) = (TestRunner::deterministic(), BTreeMap::<&str, u32>::new());
    for _ in 0..600 {
        let json = dated().new_tree(&mut runner).unwrap().current();
        let Ok(case) = Case::from_value(json, &Calendars::built_in()) else { continue };
        let contract = case.play();
        let receivables = contract.receivables();
        let documents = contract.documents();
        let open = |code: &str| contract.exceptions().iter().any(|one| one.code.name() == code);
        for (name, there) in [
            ("retainage", documents.iter().any(|one| one.kind == DocumentKind::RetainageInvoice)),
            ("adopted", documents.iter().any(|one| one.adopted)),
            ("withdrawn", documents.iter().any(|one| one.withdrawn)),
            ("reversed", receivables.iter().flat_map(|one| &one.payments).any(|one| one.reversed_on.is_some())),
            ("booked late", open("BOOKED_LATE")),
            ("rejected in time", open("REJECTED_IN_TIME")),
        ] {
            *seen.entry(name).or_default() += u32::from(there);
        }
    }
    assert!(seen.len() == 6 && seen.values().all(|count| *count > 0), "{seen:?}");
}
