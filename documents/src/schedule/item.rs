//! One item of a list of instalments: label, amount, percent, event, evidence.

use core::ops::Range;

use super::row::{amount_field, dated, kind_of};
use crate::block::trimmed;
use crate::flow::Flow;
use crate::proposal::{AmountKind, Field, Milestone, Why};
use crate::value::money::{self, Money, Unit};
use crate::value::number::DecimalMark;
use crate::value::{Missing, Pattern, capture, captures, found, missing, pattern, percent, period};

static LABEL: Pattern = pattern!(
    r"(?ix)^(?:(?:the|an?)\s+)?(?:(?:payment|fee|amount|price|value)\s+(?:for|of)\s+)?(?:new\s+)?(?:(?:(?-i:[A-Z][\w’'/&‑-]{0,20})\s+){0,3}(?:milestone|instal?lment|payment|phase|stage|module|draw|tranche|deliverable|term|termijn|meilenstein|rate|teilzahlung|abschlag(?:szahlung)?|jalon|étape|échéance|acompte|hito|pago|plazo|rata)\s*(?:no\.?\s*|nr\.?\s*|n°\s*|\#\s*|number\s+)?(?P<number>[A-Z]\.\d{1,2}|[A-Z]{0,3}[-‑]?M?\d{1,2}(?:\.\d{1,2})?|[ivx]{1,4}(?:[-‑][A-H])?|[A-H])\b
      |(?:milestones|phases|stages|deliverables)\s+(?P<range>\d{1,2}\s?(?:[–-]|to|and|&)\s?\d{1,2})\b
      |(?P<nth>\d{1,2})(?:st|nd|rd|th)\s+(?:(?-i:[A-Z]\w+)\s+){0,2}(?:instal?lment|payment|milestone)(?:\s+payment)?\b
      |(?P<ordinal>\d{1,2})\.\s+(?:rate|teilzahlung|abschlag(?:szahlung)?|meilenstein|termijn|rata)\b
      |(?P<word>first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|initial|final|last)\s+(?:(?-i:[A-Z]\w+)\s+){0,2}(?:instal?lment|payment|milestone|tranche|deposit)(?:\s+payment)?\b)"
);
static CODE: Pattern = pattern!(r"^(?P<code>[A-Z]{1,3}[-‑]?[A-Z]?\d{1,2}(?:\.\d{1,2})?)\s*[:(–—-]");
static EVENT: Pattern = pattern!(
    r"(?ix)\b(?:
      within\s+[^,;.]{1,50}?(?:days?|weeks?|months?)(?:\s+(?:of|from|after|following))?(?:\s+the\s+date\s+of)?
      |(?:up)?on\s+the\s+\w+\s+(?:banking|business|working)\s+day\s+(?:next\s+)?following
      |nach|bei|mit|zum|bij|na|op|à\s+(?:la|l['’])|au|après|dès|lors\s+d[eu]|a\s+la|al|tras|alla
      |upon|following|after|before|prior\s+to|subsequent\s+to|with\s+the\s+signed|with\s+(?:the\s+)?purchase|as\s+soon\s+as|against|on\s+or\s+before|not?\s+later\s+than|when|once|due\s+(?:on|at|upon)
      |at\s+(?:the\s+)?(?:time|date|end|start|commencement|completion|sign(?:ing|ature)|execution|delivery|acceptance|closing|kick|project|go)\w*(?:\s+of)?
      |on(?:\s+the)?(?:\s+date)?(?:\s+of)?
    )\s+"
);
static OPENING: Pattern =
    pattern!(r"(?i)^(?:nach|bei|upon|on|after|following|at|when|within|based\s+on|against|once)\b");
static PAYS: Pattern = pattern!(
    r"(?i),?\s*(?:the\s+)?\w+\s+(?:shall|will|agrees\s+to)\s+(?:pay|make)\b|,?\s+an?\s+amount\s+equal|,\s+\$|,\s+USD"
);
static BULLET: Pattern = pattern!(r"(?m)(?:^|\n)\s*(?:[o•·▪*–-])\s+");
static AGAINST: Pattern = pattern!(
    r"(?i)\b(?:(?:up)?on\s+(?:presentation|receipt)(?:\s+\w+){0,6}?\s+of|(?:up)?on\s+delivery\s+of\s+the\s+(?:\w+\s+)?(?:bond|certificate|report|guarantee|letter)|against(?:\s+presentation\s+of)?|evidenced\s+by|accompanied\s+by)\s+(?P<what>[^;.]{4,160})"
);
static LATER: Pattern = pattern!(
    r"(?i)\b(?:whichever\s+(?:is\s+|occurs\s+|comes\s+)?(?:the\s+)?later|the\s+later\s+of|(?:the\s+)?last\s+to\s+occur|latest\s+of)(?:\s+to\s+occur)?\b"
);
static EARLIER: Pattern = pattern!(
    r"(?i)\b(?:whichever\s+(?:event\s+)?(?:is\s+|occurs\s+|comes\s+)?(?:the\s+)?(?:earlier|first)(?:\s+occurs)?|the\s+(?:earlier|first)\s+(?:of|to\s+occur)|earliest\s+of)\b"
);
static NO_TITLE: Pattern =
    pattern!(r"(?i)^(?:the\s+(?:sum|amount)|an?\s+(?:sum|amount)|united\s+states|us\s+dollars|euros?)\b");
static ADJUSTED: Pattern =
    pattern!(r"(?i)\bplus\s+(?:any\s+increase|other\s+sums)|\bminus\s+any\s+decrease|\badjust(?:ed|ments?)\b");
static BALANCE: Pattern = pattern!(
    r"(?i)^\W{0,4}(?:the\s+)?(?:remaining\s+)?(?:balance|remainder)\b|\b(?:balance|remainder)\s+of\s+the\s+(?:contract|purchase)\s+price"
);

/// What an item says, and what the schedule learns from it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) milestone: Milestone,
    pub(super) unit: Option<(Unit, Range<usize>)>,
    pub(super) labelled: bool,
    /// It states a percent.
    pub(super) percent: bool,
    /// Where it begins.
    pub(super) start: usize,
    /// It names an event or a date.
    pub(super) eventful: bool,
    pub(super) valued: bool,
    /// Its amount may be adjusted.
    pub(super) adjusted: bool,
}

