//! QuickBooks' JSON as QuickBooks writes it. Amounts are JSON numbers and are read by their digits.

use std::collections::BTreeMap;

use milestoned_connector_kit::read::or_default;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Debug, Deserialize)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in: i64,
    /// Seconds until the refresh token ends, if it is not used.
    #[serde(rename = "x_refresh_token_expires_in", default)]
    pub(crate) refresh_ends: Option<i64>,
    /// Seconds until it ends for good, however often it is used.
    #[serde(rename = "x_refresh_token_hard_expires_in", default)]
    pub(crate) refresh_hard_ends: Option<i64>,
}

/// A reference; its `name` is for reading only.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Ref {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CustomField {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) definition_id: String,
    #[serde(default)]
    pub(crate) string_value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LinkedTxn {
    pub(crate) txn_id: String,
    pub(crate) txn_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Line<'a> {
    #[serde(borrow, default)]
    pub(crate) amount: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) linked_txn: Vec<LinkedTxn>,
    #[serde(default)]
    pub(crate) journal_entry_line_detail: Option<JournalDetail>,
    #[serde(default)]
    pub(crate) sales_item_line_detail: Option<SalesDetail>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SalesDetail {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) item_ref: Ref,
    #[serde(default)]
    pub(crate) item_account_ref: Option<Ref>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaxDetail<'a> {
    #[serde(borrow, default)]
    pub(crate) total_tax: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JournalDetail {
    pub(crate) posting_type: String,
    pub(crate) account_ref: Account,
    #[serde(default)]
    pub(crate) entity: Option<LineEntity>,
}

/// The account of a line of an entry.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    pub(crate) value: String,
}

/// Whom a line of an entry names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LineEntity {
    #[serde(rename = "Type", default, deserialize_with = "or_default")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) entity_ref: Ref,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MetaData {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) last_updated_time: String,
}

/// Invoice, credit memo, payment, journal entry or estimate: what all of them may carry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Transaction<'a> {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) sync_token: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) meta_data: MetaData,
    /// `Deleted` in an answer about changes.
    #[serde(rename = "status", default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) doc_number: Option<String>,
    #[serde(default)]
    pub(crate) txn_date: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) customer_ref: Ref,
    #[serde(default)]
    pub(crate) currency_ref: Option<Ref>,
    #[serde(borrow, default)]
    pub(crate) total_amt: Option<&'a RawValue>,
    /// Of a payment, what it has left.
    #[serde(borrow, default)]
    pub(crate) unapplied_amt: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) balance: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) txn_tax_detail: Option<TaxDetail<'a>>,
    #[serde(default)]
    pub(crate) private_note: Option<String>,
    #[serde(default)]
    pub(crate) email_status: Option<String>,
    #[serde(default)]
    pub(crate) sales_term_ref: Option<Ref>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) custom_field: Vec<CustomField>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub(crate) line: Vec<Line<'a>>,
}

/// The answer to a request to mail an invoice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Emailed {
    pub(crate) invoice: Saved,
}

/// A file that is attached to something.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attachable {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) file_name: String,
}

/// The answer to an upload: for each file what was made of it, or why nothing was.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Uploaded {
    pub(crate) attachable_response: Vec<UploadedFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UploadedFile {
    pub(crate) attachable: Option<Attachable>,
    pub(crate) fault: Option<FaultBody>,
}

/// A refusal; the layer that checks tokens writes it in lower case.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct FaultAnswer {
    #[serde(rename = "Fault", alias = "fault", default, deserialize_with = "or_default")]
    pub(crate) fault: FaultBody,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct FaultBody {
    #[serde(rename = "Error", alias = "error", default, deserialize_with = "or_default")]
    pub(crate) errors: Vec<ErrorItem>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ErrorItem {
    #[serde(rename = "Message", alias = "message", default, deserialize_with = "or_default")]
    pub(crate) message: String,
    #[serde(rename = "Detail", alias = "detail", default, deserialize_with = "or_default")]
    pub(crate) detail: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) code: String,
}

impl FaultAnswer {
    pub(crate) fn read(body: &str) -> Vec<ErrorItem> {
        serde_json::from_str::<Self>(body).unwrap_or_default().fault.errors
    }
}

/// What matters of an entity that was written or looked up.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) sync_token: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) doc_number: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    fully_qualified_name: String,
    #[serde(default)]
    parent_ref: Option<Ref>,
    #[serde(default)]
    pub(crate) currency_ref: Option<Ref>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) custom_field: Vec<CustomField>,
}

