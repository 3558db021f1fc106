//! The engine: takes what is due about one contract, lets the core decide, and lands the decision.
//!
//! Facts of one contract are decided one after another, in order of their time; a fact never takes effect before what
//! was decided already. Time passes a midnight only when the project tools have been read past it: silence counts as
//! acceptance only where somebody listened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use milestoned_identity::people::People;
use milestoned_mapping::contract::{Approval, Contract, event_in_words};
use milestoned_mapping::fact::{DecimalText, Event, Fact, Leg, LegRecord, Observation, ReviewDecision};
use milestoned_mapping::legs::{assemble_crm, assemble_erp, assemble_psa, deferred_difference};
use milestoned_mapping::postings::{self, Addresses, Planned};
use milestoned_mapping::terms::Terms;

use crate::agreements::{Addressee, OwnApprovals, customer_brought};
use crate::drift;
use crate::environment::Environment;
use crate::failpoint;
use crate::registry::{Connection, Registry};
use crate::settings::Approvals;
use crate::store::action::Action;
use crate::store::actor::Actor;
use crate::store::audit::Entry;
use crate::store::contracts::{DecidedFact, ExceptionRow, IssuedRow, Landing, NewEvent, PendingFact, Work};
use crate::store::customers::Whose;
use crate::store::fast_path::{Batch, Decide};
use crate::store::hands::hands_in;
use crate::store::pauses::Scope;
use crate::store::trace::subject_of;
use crate::store::views::Billed;
use crate::store::{StoreError, parse};
use crate::wake::WakeUp;

/// The smallest difference of two instants that the store tells apart.
const STEP: SignedDuration = SignedDuration::from_micros(1);
/// Contracts decided about in one transaction.
const TOGETHER: usize = 128;

/// Decides about every contract that is due and `mine`. Returns whether a decision landed.
///
/// # Errors
/// The store failed.
pub async fn turn(env: &Environment, mine: impl Fn(&str) -> bool) -> Result<bool, StoreError> {
    let now = env.clock.now();
    let read_through = read_through(env, now).await?;
    let context = Context::of(env, now, read_through);
    let due: Vec<String> = env.store.contracts_due(now).await?.into_iter().filter(|id| mine(id)).collect();
    let (mut moved, mut failed) = (false, Failed::new());
    for ids in due.chunks(TOGETHER) {
        let mut landings = Vec::with_capacity(ids.len());
        for mut work in works(env, ids.to_vec(), &mut failed).await? {
            refuse_unattested(env, &mut work, now).await?;
            match decide(&work, &context, &BTreeSet::new()) {
                Ok(decided) => {
                    if decided.bills_below_review {
                        // Decisions of this turn that came before count towards the sum over the customer: they are
                        // landed first.
                        land(env, std::mem::take(&mut landings), now, &mut failed).await?;
                    }
                    let decided = with_sums(env, &work, &context, decided).await?;
                    moved |= decided.moves;
                    if decided.moves || decided.clears {
                        landings.push(decided.landing);
                    }
                }
                Err(error) => alone(&work.row.id, error, &mut failed)?,
            }
        }
        land(env, landings, now, &mut failed).await?;
    }
    tell_failed(env, &due, failed, now).await?;
    Ok(moved)
}

/// Contracts about which no decision could be made or kept, each with why.
type Failed = BTreeMap<String, String>;

/// What is wrong with one contract's rows waits for a person, and the others go on.
fn alone(contract: &str, error: StoreError, failed: &mut Failed) -> Result<(), StoreError> {
    if !error.is_of_one_row() {
        return Err(error);
    }
    failed.insert(contract.to_owned(), chain(&error));
    Ok(())
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<String>>().join(": ")
}

