//! What was billed, watched: documents that an ERP has otherwise than they were delivered, or no longer, deals that are
//! gone, work that was reopened. The rules have no codes for these; what they mean for the contract a person says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::command::JournalEntry;
use crate::contract::{Contract, DocumentKind, IssuedDocument};
use crate::fact::{Leg, LegMilestone};
use crate::record::{InvoiceSeen, InvoiceStatus, JournalSeen, Unassigned, UnassignedSeen};
use crate::statement::{Line, Statement};

macro_rules! kinds {
    ($($variant:ident, $name:literal, $leg:ident, $title:literal, $remedy:literal;)*) => {
        /// Kinds of drift.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] #[serde(rename = $name)] $variant,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its code, beside those of the rules.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The kind with this code.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// The leg that shows it.
            pub fn leg(self) -> Leg {
                match self { $(Self::$variant => Leg::$leg,)* }
            }

            /// What it means, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What to do.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

kinds! {
    CreditedByHand, "CREDITED_BY_HAND", Erp, "A credit memo that is not ours takes off one of our invoices in the ERP",
        "Ask who wrote it, and why. If the customer is to pay less, void it there and file a change order that credits the same: \
         then the credit memo is ours, and revenue follows it. If it stays, revenue and receivable here do not know of it: \
         close this with the reason.";
    CustomerRenamed, "CUSTOMER_RENAMED", Erp, "The ERP calls the customer's record otherwise, or has it no longer",
        "Ask who renamed or merged it. Rename it back there, or say which record the customer is now \
         (`milestoned customer choose`); where the customer itself is called otherwise, file a change order that says so.";
    DealGone, "DEAL_GONE", Crm, "The deal of a billed contract is gone from the CRM",
        "Ask who deleted it or gave it another contract. Restore it there; if the contract has ended, file a change order \
         that says so, and close this with the reason.";
    DocumentChanged, "DOCUMENT_CHANGED", Erp, "The ERP has one of our documents otherwise than it was delivered",
        "Ask who edited it. Put it back there; if the edit is right, file a change order that leads to the same, and close \
         this with the reason. Where its customer was renamed or merged there, say which record the customer is \
         (`milestoned customer choose`).";
    DocumentDoubled, "DOCUMENT_DOUBLED", Erp, "The ERP has one of our documents or entries more than once",
        "Find out where the second one comes from, and void or delete it there.";
    DocumentGone, "DOCUMENT_GONE", Erp, "The ERP has one of our documents no longer",
        "Ask who deleted it. Where it was only given another number, give it its own again there; else write it again there under \
         the same number; if it should be gone, file a change order that \
         takes it back, and close this with the reason. It is not written again by itself.";
    DocumentVoided, "DOCUMENT_VOIDED", Erp, "One of our documents was voided in the ERP",
        "Ask who voided it, and why. To bill it again, give the void another number there, for it holds ours, and write it \
         again under ours; or, where it was written under another number, adopt that one: tell the event `adopted` with its \
         number. If the milestone should not be billed, file a change order that removes it, and close this with the reason.";
    DocumentUnassigned, "DOCUMENT_UNASSIGNED", Erp,
        "An invoice or credit memo of the customer posts to our accounts and names no contract",
        "If it bills the contract, enter contract and milestone in it there: it is compared then. If it is other business, give \
         it other accounts there, or close this with the reason.";
    EntryChanged, "ENTRY_CHANGED", Erp, "The ERP has one of our journal entries otherwise than it was delivered",
        "Put it back there; what is to be corrected goes into an entry of its own.";
    EntryGone, "ENTRY_GONE", Erp, "The ERP has one of our journal entries no longer",
        "Ask who deleted it, and write it again there under the same number: the ledgers differ by it until then.";
    EntryUnassigned, "ENTRY_UNASSIGNED", Erp, "A journal entry by hand posts to our accounts for the customer and names no contract",
        "If it is of the contract, name the contract in it there: the balance of deferred revenue is compared with it then. If it \
         is other business, give it other accounts there; if it stays, close this with the reason.";
    PaidWithoutPayment, "PAID_WITHOUT_PAYMENT", Erp, "The ERP has our invoice as paid, and shows no payment of what is open here",
        "See in the ERP what settled it: a deposit of the customer, a credit memo, a write-off, an entry. Where it was money, enter it there as a \
         payment of the invoice; else close this with the reason, for the receivable here stays open.";
    WorkReopened, "WORK_REOPENED", Psa, "An accepted milestone's work was reopened in the project tool",
        "The acceptance stands until the customer and you agree otherwise. If it was reopened by mistake, put it back; if the \
         acceptance does not hold, file a change order, and close this with the reason.";
    WrittenOff, "WRITTEN_OFF", Erp, "A journal entry takes off one of our invoices in the ERP: it is written off, and not paid",
        "Ask who wrote it, and why. A bad debt is the ERP's to book: what is billed and recognised stays here, and the receivable \
         here stays open. Close this with the reason; if the invoice was wrong, void the entry, and file a change order.";
}

/// Something that differs from what was delivered or accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// What kind of thing.
    pub kind: Kind,
    /// Document or entry number, or milestone; empty: the contract.
    pub subject: String,
    /// Milestone, where one is concerned.
    pub milestone: Option<String>,
    /// What exactly.
    pub detail: String,
}

/// What the legs show now.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Invoices and credit memos that the ERP has.
    pub invoices: &'a [InvoiceSeen],
    /// Journal entries that the ERP has.
    pub journals: &'a [JournalSeen],
    /// Journal entries that the ERP was told.
    pub told: &'a [JournalEntry],
    /// Numbers of documents and entries of ours that the ERP has shown before.
    pub confirmed: &'a BTreeSet<String>,
    /// Milestones as the project tool had them when it was observed last.
    pub work_before: &'a [LegMilestone],
    /// Milestones as the project tool has them now.
    pub work: &'a [LegMilestone],
    /// What the ERP has that concerns the contract and names none.
    pub unassigned: &'a [UnassignedSeen],
    /// How the ERP calls the customer's record, where that is another name than before.
    pub renamed: Option<&'a Renamed>,
    /// First day of the contract here: credit memos before it are its history.
    pub since: Date,
    /// Milestones whose reopening is known and lasts.
    pub reopened: &'a BTreeSet<String>,
    /// A deal was observed, and there is none now.
    pub deal_gone: bool,
}

