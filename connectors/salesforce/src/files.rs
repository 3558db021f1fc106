//! Signed documents: files that hang on a record, as part of what the record says. Their content stays where it is; the
//! version and its checksum say which content was meant.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_connector_kit::{AttachedFile, Fault};
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::listed;
use super::{Salesforce, wire};

/// Ids in one question: its text has at most 100,000 characters.
const AT_ONCE: usize = 1_000;

impl Salesforce {
    /// The files of records, newest first, as the text of a list; nothing where the field map reads none.
    pub(crate) async fn files<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a str> + Send,
    ) -> Result<BTreeMap<String, String>, Fault> {
        let ids: Vec<&str> = if self.reads.files { ids.into_iter().collect() } else { Vec::new() };
        let mut links = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            links.extend(self.links("LinkedEntityId", some).await?);
        }
        let documents: BTreeSet<&str> = links.iter().map(|link| link.document.as_str()).collect();
        let documents: Vec<&str> = documents.into_iter().collect();
        let mut versions: Vec<wire::FileVersion> = Vec::new();
        for some in documents.chunks(AT_ONCE) {
            let query = format!(
                "SELECT Id, ContentDocumentId, Title, FileExtension, VersionNumber, Checksum, CreatedDate FROM \
                 ContentVersion WHERE IsLatest = true AND ContentDocumentId IN ({})",
                listed(some.iter().copied())
            );
            versions.extend(self.all(&query).await?);
        }
        versions.sort_by(|a, b| (&b.created, &b.id).cmp(&(&a.created, &a.id)));
        let mut files: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for version in &versions {
            for link in links.iter().filter(|link| link.document == version.document) {
                files.entry(link.record.clone()).or_default().push(self.file(version));
            }
        }
        Ok(files.into_iter().map(|(record, files)| (record, Value::Array(files).to_string())).collect())
    }

    /// Records on which these files hang.
    pub(crate) async fn linked_records(&self, documents: &BTreeSet<String>) -> Result<BTreeSet<String>, Fault> {
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let mut records = BTreeSet::new();
        for some in documents.chunks(AT_ONCE) {
            records.extend(self.links("ContentDocumentId", some).await?.into_iter().map(|link| link.record));
        }
        Ok(records)
    }

    /// Links are only told to who names the record or the file.
    async fn links(&self, by: &str, ids: &[&str]) -> Result<Vec<wire::DocumentLink>, Fault> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = listed(ids.iter().copied());
        self.all(&format!("SELECT ContentDocumentId, LinkedEntityId FROM ContentDocumentLink WHERE {by} IN ({ids})"))
            .await
    }

    fn file(&self, version: &wire::FileVersion) -> Value {
        let base = self.settings.base_url.trim_end_matches('/');
        json!({
            "title": version.title, "extension": version.extension, "version": version.number,
            "checksum": version.checksum, "created": version.created, "id": version.id,
            "link": format!("{base}/sfc/servlet.shepherd/version/download/{}", version.id),
        })
    }
}

/// What a record says of its files.
#[derive(Deserialize)]
struct Deal {
    #[serde(rename = "IsWon", default)]
    won: bool,
    #[serde(rename = "Files", default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    id: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    extension: Option<String>,
}

/// The files of a deal, where it is won.
pub(crate) fn of_won_deal(raw: &str) -> Vec<AttachedFile> {
    let deal: Option<Deal> = serde_json::from_str(raw).ok().filter(|deal: &Deal| deal.won);
    let named = |file: File| {
        let (title, extension) = (file.title.unwrap_or_default(), file.extension.unwrap_or_default());
        AttachedFile { id: file.id, name: format!("{title}.{extension}") }
    };
    deal.into_iter().flat_map(|deal| deal.files).map(named).collect()
}
