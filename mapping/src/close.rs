//! Figures of a month-end close, from the entries of a contract: roll-forward of its balances, the listing of what was posted,
//! the release of what is left to recognise, and the cut-off test.
//!
//! Sources: ASC 606-10-50-8 to 50-15, IFRS 15.116 to 122. All of it follows from the entries as they were booked: what is learned
//! of a closed date counts in the month in which it was booked.

use core::iter::Sum;
use core::ops::{Add, Sub};

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::command::{Account, JournalEntry, JournalLine, Side};
use crate::contract::{Contract, DocumentKind, Position};
use crate::ledger::Transaction;
use crate::money::{Currency, Minor};

/// Balances, each on its usual side, or their changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balances {
    /// Billed and not paid.
    pub receivable: Minor,
    /// Recognised, unconditional, not billed.
    pub unbilled: Minor,
    /// Recognised, still conditional: the contract asset.
    pub asset: Minor,
    /// Billed and not recognised: the contract liability.
    pub liability: Minor,
    /// Revenue to date.
    pub revenue: Minor,
    /// Payments to date.
    pub cash: Minor,
}

impl Balances {
    /// What lines change.
    pub fn of(lines: &[JournalLine]) -> Self {
        let mut sum = Self::default();
        for line in lines {
            let debit = if line.side == Side::Debit { line.amount.units() } else { -line.amount.units() };
            match line.account {
                Account::AccountsReceivable => sum.receivable += debit,
                Account::UnbilledReceivable => sum.unbilled += debit,
                Account::ContractAsset => sum.asset += debit,
                Account::DeferredRevenue => sum.liability -= debit,
                Account::Revenue => sum.revenue -= debit,
                Account::Cash => sum.cash += debit,
            }
        }
        sum
    }

    /// Invoices less credit memos.
    pub fn billed(self) -> Minor {
        self.receivable + self.cash
    }

    /// The lines that would change balances so; none for what does not change.
    pub fn lines(self, currency: Currency) -> Vec<JournalLine> {
        let changes = [
            (Account::AccountsReceivable, self.receivable),
            (Account::UnbilledReceivable, self.unbilled),
            (Account::ContractAsset, self.asset),
            (Account::DeferredRevenue, -self.liability),
            (Account::Revenue, -self.revenue),
            (Account::Cash, self.cash),
        ];
        let moved = changes.into_iter().filter(|(_, change)| *change != Minor::ZERO);
        let line = |(account, change): (Account, Minor)| JournalLine {
            account,
            side: if change > Minor::ZERO { Side::Debit } else { Side::Credit },
            amount: currency.money(change.abs()),
        };
        moved.map(line).collect()
    }
}

impl Add for Balances {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            receivable: self.receivable + other.receivable,
            unbilled: self.unbilled + other.unbilled,
            asset: self.asset + other.asset,
            liability: self.liability + other.liability,
            revenue: self.revenue + other.revenue,
            cash: self.cash + other.cash,
        }
    }
}

impl Sub for Balances {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            receivable: self.receivable - other.receivable,
            unbilled: self.unbilled - other.unbilled,
            asset: self.asset - other.asset,
            liability: self.liability - other.liability,
            revenue: self.revenue - other.revenue,
            cash: self.cash - other.cash,
        }
    }
}

impl Sum for Balances {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl From<Position> for Balances {
    fn from(at: Position) -> Self {
        Self {
            receivable: at.accounts_receivable(),
            unbilled: at.unbilled_receivable(),
            asset: at.contract_asset(),
            liability: at.deferred_revenue(),
            revenue: at.recognised(),
            cash: at.paid(),
        }
    }
}

/// What a date changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Movement {
    date: Date,
    change: Balances,
    /// Of its revenue what a change order brought by measuring anew what was done before it.
    catch_up: Minor,
}

/// The entries of a contract, date by date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    movements: Vec<Movement>,
}

impl Ledger {
    /// The ledger of a contract. Balances that were taken over count as the end of the month before its books begin.
    pub fn of(contract: &Contract) -> Self {
        let caught_up = contract.catch_ups();
        let movement = |date: Date, lines: &[JournalLine]| Movement {
            date,
            change: Balances::of(lines),
            catch_up: caught_up.iter().filter(|(on, _)| *on == date).map(|(_, amount)| *amount).sum(),
        };
        let before = |date: Date| date.tomorrow().ok().and_then(|first| first.first_of_month().yesterday().ok());
        let opening = contract.opening_entry().into_iter().map(|entry| Movement {
            date: before(entry.date).unwrap_or(entry.date),
            change: Balances::of(&entry.lines),
            catch_up: Minor::ZERO,
        });
        let journal = contract.journal();
        let mut movements: Vec<Movement> =
            opening.chain(journal.iter().map(|entry| movement(entry.date, &entry.lines))).collect();
        movements.sort_by_key(|movement| movement.date);
        Self { movements }
    }