/// Tells people of which contracts nothing could be decided about; those that it could be decided about again wait no more.
async fn tell_failed(env: &Environment, due: &[String], failed: Failed, now: Timestamp) -> Result<(), StoreError> {
    let before = env.store.undecided().await?.into_iter().map(|undecided| undecided.contract);
    let again: Vec<String> = before.filter(|id| due.contains(id) && !failed.contains_key(id)).collect();
    if !again.is_empty() {
        env.store.decided_again(again).await?;
    }
    for (contract, problem) in failed {
        if env.store.keep_undecided(contract.clone(), problem.clone(), now).await? {
            tracing::error!(contract, problem, "nothing can be decided about a contract");
        }
    }
    Ok(())
}

/// Lands decisions, and wakes who delivers what they say. What cannot land together lands one by one, so that one that
/// cannot land at all holds up nobody else.
async fn land(
    env: &Environment,
    landings: Vec<Landing>,
    now: Timestamp,
    failed: &mut Failed,
) -> Result<(), StoreError> {
    if landings.is_empty() {
        return Ok(());
    }
    let batch = Arc::new(Batch { landings, ..Batch::default() });
    let landings = &batch.landings;
    match env.store.land_batch(Arc::clone(&batch), None, None, now).await {
        Err(error) if error.is_of_one_row() => {
            for landing in landings {
                if let Err(error) = env.store.land(landing.clone(), now).await {
                    alone(&landing.contract, error, failed)?;
                }
            }
        }
        landed => drop(landed?),
    }
    failpoint::pass("landed");
    let targets: BTreeSet<&str> =
        landings.iter().flat_map(|landing| &landing.postings).map(|posting| posting.target.as_str()).collect();
    targets.into_iter().filter_map(|target| env.wake_ups.deliveries(target)).for_each(WakeUp::send);
    Ok(())
}

/// Facts that nobody attests are parked: whoever put them in can write the database, and nothing is decided from them.
async fn refuse_unattested(env: &Environment, work: &mut Work, now: Timestamp) -> Result<(), StoreError> {
    let refused = std::mem::take(&mut work.unattested);
    if refused.is_empty() {
        return Ok(());
    }
    for fact in &refused {
        tracing::error!(
            contract = work.row.id,
            row = fact.id,
            actor = %fact.actor,
            "a fact is not attested, and is refused"
        );
    }
    env.store.refuse_facts(work.row.id.clone(), refused, now).await
}

/// A contract of which a row is not attested is halted: nothing is decided from it before a person has looked at it.
async fn halt(env: &Environment, contract: String, error: &StoreError) -> Result<(), StoreError> {
    tracing::error!(contract, %error, "a contract is halted");
    let reason = error.to_string();
    env.store.pause(Scope::Contract, contract, Actor::Daemon, reason, env.clock.now()).await.map(drop)
}

/// What would be written if the engine ran now: nothing is stored.
///
/// # Errors
/// The store failed.
pub async fn preview(env: &Environment) -> Result<Vec<Landing>, StoreError> {
    let now = env.clock.now();
    let read_through = read_through(env, now).await?;
    let context = Context::of(env, now, read_through);
    let mut landings = Vec::new();
    for ids in env.store.contracts_due(now).await?.chunks(TOGETHER) {
        for work in works(env, ids.to_vec(), &mut Failed::new()).await? {
            let decided = decide(&work, &context, &BTreeSet::new())?;
            landings.push(with_sums(env, &work, &context, decided).await?.landing);
        }
    }
    Ok(landings)
}

/// What there is to decide about contracts; of the records that belong to each those that show billing status.
async fn works(env: &Environment, ids: Vec<String>, failed: &mut Failed) -> Result<Vec<Work>, StoreError> {
    let mut works = Vec::with_capacity(ids.len());
    for (id, work) in env.store.works(ids).await? {
        match work {
            Ok(mut work) => {
                keep_shown(&env.registry, &mut work);
                works.push(work);
            }
            Err(error @ StoreError::Unattested { .. }) => halt(env, id, &error).await?,
            Err(error) => alone(&id, error, failed)?,
        }
    }
    Ok(works)
}

/// Of the records that belong to a contract those that show billing status.
fn keep_shown(registry: &Registry, work: &mut Work) {
    let shows = |system: &str| registry.get(system).is_some_and(|entry| entry.connection.shows_status());
    for records in work.records.values_mut() {
        records.retain(|(system, _)| shows(system));
    }
}

