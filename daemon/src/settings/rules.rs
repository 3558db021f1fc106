//! What must hold in a configuration beside the shape of its keys: nobody signs in with nothing, and the review policy
//! can be understood.

use jiff::SignedDuration;
use milestoned_identity::machine::{self, Machine};
use milestoned_identity::people::People;
use milestoned_mapping::contract::Policy;
use milestoned_mapping::money::Currency;
use milestoned_mapping::problem::Problem;
use secrecy::ExposeSecret as _;

use super::source::NO_SECRET;
use super::{Secrets, Settings};

/// The currency with the most digits behind the point: an amount that it cannot say is none of any currency.
const FINEST: &str = "CLF";

/// What keeps the daemon from starting.
pub(super) fn refused(settings: &Settings, secrets: Secrets) -> Vec<Problem> {
    let mut problems = policy(settings);
    if let Err(error) = url::Url::parse(&settings.http.public_url) {
        let reason = format!("{:?} is no address: {error}", settings.http.public_url);
        problems.push(Problem::new("http.public_url", reason, "write such as https://milestoned.example.com"));
    }
    if settings.approvals.second_over.is_some_and(|limit| limit.0.is_sign_negative()) {
        let remedy = "write the amount above which two people approve, or leave it out";
        problems.push(Problem::new("approvals.second_over", "is negative", remedy));
    }
    if !(1..=366).contains(&settings.approvals.window_days) {
        let remedy = "write for how many days amounts are summed up, from 1 to 366";
        problems.push(Problem::new("approvals.window_days", "is out of range", remedy));
    }
    if settings.agreements.folder_owner.as_ref().is_some_and(|owner| owner.trim().is_empty()) {
        let remedy = "name who files what stands in the folder, or leave it out";
        problems.push(Problem::new("agreements.folder_owner", "is empty", remedy));
    }
    let unknown = settings.periods.closed_through.keys().filter(|name| !settings.connections.contains_key(*name));
    problems.extend(unknown.map(|name| {
        let place = format!("periods.closed_through.{name}");
        Problem::new(place, "no connection has this name", "name the connection of an ERP")
    }));
    problems.extend(settings.identity.oidc.iter().filter_map(asked_again));
    problems.extend(machines(settings, secrets));
    if let Err(shared) = People::new(settings.identity.people.clone()) {
        problems.push(Problem::new("identity.people", shared.to_string(), "give each name to one person"));
    }
    problems
}

/// What an identity provider said counts for a while, in which it is asked again at least once.
fn asked_again(oidc: &milestoned_oidc::Settings) -> Option<Problem> {
    let (every, counts) = (oidc.ask_again_every, oidc.counts_for);
    if every >= SignedDuration::from_mins(1) && every <= counts && counts <= SignedDuration::from_hours(24) {
        return None;
    }
    let reason = format!("is {every:#}, and identity.oidc.counts_for is {counts:#}");
    let remedy = "write at least \"1m\", and for counts_for as much or more, at most \"24h\"";
    Some(Problem::new("identity.oidc.ask_again_every", reason, remedy))
}

/// Tokens that could be guessed, mistaken for each other, or taken for the daemon itself.
fn machines(settings: &Settings, secrets: Secrets) -> Vec<Problem> {
    let tokens = &settings.http.tokens;
    // A token that is not where the configuration says has been complained of already.
    let at_hand = |token: &&Machine| token.token.as_ref().is_none_or(|held| held.expose_secret() != NO_SECRET);
    let (known, absent): (Vec<&Machine>, Vec<&Machine>) = tokens.iter().partition(at_hand);
    let known: Vec<Machine> = known.into_iter().cloned().collect();
    let absent: Vec<Machine> = absent.into_iter().cloned().collect();
    let told = |machines: &[Machine], secrets: bool| -> Vec<Problem> {
        let problem = |(index, unfit): (usize, machine::Unfit)| {
            let name = machines.get(index).map_or("", |token| token.name.as_str());
            Problem::new(place(name), unfit.to_string(), unfit.remedy())
        };
        machine::unfit(machines, secrets).into_iter().map(problem).collect()
    };
    let mut problems = told(&known, secrets == Secrets::All);
    problems.extend(told(&absent, false));
    for token in tokens.iter().filter(|token| settings.connections.contains_key(&token.name)) {
        let reason = "the name is a connection's in the audit trail";
        problems.push(Problem::new(place(&token.name), reason, "choose another name"));
    }
    problems
}

fn place(name: &str) -> String {
    format!("http.tokens {name:?}")
}

/// The policy is read again for every contract, in its currency.
fn policy(settings: &Settings) -> Vec<Problem> {
    let Ok(currency) = FINEST.parse::<Currency>() else { return Vec::new() };
    let Err(errors) = Policy::from_value(settings.policy.clone(), currency) else { return Vec::new() };
    errors.0
}
