//! What the demo shows: tables for people, JSON for machines. The JSON holds nothing that differs from run to run.

use std::collections::BTreeMap;

use serde_json::json;

use super::portfolio::Sample;
use super::proof::{ERPS, Proof};
use super::world::World;
use crate::cli::contract::summaries as contract_table;
use crate::cli::table::{amount, count, state, titled};
use crate::review::portfolio::{Remedied, Summary};
use milestoned_mapping::contract::Severity;
use milestoned_mapping::money::Currency;

/// The outcome for machines.
pub(super) fn json(
    samples: &[Sample],
    proof: &Proof,
    contracts: &[Summary],
    exceptions: &[Remedied],
) -> anyhow::Result<String> {
    let titles: BTreeMap<&str, &str> = samples.iter().map(|sample| (sample.id(), sample.title.as_str())).collect();
    Ok(serde_json::to_string_pretty(&json!({
        "erps": proof.erps, "tie_out": proof.ties, "contracts": contracts, "titles": titles, "exceptions": exceptions, "differences": proof.differences,
    }))?)
}

/// The outcome for people.
pub(super) fn tables(samples: &[Sample], proof: &Proof, contracts: &[Summary], exceptions: &[Remedied]) -> String {
    let mut out = vec![
        "Contracts at the end of the year".to_owned(),
        contract_table(contracts),
        String::new(),
        "Documents in the ERPs".to_owned(),
        documents(proof),
        String::new(),
        "Open exceptions by code".to_owned(),
        by_code(exceptions),
        String::new(),
        "What each contract shows".to_owned(),
    ];
    let mut shows = titled(&["Contract", "Shows"]);
    for sample in samples {
        shows.add_row(vec![sample.id(), &sample.title]);
    }
    out.push(shows.to_string());
    let documents: usize = proof.erps.values().map(|erp| erp.documents.len()).sum();
    if proof.differences.is_empty() {
        out.push(format!(
            "\nThe simulated ERPs hold exactly what the rules say: {documents} documents, no difference."
        ));
    }
    out.join("\n")
}

fn documents(proof: &Proof) -> String {
    let mut table = titled(&["ERP", "Kind", "Currency", "Held", "Sum held", "Own book", "Sum in own book"]);
    for erp in ERPS {
        let Some(book) = proof.erps.get(erp) else { continue };
        for (kind, held) in &book.held {
            let own = book.own.get(kind).cloned().unwrap_or_default();
            let (word, currency) = kind.split_once(' ').unwrap_or((kind, ""));
            table.add_row(vec![
                erp.into(),
                word.replace('_', " ").into(),
                currency.into(),
                count(held.count),
                amount(&digits(&held.sum, currency)),
                count(own.count),
                amount(&digits(&own.sum, currency)),
            ]);
        }
    }
    table.to_string()
}

/// A sum with all digits of its currency.
fn digits(sum: &str, currency: &str) -> String {
    let known: Option<Currency> = currency.parse().ok();
    let money = known.zip(sum.parse().ok()).and_then(|(currency, sum)| currency.from_decimal(sum));
    money.map_or_else(|| sum.to_owned(), |money| money.to_string())
}

fn by_code(exceptions: &[Remedied]) -> String {
    let mut codes: BTreeMap<(Severity, &str), (Vec<&str>, &str)> = BTreeMap::new();
    for exception in exceptions {
        let key = (exception.exception.severity, exception.exception.code.as_str());
        codes.entry(key).or_insert((Vec::new(), exception.remedy)).0.push(&exception.exception.contract);
    }
    let mut table = titled(&["Severity", "Exception", "Open", "Contracts", "What to do"]);
    for ((severity, code), (contracts, remedy)) in codes {
        let open = contracts.len();
        let mut contracts = contracts;
        contracts.dedup();
        table.add_row(vec![
            state(&severity.to_string()),
            code.into(),
            count(open),
            contracts.join(", ").into(),
            remedy.into(),
        ]);
    }
    table.to_string()
}

/// How much was asked of each simulator.
pub(super) fn traffic(world: &World) -> String {
    let parts: Vec<String> = ["salesforce", "jira", "netsuite", "quickbooks"]
        .iter()
        .map(|system| format!("{system} {}", world.simulators.faults.requests(system).values().sum::<u64>()))
        .collect();
    format!("requests: {}", parts.join(", "))
}
