//! Payments of invoices that bear tax: an agreement knows amounts without tax, and so does all that is compared with it.

use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::money::Currency;
use rust_decimal::{Decimal, RoundingStrategy};

/// What an invoice asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Without tax.
    pub net: DecimalText,
    /// With tax.
    pub total: DecimalText,
}

impl Asked {
    /// The part of a payment that is not for tax: the same share as that of the invoice, to the currency's digits. Who pays all
    /// pays all of it.
    pub fn net_of(&self, paid: DecimalText, currency: &str) -> DecimalText {
        let (net, total) = (self.net.0.abs(), self.total.0.abs());
        if total.is_zero() || net == total {
            return paid;
        }
        let digits = currency.parse::<Currency>().map_or(2, |currency| u32::from(currency.digits()));
        let share = paid.0.checked_mul(net).and_then(|amount| amount.checked_div(total)).unwrap_or(Decimal::ZERO);
        DecimalText(share.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero).normalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_counts_without_its_share_of_the_tax() {
        let asked = |net: &str, total: &str| Asked { net: net.parse().unwrap(), total: total.parse().unwrap() };
        let of = |asked: Asked, paid: &str, currency| asked.net_of(paid.parse().unwrap(), currency).to_string();
        assert_eq!(of(asked("300.00", "360.00"), "360.00", "EUR"), "300");
        assert_eq!(of(asked("300.00", "360.00"), "120.01", "EUR"), "100.01");
        assert_eq!(of(asked("300", "330"), "111", "JPY"), "101");
        assert_eq!(of(asked("300.00", "300.00"), "120.01", "EUR"), "120.01");
    }
}
