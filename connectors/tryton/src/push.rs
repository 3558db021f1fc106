//! Writing: a draft is created and then posted, two calls of which each may be lost. Both are looked up by our number; a
//! draft that is found and says what it should is posted. What cannot be posted is taken away again.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Date;
use milestoned_connector_kit::customers::{Known, unlike};
use milestoned_connector_kit::names::beginning;
use milestoned_connector_kit::{Class, Fault, Found, Lane, LedgerLine, Receipt, Sink, Write};
use milestoned_mapping::command::{Command, Document};
use milestoned_mapping::statement::{Essential, Statement};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::body::{self, Billed, invoice_says, party_says};
use super::pull::{INVOICE, INVOICE_FIELDS, MOVE, MOVE_FIELDS};
use super::{Call, Question, Tryton, wire};
use milestoned_connector_kit::http::Kind;

/// Customers.
const PARTY: &str = "party.party";

impl Sink for Tryton {
    fn takes_documents(&self) -> bool {
        true
    }

    async fn customer_at(&self, id: &str) -> Result<Option<String>, Fault> {
        let Ok(id) = id.parse::<i64>() else { return Ok(None) };
        let domain = json!([["id", "=", id]]);
        let question = Question { domain, fields: &["name"], order: json!([["id", "ASC"]]), most: None };
        let parties: Vec<wire::Party> = self.find_all(PARTY, &question).await?;
        Ok(parties.into_iter().next().map(|party| party.name.unwrap_or_default()))
    }

    async fn customers_at(&self, ids: &[String]) -> Result<Option<BTreeMap<String, String>>, Fault> {
        let numbers: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let question = Question { domain: json!([["id", "in", numbers]]), fields: &["name"], ..Question::default() };
        let parties: Vec<wire::Party> = self.find_all(PARTY, &question).await?;
        Ok(Some(parties.into_iter().map(|party| (party.id.to_string(), party.name.unwrap_or_default())).collect()))
    }

    /// One at a time: what Tryton takes in one call stands or falls together.
    fn lane(&self, command: &Command) -> Lane {
        let name = match command {
            Command::AcceptanceRecord(_) => "acceptance records",
            Command::BillingStatus(_) => "billing status",
            Command::CreditMemo(_) => "credit memos",
            Command::Customer { .. } => "customers",
            Command::Invoice(_) => "invoices",
            Command::InvoiceEmail(_) => "invoice mails",
            Command::JournalEntry(_) => "journal entries",
            Command::SalesOrder(_) => "sales",
        };
        Lane { name, most: 1 }
    }

    /// Of a field that is searched nothing keeps a second one away.
    fn commits_within(&self) -> SignedDuration {
        self.settings.commits_within
    }

    async fn ledger(&self, _from: Date, through: Date) -> Result<Option<Vec<LedgerLine>>, Fault> {
        self.postings(through).await.map(Some)
    }

    async fn find(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        let mut found = Vec::with_capacity(writes.len());
        for write in writes {
            found.push(match write.command {
                Command::Customer { name, .. } => match self.mapped(name) {
                    Some(found) => Some(found),
                    None => self.find_party(name).await?,
                },
                Command::Invoice(document) => self.find_document(write, document, false).await?,
                Command::CreditMemo(document) => self.find_document(write, document, true).await?,
                Command::JournalEntry(_) => self.find_move(write).await?,
                Command::AcceptanceRecord(_)
                | Command::BillingStatus(_)
                | Command::InvoiceEmail(_)
                | Command::SalesOrder(_) => None,
            });
        }
        Ok(found)
    }

    async fn put(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            outcomes.push(self.put_one(write).await);
        }
        outcomes
    }
}

fn receipt(id: i64, number: Option<String>) -> Receipt {
    Receipt { remote_id: id.to_string(), remote_number: number, request_id: None, unposted: false }
}

/// Whether an invoice or move is not in the books yet.
fn is_draft(state: &str) -> bool {
    matches!(state, "draft" | "validated")
}

/// The one record that is live, of those that bear a name; of dead ones the first.
fn only<T>(mut found: Vec<T>, live: impl Fn(&T) -> bool) -> Result<Option<T>, usize> {
    match found.iter().filter(|candidate| live(candidate)).count() {
        0 => Ok(if found.is_empty() { None } else { Some(found.remove(0)) }),
        1 => Ok(found.into_iter().find(live)),
        several => Err(several),
    }
}

impl Tryton {
    fn refused(&self, said: impl Into<String>) -> Fault {
        self.client.fault(Class::Refused, said, None)
    }

