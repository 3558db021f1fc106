//! The price of the contract, its parts, its currency.

use core::ops::Range;

use rust_decimal::Decimal;

use crate::flow::Flow;
use crate::proposal::{Field, Why};
use crate::value::money::{self, Money, Unit};
use crate::value::number::{DecimalMark, Unreadable};
use crate::value::{Pattern, capture, captures, found, missing, pattern};

static PRICE: Pattern = pattern!(
    r"(?ix)\b(?:(?:total|new|amended|revised|aggregate|overall|fixed|maximum|sow|original|addendum|amendment|change\s+order)\s+){0,3}(?:contract\s+(?:price|sum|value|amount)|purchase\s+price|project\s+(?:fee|price|cost)|(?:total|fixed)\s+(?:fees?|price|compensation|amount|costs?|consideration|remuneration)|lump\s+sum(?:\s+price|\s+fee)?|not[\s-]to[\s-]exceed\s+(?:amount|price|fee)|licen[sc]e\s+fee|guaranteed\s+maximum\s+price|agreed\s+price|price\s+of\s+(?:the|this)\s+(?:contract|work|works|services|goods|order|system)|the\s+(?:fixed\s+|agreed\s+)?price|sow\s+value|fees\s+in\s+an?\s+aggregate|aggregate\s+(?:estimated\s+)?(?:amount|value|fees?|price|compensation|consideration)|total\s+(?:value|funding|grant|charges|investment|award)|(?:maximum\s+)?grant\s+amount|(?:firm[\s-])?fixed[\s-]price|(?:development|consignment|engagement|consultancy|service|programme|program)\s+fees?|the\s+(?-i:[A-Z][a-z]+)\s+(?:price|fee|sum)|the\s+(?:fees?|charges)(?:\s+for\s+(?:the|this|these)\s+\w+)?|(?:prix|montant)\s+(?:global|forfaitaire|total)(?:\s+et\s+forfaitaire)?|(?:pauschal(?:fest)?|fest|gesamt)preis|auftragssumme|(?:gesamt)?vergütung|(?:precio|importe)\s+total|prezzo\s+(?:totale|complessivo)|corrispettivo)\b"
);
static NOT_IT: Pattern = pattern!(
    r"(?i)\b(?:reduc\w+\s+by|increas\w+\s+by|deduct\w*|exceed\s+(?:five|ten|twenty)|penalt\w+|liquidated|insur\w+|liabilit\w+|per\s+(?:day|occurrence|claim)|allowance|deductible|bond|option\s+vessel|discount|late\s+payment|cap\s+on\s+liability|less\s+than|exceeding|greater\s+than|in\s+excess\s+of|bidding)\b"
);
static CAP: Pattern = pattern!(
    r"(?i)\b(?:not[\s-]to[\s-]exceed|shall\s+not\s+exceed|no\s+more\s+than|maximum\s+(?:aggregate\s+)?(?:amount|price|fee|value)|capped\s+at)\b"
);
static NEW: Pattern = pattern!(r"(?i)\b(?:amended|revised|new|increased|addendum|to\s+a\s+new)\b");
static FORMER: Pattern =
    pattern!(r"(?i)\b(?:original|parent|master\s+agreement|currently\s+has|currently|prior|previous)\b");
/// "from $1,310,000 to": what follows holds from now on.
static CHANGED: Pattern = pattern!(r"(?i)\bfrom\s+\S[^;]{2,40}\s+to\s+(?:a\s+(?:new\s+)?total\s+of\s+)?\W{0,3}$");
/// "increased from US$520,000 to a new contract value of US$600,000": the first is the former one.
static FROM: Pattern = pattern!(r"(?i)\bfrom\s+(?:the\s+)?\W{0,3}$");

static PART_OF: Pattern = pattern!(
    r"(?i)(?:%|\b(?:percent|per\s?cent|balance|remainder|part|portion|instal?lments?|half|third|quarter))\W{0,3}(?:\([^()]{0,20}\)\s*)?(?:of|against)\s+(?:the\s+|such\s+|its\s+)?$"
);

