//! Templates of contracts, for the command line and the pages.

use clap::ValueEnum;
use jiff::civil::Date;
use serde_json::Value;

/// Shapes of contracts that occur in practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// A small fixed fee: half in advance, half on the customer's decision.
    Pilot,
    /// A deposit, then a draw at the end of each phase.
    Phased,
    /// Most of it when the system is in production.
    GoLive,
    /// Monthly draws of completed stages, with a retainage.
    Construction,
    /// A part that is due some days after go-live or at production use, whichever is first.
    Holdback,
    /// A contract that is under way: its history, and an invoice that others wrote.
    TakenOver,
}

/// What a template is filled with.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Contract id.
    pub id: &'a str,
    /// The customer's name.
    pub customer: &'a str,
    /// ISO 4217 code.
    pub currency: &'a str,
    /// Transaction price.
    pub total: &'a str,
    /// Date of signature.
    pub signed_on: Date,
}

impl Template {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 6] =
        [Self::Pilot, Self::Phased, Self::GoLive, Self::Construction, Self::Holdback, Self::TakenOver];

    /// Its name, as the command line and addresses have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pilot => "pilot",
            Self::Phased => "phased",
            Self::GoLive => "go-live",
            Self::Construction => "construction",
            Self::Holdback => "holdback",
            Self::TakenOver => "taken-over",
        }
    }

    /// What it is for, in a line.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Pilot => "Pilot: half in advance, half on the customer's decision",
            Self::Phased => "Phased: a deposit, then a draw at the end of each phase",
            Self::GoLive => "Go-live: most of it when the system is in production",
            Self::Construction => "Construction: monthly draws with a retainage",
            Self::Holdback => "Holdback: a part due days after go-live or at production use",
            Self::TakenOver => "Taken over: under way, with an invoice that others wrote",
        }
    }

    /// The file, with the values in their places.
    pub fn written(self, values: &Values<'_>) -> String {
        // JSON's escapes are escapes of TOML's basic strings.
        let quoted = |text: &str| {
            let quoted = Value::from(text).to_string();
            quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
        };
        let signed_on = values.signed_on;
        self.text()
            .replace("{id}", &quoted(values.id))
            .replace("{customer}", &quoted(values.customer))
            .replace("{currency}", &quoted(values.currency))
            .replace("{total}", &quoted(values.total))
            .replace("{signed_on}", &signed_on.to_string())
            .replace("{books_from}", &signed_on.tomorrow().unwrap_or(signed_on).to_string())
    }

    fn text(self) -> &'static str {
        match self {
            Self::Pilot => include_str!("../templates/contracts/pilot.toml"),
            Self::Phased => include_str!("../templates/contracts/phased.toml"),
            Self::GoLive => include_str!("../templates/contracts/go-live.toml"),
            Self::Construction => include_str!("../templates/contracts/construction.toml"),
            Self::Holdback => include_str!("../templates/contracts/holdback.toml"),
            Self::TakenOver => include_str!("../templates/contracts/taken-over.toml"),
        }
    }
}