/// The label of an item: its range, and the number in it.
pub(super) fn label(flow: &Flow<'_>, range: &Range<usize>) -> Option<(Range<usize>, String, Range<usize>)> {
    let text = flow.text.get(range.clone())?;
    // "Upon Milestone 3" says when, and is no label.
    if found(&OPENING, text) {
        return None;
    }
    let read = [&LABEL, &CODE].into_iter().find_map(|pattern| pattern.as_ref()?.captures(text))?;
    let whole = read.get(0)?;
    let part = ["number", "range", "nth", "ordinal", "word", "code"].into_iter().find_map(|name| read.name(name))?;
    let number = match part.as_str().to_lowercase().as_str() {
        "first" => "1".into(),
        "second" => "2".into(),
        "third" => "3".into(),
        "fourth" => "4".into(),
        "fifth" => "5".into(),
        "sixth" => "6".into(),
        "seventh" => "7".into(),
        "eighth" => "8".into(),
        "ninth" => "9".into(),
        "tenth" => "10".into(),
        "eleventh" => "11".into(),
        "twelfth" => "12".into(),
        "last" | "final" | "initial" => part.as_str().to_lowercase(),
        _ => part.as_str().to_owned(),
    };
    let at = |part: regex::Match<'_>| range.start + part.start()..range.start + part.end();
    Some((at(whole), number, at(part)))
}

/// The amount that is to be paid: the first that is no rate.
fn amount(flow: &Flow<'_>, range: &Range<usize>, mark: DecimalMark) -> Option<Money> {
    // "The balance, less the sum of $50,000": what is taken off is not what is paid.
    static OFF: Pattern = pattern!(r"(?i)\b(?:less|minus|net\s+of|reduced\s+by|deduct\w*)\b[^.;]{0,60}$");
    // "20% of US$1,200,000": what a percent is of is not what is paid.
    static BASE: Pattern = pattern!(
        r"(?i)(?:%|percent|per\s?cent)\)?\W{0,3}of\s+(?:the\s+)?(?:total\s+|fixed\s+)?(?:fees?\s+of\s+|price\s+of\s+)?$"
    );
    // "upon net sales first exceeding $10,000,000": what must be reached is not what is paid.
    static THRESHOLD: Pattern = pattern!(
        r"(?i)\b(?:exceed(?:s|ing)?|in\s+excess\s+of|reach(?:es|ing)?|greater\s+than|more\s+than)\b[^.;,]{0,50}$"
    );
    // "is changed from $50,000 to $65,000": the first is what it was.
    static FROM: Pattern = pattern!(r"(?i)\bfrom\s+$");
    static TO: Pattern = pattern!(r"(?i)^\W{0,2}\s*to\s");
    // "Cost per work day: £300": a rate.
    static RATE: Pattern = pattern!(
        r"(?i)\b(?:per\s+(?:\w+\s+){0,2}?(?:day|hour|week|month|unit|site)s?|(?:daily|hourly|day)\s+rate)\b[^\n.;]{0,6}$"
    );
    let rate = |amount: &Money| {
        found(&RATE, flow.slice(flow.before(amount.range.start, 50).start.max(range.start)..amount.range.start))
    };
    let all: Vec<Money> = money::all(&flow.text, range.clone(), mark)
        .into_iter()
        .filter(|amount| {
            let after = flow.slice(flow.after(amount.range.end, 12));
            !(found(&FROM, flow.slice(flow.before(amount.range.start, 12))) && found(&TO, after))
        })
        .filter(|amount| {
            let from =
                amount.spelled.as_ref().map_or(amount.range.start, |words| words.range.start.min(amount.range.start));
            let before = flow.slice(flow.before(from, 90).start.max(range.start)..from);
            !found(&OFF, before) && !found(&BASE, before) && !found(&THRESHOLD, before)
        })
        .collect();
    all.iter().find(|amount| amount.per.is_none() && !rate(amount)).or_else(|| all.first()).cloned()
}

