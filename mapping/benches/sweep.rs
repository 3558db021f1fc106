//! Four-way validation of 1,000,000 milestones in one pass, beside DuckDB, Polars and pandas on the same rows in the same
//! run, with the same findings; and one change of one contract, its store's read included.
//!
//! `cargo bench -p milestoned-mapping --bench sweep` (needs `pip install duckdb polars pandas`; without them ours alone)

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock and files, prints, and may fail"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use milestoned_mapping::compare::Frame;
use milestoned_mapping::sweep::{Finding, Portfolio, Row};
use serde_json::Value;

const CONTRACTS: usize = 166_667;
const EACH: u32 = 6;
const ROUNDS: usize = 7;

/// SplitMix64, with a seed: every run compares the same rows.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// True so many times in a thousand.
    fn sometimes(&mut self, per_mille: u64) -> bool {
        self.next() % 1_000 < per_mille
    }
}

fn frame(random: &mut Random, customer: u32, wrong: u64) -> Frame<u32, i64> {
    Frame {
        amount: Some(6_000_000 + i64::from(random.sometimes(wrong))),
        currency: Some(1 + u32::from(random.sometimes(wrong))),
        customer: Some(customer + u32::from(random.sometimes(wrong))),
        payment_terms: Some(1 + u32::from(random.sometimes(wrong))),
        window_days: Some(10 + u32::from(random.sometimes(wrong))),
        deemed: Some(true),
        version: Some(2 - u32::from(random.sometimes(wrong))),
        won: Some(!random.sometimes(wrong)),
    }
}

/// Legs carry what such legs carry: the CRM amounts; the PSA terms and status; the ERP amounts, wording, timing, method.
fn portfolio() -> Portfolio {
    let (mut random, mut portfolio) = (Random(606), Portfolio::default());
    for contract in 0..CONTRACTS as u32 {
        let rows: Vec<Row> = (1..=EACH)
            .map(|milestone| Row {
                amount: 100_000 + (random.next() % 1_000_000) as i64,
                description: (random.next() % 50_000) as u32 + 1,
                window_days: 10,
                kinds: [1, 5, 6, 10],
                deemed: 1,
                reached: random.sometimes(500),
                billable: !random.sometimes(20),
                ..Row::bare(milestone)
            })
            .collect();
        portfolio.agreement.push(Some(frame(&mut random, contract, 0)), true, rows.clone());
        for (leg, side) in portfolio.legs.iter_mut().enumerate() {
            let listed = leg != 2 || random.sometimes(600);
            let mut said = Vec::new();
            for row in rows.iter().filter(|_| listed) {
                if random.sometimes(5) {
                    continue;
                }
                let wrong = |random: &mut Random| random.sometimes(3);
                let bare = Row::bare(row.milestone);
                let amount = row.amount + i64::from(wrong(&mut random));
                said.push(match leg {
                    0 => Row { amount, ..bare },
                    1 => Row {
                        window_days: 10 + u32::from(wrong(&mut random)),
                        deemed: 1 - u8::from(wrong(&mut random)),
                        kinds: [1 + u8::from(wrong(&mut random)), 0, 0, 0],
                        reached: row.reached && !wrong(&mut random) || wrong(&mut random),
                        ..bare
                    },
                    _ => Row {
                        amount,
                        description: row.description + u32::from(wrong(&mut random)),
                        kinds: [
                            0,
                            5 - u8::from(wrong(&mut random)),
                            6 + u8::from(wrong(&mut random)),
                            10 + u8::from(wrong(&mut random)),
                        ],
                        ..bare
                    },
                });
            }
            if listed && random.sometimes(5) {
                said.push(Row::bare(99));
            }
            let seen = frame(&mut random, contract, 3);
            side.push(Some(Frame { payment_terms: seen.payment_terms.filter(|_| leg != 1), ..seen }), listed, said);
        }
    }
    portfolio
}

fn two_cores(portfolio: &Portfolio) -> Vec<Finding> {
    let half = portfolio.len() / 2;
    std::thread::scope(|scope| {
        let second = scope.spawn(|| portfolio.sweep(half..portfolio.len()));
        let mut findings = portfolio.sweep(0..half);
        findings.extend(second.join().unwrap());
        findings
    })
}

