//! The books, sections 7 and 10 of the rules: the position at the end of each date as it is known now, the entries that are
//! the differences of positions, dates that are closed, and what is booked later for them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::documents::IssuedDocument;
use super::state::{Contract, Phase};
use crate::command::{Account, JournalLine, Side};
use crate::money::{Minor, Money};
use crate::terms::Terms;

/// Balances of a contract, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position {
    pub(crate) billed: Minor,
    pub(crate) recognised: Minor,
    pub(crate) unconditional: Minor,
    pub(crate) paid: Minor,
    pub(crate) accounts_receivable: Minor,
    pub(crate) unbilled_receivable: Minor,
    pub(crate) contract_asset: Minor,
    pub(crate) deferred_revenue: Minor,
}

impl Position {
    /// The balances that follow from billed, recognised, unconditional and paid amounts.
    pub fn of(billed: Minor, recognised: Minor, unconditional: Minor, paid: Minor) -> Self {
        let ahead = (recognised - billed).max(Minor::ZERO);
        let unbilled_receivable = ahead.min(unconditional);
        Self {
            billed,
            recognised,
            unconditional,
            paid,
            accounts_receivable: billed - paid,
            unbilled_receivable,
            contract_asset: ahead - unbilled_receivable,
            deferred_revenue: (billed - recognised).max(Minor::ZERO),
        }
    }

    /// Invoices less credit memos.
    pub fn billed(&self) -> Minor {
        self.billed
    }
    /// Revenue to date.
    pub fn recognised(&self) -> Minor {
        self.recognised
    }
    /// Payments applied.
    pub fn paid(&self) -> Minor {
        self.paid
    }
    /// Billed and not paid.
    pub fn accounts_receivable(&self) -> Minor {
        self.accounts_receivable
    }
    /// Recognised, unconditional and not billed.
    pub fn unbilled_receivable(&self) -> Minor {
        self.unbilled_receivable
    }
    /// Recognised and still conditional.
    pub fn contract_asset(&self) -> Minor {
        self.contract_asset
    }
    /// Billed and not recognised.
    pub fn deferred_revenue(&self) -> Minor {
        self.deferred_revenue
    }

    pub(super) fn balances(&self) -> Balances {
        Balances([
            self.accounts_receivable,
            self.unbilled_receivable,
            self.contract_asset,
            -self.deferred_revenue,
            -self.recognised,
            self.paid,
        ])
    }

    /// Amounts by name, for people.
    pub fn view(&self, terms: &Terms) -> PositionView {
        let money = |minor| terms.money(minor);
        PositionView {
            billed: money(self.billed),
            recognised: money(self.recognised),
            accounts_receivable: money(self.accounts_receivable),
            unbilled_receivable: money(self.unbilled_receivable),
            contract_asset: money(self.contract_asset),
            deferred_revenue: money(self.deferred_revenue),
            revenue: money(self.recognised),
            cash: money(self.paid),
        }
    }
}

/// A position with its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionView {
    /// Invoices less credit memos.
    pub billed: Money,
    /// Revenue recognised to date.
    pub recognised: Money,
    /// Billed and not paid.
    pub accounts_receivable: Money,
    /// Recognised, unconditional, not billed.
    pub unbilled_receivable: Money,
    /// Recognised, still conditional.
    pub contract_asset: Money,
    /// Billed and not recognised.
    pub deferred_revenue: Money,
    /// The same as recognised: the account.
    pub revenue: Money,
    /// Payments applied.
    pub cash: Money,
}

/// A sum that changes by date: what it is from each of its dates on. Whoever asks for many dates adds up once.
#[derive(Debug)]
pub(super) struct Growth(Vec<(Date, Minor)>);

impl Growth {
    pub(super) fn of(steps: impl Iterator<Item = (Date, Minor)>) -> Self {
        let mut steps: Vec<(Date, Minor)> = steps.collect();
        steps.sort_by_key(|(date, _)| *date);
        let mut sum = Minor::ZERO;
        for (_, amount) in &mut steps {
            sum += *amount;
            *amount = sum;
        }
        Self(steps)
    }

