//! Salesforce's JSON as Salesforce writes it.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Answer of the token endpoint. There is no `expires_in`: the end of a session is known by a refusal.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer {
    /// Session.
    pub(crate) access_token: String,
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

/// One error of a refused request.
#[derive(Debug, Deserialize)]
pub(crate) struct ErrorItem {
    /// Code: what counts, whatever the status is.
    #[serde(rename = "errorCode", alias = "statusCode")]
    pub(crate) code: String,
    /// Words.
    #[serde(default)]
    pub(crate) message: String,
}

/// Answer of a created record.
#[derive(Debug, Deserialize)]
pub(crate) struct Saved {
    /// Id.
    pub(crate) id: String,
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
    /// Name of the relationship, such as `Account`.
    #[serde(rename = "relationshipName", default)]
    pub(crate) relationship: Option<String>,
}

/// Reads a refused request's errors, whatever their shape.
pub(crate) fn errors(body: &str) -> Vec<ErrorItem> {
    serde_json::from_str(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(!saved.id.is_empty());
    }
}
