//! `milestoned-verify`: checks an export of the audit trail, on any machine, with nothing but the export. Ends with 1 on any
//! difference, and with 2 on what it cannot read.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use milestoned_trail::checkpoint::{self, Checkpoint};
use milestoned_trail::export::{Report, check};

/// Checks an export of milestoned's audit trail.
#[derive(Debug, Parser)]
#[command(name = "milestoned-verify", version)]
struct Options {
    /// What `milestoned audit export` wrote.
    export: PathBuf,
    /// Checkpoints that were kept outside, one a line, as `milestoned audit head` prints them or the daemon sends them.
    #[arg(long)]
    heads: Option<PathBuf>,
    /// Whose signatures count, as it is known from elsewhere: the fourth word of a checkpoint.
    #[arg(long)]
    public_key: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let report = match report(&options) {
        Ok(report) => report,
        Err(error) => {
            writeln!(std::io::stderr(), "milestoned-verify: {error:#}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let mut out = std::io::stdout();
    if options.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        told(&mut out, &report, options.public_key.is_empty())?;
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(options: &Options) -> anyhow::Result<Report> {
    let kept = options.heads.as_deref().map_or(Ok(Vec::new()), read_heads)?;
    let file = File::open(&options.export).with_context(|| options.export.display().to_string())?;
    check(BufReader::new(file), &kept, &options.public_key).map_err(anyhow::Error::msg)
}

fn read_heads(path: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    checkpoint::read(&text).map_err(|(line, reason)| anyhow::anyhow!("{} line {line}: {reason}", path.display()))
}

fn told(out: &mut impl Write, report: &Report, by_anybody: bool) -> std::io::Result<()> {
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    let rows: Vec<String> = report.rows.iter().map(|(table, rows)| format!("{rows} of {table}")).collect();
    writeln!(out, "lines: {}, of which {} without names and texts", report.lines, report.redacted)?;
    writeln!(out, "rows: {}", if rows.is_empty() { "none".into() } else { rows.join(", ") })?;
    if let Some(line) = report.about_rows_from {
        writeln!(out, "lines are about rows from line {line} on: of what is older, rows were only counted")?;
    }
    writeln!(out, "signed head: {}", report.checkpoint.as_deref().unwrap_or("none"))?;
    if by_anybody {
        writeln!(out, "whose signature it is was compared with nothing: name the house's key by --public-key")?;
    }
    writeln!(
        out,
        "of rows, what they were written with is compared; what became of them, for deliveries that are done"
    )?;
    writeln!(out, "checkpoints from outside that were compared: {}", report.compared)?;
    let count = report.findings.len();
    writeln!(out, "{}", if count == 0 { "no difference".to_owned() } else { format!("{count} differences") })
}
