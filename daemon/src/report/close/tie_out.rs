//! The tie-out: what our books say of an account beside what the ERP's own ledger says, to the minor unit, and every entry that the
//! difference is made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use milestoned_connector_kit::LedgerLine;
use milestoned_mapping::command::Account;
use milestoned_mapping::money::Currency;
use rust_decimal::Decimal;

/// One posting of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// Contract.
    pub(super) contract: Arc<str>,
    /// Number of the document or entry; of a payment its id in the ERP; of what has neither, what it is.
    pub(super) number: Arc<str>,
    /// What it is, in words.
    pub(super) what: &'static str,
    /// Account.
    pub(super) account: Account,
    /// Date.
    pub(super) on: Date,
    /// Currency.
    pub(super) currency: Currency,
    /// Debits positive.
    pub(super) amount: Decimal,
}

/// One account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tied {
    /// Account.
    pub(super) account: Account,
    /// Currency.
    pub(super) currency: String,
    /// Our balance, debits positive.
    pub(super) ours: Decimal,
    /// The ledger's.
    pub(super) theirs: Decimal,
    /// Entries that differ. Their differences sum to the difference of the balances.
    pub(super) entries: Vec<Differing>,
}

impl Tied {
    /// By how much the ledger exceeds our balance.
    pub(super) fn difference(&self) -> Decimal {
        self.theirs - self.ours
    }
}

/// An entry that both sides show with different amounts, or one of them alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Differing {
    /// Its number, as far as it has one.
    pub(super) number: String,
    /// Contract, where it is ours.
    pub(super) contract: String,
    /// Date.
    pub(super) on: Option<Date>,
    /// Our amount.
    pub(super) ours: Decimal,
    /// The ledger's.
    pub(super) theirs: Decimal,
    /// Why they differ.
    pub(super) why: String,
}

/// What both sides are compared by: account, currency, number.
type Place<'a> = (&'static str, &'a str, &'a str);

/// Compares our postings with the lines of a ledger. `numbers`: our number of what the ERP calls by an id. Both sides are sorted and
/// walked through together: there may be millions of them.
pub(super) fn tie_out(mut ours: Vec<Own>, theirs: &[LedgerLine], numbers: &BTreeMap<String, String>) -> Vec<Tied> {
    fn own(own: &Own) -> Place<'_> {
        (own.account.name(), own.currency.code(), &own.number)
    }
    fn line<'a>((number, line): &'a (String, &LedgerLine)) -> Place<'a> {
        (line.account.name(), &line.currency, number)
    }
    let mut theirs: Vec<(String, &LedgerLine)> = theirs.iter().map(|line| (key(line, numbers), line)).collect();
    ours.sort_by(|a, b| own(a).cmp(&own(b)));
    theirs.sort_by(|a, b| line(a).cmp(&line(b)));
    let mut ours = ours.chunk_by(|a, b| own(a) == own(b)).peekable();
    let mut theirs = theirs.chunk_by(|a, b| line(a) == line(b)).peekable();
    let mut all: Vec<Tied> = Vec::new();
    loop {
        let first = ours.peek().and_then(|group| group.first()).map(own);
        let other = theirs.peek().and_then(|group| group.first()).map(line);
        let Some(place) = [first, other].into_iter().flatten().min() else { return all };
        let of_us = ours.next_if(|_| first == Some(place)).unwrap_or_default();
        let of_them = theirs.next_if(|_| other == Some(place)).unwrap_or_default();
        let account = of_us.first().map(|own| own.account).or(of_them.first().map(|(_, line)| line.account));
        let Some(account) = account else { return all };
        let (_, currency, number) = place;
        if all.last().is_none_or(|last| last.account != account || last.currency != currency) {
            let (ours, theirs) = (Decimal::ZERO, Decimal::ZERO);
            all.push(Tied { account, currency: currency.to_owned(), ours, theirs, entries: Vec::new() });
        }
        let told: Decimal = of_us.iter().map(|own| own.amount).sum();
        let shown: Decimal = of_them.iter().map(|(_, line)| line.amount.0).sum();
        if let Some(tied) = all.last_mut() {
            (tied.ours, tied.theirs) = (tied.ours + told, tied.theirs + shown);
            if told != shown {
                tied.entries.push(differing(number, (of_us.first(), of_them.first()), told, shown));
            }
        }
    }
}

