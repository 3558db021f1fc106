//! Salesforce's JSON as Salesforce writes it.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Answer of the token endpoint. There is no `expires_in`: the end of a session is known by a refusal.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer {
    /// Session.
    pub(crate) access_token: String,
    /// The next refresh token, where the app rotates it.
    #[serde(default)]
    pub(crate) refresh_token: Option<String>,
}

/// Refusal of the token endpoint.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenError {
    /// Code.
    pub(crate) error: String,
    /// Words.
    #[serde(default)]
    pub(crate) error_description: String,
}

/// A page of a query.
#[derive(Debug, Deserialize)]
pub(crate) struct QueryPage<'a> {
    /// Nothing follows.
    pub(crate) done: bool,
    /// Where the next page is.
    #[serde(rename = "nextRecordsUrl")]
    pub(crate) next: Option<String>,
    /// Records, verbatim.
    #[serde(borrow)]
    pub(crate) records: Vec<&'a RawValue>,
}

/// What every record carries.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    /// 18 characters.
    #[serde(rename = "Id")]
    pub(crate) id: String,
    /// Rises with every change, formula fields apart.
    #[serde(rename = "SystemModstamp")]
    pub(crate) stamp: String,
    /// In the recycle bin.
    #[serde(rename = "IsDeleted", default)]
    pub(crate) deleted: bool,
}

/// The id of a record, where nothing else was asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct OnlyId {
    /// 18 characters.
    #[serde(rename = "Id")]
    pub(crate) id: String,
}

/// One error of a refused request.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorItem {
    /// Code: what counts, whatever the status is.
    #[serde(rename = "errorCode", alias = "statusCode")]
    pub(crate) code: String,
    /// Words.
    #[serde(default)]
    pub(crate) message: String,
    /// Fields that it is about.
    #[serde(default)]
    pub(crate) fields: Vec<String>,
}

/// Outcome of one written record, alone or in a collection.
#[derive(Debug, Deserialize)]
pub(crate) struct Saved {
    /// Id; a failed one has none.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// Whether it was written.
    pub(crate) success: bool,
    /// Why it was not.
    #[serde(default)]
    pub(crate) errors: Vec<ErrorItem>,
}

/// Answer of a composite request: 200 whatever became of its parts.
#[derive(Debug, Deserialize)]
pub(crate) struct Composite<'a> {
    /// Parts, in order.
    #[serde(rename = "compositeResponse", borrow)]
    pub(crate) parts: Vec<Part<'a>>,
}

/// Answer of one part of a composite request.
#[derive(Debug, Deserialize)]
pub(crate) struct Part<'a> {
    /// Body, verbatim.
    #[serde(borrow)]
    pub(crate) body: Option<&'a RawValue>,
    /// Status.
    #[serde(rename = "httpStatusCode")]
    pub(crate) status: u16,
}

/// A product of an opportunity.
#[derive(Debug, Deserialize)]
pub(crate) struct LineItem {
    /// Its opportunity.
    #[serde(rename = "OpportunityId")]
    pub(crate) opportunity: Option<String>,
}

/// A file and a record that it hangs on.
#[derive(Debug, Deserialize)]
pub(crate) struct DocumentLink {
    /// File.
    #[serde(rename = "ContentDocumentId")]
    pub(crate) document: String,
    /// Record.
    #[serde(rename = "LinkedEntityId")]
    pub(crate) record: String,
}

/// One version of a file.
#[derive(Debug, Deserialize)]
pub(crate) struct FileVersion {
    /// Version.
    #[serde(rename = "Id")]
    pub(crate) id: String,
    /// File.
    #[serde(rename = "ContentDocumentId")]
    pub(crate) document: String,
    /// Title.
    #[serde(rename = "Title", default)]
    pub(crate) title: Option<String>,
    /// Ending of its name.
    #[serde(rename = "FileExtension", default)]
    pub(crate) extension: Option<String>,
    /// Number of the version.
    #[serde(rename = "VersionNumber", default)]
    pub(crate) number: Option<String>,
    /// MD5 of its content, in hex.
    #[serde(rename = "Checksum", default)]
    pub(crate) checksum: Option<String>,
    /// When it was made.
    #[serde(rename = "CreatedDate", default)]
    pub(crate) created: Option<String>,
}

/// What an object consists of.
#[derive(Debug, Deserialize)]
pub(crate) struct Describe {
    /// Fields.
    pub(crate) fields: Vec<DescribedField>,
}

/// A field.
#[derive(Debug, Deserialize)]
pub(crate) struct DescribedField {
    /// Name.
    pub(crate) name: String,
    /// May be an upsert's key.
    #[serde(rename = "externalId", default)]
    pub(crate) external_id: bool,
    /// Unique.
    #[serde(default)]
    pub(crate) unique: bool,
    /// Digits behind the point.
    #[serde(default)]
    pub(crate) scale: u32,
    /// Name of the relationship, such as `Account`.
    #[serde(rename = "relationshipName", default)]
    pub(crate) relationship: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::errors;

    fn fixture(name: &str) -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        std::fs::read_to_string(folder.join(format!("restforce_{name}_response.json"))).unwrap()
    }

    #[test]
    fn recorded_pages_lead_on_until_the_last() {
        for (name, next) in [
            ("query_success", None),
            ("query_paginated_first_page", Some("/services/data/v26.0/query/01gD")),
            ("query_paginated_last_page", None),
        ] {
            let text = fixture(name);
            let page: QueryPage<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!((page.next.as_deref(), page.done, page.records.len()), (next, next.is_none(), 1), "{name}");
        }
    }

    #[test]
    fn recorded_refusals_give_their_code() {
        for (name, code) in [
            ("write_error", "INVALID_FIELD"),
            ("query_error", "INVALID_FIELD"),
            ("expired_session", "INVALID_SESSION_ID"),
            ("sobject_find_error", "NOT_FOUND"),
            ("delete_error", "NOT_FOUND"),
        ] {
            let codes: Vec<String> = errors(&fixture(name)).into_iter().map(|error| error.code).collect();
            assert_eq!(codes, [code], "{name}");
        }
        assert!(errors(&fixture("upsert_multiple_error")).is_empty(), "status 300 lists addresses, not errors");
    }

    #[test]
    fn recorded_sign_ins_are_read() {
        let token: TokenAnswer = serde_json::from_str(&fixture("auth_success")).unwrap();
        assert!(token.access_token.starts_with("00D"));
        for name in ["auth_error", "refresh_error"] {
            let error: TokenError = serde_json::from_str(&fixture(name)).unwrap();
            assert_eq!(error.error, "invalid_grant", "{name}");
        }
        let saved: Saved = serde_json::from_str(&fixture("upsert_created_success")).unwrap();
        assert!(saved.success && saved.id.is_some());
    }
}