/// Decides about contracts that are `mine` within the transaction that stores what came in about them.
///
/// # Errors
/// The store failed.
pub(crate) async fn decider(
    env: &Environment,
    mine: impl Fn(&str) -> bool + Send + Sync + 'static,
    now: Timestamp,
) -> Result<Arc<Decide>, StoreError> {
    let read_through = read_through(env, now).await?;
    let (links, registry) = (env.settings.http.public_url.clone(), Arc::clone(&env.registry));
    let (people, approvals) = (Arc::clone(&env.people), env.settings.approvals);
    Ok(Arc::new(move |mut work: Work| {
        if !mine(&work.row.id) {
            return Ok(None);
        }
        keep_shown(&registry, &mut work);
        let (people, approvals) = (&*people, &approvals);
        let context = Context { now, read_through, links: &links, registry: &registry, people, approvals };
        let decided = decide(&work, &context, &BTreeSet::new())?;
        // The fast path sees one contract; sums over a customer's contracts (`approvals.window_days`) are made in a
        // turn.
        Ok((!decided.bills_below_review).then_some(decided.landing))
    }))
}

/// The instant up to which every project tool has been read; now, where there is none.
async fn read_through(env: &Environment, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let mut through = Some(now);
    for (system, entry) in env.registry.iter().filter(|(_, entry)| entry.connection.tells_acceptance()) {
        let marks = env.store.watermarks(system.to_owned()).await?;
        for stream in entry.connection.streams() {
            let fresh = marks.get(*stream).and_then(|mark| mark.fresh_through);
            through = match (through, fresh) {
                (Some(through), Some(fresh)) => Some(through.min(fresh)),
                _ => None,
            };
        }
    }
    Ok(through)
}

/// What a decision needs beside the contract.
struct Context<'a> {
    now: Timestamp,
    /// The project tools were read up to here; `None`: one was never read.
    read_through: Option<Timestamp>,
    /// Base address of links.
    links: &'a str,
    /// Connections.
    registry: &'a Registry,
    /// Who counts as one person.
    people: &'a People,
    /// What the company asks of approvals.
    approvals: &'a Approvals,
}

impl<'a> Context<'a> {
    fn of(env: &'a Environment, now: Timestamp, read_through: Option<Timestamp>) -> Self {
        let (links, registry) = (&env.settings.http.public_url, &env.registry);
        Self { now, read_through, links, registry, people: &env.people, approvals: &env.settings.approvals }
    }
}

/// A decision again, where it bills what is below the amount for an approval, and is above it with what else is billed to the
/// customer in these days: then an approval is asked for first.
async fn with_sums(
    env: &Environment,
    work: &Work,
    context: &Context<'_>,
    decided: Decided,
) -> Result<Decided, StoreError> {
    if !decided.bills_below_review {
        return Ok(decided);
    }
    let before: Contract = parse("contract", "state", &work.row.id, &work.row.state)?;
    let after: Contract = parse("contract", "state", &work.row.id, &decided.landing.state)?;
    let since = |date: Date| env.settings.approvals.first_day(date);
    let new = after.documents().iter().skip(before.documents().len());
    let Some(first) = new.map(|document| document.date).min() else { return Ok(decided) };
    // What this decision brings in is not written down yet.
    let brought = decided.landing.facts.iter().filter_map(|decided| customer_brought(&decided.pending.fact));
    let whose = Whose { contract: work.row.id.clone(), brought: brought.collect() };
    let terms = after.terms();
    let others = env.store.billed_beside(whose, terms.currency(), days_before(since(first), FARTHEST_DAYS)).await?;
    let others: Vec<_> = others.iter().map(|other| (on_a_day_of(terms, other, first), other.amount)).collect();
    match after.to_ask(&before, &others, since) {
        asked if asked.is_empty() => Ok(decided),
        asked => decide(work, context, &asked),
    }
}

