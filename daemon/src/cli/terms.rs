//! `contract new`, `contract check`, `contract schema`: contract files as people write them, without a database.

use std::path::Path;
use std::process::ExitCode;

use jiff::civil::Date;
use milestoned_mapping::calendar::{Calendar, Calendars};
use milestoned_mapping::change_order::ChangeOrder;
use milestoned_mapping::contract::{Code, Contract, Policy};
use milestoned_mapping::counted::counted;
use milestoned_mapping::filed::{json_tree, toml_tree};
use milestoned_mapping::locate::Lines;
use milestoned_mapping::money::Minor;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::schema::FileKind;
use milestoned_mapping::terms::{Terms, TermsErrors};
use milestoned_mapping::{identifiers, rules, schema};
use serde_json::{Value, json};

use super::BAD_INPUT;
use super::table::{amount, complain, say, titled};
use crate::agreements::{Options, erp_problems, long_numbers};
use crate::contract_folder;
use crate::contract_template::{Template, Values};
use crate::registry::{NUMBER_LENGTHS, Registry};
use crate::settings::Settings;

/// What a new contract file begins with.
#[derive(Debug, Clone, clap::Args)]
pub struct New {
    /// Shape of the contract.
    #[arg(value_enum)]
    template: Template,
    /// Contract id; invoice numbers begin with it.
    #[arg(long)]
    id: String,
    /// The customer's name, as in CRM and ERP.
    #[arg(long)]
    customer: String,
    /// Transaction price, such as 200000.00.
    #[arg(long)]
    total: String,
    /// ISO 4217 code.
    #[arg(long, default_value = "USD")]
    currency: String,
    /// Date of signature.
    #[arg(long)]
    signed_on: Date,
}

