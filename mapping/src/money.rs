//! Money: integer minor units and the ISO 4217 currency they belong to. No float comes in or goes out.

use core::fmt;
use core::iter::Sum;
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use core::str::FromStr;

use rust_decimal::Decimal;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

/// An ISO 4217 currency that has minor digits (precious metals and test codes are refused).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency {
    code: [u8; 3],
    digits: u8,
}

/// What is wrong with a text that should be money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an ISO 4217 code in capitals.
    #[error("unknown currency {0:?}: give an ISO 4217 code such as USD")]
    UnknownCurrency(String),
    /// Not plain decimal text.
    #[error("{0:?} is not an amount: give plain decimal digits such as 40000.00")]
    NotAnAmount(String),
    /// More digits behind the point than the currency has.
    #[error("{text:?} has more decimals than {currency} allows ({digits})")]
    TooManyDecimals {
        /// The text as it came.
        text: String,
        /// The currency that was asked of.
        currency: Currency,
        /// The currency's minor digits.
        digits: u8,
    },
    /// Beyond 64-bit minor units.
    #[error("{0:?} is beyond what can be counted in minor units")]
    TooLarge(String),
}

impl Currency {
    /// US dollar.
    pub const USD: Self = Self { code: *b"USD", digits: 2 };

    /// The three capital letters.
    pub fn code(&self) -> &str {
        core::str::from_utf8(&self.code).unwrap_or_default()
    }

    /// Minor digits of ISO 4217: USD 2, JPY 0, KWD 3.
    pub fn digits(&self) -> u8 {
        self.digits
    }

    /// Reads an amount of this currency from decimal text, exactly; a sign is allowed, an exponent is not.
    ///
    /// # Errors
    /// Text that is no number, has more decimals than the currency, or is too large.
    pub fn parse(&self, text: &str) -> Result<Money, MoneyError> {
        let plain = text.strip_prefix('-').unwrap_or(text);
        let shape_is_plain = !plain.is_empty()
            && plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && plain.bytes().filter(|byte| *byte == b'.').count() <= 1
            && !plain.starts_with('.')
            && !plain.ends_with('.');
        if !shape_is_plain {
            return Err(MoneyError::NotAnAmount(text.into()));
        }
        if plain.split_once('.').is_some_and(|(_, decimals)| decimals.len() > usize::from(self.digits)) {
            return Err(MoneyError::TooManyDecimals { text: text.into(), currency: *self, digits: self.digits });
        }
        let value = Decimal::from_str_exact(text).map_err(|_| MoneyError::TooLarge(text.into()))?;
        self.from_decimal(value).ok_or_else(|| MoneyError::TooLarge(text.into()))
    }

    /// An amount of this currency from a decimal that has no more than its digits; `None` where it has more.
    pub fn from_decimal(&self, value: Decimal) -> Option<Money> {
        let scaled = value.checked_mul(Decimal::from(10_u64.checked_pow(u32::from(self.digits))?))?;
        if scaled.fract() != Decimal::ZERO {
            return None;
        }
        let minor = i64::try_from(scaled.trunc().mantissa() / 10_i128.checked_pow(scaled.trunc().scale())?).ok()?;
        Some(self.minor(minor))
    }

    /// An amount that was reckoned.
    pub fn money(&self, minor: Minor) -> Money {
        Money { minor, currency: *self }
    }