/// Where the value begins after the title of a label: behind the colon of its first line.
fn after_title(flow: &Flow<'_>, from: usize, end: usize) -> Option<usize> {
    let line = flow.slice(from..end).split('\n').next()?;
    // The colon right after the label itself opens the title.
    let skipped = line.len() - line.trim_start_matches([' ', ':', '–', '-', '.', '\t']).len();
    let at = line.get(skipped..)?.find(':').map(|at| from + skipped + at + 1)?;
    // "100% of the fee, payable as follows: …" has its value before the colon; "Completion of 50% of the migrations: …" has none there.
    let paid = |percent: &percent::Percent| {
        !done_part(flow.slice(from..percent.range.start), flow.slice(flow.after(percent.range.end, 90)))
    };
    (!percent::all(&flow.text, from..at).iter().any(paid)).then_some(at)
}

fn percent_of(flow: &Flow<'_>, range: &Range<usize>) -> (Field, Field, Option<Range<usize>>) {
    static DONE: Pattern = pattern!(
        r"(?i)^\W{0,3}(?:complet\w+|of\s+(?:the\s+)?(?:works?\b\s*(?:[,;.)]|$|(?:is|are|has|have|being|completed|performed|done|under)\b)|completion|drawings)|done|uptime|availability|interest|retention|retainage|per\s+(?:annum|month|year))"
    );
    // "subject to an annual escalation of 3%" pays nothing.
    static NOT_PAID: Pattern = pattern!(
        r"(?i)\b(?:escalat\w+|increases?|indexation|discount|interest|mark-?up|penalt\w+|damages|credits?)\b[^.;:\n]{0,20}$"
    );
    let all: Vec<percent::Percent> = percent::all(&flow.text, range.clone())
        .into_iter()
        .filter(|percent| !found(&DONE, flow.slice(percent.range.end..flow.after(percent.range.end, 40).end)))
        .filter(|percent| {
            let from = flow.before(percent.range.start, 45).start.max(range.start);
            !found(&NOT_PAID, flow.slice(from..percent.range.start))
        })
        .collect();
    // "Upon delivery of 80% of the equipment, 30% of the Contract Value": what is of a price is what is paid.
    static PRICED: Pattern = pattern!(r"(?i)\b(?:price|fees?|value|sum|amount|cost|budget)\b");
    let priced = |percent: &&percent::Percent| percent.of.clone().is_some_and(|of| found(&PRICED, flow.slice(of)));
    let first =
        all.iter().find(priced).or_else(|| all.iter().find(|percent| percent.of.is_none())).or_else(|| all.first());
    let Some(stated) = first else { return (Field::default(), Field::default(), None) };
    let of = stated.of.clone().map_or_else(Field::default, |of| Field::words(flow, of));
    let field = match stated.value {
        Some(value) => Field::read(flow, value.normalize().to_string(), stated.range.clone()),
        None => Field::empty(flow, Why::Redacted, stated.range.clone()),
    };
    (field, of, Some(stated.range.clone()))
}

/// The first sentence of a range, or the whole where it has none.
fn sentence(flow: &Flow<'_>, range: Range<usize>) -> Range<usize> {
    static STOP: Pattern = pattern!(
        r";|\.(?:\s+[A-Z(]|\s*$)|\n\n|\t|\s*\.{3,}|:\s*(?:\t|[A-Z]{0,3}\s?[$€£¥]|$)|,\s+(?:which\s+shall|including|plus\s)"
    );
    let end = capture(&STOP, &flow.text, range.clone()).and_then(|stop| stop.get(0).map(|stop| stop.start()));
    trimmed(&flow.text, range.start..end.unwrap_or(range.end))
}