    /// Balances at the end of a date.
    pub fn at(&self, date: Date) -> Balances {
        self.movements.iter().take_while(|movement| movement.date <= date).map(|movement| movement.change).sum()
    }

    /// The date of the first entry; none: there is none.
    pub fn first(&self) -> Option<Date> {
        self.movements.first().map(|movement| movement.date)
    }

    /// How balances went from the beginning of one date to the end of another.
    pub fn roll_forward(&self, from: Date, through: Date) -> RollForward {
        let opening: Balances =
            self.movements.iter().take_while(|movement| movement.date < from).map(|movement| movement.change).sum();
        let mut rolled = RollForward { opening, closing: opening, ..RollForward::default() };
        for movement in self.movements.iter().filter(|movement| (from..=through).contains(&movement.date)) {
            let change = movement.change;
            rolled.closing = rolled.closing + change;
            rolled.billed += change.billed();
            rolled.collected += change.cash;
            rolled.recognised += change.revenue - movement.catch_up;
            rolled.modifications += movement.catch_up;
            let (rise, fall) = (|by: Minor| by.max(Minor::ZERO), |by: Minor| (-by).max(Minor::ZERO));
            rolled.unbilled_added += rise(change.unbilled);
            rolled.unbilled_released += fall(change.unbilled);
            rolled.asset_added += rise(change.asset);
            rolled.asset_released += fall(change.asset);
        }
        let revenue = rolled.recognised + rolled.modifications;
        rolled.from_opening = revenue.min(opening.liability).max(Minor::ZERO);
        rolled
    }
}

/// How balances went. Sums over contracts are sums of each figure; currencies are never added up.
///
/// receivable: opening + billed − collected = closing. Unbilled receivable and contract asset: opening + added − released =
/// closing. Contract liability: opening + billed − recognised − modifications + what the two assets rose by = closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RollForward {
    /// Balances at the beginning.
    pub opening: Balances,
    /// Invoices less credit memos.
    pub billed: Minor,
    /// Payments, less what was taken back.
    pub collected: Minor,
    /// Revenue, without that of modifications.
    pub recognised: Minor,
    /// Of all revenue what stood in the contract liability at the beginning (ASC 606-10-50-8 b): first in, first out.
    pub from_opening: Minor,
    /// Revenue that change orders brought or took by measuring anew what was done before them (ASC 606-10-50-10 b).
    pub modifications: Minor,
    /// Unbilled receivables that came about.
    pub unbilled_added: Minor,
    /// Unbilled receivables that were billed.
    pub unbilled_released: Minor,
    /// Contract assets that came about.
    pub asset_added: Minor,
    /// Contract assets that were billed or became unconditional.
    pub asset_released: Minor,
    /// Balances at the end.
    pub closing: Balances,
}

impl RollForward {
    /// By how much revenue that was not billed rose: revenue that was not taken from the contract liability.
    pub fn from_assets(&self) -> Minor {
        self.unbilled_added + self.asset_added - self.unbilled_released - self.asset_released
    }

    /// Whether nothing stands and nothing moved.
    pub fn is_empty(&self) -> bool {
        let still = |balances: Balances| {
            Balances { revenue: Minor::ZERO, cash: Minor::ZERO, ..balances } == Balances::default()
        };
        let moved = [self.billed, self.collected, self.recognised, self.modifications];
        still(self.opening) && still(self.closing) && moved.iter().all(|amount| *amount == Minor::ZERO)
    }
}

impl Add for RollForward {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            opening: self.opening + other.opening,
            billed: self.billed + other.billed,
            collected: self.collected + other.collected,
            recognised: self.recognised + other.recognised,
            from_opening: self.from_opening + other.from_opening,
            modifications: self.modifications + other.modifications,
            unbilled_added: self.unbilled_added + other.unbilled_added,
            unbilled_released: self.unbilled_released + other.unbilled_released,
            asset_added: self.asset_added + other.asset_added,
            asset_released: self.asset_released + other.asset_released,
            closing: self.closing + other.closing,
        }
    }
}

impl Sum for RollForward {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// What is left to recognise: what time alone will earn, by the first day of each month, and what has no date.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ToRecognise {
    /// By time.
    pub by_month: Vec<(Date, Minor)>,
    /// By an acceptance or a cost report.
    pub undated: Minor,
}

