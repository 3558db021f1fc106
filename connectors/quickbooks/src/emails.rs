//! Mails with invoices: QuickBooks is asked to send one, once. Whether it has been sent the invoice itself says, whoever sent it.

use milestoned_connector_kit::{Class, Fault, Found, Receipt, Write, read};
use milestoned_mapping::statement::Statement;

use super::wire::{Emailed, Transaction};
use super::{QuickBooks, REQUEST_ID, listed, pull};

/// What an invoice says that was mailed.
const SENT: &str = "EmailSent";
/// Code for a parameter that is missing: the invoice bears no address.
const NO_ADDRESS: &str = "2020";
/// What to do about it.
const NO_ADDRESS_REMEDY: &str =
    "a mail address in the CRM, write BillEmail into the invoice, or set it under extra, and release this";

impl QuickBooks {
    /// The id of the invoice that a write mails, or beside which it puts something.
    pub(crate) fn invoice_of<'a>(&self, write: &Write<'a>) -> Result<&'a str, Fault> {
        let invoice = write.after.original.as_ref().map(|receipt| receipt.remote_id.as_str());
        invoice.ok_or_else(|| self.client.fault(Class::Refused, "the invoice is not known: it comes first", None))
    }

    /// Which of the invoices were mailed already. One that is gone or void meanwhile is mailed by nobody.
    pub(crate) async fn emailed(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        let mut all = Vec::with_capacity(writes.len());
        for write in writes {
            let id = self.invoice_of(write)?;
            let query = format!("SELECT * FROM Invoice WHERE Id IN ({}) MAXRESULTS 1", listed(&[id.to_owned()]));
            let answer = self.query(&query).await?;
            let Some((_, raw)) = self.objects(&answer.body)?.into_iter().next() else {
                return Err(self.client.fault(Class::Refused, "the invoice is not there any more", None));
            };
            let transaction: Transaction<'_> = read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
            if pull::is_void(&transaction) {
                return Err(self.client.fault(Class::Refused, "the invoice is void: it is not mailed", None));
            }
            let receipt = Receipt {
                remote_id: id.to_owned(),
                remote_number: None,
                request_id: answer.header(REQUEST_ID),
                unposted: false,
            };
            let says = Statement { number: pull::number(&transaction), ..Statement::default() };
            all.push((transaction.email_status.as_deref() == Some(SENT)).then_some(Found { receipt, says }));
        }
        Ok(all)
    }

    /// Has invoices mailed, one call each.
    pub(crate) async fn email(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            outcomes.push(self.email_one(write).await);
        }
        outcomes
    }

    async fn email_one(&self, write: &Write<'_>) -> Result<Receipt, Fault> {
        let id = self.invoice_of(write)?;
        let path = format!("invoice/{id}/send?requestid={}", write.key);
        let customer = write.command.customer().unwrap_or_default();
        let answer = self.post(&path, "", None).await.map_err(|fault| match fault.has_code(NO_ADDRESS) {
            true => Fault { detail: format!("{}; give {customer} {NO_ADDRESS_REMEDY}", fault.detail), ..fault },
            false => fault,
        })?;
        let read: Emailed = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        Ok(Receipt {
            remote_id: read.invoice.id,
            remote_number: None,
            request_id: answer.header(REQUEST_ID),
            unposted: false,
        })
    }
}