/// Whether the words right before a place match.
fn found_before(flow: &Flow<'_>, pattern: &Pattern, at: usize) -> bool {
    found(pattern, flow.slice(flow.before(at, 70)))
}

/// A price that a clause states.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    pub(crate) money: Money,
    /// The clause's word for it.
    pub(crate) name: Range<usize>,
    score: i32,
}

impl Stated {
    /// It is more likely the price than not.
    pub(crate) fn likely(&self) -> bool {
        self.score > 0
    }
}

/// Every amount that a clause calls the price, the likeliest first.
pub(crate) fn stated(flow: &Flow<'_>, mark: DecimalMark) -> Vec<Stated> {
    let amounts = money::all(&flow.text, 0..flow.text.len(), mark);
    let mut all: Vec<Stated> = Vec::new();
    for found in captures(&PRICE, &flow.text, 0..flow.text.len()) {
        let Some(name) = found.get(0).map(|found| found.range()) else { continue };
        // "20% of the Contract Price, amounting to US$32,840,000" states a part of the price.
        if found_before(flow, &PART_OF, name.start) {
            continue;
        }
        if let Some(price) = nearest(flow, &name, &amounts) {
            all.push(price);
        }
    }
    // "shall pay the sum of ($1,200,000) in the following instalments" calls it no price.
    static PARTED: Pattern = pattern!(
        r"(?i)^\)?\s{1,2}(?:[\w’']+,?\s+){0,5}?(?:in\s+the\s+following|(?:payable\s+)?as\s+follows|in\s+\w+\s+(?:\(\d+\)\s+)?(?:equal\s+)?instal?lments|in\s+instal?lments)\b"
    );
    let parted = amounts
        .iter()
        .filter(|amount| amount.per.is_none() && found(&PARTED, flow.slice(flow.after(amount.range.end, 80))));
    all.extend(parted.map(|amount| Stated { money: amount.clone(), name: amount.range.clone(), score: 2 }));
    // An amount that several clauses state is more likely to be the price.
    let again = |stated: &Stated| {
        all.iter().filter(|other| other.money.amount == stated.money.amount && other.score > 0).count()
    };
    let more: Vec<i32> = all.iter().map(|stated| i32::try_from(again(stated).min(4)).unwrap_or(0)).collect();
    all.iter_mut().zip(more).for_each(|(stated, more)| stated.score += if stated.score > 0 { more } else { 0 });
    all.sort_by_key(|stated| (-stated.score, stated.money.range.start));
    let mut kept: Vec<Stated> = Vec::new();
    for stated in all {
        if !kept.iter().any(|other| other.money.range == stated.money.range) {
            kept.push(stated);
        }
    }
    kept
}