/// A customer's record in an ERP that is called otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// Connection of the ERP.
    pub erp: String,
    /// The ERP's id.
    pub remote_id: String,
    /// Its name before.
    pub before: String,
    /// Its name now; `None`: the ERP does not show it any more.
    pub now: Option<String>,
}

/// Everything that differs, in a settled order.
pub fn watch(contract: &Contract, shown: &Shown<'_>) -> Vec<Drift> {
    let mut found = Vec::new();
    if shown.deal_gone && !contract.documents().is_empty() {
        let detail = "no deal of the CRM names the contract any more".into();
        found.push(Drift { kind: Kind::DealGone, subject: String::new(), milestone: None, detail });
    }
    documents(contract, shown, &mut found);
    entries(shown, &mut found);
    settled(contract, shown, &mut found);
    credited(contract, shown, &mut found);
    unassigned(contract, shown, &mut found);
    renamed(contract, shown, &mut found);
    reopened(contract, shown, &mut found);
    found.sort();
    one_a_subject(found)
}

/// What is told of one subject under one kind is one drift.
fn one_a_subject(found: Vec<Drift>) -> Vec<Drift> {
    let mut told: Vec<Drift> = Vec::with_capacity(found.len());
    for drift in found {
        match told.last_mut().filter(|last| last.kind == drift.kind && last.subject == drift.subject) {
            Some(last) if last.detail != drift.detail => last.detail = format!("{}; {}", last.detail, drift.detail),
            Some(_) => {}
            None => told.push(drift),
        }
    }
    told
}

/// Invoices that are settled in the ERP by what it does not show as a payment, such as a deposit. Of an invoice with tax a payment
/// counts without its share: so many of the smallest units may be left open by rounding.
fn settled(contract: &Contract, shown: &Shown<'_>, found: &mut Vec<Drift>) {
    let is_told = |number: &String| shown.unassigned.iter().any(|seen| seen.invoices.contains(number));
    let opening = |number: &str| {
        contract.documents().iter().any(|document| document.number == number && contract.is_in_opening(document))
    };
    for receivable in contract.receivables() {
        let (open, number) = (receivable.open.decimal(), &receivable.number);
        let rounding = Decimal::new(i64::try_from(receivable.payments.len()).unwrap_or(i64::MAX), open.scale());
        let mut paid =
            shown.invoices.iter().filter(|seen| seen.number == *number && seen.status == InvoiceStatus::Paid);
        if open <= rounding || opening(number) || is_told(number) || paid.next().is_none() {
            continue;
        }
        let detail = format!("{number}: paid there, and {open} {} of it is open here", receivable.open.currency());
        let (subject, milestone) = (number.clone(), Some(receivable.milestone.clone()));
        found.push(Drift { kind: Kind::PaidWithoutPayment, subject, milestone, detail });
    }
}

