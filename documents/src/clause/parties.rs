//! Who pays and who performs, by the names that the contract gives them.

use core::ops::Range;

use crate::block::trimmed;
use crate::flow::Flow;
use crate::proposal::Field;
use crate::schedule::why;
use crate::value::{Pattern, captures, found, missing, pattern};

static DEFINED: Pattern = pattern!(
    r#"(?x)\((?P<inside>[^()]{0,140}?["“”'‘’«]\s*(?:[Tt]he\s+)?[A-Z][A-Za-z\ -]{2,24}\s*[,.]?\s*["“”'‘’»][^()]{0,140})\)"#
);
static LABELLED: Pattern = pattern!(
    r"(?m)^\W*(?i:the\s+)?(?P<role>(?i:owner|contractor|client|customer|buyer|seller|supplier|vendor|builder|licensee|licensor|purchaser|consultant|service\s+provider|company\s+name|sponsor|prepared\s+(?:for|by)|auftraggeber(?:in)?|auftragnehmer(?:in)?|prestataire|fournisseur|cliente|proveedor|opdrachtgever|opdrachtnemer)(?:\s*/\s*\w+)?)\s*:\s*(?P<name>(?:[A-Z{\[_*])[^\n\t:]{1,100})"
);
static OPENS: Pattern = pattern!(
    r"(?:\b(?i:between)\b|\band\b|\bof\s+the\s+(?:one|other)\s+part\b|\(\d\)|\([A-Za-z]\)|(?:^|\n\n)|[;:])[\s:,*•-]*(?:The\s+|the\s+)?"
);
/// A name: words with capitals, and the forms of companies after commas.
static NAME: Pattern = pattern!(
    r"(?x)^(?P<name>[A-Z0-9][\w.&’'/-]*(?:\s+(?:[A-Z0-9&][\w.&’'/-]*|of|and|de|the|y|for|du|la|des|et|und|plc|ltd|mbH|e\.V\.|S\.p\.A\.|a\.s\.))*(?:\s*,\s*(?:Inc|INC|Ltd|LTD|LLC|L\.L\.C|LLP|L\.P|LP|S\.?A|S\.?L|Co|CO|Corp|CORP|Limited|LIMITED|GmbH|B\.V|N\.V|PLC|plc|Pte|PTE|N\.A|P\.C|P\.A|PLLC|S\.A\.S|K\.K|AG|S\.p\.A)\b\.?(?:,?\s*(?:Ltd|LTD|Limited|LIMITED)\b\.?)?)*)"
);

/// Whether a role pays.
fn pays(role: &str) -> Option<bool> {
    Some(match role.to_lowercase().as_str() {
        "owner" | "client" | "customer" | "buyer" | "purchaser" | "licensee" | "employer" | "authority"
        | "principal" | "owners" | "subscriber" | "sponsor" | "prepared for" | "auftraggeber" | "auftraggeberin"
        | "cliente" | "opdrachtgever" => true,
        "contractor" | "vendor" | "builder" | "supplier" | "seller" | "licensor" | "consultant" | "provider"
        | "service provider" | "developer" | "company name" | "prepared by" | "auftragnehmer" | "auftragnehmerin"
        | "prestataire" | "fournisseur" | "proveedor" | "opdrachtnemer" => false,
        _ => return None,
    })
}

/// Customer and supplier.
pub(crate) fn read(flow: &Flow<'_>) -> (Field, Field) {
    let (mut customer, mut supplier): (Option<Field>, Option<Field>) = (None, None);
    let mut take = |payer: bool, name: Field| {
        let slot = if payer { &mut customer } else { &mut supplier };
        if slot.as_ref().is_none_or(|there| there.value.is_none() && name.value.is_some()) {
            *slot = Some(name);
        }
    };
    // Parties are named at the beginning; later parentheses define other things.
    let head = 0..flow.floor(flow.text.len().min(80_000));
    let mut last = 0;
    for found in captures(&DEFINED, &flow.text, head.clone()) {
        let (Some(whole), Some(inside)) = (found.get(0), found.name("inside")) else { continue };
        let roles = roles_in(inside.as_str());
        let Some(payer) = roles.first().copied().filter(|first| roles.iter().all(|role| role == first)) else {
            continue;
        };
        if let Some(name) = name_before(flow, last.max(flow.before(whole.start(), 900).start)..whole.start()) {
            take(payer, Field::words(flow, name));
        }
        last = whole.end();
    }
    for found in captures(&LABELLED, &flow.text, head) {
        let (Some(role), Some(name)) = (found.name("role"), found.name("name")) else { continue };
        let role = role.as_str().split('/').next().unwrap_or("").split_whitespace().collect::<Vec<_>>().join(" ");
        let range = trimmed(&flow.text, name.range());
        let field = match missing(&flow.text, range.clone()) {
            Some((kind, range)) => Field::empty(flow, why(kind), range),
            None => match name_at(flow, range.start, range.end) {
                Some(name) => Field::words(flow, name),
                None => continue,
            },
        };
        take(pays(&role).unwrap_or(false), field);
    }
    for (payer, name) in in_tables(flow) {
        take(payer, Field::words(flow, name));
    }
    (customer.unwrap_or_default(), supplier.unwrap_or_default())
}

