//! The command line: what it takes, and which function answers.

pub mod adopt;
pub mod audit;
pub mod check;
pub mod close;
pub mod contract;
pub mod customers;
pub mod dates;
pub mod doctor;
pub mod documents;
pub mod people;
pub mod reconcile;
pub mod recovery;
pub mod revenue;
pub mod review;
pub mod rules;
pub mod run;
pub mod status;
pub mod table;
pub mod terms;
pub mod workbook;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use milestoned_mapping::calendar::Calendars;
use secrecy::SecretString;

use crate::clock::SystemClock;
use crate::environment::Environment;
use crate::review::acts::Verb;
use crate::settings::Settings;

/// Turns accepted work into correct invoices and revenue, between CRM, project tools and ERP.
#[derive(Debug, Parser)]
#[command(name = "milestoned", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file; without it defaults and MILESTONED__… variables count.
    #[arg(long, short, global = true, env = "MILESTONED_CONFIG")]
    config: Option<PathBuf>,
    /// JSON for machines instead of tables for people.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Propose the history of a contract that is under way, from what ERP, CRM and project tool hold.
    Adopt(adopt::Adopt),
    /// The audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy the database while the daemon runs, and check the copy.
    Backup {
        /// The copy; there must be no such file yet.
        file: PathBuf,
    },
    /// Check configuration, credentials, reachability and field maps; every problem at once.
    Check,
    /// Close a period, for good: entries of its dates stay, and what is learned of them later is booked on the first open date.
    /// `prepare` and `sign` make the month-end package.
    Close(dates::Close),
    /// Contracts.
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Customers and their records in the ERPs.
    #[command(subcommand)]
    Customer(customers::CustomerCommand),
    /// Play a year of milestone billing against simulators on this machine.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Options),
    /// The exception digest.
    Digest {
        /// Send it now, whatever the schedule says.
        #[arg(long)]
        send: bool,
    },
    /// Whether the books are whole and agree with the remotes; each finding with what to do, and exit code 1.
    Doctor(doctor::Options),
    /// Open exceptions, with what they hold back and what to do.
    Exceptions {
        /// Of one contract.
        #[arg(long)]
        contract: Option<String>,
        /// Closed ones too.
        #[arg(long)]
        all: bool,
    },
    /// What other programs take: the journal.
    #[command(subcommand)]
    Export(ExportCommand),
    /// Halt a contract, a customer, or everything that goes to a connection.
    Pause(recovery::Halt),
    /// People who sign in: local accounts, links that sign in once, sessions.
    #[command(subcommand)]
    People(people::PeopleCommand),
    /// Every write that would be made now, with its key, without making it.
    Plan,
    /// A recurring amount over part months, by day.
    Prorate(rules::Prorate),
    /// Everything that waits for a person, with what to do.
    Queue {
        /// Of one contract.
        #[arg(long)]
        contract: Option<String>,
        /// Of one kind: approval, change_order, exception, drift, delivery, record, fact, file, pause, unattested, unseen, expiry,
        /// stream, unfiled.
        #[arg(long)]
        kind: Option<String>,
        /// Of one owner.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Read one document from standard input within limits: the process that `contract read` starts.
    #[command(hide = true)]
    ReadDocument {
        /// Kind of file.
        format: String,
    },
    /// Compare the four legs of every contract in one pass; differences end in exit code 1.
    Reconcile,
    /// Rebuild state from facts.
    Replay {
        /// Compare with the stored state; differences end in exit code 1.
        #[arg(long)]
        check: bool,
    },
    /// How billing goes: the five metrics month by month, their cases, the cohort of a month, the forecast.
    Report(status::Report),
    /// Put a backup in the place of the database, so that nothing is written twice.
    Restore(recovery::Restore),
    /// Let go on what was halted.
    Resume(recovery::Halt),
    /// Decisions of a reviewer.
    #[command(subcommand)]
    Review(ReviewCommand),
    /// Every rule with its severity; with a code one rule: why, what to do, and a case that shows it.
    Rules {
        /// Code, such as AMOUNT_MISMATCH.
        code: Option<String>,
    },
    /// The daemon.
    Run,
    /// Play one case through the rules, without network or database.
    Simulate {
        /// TOML or JSON, by extension.
        file: PathBuf,
        /// Tell how each date and amount came about, instead of the document.
        #[arg(long)]
        explain: bool,
    },
    /// How the daemon is doing: streams, deliveries, what is parked.
    Status,
    /// Tokens of programs that use the API.
    #[command(subcommand)]
    Token(people::TokenCommand),
    /// Contracts as an Excel file that people edit and bring back.
    #[command(subcommand)]
    Workbook(workbook::WorkbookCommand),
}