/// How many days two dates of one instant are apart at most: 26 hours lie between the first time zone and the last.
const FARTHEST_DAYS: i64 = 2;

fn days_before(date: Date, days: i64) -> Date {
    date.saturating_sub(days.days())
}

/// The day of these terms on which an invoice of another contract counts: its date, as a day of its own time zone, overlaps several
/// days of ours, and of these the one nearest to an invoice of ours is meant. Otherwise a time zone would lie between two halves.
fn on_a_day_of(terms: &Terms, other: &Billed, ours: Date) -> Date {
    let zone = other.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
    let begins = |date: Date| zone.as_ref()?.to_timestamp(date.at(0, 0, 0, 0)).ok();
    let (Some(from), Some(end)) = (begins(other.date), begins(days_before(other.date, -1))) else { return other.date };
    let last = end.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(end);
    ours.max(terms.local_date(from)).min(terms.local_date(last))
}

/// A decision and whether it changes anything.
struct Decided {
    landing: Landing,
    /// It bills something below the amount from which approvals are needed.
    bills_below_review: bool,
    /// Something was decided.
    moves: bool,
    /// Nothing was decided, but the mark that legs changed, or the time to wake, is to be renewed.
    clears: bool,
}

fn decide(work: &Work, context: &Context<'_>, asked: &BTreeSet<String>) -> Result<Decided, StoreError> {
    let row = &work.row;
    let agreement: Addressee = parse("contract", "agreement", &row.id, &row.agreement)?;
    let mut contract: Contract = parse("contract", "state", &row.id, &row.state)?;
    let before = contract.clone();
    let today = contract.terms().local_date(context.now);
    // Silence counts as acceptance, so a midnight passes only once the project tools were read past it: a rejection of
    // that day might not be known yet.
    let limit =
        context.read_through.map_or(contract.as_of(), |through| contract.terms().local_date(through).min(today));
    let segregated = OwnApprovals::under(agreement.options.approvals, context.approvals).segregated;
    let approvers = Approvers { people: context.people, of: segregated.then_some(&work.approvers) };
    let mut timeline = Timeline::after(work.last_effective, &mut contract, (limit, context.now), approvers);

    asked.iter().for_each(|milestone| timeline.ask(milestone));
    let (mut past, present): (Vec<_>, Vec<_>) = pending(work, &before, &agreement.erp)
        .into_iter()
        .partition(|pending| before.terms().local_date(pending.fact.at) < today);
    // On the day of filing the legs are taken before earlier facts are applied; later they are taken after them.
    if before.has_begun() {
        timeline.take(std::mem::take(&mut past));
    }
    let record = customer_record(work, context, &agreement.erp, timeline.contract);
    let legs = changed_legs(work, timeline.contract, record.as_deref());
    let legs_wait = today > limit && !legs.is_empty();
    // What a leg says now is known before what happened today is decided: a mismatch holds the invoice. A project tool
    // that only shows a new status says what today's facts say: it is taken after them.
    let (after, before_facts): (Vec<_>, Vec<_>) = legs.iter().partition(|leg| says_only_status(leg, work));
    let observe = |legs: Vec<&(Leg, LegRecord)>| -> Vec<PendingFact> {
        if legs_wait { Vec::new() } else { legs.into_iter().map(|leg| observed(leg, work, context.now)).collect() }
    };
    timeline.take(observe(before_facts));
    timeline.take(past);
    timeline.take(present);
    timeline.take(observe(after));
    timeline.contract.advance_to(limit);
    if !before.has_begun() && timeline.contract.has_begun() {
        timeline.contract.file_until(context.now);
    }
    let facts = timeline.facts;

    let mut landing = landing(work, &agreement, &before, &contract, facts, context)?;
    let psa = legs.iter().find(|(leg, _)| *leg == Leg::Psa).map(|(_, record)| record);
    let (drift, lines) = drift::changes(work, (&contract, &agreement.erp), psa, today);
    landing.drift = drift;
    landing.audit.extend(lines);
    landing.legs_wait = legs_wait;
    if !legs_wait {
        landing.legs = legs;
    }
    let moves =
        !landing.facts.is_empty() || before != contract || !landing.postings.is_empty() || !landing.drift.is_empty();
    Ok(Decided { moves, clears: !legs_wait, bills_below_review: contract.bills_below_review(&before), landing })
}

