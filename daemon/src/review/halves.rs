//! Who holds both halves: the right to shape what is billed and the right to let it go; and who had a hand in which contract and
//! has let it go, or could have.

use std::collections::{BTreeMap, BTreeSet};

use milestoned_identity::duties::both_halves;
use milestoned_identity::rights::{Right, Rights};
use milestoned_mapping::fact::{Event, ReviewDecision};
use serde::Serialize;
use utoipa::ToSchema;

use crate::environment::Environment;
use crate::store::StoreError;
use crate::store::hands::hands_in;

/// Who could have done both halves of what.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Halves {
    /// People and programs that hold rights of both halves.
    pub holders: Vec<Holder>,
    /// Those who had a hand in a contract and have let something of it go, or hold the right to.
    pub hands: Vec<Hand>,
}

/// Somebody who holds rights of both halves.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Holder {
    /// The one name of the person, or `group NAME` for everybody of a group at the identity provider.
    pub person: String,
    /// Names under which they come.
    pub names: BTreeSet<String>,
    /// Pairs of rights, one of each half.
    pub halves: Vec<String>,
}

/// Somebody's hand in a contract.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Hand {
    /// Contract.
    pub contract: String,
    /// The one name of the person.
    pub person: String,
    /// The half that they did.
    pub did: String,
    /// `approved`, `overruled`; or `may approve or overrule`, which segregation of duties stands against.
    pub and: String,
}

/// The report: of one contract, or of all.
///
/// # Errors
/// The store failed.
pub async fn halves(env: &Environment, contract: Option<&str>) -> Result<Halves, StoreError> {
    let rights = held(env).await?;
    let holder = |(person, (names, rights)): (&String, &(BTreeSet<String>, Rights))| {
        let halves: Vec<String> = both_halves(*rights).map(|(one, other)| format!("{one} and {other}")).collect();
        (!halves.is_empty()).then(|| Holder { person: person.clone(), names: names.clone(), halves })
    };
    let holders = rights.iter().filter_map(holder).collect();
    let mut hands = BTreeSet::new();
    for row in env.store.contracts().await?.into_iter().filter(|row| contract.is_none_or(|id| row.id == id)) {
        hands.extend(of_contract(env, &row.id, &rights).await?);
    }
    Ok(Halves { holders, hands: hands.into_iter().collect() })
}

/// By person: their names, and every right that one of them gives.
type Held = BTreeMap<String, (BTreeSet<String>, Rights)>;

async fn held(env: &Environment) -> Result<Held, StoreError> {
    let mut held = Held::new();
    let mut hold = |name: &str, person: String, rights: Rights| {
        let (names, all) = held.entry(person).or_default();
        names.insert(name.to_owned());
        *all = all.and(rights);
    };
    for machine in &env.settings.http.tokens {
        hold(&machine.name, env.people.person_of(&machine.name), machine.rights);
    }
    for listed in env.people.iter() {
        hold(&listed.person, env.people.person_of(&listed.person), listed.rights);
    }
    for (person, rights) in env.store.open_accounts().await? {
        hold(&person, env.people.person_of(&person), rights);
    }
    for session in env.store.sessions().await? {
        hold(&session.person, env.people.person_of(&session.person), session.rights);
    }
    for (group, rights) in env.settings.identity.oidc.iter().flat_map(|oidc| &oidc.groups) {
        hold(group, format!("group {group}"), *rights);
    }
    Ok(held)
}

async fn of_contract(env: &Environment, id: &str, rights: &Held) -> Result<Vec<Hand>, StoreError> {
    let told = env.store.hands(id.to_owned()).await?;
    let mut did = BTreeMap::<String, BTreeSet<String>>::new();
    let mut let_go = BTreeMap::<String, BTreeSet<&str>>::new();
    for actor in &told.filed {
        did.entry(env.people.person_of(actor.name())).or_default().insert("filed or changed its terms".into());
    }
    for (actor, fact) in &told.told {
        for (duty, name) in hands_in(&fact.event, actor) {
            did.entry(env.people.person_of(name)).or_default().insert(duty.to_string());
        }
        let act = match &fact.event {
            Event::Review { decision: ReviewDecision::Approve, .. } => "approved",
            Event::Overrule { .. } => "overruled",
            _ => continue,
        };
        let_go.entry(env.people.person_of(actor.name())).or_default().insert(act);
    }
    let mut hands = Vec::new();
    for (person, did) in did {
        let acts = let_go.get(&person).map(|acts| acts.iter().copied().collect::<Vec<_>>().join(" and "));
        let may = || {
            let (_, rights) = rights.get(&person)?;
            let any = rights.has(Right::Approve) || rights.has(Right::Overrule);
            any.then(|| "may approve or overrule".to_owned())
        };
        let Some(and) = acts.or_else(may) else { continue };
        let did = did.into_iter().collect::<Vec<_>>().join(" and ");
        hands.push(Hand { contract: id.to_owned(), person, did, and });
    }
    Ok(hands)
}
