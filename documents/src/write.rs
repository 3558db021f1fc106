//! The proposal as a contract file: values with quotes and places as comments, findings at the top, nothing confirmed.

use std::fmt::Write as _;

use serde_json::Value;

use crate::amendment::Change;
use crate::block::{Place, Quote};
use crate::check::of_the_price;
use crate::confirm::Asked;
use crate::proposal::{Field, Finding, Gravity, Milestone, Proposal, Why};

/// A TOML text, line by line, with the names of the values that nobody has confirmed.
struct Writer<'p> {
    proposal: &'p Proposal,
    text: String,
    asked: Vec<Asked>,
}

/// The contract file. It names every value in `milestoned.unconfirmed`, and is not filed while one stands there.
#[must_use]
pub fn toml(proposal: &Proposal) -> String {
    let writer = Writer::of(proposal);
    let body = writer.text;
    let mut text = head(proposal);
    text.push_str("\n[milestoned]\n");
    text.push_str("# Take a name out when you have compared its value with the document. The file is refused while one is left.\n");
    text.push_str("unconfirmed = [\n");
    for asked in writer.asked.iter().filter(|asked| asked.value.is_some()) {
        let _ = writeln!(text, "    {},", quoted(&asked.path));
    }
    text.push_str("]\n");
    // Keys of the file itself stand before its tables.
    let split = body.find("\n[").map_or(body.len(), |at| at + 1);
    let (keys, tables) = body.split_at(split);
    let (comments, milestoned) = text.split_once("\n[milestoned]").unwrap_or((&text, ""));
    format!("{comments}\n{keys}\n[milestoned]{milestoned}\n{tables}")
}

/// Every value that a person decides about, in the order of the contract file; those that were not found, too.
pub(crate) fn asked(proposal: &Proposal) -> Vec<Asked> {
    Writer::of(proposal).asked
}

/// The findings, one a line, as `contract lint` prints them.
#[must_use]
pub fn findings(proposal: &Proposal) -> String {
    let mut text = String::new();
    for finding in &proposal.findings {
        let _ = writeln!(text, "{}: {}: {}", gravity(finding), finding.code, finding.message);
        for quote in &finding.quotes {
            let _ = writeln!(text, "    {}", cited(proposal, quote));
        }
    }
    text
}

fn gravity(finding: &Finding) -> &'static str {
    match finding.gravity {
        Gravity::Error => "error",
        Gravity::Warning => "warning",
        Gravity::Note => "note",
    }
}

fn head(proposal: &Proposal) -> String {
    let mut text = String::from("# Proposal, read from these files; nobody has confirmed it.\n");
    for file in &proposal.files {
        let _ = writeln!(text, "#   {} (SHA-256 {})", one_line(&file.name), file.sha256);
    }
    let _ = writeln!(text, "# Reader: {}", proposal.reader);
    text.push_str("#\n# Findings:\n");
    if proposal.findings.is_empty() {
        text.push_str("#   none\n");
    }
    for line in findings(proposal).lines() {
        let _ = writeln!(text, "#   {}", one_line(line));
    }
    text
}

/// Nothing in a comment may end it.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cited(proposal: &Proposal, quote: &Quote) -> String {
    format!("\"{}\" ({})", one_line(&short(&quote.text)), placed(proposal, &quote.place))
}

fn placed(proposal: &Proposal, place: &Place) -> String {
    let words = place.words();
    let several = proposal.files.len() > 1;
    let file = proposal.files.get(usize::from(place.file)).map_or("", |file| file.name.as_str());
    match (several, words.is_empty()) {
        (true, true) => file.to_owned(),
        (true, false) => format!("{file}, {words}"),
        (false, true) => "in the file".into(),
        (false, false) => words,
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= 160 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(160).collect::<String>())
    }
}

/// JSON's escapes are escapes of TOML's basic strings.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn reason(why: Option<Why>) -> &'static str {
    match why {
        Some(Why::Redacted) => "taken out of the document",
        Some(Why::Blank) => "left open in the document",
        Some(Why::ToBeDetermined) => "to be determined, the document says",
        Some(Why::Ambiguous) => "can be read in two ways",
        Some(Why::Unreadable) => "written in a way that is not understood",
        Some(Why::NotFound) | None => "not in the document",
    }
}

impl<'p> Writer<'p> {
    fn of(proposal: &'p Proposal) -> Self {
        let mut writer = Writer { proposal, text: String::new(), asked: Vec::new() };
        match &proposal.amended_contract {
            Some(contract) => writer.change_order(contract),
            None => writer.terms(),
        }
        writer
    }

