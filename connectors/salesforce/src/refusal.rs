//! What a refusal comes to: its error code counts, whatever the status is.

use jiff::{SignedDuration, Timestamp};
use milestoned_connector_kit::http::Answer;
use milestoned_connector_kit::{Class, Fault};

use super::{Salesforce, wire};

/// After the daily limit, and during maintenance, Salesforce is asked again this much later.
pub(crate) const LONG: SignedDuration = SignedDuration::from_mins(15);

/// Reads a refused request's errors: a list, a single one, or not JSON at all.
pub(crate) fn errors(body: &str) -> Vec<wire::ErrorItem> {
    if body.trim_start().starts_with('{') {
        return serde_json::from_str(body).map(|refusal| vec![refusal]).unwrap_or_default();
    }
    serde_json::from_str(body).unwrap_or_default()
}

/// Kind of fault behind a code. A write that was refused with one of these was not carried out.
pub(crate) fn class(code: &str, message: &str, now: Timestamp) -> Class {
    let later = || Class::Throttled { until: now.checked_add(LONG).ok() };
    match code {
        // Not every exceeded limit is one of concurrency: only the day's needs a long pause.
        "REQUEST_LIMIT_EXCEEDED" if message.contains("TotalRequests") => later(),
        "API_CURRENTLY_DISABLED"
        | "ORG_IN_MAINTENANCE"
        | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
        | "TXN_SECURITY_METERING_ERROR" => later(),
        "REQUEST_LIMIT_EXCEEDED"
        | "UNABLE_TO_LOCK_ROW"
        | "SERVER_UNAVAILABLE"
        | "REQUEST_RUNNING_TOO_LONG"
        | "QUERY_TIMEOUT" => Class::Throttled { until: None },
        // A trigger or flow that met a lock says so in its own words.
        _ if message.contains("UNABLE_TO_LOCK_ROW") || message.contains("unable to obtain exclusive access") => {
            Class::Throttled { until: None }
        }
        "INVALID_SESSION_ID" | "API_DISABLED_FOR_ORG" => Class::Unauthorised,
        // Somebody else may have created the record a moment ago: the next upsert updates it.
        "DUPLICATE_VALUE" | "UNKNOWN_EXCEPTION" => Class::Unanswered,
        _ => Class::Refused,
    }
}

/// What a person does about a code, where the words of Salesforce do not say it.
fn remedy(code: &str) -> &'static str {
    match code {
        "DUPLICATES_DETECTED" => "; a duplicate rule stops it: exempt the integration user, or merge the duplicates",
        "ENTITY_IS_LOCKED" => "; an approval locks the record: finish the approval",
        "DUPLICATE_EXTERNAL_ID" | "MULTIPLE_CHOICES" => "; delete all but one of the records with this external id",
        "INVALID_FIELD" | "INVALID_TYPE" => "; `milestoned check` names what is missing or hidden",
        _ => "",
    }
}

impl Salesforce {
    /// What follows from errors, of an answer or of one record of a batch.
    pub(crate) fn judged(&self, errors: &[wire::ErrorItem], request_id: Option<String>) -> Fault {
        let Some(first) = errors.first() else {
            return self.client.fault(Class::Misunderstood, "refused without a reason", request_id);
        };
        let said: Vec<String> = errors
            .iter()
            .map(|error| {
                let fields =
                    if error.fields.is_empty() { String::new() } else { format!(" ({})", error.fields.join(", ")) };
                format!("{} {}{fields}", error.code, error.message)
            })
            .collect();
        let class = class(&first.code, &first.message, self.client.now());
        self.client.fault(class, format!("{}{}", said.join("; "), remedy(&first.code)), request_id).coded(&first.code)
    }

    /// What follows from a refused request.
    pub(crate) fn refused(&self, answer: &Answer) -> Fault {
        match errors(&answer.body).as_slice() {
            [] => self.client.refusal(answer, "no reason given"),
            errors => {
                let fault = self.judged(errors, answer.header(super::REQUEST_ID));
                Fault { detail: format!("status {}: {}", answer.status.as_u16(), fault.detail), ..fault }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(body: &str) -> Vec<String> {
        errors(body).into_iter().map(|error| error.code).collect()
    }

    #[test]
    fn the_code_counts_and_then_its_words() {
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let again = Class::Throttled { until: None };
        let later = Class::Throttled { until: Some("2026-03-02T09:15:00Z".parse().unwrap()) };
        for (code, message, expected) in [
            ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", again.clone()),
            ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "x: UNABLE_TO_LOCK_ROW, unable", again.clone()),
            ("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", again),
            ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", later.clone()),
            ("ORG_IN_MAINTENANCE", "", later),
            ("DUPLICATE_VALUE", "duplicate value found: X duplicates value on record with id: 1", Class::Unanswered),
            ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Billed needs Approved", Class::Refused),
            ("DUPLICATES_DETECTED", "Use one of these records?", Class::Refused),
            ("ENTITY_IS_LOCKED", "", Class::Refused),
            ("UNKNOWN_EXCEPTION", "An unexpected error occurred.", Class::Unanswered),
            ("SOMETHING_NEW", "", Class::Refused),
        ] {
            assert_eq!(class(code, message, now), expected, "{code} {message}");
        }
    }

    #[test]
    fn a_refusal_is_read_in_every_shape() {
        assert_eq!(codes(r#"[{"message":"m","errorCode":"A"}]"#), ["A"]);
        assert_eq!(codes(r#"[{"statusCode":"B","message":"m","fields":["F"]}]"#), ["B"]);
        assert_eq!(codes(r#"{"message":"m","errorCode":"C"}"#), ["C"]);
        let misspelled = r#"[{"errorCode":"D","message":"m","duplicateResut":{"allowSave":true}}]"#;
        assert_eq!(codes(misspelled), ["D"], "the vendor's own spelling");
        for not_ours in ["", "<html>502</html>", r#"["/services/data/v62.0/sobjects/X/1"]"#] {
            assert!(codes(not_ours).is_empty(), "{not_ours}");
        }
    }
}
