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
