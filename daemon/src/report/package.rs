//! A package for an auditor: everything about the documents and journal entries of a period, of some contracts or of all, as JSON
//! lines, CSV and one page that any browser shows, with a manifest of hashes that the house's key signs. It is read without us.

use std::collections::BTreeSet;

use askama::Template;
use jiff::Timestamp;
use jiff::civil::Date;
use milestoned_mapping::contract::event_in_words;
use milestoned_mapping::fact::Fact;
use milestoned_mapping::money::grouped;
use milestoned_mapping::problem::Problem;
use milestoned_workbook::cell::Cell;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::export::List;
use crate::environment::Environment;
use crate::review::portfolio::DocumentLine;
use crate::review::trail::{self, Trail};
use crate::store::StoreError;
use crate::store::audit::AuditLine;

/// Lines of the trail that are read at once.
const LINES: i64 = 1_000;

/// What a package is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The first date.
    pub from: Date,
    /// The last date.
    pub through: Date,
    /// Ids of contracts; of all where it is empty.
    pub contracts: BTreeSet<String>,
}

impl Asked {
    /// What is asked for a period.
    ///
    /// # Errors
    /// The period ends before it begins: a signed package of nothing would look like one of a quiet period.
    pub fn of(from: Date, through: Date, contracts: BTreeSet<String>) -> Result<Self, Problem> {
        if through < from {
            let reason = format!("{through} lies before {from}");
            return Err(Problem::new("through", reason, "write the first date as from, the last one as through"));
        }
        Ok(Self { from, through, contracts })
    }

    fn holds(&self, contract: &str) -> bool {
        self.contracts.is_empty() || self.contracts.contains(contract)
    }

    fn spans(&self, date: Date) -> bool {
        (self.from..=self.through).contains(&date)
    }
}

/// One file of a package.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// A package as a whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Package {
    /// Its files; the manifest and the sums are not among them.
    pub files: Vec<File>,
    /// What it is about, the head of the audit trail, and name, size and SHA-256 of each file: JSON, this text is signed.
    pub manifest: String,
    /// The house's public key, Ed25519, hex.
    pub public_key: String,
    /// The signature of the manifest, hex.
    pub signature: String,
}

/// Name, size and SHA-256 of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// The file's name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

impl Sum {
    /// Of a file's bytes.
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name: name.into(), bytes: bytes.len(), sha256 }
    }
}

#[derive(Template)]
#[template(path = "package.html")]
struct Page<'a> {
    asked: &'a Asked,
    at: Timestamp,
    trails: &'a [Trail],
    documents: &'a [DocumentLine],
}

/// The package of a period. `None`: this machine cannot sign.
///
/// # Errors
/// The store failed, or a file cannot be written.
pub async fn package(env: &Environment, asked: &Asked) -> anyhow::Result<Option<Package>> {
    let files = files(env, asked).await?;
    let sums: Vec<Sum> = files.iter().map(|file| Sum::of(&file.name, file.text.as_bytes())).collect();
    let signed = manifest(env, asked, &sums).await?;
    Ok(signed.map(|(manifest, public_key, signature)| Package { files, manifest, public_key, signature }))
}

/// The manifest over files, with key and signature. What of the database is not as it was written stands in it: the house's key
/// vouches for no figures that somebody put there. `None`: this machine cannot sign.
///
/// # Errors
/// The store failed.
pub async fn manifest(
    env: &Environment,
    asked: &Asked,
    sums: &[Sum],
) -> Result<Option<(String, String, String)>, StoreError> {
    let (head, verdict) = (env.store.audit_head().await?, env.store.verify_audit(Vec::new()).await?);
    let broken = verdict.broken.iter().map(ToString::to_string);
    let differences: Vec<String> = broken.chain(verdict.findings.iter().map(ToString::to_string)).collect();
    let text = json!({ "format": "milestoned package 1", "about": asked, "made_at": env.clock.now(), "head": head,
        "differences": differences, "files": sums });
    let text = text.to_string();
    Ok(env.key.sign(&text).map(|(public_key, signature)| (text, public_key, signature)))
}

