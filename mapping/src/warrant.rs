//! Deriving again what is about to be sent: whatever waited is compared with what its contract has decided, whatever its kind.
//! What does not follow from the contract is not to be sent.

use crate::command::{
    AcceptanceRecord, BillingStatus, Command, DeliveryKey, Document, InvoiceEmail, JournalEntry, SalesOrder,
};
use crate::contract::{Contract, DocumentKind, IssuedDocument};
use crate::money::Money;
use crate::postings;

/// A contract, and what stands beside it, from which everything that is sent about it follows.
#[derive(Debug, Clone, Copy)]
pub struct Warrant<'a> {
    /// The contract, as decided.
    pub contract: &'a Contract,
    /// Its ERP connection.
    pub erp: &'a str,
    /// Its journal entries in the outbox, delivered or not, in order.
    pub entries: &'a [JournalEntry],
    /// Names that its customer has had before.
    pub former_customers: &'a [String],
}

/// What differs between what follows and what is about to be sent: name, what follows, what is to be sent.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + core::fmt::Debug>(&mut self, what: &str, decided: &T, sent: &T) {
        if decided != sent {
            self.0.push(format!("{what}: {decided:?} was decided, and this says {sent:?}"));
        }
    }

    /// The same of amounts, in words of people.
    fn compare_money(&mut self, what: &str, decided: Money, sent: Money) {
        let text = |amount: Money| format!("{amount} {}", amount.currency());
        if decided != sent {
            self.0.push(format!("{what}: {} was decided, and this says {}", text(decided), text(sent)));
        }
    }

    fn told(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join("; "))
    }
}