    fn ask(&mut self, path: String, value: Option<&str>, quotes: &[Quote], reason: Option<&'static str>) {
        self.asked.push(Asked { path, value: value.map(Into::into), quotes: quotes.to_vec(), reason });
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn quotes(&mut self, field: &Field) {
        for quote in &field.quotes {
            let cited = cited(self.proposal, quote);
            self.line(&format!("# {cited}"));
        }
    }

    /// `key = value` after its quotes; a value that there is not is a comment that says why.
    fn field(&mut self, path: &str, key: &str, field: &Field, value: impl Fn(&str) -> Option<String>) {
        self.quotes(field);
        let asked = format!("{path}{key}");
        match field.value.as_deref().map(|text| (text, value(text))) {
            Some((text, Some(value))) => {
                self.line(&format!("{key} = {value}"));
                self.ask(asked, Some(text_of(key, text)), &field.quotes, None);
            }
            Some((text, None)) => {
                self.line(&format!("# {key} = {}: terms have no such value", one_line(text)));
                self.ask(asked, None, &field.quotes, Some("terms have no such value"));
            }
            None => {
                self.line(&format!("# {key} = ?: {}", reason(field.why)));
                self.ask(asked, None, &field.quotes, Some(reason(field.why)));
            }
        }
    }

    fn text_field(&mut self, path: &str, key: &str, field: &Field) {
        self.field(path, key, field, |text| Some(quoted(text)));
    }

    fn terms(&mut self) {
        let proposal = self.proposal;
        if let Some(amends) = &proposal.amends {
            self.line("# An amendment of:");
            self.quotes(&amends.contract);
            for clause in &amends.clauses {
                self.quotes(clause);
            }
        }
        self.text_field("", "id", &proposal.id);
        self.text_field("", "customer", &proposal.customer);
        self.text_field("", "currency", &proposal.currency);
        self.text_field("", "total", &proposal.total);
        if proposal.cap.value.is_some() {
            self.text_field("", "cap", &proposal.cap);
        }
        self.field("", "signed_on", &proposal.signed_on, |text| day(text).then(|| text.to_owned()));
        self.text_field("", "po_number", &proposal.po_number);
        let net = |text: &str| (text.starts_with("net ") || text == "due on receipt").then(|| quoted(text));
        self.field("", "payment_terms", &proposal.payment_terms, net);
        self.line("\n[acceptance]");
        let acceptance = &proposal.acceptance;
        let business = |text: &str| text.strip_suffix(" business days").map(str::to_owned);
        self.field("acceptance.", "window_days", &acceptance.window, business);
        self.field("acceptance.", "deemed", &acceptance.deemed, |text| Some(text.to_owned()));
        self.field("acceptance.", "cure_days", &acceptance.cure, business);
        self.retainage();
        let amounts = proposal.milestones.iter().any(|row| row.amount.value.is_some());
        for (index, row) in proposal.milestones.iter().enumerate() {
            self.row("milestones", row, index, amounts);
        }
    }

    /// One rate is proposed, steps are told; which milestone releases what is kept back a person says.
    fn retainage(&mut self) {
        let rules = &self.proposal.retainage;
        for rule in rules {
            self.line(&format!("\n# Retainage ({}):", rule.what));
            self.quotes(&rule.rule);
        }
        let kept: Vec<&Field> = rules.iter().filter(|rule| rule.what == "retain").map(|rule| &rule.percent).collect();
        let Some((first, rest)) = kept.split_first() else { return };
        if first.value.is_none() || rest.iter().any(|other| other.value != first.value) {
            return;
        }
        self.line("\n[retainage]");
        self.text_field("retainage.", "percent", first);
        let reason = "the id of the milestone whose acceptance releases what is kept back; a person names it";
        self.line(&format!("# release = ?: {reason}"));
        self.ask("retainage.release".into(), None, &[], Some(reason));
    }

    /// A change order: what the amendment's schedule adds and changes.
    fn change_order(&mut self, contract: &str) {
        let proposal = self.proposal;
        self.line(&format!("amends = {}", quoted(contract)));
        self.line("# version = ?: not in the document; one more than the version in force");
        self.line("signed = false");
        self.text_field("", "total", &proposal.total);
        let gone: Vec<&str> = proposal
            .changes
            .iter()
            .filter_map(|change| if let Change::NotNamed(id) = change { Some(id.as_str()) } else { None })
            .collect();
        if !gone.is_empty() {
            self.line(&format!(
                "# remove = {gone:?}: not in the amendment's schedule; a person decides whether they go"
            ));
        }
        let amounts = proposal.milestones.iter().any(|row| row.amount.value.is_some());
        for change in &proposal.changes {
            match change {
                Change::Added(index) => {
                    if let Some(row) = proposal.milestones.get(*index) {
                        self.row("add", row, *index, amounts);
                    }
                }
                Change::Changed { id, before, after } => {
                    self.line(&format!("\n[[change]]\nid = {}\n# amount before: {before}", quoted(id)));
                    self.text_field(&format!("change.{id}."), "amount", after);
                }
                Change::NotNamed(_) | Change::Same(_) => {}
            }
        }
    }

    fn row(&mut self, table: &str, row: &Milestone, index: usize, amounts: bool) {
        let id = self.row_id(row, index);
        let path = format!("{table}.{id}.");
        self.line("");
        if let Some(per) = &row.per {
            self.line(&format!("# Comes again (per {per}), and is no milestone:"));
            for field in [&row.name, &row.amount] {
                self.quotes(field);
            }
            return;
        }
        self.line(&format!("[[{table}]]"));
        if row.id.value.is_some() {
            self.quotes(&row.id);
        } else {
            self.line("# numbered by its place in the schedule: the document gives no number");
        }
        self.line(&format!("id = {}", quoted(&id)));
        self.ask(format!("{path}id"), Some(&id), &row.id.quotes, None);
        self.text_field(&path, "name", &row.name);
        if row.description.value != row.name.value {
            self.text_field(&path, "description", &row.description);
        }
        // Terms take amounts or percents of the price, not both in one contract.
        if amounts || row.percent.value.is_none() {
            self.text_field(&path, "amount", &row.amount);
            if row.percent.value.is_some() {
                self.quotes(&row.percent);
            }
        } else if of_the_price(row) {
            self.text_field(&path, "percent", &row.percent);
        } else {
            self.field(&path, "percent", &row.percent, |_| None);
        }
        for field in [&row.due, &row.within, &row.trigger] {
            if field.value.is_some() && field.value != row.name.value {
                self.quotes(field);
            }
        }
        self.conditions(&path, &row.conditions);
        if row.approver.value.is_some() {
            self.text_field(&path, "approver", &row.approver);
        }
        self.list(&path, "evidence", &row.evidence);
        let known: Vec<String> =
            self.proposal.milestones.iter().enumerate().map(|(at, row)| self.row_id(row, at)).collect();
        let depends: Vec<Field> = row
            .depends_on
            .iter()
            .filter(|field| field.value.as_ref().is_some_and(|other| *other != id && known.contains(other)))
            .cloned()
            .collect();
        self.list(&path, "depends_on", &depends);
    }

    /// What must happen is told in words alone: a person says which milestones and dates they are.
    fn conditions(&mut self, path: &str, conditions: &Field) {
        let reason = match conditions.value.as_deref() {
            Some("first_of") => {
                "several conditions, of which the first counts; write trigger = \"first_of\" and conditions"
            }
            Some(_) => "several conditions, of which the last counts; write trigger = \"last_of\" and conditions",
            None => return,
        };
        self.quotes(conditions);
        self.line(&format!("# trigger = ?: {reason}"));
        self.ask(format!("{path}trigger"), None, &conditions.quotes, Some(reason));
    }

    fn list(&mut self, path: &str, key: &str, fields: &[Field]) {
        if fields.is_empty() {
            return;
        }
        fields.iter().for_each(|field| self.quotes(field));
        let values: Vec<String> = fields.iter().filter_map(|field| field.value.as_deref().map(quoted)).collect();
        self.line(&format!("{key} = [{}]", values.join(", ")));
        let lines: Vec<&str> = fields.iter().filter_map(|field| field.value.as_deref()).collect();
        let quotes: Vec<Quote> = fields.iter().flat_map(|field| field.quotes.clone()).collect();
        self.ask(format!("{path}{key}"), Some(&lines.join("\n")), &quotes, None);
    }

    /// The document's own number, or the place in the schedule; one that stands there twice gets its place as well.
    fn row_id(&self, row: &Milestone, index: usize) -> String {
        match &row.id.value {
            Some(id) => {
                let first = self.proposal.milestones.iter().position(|other| other.id.value.as_ref() == Some(id));
                if first == Some(index) { id.clone() } else { format!("{id}-{}", index + 1) }
            }
            None => format!("row-{}", index + 1),
        }
    }
}

/// A number of days is asked for without its unit.
fn text_of<'t>(key: &str, text: &'t str) -> &'t str {
    if key.ends_with("_days") { text.strip_suffix(" business days").unwrap_or(text) } else { text }
}

fn day(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok()
}
