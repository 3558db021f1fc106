//! Contracts that a person has read beside what is proposed of them: rows, amounts, findings, and that nothing is made up.
//!
//! Those of `tests/own` were written for this test, in the ways of several countries and trades. Those of `tests/truth` are
//! other people's and not part of this repository: `MILESTONED_DOCUMENTS` names a folder that has them (`docs/documents.md`
//! says where they come from). Without it, only that is said.

use std::path::Path;

use milestoned_documents::block::{Format, folded};
use milestoned_documents::proposal::{Field, Milestone, Proposal};
use milestoned_documents::{Input, propose, reader};

use crate::rendered;
use crate::truth::{self, Row, Truth};

fn proposal(truth: &Truth, folder: &Path) -> Option<(Proposal, String)> {
    let (name, bytes) = rendered::file(&folder.join(&truth.document))?;
    let format = reader::format_of(&name).unwrap();
    let document = reader::read(&bytes, format).unwrap();
    let text = match format {
        Format::Docx | Format::Pdf | Format::Xlsx => rendered::text(&document),
        _ => folded(&String::from_utf8_lossy(&bytes)),
    };
    Some((propose(vec![Input::new(&name, &bytes, document)], None), text))
}

/// Every field that has a value.
fn fields(proposal: &Proposal) -> Vec<&Field> {
    let mut all = vec![
        &proposal.id,
        &proposal.customer,
        &proposal.supplier,
        &proposal.currency,
        &proposal.total,
        &proposal.signed_on,
        &proposal.payment_terms,
        &proposal.po_number,
        &proposal.acceptance.window,
        &proposal.acceptance.deemed,
        &proposal.acceptance.cure,
    ];
    let others = proposal.other_schedules.iter().flat_map(|one| &one.milestones);
    for row in proposal.milestones.iter().chain(others) {
        all.extend([
            &row.id,
            &row.name,
            &row.description,
            &row.amount,
            &row.percent,
            &row.due,
            &row.date,
            &row.trigger,
        ]);
        all.extend(&row.evidence);
    }
    all.retain(|field| field.value.is_some());
    all
}

/// Values whose quotes do not stand in the document word for word.
fn ungrounded(proposal: &Proposal, text: &str) -> Vec<String> {
    fields(proposal)
        .into_iter()
        .filter(|field| field.quotes.is_empty() || field.quotes.iter().any(|quote| !text.contains(&quote.text)))
        .map(|field| format!("{:?} {:?}", field.value, field.quotes))
        .collect()
}

fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is(row: &Row, proposed: &Milestone) -> bool {
    let shown = plain(&format!(
        "{} {}",
        proposed.name.value.as_deref().unwrap_or(""),
        proposed.description.value.as_deref().unwrap_or("")
    ));
    row.id == proposed.id.value && shown.contains(&plain(&row.name))
}

/// Amount and percent are those of the document, and there is none where it has none.
fn exact(row: &Row, proposed: &Milestone) -> bool {
    let per = row.per.is_none() || row.per == proposed.per;
    let missing = row.missing.as_ref().is_none_or(|missing| {
        let why = [&proposed.amount, &proposed.percent]
            .into_iter()
            .any(|field| serde_json::to_value(field.why).unwrap() == missing.as_str());
        why && proposed.amount.value.is_none() && proposed.percent.value.is_none()
    });
    row.amount == proposed.amount.value && row.percent == proposed.percent.value && per && missing
}

fn head(proposal: &Proposal, name: &str) -> Option<String> {
    let field = match name {
        "id" => &proposal.id,
        "customer" => &proposal.customer,
        "supplier" => &proposal.supplier,
        "currency" => &proposal.currency,
        "total" => &proposal.total,
        "signed_on" => &proposal.signed_on,
        "payment_terms" => &proposal.payment_terms,
        "window" => &proposal.acceptance.window,
        "deemed" => &proposal.acceptance.deemed,
        "decided_by" => &proposal.acceptance.decided_by,
        "retainage" => {
            let mut rules: Vec<String> = proposal
                .retainage
                .iter()
                .map(|rule| format!("{} {}", rule.what, rule.percent.value.as_deref().unwrap_or("?")))
                .collect();
            rules.dedup();
            return Some(rules.join(", "));
        }
        _ => return None,
    };
    field.value.clone()
}

/// What was read of some contracts.
#[derive(Default)]
struct Measured {
    documents: usize,
    rows: usize,
    found: usize,
    wrong: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "the table that docs/documents.md shows")]