/// Credit memos that name the contract and that nobody decided here.
fn credited(contract: &Contract, shown: &Shown<'_>, found: &mut Vec<Drift>) {
    let ours = |number: &str| contract.documents().iter().any(|document| document.number == number);
    let live = shown.invoices.iter().filter(|seen| seen.credit_memo && seen.status != InvoiceStatus::Void);
    for memo in live.filter(|seen| seen.date >= shown.since && !ours(&seen.number)) {
        let milestone = memo.milestone.clone();
        let detail = format!(
            "credit memo {} of {}: {} {} off {}",
            memo.number,
            memo.date,
            memo.amount,
            memo.currency,
            milestone.as_deref().map_or_else(|| "the contract".to_owned(), |id| format!("milestone {id}"))
        );
        found.push(Drift { kind: Kind::CreditedByHand, subject: memo.number.clone(), milestone, detail });
    }
}

/// What somebody wrote in the ERP that concerns the contract and does not name it.
fn unassigned(contract: &Contract, shown: &Shown<'_>, found: &mut Vec<Drift>) {
    let applied = |number: &str| shown.unassigned.iter().any(|seen| !seen.invoices.is_empty() && seen.number == number);
    for seen in shown.unassigned {
        let kind = match (seen.what, seen.invoices.is_empty()) {
            (Unassigned::CreditMemo, false) => Kind::CreditedByHand,
            (Unassigned::Entry, false) => Kind::WrittenOff,
            // Where its application is told, the credit memo itself need not be.
            (Unassigned::CreditMemo, true) if applied(&seen.number) => continue,
            (Unassigned::CreditMemo, true) | (Unassigned::Invoice, _) => Kind::DocumentUnassigned,
            (Unassigned::Entry, true) => Kind::EntryUnassigned,
        };
        let of = |number: &String| contract.documents().iter().find(|document| document.number == *number);
        let milestone = seen.invoices.iter().find_map(of).map(|document| document.milestone.clone());
        found.push(Drift { kind, subject: seen.number.clone(), milestone, detail: described(seen) });
    }
}

fn described(seen: &UnassignedSeen) -> String {
    let UnassignedSeen { record, number, date, amount, currency, .. } = seen;
    let what = match seen.what {
        Unassigned::CreditMemo => "credit memo",
        Unassigned::Invoice => "invoice",
        Unassigned::Entry => "journal entry",
    };
    let mut detail = format!("{what} {number} of {date} ({record}): {amount} {currency}");
    if !seen.invoices.is_empty() {
        detail.push_str(&format!(" off {}", seen.invoices.join(", ")));
    }
    detail.extend(seen.customer.as_ref().map(|customer| format!(", customer {customer}")));
    let lines = seen.lines.iter().map(|Line { says, amount }| format!("{says} {amount}"));
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        detail.push_str(&format!(", posts {}", lines.join(", ")));
    }
    detail
}

/// Told once something is billed: what was decided names the customer as it was called then.
fn renamed(contract: &Contract, shown: &Shown<'_>, found: &mut Vec<Drift>) {
    let Some(Renamed { erp, remote_id, before, now }) = shown.renamed.filter(|_| !contract.documents().is_empty())
    else {
        return;
    };
    let detail = match now {
        Some(now) => format!("record {remote_id} of {erp} is called {now:?}, and was called {before:?}"),
        None => format!(
            "record {remote_id} of {erp}, called {before:?}, is not there any more, or inactive: it may have been merged"
        ),
    };
    let subject = contract.terms().customer().to_owned();
    found.push(Drift { kind: Kind::CustomerRenamed, subject, milestone: None, detail });
}

