//! A language model, where one is asked: it proposes quotes and names of fields; this code finds each quote and reads the
//! value itself. What does not stand in the document word for word is dropped and counted.

use core::ops::Range;

use serde::{Deserialize, Serialize};

use crate::flow::Flow;
use crate::proposal::{Field, Finding, Gravity, Proposal};
use crate::propose::Input;
use crate::value::date;
use crate::value::money;
use crate::value::number::DecimalMark;

/// Longest text that is sent, in bytes.
const TEXT_LIMIT: usize = 200_000;

/// What was asked and answered; it is kept with the proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Name of the model.
    pub model: String,
    /// What was sent.
    pub prompt: String,
    /// What came back, as it came.
    pub answer: String,
    /// So many quotes were proposed.
    #[serde(default)]
    pub proposed: usize,
    /// So many filled a field that was empty.
    #[serde(default)]
    pub taken: usize,
    /// So many do not stand in the document, or hold no such value.
    #[serde(default)]
    pub dropped: usize,
}

/// One proposal of the model.
#[derive(Debug, Deserialize)]
struct Suggestion {
    field: String,
    quote: String,
}

/// What is sent for these files: the task, and the text.
#[must_use]
pub fn prompt(inputs: &[Input]) -> String {
    let documents: Vec<_> = inputs.iter().map(|input| input.document.clone()).collect();
    let flow = Flow::of(&documents);
    let text = flow.slice(0..flow.floor(TEXT_LIMIT));
    format!(
        "Below is a contract. For each of the fields id, customer, supplier, total, signed_on, payment_terms and po_number \
         that it states, quote the shortest passage that states it, word for word. Answer with a JSON list of objects with \
         \"field\" and \"quote\" and nothing else. Leave out what it does not state.\n\n{text}"
    )
}

/// Takes what an answer proposes for fields that are empty; what differs from a field that is not becomes a finding.
pub(crate) fn apply(proposal: &mut Proposal, flow: &Flow<'_>, mark: DecimalMark, mut exchange: Exchange) {
    let json =
        exchange.answer.find('[').zip(exchange.answer.rfind(']')).and_then(|(from, to)| exchange.answer.get(from..=to));
    let suggestions: Vec<Suggestion> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    exchange.proposed = suggestions.len();
    for suggestion in suggestions {
        let read = locate(flow, &suggestion.quote).and_then(|range| value(flow, &suggestion.field, range, mark));
        let (Some(field), Some(slot)) = (read, slot(proposal, &suggestion.field)) else {
            exchange.dropped += 1;
            continue;
        };
        if slot.value.is_none() && slot.quotes.is_empty() {
            *slot = field;
            exchange.taken += 1;
        } else if slot.value != field.value {
            let message = format!(
                "{}: the model proposes {}, the reader {}",
                suggestion.field,
                field.value.as_deref().unwrap_or("nothing"),
                slot.value.as_deref().unwrap_or("nothing")
            );
            let quotes = slot.quotes.iter().chain(&field.quotes).cloned().collect();
            proposal.findings.push(Finding {
                code: "model_differs".into(),
                gravity: Gravity::Warning,
                message,
                quotes,
            });
        }
    }
    proposal.model = Some(exchange);
}

fn slot<'p>(proposal: &'p mut Proposal, field: &str) -> Option<&'p mut Field> {
    Some(match field {
        "id" => &mut proposal.id,
        "customer" => &mut proposal.customer,
        "supplier" => &mut proposal.supplier,
        "total" => &mut proposal.total,
        "signed_on" => &mut proposal.signed_on,
        "payment_terms" => &mut proposal.payment_terms,
        "po_number" => &mut proposal.po_number,
        _ => return None,
    })
}

/// The value that a quote holds, read by this code.
fn value(flow: &Flow<'_>, field: &str, range: Range<usize>, mark: DecimalMark) -> Option<Field> {
    match field {
        "total" => {
            let sum = money::all(&flow.text, range, mark).into_iter().find(|amount| amount.per.is_none())?;
            Some(Field::read(flow, crate::clause::price::two_decimals(sum.amount.ok()?), sum.range))
        }
        "signed_on" => {
            let written = date::all(&flow.text, range).into_iter().next()?;
            Some(Field::read(flow, written.when.text()?, written.range))
        }
        "payment_terms" => crate::clause::payment::stated(flow)
            .into_iter()
            .find(|terms| terms.range.start >= range.start && terms.range.end <= range.end)
            .map(|terms| terms.field),
        "id" | "customer" | "supplier" | "po_number" if range.len() < 200 => Some(Field::words(flow, range)),
        _ => None,
    }
}

/// Where a quote stands: word for word but for white space, else but for capitals too.
fn locate(flow: &Flow<'_>, quote: &str) -> Option<Range<usize>> {
    let wanted = crate::block::folded(quote);
    if wanted.len() < 2 {
        return None;
    }
    let mut folded = String::with_capacity(flow.text.len());
    let mut at: Vec<usize> = Vec::with_capacity(flow.text.len());
    for (index, c) in flow.text.char_indices() {
        if c.is_whitespace() {
            if folded.ends_with(' ') {
                continue;
            }
            folded.push(' ');
            at.push(index);
        } else {
            folded.push(c);
            at.extend(core::iter::repeat_n(index, c.len_utf8()));
        }
    }
    let found = folded.find(&wanted).or_else(|| folded.to_ascii_lowercase().find(&wanted.to_ascii_lowercase()))?;
    let last = *at.get(found + wanted.len() - 1)?;
    let end = last + flow.text.get(last..)?.chars().next().map_or(1, char::len_utf8);
    Some(*at.get(found)?..end)
}