fn measured(truths: &[Truth], folder: &Path) -> Measured {
    println!("| document | rows | found | exact | heads | findings | made up |\n|---|---|---|---|---|---|---|");
    let mut all = Measured::default();
    for truth in truths {
        let Some((proposal, text)) = proposal(truth, folder) else { continue };
        all.documents += 1;
        let found: Vec<(&Row, &Milestone)> = truth
            .rows
            .iter()
            .filter_map(|row| {
                let named = |proposed: &&Milestone| is(row, proposed);
                let same = |proposed: &&Milestone| proposed.name.value.as_ref() == Some(&row.name) && is(row, proposed);
                let rows = proposal.milestones.iter();
                Some((row, rows.clone().find(same).or_else(|| rows.clone().find(named))?))
            })
            .collect();
        let inexact: Vec<String> = found
            .iter()
            .filter(|(row, proposed)| !exact(row, proposed))
            .map(|(row, proposed)| {
                let read = (&proposed.amount.value, &proposed.percent.value, &proposed.per);
                format!("{}: {:?} is {read:?}", row.name, (&row.amount, &row.percent, &row.per))
            })
            .collect();
        let beside: Vec<&Milestone> = proposal.other_schedules.iter().flat_map(|one| &one.milestones).collect();
        let known = |row: &&Row| beside.iter().any(|proposed| is(row, proposed) && exact(row, proposed));
        let others: Vec<&Row> = truth.others.iter().filter(|row| !known(row)).collect();
        let exact = found.len() - inexact.len();
        let heads: Vec<String> = truth
            .heads
            .iter()
            .filter(|(name, value)| head(&proposal, name).as_deref() != Some(value))
            .map(|(name, value)| format!("{name}: {value} is {:?}", head(&proposal, name)))
            .collect();
        let named = |code: &String| proposal.findings.iter().any(|one| one.code == *code);
        let missed: Vec<&String> = truth.findings.iter().filter(|code| !named(code)).collect();
        let alarms: Vec<&String> = truth.silent.iter().filter(|code| named(code)).collect();
        let extra = proposal.milestones.len().saturating_sub(found.len());
        let made_up = ungrounded(&proposal, &text);
        println!(
            "| {} | {} | {} | {exact} | {}/{} | {}/{} | {} |",
            truth.document.chars().take(34).collect::<String>(),
            truth.rows.len(),
            found.len(),
            truth.heads.len() - heads.len(),
            truth.heads.len(),
            truth.findings.len() - missed.len(),
            truth.findings.len(),
            made_up.len() + extra,
        );
        all.rows += truth.rows.len();
        all.found += found.len();
        for problem in [
            (!inexact.is_empty()).then(|| format!("rows are not exact: {inexact:#?}")),
            (found.len() < truth.rows.len()).then(|| {
                let read = |row: &Milestone| (row.id.value.clone(), row.name.value.clone(), row.amount.value.clone());
                format!("rows are missing; read {:#?}", proposal.milestones.iter().map(read).collect::<Vec<_>>())
            }),
            (!others.is_empty()).then(|| format!("rows of other schedules are missing: {others:#?}")),
            (!missed.is_empty()).then(|| format!("findings missed: {missed:?}")),
            (!alarms.is_empty()).then(|| format!("findings that a person does not make: {alarms:?}")),
            (!made_up.is_empty()).then(|| format!("not in the document: {made_up:#?}")),
            (extra > 0).then(|| format!("{extra} rows that a person does not find")),
            (!heads.is_empty()).then(|| format!("heads: {heads:?}")),
        ] {
            all.wrong.extend(problem.map(|problem| format!("{}: {problem}", truth.document)));
        }
    }
    println!("{} of {} rows found", all.found, all.rows);
    all
}

#[test]
fn documents_in_the_ways_of_several_countries_are_read_as_a_person_reads_them() {
    let (truths, folder) = truth::own();
    let all = measured(&truths, &folder);
    // Only those that chromium prints may be missing, where there is no chromium.
    let printed = truths.iter().filter(|truth| truth.document.ends_with(".html")).count();
    assert!(all.documents == truths.len() || all.documents == truths.len() - printed);
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
    assert_eq!(all.found, all.rows);
}

#[test]
fn what_a_person_finds_is_proposed_and_nothing_is_made_up() {
    let all = truth::folder().map(|folder| measured(&truth::all(), &folder)).unwrap_or_default();
    if all.documents == 0 {
        assert!(
            std::env::var_os("MILESTONED_REQUIRE_DOCUMENTS").is_none(),
            "MILESTONED_DOCUMENTS names no such folder"
        );
        return println!("the contracts are not here: see docs/documents.md");
    }
    assert!(all.found * 100 >= all.rows * 95, "{} of {} rows found", all.found, all.rows);
    assert!(all.wrong.is_empty(), "{:#?}", all.wrong);
}