/// What must happen: after the value, or before it where the item begins with it.
fn event(flow: &Flow<'_>, body: &Range<usize>, value_end: usize) -> Option<(Range<usize>, Range<usize>)> {
    let text = &flow.text;
    if found(&OPENING, flow.slice(body.clone())) {
        let end = capture(&PAYS, text, body.clone())
            .and_then(|pays| pays.get(0).map(|pays| pays.start()))
            .unwrap_or(body.end);
        let whole = sentence(flow, body.start..end);
        return Some((whole.clone(), whole));
    }
    let after = value_end.max(body.start)..body.end;
    if let Some(opening) = happening(flow, body, value_end) {
        return Some(opening);
    }
    static BY: Pattern = pattern!(
        r"(?i)\b(?P<says>by\s+)(?:the\s+)?(?:[\w’'-]+\s+){0,3}(?:date|anniversary|deadline|end|close|\d{1,2}(?:st|nd|rd|th)?\b)"
    );
    let says = [
        capture(&EVENT, text, after.clone()).and_then(|event| event.get(0).map(|says| says.range())),
        capture(&BY, text, after).and_then(|event| event.name("says").map(|says| says.range())),
    ];
    let says = says.into_iter().flatten().min_by_key(|says| says.start)?;
    let what = sentence(flow, says.end..body.end);
    if what.len() > 2 { Some((says.start..what.end, what)) } else { None }
}

/// "Payment on delivery. Buyer shall, within 10 days after the test, pay 30% …": the event stands before the value.
fn led(flow: &Flow<'_>, before: Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    static LED: Pattern =
        pattern!(r"(?i)\b(?:within\s+[^,;.]{1,60}?days?(?:\s+(?:of|from|after|following))?|upon|after|following)\s+");
    let says = capture(&LED, &flow.text, before.clone())?.get(0)?.range();
    let what = sentence(flow, says.end..before.end);
    let stop = flow.slice(what.clone()).find(',').map_or(what.end, |at| what.start + at);
    let what = trimmed(&flow.text, what.start..stop);
    (what.len() > 2).then_some((says.start..what.end, what))
}

/// "Completion and acceptance of the design: 15% of the fees": what must happen opens the item and ends before a colon and the value.
fn happening(flow: &Flow<'_>, body: &Range<usize>, value_end: usize) -> Option<(Range<usize>, Range<usize>)> {
    static HAPPENS: Pattern = pattern!(
        r"(?i)^\W{0,3}(?:for\s+(?:the\s+)?)?(?P<what>(?:(?:successful|final|formal|written|substantial|client(?:['’]s)?|customer(?:['’]s)?)\s+){0,2}(?:completion|acceptance|approval|delivery|signing|signature|execution|commencement|submission|receipt|installation|commissioning|handover|sign-?off|launch|erection|go-?live|deployment)\b[^\n:]{3,250}?|(?:by\s+|on\s+)?(?:(?:end|middle|start|beginning)\s+(?:of\s+)?)?(?:\d{1,2}\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?:\d{1,2},?\s+)?\d{4})\s*:\s"
    );
    let what = HAPPENS.as_ref()?.captures(flow.slice(body.clone()))?.name("what")?.range();
    let what = body.start + what.start..body.start + what.end;
    (what.end < value_end).then(|| (what.clone(), what))
}

/// The date of an event that is a date: `on or before 25 June 2016`; not one that a clause only mentions.
fn date_of(flow: &Flow<'_>, event: Range<usize>) -> Field {
    static SAYS: Pattern = pattern!(r"(?i)^(?:on|by|at|due|no|not|later|than|or|before|the|\s)*");
    let opening =
        SAYS.as_ref().and_then(|pattern| pattern.find(flow.slice(event.clone()))).map_or(0, |found| found.end());
    let first = crate::value::date::all(&flow.text, event.clone()).into_iter().next();
    if first.is_some_and(|written| written.range.start <= event.start + opening + 4) {
        dated(flow, event)
    } else {
        Field::default()
    }
}

/// A line of the item that is called its trigger.
fn stated_trigger(flow: &Flow<'_>, range: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    static TRIGGER: Pattern = pattern!(r"(?im)^\W{0,4}(?:payment\s+)?trigger\s*:\s*(?P<what>[^\n]{3,300})");
    let what = capture(&TRIGGER, &flow.text, range.clone())?.name("what")?.range();
    let what = trimmed(&flow.text, what);
    Some((what.clone(), what))
}

/// At most so many characters, whole words.
pub(crate) fn shortened(flow: &Flow<'_>, range: Range<usize>, most: usize) -> Range<usize> {
    let text = flow.slice(range.clone());
    if text.chars().count() <= most {
        return range;
    }
    let cut = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    let end = text[..cut].rfind(|c: char| c.is_whitespace()).unwrap_or(cut);
    trimmed(&flow.text, range.start..range.start + end)
}