    /// The sum at the end of a date.
    pub(super) fn by(&self, day: Date) -> Minor {
        let index = self.0.partition_point(|(date, _)| *date <= day);
        index.checked_sub(1).and_then(|index| self.0.get(index)).map_or(Minor::ZERO, |(_, sum)| *sum)
    }
}

/// The accounts, in the order of the lines of an entry.
const ACCOUNTS: [Account; 6] = [
    Account::AccountsReceivable,
    Account::UnbilledReceivable,
    Account::ContractAsset,
    Account::DeferredRevenue,
    Account::Revenue,
    Account::Cash,
];

/// Debit balances, or their changes, in the order of [`ACCOUNTS`]; credits are negative. They sum to 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Balances([Minor; 6]);

impl Balances {
    fn plus(self, other: Self) -> Self {
        let mut sum = self;
        for (one, more) in sum.0.iter_mut().zip(other.0) {
            *one += more;
        }
        sum
    }

    fn minus(self, other: Self) -> Self {
        let mut difference = self;
        for (one, less) in difference.0.iter_mut().zip(other.0) {
            *one -= less;
        }
        difference
    }

    fn of_lines(lines: &[JournalLine]) -> Self {
        let mut sum = Self::default();
        for line in lines {
            let amount = line.amount.units();
            let index = ACCOUNTS.iter().position(|account| *account == line.account);
            if let Some(balance) = index.and_then(|index| sum.0.get_mut(index)) {
                *balance += if line.side == Side::Debit { amount } else { -amount };
            }
        }
        sum
    }

    fn lines(self, terms: &Terms) -> Vec<JournalLine> {
        let changes = ACCOUNTS.into_iter().zip(self.0).filter(|(_, change)| *change != Minor::ZERO);
        changes
            .map(|(account, change)| {
                let side = if change > Minor::ZERO { Side::Debit } else { Side::Credit };
                JournalLine { account, side, amount: terms.money(change.abs()) }
            })
            .collect()
    }

    /// Without what the ERP's own documents post (invoice: receivable to deferred revenue; payment: cash to receivable).
    fn without_documents(self) -> Self {
        let [receivable, unbilled, asset, deferred, revenue, cash] = self.0;
        Self([Minor::ZERO, unbilled, asset, deferred + receivable + cash, revenue, Minor::ZERO])
    }
}

/// A journal entry: one per contract and date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedEntry {
    /// Date.
    pub date: Date,
    /// Lines; debits equal credits.
    pub lines: Vec<JournalLine>,
}

/// Positions, closed dates, and what was booked for them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Books {
    /// Position at the end of each date on which it changed, as it is known now.
    pub(super) positions: Vec<(Date, Position)>,
    /// The first date whose position may be another than was known.
    relearned: Option<Date>,
    /// The position of the present date may be another than was reckoned. Never true between two calls from outside.
    #[serde(skip)]
    unreckoned: bool,
    /// The end of the present date has passed.
    day_over: bool,
    /// All dates through this one are closed.
    closed_through: Option<Date>,
    /// The balance before the first date of the books.
    opening: Option<Position>,
    /// Entries of closed dates: they never change.
    closed: BTreeMap<Date, Balances>,
    /// What was booked on open dates for closed ones.
    late: BTreeMap<Date, Balances>,
    /// All that was booked for closed dates, the opening balance included.
    booked: Balances,
}

impl Contract {
    /// Something was learned that changes what is known of a date and of those after it.
    pub(super) fn relearn(&mut self, day: Date) {
        self.books.relearned = Some(self.books.relearned.map_or(day, |known| known.min(day)));
    }

    /// Whether a date is closed.
    pub(super) fn is_closed(&self, day: Date) -> bool {
        self.books.closed_through.is_some_and(|through| day <= through)
    }

