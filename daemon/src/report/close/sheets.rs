//! The tables of a package, from the contracts and the ERPs' ledgers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use milestoned_mapping::close::{Balances, Bands, Ledger, Listed, RollForward, cut_off, listing, transaction};
use milestoned_mapping::command::{Account, JournalEntry, JournalLine, Side};
use milestoned_mapping::contract::{Contract, event_in_words};
use milestoned_mapping::fact::Event;
use milestoned_mapping::ledger::{self, Format, Transaction};
use milestoned_mapping::money::{Currency, Minor};
use milestoned_workbook::cell::Cell;
use rust_decimal::Decimal;

use super::steps::{self, Finding};
use super::tie_out::{Own, Tied, payment, tie_out};
use super::{Closing, Figures, Month, Sheet};
use crate::environment::Environment;
use crate::progress::Progress;
use crate::review::portfolio::{self, Booked};
use crate::review::queue::{Filter, queue};
use crate::settings::Labels;
use crate::store::StoreError;
use crate::store::actor::Actor;
use crate::store::vocabulary::DeliveryState;

/// What is known of one contract for the package.
struct Part {
    contract: Contract,
    erp: String,
    ledger: Ledger,
    told: Vec<JournalEntry>,
}

impl Part {
    fn id(&self) -> &str {
        self.contract.terms().id()
    }

    fn currency(&self) -> Currency {
        self.contract.terms().currency()
    }

    fn amount(&self, minor: Minor) -> Cell {
        Cell::Amount(self.currency().money(minor).to_string())
    }

    /// Contract, customer, ERP and currency.
    fn named(&self) -> Vec<Cell> {
        let terms = self.contract.terms();
        vec![Cell::text(terms.id()), Cell::text(terms.customer()), Cell::text(&self.erp), Cell::text(self.currency())]
    }
}

/// The figures of a month, as everything is known now.
pub(super) async fn figures(
    env: &Environment,
    month: Month,
    by: &Actor,
    progress: &Progress,
) -> Result<Figures, StoreError> {
    let labels = env.settings.close.standard.labels();
    let gathered = gather(env, (month, &labels), progress).await?;
    let erps: Vec<String> = gathered.books.keys().cloned().collect();
    let (ties, mut findings) = tied(env, month, gathered.books).await?;
    let mut sheets = vec![
        gathered.roll_forward,
        in_sum(&gathered.sums, &labels),
        gathered.waterfall,
        gathered.remaining,
        gathered.unbilled,
        gathered.straddling,
        gathered.journal,
    ];
    sheets.extend(tie_out_sheets(&ties, &labels));
    sheets.push(judgements(env, month, &gathered.ids).await?);
    sheets.push(exceptions(env).await?);
    findings.extend(steps::of_sheets(&sheets));
    findings.push(steps::of_streams(&env.store.streams().await?, month));
    let mut open = env.store.deliveries(None, DeliveryState::UNSETTLED).await?;
    open.extend(env.store.unposted().await?);
    findings.push(steps::of_deliveries(&open, month));
    findings.push(steps::of_dates(&env.store.closed_dates().await?, &erps, month));
    steps::sort(&mut findings);
    Ok(Figures {
        month: month.to_string(),
        standard: env.settings.close.standard,
        prepared_at: env.clock.now(),
        prepared_by: by.clone(),
        audit: env.store.audit_head().await?.seq,
        rules: super::version(),
        findings,
        sheets,
        journal: ledger::write(Format::Hledger, gathered.transactions),
        closing: gathered.closing,
    })
}

/// What contracts bring to the package, one after the other: none of them is kept.
struct Gathered {
    labels: Labels,
    ids: BTreeSet<String>,
    roll_forward: Sheet,
    sums: BTreeMap<Currency, RollForward>,
    waterfall: Sheet,
    remaining: Sheet,
    unbilled: Sheet,
    straddling: Sheet,
    journal: Sheet,
    transactions: Vec<Transaction>,
    closing: BTreeMap<String, Closing>,
    /// Postings through the month's end by ERP, and the date of the first.
    books: BTreeMap<String, (Vec<Own>, Option<Date>)>,
}

