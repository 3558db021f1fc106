//! What the vendor's schema says of a body: names, types and enumerated values of its properties.

use std::sync::LazyLock;

use jiff::civil::Date;

use super::faults::{Fault, fault};
use crate::json::Json;
use crate::properties::{Kept, Properties};

static TABLES: LazyLock<Properties> = LazyLock::new(|| Properties::read(include_str!("../../data/quickbooks.txt")));

/// Refuses a property that the schema does not have, and a value of another type than the schema's. Entities without a table
/// are taken as they are.
pub(crate) fn checked(kept: &Kept, entity: &str, body: &Json) -> Result<(), Fault> {
    if TABLES.of(entity).is_none() {
        return Ok(());
    }
    for (name, value) in body.members() {
        let Some(property) = TABLES.find(entity, name).filter(|_| kept.has(entity, name)) else {
            return Err(unknown(name));
        };
        // Clients send empty texts for what they do not know.
        if value.is_null() || value.as_str() == Some("") {
            continue;
        }
        match property.of.strip_suffix("[]") {
            Some(of) => value.items().iter().try_for_each(|item| typed(kept, name, of, item))?,
            None => typed(kept, name, property.of, value)?,
        }
    }
    Ok(())
}

fn unknown(name: &str) -> Fault {
    let detail = format!("Request has invalid or unsupported property : Property Name:{name} is invalid");
    fault("2010", "Request has invalid or unsupported property", detail)
}

fn typed(kept: &Kept, name: &str, of: &str, value: &Json) -> Result<(), Fault> {
    let text = value.scalar();
    let fits = match of {
        "decimal" | "integer" | "long" => value.number().is_some(),
        "boolean" => text.is_some_and(|text| matches!(text.as_str(), "true" | "false")),
        "string" => text.is_some(),
        "date" => {
            let day = text.unwrap_or_default();
            let known = day.get(..10).unwrap_or(&day).parse::<Date>();
            return known.map(drop).map_err(|_| fault("2030", "Invalid Date", format!("Invalid date: {day}")));
        }
        _ if of.ends_with("Enum") => {
            let known = TABLES.words("enumerations", of);
            let text = text.unwrap_or_default();
            if known.is_empty() || known.contains(&text.as_str()) {
                return Ok(());
            }
            return Err(fault("2170", "Invalid Enumeration", format!("Invalid Enumeration : {text}")));
        }
        _ if TABLES.of(of).is_some() => {
            return if text.is_none() { checked(kept, of, value) } else { Err(unknown(name)) };
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(unknown(name)) }
}