/// Title after a label: up to the value, a colon, or the end of the line.
fn title(flow: &Flow<'_>, after: usize, end: usize, value: Option<usize>) -> Option<Range<usize>> {
    let rest = flow.text.get(after..end)?;
    let skipped = rest.len() - rest.trim_start_matches([' ', '\t', ':', '–', '—', '-', '.', '(', ')']).len();
    let start = after + skipped;
    let line = flow.slice(start..end).split(['\n', ':', ';']).next().unwrap_or("");
    // "Milestone 3 (Interface certification) is changed …": what stands in the parentheses.
    let line = match flow.slice(after..start).trim_start().starts_with('(').then(|| line.find(')')).flatten() {
        Some(close) if !line[..close].contains('(') => &line[..close],
        _ => line,
    };
    let stop = (start + line.len()).min(value.unwrap_or(usize::MAX)).max(start);
    let cut = trimmed(&flow.text, start..stop);
    let text = flow.slice(cut.clone()).trim_end_matches([' ', '–', '—', '-', ',', '(', ':']);
    let text = if text.contains('(') { text } else { text.trim_end_matches(')') };
    if found(&NO_TITLE, text) {
        return None;
    }
    let cut = cut.start..cut.start + text.len();
    (text.chars().filter(|c| c.is_alphabetic()).count() >= 3).then_some(cut)
}

/// Whether a percent at `at` is of what an item pays: it stands in the line of the amount, opens the item or its line, or is of a
/// price.
fn paid_part(flow: &Flow<'_>, head: &Range<usize>, at: &Range<usize>, money: &Range<usize>) -> bool {
    static LED: Pattern = pattern!(
        r"(?i)^\W*(?:(?:payment|percent(?:age)?|fees?|amount|share|proportion|value|pays?|rate)\b[^\n:]{0,30}:?\W*)?$"
    );
    static PRICED: Pattern = pattern!(
        r"(?i)^\W{0,4}(?:percent\W{0,3})?of\s+(?:the\s+|such\s+|its\s+)?(?:[\w’'-]+\s+){0,5}?(?:price|fees?|value|sum|amount|cost|charges|budget|total)\b"
    );
    let between = flow.slice(at.end.min(money.end)..money.start.max(at.start));
    let opens = flow.slice(head.start..at.start);
    let line = opens.rsplit('\n').next().unwrap_or(opens);
    let tail = flow.slice(flow.after(at.end, 90));
    let near = between.len() < 200 && !between.contains('\n') && !found(&STOPS, between);
    static STOPS: Pattern = pattern!(r"[.;]\s+[A-Z]");
    if done_part(opens, tail) {
        return false;
    }
    near || found(&LED, line) || (found(&PRICED, tail) && !found(&RETAINED, line))
}

/// "shall be paid after 90% of the design review has been completed": how much of something is done by then, by the words before
/// the percent and after it.
fn done_part(before: &str, after: &str) -> bool {
    static HAPPENS: Pattern = pattern!(
        r"(?i)\b(?:after|upon|when|once|until|on|following|at\s+least|completion\s+of|delivery\s+of|receipt\s+of|reaching|achiev\w+)\s+(?:[\w-]+\s+){0,3}\(?$"
    );
    static OF: Pattern = pattern!(r"(?i)^\W{0,3}(?:percent\W{0,3})?of\s+(?P<what>[^,;.\n]{2,60})");
    static PAYABLE: Pattern = pattern!(
        r"(?i)\b(?:price|fees?|value|sum|amount|cost|charges|budget|total|payments?|contract|order|grant|funding|funds|balance|remainder|instal?lment)\b"
    );
    found(&HAPPENS, before)
        && OF.as_ref().and_then(|pattern| pattern.captures(after)).is_some_and(|of| !found(&PAYABLE, &of["what"]))
}

static RETAINED: Pattern = pattern!(r"(?i)\b(?:retain|retains|withholds?|deducts?)\b");

/// The short sentence that opens an item and names it: "3.1 Claims intake prototype. Due May 29, 2026. Fee: $45,000".
fn headline(flow: &Flow<'_>, range: &Range<usize>, value: Option<usize>) -> Option<Range<usize>> {
    static FIRST: Pattern = pattern!(r"^(?P<name>[^.:;,\n\d]{4,80})(?:[.:]\s|\s+[–—-]\s|\n)");
    let text = flow.slice(range.clone());
    let name = FIRST.as_ref()?.captures(text)?.name("name")?;
    let end = range.start + name.end();
    let opens = found(&OPENING, text) || found(&NO_TITLE, text) || found(&PAYS_WORD, name.as_str());
    (!opens && value.is_some_and(|value| value > end)).then_some(range.start..end)
}

static PAYS_WORD: Pattern = pattern!(r"(?i)\b(?:shall|will|pays?|paid|payable|invoiced?|percent|amount|sum)\b");