async fn gather(
    env: &Environment,
    (month, labels): (Month, &Labels),
    progress: &Progress,
) -> Result<Gathered, StoreError> {
    let (waterfall, remaining) = released(labels);
    let mut gathered = Gathered {
        labels: *labels,
        ids: BTreeSet::new(),
        roll_forward: roll_forward(labels),
        sums: BTreeMap::new(),
        waterfall,
        remaining,
        unbilled: unbilled(labels),
        straddling: straddling(),
        journal: journal(),
        transactions: Vec::new(),
        closing: BTreeMap::new(),
        books: BTreeMap::new(),
    };
    progress.begins(usize::try_from(env.store.decided_so_far().await?.0).unwrap_or_default());
    let mut after = String::new();
    loop {
        let some = portfolio::booked_after(env, &after).await?;
        let ids: Vec<String> = some.iter().map(|booked| booked.state.terms().id().to_owned()).collect();
        let Some(last) = ids.last() else { break };
        after.clone_from(last);
        let count = ids.len();
        let mut told = env.store.journal_entries_of(ids).await?;
        for Booked { state, erp, .. } in some {
            let told = told.remove(state.terms().id()).unwrap_or_default();
            gathered.take(month, &Part { ledger: Ledger::of(&state), contract: state, erp, told });
        }
        progress.advances(count);
    }
    gathered.journal.rows.sort_by(|a, b| a.iter().take(2).map(Cell::shown).cmp(b.iter().take(2).map(Cell::shown)));
    gathered.sums.retain(|_, sum| !sum.is_empty());
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, month: Month, part: &Part) {
        self.ids.insert(part.id().to_owned());
        let rolled = part.ledger.roll_forward(month.first(), month.last());
        let sum = self.sums.entry(part.currency()).or_default();
        *sum = *sum + rolled;
        if !rolled.is_empty() {
            let mut row = part.named();
            row.extend(cells(&rolled, part.currency()));
            self.roll_forward.rows.push(row);
        }
        let at = part.ledger.at(month.last());
        if part.contract.terms().signed_on() <= month.last() {
            self.release(month, part, at.liability);
        }
        if at.unbilled != Minor::ZERO || at.asset != Minor::ZERO {
            let mut row = part.named();
            row.extend([part.amount(at.unbilled), part.amount(at.asset)]);
            self.unbilled.rows.push(row);
        }
        self.straddling.rows.extend(straddling_rows(month, part));
        let listed = listing(&part.contract, &part.told, month.first(), month.last());
        for posting in &listed {
            self.journal.rows.extend(posting.lines.iter().map(|line| line_cells(part, posting, line, &self.labels)));
        }
        self.transactions.extend(opening(month, part));
        self.transactions.extend(listed.iter().map(|posting| transaction(&part.contract, posting)));
        if at != Balances::default() {
            self.closing.insert(part.id().to_owned(), Closing { currency: part.currency(), balances: at });
        }
        let (own, first) = self.books.entry(part.erp.clone()).or_default();
        own.extend(postings(part, month.last()));
        *first = [*first, part.ledger.first()].into_iter().flatten().min();
    }

    /// When what remains is recognised: month by month, and in bands.
    fn release(&mut self, month: Month, part: &Part, liability: Minor) {
        let left = part.contract.to_recognise(month.last());
        let released = left.releasing(liability);
        for (first, amount) in &left.by_month {
            let of_it =
                released.by_month.iter().find(|(month, _)| month == first).map_or(Minor::ZERO, |(_, of_it)| *of_it);
            let mut row = part.named();
            row.extend([Cell::text(first.strftime("%Y-%m")), part.amount(*amount), part.amount(of_it)]);
            self.waterfall.rows.push(row);
        }
        if left.undated != Minor::ZERO || released.undated != Minor::ZERO {
            let mut row = part.named();
            row.extend([Cell::text("no date"), part.amount(left.undated), part.amount(released.undated)]);
            self.waterfall.rows.push(row);
        }
        let bands = left.bands(month.last());
        if bands != Bands::default() {
            let mut row = part.named();
            let amounts = [bands.first_year, bands.second_year, bands.later, bands.undated, bands.total()];
            row.extend(amounts.map(|amount| part.amount(amount)));
            self.remaining.rows.push(row);
        }
    }
}

/// Heads of a roll-forward, in the words of the standard.
fn heads(labels: &Labels) -> Vec<String> {
    let of = |label: &str, names: &[&str]| names.iter().map(|name| format!("{label}, {name}")).collect::<Vec<_>>();
    let mut heads = of(labels.receivable, &["opening", "billed", "collected", "closing"]);
    heads.extend(of(labels.unbilled, &["opening", "added", "billed", "closing"]));
    heads.extend(of(labels.asset, &["opening", "added", "released", "closing"]));
    let names = ["opening", "billed", "recognised", "modifications", "revenue not billed", "closing"];
    heads.extend(of(labels.liability, &names));
    heads.push("Revenue of the month".into());
    heads.push(format!("Of it from the opening {}", labels.liability.to_lowercase()));
    heads
}

