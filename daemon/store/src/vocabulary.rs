//! The words of the store as types: each has one text, the same in both databases, in answers and in front of people.

/// Defines an enum whose variants have one text each.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its text.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one with this text.
            pub fn named(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.pad(self.name())
            }
        }
    };
}
pub(super) use words;

/// How the name of a census ends among the watermarks, after that of its stream.
pub(super) const CENSUS: &str = " census";

words! {
    /// Where a delivery stands.
    DeliveryState {
        /// It waits for its time; nothing was written.
        Pending = "pending",
        /// An attempt is under way.
        Sending = "sending",
        /// An attempt may have written it: the remote is asked before anything else.
        Unknown = "unknown",
        /// The remote has it.
        Done = "done",
        /// It waits for a person.
        Parked = "parked",
        /// A newer status of the same record took its place before it was shown.
        Superseded = "superseded",
        /// A person gave it up.
        Dismissed = "dismissed",
    }
}

impl DeliveryState {
    /// Those in which it waits, for its time or for a person.
    pub const UNSETTLED: &'static [Self] = &[Self::Pending, Self::Sending, Self::Unknown, Self::Parked];
}

words! {
    /// What a delivery writes.
    CommandKind {
        /// Record of an acceptance, kept beside its invoice.
        AcceptanceRecord = "acceptance_record",
        /// Billing status of a deal or issue.
        BillingStatus = "billing_status",
        /// Credit memo.
        CreditMemo = "credit_memo",
        /// Customer.
        Customer = "customer",
        /// Invoice.
        Invoice = "invoice",
        /// Mail of an invoice to the customer, by the ERP.
        InvoiceEmail = "invoice_email",
        /// Journal entry.
        JournalEntry = "journal_entry",
        /// Sales order.
        SalesOrder = "sales_order",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_one_text_everywhere() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::named(state.name()), Some(*state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