/// What an item says of money, and where.
#[derive(Default)]
struct Values {
    amount: Field,
    per: Option<String>,
    unit: Option<(Unit, Range<usize>)>,
    percent: Field,
    percent_of: Field,
    /// Something stands there, if only in the place of a value.
    any: bool,
    /// Where the first value begins, with the words beside its digits.
    first: Option<usize>,
    /// Where the last one ends.
    last: Option<usize>,
    /// What stands between percent and amount, in this order.
    between: Option<(usize, usize)>,
    kind: Option<AmountKind>,
}

/// Reads the values at the head of an item.
fn values(flow: &Flow<'_>, head: &Range<usize>, label: Option<&Range<usize>>, mark: DecimalMark) -> Values {
    let money = amount(flow, head, mark);
    // "Completion of 50% of the migrations: 35% of the fee": what is paid stands after the title.
    let titled = label.and_then(|label| after_title(flow, label.end, head.end));
    let (mut percent, mut base, mut place) =
        titled.map_or_else(Default::default, |after| percent_of(flow, &(after..head.end)));
    if place.is_none() {
        (percent, base, place) = percent_of(flow, head);
    }
    // Beside an amount a percent counts where it stands with it, or says what it is of: "run at 85% of rated thrust" is no pay.
    if let (Some(money), Some(at)) = (&money, &place)
        && !paid_part(flow, head, at, &money.range)
    {
        (percent, base, place) = Default::default();
    }
    let lost = lost(flow, head).filter(|_| money.is_none() && place.is_none());
    let words = |money: &Money| {
        money.spelled.as_ref().map_or(money.range.start, |words| words.range.start.min(money.range.start))
    };
    let mut read = Values {
        first: [money.as_ref().map(words), place.as_ref().map(|range| range.start)].into_iter().flatten().min(),
        last: [money.as_ref().map(|amount| amount.range.end), place.as_ref().map(|range| range.end)]
            .into_iter()
            .flatten()
            .max(),
        between: place
            .as_ref()
            .zip(money.as_ref())
            .map(|(at, money)| (at.end, words(money)))
            .filter(|(end, start)| end < start),
        kind: Some(item_kind(flow, head, money.as_ref(), place.as_ref())),
        any: money.is_some() || place.is_some() || lost.is_some(),
        percent,
        percent_of: base,
        ..Values::default()
    };
    if let Some(amount) = money {
        read.amount = amount_field(flow, &amount, 0, None);
        read.per = amount.per.or_else(|| recurring(near(flow, head, &amount.range)));
        read.unit = amount.unit.map(|unit| (unit, amount.range));
    } else if let Some((kind, place)) = lost {
        read.amount = Field::empty(flow, super::row::why(kind), place);
    }
    read
}

/// What stands in the place of an item's amount, in its first 200 characters.
fn lost(flow: &Flow<'_>, head: &Range<usize>) -> Option<(Missing, Range<usize>)> {
    static NO_AMOUNT: Pattern = pattern!(r"(?i)\b(?:link|name|date|title|address|description|text)\b");
    let end = flow.after(head.start, 200).end.min(head.end);
    let mut from = head.start;
    while let Some((kind, place)) = missing(&flow.text, from..end) {
        from = place.end;
        let named = found(&NO_AMOUNT, flow.slice(place.clone()));
        if kind != Missing::Undetermined && !named && stands_for_money(flow, head, &place) {
            return Some((kind, place));
        }
    }
    None
}

/// Whether what was taken out was an amount: it opens the item, or a currency, or a word such as "pay", stands before it; "within ***
/// days" and "receives the ***" are other things.
fn stands_for_money(flow: &Flow<'_>, head: &Range<usize>, place: &Range<usize>) -> bool {
    static BEFORE: Pattern = pattern!(
        r"(?i)(?:[$€£]|\b(?:USD|EUR|GBP|US|CAD|AUD)\b|\b(?:pay\w*|paid|amounts?|sums?|fees?|price|instal?lments?|deposit|cost|value|equal\s+to|balance|remaining|advance)\b[^.;]{0,40}|[:–—=])[\s\[(]*$"
    );
    static COUNTS: Pattern =
        pattern!(r"(?i)^[\])\s]*(?:(?:business|calendar|working)\s+)?(?:days?|weeks?|months?|hours?|copies)\b");
    let before = flow.slice(head.start..place.start);
    let opens = !before.contains(char::is_alphanumeric);
    let sign = flow.slice(place.clone()).starts_with(['$', '€', '£']);
    let after = flow.slice(flow.after(place.end, 30));
    // "upon [***], [***];": the second.
    static CLOSES: Pattern = pattern!(r"(?i)^[\])\s]*(?:;|\.\s|\.?\s*$|\band\b)");
    let closes = before.trim_end().ends_with(',') && found(&CLOSES, after);
    (opens || sign || closes || found(&BEFORE, before)) && !found(&COUNTS, after)
}