fn cells(roll: &RollForward, currency: Currency) -> Vec<Cell> {
    let (opening, closing) = (roll.opening, roll.closing);
    let amounts = [
        opening.receivable,
        roll.billed,
        -roll.collected,
        closing.receivable,
        opening.unbilled,
        roll.unbilled_added,
        -roll.unbilled_released,
        closing.unbilled,
        opening.asset,
        roll.asset_added,
        -roll.asset_released,
        closing.asset,
        opening.liability,
        roll.billed,
        -roll.recognised,
        -roll.modifications,
        roll.from_assets(),
        closing.liability,
        roll.recognised + roll.modifications,
        roll.from_opening,
    ];
    amounts.into_iter().map(|minor| Cell::Amount(currency.money(minor).to_string())).collect()
}

fn roll_forward(labels: &Labels) -> Sheet {
    let note = "Balances of each contract from the beginning of the month to its end; the figures between opening and closing \
                sum to the difference.";
    let mut sheet = Sheet::new("Roll-forward", note, &["Contract", "Customer", "ERP", "Currency"]);
    sheet.columns.extend(heads(labels));
    sheet
}

fn in_sum(sums: &BTreeMap<Currency, RollForward>, labels: &Labels) -> Sheet {
    let mut sheet = Sheet::new("Sums", "The roll-forward of all contracts, by currency.", &["Currency"]);
    sheet.columns.extend(heads(labels));
    for (currency, sum) in sums {
        let mut row = vec![Cell::text(currency)];
        row.extend(cells(sum, *currency));
        sheet.rows.push(row);
    }
    sheet
}

/// The waterfall, and remaining performance obligations in bands.
fn released(labels: &Labels) -> (Sheet, Sheet) {
    let liability = labels.liability.to_lowercase();
    let note = format!(
        "When what remains is recognised, and what of it releases the {liability}. What an acceptance or a cost report brings has no \
         month."
    );
    let from_liability = format!("Of it from the {liability}");
    let columns = ["Contract", "Customer", "ERP", "Currency", "Month", "Revenue to come", &from_liability];
    let waterfall = Sheet::new("Waterfall", &note, &columns);
    let note = "The transaction price that is not recognised yet, by when time alone will bring it.";
    let columns = [
        "Contract",
        "Customer",
        "ERP",
        "Currency",
        "Within 1 year",
        "1 to 2 years",
        "After 2 years",
        "No date",
        "In all",
    ];
    (waterfall, Sheet::new("Remaining obligations", note, &columns))
}

fn unbilled(labels: &Labels) -> Sheet {
    let note = "Revenue that was recognised and not billed by the end of the month.";
    Sheet::new("Unbilled", note, &["Contract", "Customer", "ERP", "Currency", labels.unbilled, labels.asset])
}

fn straddling() -> Sheet {
    let note = "Milestones with one of their dates within the month and another one outside of it, in both directions.";
    let columns = [
        "Contract",
        "Customer",
        "ERP",
        "Currency",
        "Milestone",
        "Why",
        "Accepted",
        "Revenue booked",
        "Invoiced",
        "Amount",
    ];
    Sheet::new("Cut-off", note, &columns)
}

fn straddling_rows(month: Month, part: &Part) -> Vec<Vec<Cell>> {
    let straddling = cut_off(&part.contract, month.first(), month.last()).into_iter().map(|straddling| {
        let mut row = part.named();
        row.extend([
            Cell::text(&straddling.milestone),
            Cell::text(straddling.why.name()),
            Cell::optional(straddling.accepted_on),
            Cell::optional(straddling.booked_on),
            Cell::optional(straddling.invoiced_on),
            part.amount(straddling.amount),
        ]);
        row
    });
    straddling.collect()
}

fn journal() -> Sheet {
    let note = "Every posting of the month by itself: documents, payments, entries; none is netted with another one of its date.";
    let columns =
        ["Date", "Contract", "Customer", "ERP", "Currency", "What", "Number", "Of", "Account", "Debit", "Credit"];
    Sheet::new("Journal", note, &columns)
}