/// `milestoned contract new TEMPLATE …`: the file on standard output.
pub(super) fn new(options: &New) -> ExitCode {
    let values = Values {
        id: &options.id,
        customer: &options.customer,
        currency: &options.currency,
        total: &options.total,
        signed_on: options.signed_on,
    };
    let text = options.template.written(&values);
    match Terms::from_toml(&text, &Calendars::built_in()) {
        Ok(_) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(errors) => {
            complain(&format!("milestoned: {errors}"));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// `milestoned contract schema`: JSON Schema for editors, of contract files or of change orders.
pub(super) fn schema(change_order: bool) -> anyhow::Result<ExitCode> {
    let schema = if change_order { schema::change_order_schema() } else { schema::json_schema() };
    say(&serde_json::to_string_pretty(&schema)?);
    Ok(ExitCode::SUCCESS)
}

/// What a contract file is checked beside: calendars and ERPs of a configuration, or what is built in where none is named.
pub(super) struct Beside {
    calendars: Calendars,
    settings: Option<Settings>,
}

impl Beside {
    /// What a configuration says.
    ///
    /// # Errors
    /// Every problem of the configuration.
    pub(super) fn of(config: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match config {
            Some(path) => {
                let settings = Settings::load_for_database(Some(path))?;
                Self { calendars: crate::calendars::from_settings(&settings)?, settings: Some(settings) }
            }
            None => Self { calendars: Calendars::built_in(), settings: None },
        })
    }

    /// What the ERP would refuse of a file.
    fn refused(&self, tree: &Value, contract: &str) -> Vec<Problem> {
        let Some(settings) = &self.settings else { return Vec::new() };
        let named = tree.pointer("/milestoned/erp").and_then(Value::as_str).or(settings.agreements.erp.as_deref());
        let Some((erp, connection)) = named.and_then(|name| Some((name, settings.connections.get(name)?))) else {
            return Vec::new();
        };
        let connection = Registry::by_itself(erp, connection);
        connection.map(|connection| erp_problems((erp, &connection), contract, tree)).unwrap_or_default()
    }

    /// Where no configuration says which ERP it is: what any of them would refuse.
    fn may_be_refused(&self, tree: &Value, contract: &str) -> Vec<String> {
        if self.settings.is_some() {
            return Vec::new();
        }
        let limits = NUMBER_LENGTHS.iter().filter_map(|(kind, most)| Some((*kind, (*most)?)));
        let found = limits.flat_map(|(kind, most)| long_numbers(kind, most, contract, tree));
        found.map(|problem| problem.to_string()).collect()
    }
}

fn named<'a>(tree: &'a Value, name: &str) -> &'a str {
    tree.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `milestoned contract check FILE`: every problem at once, with its line and what to write.
pub(super) fn check(file: &Path, beside: &Beside, json: bool) -> anyhow::Result<ExitCode> {
    let name = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => contract_folder::without_mark(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Ok(unreadable(file, "is not UTF-8 text: save it as UTF-8", json));
        }
        Err(error) => return Ok(unreadable(file, &error.to_string(), json)),
    };
    let read = match file.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml_tree(&text).map(|tree| (tree, Lines::of_toml(&text))),
        Some("json") => json_tree(&text).map(|tree| (tree, Lines::of_json(&text))),
        _ => Err("the name must end in .toml or .json".into()),
    };
    let (tree, lines) = match read {
        Ok(read) => read,
        Err(reason) => return Ok(unreadable(file, &reason, json)),
    };
    if FileKind::of(&tree) == FileKind::ChangeOrder {
        return Ok(check_change_order(file, tree, &lines, beside, json));
    }
    let refused = beside.refused(&tree, named(&tree, "id"));
    let may_be_refused = beside.may_be_refused(&tree, named(&tree, "id"));
    let (problems, contract) = problems(tree, &beside.calendars, refused);
    let mut notes = contract.as_ref().map_or_else(Vec::new, notes);
    notes.extend(may_be_refused);
    if json {
        let problems = as_json(&problems, &lines);
        say(&serde_json::to_string_pretty(&json!({ "file": name.to_string(), "problems": problems, "notes": notes }))?);
    } else {
        complain_of(file, &problems, &lines);
        if let Some(contract) = &contract {
            say(&summary(contract));
            notes.iter().for_each(|note| say(&format!("note: {note}")));
        } else {
            complain(&format!(
                "milestoned: {name}: {}; nothing of it is taken until they are gone",
                counted(problems.len(), "problem")
            ));
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD_INPUT) })
}

fn as_json(problems: &[Problem], lines: &Lines) -> Vec<Value> {
    let told = |problem: &Problem| json!({ "line": lines.of(&problem.place), "field": problem.place, "reason": problem.reason, "remedy": problem.remedy });
    problems.iter().map(told).collect()
}

fn complain_of(file: &Path, problems: &[Problem], lines: &Lines) {
    for problem in problems {
        let line = lines.of(&problem.place).map_or(String::new(), |line| format!(":{line}"));
        complain(&format!("{}{line}: {problem}", file.display()));
    }
}

/// A change order is checked as one, by itself: the contract that it changes is not here.
fn check_change_order(file: &Path, tree: Value, lines: &Lines, beside: &Beside, json: bool) -> ExitCode {
    let mut problems = identifiers::problems(&tree);
    problems.extend(beside.refused(&tree, named(&tree, "amends")));
    let notes = beside.may_be_refused(&tree, named(&tree, "amends"));
    let read = ChangeOrder::read(tree).map_err(|errors| problems.extend(errors)).ok();
    if json {
        let problems = as_json(&problems, lines);
        say(&json!({ "file": file.display().to_string(), "problems": problems, "notes": notes }).to_string());
    } else {
        complain_of(file, &problems, lines);
        notes.iter().for_each(|note| say(&format!("note: {note}")));
        match read.filter(|_| problems.is_empty()) {
            Some(order) => {
                let [added, changed, removed] = order.milestones.map(|ids| ids.join(", "));
                let signed = if order.signed { "signed" } else { "not signed" };
                say(&format!(
                    "change order of {}, version {}, {signed}; in: {added}; changed: {changed}; out: {removed}",
                    order.amends, order.version
                ));
            }
            None => complain(&format!(
                "milestoned: {}: {}; nothing of it is taken",
                file.display(),
                counted(problems.len(), "problem")
            )),
        }
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD_INPUT) }
}