/// The amount that stands with a name of the price: after it, or before it where it is defined in parentheses.
fn nearest(flow: &Flow<'_>, name: &Range<usize>, amounts: &[Money]) -> Option<Stated> {
    let text = &flow.text;
    let defined = text[..name.start].trim_end().ends_with(['“', '"', '‘', '*', '\''])
        || text[flow.before(name.start, 30)].contains("called the");
    let reach = flow.after(name.end, 260).end;
    let back = flow.before(name.start, 260).start;
    let mut after = amounts.iter().filter(|amount| amount.range.start >= name.end && amount.range.start < reach);
    let ahead = after.next().map(|first| {
        // "is increased from $1,310,000 to $1,340,000": the second holds.
        static TO: Pattern = pattern!(r"(?i)^\s+to\s+(?:a\s+(?:new\s+)?total\s+of\s+)?\W{0,3}$");
        let second = after.next().filter(|next| found(&TO, flow.slice(first.range.end..next.range.start)));
        second.filter(|_| found(&FROM, flow.slice(name.end..first.range.start))).unwrap_or(first)
    });
    let behind = amounts.iter().rev().find(|amount| amount.range.end <= name.start && amount.range.end > back);
    let between = |money: &Money| {
        if money.range.start >= name.end {
            &text[name.end..money.range.start]
        } else {
            &text[money.range.end..name.start]
        }
    };
    let same_sentence = |money: &Money| !between(money).contains("\n\n") || between(money).len() < 60;
    let no_stop = |money: &Money| !has_stop(between(money));
    let candidates: Vec<(&Money, i32)> = [
        behind.filter(|amount| defined && same_sentence(amount) && no_stop(amount)).map(|amount| (amount, 9)),
        ahead.filter(|amount| same_sentence(amount) && no_stop(amount)).map(|amount| (amount, 6)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let (money, base) =
        candidates.into_iter().filter(|(candidate, _)| candidate.per.is_none()).max_by_key(|(_, base)| *base)?;
    let inner = between(money);
    let score = scored(flow, name, money, base, inner);
    Some(Stated { money: money.clone(), name: name.clone(), score })
}

/// How likely it is that an amount is the price which a name speaks of, by the words between and around them.
fn scored(flow: &Flow<'_>, name: &Range<usize>, money: &Money, base: i32, inner: &str) -> i32 {
    let text = &flow.text;
    let from = name.start.min(money.range.start);
    let to = name.end.max(money.range.end);
    let around = &text[flow.before(from, 60).start..to];
    let mut score = base;
    score -= if found(&NOT_IT, inner) || found(&NOT_IT, around) { 12 } else { 0 };
    static IS: Pattern = pattern!(
        r"(?i)\b(?:is|are|be|of|equal\s+to|at|not\s+exceed|totals?|amounts?\s+to|in\s+the\s+amount\s+of|beträgt|von|est\s+(?:de|fixée?\s+à)|asciende\s+a|es\s+de|:)\s*\W{0,4}$|^\W{0,6}$"
    );
    static WORDS_FIRST: Pattern = pattern!(r"(?i)\b(?:is|be|of|not\s+exceed|total(?:ing)?)\b[\s\S]{0,160}\($");
    let says = found(&IS, inner) || found(&WORDS_FIRST, inner) || money.range.end <= name.start || inner.len() < 25;
    score += if says { 4 } else { -4 };
    if inner.len() > 120 && money.spelled.is_none() {
        score -= 3;
    }
    let lower = text[name.clone()].to_lowercase();
    for (word, more) in
        [("contract", 3), ("purchase price", 3), ("total", 1), ("lump", 2), ("project", 1), ("licen", 0)]
    {
        score += if lower.contains(word) { more } else { 0 };
    }
    if found(&NEW, &text[name.clone()]) || (found(&NEW, inner) && !found(&FORMER, &text[name.clone()])) {
        score += 4;
    }
    if found(&FORMER, &text[flow.before(from, 80).start..to]) || found(&FORMER, inner) {
        score -= 5;
    }
    if found(&FROM, inner) {
        score -= 9;
    } else if found(&CHANGED, inner) {
        score += 9;
    }
    // "Phase A – Enablement (Fixed Fee: US $300,000)" says what a part costs.
    static PART: Pattern = pattern!(
        r"(?i)\b(?:phases?|stages?|milestones?|workstreams?|work\s+packages?|modules?)\s+[A-Z0-9][A-Z0-9.]{0,4}\b[^\n.;]{0,80}\($"
    );
    if found(&PART, &text[flow.before(name.start, 110)]) {
        score -= 12;
    }
    // "The price" alone is called so wherever a price is spoken of: only what it is said to be counts.
    if lower.starts_with("the ") && !found(&IS, inner) {
        score -= 10;
    }
    // A recital of what another agreement says.
    static RECITAL: Pattern = pattern!(
        r"(?i)\b(?:parent\s+(?:sow|agreement|work\s+order)|master\s+(?:services\s+)?agreement|existing\s+sow)\b"
    );
    let head = &text[flow.before(from, 400)];
    let head = head.rsplit("\n\n").next().unwrap_or(head);
    // "… specified in Section 3.1 of the Parent SOW".
    static ELSEWHERE: Pattern = pattern!(r"(?i)\b(?:of|in|under)\s+the\s+(?:parent|original|existing|master)\b");
    let tail = &text[flow.after(to, 90)];
    if found(&ELSEWHERE, tail) {
        score -= 8;
    }
    if found(&RECITAL, head) && !found(&NEW, &text[from..to]) {
        score -= if head.contains("WHEREAS") { 8 } else { 4 };
    }
    score
}

/// A full stop between two places parts what they say; one in an abbreviation does not.
fn has_stop(text: &str) -> bool {
    static STOP: Pattern = pattern!(r"[a-z)”]\.\s+[A-Z“(]");
    found(&STOP, text)
}

/// The price as it stands, or what stands in its place; and whether it is the most that may be billed.
pub(crate) fn total(flow: &Flow<'_>, stated: &[Stated]) -> (Field, Field) {
    let Some(best) = stated.first().filter(|stated| stated.likely()) else {
        return (lost(flow), Field::default());
    };
    let field = match best.money.amount {
        Ok(amount) => Field::read(flow, two_decimals(amount), best.money.range.clone()),
        Err(error) => {
            let why = if error == Unreadable::Ambiguous { Why::Ambiguous } else { Why::Unreadable };
            Field::empty(flow, why, best.money.range.clone())
        }
    };
    let from = best.name.start.min(best.money.range.start);
    let around = flow.before(from, 80).start..best.money.range.end;
    let cap = if found(&CAP, flow.slice(around)) { field.clone() } else { Field::default() };
    (field, cap)
}

/// The price is taken out or left open.
fn lost(flow: &Flow<'_>) -> Field {
    for found in captures(&PRICE, &flow.text, 0..flow.text.len()) {
        let Some(name) = found.get(0).map(|found| found.range()) else { continue };
        let tail = flow.after(name.end, 240);
        let stop = flow.slice(tail.clone()).find(". ").map_or(tail.end, |at| tail.start + at);
        static SAYS: Pattern = pattern!(r"(?i)\b(?:is|be|of|equal\s+to|:)\s+(?:an?\s+\w+\s+\w+\s+of\s+)?");
        let Some(says) = capture(&SAYS, &flow.text, tail.start..stop)
            .and_then(|captured| captured.get(0).map(|found| found.range()))
        else {
            continue;
        };
        if let Some((kind, range)) = missing(&flow.text, says.end.saturating_sub(1)..stop)
            && range.start <= says.end + 120
        {
            return Field::empty(flow, crate::schedule::why(kind), range);
        }
    }
    Field::default()
}

/// The amount with two decimals at least.
pub(crate) fn two_decimals(mut amount: Decimal) -> String {
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    amount.to_string()
}

static US_STATE: Pattern = pattern!(
    r"(?i)\b(?:laws?\s+of|State\s+of|Commonwealth\s+of)\s+(?:the\s+)?(?:State\s+of\s+)?(?:Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New\s+Hampshire|New\s+Jersey|New\s+Mexico|New\s+York|North\s+Carolina|North\s+Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode\s+Island|South\s+Carolina|South\s+Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West\s+Virginia|Wisconsin|Wyoming)\b"
);
static US_COMPANY: Pattern = pattern!(
    r"(?i)\ban?\s+(?:Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New\s+Hampshire|New\s+Jersey|New\s+Mexico|New\s+York|North\s+Carolina|North\s+Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode\s+Island|South\s+Carolina|South\s+Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West\s+Virginia|Wisconsin|Wyoming)\s+(?:corporation|limited|company|professional|LLC|partnership)"
);
static CURRENCY: Pattern = pattern!(
    r"(?i)\bin\s+(?:the\s+lawful\s+(?:money|currency)\s+of\s+(?:the\s+)?)?(?P<name>United\s+States(?:\s+of\s+America)?(?:\s+dollars)?|U\.?S\.?\s+dollars|euros?|pounds\s+sterling|GBP|EUR|USD|Singapore\s+dollars|Canadian\s+dollars|Australian\s+dollars|AUD|CAD)\b"
);
static US_DOLLARS: Pattern = pattern!(
    r"(?i)\b(?:United\s+States\s+dollars?|U\.?\s?S\.?\s+dollars?|USD)\b|US\s?\$|U\.\s?S\.\s?\$|\(\$[\d.,]+\)\s+US\b"
);

static AUSTRALIAN: Pattern = pattern!(r"(?i)\bAustralian\s+dollars?\b|\bAUD\b|\bA\$");
static CANADIAN: Pattern = pattern!(r"(?i)\bCanadian\s+dollars?\b|\bCAD\b|\bC\$");
static SINGAPORE: Pattern = pattern!(r"(?i)\bSingapore\s+dollars?\b|\bSGD\b|\bS\$");

/// The sign of the yen is the yuan's too: which one it is, the words of the document say.
fn yuan(flow: &Flow<'_>, field: &Field) -> Option<Field> {
    static YUAN: Pattern = pattern!(r"(?i)\b(?:RMB|CNY|Renminbi|yuan)\b|人民币");
    let sign = field.quotes.first().is_some_and(|quote| quote.text.contains(['¥', '￥']));
    let ground = capture(&YUAN, &flow.text, 0..flow.text.len()).filter(|_| sign)?.get(0)?.range();
    let mut quotes = field.quotes.clone();
    quotes.extend(flow.quotes(ground));
    Some(Field { value: Some("CNY".into()), quotes, why: None })
}

/// The currency, by the price, the schedule, a clause on payment; a bare `$` needs a ground for which dollar it is.
pub(crate) fn currency(flow: &Flow<'_>, units: &[(Unit, Range<usize>)]) -> Field {
    let coded = units.iter().find_map(|(unit, range)| match unit {
        Unit::Code(code) => Some(Field::read(flow, *code, range.clone())),
        Unit::Dollar => None,
    });
    let dollar = units.iter().find(|(unit, _)| *unit == Unit::Dollar).map(|(_, range)| range.clone());
    let whole = 0..flow.text.len();
    if let (Some(field), None) = (&coded, &dollar) {
        return yuan(flow, field).unwrap_or_else(|| field.clone());
    }
    if let Some(dollar) = dollar {
        let ground = [&US_DOLLARS, &US_STATE, &US_COMPANY]
            .into_iter()
            .find_map(|pattern| capture(pattern, &flow.text, whole.clone())?.get(0).map(|found| found.range()));
        let others = [(&AUSTRALIAN, "AUD"), (&CANADIAN, "CAD"), (&SINGAPORE, "SGD")]
            .into_iter()
            .find_map(|(pattern, code)| Some((capture(pattern, &flow.text, whole.clone())?.get(0)?.range(), code)));
        let ground = ground.map(|ground| (ground, "USD")).or(others);
        return match ground {
            Some((ground, code)) => {
                let mut field = Field::read(flow, code, dollar);
                field.quotes.extend(flow.quotes(ground));
                field
            }
            None => coded.unwrap_or_else(|| Field::empty(flow, Why::Ambiguous, dollar)),
        };
    }
    let clause =
        capture(&CURRENCY, &flow.text, whole).and_then(|captured| captured.name("name").map(|name| name.range()));
    clause.map_or_else(Field::default, |range| {
        let lower = flow.slice(range.clone()).to_lowercase();
        let code = match lower.chars().next() {
            Some('e') => "EUR",
            Some('p' | 'g') => "GBP",
            Some('s') => "SGD",
            Some('c') => "CAD",
            Some('a') => "AUD",
            _ => "USD",
        };
        Field::read(flow, code, range)
    })
}