fn line_cells(part: &Part, listed: &Listed, line: &JournalLine, labels: &Labels) -> Vec<Cell> {
    let amount = Cell::Amount(line.amount.to_string());
    let none = Cell::text("");
    let (debit, credit) = if line.side == Side::Debit { (amount, none) } else { (none, amount) };
    let mut row = vec![Cell::text(listed.date)];
    row.extend(part.named());
    row.extend([
        Cell::text(listed.kind.name()),
        Cell::text(&listed.number),
        Cell::optional(listed.of.as_ref()),
        Cell::text(labels.of(line.account)),
        debit,
        credit,
    ]);
    row
}

/// The balances of a contract before the month, as a transaction of plain-text accounting.
fn opening(month: Month, part: &Part) -> Option<Transaction> {
    let before = month.first().yesterday().unwrap_or(month.first());
    let lines = part.ledger.at(before).lines(part.currency());
    let terms = part.contract.terms();
    (!lines.is_empty()).then(|| Transaction {
        date: before,
        contract: terms.id().to_owned(),
        customer: terms.customer().to_owned(),
        currency: part.currency(),
        documents: Vec::new(),
        lines,
    })
}

/// The ledger of one ERP beside our books of its contracts.
struct ErpTied {
    erp: String,
    tied: Vec<Tied>,
}

/// Asks every ERP for its ledger, and compares it. What an ERP does not tell is a finding.
async fn tied(
    env: &Environment,
    month: Month,
    books: BTreeMap<String, (Vec<Own>, Option<Date>)>,
) -> Result<(Vec<ErpTied>, Vec<Finding>), StoreError> {
    let (mut all, mut untold) = (Vec::new(), Vec::new());
    for (erp, (own, first)) in books {
        let Some(first) = first.filter(|first| *first <= month.last()) else { continue };
        let Some(entry) = env.registry.get(&erp) else {
            untold.push(format!("{erp}: there is no such connection any more"));
            continue;
        };
        match entry.connection.ledger(first, month.last()).await {
            Ok(Some(lines)) => {
                let numbers = env.store.posted_as(erp.clone()).await?;
                all.push(ErpTied { tied: tie_out(own, &lines, &numbers), erp });
            }
            Ok(None) => untold.push(format!("{erp}: its ledger is not read; compare its balances by hand")),
            Err(fault) => untold.push(format!("{erp}: {fault}")),
        }
    }
    Ok((all, steps::of_ledgers(untold)))
}

/// Our postings of a contract through a date, on the accounts that an ERP's ledger is asked for.
fn postings(part: &Part, through: Date) -> Vec<Own> {
    let contract: Arc<str> = part.id().into();
    let listed = listing(&part.contract, &part.told, Date::MIN, through);
    let own = listed.iter().flat_map(|listed| {
        let (contract, number): (_, Arc<str>) = (Arc::clone(&contract), number(part, listed).into());
        listed.lines.iter().filter(|line| line.account != Account::Cash).map(move |line| Own {
            contract: Arc::clone(&contract),
            number: Arc::clone(&number),
            what: listed.kind.name(),
            account: line.account,
            on: listed.date,
            currency: line.amount.currency(),
            amount: if line.side == Side::Debit { line.amount.decimal() } else { -line.amount.decimal() },
        })
    });
    own.collect()
}

/// What a posting of ours is known by in the ERP. Ids of payments begin with the connection, and end with the invoice where one
/// payment pays several.
fn number(part: &Part, listed: &Listed) -> String {
    let in_erp = listed.number.strip_prefix(&format!("{}:", part.erp));
    match in_erp.and_then(|id| id.split(':').next()) {
        Some(id) => payment(id),
        None if listed.number.is_empty() => format!("{} of {} on {}", listed.kind.name(), part.id(), listed.date),
        None => listed.number.clone(),
    }
}

