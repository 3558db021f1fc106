//! JSON that is read: what cannot be understood is told with its place in the answer, and what a vendor writes as null is as if
//! it were left out.

use serde::{Deserialize, Deserializer};

/// Reads JSON.
///
/// # Errors
/// Why it cannot be understood, and where: `CustomerRef.value: invalid type: …`.
pub fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        // The place is looked for where it is needed alone: keeping track of it costs more than the reading.
        let mut again = serde_json::Deserializer::from_str(text);
        match serde_path_to_error::deserialize::<_, T>(&mut again) {
            Err(placed) => placed.to_string(),
            Ok(_) => error.to_string(),
        }
    })
}

/// A member that may be left out, and may be null where it is not.
///
/// # Errors
/// It is there and cannot be understood.
pub fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Invoice<'a> {
        #[serde(default, deserialize_with = "or_default")]
        customer: Customer,
        #[serde(borrow, default)]
        amount: Option<&'a RawValue>,
    }

    #[derive(Debug, Default, Deserialize)]
    struct Customer {
        id: String,
    }

    #[test]
    fn what_cannot_be_understood_is_told_with_its_place_and_null_is_as_if_left_out() {
        for text in ["{}", r#"{"customer":null,"amount":null}"#] {
            let read: Invoice<'_> = json(text).unwrap();
            assert_eq!((read.customer.id.as_str(), read.amount.is_none()), ("", true), "{text}");
        }
        let refused = |text: &str| json::<Invoice<'_>>(text).unwrap_err();
        assert!(refused(r#"{"amount":1.50,"customer":{"id":7}}"#).starts_with("customer.id: invalid type"));
        assert!(refused(r#"{"customer":{}}"#).starts_with("customer: missing field `id`"));
        assert!(refused("{} {}").contains("trailing characters"));
    }
}