/// What a line of the ledger is known by: a payment by its id, else our number where we wrote it, else its own number.
fn key(line: &LedgerLine, numbers: &BTreeMap<String, String>) -> String {
    let ours = numbers.get(&line.id).filter(|_| !line.id.is_empty());
    match ours {
        _ if is_payment(&line.kind) => payment(&line.id),
        Some(number) => number.clone(),
        None if line.number.is_empty() => format!("{} {}", line.kind, line.id).trim().to_owned(),
        None => line.number.clone(),
    }
}

fn is_payment(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("payment") || kind.eq_ignore_ascii_case("custpymt")
}

/// How a payment is named on both sides: by the ERP's id of it.
pub(super) fn payment(id: &str) -> String {
    format!("payment {id}")
}

fn differing(
    number: &str,
    (own, line): (Option<&Own>, Option<&(String, &LedgerLine)>),
    ours: Decimal,
    theirs: Decimal,
) -> Differing {
    let line = line.map(|(_, line)| *line);
    let on = own.map(|own| own.on).or(line.map(|line| line.on)).filter(|on| *on != Date::MIN);
    let why = match (own, line) {
        (Some(own), None) => format!("{} that the ledger does not show by then", own.what),
        (None, Some(line)) => format!("{} that no contract here knows", line.kind.to_lowercase()),
        _ => "both show it, with different amounts".to_owned(),
    };
    let contract = own.map(|own| own.contract.to_string()).unwrap_or_default();
    Differing { number: number.to_owned(), contract, on, ours, theirs, why }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use milestoned_mapping::fact::DecimalText;
    use proptest::prelude::*;

    use super::*;

    fn own(number: &str, amount: i64) -> Own {
        Own {
            contract: "SOW-1".into(),
            number: number.into(),
            what: "invoice",
            account: Account::DeferredRevenue,
            on: date(2026, 3, 1),
            currency: "USD".parse().unwrap(),
            amount: Decimal::new(amount, 2),
        }
    }

    fn line(id: &str, number: &str, amount: i64) -> LedgerLine {
        LedgerLine {
            account: Account::DeferredRevenue,
            on: date(2026, 3, 1),
            currency: "USD".into(),
            amount: DecimalText(Decimal::new(amount, 2)),
            kind: "Invoice".into(),
            id: id.into(),
            number: number.into(),
        }
    }

    #[test]
    fn what_the_ledger_numbers_itself_is_known_by_its_id_and_what_differs_is_named() {
        let numbers = BTreeMap::from([("11".to_owned(), "SOW-1-M1".to_owned())]);
        let ours = [own("SOW-1-M1", -10_000), own("SOW-1-M2", -5_000)];
        let tied = tie_out(ours.to_vec(), &[line("11", "INV-7", -10_000), line("12", "X-1", -300)], &numbers);
        assert_eq!(tied.len(), 1);
        assert_eq!(tied[0].difference(), Decimal::new(4_700, 2));
        let named: Vec<(&str, Decimal)> =
            tied[0].entries.iter().map(|entry| (entry.number.as_str(), entry.theirs - entry.ours)).collect();
        assert_eq!(named, [("SOW-1-M2", Decimal::new(5_000, 2)), ("X-1", Decimal::new(-300, 2))]);
    }

    proptest! {
        #[test]
        fn the_entries_that_differ_sum_to_the_difference(
            ours in prop::collection::vec((0_u8..6, -500_i64..500), 0..12),
            theirs in prop::collection::vec((0_u8..6, -500_i64..500), 0..12),
        ) {
            let ours: Vec<Own> = ours.iter().map(|(number, amount)| own(&number.to_string(), *amount)).collect();
            let theirs: Vec<LedgerLine> =
                theirs.iter().map(|(number, amount)| line("", &number.to_string(), *amount)).collect();
            let tied = tie_out(ours.clone(), &theirs, &BTreeMap::new());
            let both: Decimal = ours.iter().map(|own| own.amount).sum();
            prop_assert_eq!(tied.iter().map(|tied| tied.ours).sum::<Decimal>(), both);
            prop_assert!(tied.len() <= 1, "one account in one currency");
            for tied in tied {
                let sum: Decimal = tied.entries.iter().map(|entry| entry.theirs - entry.ours).sum();
                prop_assert_eq!(sum, tied.difference());
            }
        }
    }
}