impl Command {
    /// Whether it reaches more than the database, and so needs the secrets of connections and mail.
    fn asks_a_remote(&self) -> bool {
        match self {
            Self::Digest { send } => *send,
            Self::Doctor(options) => !options.offline,
            #[cfg(feature = "demo")]
            Self::Demo(_) => true,
            Self::Check | Self::Run => true,
            Self::Adopt(_)
            | Self::Audit(_)
            | Self::Backup { .. }
            | Self::Close(_)
            | Self::Contract(_)
            | Self::Customer(_)
            | Self::Exceptions { .. }
            | Self::Export(_)
            | Self::Pause(_)
            | Self::People(_)
            | Self::Plan
            | Self::Prorate(_)
            | Self::Queue { .. }
            | Self::ReadDocument { .. }
            | Self::Reconcile
            | Self::Replay { .. }
            | Self::Report(_)
            | Self::Restore(_)
            | Self::Resume(_)
            | Self::Review(_)
            | Self::Rules { .. }
            | Self::Simulate { .. }
            | Self::Status
            | Self::Token(_)
            | Self::Workbook(_) => false,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The trail with the rows that its lines are about and its signed head, one JSON value a line: `milestoned-verify` checks
    /// it without the database.
    Export {
        /// Where to; on standard output without it.
        file: Option<PathBuf>,
    },
    /// A package for an auditor: documents, entries, decisions and trails of a period as JSON lines, CSV and a page, with hashes and
    /// a signed manifest; of all contracts also the whole trail, which `milestoned-verify` checks.
    Package {
        /// A folder that is not there yet.
        folder: PathBuf,
        /// The first date.
        #[arg(long)]
        from: jiff::civil::Date,
        /// The last date.
        #[arg(long)]
        through: jiff::civil::Date,
        /// Of one contract, or of several; of all without it.
        #[arg(long)]
        contract: Vec<String>,
    },
    /// Place and hash of the newest line, signed: kept elsewhere, it shows later whether lines were taken off or put on.
    Head,
    /// Remove who acted and what they wrote from audit lines, facts and source records; the chain still holds, and replay
    /// gives the same.
    Redact {
        /// What is from before this instant, such as 2026-01-01T00:00:00Z.
        #[arg(long)]
        before: jiff::Timestamp,
        /// Of one person; of all without it.
        #[arg(long)]
        actor: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// From an invoice back to the clause, the acceptance, the raw record and the remote's request ids; from a fact or a
    /// record on to what it led to.
    Trace {
        /// Number of a document or journal entry, KIND:ID by the ERP's id (invoice:812), payment:CONNECTION:ID,
        /// approval:CONTRACT:MILESTONE, mail:MESSAGE-ID, fact:ROW, or record:ROW.
        what: String,
    },
    /// Compare the trail, its sealed head, every row and what was kept outside: any difference ends in exit code 1.
    Verify {
        /// File of checkpoints: lines that `audit head` printed or the daemon sent. Without it `audit.checkpoint_file`.
        #[arg(long)]
        heads: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum ContractCommand {
    /// Read a contract file: every problem at once, with its line and what to write.
    Check {
        /// TOML or JSON, by extension.
        file: PathBuf,
    },
    /// How each date and amount of one contract came about, from its facts.
    Explain {
        /// Contract id.
        id: String,
    },
    /// Read signed documents for what is wrong in them before anybody signs: sums, words beside digits, what is missing.
    Lint(documents::Read),
    /// All contracts.
    List,
    /// A new contract file from a template, on standard output.
    New(terms::New),
    /// Read signed documents: a proposal of terms, every value with its quote and place, on standard output.
    Read(documents::Read),
    /// Revenue of one contract: obligations, what remains, deferred revenue month by month.
    Revenue {
        /// Contract id.
        id: String,
    },
    /// JSON Schema of contract files, for editors.
    Schema {
        /// Of the files of change orders.
        #[arg(long)]
        change_order: bool,
    },
    /// One contract: milestones, documents, journal, exceptions, deliveries.
    Show {
        /// Contract id.
        id: String,
        #[command(flatten)]
        asked: dates::AsOf,
    },
}

#[derive(Debug, Subcommand)]
enum ExportCommand {
    /// Journal entries, one transaction per contract and date.
    Journal {
        /// hledger, beancount or csv.
        #[arg(long, value_enum, default_value = "hledger")]
        format: revenue::JournalFormat,
        /// Of one contract.
        #[arg(long)]
        contract: Option<String>,
    },
}

/// The running daemon, and as whom it is asked.
#[derive(Debug, Clone, Args)]
pub struct Caller {
    /// Address of the daemon; without it http.public_url of the configuration.
    #[arg(long, env = "MILESTONED_URL")]
    url: Option<String>,
    /// Token of [[http.tokens]]: whose it is decides, and stands in the audit trail.
    #[arg(long, env = "MILESTONED_TOKEN", hide_env_values = true)]
    token: SecretString,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ReviewCommand {
    /// Let a milestone that waits for a person be invoiced, as it stands there now.
    Approve {
        /// Contract id.
        contract: String,
        /// Milestone id.
        milestone: String,
        /// The amount that is approved; another one is refused.
        #[arg(long)]
        amount: String,
        /// Why; what is approved says enough.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Let a change order take effect that waits for an approval; `review close` refuses it.
    ApproveOrder {
        /// Name that `queue` shows: change_order:CONTRACT:DIGEST.
        what: String,
        /// Why; what is approved says enough.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Give something to somebody to look after.
    Assign {
        /// Name that `queue` shows.
        what: String,
        /// To whom; to nobody in particular without it.
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        caller: Caller,
    },
    /// Close what waits for a person and is settled otherwise: a file, a record, a refused fact, a write that was not seen.
    Close {
        /// Name that `status` shows: record:ROW, fact:ROW, file:PATH, unseen:KEY.
        what: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Hold a milestone: nothing of it is invoiced until somebody approves it.
    Hold {
        /// Contract id.
        contract: String,
        /// Milestone id.
        milestone: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Write something down about something that waits.
    Note {
        /// Name that `queue` shows.
        what: String,
        /// What.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Close an open exception, or a drift.
    Overrule {
        /// Contract id.
        contract: String,
        /// Code of the exception.
        code: String,
        /// Its milestone, if it has one.
        #[arg(long)]
        milestone: Option<String>,
        /// Its leg, if it has one: crm, psa, erp.
        #[arg(long)]
        leg: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The date on which an exception opens again if its condition lasts.
        #[arg(long)]
        until: Option<jiff::civil::Date>,
        #[command(flatten)]
        caller: Caller,
    },
    /// Read parked records again.
    Replay {
        /// One record, by the id that `status` shows; all without it.
        id: Option<i64>,
        #[command(flatten)]
        caller: Caller,
    },
    /// Let a parked delivery go on; the remote is asked first.
    Release {
        /// Key that `status` shows.
        key: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// A parked delivery was done by hand, outside; the remote is asked where it can be.
    Done {
        /// Key that `status` shows.
        key: String,
        /// The remote's id of what was done.
        #[arg(long)]
        remote_id: String,
        /// Why, and who did it.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Give a refused delivery up: it is not sent any more.
    GiveUp {
        /// Key that `status` shows.
        key: String,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        caller: Caller,
    },
    /// Nobody is reminded of something before a date.
    Snooze {
        /// Name that `queue` shows.
        what: String,
        /// Until when; people are reminded again without it.
        #[arg(long)]
        until: Option<String>,
        #[command(flatten)]
        caller: Caller,
    },
}

/// Exit code of a check that found something, and of a command whose object does not exist.
pub const FOUND: u8 = 1;
/// Exit code of bad input: arguments, configuration, files.
pub const BAD_INPUT: u8 = 2;
/// Exit code of a command whose output could not be written (`EX_IOERR`).
pub const OUTPUT_LOST: u8 = 74;

/// How long threads that block may take to end with the process.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Every command with its subcommands and options, as `--help` tells them.
pub fn commands() -> clap::Command {
    Cli::command()
}

/// Runs the command line; errors go to standard error, one sentence with the remedy.
pub fn main() -> ExitCode {
    // Files that are created from here on, such as databases and backups, are readable by their owner alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = Cli::parse();
    // The limits hold for threads that are started afterwards: this comes first.
    if let Command::ReadDocument { format } = &cli.command {
        return documents::child(format);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::anyhow!(error)),
    };
    let outcome = runtime.block_on(dispatch(cli));
    // A thread that still waits for a file or a name server holds up nobody.
    runtime.shutdown_timeout(LAST_MOMENT);
    match outcome {
        Ok(_) if table::is_lost() => ExitCode::from(OUTPUT_LOST),
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Tells that a contract that was asked for is not known.
fn unknown_contract(id: &str) -> ExitCode {
    table::complain(&format!(
        "milestoned: contract {id:?} is not known; `milestoned contract list` shows those that are"
    ));
    ExitCode::from(FOUND)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    table::complain(&format!("milestoned: {error:#}"));
    ExitCode::from(BAD_INPUT)
}

/// The calendars of a configuration, or those that are built in where none is named.
fn calendars(config: Option<&Path>) -> anyhow::Result<Calendars> {
    match config {
        Some(path) => Ok(crate::calendars::from_settings(&Settings::load_for_database(Some(path))?)?),
        None => Ok(Calendars::built_in()),
    }
}

/// Answers one command line.
///
/// # Errors
/// It cannot be answered: one sentence with the remedy.
pub async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global: global @ Global { json, .. }, command } = cli;
    match command {
        Command::Contract(ContractCommand::Check { file }) => {
            return terms::check(&file, &terms::Beside::of(global.config.as_deref())?, json);
        }
        Command::Contract(ContractCommand::Lint(options)) => return documents::lint(&options, json),
        Command::Contract(ContractCommand::New(options)) => return Ok(terms::new(&options)),
        Command::Contract(ContractCommand::Read(options)) if options.amends.is_none() => {
            return documents::read(&options, None, json).await;
        }
        Command::Contract(ContractCommand::Schema { change_order }) => return terms::schema(change_order),
        Command::Prorate(options) => return rules::prorate(&options, json),
        Command::Token(command) => return Ok(people::token(&command, json)),
        Command::Rules { code } => return rules::rules(code.as_deref(), json),
        Command::Simulate { file, explain } => {
            return Ok(contract::simulate(&file, &calendars(global.config.as_deref())?, explain, json));
        }
        #[cfg(feature = "demo")]
        Command::Demo(options) => return crate::demo::run(options, json).await,
        Command::Run => return run::run(global.config.as_deref()).await,
        Command::Check => return check::check(global.config.as_deref(), json).await,
        Command::Close(closing) => return dates::close_dates(global.config.as_deref(), closing, json).await,
        Command::Customer(customers::CustomerCommand::Choose(choice)) => {
            return customers::choose(global.config.as_deref(), choice, json).await;
        }
        Command::Pause(halt) => return recovery::halt(global.config.as_deref(), halt, Verb::Pause, json).await,
        Command::Resume(halt) => return recovery::halt(global.config.as_deref(), halt, Verb::Resume, json).await,
        Command::Review(command) => return review::review(global.config.as_deref(), command, json).await,
        Command::Restore(options) => return recovery::restore(&global, options).await,
        Command::Workbook(command) => return workbook::workbook(global.config.as_deref(), command, json).await,
        Command::Audit(AuditCommand::Redact { before, actor, reason, caller }) => {
            let body = serde_json::json!({ "before": before, "actor": actor, "reason": reason });
            return review::post(global.config.as_deref(), "/v1/audit/redactions", &body, &caller, json).await;
        }
        Command::People(people::PeopleCommand::Close { person, caller }) => {
            return people::close(global.config.as_deref(), &person, &caller, json).await;
        }
        Command::People(people::PeopleCommand::SignOut { session, caller }) => {
            return people::sign_out(global.config.as_deref(), &session, &caller, json).await;
        }
        _ => {}
    }
    let file = global.config.as_deref();
    let settings = if command.asks_a_remote() { Settings::load(file) } else { Settings::load_for_database(file) };
    let settings = settings?;
    is_there(&settings.store, file)?;
    let env = Environment::build(settings, Arc::new(SystemClock)).await?;
    crate::replay::upgrade(&env).await?;
    on_database(&env, command, json).await
}

/// An empty database answers every question with "nothing", which looks like good news. Whoever forgot `--config` is refused; that
/// the configured one was not there is told.
fn is_there(store: &crate::store::Settings, config: Option<&Path>) -> anyhow::Result<()> {
    if store.url.is_some() || store.path.exists() {
        return Ok(());
    }
    let path = store.path.display();
    if config.is_none() {
        anyhow::bail!(
            "store.path: there is no {path}, and no configuration was named; give --config, or set MILESTONED_CONFIG"
        );
    }
    table::complain(&format!(
        "milestoned: store.path: {path} was not there: this answer is of an empty database, which is made"
    ));
    Ok(())
}

/// Answers a command that needs the database.
async fn on_database(env: &Environment, command: Command, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Adopt(options) => adopt::adopt(env, options, json).await,
        Command::Audit(command) => audit::audit(env, command, json).await,
        Command::Backup { file } => recovery::backup(env, file, json).await,
        Command::Contract(ContractCommand::Explain { id }) => dates::explain(env, &id, json).await,
        Command::Contract(ContractCommand::List) => contract::list(env, json).await,
        Command::Contract(ContractCommand::Read(options)) => documents::read(&options, Some(env), json).await,
        Command::Contract(ContractCommand::Revenue { id }) => revenue::contract(env, &id, json).await,
        Command::Contract(ContractCommand::Show { id, asked }) => match dates::show(env, &id, asked, json).await? {
            Some(code) => Ok(code),
            None => contract::show(env, &id, json).await,
        },
        Command::Customer(customers::CustomerCommand::List) => customers::list(env, json).await,
        Command::Digest { send } => status::digest(env, send, json).await,
        Command::Doctor(options) => doctor::doctor(env, options, json).await,
        Command::Exceptions { contract, all } => status::exceptions(env, contract, all, json).await,
        Command::Export(ExportCommand::Journal { format, contract }) => revenue::journal(env, format, contract).await,
        Command::People(command) => people::people(env, command, json).await,
        Command::Plan => status::plan(env, json).await,
        Command::Queue { contract, kind, owner } => status::waiting(env, contract, kind, owner, json).await,
        Command::Reconcile => reconcile::reconcile(env, json).await,
        Command::Replay { check } => status::replay(env, check, json).await,
        Command::Report(asked) => status::report(env, asked, json).await,
        Command::Status => status::status(env, json).await,
        #[cfg(feature = "demo")]
        Command::Demo(_) => Ok(ExitCode::SUCCESS),
        // Answered by `dispatch`, without a database.
        Command::Check
        | Command::Contract(
            ContractCommand::Check { .. }
            | ContractCommand::Lint(_)
            | ContractCommand::New(_)
            | ContractCommand::Schema { .. },
        )
        | Command::Close(_)
        | Command::Customer(customers::CustomerCommand::Choose(_))
        | Command::Pause(_)
        | Command::Prorate(_)
        | Command::ReadDocument { .. }
        | Command::Restore(_)
        | Command::Resume(_)
        | Command::Review(_)
        | Command::Rules { .. }
        | Command::Run
        | Command::Simulate { .. }
        | Command::Token(_)
        | Command::Workbook(_) => Ok(ExitCode::SUCCESS),
    }
}