/// The words around an amount, as far as its paragraph and its bullet go.
fn near<'f>(flow: &'f Flow<'_>, head: &Range<usize>, amount: &Range<usize>) -> &'f str {
    static ENDS: Pattern = pattern!(r"\n\n|\n\s*[-•·*]\s");
    let before = flow.before(amount.start, 160).start.max(head.start)..amount.start;
    let after = amount.end..flow.after(amount.end, 160).end.min(head.end);
    let ends = |range: &Range<usize>| -> Vec<Range<usize>> {
        captures(&ENDS, &flow.text, range.clone()).iter().filter_map(|end| Some(end.get(0)?.range())).collect()
    };
    let from = ends(&before).last().map_or(before.start, |end| end.end);
    let to = ends(&after).first().map_or(after.end, |end| end.start);
    flow.slice(from..to)
}

/// How often an amount comes again that does not say so itself: `monthly in arrears, in equal instalments of`.
fn recurring(text: &str) -> Option<String> {
    static AGAIN: Pattern = pattern!(
        r"(?i)\b(?P<per>monthly|quarterly|annual(?:ly)?|yearly)\b[^.;]{0,30}\b(?:in\s+(?:arrears|advance)|instal?lments?|fees?\b|rent\b|charges?\b)"
    );
    let found = AGAIN.as_ref()?.captures(text)?;
    Some(found.name("per")?.as_str().to_lowercase().trim_end_matches("ly").to_owned())
}

/// The date of an item: of its event, or one that stands right after the value.
fn item_date(flow: &Flow<'_>, event: Option<&Range<usize>>, after: Range<usize>) -> Field {
    if let Some(event) = event {
        return date_of(flow, event.clone());
    }
    let first = crate::value::date::all(&flow.text, after.clone()).into_iter().next();
    first
        .filter(|written| written.range.start <= after.start + 8)
        .map_or_else(Field::default, |written| dated(flow, written.range))
}

/// Milestones that an item names beside its own label.
fn depends_on(flow: &Flow<'_>, range: Range<usize>) -> Vec<Field> {
    static NAMED: Pattern = pattern!(r"\bMilestones?\s+(?:[Nn]o\.?\s*)?(?P<id>[A-Z]{0,2}-?[A-Z]?\d{1,2})\b");
    captures(&NAMED, &flow.text, range)
        .iter()
        .filter_map(|capture| Some(Field::words(flow, capture.name("id")?.range())))
        .collect()
}

/// Reads one item; `range` is its text after the marker, `marker` the marker.
pub(super) fn read(flow: &Flow<'_>, marker: Option<Range<usize>>, range: Range<usize>, mark: DecimalMark) -> Item {
    let range = trimmed(&flow.text, range);
    let label = label(flow, &range);
    // Amount and percent are looked for in the first 900 characters of an item: long acceptance criteria with other
    // figures may follow.
    let head = range.start..flow.after(range.start, 900).end.min(range.end);
    let values = values(flow, &head, label.as_ref().map(|(whole, ..)| whole), mark);
    let body = label.as_ref().map_or(range.start, |(whole, ..)| whole.end)..range.end;
    let value_end = values.last.unwrap_or(range.start);
    let event = stated_trigger(flow, &range).or_else(|| event(flow, &body, value_end)).or_else(|| {
        // "15% upon signature, EUR 61,875": the event stands between the values.
        let (start, end) = values.between?;
        event(flow, &(body.start..end), start)
    });
    let event = event.or_else(|| led(flow, body.start..values.first?));
    let named = title(flow, body.start, range.end, values.first)
        .filter(|_| label.is_some() || event.is_none())
        .or_else(|| marker.as_ref().and_then(|_| headline(flow, &range, values.first)));
    let name = named.or_else(|| event.as_ref().map(|(_, what)| what.clone())).unwrap_or_else(|| range.clone());
    let whole = event.as_ref().map(|(whole, _)| whole);
    let within = whole.and_then(|whole| period::all(&flow.text, whole.clone()).into_iter().next());
    // "3.3.1 Initial deposit" is called by its clause.
    let deposit =
        label.as_ref().is_some_and(|(whole, ..)| flow.slice(whole.clone()).to_lowercase().contains("deposit"));
    let id = match (&label, marker) {
        (_, Some(marker)) if deposit => marker_id(flow, marker),
        (Some((_, number, place)), _) => Field::read(flow, number.clone(), place.clone()),
        (None, Some(marker)) => marker_id(flow, marker),
        (None, None) => Field::default(),
    };
    let words = |part: Option<&Range<usize>>| {
        part.map_or_else(Field::default, |part| Field::words(flow, shortened(flow, part.clone(), 300)))
    };
    let kind = values.kind.unwrap_or(AmountKind::Fixed);
    let milestone = Milestone {
        id,
        name: Field::words(flow, shortened(flow, name, 100)),
        description: Field::words(flow, shortened(flow, trim_bullets(flow, &range), 1_200)),
        kind,
        amount: values.amount,
        percent: values.percent,
        percent_of: values.percent_of,
        per: values.per,
        due: words(whole),
        date: item_date(flow, whole, value_end..head.end),
        trigger: words(event.as_ref().map(|(_, what)| what)),
        within: within.map_or_else(Field::default, |period| days_field(flow, &period)),
        evidence: evidence(flow, &range),
        approver: Field::default(),
        depends_on: depends_on(flow, body.start..head.end),
        conditions: conditions(flow, &head),
        place: flow.place(range.clone()),
    };
    Item {
        start: range.start,
        percent: milestone.percent.value.is_some(),
        valued: values.any || kind == AmountKind::Balance,
        eventful: event.is_some() || milestone.date.value.is_some(),
        labelled: label.is_some(),
        adjusted: found(&ADJUSTED, flow.slice(head)),
        unit: values.unit,
        milestone,
    }
}