/// Facts that wait, in order of their time, and among them that dates were closed.
fn pending(work: &Work, contract: &Contract, erp: &str) -> Vec<PendingFact> {
    let mut pending = work.pending.clone();
    if let Some(closed) = work.closed.get(erp).filter(|closed| contract.has_open_dates_through(closed.through)) {
        let fact = Fact::of(closed.closed_at, Event::PeriodClosed { through: closed.through });
        let identity = format!("closed:{}", closed.through);
        let place = pending.partition_point(|known| known.fact.at <= fact.at);
        pending.insert(place, PendingFact { stored: None, origin: None, fact, actor: closed.actor.clone(), identity });
    }
    pending
}

/// A contract under decision, and how far its time may go.
struct Timeline<'a> {
    contract: &'a mut Contract,
    /// Last local date that may begin.
    limit: Date,
    now: Timestamp,
    /// No fact takes effect before it: what was decided, or what this decision has taken so far.
    floor: Timestamp,
    facts: Vec<DecidedFact>,
    approvers: Approvers<'a>,
}

/// Who has approved, where who approves may not have had a hand in what would be billed.
struct Approvers<'a> {
    people: &'a People,
    /// By milestone; `None`: whoever had a hand in it may approve it.
    of: Option<&'a BTreeMap<String, BTreeSet<String>>>,
}

impl Approvers<'_> {
    /// Approvals that count no more once a fact is known: who gave them tells it.
    fn void(&self, contract: &Contract, pending: &PendingFact) -> Vec<PendingFact> {
        let hands = hands_in(&pending.fact.event, &pending.actor);
        let Some(approvers) = self.of.filter(|approvers| !approvers.is_empty() && !hands.is_empty()) else {
            return Vec::new();
        };
        let tells = |approver: &&String| {
            hands.iter().any(|(_, person)| self.people.person_of(person) == self.people.person_of(approver))
        };
        let mut void = Vec::new();
        for view in
            contract.milestones().iter().filter(|milestone| matches!(milestone.approval, Approval::Given { .. }))
        {
            let lineage = contract.lineage(&view.id);
            let concerned = pending.fact.event.milestone().is_none_or(|id| lineage.iter().any(|of| of == id));
            let mut approved = lineage.iter().filter_map(|id| approvers.get(id)).flatten();
            let Some(by) = approved.find(tells).filter(|_| concerned) else { continue };
            let (milestone, decision) = (view.id.clone(), ReviewDecision::Void);
            let identity = format!("void:{milestone}:{}", pending.identity);
            let event = Event::Review { milestone, decision, by: by.clone(), shown: None };
            let (fact, actor) = (Fact::of(pending.fact.at, event), Actor::Daemon);
            void.push(PendingFact { stored: None, origin: None, fact, actor, identity });
        }
        void
    }
}

impl<'a> Timeline<'a> {
    /// What is decided now comes after what was decided before, if only by the smallest step of the store's instants: a replay
    /// tells by it which facts were decided together.
    fn after(
        last: Option<Timestamp>,
        contract: &'a mut Contract,
        (limit, now): (Date, Timestamp),
        approvers: Approvers<'a>,
    ) -> Self {
        let before = last.max(contract.filed_until());
        let floor = before.and_then(|before| before.checked_add(STEP).ok()).unwrap_or(Timestamp::MIN);
        Self { contract, limit, now, floor, facts: Vec::new(), approvers }
    }

