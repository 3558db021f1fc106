//! Payment terms: how long after what an invoice is due.

use core::ops::Range;

use crate::flow::Flow;
use crate::proposal::{Field, Why};
use crate::value::period::{self, Days};
use crate::value::{Pattern, captures, found, pattern};

/// One statement of payment terms.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) field: Field,
    pub(crate) range: Range<usize>,
    score: i32,
}

static NET: Pattern = pattern!(r"(?i)\bnet[\s-]+(?P<days>\d{1,3})\b(?:\s*days)?");
static ON_RECEIPT: Pattern =
    pattern!(r"(?i)\b(?:due|payable)\s+(?:immediately\s+)?(?:up)?on\s+(?:receipt|presentation)\b");
static INVOICE: Pattern = pattern!(r"(?i)\b(?:invoices?|invoiced|billing|bill|statement)\b");
static PAYS: Pattern = pattern!(r"(?i)\b(?:pays?|paid|payable|payments?|due|remit\w*)\b");
static DISPUTE: Pattern = pattern!(
    r"(?i)\b(?:dispute[sd]?\s+(?:in|within|amounts?\s+(?:in|shall))|interest|late|suspend|terminat\w*|cure|breach|default|reject|notify|fails?\s+to\s+pay|failure|expenses|refund|variation)\b"
);
static PAYMENTS: Pattern = pattern!(r"(?i)\bpayments?\s+(?:shall\s+be|will\s+be|is|are)\s+(?:due|made|remitted)\b");
/// Payment for something beside the schedule.
static EXTRA: Pattern = pattern!(
    r"(?i)\b(?:consumable|agrees\s+to\s+buy|reimburs\w*|variation\s+orders?|surplus|change\s+orders?|insurance)\b"
);
static FORMER: Pattern =
    pattern!(r"(?i)\b(?:parent|notwithstanding|continue\s+to\s+apply|prior\s+to|previously|original)\b");

/// Every statement of payment terms, the likeliest first.
pub(crate) fn stated(flow: &Flow<'_>) -> Vec<Terms> {
    let whole = 0..flow.text.len();
    let mut all = Vec::new();
    for net in captures(&NET, &flow.text, whole.clone()) {
        let (Some(range), Some(days)) = (net.get(0).map(|found| found.range()), net.name("days")) else { continue };
        let score = 10 + context(flow, &range);
        all.push(Terms { field: Field::read(flow, format!("net {}", days.as_str()), range.clone()), range, score });
    }
    for capture in captures(&ON_RECEIPT, &flow.text, whole.clone()) {
        let Some(range) = capture.get(0).map(|found| found.range()) else { continue };
        let score = 4 + context(flow, &range);
        all.push(Terms { field: Field::read(flow, "due on receipt", range.clone()), range, score });
    }
    for period in period::all(&flow.text, whole) {
        let sentence = super::sentence(flow, period.range.clone());
        let text = flow.slice(sentence);
        let tail = flow.slice(flow.after(period.range.end, 90));
        let from_invoice = found(&INVOICE, tail);
        let transfer = found(&PAYMENTS, text);
        if !(found(&INVOICE, text) && found(&PAYS, text) || transfer) {
            continue;
        }
        let mut score = if transfer { 9 } else { 6 } + context(flow, &period.range) + if from_invoice { 4 } else { -4 };
        if found(&EXTRA, text) {
            score -= 12;
        }
        // "Contractor submits an invoice within 5 days" is not when it is paid; "… and Client pays it within 30 days" is.
        static SUBMITS: Pattern = pattern!(r"(?i)\bsubmit");
        static PAY: Pattern = pattern!(r"(?i)\bpays?\b|\bpayable\b|\bpaid\b");
        let submits = found(&SUBMITS, text) && !found(&PAY, flow.slice(flow.before(period.range.start, 80)));
        if found(&DISPUTE, text) || submits {
            score -= 7;
        }
        let field = match (period.count, period.days) {
            (Some(count), Days::Calendar) => Field::read(flow, format!("net {count}"), period.range.clone()),
            (Some(count), Days::Business) => Field::read(flow, format!("{count} business days"), period.range.clone()),
            (None, _) => Field::empty(flow, Why::Redacted, period.range.clone()),
        };
        all.push(Terms { field, range: period.range, score });
    }
    all.retain(|terms| terms.score > 3);
    all.sort_by_key(|terms| (-terms.score, terms.range.start));
    all
}

/// A clause on payment speaks for it, words on another agreement against it.
fn context(flow: &Flow<'_>, range: &Range<usize>) -> i32 {
    let before = flow.slice(flow.before(range.start, 200));
    let mut score = 0;
    if found(&INVOICE, before) {
        score += 2;
    }
    if before.to_lowercase().contains("payment terms") {
        score += 2;
    }
    let near = flow.slice(flow.before(range.start, 70).start..flow.after(range.end, 70).end);
    if found(&FORMER, near) {
        score -= 6;
    }
    score
}