/// Remaining performance obligations by when they are expected to be recognised (ASC 606-10-50-13, IFRS 15.120).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Bands {
    /// In the twelve months after the closing date.
    pub first_year: Minor,
    /// In the twelve months after these.
    pub second_year: Minor,
    /// Later.
    pub later: Minor,
    /// With an acceptance or a cost report, which has no date.
    pub undated: Minor,
}

impl Bands {
    /// All of it.
    pub fn total(&self) -> Minor {
        self.first_year + self.second_year + self.later + self.undated
    }
}

impl Add for Bands {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            first_year: self.first_year + other.first_year,
            second_year: self.second_year + other.second_year,
            later: self.later + other.later,
            undated: self.undated + other.undated,
        }
    }
}

impl ToRecognise {
    /// All of it.
    pub fn total(&self) -> Minor {
        self.by_month.iter().map(|(_, amount)| *amount).sum::<Minor>() + self.undated
    }

    /// The same in bands, seen from the last day of a month.
    pub fn bands(&self, closing: Date) -> Bands {
        let first = closing.tomorrow().map_or(closing, Date::first_of_month);
        let mut bands = Bands { undated: self.undated, ..Bands::default() };
        for (month, amount) in &self.by_month {
            if *month < first.saturating_add(12.months()) {
                bands.first_year += *amount;
            } else if *month < first.saturating_add(24.months()) {
                bands.second_year += *amount;
            } else {
                bands.later += *amount;
            }
        }
        bands
    }

    /// When a contract liability of this amount is released: with the revenue that comes first, the rest without a date.
    #[must_use]
    pub fn releasing(&self, liability: Minor) -> Self {
        let mut left = liability.max(Minor::ZERO);
        let mut by_month = Vec::new();
        for (month, amount) in &self.by_month {
            let released = left.min(*amount);
            if released > Minor::ZERO {
                by_month.push((*month, released));
            }
            left -= released;
        }
        Self { by_month, undated: left }
    }
}

/// What a posting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PostingKind {
    /// Balances that were taken over.
    Opening,
    /// A document.
    Document(DocumentKind),
    /// A payment.
    Payment,
    /// A payment that was taken back.
    PaymentReversed,
    /// A journal entry that the ERP was told, or is being told.
    Entry,
    /// What of a date's entry the ERP has not been told.
    NotTold,
    /// Documents and payments whose own dates were closed.
    OfClosedDates,
}

impl PostingKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening balance",
            Self::Document(DocumentKind::CreditMemo) => "credit memo",
            Self::Document(DocumentKind::Invoice) => "invoice",
            Self::Document(DocumentKind::RetainageInvoice) => "retainage invoice",
            Self::Document(DocumentKind::SupplementaryInvoice) => "supplementary invoice",
            Self::Payment => "payment",
            Self::PaymentReversed => "payment taken back",
            Self::Entry => "journal entry",
            Self::NotTold => "entry, not told yet",
            Self::OfClosedDates => "of closed dates",
        }
    }
}

/// One posting: a document, a payment or an entry by itself, not netted with others of its date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Date.
    pub date: Date,
    /// What it is.
    pub kind: PostingKind,
    /// Number of the document or entry, id of the payment.
    pub number: String,
    /// Milestone or invoice that it belongs to, where there is one.
    pub of: Option<String>,
    /// Lines; debits equal credits.
    pub lines: Vec<JournalLine>,
}

/// What was posted from one date through another, posting by posting. `told`: the entries that the ERP was told. The lines of a
/// date sum to its entry.
pub fn listing(contract: &Contract, told: &[JournalEntry], from: Date, through: Date) -> Vec<Listed> {
    let currency = contract.terms().currency();
    let mut listed = Vec::new();
    if let Some(opening) = contract.opening_entry().filter(|entry| (from..=through).contains(&entry.date)) {
        let (kind, number) = (PostingKind::Opening, String::new());
        listed.push(Listed { date: opening.date, kind, number, of: None, lines: opening.lines });
    }
    for entry in contract.journal().into_iter().filter(|entry| (from..=through).contains(&entry.date)) {
        let mut rest = Balances::of(&entry.lines);
        let own = of_date(contract, entry.date);
        let documents: Balances = own.iter().map(|listed| Balances::of(&listed.lines)).sum();
        // Documents of a date that was closed before they were known were booked later.
        if (documents.receivable, documents.cash) == (rest.receivable, rest.cash) {
            rest = rest - documents;
            listed.extend(own);
        }
        for journal in told.iter().filter(|candidate| candidate.date == entry.date) {
            rest = rest - Balances::of(&journal.lines);
            listed.push(Listed {
                date: journal.date,
                kind: PostingKind::Entry,
                number: journal.number.clone(),
                of: journal.milestone.clone(),
                lines: journal.lines.clone(),
            });
        }
        if rest != Balances::default() {
            let moved = rest.receivable != Minor::ZERO || rest.cash != Minor::ZERO;
            let kind = if moved { PostingKind::OfClosedDates } else { PostingKind::NotTold };
            let lines = rest.lines(currency);
            listed.push(Listed { date: entry.date, kind, number: String::new(), of: None, lines });
        }
    }
    listed
}