fn unreadable(file: &Path, reason: &str, json: bool) -> ExitCode {
    if json {
        let problem = json!({ "line": null, "field": "(file)", "reason": reason, "remedy": "correct the file" });
        say(&json!({ "file": file.display().to_string(), "problems": [problem], "notes": [] }).to_string());
    } else {
        complain(&format!("milestoned: {}: {reason}", file.display()));
    }
    ExitCode::from(BAD_INPUT)
}

/// What is wrong with a contract; the contract on its first day, where nothing is.
fn problems(mut tree: Value, calendars: &Calendars, refused: Vec<Problem>) -> (Vec<Problem>, Option<Contract>) {
    let mut problems = identifiers::problems(&tree);
    problems.extend(refused);
    let options = tree.as_object_mut().and_then(|table| table.remove("milestoned")).unwrap_or(Value::Null);
    if !options.is_null()
        && let Err(error) = serde_path_to_error::deserialize::<_, Options>(options)
    {
        let path = error.path().to_string();
        let field = if path == "." { "milestoned".into() } else { format!("milestoned.{path}") };
        problems.push(FileKind::Terms.problem(field, error.inner().to_string()));
    }
    let opened = Terms::from_value(tree, calendars).and_then(|terms| {
        let calendar = calendars.get(terms.calendar()).cloned().unwrap_or(Calendar::Weekends);
        let first_day = terms.signed_on().max(terms.books_from().unwrap_or(terms.signed_on()));
        Contract::open(terms, Policy::default(), calendar, first_day).map_err(|problem| TermsErrors(vec![problem]))
    });
    match opened {
        Ok(mut contract) if problems.is_empty() => {
            contract.begin();
            (problems, Some(contract))
        }
        Ok(_) => (problems, None),
        Err(errors) => {
            problems.extend(errors.0);
            (problems, None)
        }
    }
}

/// What would be an exception on the first day.
fn notes(contract: &Contract) -> Vec<String> {
    contract
        .exceptions()
        .iter()
        .filter_map(|exception| {
            let rule = rules::find(exception.code.name())?;
            let milestone = exception.milestone.as_deref().map_or(String::new(), |id| format!(" on {id}"));
            let remedy = match exception.code {
                Code::ScheduleTotalMismatch => correct_the_draft(contract),
                _ => rule.remedy.to_owned(),
            };
            Some(format!("{}{milestone} ({}): {}. {remedy}", exception.code, exception.severity, rule.title))
        })
        .collect()
}

/// A draft whose amounts do not sum to its total is corrected, not amended.
fn correct_the_draft(contract: &Contract) -> String {
    let currency = contract.terms().currency();
    let sum: Minor = contract.milestones().iter().map(|milestone| milestone.amount.units()).sum();
    let difference = contract.total().units() - sum;
    let than = if difference < Minor::ZERO { "more" } else { "less" };
    format!(
        "The amounts sum to {}, {} {than} than the total of {}: correct the amounts or the total in this file.",
        currency.money(sum),
        currency.money(difference.abs()),
        contract.total()
    )
}

fn summary(contract: &Contract) -> String {
    let terms = contract.terms();
    let mut table = titled(&["Milestone", "Name", "Amount", "Revenue"]);
    for milestone in contract.milestones() {
        let revenue = milestone.recognition_amount.map(|money| money.to_string()).unwrap_or_default();
        table.add_row(vec![
            milestone.id.as_str().into(),
            milestone.name.as_str().into(),
            amount(&milestone.amount.to_string()),
            amount(&revenue),
        ]);
    }
    let head = format!("{}, {}, {} {}", terms.id(), terms.customer(), contract.total(), terms.currency());
    format!("{head}: {}\n{table}", terms.payment_terms_text())
}