    async fn find_party(&self, name: &str) -> Result<Option<Found>, Fault> {
        let domain = json!([["name", "=", name]]);
        let question = Question { domain, fields: &["name"], order: json!([["id", "ASC"]]), most: None };
        let parties: Vec<wire::Party> = self.find_all(PARTY, &question).await?;
        let party = only(parties, |_| true).map_err(|several| {
            self.refused(format!("{several} parties are called {name:?}: merge them, or rename all but one"))
        })?;
        Ok(party.map(|party| Found { says: party_says(&party), receipt: receipt(party.id, None) }))
    }

    /// What an invoice says, its customer in our words.
    fn says(&self, invoice: &wire::Invoice) -> Statement {
        Statement { customer: self.customer_name(&invoice.party), ..invoice_says(invoice) }
    }

    /// The party that somebody named.
    fn mapped(&self, name: &str) -> Option<Found> {
        let receipt =
            Receipt { remote_id: self.customers.id(name)?, remote_number: None, request_id: None, unposted: false };
        let says = Statement { customer: Some(name.into()), silent: &[Essential::Currency], ..Statement::default() };
        Some(Found { receipt, says })
    }

    /// Refuses to create a party beside others that are called alike.
    async fn unlike_others(&self, name: &str) -> Result<(), Fault> {
        let beginning = beginning(name);
        if beginning.is_empty() || self.customers.is_new(name) {
            return Ok(());
        }
        let domain = json!([["name", "ilike", format!("{beginning}%")]]);
        let question = Question { domain, fields: &["name"], order: json!([["id", "ASC"]]), most: None };
        let parties: Vec<wire::Party> = self.find_all(PARTY, &question).await?;
        let known = |party: wire::Party| Some(Known { id: party.id.to_string(), name: party.name? });
        unlike(&self.client, name, parties.into_iter().filter_map(known))
    }

    /// The invoice that bears our number. A draft is what an earlier attempt left behind before it was posted.
    async fn find_document(
        &self,
        write: &Write<'_>,
        document: &Document,
        credit_memo: bool,
    ) -> Result<Option<Found>, Fault> {
        let domain =
            json!(
                [["company", "=", self.settings.company], ["type", "=", "out"], ["reference", "=", document.number],]
            );
        let question = Question { domain, fields: &INVOICE_FIELDS, order: json!([["id", "ASC"]]), most: None };
        let invoices: Vec<wire::Invoice> = self.find_all(INVOICE, &question).await?;
        let invoice = only(invoices, |invoice| invoice.state != "cancelled").map_err(|several| {
            self.refused(format!("{several} invoices bear the reference {}: cancel all but one", document.number))
        })?;
        let Some(mut invoice) = invoice else { return Ok(None) };
        let wanted = Statement::of_command(write.command);
        if is_draft(&invoice.state) && self.says(&invoice).differences(&wanted).is_empty() {
            invoice = self.post(INVOICE, invoice.id, &INVOICE_FIELDS).await?;
        }
        if credit_memo {
            self.apply(write, &invoice).await?;
        }
        Ok(Some(Found { says: self.says(&invoice), receipt: receipt(invoice.id, invoice.number) }))
    }

    async fn find_move(&self, write: &Write<'_>) -> Result<Option<Found>, Fault> {
        let Command::JournalEntry(entry) = write.command else { return Ok(None) };
        let domain = json!([["company", "=", self.settings.company], ["description", "=", entry.number]]);
        let question = Question { domain, fields: &MOVE_FIELDS, order: json!([["id", "ASC"]]), most: None };
        let moves: Vec<wire::Move> = self.find_all(MOVE, &question).await?;
        let found = only(moves, |_| true).map_err(|several| {
            self.refused(format!("{several} moves bear the description {}: cancel all but one", entry.number))
        })?;
        let Some(mut found) = found else { return Ok(None) };
        let says = self.move_says(&found).await?;
        if is_draft(&found.state) && says.differences(&Statement::of_command(write.command)).is_empty() {
            found = self.post(MOVE, found.id, &MOVE_FIELDS).await?;
        }
        Ok(Some(Found { says: self.move_says(&found).await?, receipt: receipt(found.id, found.number) }))
    }