    /// Has an approval asked for, before anything else of this decision is taken.
    fn ask(&mut self, milestone: &str) {
        let (actor, decision) = (Actor::Daemon, ReviewDecision::Ask);
        let event = Event::Review { milestone: milestone.into(), decision, by: actor.name().into(), shown: None };
        let fact = Fact::of(self.contract.terms().start_of(self.contract.as_of()), event);
        let identity = format!("asked:{milestone}");
        self.decide(PendingFact { stored: None, origin: None, fact, actor, identity });
    }

    /// Applies facts in order; the first that must wait stops the rest.
    fn take(&mut self, pending: Vec<PendingFact>) {
        for pending in pending {
            let effective = self.effective(pending.fact.at);
            if pending.fact.at > self.now || self.contract.terms().local_date(effective) > self.limit {
                return;
            }
            // Before the fact itself: with it the invoice might be issued.
            for void in self.approvers.void(self.contract, &pending) {
                self.decide(void);
            }
            self.decide(pending);
        }
    }

    /// Applies a fact that need not wait.
    fn decide(&mut self, pending: PendingFact) {
        let effective = self.effective(pending.fact.at);
        let fact = Fact { at: effective, ..pending.fact.clone() };
        let problem = self.contract.apply(&fact).err().map(|problem| problem.said());
        if problem.is_none() {
            self.floor = effective;
        }
        self.facts.push(DecidedFact { pending, effective_at: effective, problem });
    }

    /// When a fact takes effect: when it happened, but never before what was decided already.
    fn effective(&self, at: Timestamp) -> Timestamp {
        let start = self.contract.terms().start_of(self.contract.as_of());
        at.max(self.floor).max(start)
    }
}

/// Legs whose parts say something else than what was observed last.
fn changed_legs(work: &Work, contract: &Contract, customer_record: Option<&str>) -> Vec<(Leg, LegRecord)> {
    let mut changed = Vec::new();
    for leg in [Leg::Crm, Leg::Psa, Leg::Erp] {
        let (known, parts) = (work.legs.get(&leg), &work.parts);
        let names_customer = leg == Leg::Erp && customer_record.is_some();
        if known.is_none() && !parts.speak_of(leg) && !names_customer {
            continue;
        }
        let record = match leg {
            Leg::Crm => assemble_crm(&parts.crm),
            Leg::Psa => assemble_psa(&parts.psa),
            Leg::Agreement | Leg::Erp => {
                // An ERP of which nothing has come lists no invoices, not an empty list of them.
                let said = parts.speak_of(leg) || known.is_some_and(LegRecord::is_read);
                let record = if said { assembled_erp(work, contract) } else { LegRecord::default() };
                LegRecord { customer_record: customer_record.map(Into::into), ..record }
            }
        };
        if known != Some(&record) {
            changed.push((leg, record));
        }
    }
    changed
}

/// Which record of the contract's ERP its customer is, where a person has said it, or else the configuration.
fn customer_record(work: &Work, context: &Context<'_>, erp: &str, contract: &Contract) -> Option<String> {
    let chosen = work.customer_records.get(erp).cloned();
    chosen.or_else(|| context.registry.get(erp)?.customers.configured(contract.terms().customer()))
}

/// Whether an observation differs from the former one in statuses alone.
fn says_only_status((leg, record): &(Leg, LegRecord), work: &Work) -> bool {
    let without_status = |record: &LegRecord| {
        let mut record = record.clone();
        for milestone in record.milestones.iter_mut().flatten() {
            milestone.status = None;
        }
        record
    };
    let known = work.legs.get(leg);
    *leg == Leg::Psa && known.is_some_and(|known| without_status(known) == without_status(record))
}

/// What the ERP says of a contract. Its balance of deferred revenue is told only where it differs: one that agrees once
/// what is on its way has arrived says nothing.
fn assembled_erp(work: &Work, contract: &Contract) -> LegRecord {
    let parts = &work.parts;
    let mut record = assemble_erp(parts.order.as_ref(), &parts.invoices, &parts.journals);
    let difference = deferred_difference(contract, &parts.invoices, &parts.journals, &work.entries, &work.confirmed);
    record.deferred_balance = difference
        .filter(|difference| !difference.is_zero())
        .and_then(|difference| contract.position().deferred_revenue.decimal().checked_add(difference))
        .map(DecimalText);
    record
}