    /// The present date, or the first one after it that is open.
    pub(super) fn first_open_date(&self) -> Date {
        let after = self.books.closed_through.and_then(|through| through.tomorrow().ok());
        after.map_or(self.as_of, |after| after.max(self.as_of))
    }

    /// The first open date, while the present one is closed.
    pub(super) fn opens_on(&self) -> Option<Date> {
        Some(self.first_open_date()).filter(|date| *date > self.as_of)
    }

    /// The position at the end of a date; `whole`: what is booked at the end of a month is booked.
    pub(super) fn position_at(&self, day: Date, whole: bool) -> Position {
        let billed = self.milestones.iter().map(|milestone| milestone.billing.billed_by(day)).sum();
        let paid = self.paid_steps().filter(|(date, _)| *date <= day).map(|(_, amount)| amount).sum();
        Position::of(billed, self.recognised_at(day, whole), self.unconditional_at(day), paid)
    }

    /// Positions at the ends of past dates, in their order.
    fn positions_at(&self, dates: impl Iterator<Item = Date>) -> Vec<(Date, Position)> {
        let billed =
            Growth::of(self.milestones.iter().flat_map(|milestone| milestone.billing.documents.iter().copied()));
        let paid = Growth::of(self.paid_steps());
        let (earnings, dues) = (self.earnings(), self.dues());
        let at = |day: Date| {
            let recognised = self.recognised_with(&earnings, day, true);
            Position::of(billed.by(day), recognised, dues.on(day), paid.by(day))
        };
        dates.map(|day| (day, at(day))).collect()
    }

    /// Payments, and what was taken back of them, by date.
    fn paid_steps(&self) -> impl Iterator<Item = (Date, Minor)> {
        let steps = self
            .payments
            .iter()
            .map(|payment| [Some((payment.on, payment.amount)), payment.reversed_on.map(|on| (on, -payment.amount))]);
        steps.flatten().flatten()
    }

    /// The position as it is now.
    pub(super) fn position_now(&self) -> Position {
        let today = self.as_of;
        self.position_at(today, self.books.day_over || self.is_closed(today))
    }

    fn known_at(&self, day: Date) -> Position {
        let index = self.books.positions.partition_point(|(date, _)| *date <= day);
        index.checked_sub(1).and_then(|index| self.books.positions.get(index)).map(|(_, at)| *at).unwrap_or_default()
    }

    /// Reckons positions, and books what they differ by for closed dates. Returns whether it did. While no date is closed, the
    /// positions of a date are reckoned once, as it is left or as the call from outside ends.
    pub(super) fn keep_books(&mut self) -> bool {
        if self.books.closed_through.is_none() {
            self.books.unreckoned |= self.books.relearned.is_some();
            return false;
        }
        self.reckon();
        let Some(through) = self.books.closed_through.filter(|_| self.phase != Phase::History) else { return false };
        let known = self.known_at(through.min(self.as_of)).balances();
        let difference = known.minus(self.books.booked);
        if difference == Balances::default() {
            return false;
        }
        let date = self.first_open_date();
        let late = self.books.late.entry(date).or_default();
        *late = late.plus(difference);
        self.books.booked = known;
        true
    }

    /// Reckons what is still to be reckoned of the present date.
    pub(super) fn reckon_rest(&mut self) {
        if self.books.unreckoned {
            self.reckon();
        }
    }

    /// Reckons the positions of the present date, and of those of which something was learned.
    fn reckon(&mut self) {
        self.books.unreckoned = false;
        let today = self.as_of;
        let from = self.books.relearned.take().map_or(today, |day| day.min(today));
        let kept = self.books.positions.partition_point(|(date, _)| *date < from);
        self.books.positions.truncate(kept);
        let mut changed = Vec::new();
        if from < today {
            changed = self.positions_at(self.dates_of_change(from).into_iter().filter(|date| *date < today));
        }
        changed.push((today, self.position_now()));
        for (date, position) in changed {
            if self.books.positions.last().map_or_else(Position::default, |(_, last)| *last) != position {
                self.books.positions.push((date, position));
            }
        }
    }