    async fn put_one(&self, write: &Write<'_>) -> Result<Receipt, Fault> {
        match write.command {
            Command::Customer { name, .. } => {
                let _alone = self.parties.lock().await;
                self.unlike_others(name).await?;
                let body = body::party(name, &write.after.particulars);
                let party: wire::Party = self.write(Method::POST, PARTY, &body, &["name"]).await?;
                Ok(receipt(party.id, None))
            }
            Command::Invoice(document) => {
                let invoice = self.create_document(write, document, false).await?;
                Ok(receipt(invoice.id, invoice.number))
            }
            Command::CreditMemo(document) => {
                let memo = self.create_document(write, document, true).await?;
                // The memo is there: looking it up finishes the work.
                let in_doubt = |fault| Fault { class: Class::Unanswered, ..fault };
                self.apply(write, &memo).await.map_err(in_doubt)?;
                Ok(receipt(memo.id, memo.number))
            }
            Command::JournalEntry(entry) => {
                let party = self.party(write)?;
                let body = self.entry(entry, party).await?;
                let draft: wire::Row = self.write(Method::POST, MOVE, &body, &[]).await?;
                let posted: wire::Move = self.post_or_discard(MOVE, draft.id, &MOVE_FIELDS).await?;
                Ok(receipt(posted.id, posted.number))
            }
            Command::AcceptanceRecord(_) => Err(self.refused("this connection keeps no records of acceptances")),
            Command::BillingStatus(_) => Err(self.refused("this connection takes no billing status")),
            Command::InvoiceEmail(_) => Err(self.refused("this connection mails no invoices")),
            Command::SalesOrder(_) => Err(self.refused("this connection takes no orders")),
        }
    }

    fn party(&self, write: &Write<'_>) -> Result<i64, Fault> {
        let id = write.customer_id(&self.customers, self.client.system())?;
        id.parse().map_err(|_| self.refused(format!("{id:?} is no id of a party")))
    }

    async fn create_document(
        &self,
        write: &Write<'_>,
        document: &Document,
        credit_memo: bool,
    ) -> Result<wire::Invoice, Fault> {
        let party: wire::Party = self.get(PARTY, self.party(write)?, &["name", "addresses.invoice"]).await?;
        let address = party.addresses.iter().find(|address| wire::is_set(&address.invoice)).or(party.addresses.first());
        let address = address.ok_or_else(|| {
            self.refused(format!("the party {} has no address: give it one for invoices", document.customer))
        })?;
        let currency = self.currency(document.amount.currency().code()).await?;
        let billed = Billed { party: party.id, address: address.id, currency };
        let body = self.document(document, &billed, credit_memo);
        let draft: wire::Row = self.write(Method::POST, INVOICE, &body, &[]).await?;
        self.post_or_discard(INVOICE, draft.id, &INVOICE_FIELDS).await
    }

    /// Posts a draft. Tryton refuses to post what is posted: an earlier attempt may have come to its end meanwhile.
    async fn post<T: DeserializeOwned>(&self, model: &str, id: i64, wanted: &[&str]) -> Result<T, Fault> {
        let outcome = self.write(Method::POST, &format!("{model}/{id}/post"), &json!({}), wanted).await;
        let Err(fault) = outcome.as_ref() else { return outcome };
        if fault.class == Class::Refused {
            let now: wire::State = self.get(model, id, &["state"]).await?;
            if !is_draft(&now.state) {
                return self.get(model, id, wanted).await;
            }
        }
        outcome
    }

    /// Posts a draft of ours; one that Tryton refuses to post is deleted, so that nothing half-done stays behind.
    async fn post_or_discard<T: DeserializeOwned>(&self, model: &str, id: i64, wanted: &[&str]) -> Result<T, Fault> {
        let fault = match self.post(model, id, wanted).await {
            Err(fault) if matches!(fault.class, Class::Refused | Class::Unauthorised) => fault,
            outcome => return outcome,
        };
        let path = format!("{model}/{id}");
        let call = Call { kind: Kind::Write, method: Method::DELETE, path: &path, query: Vec::new(), body: None };
        match self.send(call).await {
            Ok(_) => Err(fault),
            // It may be there still: it is looked up before anything is written again.
            Err(_) => Err(Fault { class: Class::Unanswered, ..fault }),
        }
    }

    /// Applies a posted credit note to its invoice, where that is open. One that is paid leaves the credit with the party.
    async fn apply(&self, write: &Write<'_>, memo: &wire::Invoice) -> Result<(), Fault> {
        let original = write.after.original.as_ref().and_then(|receipt| receipt.remote_id.parse::<i64>().ok());
        let Some(original) = original.filter(|_| memo.state == "posted") else { return Ok(()) };
        let invoice: wire::Invoice = self.get(INVOICE, original, &INVOICE_FIELDS).await?;
        let applied = |line: &wire::Row| invoice.payment_lines.iter().any(|payment_line| payment_line.id == line.id);
        let lines: Vec<i64> = memo.lines_to_pay.iter().filter(|line| !applied(line)).map(|line| line.id).collect();
        if invoice.state != "posted" || lines.is_empty() {
            return Ok(());
        }
        let body: Value = json!({ "payment_lines": [["add", lines]] });
        let _: wire::Row = self.write(Method::PUT, &format!("{INVOICE}/{original}"), &body, &[]).await?;
        Ok(())
    }
}
