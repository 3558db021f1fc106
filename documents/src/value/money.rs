//! Amounts of money: currency, number, thousands and millions, what they are per, and the words beside them.

use core::ops::Range;

use rust_decimal::Decimal;

use super::number::{DecimalMark, Unreadable, decimal};
use super::words::{self, Spelled};
use super::{Pattern, capture, captures, pattern};

/// What the text says of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// ISO 4217 code.
    Code(&'static str),
    /// `$` alone, which several countries use.
    Dollar,
}

/// One amount as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// Where: currency, digits, scale.
    pub range: Range<usize>,
    /// The digits alone.
    pub digits: Range<usize>,
    /// The amount in units of the currency.
    pub amount: Result<Decimal, Unreadable>,
    /// Currency, where one is written.
    pub unit: Option<Unit>,
    /// It is per day, month, hour: a rate.
    pub per: Option<String>,
    /// The words beside the digits.
    pub spelled: Option<Spelled>,
}

static MONEY: Pattern = pattern!(
    r"(?x)
    (?P<pre>US\s?\$|U\.\s?S\.\s?\$|USD\s?\$?|United\ States\ Dollars\s|S\$|SGD|C\$|CA\$|CAD|A\$|AU\$|AUD|NZ\$|NZD|HK\$|HKD
      |[kKmM]\s?€|[kKMT]EUR|k\$|GBP|£|EUR|Euros?\s|€|CHF|JPY|[¥￥]|INR|₹|Rs\.?|NOK|SEK|DKK|PLN|ZAR|AED|SAR|UGX|MYR|KES|NGN|QAR|KWD|OMR|BHD|EGP|THB|IDR|PHP|VND|KRW|CNY|TWD|BRL|MXN|CLP|COP|PEN|ARS|TRY|HUF|CZK|RON|ILS|PKR|BDT|LKR|TZS|GHS|MAD|UAH|ISK|RM|RMB|R\$|\$)
    \s*(?P<digits>\d{1,3}(?:[\ \u{a0}\u{202f}\u{2009}]\d{3})+(?:[.,]\d{1,2})?|\d[\d.,'’]*\d|\d)
    (?P<scale>\s?(?:thousand|millions?|mln|mn|Mio\.?|billion|bn|crores?|lakhs?)\b|[kKmM]n?\b)?
    |
    (?P<digits2>\d{1,3}(?:[\ \u{a0}\u{202f}\u{2009}]\d{3})+(?:[.,]\d{1,2})?|\d[\d.,'’]*\d|\d)
    (?P<scale2>\s?(?:thousand|millions?|mln|mn|Mio\.?|billion|bn|crores?|lakhs?)\b|[kKmM]\b)?
    \s*(?P<suf>US\s?\$|USD\b|US\s[Dd]ollars|U\.S\.\s[Dd]ollars|United\ States\ Dollars|S\$|SGD\b|CAD\b|AUD\b|GBP\b|£|EUR\b|[Ee]uros?\b
      |[kKM]\s?€|€|CHF\b|JPY\b|INR\b|(?:NOK|SEK|DKK|PLN|ZAR|AED|SAR|UGX|MYR|KES|NGN|QAR|KWD|OMR|BHD|EGP|THB|IDR|PHP|VND|KRW|CNY|TWD|BRL|MXN|CLP|COP|PEN|ARS|TRY|HUF|CZK|RON|ILS|PKR|BDT|LKR|TZS|GHS|MAD|UAH|ISK|USDC|USDT|DAI|Dai|DOT|KSM|FIL|ADA|CC)\b|[Pp]ounds\ sterling|[Dd]ollars\b|[Yy]uan\b)
    "
);
static PER: Pattern = pattern!(
    r"(?i)^\W{0,3}(?:(?:US\s)?dollars\)?\s)?(?:/\s?|per\s+|each\s+|a\s+)(?:(?:calendar|full|working|business|banking)\s+)?(day|week|month|quarter|year|annum|hour|man-?day|man-?hour|person|employee|occurrence|claim|accident|hose|truck|unit|trip|user|boat|meter)"
);
/// "S$300.00/operation", "RMB 170 per cubic metre": a rate, whatever it is per.
static UNIT_RATE: Pattern = pattern!(r"^\W{0,2}(?:/\s?|[Pp]er\s+)(?P<per>[a-z][a-z²³0-9]{1,14})\b");
/// "per the attached schedule" says no rate.
static NO_RATE: Pattern = pattern!(
    r"(?i)^(?:the|this|that|these|those|our|your|its|their|attached|agreement|contract|articles?|sections?|clauses?|exhibits?|schedules?|annex|appendix|attachment|paragraph|invoices?|terms|or|milestones?|cent)$"
);
static MONTHLY: Pattern = pattern!(r"(?i)^\W{0,4}(monthly|weekly|quarterly|annually|yearly|hourly|daily)\b");

/// Units that are paid in and that ISO 4217 has no code for.
pub(crate) const TOKENS: [&str; 8] = ["USDC", "USDT", "DAI", "DOT", "KSM", "FIL", "ADA", "CC"];

/// Currencies that are written by their codes alone.
const FURTHER: [&str; 36] = [
    "SAR", "UGX", "MYR", "KES", "NGN", "QAR", "KWD", "OMR", "BHD", "EGP", "THB", "IDR", "PHP", "VND", "KRW", "CNY",
    "TWD", "BRL", "MXN", "CLP", "COP", "PEN", "ARS", "TRY", "HUF", "CZK", "RON", "ILS", "PKR", "BDT", "LKR", "TZS",
    "GHS", "MAD", "UAH", "ISK",
];

fn unit(token: &str) -> (Option<Unit>, u32) {
    let letters: String = token.chars().filter(|c| !c.is_whitespace() && *c != '.').collect();
    let upper = letters.to_uppercase();
    let thousand = |code| (Some(Unit::Code(code)), 3);
    let plain = |code| (Some(Unit::Code(code)), 0);
    match upper.as_str() {
        "K€" | "KEUR" | "TEUR" => thousand("EUR"),
        "K$" => (Some(Unit::Dollar), 3),
        "M€" | "MEUR" => (Some(Unit::Code("EUR")), 6),
        "US$" | "USD" | "USD$" | "USDOLLARS" | "UNITEDSTATESDOLLARS" => plain("USD"),
        "S$" | "SGD" => plain("SGD"),
        "C$" | "CA$" | "CAD" => plain("CAD"),
        "A$" | "AU$" | "AUD" => plain("AUD"),
        "NZ$" | "NZD" => plain("NZD"),
        "HK$" | "HKD" => plain("HKD"),
        "GBP" | "£" | "POUNDSSTERLING" => plain("GBP"),
        "EUR" | "€" | "EURO" | "EUROS" => plain("EUR"),
        "CHF" => plain("CHF"),
        "JPY" | "¥" | "￥" => plain("JPY"),
        "INR" | "₹" | "RS" => plain("INR"),
        "NOK" => plain("NOK"),
        "SEK" => plain("SEK"),
        "DKK" => plain("DKK"),
        "PLN" => plain("PLN"),
        "ZAR" => plain("ZAR"),
        "AED" => plain("AED"),
        "RM" => plain("MYR"),
        "RMB" | "YUAN" => plain("CNY"),
        "R$" => plain("BRL"),
        "$" | "DOLLARS" => (Some(Unit::Dollar), 0),
        other => (FURTHER.into_iter().chain(TOKENS).find(|code| *code == other).map(Unit::Code), 0),
    }
}

fn power(scale: &str) -> u32 {
    match scale.trim().trim_end_matches('.').to_lowercase().as_str() {
        "k" | "thousand" => 3,
        "m" | "mn" | "mln" | "mio" | "million" | "millions" => 6,
        "bn" | "billion" => 9,
        "crore" | "crores" => 7,
        "lakh" | "lakhs" => 5,
        _ => 0,
    }
}

/// The amount times a power of ten.
pub(crate) fn scaled(amount: Decimal, power: u32) -> Option<Decimal> {
    amount.checked_mul(Decimal::from(10_u64.checked_pow(power)?))
}

/// Every amount with a currency in a range of the text.
#[must_use]
pub fn all(text: &str, range: Range<usize>, mark: DecimalMark) -> Vec<Money> {
    let mut all: Vec<Money> =
        captures(&MONEY, text, range.clone()).iter().filter_map(|found| read(text, found, mark)).collect();
    let beside = worded(text, range, mark);
    let apart =
        |one: &Money| all.iter().all(|other| other.range.end <= one.range.start || one.range.end <= other.range.start);
    let beside: Vec<Money> = beside.into_iter().filter(apart).collect();
    all.extend(beside);
    all.sort_by_key(|amount| amount.range.start);
    all
}

/// Digits in parentheses after words that name the currency: "RMB Seven Hundred Thousand Only (700,000.00)", "Fifty Thousand Dollars
/// (50,000)".
fn worded(text: &str, range: Range<usize>, mark: DecimalMark) -> Vec<Money> {
    static DIGITS: Pattern =
        pattern!(r"\(\s?(?P<digits>\d{1,3}(?:,\d{2,3})+(?:\.\d{2})?|\d{4,}(?:\.\d{2})?)\s?(?:/[-–=])?\)");
    static CURRENCY: Pattern = pattern!(
        r"(?i)\b(?:(?P<usd>(?:US|U\.S\.|United\s+States)\s+Dollars?|USD|US\s?\$)|(?P<cny>RMB|Renminbi|Yuan)|(?P<eur>Euros?|EUR)|(?P<gbp>Pounds?(?:\s+Sterling)?|GBP)|(?P<inr>Rupees|INR)|(?P<jpy>Yen|JPY)|(?P<dollar>Dollars?))\W*$"
    );
    let mut all = Vec::new();
    for found in captures(&DIGITS, text, range.clone()) {
        let (Some(whole), Some(digits)) = (found.get(0), found.name("digits")) else { continue };
        let head = text[..whole.start()].trim_end();
        let Some(spelled) = words::before(text, head.len()).filter(|words| words.range.start >= range.start) else {
            continue;
        };
        let code = |text: &str| {
            let found = CURRENCY.as_ref()?.captures(text)?;
            let named = |name: &str| found.name(name).is_some();
            let codes =
                [("usd", "USD"), ("cny", "CNY"), ("eur", "EUR"), ("gbp", "GBP"), ("inr", "INR"), ("jpy", "JPY")];
            let code = codes.into_iter().find(|(name, _)| named(name)).map(|(_, code)| Unit::Code(code));
            code.or_else(|| named("dollar").then_some(Unit::Dollar))
        };
        let before = &text[floor(text, spelled.range.start.saturating_sub(40))..spelled.range.start];
        let within = head.trim_end_matches(|c: char| !c.is_alphanumeric());
        let within = within.strip_suffix("only").or_else(|| within.strip_suffix("Only")).unwrap_or(within);
        let Some(unit) = code(before).or_else(|| code(&within[floor(within, within.len().saturating_sub(40))..]))
        else {
            continue;
        };
        all.push(Money {
            per: rate(&text[whole.end()..]),
            amount: decimal(digits.as_str(), mark),
            range: digits.range(),
            digits: digits.range(),
            unit: Some(unit),
            spelled: Some(spelled),
        });
    }
    all
}

fn read(text: &str, found: &regex::Captures<'_>, mark: DecimalMark) -> Option<Money> {
    let whole = found.get(0)?.range();
    let digits = found.name("digits").or_else(|| found.name("digits2"))?;
    let token = found.name("pre").or_else(|| found.name("suf"))?;
    // "CAD" in "ARCADE 5" or "Rs" in "hours 3" is no currency.
    // "$" at the end of a line and the number of the next clause are no amount.
    let between = text.get(token.end().min(digits.end())..digits.start().max(token.start())).unwrap_or("");
    let parted = between.contains("\n\n") || (between.contains('\n') && digits.as_str().len() < 4);
    // "and 00/100 Dollars" is a fraction.
    let glued = text[..whole.start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '/');
    let after = text[whole.end..].chars().next();
    if parted || glued || after.is_some_and(|c| c == '%' || (c.is_ascii_digit())) {
        return None;
    }
    // "250 CC" is the size of an engine, "3 ADA ramps" are ramps.
    let short = digits.as_str().len() < 4 && matches!(token.as_str(), "CC" | "ADA" | "DOT" | "FIL");
    if short {
        return None;
    }
    let (unit, unit_power) = unit(token.as_str());
    let scale = found.name("scale").or_else(|| found.name("scale2")).map_or(0, |scale| power(scale.as_str()));
    let amount = decimal(digits.as_str(), mark)
        .and_then(|amount| scaled(amount, scale + unit_power).ok_or(Unreadable::Malformed));
    Some(Money {
        per: rate(&text[whole.end..]),
        spelled: beside(text, &whole),
        range: whole,
        digits: digits.range(),
        amount,
        unit,
    })
}

/// What an amount is per, by what stands after it.
fn rate(tail: &str) -> Option<String> {
    capture(&PER, tail, 0..floor(tail, 60))
        .or_else(|| capture(&MONTHLY, tail, 0..floor(tail, 30)))
        .and_then(|found| found.get(1).map(|per| per.as_str().to_lowercase()))
        .or_else(|| {
            let found = capture(&UNIT_RATE, tail, 0..floor(tail, 40))?;
            let per = found.name("per")?.as_str().to_lowercase();
            (!super::found(&NO_RATE, &per)).then_some(per)
        })
}

/// The last place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Words before digits in parentheses, or in parentheses after the digits.
fn beside(text: &str, digits: &Range<usize>) -> Option<Spelled> {
    let head = text[..digits.start].trim_end();
    if let Some(head) = head.strip_suffix(['(', '[']) {
        let head = head.trim_end().trim_end_matches(',').trim_end();
        return words::before(text, head.len());
    }
    let tail = &text[digits.end..];
    let open = tail.len() - tail.trim_start().len();
    let inner = tail.trim_start().strip_prefix('(')?;
    let close = inner.find(')').filter(|close| *close < 300)?;
    let spelled = words::whole(&inner[..close])?;
    let offset = digits.end + open + 1;
    Some(Spelled { range: offset + spelled.range.start..offset + spelled.range.end, value: spelled.value })
}

/// Whether the words beside the digits say another number.
#[must_use]
pub fn words_differ(money: &Money) -> bool {
    match (&money.spelled, money.amount) {
        (Some(spelled), Ok(amount)) => spelled.value != Some(amount),
        _ => false,
    }
}

static NUMBER: Pattern = pattern!(r"\d{1,3}(?:[ \u{a0}\u{202f}\u{2009}]\d{3})+(?:[.,]\d{1,2})?|\d[\d.,'’]*\d|\d");

/// A number without currency, as a column of amounts has them.
#[must_use]
pub fn bare(text: &str, range: Range<usize>, mark: DecimalMark) -> Option<Money> {
    let found = capture(&NUMBER, text, range.clone())?.get(0)?.range();
    let rest = text.get(found.end..range.end).unwrap_or("");
    let head = text.get(range.start..found.start).unwrap_or("");
    let letter = |c: char| c.is_alphabetic();
    if rest.trim_start().starts_with('%') || head.chars().next_back().is_some_and(letter) {
        return None;
    }
    let scale = rest.chars().next().filter(|c| matches!(c, 'k' | 'K' | 'm' | 'M'));
    let scale = scale.filter(|_| !rest.chars().nth(1).is_some_and(char::is_alphanumeric));
    let power = scale.map_or(0, |scale| power(&scale.to_string()));
    let amount =
        decimal(text.get(found.clone())?, mark).and_then(|amount| scaled(amount, power).ok_or(Unreadable::Malformed));
    Some(Money { digits: found.clone(), range: found, amount, unit: None, per: rate(rest), spelled: None })
}

/// The currency and the power of ten that a column's heading names: `Amount (k€)`, `Fee (USD)`, `Monthly fee - £`.
#[must_use]
pub fn of_heading(text: &str, range: Range<usize>) -> Option<(Option<Unit>, u32, Range<usize>)> {
    static HEADING: Pattern = pattern!(
        r"(?x)(?P<thousand>\b[kK]\s?C\b|\b[kK]\s?€|\b[kKT]EUR\b|(?:USD|US\$|EUR|GBP|£|€|\$)\s?(?:k|K|'?000s?)\b|(?i:in\ thousands(?:\ of)?)|['’]000)
        |(?P<million>\bM\s?€|(?i:in\ millions(?:\ of)?))
        |(?P<plain>US\s?\$|U\.S\.\s?\$|USD|S\$|SGD|CAD|AUD|GBP|£|EUR|€|CHF|JPY|INR|₹|NOK|SEK|DKK|\$)"
    );
    let found = capture(&HEADING, text, range)?;
    let whole = found.get(0)?.range();
    let written = &text[whole.clone()];
    let currency = |text: &str| {
        ["US$", "USD", "EUR", "GBP", "£", "€", "$"]
            .into_iter()
            .find(|token| text.contains(token))
            .and_then(|token| unit(token).0)
    };
    if found.name("thousand").is_some() {
        // "kC" is what becomes of "k€" where a character set was lost.
        let euro = written.to_uppercase().replace(' ', "") == "KC" || written.ends_with("EUR");
        let code = if euro { Some(Unit::Code("EUR")) } else { currency(written) };
        return Some((code, 3, whole));
    }
    if found.name("million").is_some() {
        return Some((currency(written), 6, whole));
    }
    Some((unit(written).0, 0, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Money {
        let mut found = all(text, 0..text.len(), DecimalMark::of(text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.remove(0)
    }

    #[test]
    fn amounts_of_several_currencies_and_scales_are_read() {
        for (text, code, amount) in [
            ("is (US$17,600,000.00) net", Some("USD"), "17600000.00"),
            ("price U.S. $72,369,500,", Some("USD"), "72369500"),
            ("is USD $2,981,827.", Some("USD"), "2981827"),
            ("of 1.234.567,89 EUR", Some("EUR"), "1234567.89"),
            ("of €1.5 million", Some("EUR"), "1500000.0"),
            ("k€ 266 for it", Some("EUR"), "266000"),
            ("of 266 k€ for it", Some("EUR"), "266000"),
            ("of £12 500,50", Some("GBP"), "12500.50"),
            ("of $40k on", None, "40000"),
            ("of S$1,000.00", Some("SGD"), "1000.00"),
        ] {
            let money = one(text);
            assert_eq!(money.amount, Ok(amount.parse().unwrap()), "{text}");
            let expected = code.map_or(Some(Unit::Dollar), |code| Some(Unit::Code(code)));
            assert_eq!(money.unit, expected, "{text}");
        }
    }

    #[test]
    fn words_beside_the_digits_are_compared() {
        assert!(!words_differ(&one("a price of EIGHTY-ONE MILLION NINE HUNDRED THOUSAND ONLY (US$81,900,000.00)")));
        assert!(words_differ(&one("Price is ONE HUNDRED AND FIFTY DOLLARS ($150,000.00) US")));
        assert!(!words_differ(&one("of Three Million Seven Hundred Fifty Thousand and 00/100 Dollars ($3,750,000)")));
        let malformed = "Five Hundred\nFifty Million Three Thousand Ninety Three Thousand (USD 550,393,000.00)";
        assert!(words_differ(&one(malformed)));
        assert!(!words_differ(&one(
            "USD 2,834,798 (two million eight hundred thirty-four thousand seven hundred ninety-eight United States dollars)"
        )));
    }

    #[test]
    fn digits_in_parentheses_have_the_currency_of_the_words_before_them() {
        for (text, unit, amount) in [
            (
                "RMB Three Hundred and Thirteen Thousand and Six Hundred Only\n(313,600.00)",
                Unit::Code("CNY"),
                "313600.00",
            ),
            ("a sum of Fifty Thousand Dollars (50,000)", Unit::Dollar, "50000"),
            ("Rupees Twelve Thousand only (12,000)", Unit::Code("INR"), "12000"),
        ] {
            let money = one(text);
            assert_eq!((money.unit, money.amount), (Some(unit), Ok(amount.parse().unwrap())), "{text}");
            assert!(!words_differ(&money), "{text}");
        }
        assert!(all("for ten thousand (10,000) units", 0..34, DecimalMark::Unknown).is_empty());
    }

    #[test]
    fn a_rate_is_known_by_what_it_is_per() {
        assert_eq!(one("at USD28,438.00 per day after").per.as_deref(), Some("day"));
        assert_eq!(one("of $70,000/month").per.as_deref(), Some("month"));
        assert_eq!(one("of $70,000 upon").per, None);
    }

    #[test]
    fn headings_name_currency_and_scale() {
        let read = |text: &str| of_heading(text, 0..text.len()).map(|(unit, power, _)| (unit, power));
        assert_eq!(read("Amount (kC)"), Some((Some(Unit::Code("EUR")), 3)));
        assert_eq!(read("Amount (k€)"), Some((Some(Unit::Code("EUR")), 3)));
        assert_eq!(read("Fee (USD)"), Some((Some(Unit::Code("USD")), 0)));
        assert_eq!(read("Amount ($000)"), Some((Some(Unit::Dollar), 3)));
        assert_eq!(read("Milestone"), None);
    }
}