    /// Every date from `from` to the present one at which the position may have changed.
    fn dates_of_change(&self, from: Date) -> BTreeSet<Date> {
        let mut dates = BTreeSet::from([from.max(self.terms.signed_on), self.terms.signed_on, self.as_of]);
        for milestone in &self.milestones {
            let former = milestone.former.iter().map(|(until, terms)| (Some(*until), terms));
            for (until, terms) in former.chain([(None, &milestone.terms)]) {
                dates.extend(until);
                dates.extend(self.fires_on(milestone, terms));
            }
            dates.extend(milestone.billing.fired_on);
            dates.extend([milestone.brought_in, milestone.cancelled_on, milestone.accepted_on].into_iter().flatten());
            dates.extend(milestone.billing.documents.iter().map(|(date, _)| *date));
        }
        // What was withdrawn is due from its date on.
        dates.extend(self.documents.iter().filter(|document| document.withdrawn).map(|document| document.date));
        dates.extend(self.payments.iter().flat_map(|payment| [Some(payment.on), payment.reversed_on]).flatten());
        dates.extend(self.costs.values().flatten().map(|(date, _)| *date));
        dates.extend(self.allocations.iter().map(|allocation| allocation.from));
        dates.extend(self.bookings(from));
        dates.retain(|date| (from..=self.as_of).contains(date));
        dates
    }

    /// The history is taken: what is dated before the first date of the books was booked by others.
    pub(super) fn open_books(&mut self) {
        self.relearn(Date::MIN);
        self.reckon();
        let first = self.terms.books_from;
        // Without a date of the books the dates before the first day are nobody's: nothing is posted into the past.
        let filed_late = (self.as_of > self.terms.signed_on && self.terms.history.is_empty()).then_some(self.as_of);
        self.books.closed_through = first.or(filed_late).and_then(|first| first.yesterday().ok());
        if let Some(through) = self.books.closed_through.filter(|_| first.is_some()) {
            let opening = self.known_at(through);
            self.books.opening = Some(opening);
            self.books.booked = opening.balances();
        }
    }

    /// Closes all dates through one, for good.
    pub(super) fn close_period(&mut self, through: Date) {
        let before = self.books.closed_through;
        if before.is_some_and(|before| through <= before) {
            return;
        }
        let known = before.map_or_else(Position::default, |before| self.known_at(before.min(self.as_of))).balances();
        self.books.closed_through = Some(through);
        // The present date is closed in its course: its position is that of its end.
        self.reckon();
        let upto = through.min(self.as_of);
        let mut last = known;
        let entries: Vec<(Date, Balances)> = self
            .books
            .positions
            .iter()
            .filter(|(date, _)| before.is_none_or(|before| *date > before) && *date <= upto)
            .map(|(date, position)| {
                let change = position.balances().minus(last);
                last = position.balances();
                (*date, change)
            })
            .collect();
        let late = std::mem::take(&mut self.books.late);
        let (late, open): (BTreeMap<_, _>, BTreeMap<_, _>) = late.into_iter().partition(|(date, _)| *date <= through);
        self.books.late = open;
        for (date, change) in entries.into_iter().chain(late) {
            let entry = self.books.closed.entry(date).or_default();
            *entry = entry.plus(change);
        }
        self.books.booked = self.books.booked.plus(last.minus(known));
    }

    /// The end of the present date passes: what is booked by time at a month's end is booked.
    pub(super) fn end_day(&mut self) {
        self.books.day_over = true;
        self.books.unreckoned = true;
        self.keep_books();
    }

    /// A date begins.
    pub(super) fn start_day(&mut self, day: Date) {
        self.reckon_rest();
        self.books.day_over = false;
        self.books.unreckoned = true;
        self.as_of = day;
    }

