//! Customers and their records in the ERPs: what was found or created, what configuration and people say, what waits for them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use milestoned_connector_kit::customers::{Known, NEW};
use serde::Serialize;
use utoipa::ToSchema;

use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::actor::Actor;
use crate::store::customers::CustomerRecord;

/// How it is known which record of an ERP a customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// By its name, or it was created.
    Found,
    /// By the configuration.
    Configured,
    /// By a person.
    Chosen,
    /// It is none of those there are, and is created when it is needed.
    ToBeCreated,
    /// Nobody has said it yet, and others are called alike.
    Undecided,
}

impl How {
    /// The same for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Found => "found by its name, or created",
            Self::Configured => "by the configuration",
            Self::Chosen => "chosen",
            Self::ToBeCreated => "is created when it is needed",
            Self::Undecided => "waits for somebody to say which it is",
        }
    }
}

/// A customer and its record in one ERP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomerLine {
    /// The customer's name in the agreements.
    pub name: String,
    /// Connection of the ERP.
    pub erp: String,
    /// The ERP's id of the record.
    pub remote_id: Option<String>,
    /// How that is known.
    pub how: How,
    /// Records that are called alike, as the ERP had them when it was asked.
    #[schema(value_type = Vec<Object>)]
    pub alike: Vec<Known>,
    /// Who said it.
    pub by: Option<Actor>,
    /// When, UTC.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}

/// Every customer of whom an ERP's record is known, or waited for, by name and ERP.
///
/// # Errors
/// The store failed.
pub async fn customers(env: &Environment) -> Result<Vec<CustomerLine>, StoreError> {
    let mut lines: BTreeMap<(String, String), CustomerLine> = BTreeMap::new();
    let mut put = |name: String, erp: String, remote_id: Option<String>, how: How| {
        let line = CustomerLine { name, erp, remote_id, how, alike: Vec::new(), by: None, since: None };
        lines.insert((line.name.clone(), line.erp.clone()), line);
    };
    for ((erp, name), id) in env.store.found_customers().await? {
        put(name, erp, Some(id), How::Found);
    }
    for (erp, entry) in env.registry.iter() {
        for (name, id) in entry.customers.ids() {
            put(name, erp.to_owned(), Some(id), How::Configured);
        }
    }
    for record in env.store.customer_records().await? {
        lines.insert((record.name.clone(), record.erp.clone()), said(record));
    }
    Ok(lines.into_values().collect())
}

fn said(record: CustomerRecord) -> CustomerLine {
    let CustomerRecord { erp, name, remote_id, alike, actor, decided_at } = record;
    let how = match remote_id.as_deref() {
        None => How::Undecided,
        Some(NEW) => How::ToBeCreated,
        Some(_) => How::Chosen,
    };
    let remote_id = remote_id.filter(|id| id != NEW);
    CustomerLine { name, erp, remote_id, how, alike, by: Some(actor), since: Some(decided_at) }
}
