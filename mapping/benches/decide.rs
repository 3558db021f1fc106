//! How fast facts are decided, and how that grows with a contract's own history. Each figure stands beside a floor of the
//! same run: reading the same facts from JSON, which no implementation can do without.
//!
//! `cargo bench -p milestoned-mapping --bench decide`

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock and files, prints, and may fail"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use milestoned_mapping::calendar::Calendars;
use milestoned_mapping::case::{Case, simulate};
use milestoned_mapping::contract::Contract;
use milestoned_mapping::fact::Fact;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn case(path: &Path) -> Case {
    Case::from_json(&std::fs::read_to_string(path).unwrap(), &Calendars::built_in()).unwrap()
}

/// The random cases: contract as opened, facts in order.
fn random_cases() -> Vec<(Contract, Vec<Fact>)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("random-") && !path.to_string_lossy().contains("expected"));
    files.sort();
    files.iter().map(|path| case(path)).map(|case| (case.open(), case.events().to_vec())).collect()
}

fn decide(criterion: &mut Criterion) {
    let cases = random_cases();
    let facts: usize = cases.iter().map(|(_, facts)| facts.len()).sum();
    let texts: Vec<String> =
        cases.iter().flat_map(|(_, facts)| facts).map(|fact| serde_json::to_string(fact).unwrap()).collect();
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(facts as u64));
    group.bench_function("floor", |bench| {
        bench.iter(|| texts.iter().filter(|text| serde_json::from_str::<Fact>(black_box(text)).is_ok()).count());
    });
    group.bench_function("random_cases", |bench| {
        bench.iter_batched(
            || cases.iter().map(|(contract, _)| contract.clone()).collect::<Vec<_>>(),
            |mut contracts| {
                for (contract, (_, facts)) in contracts.iter_mut().zip(&cases) {
                    for fact in facts {
                        let _ = contract.apply(black_box(fact));
                    }
                }
                contracts
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// A contract of six milestones that has lived through so many facts.
fn with_history(facts: usize) -> Contract {
    let mut contract = case(&folder().join("six-milestone-implementation.json")).open();
    for index in 0..facts {
        let _ = contract.apply(&lived(index));
    }
    contract
}

/// What a contract hears of over the years: readings, polls of its legs, payments, reviews, holds.
fn lived(index: usize) -> Fact {
    let at = format!("20{:02}-{:02}-{:02}T12:00:00Z", 26 + index / 3360, index / 280 % 12 + 1, index / 10 % 28 + 1);
    let event = match index % 5 {
        0 => json!({ "at": at, "type": "usage", "metric": "calls", "value": index.to_string() }),
        1 => {
            json!({ "at": at, "type": "observed", "leg": "crm", "record": { "amount": format!("{}.00", index % 7), "stage": "closed_won" } })
        }
        2 => {
            json!({ "at": at, "type": "observed", "leg": "psa", "record": { "milestones": [{ "id": "M1" }, { "id": "M2", "status": "done" }] } })
        }
        3 => json!({ "at": at, "type": "payment", "invoice": "none", "amount": "1.00" }),
        _ => {
            json!({ "at": at, "type": "overrule", "code": "AMOUNT_MISMATCH", "milestone": null, "leg": "crm", "by": "x", "reason": "agreed" })
        }
    };
    serde_json::from_value(event).unwrap()
}

fn history(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("history");
    for facts in [10_usize, 100, 1_000, 10_000] {
        let contract = with_history(facts);
        let next: Vec<Fact> = (facts..facts + 5).map(lived).collect();
        group.throughput(Throughput::Elements(next.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(facts), |bench| {
            bench.iter_batched_ref(
                || contract.clone(),
                |contract| next.iter().for_each(|fact| drop(contract.apply(black_box(fact)))),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// A contract of 250 milestones, each after the one before, that has lived through 1,000 facts in two years.
fn of_two_years() -> Contract {
    let after = |n: usize| if n > 0 { vec![format!("M{}", n - 1)] } else { Vec::new() };
    let milestone = |n: usize| json!({ "id": format!("M{n}"), "name": "m", "amount": "10.00", "depends_on": after(n) });
    let milestones: Vec<Value> = (0..250).map(milestone).collect();
    let day = |n: i64| jiff::civil::date(2024, 1, 10).checked_add(jiff::Span::new().days(n)).unwrap();
    let events: Vec<Value> = (0..250_i64)
        .flat_map(|n| {
            let (id, first, second) = (format!("M{n}"), day(n * 3), day(n * 3 + 1));
            [
                json!({ "at": format!("{first}T10:00:00Z"), "type": "submitted", "milestone": id, "by": "x" }),
                json!({ "at": format!("{first}T11:00:00Z"), "type": "accepted", "milestone": id, "by": "x", "document": "d" }),
                json!({ "at": format!("{second}T10:00:00Z"), "type": "payment", "invoice": format!("C-M{n}"), "amount": "10.00" }),
                json!({ "at": format!("{second}T11:00:00Z"), "type": "usage", "metric": "m", "value": n.to_string() }),
            ]
        })
        .collect();
    let contract = json!({ "id": "C", "customer": "c", "currency": "USD", "total": "2500.00", "signed_on": "2024-01-05",
        "obligations": [{ "id": "o", "ssp": "2500.00", "method": "output" }], "milestones": milestones });
    let case = json!({ "until": "2026-06-30", "contract": contract, "events": events });
    Case::from_value(case, &Calendars::built_in()).unwrap().play()
}

/// What is learned of the first day lets the books of two years be reckoned anew.
fn late(criterion: &mut Criterion) {
    let contract = of_two_years();
    let fact =
        json!({ "at": "2026-07-01T10:00:00Z", "on": "2024-01-10", "type": "usage", "metric": "m", "value": "0.5" });
    let fact: Fact = serde_json::from_value(fact).unwrap();
    criterion.bench_function("late/1000", |bench| {
        bench.iter_batched_ref(
            || contract.clone(),
            |contract| drop(contract.apply(black_box(&fact))),
            BatchSize::LargeInput,
        );
    });
}

fn simulate_six(criterion: &mut Criterion) {
    let text = std::fs::read_to_string(folder().join("six-milestone-implementation.json")).unwrap();
    let calendars = Calendars::built_in();
    let mut group = criterion.benchmark_group("simulate");
    group.bench_function("floor", |bench| bench.iter(|| serde_json::from_str::<Value>(black_box(&text)).unwrap()));
    group.bench_function("six_milestones", |bench| {
        bench.iter(|| {
            serde_json::to_string(&simulate(&Case::from_json(black_box(&text), &calendars).unwrap())).unwrap()
        });
    });
    group.finish();
}

/// Median of a benchmark of this run, in nanoseconds, from what criterion has written.
fn median(name: &str) -> f64 {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../criterion").join(name).join("new/estimates.json");
    let tree: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    tree["median"]["point_estimate"].as_f64().unwrap()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(30);
    decide(&mut criterion);
    history(&mut criterion);
    late(&mut criterion);
    simulate_six(&mut criterion);
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let facts: usize = random_cases().iter().map(|(_, facts)| facts.len()).sum();
    let each = median("decide/random_cases") / facts as f64;
    println!(
        "\ndecide: {:.0} facts/s, {:.2} times the floor (reading them from JSON)",
        1e9 / each,
        median("decide/random_cases") / median("decide/floor")
    );
    for facts in [10, 100, 1_000, 10_000] {
        println!("a fact after {facts:>6} facts: {:.2} µs", median(&format!("history/{facts}")) / 5_000.0);
    }
    println!("a late fact after 1,000 facts: {:.2} ms", median("late_1000") / 1e6);
    println!(
        "simulate, six milestones: {:.0} µs, {:.1} times the floor (reading it as JSON)",
        median("simulate/six_milestones") / 1_000.0,
        median("simulate/six_milestones") / median("simulate/floor")
    );
}