impl Warrant<'_> {
    /// In what a command does not follow from what its contract has decided; `None`: it follows. What a change order may have
    /// made otherwise since (the customer's name, its papers, the lines of an earlier order) is compared while none has come.
    pub fn flaw(&self, key: &DeliveryKey, target: &str, command: &Command) -> Option<String> {
        match command {
            Command::AcceptanceRecord(record) => self.flaw_of_acceptance(key, target, record),
            Command::BillingStatus(status) => self.flaw_of_status(status),
            Command::CreditMemo(document) => self.flaw_of_document(key, target, document, true),
            Command::Customer { name, currency } => self.flaw_of_customer(key, target, name, currency),
            Command::Invoice(document) => self.flaw_of_document(key, target, document, false),
            Command::InvoiceEmail(email) => self.flaw_of_email(key, target, email),
            Command::JournalEntry(entry) => self.flaw_of_entry(key, target, entry),
            Command::SalesOrder(order) => self.flaw_of_order(key, target, order),
        }
    }

    fn id(&self) -> &str {
        self.contract.terms().id()
    }

    /// Whether a name is, or was, the customer's.
    fn knows_customer(&self, name: &str) -> bool {
        name == self.contract.terms().customer() || self.former_customers.iter().any(|customer| customer == name)
    }

    /// A contract's milestones pass from one obligation to another by change orders: one that the contract has is compared with
    /// nothing more.
    fn compare_obligation(&self, obligation: Option<&str>, differences: &mut Differences) {
        let ids: Vec<&str> =
            self.contract.terms().obligations.iter().map(|obligation| obligation.id.as_str()).collect();
        if let Some(unknown) = obligation.filter(|id| !ids.contains(id)) {
            differences.0.push(format!("obligation: the contract has {ids:?}, and this says {unknown:?}"));
        }
    }

    fn compare_customer(&self, name: &str, differences: &mut Differences) {
        if !self.knows_customer(name) {
            differences.compare("customer", &self.contract.terms().customer(), &name);
        }
    }

    fn flaw_of_document(&self, key: &DeliveryKey, target: &str, document: &Document, credits: bool) -> Option<String> {
        let (contract, erp) = (self.contract, self.erp);
        let ours = |candidate: &&IssuedDocument| candidate.number == document.number && !candidate.adopted;
        let Some(issued) = contract.documents().iter().find(ours) else {
            return Some(format!("contract {} has issued no document {}", self.id(), document.number));
        };
        let kind = |credits: bool| if credits { "a credit memo" } else { "an invoice" };
        let mut found = Differences::default();
        found.compare("ERP", &erp, &target);
        found.compare("key", &postings::document_key(self.id(), erp, issued), key);
        found.compare("kind", &kind(issued.kind == DocumentKind::CreditMemo), &kind(credits));
        found.compare("contract", &self.id(), &document.contract.as_str());
        found.compare("milestone", &issued.milestone, &document.milestone);
        found.compare_money("amount", issued.amount, document.amount);
        found.compare("date", &issued.date, &document.date);
        found.compare("due date", &issued.due_on, &document.due_on);
        found.compare("description", &issued.description, &document.description);
        found.compare("original", &issued.original, &document.original);
        self.compare_customer(&document.customer, &mut found);
        self.compare_obligation(document.obligation.as_deref(), &mut found);
        if let Some(ordered) = &document.order {
            let line = postings::ordered_line(contract, erp, &issued.milestone);
            found.compare(
                "line of the order",
                &line.map(|line| (line.order, line.line)),
                &Some((ordered.order.clone(), ordered.line)),
            );
        }
        if contract.amended_on.is_none() {
            let (po_number, payment_terms) = contract.paper_terms(&issued.milestone);
            found.compare("purchase order", &po_number, &document.po_number);
            found.compare("payment terms", &payment_terms, &document.payment_terms);
        }
        found.told()
    }

    /// The invoice beside which something is put or with which it is mailed: one of ours that stands.
    fn invoice(&self, number: &str) -> Result<&IssuedDocument, String> {
        let stands = |document: &&IssuedDocument| document.number == number && !document.adopted && !document.withdrawn;
        let issued = self.contract.documents().iter().find(stands);
        issued.ok_or_else(|| format!("contract {} has no invoice {number}", self.id()))
    }

    fn flaw_of_email(&self, key: &DeliveryKey, target: &str, email: &InvoiceEmail) -> Option<String> {
        let issued = match self.invoice(&email.number) {
            Ok(issued) => issued,
            Err(none) => return Some(none),
        };
        let mut found = Differences::default();
        found.compare("ERP", &self.erp, &target);
        found.compare("key", &postings::email_key(self.id(), self.erp, issued), key);
        found.compare("contract", &self.id(), &email.contract.as_str());
        found.compare("milestone", &issued.milestone, &email.milestone);
        self.compare_customer(&email.customer, &mut found);
        found.told()
    }

    fn flaw_of_acceptance(&self, key: &DeliveryKey, target: &str, record: &AcceptanceRecord) -> Option<String> {
        let issued = match self.invoice(&record.number) {
            Ok(issued) => issued,
            Err(none) => return Some(none),
        };
        let milestone = self.contract.milestones().into_iter().find(|milestone| milestone.id == issued.milestone);
        let (on, deemed, document) = milestone
            .map(|milestone| (milestone.accepted_on, milestone.deemed, milestone.document))
            .unwrap_or_default();
        let mut found = Differences::default();
        found.compare("ERP", &self.erp, &target);
        found.compare("key", &postings::acceptance_key(self.id(), self.erp, issued), key);
        found.compare("contract", &self.id(), &record.contract.as_str());
        found.compare("milestone", &issued.milestone, &record.milestone);
        found.compare("description", &issued.description, &record.description);
        found.compare("acceptance date", &on, &Some(record.accepted_on));
        found.compare("acceptance by silence", &deemed, &record.deemed);
        found.compare("acceptance document", &document, &record.document);
        self.compare_customer(&record.customer, &mut found);
        found.told()
    }

    /// All entries of a date together are what is known of it: one that is changed, or put in, makes them another.
    fn flaw_of_entry(&self, key: &DeliveryKey, target: &str, entry: &JournalEntry) -> Option<String> {
        let (id, erp, date) = (self.id(), self.erp, entry.date);
        let of_date: Vec<&JournalEntry> = self.entries.iter().filter(|entry| entry.date == date).collect();
        let Some(place) = of_date.iter().position(|candidate| *candidate == entry).map(|place| place.saturating_add(1))
        else {
            return Some(format!("contract {id} has no such entry of {date}"));
        };
        let mut found = Differences::default();
        found.compare("ERP", &erp, &target);
        found.compare("key", &postings::journal_key(id, erp, date, place), key);
        found.compare("number", &postings::journal_entry_number(id, erp, date, place), &entry.number);
        found.compare("contract", &id, &entry.contract.as_str());
        let memo = postings::journal_memo(id, date);
        let begins = entry.memo.get(..memo.len()).unwrap_or(&entry.memo);
        found.compare("memo", &memo.as_str(), &if place == 1 { entry.memo.as_str() } else { begins });
        self.compare_customer(&entry.customer, &mut found);
        self.compare_obligation(entry.obligation.as_deref(), &mut found);
        let told = of_date.iter().map(|entry| (entry.date, entry.lines.as_slice()));
        let untold = self.contract.untold_entries(told);
        if untold.iter().any(|entry| entry.date == date) {
            found.0.push(format!("amounts: all entries of {date} together are not what contract {id} has booked"));
        }
        found.told()
    }

    fn flaw_of_order(&self, key: &DeliveryKey, target: &str, order: &SalesOrder) -> Option<String> {
        let (contract, erp) = (self.contract, self.erp);
        if order.version > contract.version() {
            let (id, holds) = (self.id(), contract.version());
            return Some(format!("version {} was not decided: contract {id} stands at {holds}", order.version));
        }
        let mut found = Differences::default();
        found.compare("ERP", &erp, &target);
        let current = postings::order_postings(contract, erp);
        match current.last().filter(|_| order.version == contract.version()) {
            Some(posting) => {
                found.compare("key", &posting.key, key);
                if posting.command != Command::SalesOrder(order.clone()) {
                    let decided = format!("{} {}", contract.total(), contract.terms().currency());
                    found.0.push(format!("order: its lines are not those of version {}, {decided}", order.version));
                }
            }
            None => {
                found.compare("order", &postings::order_key(self.id(), erp), &order.order);
                found.compare("contract", &self.id(), &order.contract.as_str());
                self.compare_customer(&order.customer, &mut found);
            }
        }
        found.told()
    }

    fn flaw_of_customer(&self, key: &DeliveryKey, target: &str, name: &str, currency: &str) -> Option<String> {
        let mut found = Differences::default();
        found.compare("ERP", &self.erp, &target);
        found.compare("currency", &self.contract.terms().currency().code(), &currency);
        found.compare("key", &DeliveryKey::of(&[self.erp, "customer", name, currency]), key);
        self.compare_customer(name, &mut found);
        found.told()
    }

    fn flaw_of_status(&self, status: &BillingStatus) -> Option<String> {
        let milestones = self.contract.milestones();
        let Some(milestone) = milestones.iter().find(|milestone| milestone.id == status.milestone) else {
            return Some(format!("contract {} has no milestone {}", self.id(), status.milestone));
        };
        let mut found = Differences::default();
        found.compare("contract", &self.id(), &status.contract.as_str());
        found.compare("status", &milestone.status.name(), &status.status.as_str());
        found.compare_money("amount", milestone.amount, status.amount);
        found.compare("acceptance date", &milestone.accepted_on, &status.accepted_on);
        found.compare("invoice date", &milestone.invoiced_on, &status.invoiced_on);
        found.compare("what holds it", &milestone.blocked_by, &status.blocked_by);
        found.told()
    }
}
