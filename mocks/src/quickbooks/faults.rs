//! What is refused, in the vendor's words.

use crate::call::Reply;
use crate::json::{Json, list, obj};

/// A fault in the vendor's words.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
    pub(crate) detail: String,
    pub(crate) kind: &'static str,
}

pub(crate) fn fault(code: &'static str, message: &'static str, detail: impl Into<String>) -> Fault {
    Fault { status: 400, code, message, detail: detail.into(), kind: "ValidationFault" }
}

/// A rule of bookkeeping.
pub(crate) fn business(detail: impl Into<String>) -> Fault {
    fault("6000", "A business validation error has occurred while processing your request", detail)
}

pub(crate) fn required(name: &str) -> Fault {
    let detail = format!("Required parameter {name} is missing in the request");
    fault("2020", "Required param missing, need to supply the required value for the API", detail)
}

pub(crate) fn gone() -> Fault {
    fault(
        "610",
        "Object Not Found",
        "Object Not Found : Something you're trying to use has been made inactive. Check the fields with accounts, customers, \
         items, vendors or employees.",
    )
}

pub(crate) fn reply(status: u16, body: Json, time: &str) -> Reply {
    Reply::json(status, &body.with("time", time))
}

impl Fault {
    pub(crate) fn json(&self) -> Json {
        let error = obj! {"Message" => self.message, "Detail" => &self.detail, "code" => self.code, "element" => ""};
        obj! {"Error" => list![error], "type" => self.kind}
    }
}

/// A number that somebody else holds.
pub(crate) fn taken(entity: &str, number: &str, holder: &str) -> Fault {
    let detail = format!(
        "Duplicate Document Number Error : You must specify a different number. This number has already been used. \
         DocNumber={number} is assigned to TxnType={entity} with TxnId={holder}"
    );
    fault("6140", "Duplicate Document Number Error", detail)
}

pub(crate) fn stale() -> Fault {
    let detail = "Stale Object Error : You and another user were working on this at the same time. The other user finished \
                  before you did, so your work was not saved.";
    fault("5010", "Stale Object Error", detail)
}

pub(crate) fn name_taken() -> Fault {
    let detail = "The name supplied already exists. : Another customer, vendor or employee is already using this name. \
                  Please use a different name.";
    fault("6240", "Duplicate Name Exists Error", detail)
}

pub(crate) fn books_closed() -> Fault {
    let detail = "The account period has closed and the account books cannot be updated through through the QBO Services \
                  API. Please use the QBO website to make these changes.";
    fault("6210", "Account Period Closed, Cannot Update Through Services API", detail)
}

pub(crate) fn subscription_over() -> Fault {
    let detail = "Subscription period has ended or canceled or there was a billing problem : You can't add data.";
    fault("6190", "Invalid Company Status", detail)
}

/// The fault of this code, or of this HTTP status.
pub(crate) fn named(code: &str) -> Fault {
    match code {
        "5010" => stale(),
        "6000" | "400" => business("Something does not add up."),
        "610" | "404" => gone(),
        "6140" => taken("Invoice", "1001", "101"),
        "6190" => subscription_over(),
        "6210" => books_closed(),
        "6240" => name_taken(),
        status => Fault {
            status: status.parse().ok().filter(|status| (400..600).contains(status)).unwrap_or(500),
            code: "10000",
            message: "An application error has occurred while processing your request",
            detail: "System Failure Error".to_string(),
            kind: "SystemFault",
        },
    }
}