/// The files of a package.
///
/// # Errors
/// The store failed, or one cannot be written.
pub async fn files(env: &Environment, asked: &Asked) -> anyhow::Result<Vec<File>> {
    let documents = env.store.documents(None).await?.into_iter();
    let documents: Vec<DocumentLine> = documents
        .filter(|document| asked.holds(&document.contract) && asked.spans(document.date))
        .map(DocumentLine::from)
        .collect();
    let mut names: Vec<String> = documents.iter().map(|line| line.document.number.clone()).collect();
    let (mut entries, mut facts) = (list("journal", &ENTRIES), list("facts", &FACTS));
    for row in env.store.contracts().await?.into_iter().filter(|row| asked.holds(&row.id)) {
        for entry in
            env.store.journal_entries(row.id.clone()).await?.into_iter().filter(|entry| asked.spans(entry.date))
        {
            entries.rows.extend(entry.lines.iter().map(|line| {
                let amount = Cell::Amount(line.amount.to_string());
                let (side, currency) = (format!("{:?}", line.side).to_lowercase(), line.amount.currency());
                let texts =
                    [entry.number.clone(), row.id.clone(), entry.date.to_string(), line.account.name().into(), side];
                texts
                    .into_iter()
                    .map(Cell::Text)
                    .chain([amount, Cell::text(currency), Cell::text(&entry.memo)])
                    .collect()
            }));
            names.push(entry.number);
        }
        let zone = crate::review::portfolio::state(&row)?;
        for traced in env.store.decided_facts(row.id.clone()).await? {
            let date = traced.effective_at.map(|at| zone.terms().local_date(at));
            let Ok(fact) = serde_json::from_value::<Fact>(traced.fact.clone()) else { continue };
            if date.is_some_and(|date| asked.spans(date)) {
                let (date, told) = (date.map(|date| date.to_string()).unwrap_or_default(), event_in_words(&fact.event));
                let texts = [
                    row.id.clone(),
                    date,
                    traced.at.to_string(),
                    traced.actor.to_string(),
                    fact.event.kind().into(),
                    told,
                ];
                facts.rows.push(texts.into_iter().map(Cell::Text).collect());
            }
        }
    }
    let mut trails = Vec::with_capacity(names.len());
    for name in &names {
        trails.extend(trail::trail(env, name).await?.map(|(told, _)| told));
    }
    let lines = audit_lines(env, asked).await?;
    let page = Page { asked, at: env.clock.now(), trails: &trails, documents: &documents }.render()?;
    let file = |name: &str, text: String| File { name: name.into(), text };
    Ok(vec![
        file("index.html", page),
        file("documents.csv", csv(&billed(&documents))?),
        file("journal.csv", csv(&entries)?),
        file("facts.csv", csv(&facts)?),
        file("audit.csv", csv(&told(&lines))?),
        file("audit.jsonl", json_lines(&lines)?),
        file("trails.jsonl", json_lines(&trails)?),
    ])
}

const DOCUMENTS: [&str; 10] =
    ["Number", "Contract", "Kind", "Milestone", "Date", "Due", "Amount", "Currency", "ERP", "Standing"];
const ENTRIES: [&str; 8] = ["Number", "Contract", "Date", "Account", "Side", "Amount", "Currency", "Memo"];
const FACTS: [&str; 6] = ["Contract", "Date", "At (UTC)", "Who", "Type", "What"];
const AUDIT: [&str; 7] = ["Line", "At (UTC)", "Who", "What", "Contract", "Subject", "Detail"];

fn list(name: &'static str, columns: &[&str]) -> List {
    List::new(name, columns, String::new())
}

fn billed(documents: &[DocumentLine]) -> List {
    let row = |line: &DocumentLine| -> Vec<Cell> {
        let document = &line.document;
        let texts = [
            document.number.clone(),
            document.contract.clone(),
            document.kind.name().into(),
            document.milestone.clone(),
            document.date.to_string(),
            document.due_on.to_string(),
        ];
        let rest = [
            Cell::Amount(document.amount.to_string()),
            Cell::text(document.currency),
            Cell::text(&document.target),
            Cell::text(line.standing),
        ];
        texts.into_iter().map(Cell::Text).chain(rest).collect()
    };
    List { rows: documents.iter().map(row).collect(), ..list("documents", &DOCUMENTS) }
}

fn told(lines: &[AuditLine]) -> List {
    let row = |line: &AuditLine| -> Vec<Cell> {
        let contract = line.contract.clone().unwrap_or_default();
        let texts = [
            line.at.clone(),
            line.actor.clone(),
            line.action.clone(),
            contract,
            line.subject.clone(),
            line.detail.clone(),
        ];
        std::iter::once(Cell::Count(line.seq)).chain(texts.into_iter().map(Cell::Text)).collect()
    };
    List { rows: lines.iter().map(row).collect(), ..list("audit", &AUDIT) }
}

/// Lines of the trail about the contracts, of the dates of the period in UTC; of all contracts also those that are about none.
async fn audit_lines(env: &Environment, asked: &Asked) -> Result<Vec<AuditLine>, StoreError> {
    let (first, last) = (asked.from.to_string(), asked.through.to_string());
    let within = |line: &AuditLine| {
        let date = line.at.get(..first.len()).unwrap_or_default();
        let meant = line.contract.as_ref().map_or(asked.contracts.is_empty(), |id| asked.holds(id));
        meant && date >= first.as_str() && date <= last.as_str()
    };
    let (mut kept, mut before) = (Vec::new(), None);
    loop {
        let some = env.store.audit_before(None, before, LINES).await?;
        let Some(oldest) = some.first().map(|line| (line.seq, line.at.clone())) else { break };
        before = Some(oldest.0);
        kept.extend(some.into_iter().rev().filter(|line| within(line)));
        if oldest.1.get(..first.len()).unwrap_or_default() < first.as_str() {
            break;
        }
    }
    kept.reverse();
    Ok(kept)
}

fn csv(list: &List) -> anyhow::Result<String> {
    Ok(String::from_utf8(list.csv().map_err(|reason| anyhow::anyhow!("{}: {reason}", list.name))?)?)
}

fn json_lines<T: Serialize>(items: &[T]) -> anyhow::Result<String> {
    let mut text = String::new();
    for item in items {
        text.push_str(&serde_json::to_string(item)?);
        text.push('\n');
    }
    Ok(text)
}