/// Names beside the cell with their role: a row `Buyer | Northmere Council`.
fn in_tables(flow: &Flow<'_>) -> Vec<(bool, Range<usize>)> {
    let mut named = Vec::new();
    for row in flow.tables.iter().flat_map(|table| &table.rows) {
        let mut cells = row.iter().filter(|cell| !cell.range.is_empty());
        let (Some(role), Some(name)) = (cells.next(), cells.next()) else { continue };
        let word = flow.words(role.range.clone());
        let word = word.trim_end_matches(':').trim();
        let Some(payer) = pays(word.strip_prefix("The ").unwrap_or(word)) else { continue };
        let name = trimmed(&flow.text, name.range.clone());
        if missing(&flow.text, name.clone()).is_none() {
            named.extend(name_at(flow, name.start, name.end).map(|name| (payer, name)));
        }
    }
    named
}

/// Every known role in a parenthesis such as `“Contoso”, “Client” or “Company”`.
fn roles_in(inside: &str) -> Vec<bool> {
    static WORD: Pattern = pattern!(r#"["“”'‘’«]\s*(?:[Tt]he\s+)?([A-Za-z ]{3,24}?)\s*[,.]?\s*["“”'‘’»]"#);
    captures(&WORD, inside, 0..inside.len()).iter().filter_map(|capture| pays(capture.get(1)?.as_str())).collect()
}

/// The name that a parenthesis defines a word for: the first in its clause, before what describes the party.
fn name_before(flow: &Flow<'_>, clause: Range<usize>) -> Option<Range<usize>> {
    static DESCRIBED: Pattern = pattern!(
        r"(?i)^[\s,.*]*(?:an?|with|having|whose|organi[sz]ed|incorporated|duly|established|represented|located|the\s+registered|of\s+\d|\d{1,5}\s)\b"
    );
    let candidates = captures(&OPENS, &flow.text, clause.clone());
    let names = candidates.iter().filter_map(|opens| {
        let name = name_at(flow, opens.get(0)?.end(), clause.end)?;
        let rest = flow.slice(name.end..clause.end);
        let several = flow.slice(name.clone()).contains(char::is_whitespace);
        let near = if found(&DESCRIBED, rest) {
            3
        } else if rest.trim_matches([' ', '*', '\t', '\n', '.']).is_empty() {
            2
        } else if rest.starts_with(',') && several {
            1
        } else {
            return None;
        };
        Some((near, name))
    });
    // Of names that are alike the one next to the parenthesis.
    names.max_by_key(|(near, name)| (*near, name.start)).map(|(_, name)| name)
}

/// The name that begins at a place.
fn name_at(flow: &Flow<'_>, at: usize, end: usize) -> Option<Range<usize>> {
    let text = flow.text.get(at..end)?;
    let found = NAME.as_ref()?.captures(text)?.name("name")?;
    let mut name = found.as_str();
    if let Some(paragraph) = name.find("\n\n") {
        name = &name[..paragraph];
    }
    // A name that a conjunction ends goes on with something that is no name.
    while let Some((head, tail)) = name.rsplit_once(char::is_whitespace) {
        if !["of", "and", "the", "for"].contains(&tail) {
            break;
        }
        name = head.trim_end();
    }
    let first = name.split_whitespace().next().unwrap_or("");
    let banned = [
        "THIS",
        "Between",
        "BETWEEN",
        "WHEREAS",
        "NOW",
        "This",
        "Agreement",
        "AGREEMENT",
        "CONTRACT",
        "By",
        "BY",
        "IN",
        "In",
        "Witness",
        "And",
        "AND",
        "Mr.",
        "Ms.",
        "Mrs.",
        "Dr.",
        "Exhibit",
        "EXHIBIT",
    ];
    let letters = name.chars().filter(|c| c.is_alphabetic()).count();
    let count = name.split_whitespace().count();
    (letters >= 3 && count <= 12 && !banned.contains(&first)).then_some(at..at + name.len())
}
