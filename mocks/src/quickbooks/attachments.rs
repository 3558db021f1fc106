//! Uploads: files that are attached to entities, several in one request. The vendor knows no request id of them.

use super::chart::{self, ATTACHABLE};
use super::faults::{Fault, fault, gone, reply, required};
use super::http::unreadable;
use super::state::State;
use crate::call::{Call, Reply};
use crate::json::{Json, obj};

/// Where the files themselves are kept, by the id of what describes them.
pub(crate) const FILES: &str = "files";

impl State {
    /// `file_metadata_…` describes the file of the same place, `file_content_…`.
    pub(crate) fn upload(&mut self, call: &Call) -> Result<Reply, Fault> {
        let kind = call.header("content-type").unwrap_or_default();
        let Some((_, boundary)) = kind.split_once("boundary=").filter(|_| kind.starts_with("multipart/form-data"))
        else {
            return Err(fault("2010", "Request has invalid or unsupported property", "the body is no form with parts"));
        };
        let parts = parts(&call.text(), boundary.trim_matches('"'));
        let mut answers = Vec::new();
        for (name, content) in &parts {
            let Some(place) = name.strip_prefix("file_content_") else { continue };
            let about = format!("file_metadata_{place}");
            let about = parts.iter().find(|(name, _)| *name == about).map(|(_, text)| Json::parse(text));
            let about = about.transpose().map_err(|error| unreadable(error.to_string()))?;
            answers.push(match self.attach(&about.unwrap_or_default(), content) {
                Ok(record) => obj! {ATTACHABLE => State::shown(&record)},
                Err(fault) => obj! {"Fault" => fault.json()},
            });
        }
        if answers.is_empty() {
            return Err(required("file_content"));
        }
        Ok(reply(200, obj! {"AttachableResponse" => answers}, &self.stamp()))
    }

    fn attach(&mut self, about: &Json, content: &str) -> Result<Json, Fault> {
        if about.text("FileName").is_empty() {
            return Err(required("FileName"));
        }
        for reference in about.list("AttachableRef") {
            let entity = chart::entity(&reference.text("EntityRef.type")).ok_or_else(gone)?;
            self.record(entity, &reference.text("EntityRef.value")).ok_or_else(gone)?;
        }
        let record = self.create(ATTACHABLE, &about.clone().with("Size", content.len()), false)?;
        self.store.put(FILES, &record.text("Id"), Json::from(content));
        Ok(record)
    }
}

/// Names and texts of a form's parts.
fn parts(body: &str, boundary: &str) -> Vec<(String, String)> {
    let named = |part: &str| {
        let (head, text) = part.split_once("\r\n\r\n")?;
        let (_, name) = head.split_once(" name=\"")?;
        let (name, _) = name.split_once('"')?;
        Some((name.to_string(), text.strip_suffix("\r\n").unwrap_or(text).to_string()))
    };
    body.split(&format!("--{boundary}")).filter_map(named).collect()
}
