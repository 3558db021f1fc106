//! JSON that is written: objects whose amounts keep their digits. A binary float, as which `serde_json` would write a
//! number, changes an amount on its way out.

use std::fmt::Display;

use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::money::Money;

/// A number with its digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl From<Money> for Number {
    fn from(amount: Money) -> Self {
        Self(amount.to_string())
    }
}

impl From<DecimalText> for Number {
    fn from(amount: DecimalText) -> Self {
        Self(amount.to_string())
    }
}

impl From<u32> for Number {
    fn from(count: u32) -> Self {
        Self(count.to_string())
    }
}

/// A JSON object under construction; its fields stand in the order in which they are added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body(Vec<String>);

impl Body {
    /// An object without fields.
    pub fn new() -> Self {
        Self::default()
    }

    fn field(mut self, name: &str, json: impl Display) -> Self {
        self.0.push(format!("{}:{json}", serde_json::Value::from(name)));
        self
    }

    /// A text, without control characters but those of lines and tabs: servers that pass it on as XML fail on the others.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        let passes = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\r' | '\t');
        self.field(name, serde_json::Value::from(text.chars().filter(passes).collect::<String>()))
    }

    /// A text, where there is one.
    #[must_use]
    pub fn optional(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// A number.
    #[must_use]
    pub fn number(self, name: &str, number: impl Into<Number>) -> Self {
        self.field(name, number.into().0)
    }

    /// A truth value.
    #[must_use]
    pub fn flag(self, name: &str, flag: bool) -> Self {
        self.field(name, flag)
    }

    /// Fields that are JSON already.
    #[must_use]
    pub fn with(self, fields: &serde_json::Map<String, serde_json::Value>) -> Self {
        fields.iter().fold(self, |body, (name, value)| body.field(name, value))
    }

    /// An object within this one.
    #[must_use]
    pub fn object(self, name: &str, object: &Self) -> Self {
        self.field(name, object)
    }

    /// A list of objects.
    #[must_use]
    pub fn list<'a>(self, name: &str, items: impl IntoIterator<Item = &'a Self>) -> Self {
        let items: Vec<String> = items.into_iter().map(ToString::to_string).collect();
        self.field(name, format_args!("[{}]", items.join(",")))
    }
}

impl Display for Body {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{{{}}}", self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_texts_are_escaped() {
        let amount: DecimalText = "99999999999999.10".parse().unwrap();
        let line = Body::new().number("Amount", amount).text("Says", "a \"b\"\u{3}\n");
        let body = Body::new().list("Line", [&line, &line]).flag("sparse", true).optional("Memo", None).number("n", 7);
        let line = r#"{"Amount":99999999999999.10,"Says":"a \"b\"\n"}"#;
        assert_eq!(body.to_string(), format!(r#"{{"Line":[{line},{line}],"sparse":true,"n":7}}"#));
        serde_json::from_str::<serde_json::Value>(&body.to_string()).unwrap();
    }
}