fn observed((leg, record): &(Leg, LegRecord), work: &Work, now: Timestamp) -> PendingFact {
    // The index in the history makes the identity unique: a leg that says A, then B, then A again was observed three times.
    let identity = format!("observed:{leg}:{}", work.row.history);
    let event = Event::Observed(Observation { leg: *leg, record: record.clone() });
    PendingFact { stored: None, origin: None, fact: Fact::of(now, event), actor: Actor::Leg(*leg), identity }
}

fn landing(
    work: &Work,
    agreement: &Addressee,
    before: &Contract,
    contract: &Contract,
    facts: Vec<DecidedFact>,
    context: &Context<'_>,
) -> Result<Landing, StoreError> {
    let row = &work.row;
    let erp = context.registry.get(&agreement.erp).map(|entry| &entry.connection);
    let addresses = Addresses {
        erp: &agreement.erp,
        orders: erp.is_some_and(Connection::writes_orders),
        emails: erp.is_some_and(Connection::emails_invoices),
        acceptances: erp.is_some_and(Connection::keeps_acceptances),
        links: context.links,
        records: &work.records,
    };
    let planned = usize::try_from(row.planned_documents).unwrap_or(0);
    let former = Planned { documents: planned, journal_through: row.journal_through, entries: &work.entries };
    let plan = postings::plan(before, contract, former, &addresses);
    let mut audit: Vec<Entry> = facts.iter().map(|decided| fact_line(&row.id, decided)).collect();
    audit.extend(document_lines(contract, planned));
    audit.extend(exception_lines(before, contract));
    let (was, exceptions) = (exceptions(before), exceptions(contract));
    let (awaited, approvals) = (before.waiting_for_approval(), contract.waiting_for_approval());
    Ok(Landing {
        contract: row.id.clone(),
        history_before: row.history,
        revision_before: row.revision,
        attested_before: row.attested.clone(),
        state: crate::store::json(contract)?,
        as_of: contract.as_of(),
        wake_at: wake_at(contract, &plan, context),
        documents: documents(contract, planned, agreement, &facts, row.history),
        planned_documents: i64::try_from(contract.documents().len()).unwrap_or(i64::MAX),
        journal_through: plan.journal_through,
        postings: plan.postings,
        // The first decision writes all rows: exceptions that are open from the first day stand in the state `before`
        // and in no row yet.
        exceptions: (row.history == 0 || was != exceptions).then_some(exceptions),
        approvals: (row.history == 0 || awaited != approvals).then_some(approvals),
        drift: Vec::new(),
        events: events(before, contract)?,
        facts,
        legs: Vec::new(),
        legs_wait: false,
        audit,
    })
}

/// The next instant at which time alone may change the contract, or close a day whose journal entry waits.
fn wake_at(contract: &Contract, plan: &postings::Plan, context: &Context<'_>) -> Option<Timestamp> {
    let tomorrow = contract.as_of().tomorrow().ok();
    let due = if plan.open_day { tomorrow } else { contract.next_change() };
    let at = contract.terms().start_of(due?);
    // A midnight that has passed and could not be taken yet: look again when there is news, at the latest in a minute.
    Some(if at <= context.now {
        context.now.saturating_add(jiff::SignedDuration::from_mins(1)).unwrap_or(at)
    } else {
        at
    })
}

fn documents(
    contract: &Contract,
    planned: usize,
    agreement: &Addressee,
    facts: &[DecidedFact],
    history: i64,
) -> Vec<IssuedRow> {
    let decided = i64::try_from(facts.iter().filter(|fact| fact.problem.is_none()).count()).unwrap_or(0);
    // Without facts in this turn, documents were issued because time passed: no fact is their cause.
    let cause = (decided > 0).then(|| history.saturating_add(decided).saturating_sub(1));
    (0_i64..)
        .zip(contract.documents())
        .skip(planned)
        .map(|(ordinal, document)| IssuedRow {
            number: document.number.clone(),
            ordinal,
            kind: document.kind,
            milestone: document.milestone.clone(),
            date: document.date,
            due_on: document.due_on,
            amount: document.amount,
            target: agreement.erp.clone(),
            posting: postings::document_key(contract.terms().id(), &agreement.erp, document),
            cause,
        })
        .collect()
}

