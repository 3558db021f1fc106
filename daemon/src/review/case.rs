//! One thing that waits, with everything that a person decides by: the four legs beside each other with their records, the
//! clause, the evidence, what would be written, why on which date, and what has happened so far.

use std::sync::Arc;

use jiff::Timestamp;
use milestoned_mapping::contract::{Beside, Contract, IssuedDocument, event_in_words};
use milestoned_mapping::fact::{Event, Fact, Leg};
use serde_json::Value;

use super::item::Item;
use super::portfolio;
use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::actor::Actor;
use crate::store::audit::AuditLine;
use crate::store::pages::LegSource;
use crate::store::trace::TracedFact;

/// Lines of the trail that are looked through for what concerns a case.
const LINES: i64 = 500;

/// Everything about one thing that waits.
#[derive(Debug, Clone)]
pub struct Case {
    /// The thing itself.
    pub item: Arc<Item>,
    /// The milestone, or the whole contract, as the agreement and the legs have it.
    pub beside: Vec<Beside>,
    /// The records that the legs were read from.
    pub sources: Vec<Source>,
    /// The milestone's clause, field by field.
    pub clause: Vec<(String, String)>,
    /// What came in about the milestone: submissions, acceptances, evidence.
    pub evidence: Vec<Evidence>,
    /// What would be written, were it let go now.
    pub will_write: Vec<Writing>,
    /// Why documents are dated and due as they are.
    pub why: Vec<String>,
    /// What the milestone waits for.
    pub waits_for: Vec<String>,
    /// Lines of the audit trail that concern it, newest first.
    pub history: Vec<AuditLine>,
}

impl Case {
    /// Whether a record of a leg was read; the agreement is there.
    pub fn has_read(&self, leg: Leg) -> bool {
        leg == Leg::Agreement || self.sources.iter().any(|source| source.record.leg == leg)
    }
}

/// A record of a leg, and where people find it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The record.
    pub record: LegSource,
    /// The vendor's page of it.
    pub page: Option<String>,
}

/// Something that came in about a milestone.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// When it happened.
    pub at: Timestamp,
    /// What happened, in words.
    pub what: String,
    /// Link to the acceptance document.
    pub document: Option<String>,
    /// Who is behind it.
    pub actor: Actor,
    /// The record that it was read from: its version and its SHA-256.
    pub record: Option<LegSource>,
}

/// A document that would be written.
#[derive(Debug, Clone)]
pub struct Writing {
    /// The document.
    pub document: IssuedDocument,
    /// What the ERP holds now for the same milestone.
    pub there_now: String,
}

/// Gathers what a case needs.
///
/// # Errors
/// The store failed.
pub async fn case(env: &Environment, item: Arc<Item>, by: &str) -> Result<Case, StoreError> {
    let mut case = Case {
        item: Arc::clone(&item),
        beside: Vec::new(),
        sources: Vec::new(),
        clause: Vec::new(),
        evidence: Vec::new(),
        will_write: Vec::new(),
        why: Vec::new(),
        waits_for: Vec::new(),
        history: Vec::new(),
    };
    let Some(id) = item.contract.clone() else { return Ok(case) };
    let names = [item.subject.to_string()];
    case.history = history(env, Some(id.clone()), &names, &item.milestone, item.code.as_deref()).await?;
    let Some(row) = env.store.contract(id.clone()).await? else { return Ok(case) };
    let contract = portfolio::state(&row)?;
    let sources = env.store.leg_sources(id.clone()).await?;
    case.beside = match &item.milestone {
        Some(milestone) => [contract.milestone_beside(milestone), contract.frame_beside()].concat(),
        None => contract.frame_beside(),
    };
    // A row that no leg carries is left out, for the clause tells it; amounts always stand.
    case.beside.retain(|row| {
        let carried = [Leg::Crm, Leg::Psa, Leg::Erp].into_iter().any(|leg| row.of(leg).is_some());
        carried || row.what.ends_with("amount")
    });
    let Some(milestone) = item.milestone.clone() else {
        case.sources = with_pages(env, sources);
        return Ok(case);
    };
    let lineage = contract.lineage(&milestone);
    case.clause = contract.clause(&milestone);
    case.waits_for = contract.waits_for(&milestone);
    let facts = env.store.decided_facts(id).await?;
    case.evidence = evidence(&facts, &lineage, &sources);
    let after = contract.as_if_approved(&milestone, by, env.clock.now());
    case.will_write = after.as_ref().map(|after| would_write(&contract, after, &milestone)).unwrap_or_default();
    case.why = after.as_ref().unwrap_or(&contract).why(&milestone);
    let own = |source: &LegSource| source.milestone.as_ref().is_none_or(|id| lineage.contains(id));
    case.sources = with_pages(env, sources.into_iter().filter(own).collect());
    Ok(case)
}

