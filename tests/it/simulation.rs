//! Seeds of the simulation that run with every test; more by `milestoned-simulation`. Seeds that have failed once are
//! among them.

use milestoned_tests::seeded;
use milestoned_tests::simulation::{Scope, run};

/// Seeds that found something.
const FOUND: [u64; 7] = [1, 10016, 13527, 20_000_766, 20_027_427, 60_017_524, 80_019_117];
/// Seeds of every test run, on each of two threads.
const SEEDS: u64 = 150;
/// Seeds of a company that found something.
const FOUND_IN_A_COMPANY: [u64; 3] = [742, 1055, 3218];
/// The same of a company.
const OF_A_COMPANY: u64 = 50;

fn play(scope: Scope, seeds: impl Iterator<Item = u64>) -> Vec<String> {
    seeds
        .filter_map(|seed| {
            let violation = run(scope, seed).expect("the simulation can be set up").violation?;
            Some(format!("milestoned-simulation --scope {} --seed {seed}: {violation}", scope.name()))
        })
        .collect()
}

#[test]
fn whatever_breaks_every_accepted_milestone_is_invoiced_once() {
    let other = std::thread::spawn(|| play(Scope::Vendors, 1000..1000 + SEEDS));
    let mut violations = play(Scope::Vendors, FOUND.into_iter().chain(100..100 + SEEDS));
    violations.extend(other.join().expect("a seed panicked"));
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn whoever_tries_what_nothing_unauthorised_is_invoiced_and_no_closed_date_changes() {
    let other = std::thread::spawn(|| play(Scope::Company, 1000..1000 + OF_A_COMPANY));
    let mut violations = play(Scope::Company, FOUND_IN_A_COMPANY.into_iter().chain(1..1 + OF_A_COMPANY));
    violations.extend(other.join().expect("a seed panicked"));
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    for scope in [Scope::Vendors, Scope::Company] {
        let (first, second) = (run(scope, 7).expect("set up"), run(scope, 7).expect("set up"));
        assert_eq!((first.diary, first.steps, first.requests), (second.diary, second.steps, second.requests));
    }
}

#[test]
fn every_deliberate_bug_fits_the_sources() {
    let patches = seeded::patches().expect("patches can be read");
    assert!(patches.len() >= 20, "{} deliberate bugs", patches.len());
    let changed = patches.iter().map(|patch| seeded::apply(patch).map(|files| files.len()));
    let wrong: Vec<String> = changed.filter_map(|files| Some(format!("{:#}", files.err()?))).collect();
    assert!(wrong.is_empty(), "tests/simulation/bugs: mend these patches, so that the bugs stay caught: {wrong:#?}");
}
