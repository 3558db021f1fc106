//! Salesforce's JSON as Salesforce writes it.

use milestoned_connector_kit::read::or_default;
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

/// A row of a history; its values are read beside it.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryRow {
    #[serde(rename = "Id")]
    pub(crate) id: String,
    #[serde(rename = "ParentId")]
    pub(crate) parent: String,
    #[serde(rename = "CreatedDate")]
    pub(crate) at: String,
    #[serde(rename = "CreatedBy", default)]
    pub(crate) by: Option<Author>,
}

/// A step of an approval process.
#[derive(Debug, Deserialize)]
pub(crate) struct StepRow {
    #[serde(rename = "Id")]
    pub(crate) id: String,
    #[serde(rename = "StepStatus")]
    pub(crate) status: String,
    #[serde(rename = "CreatedDate")]
    pub(crate) at: String,
    #[serde(rename = "CreatedBy", default)]
    pub(crate) by: Option<Author>,
    #[serde(rename = "ProcessInstance")]
    pub(crate) process: Process,
}

/// The approval process of a step.
#[derive(Debug, Deserialize)]
pub(crate) struct Process {
    #[serde(rename = "TargetObjectId")]
    pub(crate) target: String,
}

/// Who made a change.
#[derive(Debug, Deserialize)]
pub(crate) struct Author {
    #[serde(rename = "Email", default)]
    pub(crate) email: Option<String>,
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
    #[serde(rename = "IsDeleted", default, deserialize_with = "or_default")]
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
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) message: String,
    /// Fields that it is about.
    #[serde(default, deserialize_with = "or_default")]
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
    #[serde(default, deserialize_with = "or_default")]
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
    #[serde(rename = "externalId", default, deserialize_with = "or_default")]
    pub(crate) external_id: bool,
    /// Unique.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) unique: bool,
    /// Digits behind the point.
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) scale: u32,
    /// Name of the relationship, such as `Account`.
    #[serde(rename = "relationshipName", default)]
    pub(crate) relationship: Option<String>,
    /// May be empty.
    #[serde(default = "yes")]
    pub(crate) nillable: bool,
    /// Is filled by the org where nobody does.
    #[serde(rename = "defaultedOnCreate", default, deserialize_with = "or_default")]
    pub(crate) defaulted: bool,
    /// May be written when a record is created.
    #[serde(rename = "createable", default, deserialize_with = "or_default")]
    pub(crate) createable: bool,
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use milestoned_connector_kit::http::OauthError;

    use super::*;
    use crate::refusal::errors;

    fn read(name: &str) -> String {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()
    }

    fn fixture(name: &str) -> String {
        read(&format!("restforce_{name}_response"))
    }

    #[test]
    fn recorded_composites_keep_each_part_with_its_status() {
        for (name, statuses, code) in [
            ("ok", &[200, 200, 200, 200][..], ""),
            ("400", &[200, 400], "INVALID_TYPE"),
            ("404", &[404], "NOT_FOUND"),
            ("304", &[304, 304, 304], ""),
        ] {
            let text = read(&format!("cumulusci_composite_{name}"));
            let composite: Composite<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(composite.parts.iter().map(|part| part.status).collect::<Vec<_>>(), statuses, "{name}");
            let last = composite.parts.last().unwrap().body.map_or("", |body| body.get());
            let codes: Vec<String> = errors(last).into_iter().map(|error| error.code).collect();
            assert_eq!(codes.join(","), code, "{name}");
        }
    }

    #[test]
    fn recorded_collections_say_of_each_record_whether_it_was_written() {
        for (name, count) in [("created", 16), ("upserted", 4)] {
            let saved: Vec<Saved> = serde_json::from_str(&read(&format!("cumulusci_collection_{name}"))).unwrap();
            assert!(saved.iter().all(|result| result.success && result.id.is_some()), "{name}");
            assert_eq!(saved.len(), count, "{name}");
        }
    }

    #[test]
    fn a_recorded_describe_tells_what_an_org_lacks() {
        let opportunity: Describe = serde_json::from_str(&read("cumulusci_describe_opportunity")).unwrap();
        let field = |name: &str| opportunity.fields.iter().find(|field| field.name == name);
        assert_eq!(field("Amount").unwrap().scale, 2);
        assert_eq!(field("AccountId").unwrap().relationship.as_deref(), Some("Account"));
        assert!(field("ContractId").is_none() && field("CurrencyIsoCode").is_none());
        let custom: Describe = serde_json::from_str(&read("restforcedb_describe")).unwrap();
        assert!(custom.fields.iter().any(|field| field.external_id && !field.unique), "external does not mean unique");
    }

    #[test]
    fn every_transcribed_refusal_gives_its_code() {
        #[derive(Deserialize)]
        struct Transcribed<'a> {
            name: String,
            #[serde(borrow)]
            body: &'a RawValue,
        }
        let text = read("transcribed_error_bodies");
        let bodies: Vec<Transcribed<'_>> = serde_json::from_str(&text).unwrap();
        for transcribed in &bodies {
            let body = transcribed.body.get();
            if transcribed.name.starts_with("oauth") {
                assert!(
                    serde_json::from_str::<OauthError>(body).is_ok_and(|error| !error.error_description.is_empty())
                );
            } else if transcribed.name.starts_with("collections") {
                let saved: Vec<Saved> = serde_json::from_str(body).unwrap();
                assert!(!saved[0].success && !saved[0].errors[0].code.is_empty(), "{}", transcribed.name);
            } else {
                assert!(errors(body).iter().all(|error| !error.code.is_empty()), "{}", transcribed.name);
                assert!(!errors(body).is_empty(), "{}", transcribed.name);
            }
        }
        assert!(bodies.len() >= 18);
    }

    #[test]
    fn recorded_pages_lead_on_until_the_last() {
        for (name, next) in [
            ("query_success", None),
            ("query_paginated_first_page", Some("/services/data/v26.0/query/01gD")),
            ("query_paginated_last_page", None),
            ("query_aggregate_success", None),
            ("query_empty", None),
        ] {
            let text = fixture(name);
            let page: QueryPage<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!((page.next.as_deref(), page.done), (next, next.is_none()), "{name}");
        }
        let text = read("cumulusci_query_children");
        let page: QueryPage<'_> = serde_json::from_str(&text).unwrap();
        assert!(page.done && page.records.len() > 1);
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
        for name in ["reauth_success", "refresh_success"] {
            assert!(serde_json::from_str::<TokenAnswer>(&fixture(name)).is_ok(), "{name}");
        }
        for name in ["auth_error", "refresh_error"] {
            let error: OauthError = serde_json::from_str(&fixture(name)).unwrap();
            assert_eq!(error.error, "invalid_grant", "{name}");
        }
        for name in ["create_success", "upsert_created_success"] {
            let saved: Saved = serde_json::from_str(&fixture(name)).unwrap();
            assert!(saved.success && saved.id.is_some(), "{name}");
        }
    }
}