fn documents(contract: &Contract, shown: &Shown<'_>, found: &mut Vec<Drift>) {
    let mut seen: BTreeMap<&str, Vec<&InvoiceSeen>> = BTreeMap::new();
    for invoice in shown.invoices {
        seen.entry(invoice.number.as_str()).or_default().push(invoice);
    }
    // The number of a withdrawn document may belong to the invoice that replaced it.
    for issued in contract.documents().iter().filter(|issued| !issued.withdrawn) {
        let mut note = |kind: Kind, detail: String| {
            let milestone = Some(issued.milestone.clone());
            found.push(Drift { kind, subject: issued.number.clone(), milestone, detail });
        };
        let live = |invoice: &&&InvoiceSeen| invoice.status != InvoiceStatus::Void;
        let copies = seen.get(issued.number.as_str()).map(Vec::as_slice).unwrap_or_default();
        match (copies, copies.iter().filter(live).count()) {
            // A document that the ERP has never shown may be on its way there: it is not missing yet.
            ([], _) if !shown.confirmed.contains(&issued.number) => {}
            ([], _) => {
                let gone = format!("{} was there, and is not there any more", issued.number);
                note(Kind::DocumentGone, gone + &renumbered(contract, issued, shown.invoices));
            }
            // Another invoice was adopted in its place.
            (_, 0) if issued.withdrawn => {}
            (_, 0) => note(Kind::DocumentVoided, format!("{} is void", issued.number)),
            (_, 1) => {
                let wanted = Statement::of_document(contract, issued);
                let differs: Vec<String> = copies
                    .iter()
                    .filter(live)
                    .flat_map(|copy| Statement::of_invoice(copy).differences(&wanted))
                    .collect();
                if !differs.is_empty() {
                    note(Kind::DocumentChanged, format!("{}: {}", issued.number, differs.join("; ")));
                }
            }
            (_, count) => note(Kind::DocumentDoubled, format!("{} is there {count} times", issued.number)),
        }
    }
}

/// What else of the contract says the same as a document that is gone, but for its number.
fn renumbered(contract: &Contract, issued: &IssuedDocument, invoices: &[InvoiceSeen]) -> String {
    let wanted = Statement { number: None, ..Statement::of_document(contract, issued) };
    let ours = |number: &str| contract.documents().iter().any(|document| document.number == number);
    let alike = |seen: &&InvoiceSeen| {
        seen.milestone.as_deref() == Some(issued.milestone.as_str())
            && seen.credit_memo == (issued.kind == DocumentKind::CreditMemo)
            && seen.status != InvoiceStatus::Void
            && !ours(&seen.number)
            && Statement::of_invoice(seen).differences(&wanted).is_empty()
    };
    let numbers: Vec<&str> = invoices.iter().filter(alike).map(|invoice| invoice.number.as_str()).collect();
    if numbers.is_empty() {
        return String::new();
    }
    format!("; {} says the same: it may have been given that number", numbers.join(", "))
}

fn entries(shown: &Shown<'_>, found: &mut Vec<Drift>) {
    let mut seen: BTreeMap<&str, Vec<&JournalSeen>> = BTreeMap::new();
    for journal in shown.journals {
        seen.entry(journal.number.as_str()).or_default().push(journal);
    }
    for told in shown.told {
        let number = &told.number;
        let mut note = |kind: Kind, detail: String| {
            found.push(Drift { kind, subject: number.clone(), milestone: None, detail });
        };
        match seen.get(number.as_str()).map(Vec::as_slice).unwrap_or_default() {
            [] if !shown.confirmed.contains(number) => {}
            [] => note(Kind::EntryGone, format!("{number} was there, and is not there any more")),
            [only] => {
                let differs = Statement::of_journal(only).differences(&Statement::of_entry(told));
                if !differs.is_empty() {
                    note(Kind::EntryChanged, format!("{number}: {}", differs.join("; ")));
                }
            }
            copies => note(Kind::DocumentDoubled, format!("{number} is there {} times", copies.len())),
        }
    }
}

/// Work that was done when it was looked at last, or is known to have been reopened, of a milestone that is accepted: an
/// issue that never showed the acceptance (it came by mail) says nothing.
fn reopened(contract: &Contract, shown: &Shown<'_>, found: &mut Vec<Drift>) {
    let is_done = |leg_milestone: &LegMilestone| leg_milestone.status.as_deref() == Some("done");
    let views = contract.milestones();
    for now in shown.work.iter().filter(|now| now.status.is_some() && !is_done(now)) {
        let was_done = shown.work_before.iter().any(|before| before.id == now.id && is_done(before));
        let accepted = views
            .iter()
            .any(|view| view.accepted_on.is_some() && (view.id == now.id || view.parent.as_ref() == Some(&now.id)));
        if accepted && (was_done || shown.reopened.contains(&now.id)) {
            let detail = format!("{} was accepted, and its issue is open again", now.id);
            let milestone = Some(now.id.clone());
            found.push(Drift { kind: Kind::WorkReopened, subject: now.id.clone(), milestone, detail });
        }
    }
}