/// Documents and payments of a date.
fn of_date(contract: &Contract, date: Date) -> Vec<Listed> {
    let currency = contract.terms().currency();
    let documents =
        contract.documents().iter().filter(|document| document.date == date && !document.withdrawn).map(|document| {
            let credits = document.kind == DocumentKind::CreditMemo;
            let amount = if credits { -document.amount.units() } else { document.amount.units() };
            let change = Balances { receivable: amount, liability: amount, ..Balances::default() };
            Listed {
                date,
                kind: PostingKind::Document(document.kind),
                number: document.number.clone(),
                of: Some(document.milestone.clone()),
                lines: change.lines(currency),
            }
        });
    let payments = contract.cash_movements().into_iter().filter(|movement| movement.on == date).map(|movement| {
        let change = Balances { receivable: -movement.amount, cash: movement.amount, ..Balances::default() };
        Listed {
            date,
            kind: if movement.amount < Minor::ZERO { PostingKind::PaymentReversed } else { PostingKind::Payment },
            number: movement.id.unwrap_or_default(),
            of: Some(movement.invoice),
            lines: change.lines(currency),
        }
    });
    documents.chain(payments).filter(|document| !document.lines.is_empty()).collect()
}

/// A posting as a transaction of plain-text accounting.
pub fn transaction(contract: &Contract, listed: &Listed) -> Transaction {
    Transaction {
        date: listed.date,
        contract: contract.terms().id().to_owned(),
        customer: contract.terms().customer().to_owned(),
        currency: contract.terms().currency(),
        documents: Some(listed.number.clone()).filter(|number| !number.is_empty()).into_iter().collect(),
        lines: listed.lines.clone(),
    }
}

/// Why a milestone stands in the cut-off test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CutOff {
    /// Accepted in the period, and invoiced after it or not yet: revenue without an invoice.
    AcceptedNotInvoiced,
    /// Invoiced in the period, and accepted after it or not yet: an invoice without revenue.
    InvoicedNotAccepted,
    /// Accepted in the period, and its revenue booked after it.
    BookedLater,
    /// Accepted before the period, and its revenue booked in it.
    BookedForEarlier,
}

impl CutOff {
    /// What it says.
    pub fn name(self) -> &'static str {
        match self {
            Self::AcceptedNotInvoiced => "accepted in the period, not invoiced in it",
            Self::InvoicedNotAccepted => "invoiced in the period, not accepted in it",
            Self::BookedLater => "accepted in the period, revenue booked after it",
            Self::BookedForEarlier => "accepted before the period, revenue booked in it",
        }
    }
}

/// A milestone on one side of the cut-off with one of its dates and on the other side with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Straddling {
    /// Milestone.
    pub milestone: String,
    /// Why it stands here.
    pub why: CutOff,
    /// When it was accepted.
    pub accepted_on: Option<Date>,
    /// When its revenue was booked.
    pub booked_on: Option<Date>,
    /// When it was first invoiced.
    pub invoiced_on: Option<Date>,
    /// What it bills.
    pub amount: Minor,
}

/// The cut-off test of a period, in both directions.
pub fn cut_off(contract: &Contract, from: Date, through: Date) -> Vec<Straddling> {
    let within = |date: Option<Date>| date.is_some_and(|date| (from..=through).contains(&date));
    let by_then = |date: Option<Date>| date.is_some_and(|date| date <= through);
    let mut found = Vec::new();
    for view in contract.milestones() {
        let (accepted_on, invoiced_on, booked_on) = (view.accepted_on, view.invoiced_on, contract.booked_on(&view.id));
        let tests = [
            (CutOff::AcceptedNotInvoiced, within(accepted_on) && !by_then(invoiced_on)),
            (CutOff::InvoicedNotAccepted, within(invoiced_on) && !by_then(accepted_on)),
            (CutOff::BookedLater, within(accepted_on) && booked_on.is_some_and(|on| on > through)),
            (CutOff::BookedForEarlier, within(booked_on) && accepted_on.is_some_and(|on| on < from)),
        ];
        found.extend(tests.into_iter().filter(|(_, holds)| *holds).map(|(why, _)| Straddling {
            milestone: view.id.clone(),
            why,
            accepted_on,
            booked_on,
            invoiced_on,
            amount: view.amount.units(),
        }));
    }
    found
}
