//! Records of acceptances: files that are attached to their invoices. QuickBooks takes no request id for a file, so that what
//! is attached to the invoice is asked before one is uploaded.

use milestoned_connector_kit::{Class, Fault, Found, Receipt, Write, read};
use milestoned_mapping::command::{AcceptanceRecord, Command};
use milestoned_mapping::statement::Statement;
use reqwest::Method;
use serde_json::json;

use super::wire::{Attachable, Uploaded};
use super::{Call, QuickBooks, REQUEST_ID, quoted};

/// Type of the file.
const PLAIN_TEXT: &str = "text/plain";

impl QuickBooks {
    fn record_of<'a>(&self, write: &Write<'a>) -> Result<(&'a AcceptanceRecord, &'a str), Fault> {
        match write.command {
            Command::AcceptanceRecord(record) => Ok((record, self.invoice_of(write)?)),
            _ => Err(self.client.fault(Class::Refused, "this is no record of an acceptance", None)),
        }
    }

    /// Which of the records are attached to their invoices already.
    pub(crate) async fn attached(&self, writes: &[Write<'_>]) -> Result<Vec<Option<Found>>, Fault> {
        let mut all = Vec::with_capacity(writes.len());
        for write in writes {
            let (record, invoice) = self.record_of(write)?;
            let query = format!(
                "SELECT * FROM Attachable WHERE AttachableRef.EntityRef.Type = 'Invoice' AND \
                 AttachableRef.EntityRef.value = {} MAXRESULTS 1000",
                quoted(invoice)
            );
            let answer = self.query(&query).await?;
            let mut found = None;
            for (_, raw) in self.objects(&answer.body)? {
                let attachable: Attachable = read::json(&raw).map_err(|error| self.client.garbage(&answer, error))?;
                if attachable.file_name == record.file_name() {
                    let request_id = answer.header(REQUEST_ID);
                    let receipt =
                        Receipt { remote_id: attachable.id, remote_number: None, request_id, unposted: false };
                    found = Some(Found { receipt, says: Statement::default() });
                }
            }
            all.push(found);
        }
        Ok(all)
    }

    /// Attaches records to their invoices, one call each.
    pub(crate) async fn attach(&self, writes: &[Write<'_>]) -> Vec<Result<Receipt, Fault>> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            outcomes.push(self.attach_one(write).await);
        }
        outcomes
    }

    async fn attach_one(&self, write: &Write<'_>) -> Result<Receipt, Fault> {
        let (record, invoice) = self.record_of(write)?;
        // No text of ours holds the key: it is made of what is said, and of more.
        let boundary = write.key.as_str();
        let kind = format!("multipart/form-data; boundary={boundary}");
        let path = format!("upload?requestid={}", write.key);
        let body = upload(record, invoice, boundary);
        let call = Call { write: true, method: Method::POST, path: &path, body: Some((&kind, &body)), class: None };
        let answer = self.send(call).await?;
        let request_id = answer.header(REQUEST_ID);
        let read: Uploaded = read::json(&answer.body).map_err(|error| self.client.garbage(&answer, error))?;
        let file = read.attachable_response.into_iter().next();
        match file.map(|file| (file.attachable, file.fault)) {
            Some((Some(attachable), _)) => {
                Ok(Receipt { remote_id: attachable.id, remote_number: None, request_id, unposted: false })
            }
            Some((None, Some(fault))) => Err(super::in_doubt(self.refused(&fault.errors, request_id))),
            _ => Err(self.client.garbage(&answer, "the attached file is not in the answer")),
        }
    }
}

/// The body of an upload: what the file is and to what it belongs, and the file. It is not sent with the invoice's mail.
fn upload(record: &AcceptanceRecord, invoice: &str, boundary: &str) -> String {
    let name = record.file_name();
    let link = json!({ "EntityRef": { "type": "Invoice", "value": invoice }, "IncludeOnSend": false });
    let about = json!({ "AttachableRef": [link], "FileName": name, "ContentType": PLAIN_TEXT });
    let part =
        |head: &str, text: &str| format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n");
    let about = part("name=\"file_metadata_01\"\r\nContent-Type: application/json", &about.to_string());
    let head = format!("name=\"file_content_01\"; filename=\"{name}\"\r\nContent-Type: {PLAIN_TEXT}; charset=utf-8");
    let file = part(&head, &record.text());
    format!("{about}{file}--{boundary}--\r\n")
}