fn median(mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

/// The same rows as CSV, for the peers. Empty: not carried.
fn export(portfolio: &Portfolio, folder: &Path) {
    let flag = |flag: u8| if flag == 2 { String::new() } else { flag.to_string() };
    for (name, side) in
        ["agreement", "crm", "psa", "erp"].into_iter().zip(std::iter::once(&portfolio.agreement).chain(&portfolio.legs))
    {
        let mut rows = String::from(
            "k,contract,amount,description,window_days,completion,timing,invoice,method,deemed,reached,billable,crm_listed,psa_listed,erp_listed\n",
        );
        let mut frames =
            String::from("contract,amount,currency,customer,payment_terms,window_days,deemed,version,won\n");
        for contract in 0..portfolio.len() {
            for row in &side.rows[side.starts[contract]..side.starts[contract + 1]] {
                let number = |value: u32, none: u32| if value == none { String::new() } else { value.to_string() };
                let amount = if row.amount == Row::NO_AMOUNT { String::new() } else { row.amount.to_string() };
                let [completion, timing, invoice, method] = row.kinds.map(|kind| number(u32::from(kind), 0));
                let listed = portfolio.legs.each_ref().map(|leg| u8::from(leg.listed[contract]));
                writeln!(
                    rows,
                    "{},{contract},{amount},{},{},{completion},{timing},{invoice},{method},{},{},{},{},{},{}",
                    (contract as u64) << 32 | u64::from(row.milestone),
                    number(row.description, 0),
                    number(row.window_days, Row::NO_DAYS),
                    flag(row.deemed),
                    u8::from(row.reached),
                    u8::from(row.billable),
                    listed[0],
                    listed[1],
                    listed[2]
                )
                .unwrap();
            }
            let frame = side.frames[contract].unwrap();
            let text = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
            writeln!(
                frames,
                "{contract},{},{},{},{},{},{},{},{}",
                frame.amount.unwrap(),
                text(frame.currency),
                text(frame.customer),
                text(frame.payment_terms),
                text(frame.window_days),
                u8::from(frame.deemed.unwrap()),
                text(frame.version),
                u8::from(frame.won.unwrap())
            )
            .unwrap();
        }
        std::fs::write(folder.join(format!("{name}.csv")), rows).unwrap();
        std::fs::write(folder.join(format!("{name}_contracts.csv")), frames).unwrap();
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let portfolio = portfolio();
    let rows: usize = portfolio.agreement.rows.len() + portfolio.legs.iter().map(|side| side.rows.len()).sum::<usize>();
    let findings = portfolio.sweep(0..portfolio.len());
    assert_eq!(findings, two_cores(&portfolio));
    let codes: usize = findings.iter().map(|finding| finding.codes.iter().count()).sum();
    println!(
        "{} milestones, {rows} rows of four legs, {} findings with {codes} codes",
        portfolio.agreement.rows.len(),
        findings.len()
    );
    let one_core = median(|| drop(black_box(portfolio.sweep(0..portfolio.len()))));
    let two = median(|| drop(black_box(two_cores(&portfolio))));
    println!("milestoned, one core  {one_core:>9.1} ms\nmilestoned, two cores {two:>9.1} ms");
    println!("one contract again    {:>9.3} µs (of one core's sweep)", one_core * 1_000.0 / CONTRACTS as f64);

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep");
    std::fs::create_dir_all(&folder).unwrap();
    export(&portfolio, &folder);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/sweep_peers.py");
    let peers = Command::new("python3").arg(script).arg(&folder).arg(ROUNDS.to_string()).output().unwrap();
    if !peers.status.success() {
        println!("peers did not run: {}", String::from_utf8_lossy(&peers.stderr));
        return;
    }
    for line in String::from_utf8_lossy(&peers.stdout).lines() {
        let told: Value = serde_json::from_str(line).unwrap();
        let milliseconds = told["ms"].as_f64().unwrap();
        let same = told["findings"] == findings.len() && told["codes"] == codes;
        println!(
            "{:<21} {milliseconds:>9.1} ms   {:>6.1} times ours; findings {}",
            told["engine"].as_str().unwrap(),
            milliseconds / two,
            if same { "the same" } else { "DIFFER" }
        );
        assert!(same, "{told}, ours {} and {codes}", findings.len());
    }
}
