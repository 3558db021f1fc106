//! Names of customers that are alike: a second customer beside "Acme, Inc." is not created for "Acme Inc".

use crate::customers::Known;

/// What a company is, as its name says; it tells no company from another.
const FORMS: &[&str] = &[
    "ab",
    "ag",
    "as",
    "aps",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "gmbh",
    "holding",
    "holdings",
    "inc",
    "incorporated",
    "kg",
    "limited",
    "llc",
    "llp",
    "ltd",
    "nv",
    "oy",
    "plc",
    "pty",
    "pvt",
    "sa",
    "sarl",
    "sas",
    "spa",
    "srl",
    "the",
];
/// Letters of the first word by which a vendor is asked.
const PREFIX: usize = 3;

/// The words of a name that tell it from others.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let all = || lower.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    let telling: Vec<String> = all().filter(|word| !FORMS.contains(word)).map(Into::into).collect();
    if telling.is_empty() { all().map(Into::into).collect() } else { telling }
}

/// Whether two names may stand for one customer: the same words but for the form of the company, the words of one at the
/// beginning of the other, or so few letters apart that one may be a slip of the pen.
pub fn alike(one: &str, other: &str) -> bool {
    let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
    if digits(one) != digits(other) {
        return false;
    }
    let (one, other) = (words(one), words(other));
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    if !short.is_empty() && long.starts_with(short) {
        return true;
    }
    let (one, other) = (one.concat(), other.concat());
    let most = one.chars().count().max(other.chars().count()) / 8;
    strsim::damerau_levenshtein(&one, &other) <= most
}

/// How the names begin among which one that is alike is looked for, in lower case.
pub fn beginning(name: &str) -> String {
    name.to_lowercase().chars().take_while(|character| character.is_alphanumeric()).take(PREFIX).collect()
}

/// What a refusal says of names that are alike: each with the remote's id.
pub(crate) fn proposal(name: &str, alike: &[Known]) -> String {
    let known: Vec<String> = alike.iter().map(|known| format!("{:?} (id {})", known.name, known.id)).collect();
    format!(
        "there is no customer {name:?}, and names alike are there: {}; say on the customer's page, or by `milestoned customer \
         choose`, which one it is, or that it is none of them",
        known.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_slips_are_alike_and_other_companies_are_not() {
        for (one, other) in [
            ("Acme Inc", "Acme, Inc."),
            ("ACME", "Acme Corporation"),
            ("Northwind Traders Ltd", "Northwind Traders (Europe) Ltd"),
            ("Harbour Foods Ltd", "Harbor Foods Ltd"),
            ("Müller GmbH", "müller gmbh & Co. KG"),
        ] {
            assert!(alike(one, other), "{one} / {other}");
        }
        for (one, other) in
            [("Acme Inc", "Apex Inc"), ("Customer 1", "Customer 2"), ("The Company", "The Other Company")]
        {
            assert!(!alike(one, other), "{one} / {other}");
        }
        assert_eq!((beginning("Acme, Inc."), beginning("A. Smith")), ("acm".into(), "a".into()));
    }
}
