//! Whether a connection can do its work; every problem at once.

use jiff::tz::TimeZone;
use milestoned_connector_kit::{Expiry, Probe};
use milestoned_mapping::problem::Problem;

use super::settings::StatusObject;
use super::{CURRENCY, OPTIONAL, Salesforce, wire};

/// Decimals beyond which amounts are parked.
const DECIMALS: u32 = 4;
/// Whether the user that signs in may see every file of the org.
const ALL_FILES: &str = "PermissionsQueryAllFiles";
const HIDDEN: &str = "create the field, or give the integration user read access to it (field-level security)";

/// A field by its name, or by the first relationship of a dotted path.
fn field<'a>(described: &'a wire::Describe, path: &str) -> Option<&'a wire::DescribedField> {
    match path.split_once('.') {
        Some((relationship, _)) => {
            described.fields.iter().find(|field| field.relationship.as_deref() == Some(relationship))
        }
        None => described.fields.iter().find(|field| field.name == path),
    }
}

impl Probe for Salesforce {
    async fn probe(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let object = &self.settings.object;
        match self.describe(object).await {
            Err(fault) => problems.push(Problem::new(
                object.clone(),
                fault.to_string(),
                "see that address, credentials and object are right",
            )),
            Ok(described) => {
                problems.extend(self.fields_of(&described));
                // The fields are there: what else may be wrong is told by the first row.
                if problems.is_empty()
                    && let Err(fault) = self.all_rows(&self.first_row()).await
                {
                    problems.push(Problem::new("filter", fault.to_string(), "correct filter or field map"));
                }
            }
        }
        problems.extend(self.history_problem().await);
        problems.extend(self.approvals_problem().await);
        if self.reads.files
            && let Err(fault) = self.describe("ContentVersion").await
        {
            let remedy = "give the integration user access to files (\"Query All Files\")";
            problems.push(Problem::new("ContentVersion", fault.to_string(), remedy));
        }
        problems.extend(self.files_problem().await);
        if let Some(status) = &self.settings.status {
            match self.describe(&status.object).await {
                Err(fault) => {
                    let remedy = "create the object, or remove [status]";
                    problems.push(Problem::new(status.object.clone(), fault.to_string(), remedy));
                }
                Ok(described) => problems.extend(status_fields(status, &described)),
            }
        }
        problems
    }

    async fn expiries(&self) -> Vec<Expiry> {
        let end = self.settings.credential_ends.and_then(|end| end.to_zoned(TimeZone::UTC).ok());
        let remedy = "make a new secret or certificate of the app in the org, and set it and credential_ends";
        end.map(|end| Expiry { what: "the app's secret", at: end.timestamp(), remedy }).into_iter().collect()
    }
}

impl Salesforce {
    fn fields_of(&self, described: &wire::Describe) -> Vec<Problem> {
        let mut problems = Vec::new();
        for path in &self.reads.fields {
            let place = format!("{}.{path}", self.settings.object);
            match field(described, path) {
                Some(known) if known.scale > DECIMALS => problems.push(Problem::new(
                    place,
                    format!("has {} decimals", known.scale),
                    "map a field with no more decimals than the currency has: amounts are not rounded",
                )),
                Some(_) => {}
                None if path == CURRENCY && self.settings.currency.is_none() => problems.push(Problem::new(
                    place,
                    "the org has a single currency, and the field does not exist",
                    "set currency = \"USD\" (or what it is), or take currency out of the field map",
                )),
                None if OPTIONAL.contains(&path.as_str()) => {}
                None => problems.push(Problem::new(place, "the field is missing or hidden", HIDDEN)),
            }
        }
        problems
    }

    /// Without the permission the integration user sees files that are shared with it, and others are missed without a word.
    async fn files_problem(&self) -> Option<Problem> {
        if !self.settings.documents {
            return None;
        }
        let question = format!("SELECT {ALL_FILES} FROM UserPermissionAccess LIMIT 1");
        let rows = match self.all_rows(&question).await {
            Ok(rows) => rows,
            Err(fault) => {
                let remedy = "let the integration user read UserPermissionAccess, or see yourself that it has the permission \
                              \"Query All Files\"";
                return Some(Problem::new("documents", fault.to_string(), remedy));
            }
        };
        let granted: serde_json::Value = serde_json::from_str(rows.first()?).ok()?;
        (granted.get(ALL_FILES) == Some(&serde_json::Value::Bool(false))).then(|| {
            Problem::new(
                "documents",
                "the integration user sees only the files that are shared with it",
                "give it the permission \"Query All Files\", or share the files of the deals with it and set documents = false",
            )
        })
    }

    fn first_row(&self) -> String {
        format!("SELECT Id FROM {} WHERE {} LIMIT 1", self.settings.object, self.filter())
    }
}

fn status_fields(status: &StatusObject, described: &wire::Describe) -> Vec<Problem> {
    let mut problems = Vec::new();
    let written = || status.fields.values().chain(status.constants.keys()).chain(&status.external_id);
    // A record that is there already has what it needs.
    let demanded = described.fields.iter().filter(|field| field.createable && !field.nillable && !field.defaulted);
    let missing = demanded.filter(|field| status.external_id.is_some() && !written().any(|name| *name == field.name));
    problems.extend(missing.map(|field| {
        let remedy = "write it: under [status.fields], or with a value that never changes under [status.constants]";
        let place = format!("{}.{}", status.object, field.name);
        Problem::new(place, "the org demands the field of a new record, and nothing fills it", remedy)
    }));
    for name in status.fields.values().chain(status.constants.keys()).filter(|name| field(described, name).is_none()) {
        problems.push(Problem::new(format!("{}.{name}", status.object), "the field is missing or hidden", HIDDEN));
    }
    if let Some(key) = &status.external_id
        && !field(described, key).is_some_and(|field| field.external_id && field.unique)
    {
        let place = format!("{}.{key}", status.object);
        problems.push(Problem::new(place, "is no unique external id", "mark the field as External ID and Unique"));
    }
    problems
}