/// The exceptions of a contract as rows.
pub fn exceptions(contract: &Contract) -> Vec<ExceptionRow> {
    contract
        .exceptions()
        .iter()
        .map(|exception| ExceptionRow {
            code: exception.code.to_string(),
            milestone: exception.milestone.clone(),
            leg: exception.leg,
            severity: exception.severity,
            opened_on: exception.opened_on,
            closed_on: exception.closed_on,
            held: contract.amount_held(exception),
            currency: contract.terms().currency(),
            differences: if exception.closed_on.is_none() { contract.values_behind(exception) } else { Vec::new() },
        })
        .collect()
}

fn events(before: &Contract, contract: &Contract) -> Result<Vec<NewEvent>, StoreError> {
    let id = contract.terms().id();
    let mut events = Vec::new();
    for recognised in postings::recognised_since(before, contract) {
        events.push(NewEvent {
            identity: format!("milestone.recognized:{id}:{}", recognised.milestone),
            kind: "milestone.recognized",
            milestone: Some(recognised.milestone.clone()),
            body: crate::store::json(&recognised)?,
        });
    }
    if let Some(revenue) = postings::revenue_since(before, contract) {
        events.push(NewEvent {
            // What time alone recognises leaves the number of facts as it was: the date tells two such events apart.
            identity: format!("revenue.recognized:{id}:{}:{}", contract.changes(), contract.as_of()),
            kind: "revenue.recognized",
            milestone: None,
            body: crate::store::json(&revenue)?,
        });
    }
    Ok(events)
}

/// What was decided, in words: by whom stands beside it, why stands in it.
fn fact_line(contract: &str, decided: &DecidedFact) -> Entry {
    let fact = &decided.pending.fact;
    let words = event_in_words(&fact.event);
    let (action, detail) = match &decided.problem {
        Some(problem) => (Action::FactParked, format!("{words}: {problem}")),
        None if fact.at != decided.effective_at => {
            (Action::FactDecided, format!("{words}; happened {}, took effect {}", fact.at, decided.effective_at))
        }
        None => (Action::FactDecided, format!("{words}; took effect {}", decided.effective_at)),
    };
    Entry::by(
        &decided.pending.actor,
        action,
        Some(contract),
        subject_of(fact.event.kind(), &decided.pending.identity),
        detail,
    )
}

fn document_lines(contract: &Contract, planned: usize) -> Vec<Entry> {
    contract
        .documents()
        .iter()
        .skip(planned)
        .map(|document| {
            let detail = format!(
                "{} {} dated {}, due {}",
                document.amount,
                document.amount.currency(),
                document.date,
                document.due_on
            );
            Entry::own(Action::DocumentIssued, Some(contract.terms().id()), document.number.clone(), detail)
        })
        .collect()
}

fn exception_lines(before: &Contract, contract: &Contract) -> Vec<Entry> {
    let known = before.exceptions();
    contract
        .exceptions()
        .iter()
        .enumerate()
        .filter_map(|(index, exception)| {
            let former = known.get(index);
            let action = match (former, exception.closed_on) {
                (None, None) => Action::ExceptionOpened,
                (None, Some(_)) => Action::ExceptionOpenedAndClosed,
                (Some(former), Some(_)) if former.closed_on.is_none() => Action::ExceptionClosed,
                (Some(_), _) => return None,
            };
            let place = [exception.milestone.clone(), exception.leg.map(|leg| leg.to_string())];
            let place: Vec<String> = place.into_iter().flatten().collect();
            Some(Entry::own(action, Some(contract.terms().id()), exception.code.to_string(), place.join(" ")))
        })
        .collect()
}
