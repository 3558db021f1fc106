//! What clauses say beside the schedule: parties, numbers, dates, price, payment terms, acceptance, retainage, amendment.

pub(crate) mod acceptance;
pub(crate) mod parties;
pub(crate) mod payment;
pub(crate) mod price;
pub(crate) mod reference;
pub(crate) mod retainage;

use core::ops::Range;

use crate::flow::Flow;

/// The sentence around a place: from the last full stop, empty line or item before it to the next one after it.
pub(crate) fn sentence(flow: &Flow<'_>, at: Range<usize>) -> Range<usize> {
    let head = flow.before(at.start, 700);
    let text = flow.slice(head.clone());
    let start = [". ", ".\n", "; ", ";\n", "\n\n", ": \n"]
        .into_iter()
        .filter_map(|stop| text.rfind(stop).map(|found| found + stop.len()))
        .max()
        .map_or(head.start, |found| head.start + found);
    let tail = flow.after(at.end, 700);
    let text = flow.slice(tail.clone());
    let end = [". ", ".\n", "; ", ";\n", "\n\n"]
        .into_iter()
        .filter_map(|stop| text.find(stop).map(|found| found + usize::from(!stop.starts_with('\n'))))
        .min()
        .map_or(tail.end, |found| tail.start + found);
    crate::block::trimmed(&flow.text, start..end)
}