impl Saved {
    /// The name by which sales refer to it: of a sub-customer with those that it is below, `Parent:Child`.
    pub(crate) fn full_name(&self) -> &str {
        let is_below = self.parent_ref.is_some() && !self.fully_qualified_name.is_empty();
        if is_below { &self.fully_qualified_name } else { &self.display_name }
    }
}

/// What of a body the answer must have kept.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Sent {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) doc_number: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) custom_field: Vec<CustomField>,
}

/// The lines of an entry on its way in.
#[cfg(test)]
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    pub(crate) line: Vec<Line<'a>>,
}

/// An item; where its sales are booked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Item {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) income_account_ref: Ref,
}

/// Answer with an exchange rate.
#[derive(Debug, Deserialize)]
pub(crate) struct RateAnswer<'a> {
    #[serde(borrow, rename = "ExchangeRate")]
    pub(crate) rate: Rate<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Rate<'a> {
    #[serde(borrow, default)]
    pub(crate) rate: Option<&'a RawValue>,
}

/// Answer to a batch.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchAnswer<'a> {
    /// Items by name: `bId`, and an entity or a `Fault`.
    #[serde(borrow, rename = "BatchItemResponse", default, deserialize_with = "or_default")]
    pub(crate) items: Vec<BTreeMap<&'a str, &'a RawValue>>,
}

/// Switches of the company that matter to us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Preferences {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) accounting_info_prefs: AccountingPrefs,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) sales_forms_prefs: SalesFormsPrefs,
    // The release note spells it otherwise.
    #[serde(default, alias = "ProductAndServicePrefs", deserialize_with = "or_default")]
    pub(crate) product_and_services_prefs: ProductPrefs,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountingPrefs {
    #[serde(default)]
    pub(crate) book_close_date: Option<String>,
    /// Classes of whole transactions.
    #[serde(default)]
    pub(crate) class_tracking_per_txn: Option<bool>,
    /// Classes of lines.
    #[serde(default)]
    pub(crate) class_tracking_per_txn_line: Option<bool>,
    /// Locations.
    #[serde(default)]
    pub(crate) track_departments: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SalesFormsPrefs {
    #[serde(default)]
    pub(crate) custom_txn_numbers: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProductPrefs {
    /// As a release note spells it.
    #[serde(default)]
    pub(crate) revenue_recognition_enabled: Option<bool>,
    /// As the schema spells it.
    #[serde(default)]
    pub(crate) revenue_recognition: Option<bool>,
}

/// Answer with the preferences.
#[derive(Debug, Deserialize)]
pub(crate) struct PreferencesAnswer {
    #[serde(rename = "Preferences")]
    pub(crate) preferences: Preferences,
}

/// Webhooks of the old shape.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LegacyHook {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) event_notifications: Vec<Notification>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) realm_id: String,
    #[serde(default)]
    pub(crate) data_change_event: Option<ChangeEvent>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChangeEvent {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) entities: Vec<ChangedEntity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangedEntity {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) operation: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) last_updated: String,
}

/// A webhook of the new shape.
#[derive(Debug, Deserialize)]
pub(crate) struct CloudEvent {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub(crate) kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) time: String,
    #[serde(rename = "intuitentityid", default, deserialize_with = "or_default")]
    pub(crate) entity: String,
    #[serde(rename = "intuitaccountid", default, deserialize_with = "or_default")]
    pub(crate) realm: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> String {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)).unwrap()
    }

    #[test]
    fn a_recorded_fault_and_a_recorded_token_are_read() {
        let errors = FaultAnswer::read(&fixture("qbo_fault_6240_duplicate_name.json"));
        assert_eq!(errors.iter().map(|error| error.code.as_str()).collect::<Vec<_>>(), ["6240"]);
        let token: TokenAnswer = serde_json::from_str(&fixture("qbo_oauth_refreshResponse.json")).unwrap();
        assert_eq!((token.refresh_token.as_str(), token.expires_in), ("sample_refresh_token", 3600));
        // A client's recording of a refusal: the answer itself is text within it.
        let refusal: serde_json::Value =
            serde_json::from_str(&fixture("qbo_oauth_errorResponse_invalid_grant.json")).unwrap();
        assert!(serde_json::from_value::<TokenAnswer>(refusal).is_err());
    }

    #[test]
    fn faults_of_the_token_layer_come_in_lower_case() {
        let text = r#"{"fault":{"error":[{"message":"m","detail":"d","code":"3200"}],"type":"AUTHENTICATION"}}"#;
        assert_eq!(FaultAnswer::read(text)[0].code, "3200");
        assert!(FaultAnswer::read("<html>").is_empty());
    }
}