    /// An amount given in minor units (cents).
    pub fn minor(&self, minor: i64) -> Money {
        self.money(minor.into())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let unknown = || MoneyError::UnknownCurrency(code.into());
        let known = iso_currency::Currency::from_code(code).ok_or_else(unknown)?;
        let digits = u8::try_from(known.exponent().ok_or_else(unknown)?).map_err(|_| unknown())?;
        let code = code.as_bytes().try_into().map_err(|_| unknown())?;
        Ok(Self { code, digits })
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(code: String) -> Result<Self, Self::Error> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().into()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

/// A count of minor units (cents), as the rules reckon with it. What is read from outside fits 64 bits, and the amounts of
/// one contract do so together; the sums between are made in 128 bits, so that none of them can overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(from = "i64")]
pub struct Minor(i128);

impl Minor {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many minor units, as shares and parts of amounts are reckoned.
    pub(crate) fn of_units(units: i128) -> Self {
        Self(units)
    }

    /// The number of minor units.
    pub fn units(self) -> i128 {
        self.0
    }

    /// Without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }
}

impl Serialize for Minor {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let minor = i64::try_from(self.0).map_err(|_| S::Error::custom("an amount does not fit 64 bits"))?;
        out.serialize_i64(minor)
    }
}

impl From<i64> for Minor {
    fn from(minor: i64) -> Self {
        Self(i128::from(minor))
    }
}

impl Add for Minor {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Minor {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Minor {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl AddAssign for Minor {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Minor {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Minor {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// An amount in minor units of its currency. Displays with exactly the currency's digits: `40000.00`, `-12`, `1.250`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: Minor,
    currency: Currency,
}

impl Money {
    /// Minor units (cents). An amount that was read, and any figure of one contract, fits 64 bits.
    pub fn minor(&self) -> i64 {
        i64::try_from(self.minor.0).unwrap_or(if self.minor.0 < 0 { i64::MIN } else { i64::MAX })
    }

    /// The same to reckon with.
    pub fn units(&self) -> Minor {
        self.minor
    }

    /// Whose minor units they are.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The amount as a decimal with exactly the currency's digits.
    pub fn decimal(&self) -> Decimal {
        let digits = u32::from(self.currency.digits);
        // A decimal has room for 96 bits: for the sum of a thousand million of the largest amounts.
        Decimal::try_from_i128_with_scale(self.minor.0, digits).unwrap_or(Decimal::MAX)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.decimal())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.currency, self.decimal())
    }
}

/// `1234567.89` as `1,234,567.89`. A text that is no plain number, such as one that is grouped already, stays as it is.
pub fn grouped(text: &str) -> String {
    let (sign, plain) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, decimals) = plain.split_once('.').map_or((plain, None), |(whole, decimals)| (whole, Some(decimals)));
    if !whole.bytes().all(|digit| digit.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && whole.len().wrapping_sub(index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(decimals) = decimals {
        out.push('.');
        out.push_str(decimals);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_every_digit_and_shows_exactly_the_minor_digits() {
        for (code, text, shown) in
            [("USD", "10", "10.00"), ("JPY", "1200", "1200"), ("KWD", "1.25", "1.250"), ("USD", "-0.05", "-0.05")]
        {
            let currency: Currency = code.parse().unwrap();
            assert_eq!(currency.parse(text).unwrap().to_string(), shown);
        }
        let usd: Currency = "USD".parse().unwrap();
        assert_eq!(usd.parse("99999999999999.99").unwrap().minor(), 9_999_999_999_999_999);
    }

    #[test]
    fn what_is_not_plain_decimal_text_of_the_currency_is_refused() {
        let usd: Currency = "USD".parse().unwrap();
        for text in ["", "1e3", "0.001", ".5", "5.", "1,000", "--1", "NaN", "92233720368547758.08", " 1"] {
            assert!(usd.parse(text).is_err(), "{text:?} was taken");
        }
        for code in ["usd", "XXX", "XAU", "EURO", ""] {
            assert!(code.parse::<Currency>().is_err(), "{code:?} was taken");
        }
    }

    #[test]
    fn thousands_are_separated_and_digits_kept() {
        for (text, shown) in [("1234567.89", "1,234,567.89"), ("-100", "-100"), ("1000", "1,000"), ("12.500", "12.500")]
        {
            assert_eq!(grouped(text), shown);
            assert_eq!(grouped(shown), shown, "grouped twice");
        }
    }
}