/// What an approval would have written beyond what is written already.
pub fn would_write(now: &Contract, after: &Contract, milestone: &str) -> Vec<Writing> {
    let there = now.milestone_beside(milestone).into_iter().find(|row| row.what == "invoiced");
    let there_now = match there.as_ref().and_then(|row| row.of(Leg::Erp)) {
        Some("none") => "the ERP holds no invoice of this milestone".to_owned(),
        Some(held) => format!("the ERP holds {held}"),
        None => "the ERP has not been read for this contract yet".to_owned(),
    };
    let new = after.documents().iter().skip(now.documents().len());
    new.map(|document| Writing { document: document.clone(), there_now: there_now.clone() }).collect()
}

fn with_pages(env: &Environment, sources: Vec<LegSource>) -> Vec<Source> {
    let page = |source: &LegSource| env.registry.get(&source.system)?.connection.page_of(&source.object, &source.id);
    sources.into_iter().map(|record| Source { page: page(&record), record }).collect()
}

/// Lines of the trail that concern a thing, by any of its names, its milestone or its code; newest first.
pub(super) async fn history(
    env: &Environment,
    contract: Option<String>,
    names: &[String],
    milestone: &Option<String>,
    code: Option<&str>,
) -> Result<Vec<AuditLine>, StoreError> {
    let mut lines = env.store.audit(contract, LINES).await?;
    lines.retain(|line| concerns(line, names, milestone.as_deref(), code));
    lines.reverse();
    Ok(lines)
}

/// Whether a line of the trail is about this thing: it names it, its milestone or its code.
fn concerns(line: &AuditLine, names: &[String], milestone: Option<&str>, code: Option<&str>) -> bool {
    let words = |text: &str, word: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        text.split(|c: char| !is_part(c))
            .any(|name| name == word || name.strip_suffix(word).is_some_and(|rest| rest.ends_with('-')))
    };
    names.iter().any(|name| {
        !name.is_empty()
            && (line.subject == *name || line.detail.starts_with(&format!("{name}:")) || words(&line.detail, name))
    }) || code.is_some_and(|code| line.subject == code)
        || milestone.is_some_and(|id| words(&line.subject, id) || words(&line.detail, id))
}

fn evidence(facts: &[TracedFact], lineage: &[String], sources: &[LegSource]) -> Vec<Evidence> {
    let of_it = facts.iter().filter_map(|fact| {
        let read: Fact = serde_json::from_value(fact.fact.clone()).ok()?;
        let told = matches!(
            read.event,
            Event::Accepted { .. }
                | Event::Approved { .. }
                | Event::Evidence { .. }
                | Event::ExternalEvent { .. }
                | Event::Rejected { .. }
                | Event::Submitted { .. }
        );
        let concerns = read.event.milestone().is_some_and(|id| lineage.iter().any(|name| name == id));
        (told && concerns).then(|| Evidence {
            at: fact.at,
            what: event_in_words(&read.event),
            document: fact.fact.get("document").and_then(Value::as_str).map(Into::into),
            actor: fact.actor.clone(),
            record: fact.record.and_then(|row| sources.iter().find(|source| source.row == row).cloned()),
        })
    });
    of_it.collect()
}
