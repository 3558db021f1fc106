//! From blocks to a proposal.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::block::Document;
use crate::check;
use crate::clause::{acceptance, parties, payment, price, reference, retainage};
use crate::flow::Flow;
use crate::model::{self, Exchange};
use crate::proposal::{FileRead, OtherSchedule, Proposal};
use crate::schedule;
use crate::value::number::DecimalMark;

/// Version of the reader; it stands in every proposal, so that one that was made by another can be told.
pub const READER: &str = concat!("milestoned-documents ", env!("CARGO_PKG_VERSION"));

/// A file as it was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Input {
    /// What is said of it in the proposal.
    pub file: FileRead,
    /// Its blocks.
    pub document: Document,
}

impl Input {
    /// A file with its bytes' hash.
    #[must_use]
    pub fn new(name: &str, bytes: &[u8], document: Document) -> Self {
        let file = FileRead {
            name: name.to_owned(),
            sha256: sha256(bytes),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            format: document.format,
            pages: document.pages,
        };
        Self { file, document }
    }
}

/// SHA-256 of a file's bytes, in hexadecimal: the name of a document.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Reads the files as one contract: the first is the agreement, the others its exhibits. `model` is what a model
/// answered to [`crate::model::prompt`] of the same files.
#[must_use]
pub fn propose(inputs: Vec<Input>, model: Option<Exchange>) -> Proposal {
    let (files, documents): (Vec<FileRead>, Vec<Document>) =
        inputs.into_iter().map(|input| (input.file, input.document)).unzip();
    let flow = Flow::of(&documents);
    let mark = DecimalMark::of(&flow.text);
    let schedules = schedule::all(&flow, mark);
    let parts = schedule::parts(&flow, mark);
    let prices = price::stated(&flow, mark);
    let terms = payment::stated(&flow);
    let (mut total, cap) = price::total(&flow, &prices);
    let first = schedules.first();
    // A schedule's own total is the price where no clause states one.
    if total.value.is_none()
        && total.quotes.is_empty()
        && let Some(sum) = first.and_then(|schedule| schedule.totals.iter().rev().find(|total| !total.partial))
    {
        total = sum.amount.clone();
    }
    let units: Vec<_> = prices
        .iter()
        .filter(|price| price.likely())
        .take(1)
        .filter_map(|price| price.money.unit.map(|unit| (unit, price.money.range.clone())))
        .chain(first.and_then(|schedule| schedule.unit.clone()))
        .collect();
    let (customer, supplier) = parties::read(&flow);
    let mut proposal = Proposal {
        reader: READER.into(),
        findings: Vec::new(),
        id: reference::number(&flow),
        customer,
        supplier,
        currency: price::currency(&flow, &units),
        total,
        cap,
        signed_on: reference::signed(&flow),
        payment_terms: terms.first().map(|term| term.field.clone()).unwrap_or_default(),
        po_number: reference::purchase_order(&flow),
        acceptance: acceptance::read(&flow),
        retainage: retainage::read(&flow),
        amends: reference::amends(&flow),
        milestones: first.map(|schedule| schedule.rows.clone()).unwrap_or_default(),
        other_schedules: schedules
            .iter()
            .skip(1)
            .map(|schedule| OtherSchedule {
                place: flow.place(schedule.range.clone()),
                milestones: schedule.rows.clone(),
            })
            .collect(),
        changes: Vec::new(),
        amended_contract: None,
        model: None,
        files,
    };
    let read = check::Read { flow: &flow, mark, schedules: &schedules, parts: &parts, prices: &prices, terms: &terms };
    let mut findings: Vec<_> = proposal
        .files
        .iter()
        .zip(&documents)
        .flat_map(|(file, document)| check::remarks(&file.name, &document.remarks))
        .collect();
    findings.extend(check::all(&read, &proposal));
    proposal.findings = findings;
    if let Some(exchange) = model {
        model::apply(&mut proposal, &flow, mark, exchange);
    }
    proposal.findings.sort_by_key(|finding| finding.gravity);
    proposal
}