fn item_kind(
    flow: &Flow<'_>,
    head: &Range<usize>,
    money: Option<&Money>,
    percent: Option<&Range<usize>>,
) -> AmountKind {
    if found(&BALANCE, flow.slice(head.clone())) {
        return AmountKind::Balance;
    }
    let value = money.map(|amount| amount.range.start).or(percent.map(|range| range.start));
    let before = value.map_or(head.start..head.start, |at| flow.before(at, 40).start.max(head.start)..at);
    kind_of(flow.slice(before))
}

/// `(a)` as `a`; a bullet is no number.
fn marker_id(flow: &Flow<'_>, marker: Range<usize>) -> Field {
    let text = flow.words(marker.clone());
    let label = text.trim_matches(['(', ')', '.', ' ']);
    if label.is_empty()
        || !label.chars().next().is_some_and(char::is_alphanumeric)
        || label == "o" && !text.contains(['(', '.', ')'])
    {
        return Field::default();
    }
    Field::read(flow, label, marker)
}

/// `3 business days`.
pub(crate) fn days_field(flow: &Flow<'_>, period: &period::Period) -> Field {
    let kind = if period.days == period::Days::Business { "business days" } else { "days" };
    match period.count {
        Some(count) => Field::read(flow, format!("{count} {kind}"), period.range.clone()),
        None => Field::empty(flow, Why::Redacted, period.range.clone()),
    }
}

/// The item without its list of criteria.
fn trim_bullets(flow: &Flow<'_>, range: &Range<usize>) -> Range<usize> {
    let text = flow.slice(range.clone());
    let first = BULLET.as_ref().and_then(|pattern| pattern.find_at(text, text.len().min(1)));
    let end = first.map_or(range.end, |found| range.start + found.start());
    trimmed(&flow.text, range.start..end)
}

/// Bullets below the item, and what payment is made against.
fn evidence(flow: &Flow<'_>, range: &Range<usize>) -> Vec<Field> {
    let bullets: Vec<Range<usize>> = captures(&BULLET, &flow.text, range.clone())
        .iter()
        .filter_map(|capture| capture.get(0).map(|found| found.range()))
        .collect();
    static OTHER: Pattern = pattern!(
        r"(?i)^(?:trigger|amounts?|fees?|payments?|price|due(?:\s+date)?|target(?:\s+date)?|date|invoice)\b[^:]{0,20}:"
    );
    let mut fields: Vec<Field> = bullets
        .iter()
        .enumerate()
        .filter(|(_, bullet)| bullet.start > range.start)
        .filter(|(_, bullet)| !found(&OTHER, flow.slice(bullet.end..range.end)))
        .map(|(index, bullet)| {
            let end = bullets.get(index + 1).map_or(range.end, |next| next.start);
            let text = trimmed(&flow.text, bullet.end..end);
            let stop = flow.slice(text.clone()).find("\n\n").map_or(text.end, |at| text.start + at);
            Field::words(flow, shortened(flow, trimmed(&flow.text, text.start..stop), 400))
        })
        .collect();
    if fields.is_empty()
        && let Some(what) = capture(&AGAINST, &flow.text, range.clone())
            .and_then(|captured| captured.name("what").map(|what| what.range()))
    {
        fields.push(Field::words(flow, trimmed(&flow.text, what)));
    }
    fields
}

/// Several conditions of which the first or the last counts.
pub(crate) fn conditions(flow: &Flow<'_>, range: &Range<usize>) -> Field {
    let words = |pattern: &Pattern| {
        capture(pattern, &flow.text, range.clone()).and_then(|captured| captured.get(0).map(|found| found.range()))
    };
    match (words(&LATER), words(&EARLIER)) {
        (Some(range), _) => Field::read(flow, "last_of", range),
        (None, Some(range)) => Field::read(flow, "first_of", range),
        (None, None) => Field::default(),
    }
}
