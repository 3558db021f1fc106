//! Files: versions, their documents, links to records, and the old attachments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::http::Answer;
use super::state::{Refusal, State, collection, refuse};
use crate::call::Reply;
use crate::json::{Json, obj};

impl State {
    /// What else comes to be when a record is created: a version of a file makes or renews its document.
    pub(crate) fn follow_up(&mut self, object: &str, id: &str, fields: &Json, director: bool) -> Result<(), Refusal> {
        let blob = match object {
            "ContentVersion" => "VersionData",
            "Attachment" => "Body",
            _ => return Ok(()),
        };
        let given = fields.text(blob);
        // the director writes files as plain text, clients in base64
        let bytes = if director {
            given.into_bytes()
        } else {
            match STANDARD.decode(given.trim()) {
                Ok(bytes) => bytes,
                Err(_) => return refuse(400, "JSON_PARSER_ERROR", format!("Invalid base64 in field {blob}")),
            }
        };
        self.store.put("blobs", id, STANDARD.encode(&bytes));
        let mut record = self.store.get(&collection(object), id).cloned().unwrap_or_default();
        if object == "Attachment" {
            record.set("BodyLength", bytes.len());
            self.store.put(&collection(object), id, record);
            return Ok(());
        }
        let path = record.text("PathOnClient");
        if record.text("FileExtension").is_empty() {
            record.set("FileExtension", path.rsplit_once('.').map(|(_, extension)| extension.to_string()));
        }
        if record.text("Title").is_empty() {
            record.set("Title", path.rsplit_once('.').map_or(path.clone(), |(name, _)| name.to_string()));
        }
        record.set("FileType", record.text("FileExtension").to_uppercase());
        record.set("ContentSize", bytes.len());
        record.set("Checksum", hex::encode(Md5::digest(&bytes)));
        record.set("IsLatest", true);
        let document = self.document(id, &record)?;
        record.set("ContentDocumentId", &document);
        let versions = self.rows(object).filter(|row| row.text("ContentDocumentId") == document);
        let earlier: Vec<Json> =
            versions.map(|row| row.whole().into_owned()).filter(|row| row.text("Id") != id).collect();
        record.set("VersionNumber", (earlier.len() + 1).to_string());
        for version in earlier {
            let id = version.text("Id");
            self.store.put(&collection(object), &id, version.with("IsLatest", false));
        }
        let place = record.text("FirstPublishLocationId");
        self.store.put(&collection(object), id, record);
        if !place.is_empty() {
            let link = obj! {"LinkedEntityId" => place, "ContentDocumentId" => document, "ShareType" => "V"};
            self.create("ContentDocumentLink", &link, true)?;
        }
        Ok(())
    }

    fn document(&mut self, version: &str, record: &Json) -> Result<String, Refusal> {
        let mut shown = obj! {"LatestPublishedVersionId" => version};
        for name in ["Title", "FileExtension", "FileType", "ContentSize"] {
            shown.set(name, record.get(name).cloned().unwrap_or_default());
        }
        let known = record.text("ContentDocumentId");
        if known.is_empty() {
            return self.create("ContentDocument", &shown, true);
        }
        self.update("ContentDocument", &known, &shown, true)?;
        Ok(known)
    }

    /// The bytes of a file.
    pub(crate) fn blob(&self, object: &str, id: &str, inside: bool) -> Answer {
        if inside {
            return refuse(400, "INVALID_INPUT", "Binary fields are not supported in composite requests");
        }
        let living = self.row(object, id).filter(|row| !row.is_deleted());
        let bytes = living.and_then(|row| STANDARD.decode(self.store.get("blobs", &row.id())?.as_str()?).ok());
        match bytes {
            Some(bytes) => Ok(Reply::empty(200).header("content-type", "application/octetstream").body(bytes)),
            None => refuse(404, "NOT_FOUND", "The requested resource does not exist"),
        }
    }
}