    pub(super) fn is_day_over(&self) -> bool {
        self.books.day_over
    }

    /// Balance before the first date of the books, where others booked what is dated earlier.
    pub fn opening(&self) -> Option<Position> {
        self.books.opening
    }

    /// The opening balance as an entry of the day before the first date of the books; none where all of it is zero.
    pub fn opening_entry(&self) -> Option<DatedEntry> {
        let (opening, first) = (self.books.opening?, self.terms.books_from?);
        let lines = opening.balances().lines(&self.terms);
        Some(DatedEntry { date: first.yesterday().ok()?, lines }).filter(|entry| !entry.lines.is_empty())
    }

    /// Whether a document is part of the opening balance.
    pub(crate) fn is_in_opening(&self, document: &IssuedDocument) -> bool {
        self.books.opening.is_some() && self.terms.books_from.is_some_and(|first| document.date < first)
    }

    /// Changes of balances by date: what was booked on closed dates, and what is known of open ones.
    fn entries(&self) -> BTreeMap<Date, Balances> {
        let books = &self.books;
        let mut entries = books.closed.clone();
        let mut last = books.closed_through.map_or_else(Balances::default, |through| self.known_at(through).balances());
        for (date, position) in books.positions.iter().filter(|(date, _)| !self.is_closed(*date)) {
            let entry = entries.entry(*date).or_default();
            *entry = entry.plus(position.balances().minus(last));
            last = position.balances();
        }
        for (date, late) in &books.late {
            let entry = entries.entry(*date).or_default();
            *entry = entry.plus(*late);
        }
        entries.retain(|_, change| *change != Balances::default());
        entries
    }

    /// What was booked since an earlier state of the same contract, by date.
    pub(super) fn booked_since(&self, before: &Self) -> Vec<DatedEntry> {
        let mut entries = self.entries();
        for (date, known) in before.entries() {
            let entry = entries.entry(date).or_default();
            *entry = entry.minus(known);
        }
        let booked = entries.into_iter().filter(|(_, change)| *change != Balances::default());
        booked.map(|(date, change)| DatedEntry { date, lines: change.lines(&self.terms) }).collect()
    }

    /// Whether it has open dates among those through one.
    pub fn has_open_dates_through(&self, through: Date) -> bool {
        let first = self.terms.signed_on.min(self.begins_on);
        first <= through && self.books.closed_through.is_none_or(|known| known < through)
    }

    /// The last closed date.
    pub fn closed_through(&self) -> Option<Date> {
        self.books.closed_through
    }

    /// The journal: one entry per date on which the position changed.
    pub fn journal(&self) -> Vec<DatedEntry> {
        let entries = self.entries().into_iter();
        entries.map(|(date, change)| DatedEntry { date, lines: change.lines(&self.terms) }).collect()
    }

    /// By date, what the ERP has still to be told: the entry of the date without what its own documents post, less the entries
    /// that it was told of that date. A date of which it was told something else than is known now has such a difference.
    pub fn untold_entries<'a>(&self, told: impl IntoIterator<Item = (Date, &'a [JournalLine])>) -> Vec<DatedEntry> {
        let entries = self.entries().into_iter();
        let mut untold: BTreeMap<Date, Balances> =
            entries.map(|(date, change)| (date, change.without_documents())).collect();
        for (date, lines) in told {
            let entry = untold.entry(date).or_default();
            *entry = entry.minus(Balances::of_lines(lines));
        }
        untold.retain(|_, change| *change != Balances::default());
        untold.into_iter().map(|(date, change)| DatedEntry { date, lines: change.lines(&self.terms) }).collect()
    }

    /// The entry of a date without what the ERP's own invoices, credit memos and payments post.
    pub fn revenue_entry(&self, date: Date) -> Vec<JournalLine> {
        let change = self.entries().remove(&date).unwrap_or_default();
        change.without_documents().lines(&self.terms)
    }
}