fn tie_out_sheets(ties: &[ErpTied], labels: &Labels) -> [Sheet; 2] {
    let note = "Each account in the ERP’s own ledger beside our books at the end of the month. Debits are positive.";
    let columns = ["ERP", "Account", "Currency", "In our books", "In the ledger", "Difference", "Entries that differ"];
    let mut balances = Sheet::new("Tie-out", note, &columns);
    let note = "Every entry that a difference is made of; the differences of an account sum to its difference.";
    let columns = [
        "ERP",
        "Account",
        "Currency",
        "Number",
        "Contract",
        "Date",
        "In our books",
        "In the ledger",
        "Difference",
        "Why",
    ];
    let mut entries = Sheet::new("Differences", note, &columns);
    for ErpTied { erp, tied } in ties {
        for balance in tied {
            let digits = balance.currency.parse::<Currency>().map_or(2, |currency| u32::from(currency.digits()));
            let amount = |amount: Decimal| {
                let mut exact = amount.normalize();
                exact.rescale(exact.scale().max(digits));
                Cell::Amount(exact.to_string())
            };
            let named = || vec![Cell::text(erp), Cell::text(labels.of(balance.account)), Cell::text(&balance.currency)];
            let mut row = named();
            row.extend([amount(balance.ours), amount(balance.theirs), amount(balance.difference())]);
            row.push(Cell::Count(i64::try_from(balance.entries.len()).unwrap_or(i64::MAX)));
            balances.rows.push(row);
            for entry in &balance.entries {
                let mut row = named();
                row.extend([
                    Cell::text(&entry.number),
                    Cell::text(&entry.contract),
                    Cell::optional(entry.on),
                    amount(entry.ours),
                    amount(entry.theirs),
                    amount(entry.theirs - entry.ours),
                    Cell::text(&entry.why),
                ]);
                entries.rows.push(row);
            }
        }
    }
    [balances, entries]
}

/// What people judged in the month: what they overruled, adopted or withdrew, what they estimated, and dates that they told.
async fn judgements(env: &Environment, month: Month, contracts: &BTreeSet<String>) -> Result<Sheet, StoreError> {
    let columns = ["Contract", "Milestone", "What", "In words", "Dated", "Learned", "Who", "Reason"];
    let note =
        "What was not measured but decided by somebody in the month: overrulings, estimates, dates that were told.";
    let mut sheet = Sheet::new("Judgements", note, &columns);
    let zone = jiff::tz::TimeZone::UTC;
    let after = month.last().tomorrow().unwrap_or(month.last());
    let (Ok(from), Ok(until)) = (month.first().to_zoned(zone.clone()), after.to_zoned(zone)) else { return Ok(sheet) };
    let systems = env.registry.names();
    for mut told in env.store.judgements(from.timestamp(), until.timestamp()).await? {
        let by_hand = told.actor.may_be_person(&systems);
        let what = match &told.fact.event {
            Event::Overrule { .. } => "overruling",
            Event::Adopted { .. } => "invoice of somebody else",
            Event::Withdrawn { .. } => "withdrawal",
            Event::Cost { .. } => "estimate of cost",
            _ if told.fact.on.is_some() && by_hand => "date that was told",
            _ => continue,
        };
        if !contracts.contains(&told.contract) {
            continue;
        }
        let (words, on) = (event_in_words(&told.fact.event), told.fact.on);
        let milestone = told.fact.event.milestone().map(str::to_owned);
        let reason = told.fact.event.person().and_then(|(_, reason)| reason.map(|reason| reason.clone()));
        sheet.rows.push(vec![
            Cell::text(&told.contract),
            Cell::optional(milestone),
            Cell::text(what),
            Cell::text(words),
            Cell::optional(on),
            Cell::text(told.learned_at.strftime("%Y-%m-%d")),
            Cell::text(&told.actor),
            Cell::optional(reason),
        ]);
    }
    Ok(sheet)
}

async fn exceptions(env: &Environment) -> Result<Sheet, StoreError> {
    let columns =
        ["Name", "What", "Code", "Contract", "Milestone", "Severity", "Since", "Held", "Currency", "Owner", "Reason"];
    let note = "What waited for a person when the figures were prepared.";
    let mut sheet = Sheet::new("Open exceptions", note, &columns);
    for item in queue(env, &Filter::of_kinds(&["exception", "drift", "delivery", "fact", "record"])).await? {
        let (held, currency) = match &item.held {
            Some(held) => (Cell::Amount(held.amount.clone()), Cell::text(&held.currency)),
            None => (Cell::text(""), Cell::text("")),
        };
        sheet.rows.push(vec![
            Cell::text(&item.subject),
            Cell::text(&item.title),
            Cell::optional(item.code.as_ref()),
            Cell::optional(item.contract.as_ref()),
            Cell::optional(item.milestone.as_ref()),
            Cell::text(item.severity),
            Cell::optional(item.since),
            held,
            currency,
            Cell::optional(item.mark.owner.as_ref()),
            Cell::text(&item.problem.reason),
        ]);
    }
    Ok(sheet)
}
