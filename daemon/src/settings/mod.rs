//! The configuration: defaults in `config/default.toml` (which is the manual), then the operator's file, then the
//! environment (`MILESTONED__HTTP__LISTEN`). Unknown keys are errors. A secret is never written in the file: it is a
//! table that says where it is, `{ env = "NAME" }`, `{ file = "/path" }` or `{ credential = "name" }` (systemd).
//!
//! `source` puts the layers together and fetches the secrets, `repair` reads on after what cannot be read, so that every
//! problem is told at once, `rules` says what must hold beside that.

pub(crate) mod repair;
mod rules;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use milestoned_identity::machine::Machine;
use milestoned_mapping::command::Account;
use milestoned_mapping::fact::DecimalText;
use milestoned_mapping::problem::Problem;
use milestoned_mapping::terms::Terms;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The shipped defaults, which are also the reference of every key.
pub const DEFAULT: &str = include_str!("../../../config/default.toml");

/// Everything an operator can set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where contract terms come from.
    pub agreements: Agreements,
    /// Who may approve what.
    pub approvals: Approvals,
    /// Where the head of the audit trail is kept beside the database.
    pub audit: Audit,
    /// Custom holiday calendars by name.
    #[serde(default)]
    pub calendars: BTreeMap<String, CustomCalendar>,
    /// Month-end closes.
    pub close: Close,
    /// Connections by name; `kind` says which connector, the other keys are the connector's.
    #[serde(default)]
    pub connections: BTreeMap<String, Value>,
    /// How deliveries are attempted.
    pub delivery: Delivery,
    /// The HTTP server.
    pub http: Http,
    /// Who people are.
    pub identity: Identity,
    /// How remotes are read.
    pub intake: Intake,
    /// Logging.
    pub log: Log,
    /// The exception digest.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// Closed accounting periods.
    #[serde(default)]
    pub periods: Periods,
    /// Review policy where a contract has none of its own, in the words of section 9 of the rules.
    pub policy: Value,
    /// The database.
    pub store: crate::store::Settings,
}

/// `[agreements]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreements {
    /// Watched folder of TOML and JSON files; absent: contracts come over the API only.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Watched folder of signed documents, which wait for a person who confirms each value; absent: they come to the pages alone.
    #[serde(default)]
    pub documents: Option<PathBuf>,
    /// Who files what stands in the folder; absent: nobody is named, and all of it waits for an approval.
    #[serde(default)]
    pub folder_owner: Option<String>,
    /// How often the folder is read.
    pub scan_every: SignedDuration,
    /// ERP connection of contracts that name none.
    #[serde(default)]
    pub erp: Option<String>,
}

/// `[approvals]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// Whether whoever had a hand in what would be billed may not let it go.
    pub segregated: bool,
    /// Above this, in the contract's currency, two people are needed; absent: one is enough for all.
    #[serde(default)]
    pub second_over: Option<DecimalText>,
    /// How many days are one for sums: what was approved, filed or billed on this and the days before it counts with what is
    /// about to be. 1: the day itself.
    pub window_days: u16,
}

impl Approvals {
    /// Since when sums count now: since the first day began, and for as many times 24 hours at least, so that neither a midnight nor
    /// the time zone of another contract lies between two halves.
    pub fn since(&self, terms: &Terms, now: Timestamp) -> Timestamp {
        let began = terms.start_of(self.first_day(terms.local_date(now)));
        let span = SignedDuration::from_hours(24_i64.saturating_mul(i64::from(self.window_days)));
        now.saturating_sub(span).map_or(began, |at_least| at_least.min(began))
    }

    /// The first day whose sums count on a day.
    pub fn first_day(&self, today: Date) -> Date {
        today.saturating_sub(i64::from(self.window_days.saturating_sub(1)).days())
    }
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// How often the signed head goes to each place.
    pub checkpoint_every: SignedDuration,
    /// How often everything is compared with what attests it; zero: only where somebody asks for it.
    pub verify_every: SignedDuration,
    /// File to which it is appended, best on a medium that takes no changes.
    #[serde(default)]
    pub checkpoint_file: Option<PathBuf>,
    /// Who gets it by mail.
    #[serde(default)]
    pub checkpoint_mail: Vec<String>,
    /// Address to which it is posted as JSON.
    #[serde(default)]
    pub checkpoint_webhook: Option<url::Url>,
}

/// `[periods]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Periods {
    /// By ERP connection: all dates through this one are closed, for good.
    #[serde(default)]
    pub closed_through: BTreeMap<String, jiff::civil::Date>,
}

/// `[close]`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Whose words the balances bear.
    pub standard: Standard,
    /// Whether whoever prepared the figures may not sign them.
    pub two_people: bool,
}

/// An accounting standard. The figures are the same under each; their names are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// ASC 606, United States.
    Asc606,
    /// IFRS 15.
    Ifrs15,
    /// FRS 102, section 23, United Kingdom and Ireland.
    Frs102,
}

/// Names of balances under a standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Billed and not paid.
    pub receivable: &'static str,
    /// Recognised, unconditional, not billed.
    pub unbilled: &'static str,
    /// Recognised, still conditional.
    pub asset: &'static str,
    /// Billed and not recognised.
    pub liability: &'static str,
}

impl Standard {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asc606 => "ASC 606",
            Self::Ifrs15 => "IFRS 15",
            Self::Frs102 => "FRS 102",
        }
    }

    /// Names of balances.
    pub fn labels(self) -> Labels {
        match self {
            Self::Asc606 => Labels {
                receivable: "Accounts receivable",
                unbilled: "Unbilled receivable",
                asset: "Contract asset",
                liability: "Contract liability",
            },
            Self::Ifrs15 => Labels {
                receivable: "Trade receivables",
                unbilled: "Unbilled receivables",
                asset: "Contract assets",
                liability: "Contract liabilities",
            },
            Self::Frs102 => Labels {
                receivable: "Trade debtors",
                unbilled: "Accrued income",
                asset: "Contract assets",
                liability: "Contract liabilities",
            },
        }
    }
}

impl Labels {
    /// The name of an account.
    pub fn of(&self, account: Account) -> &'static str {
        match account {
            Account::AccountsReceivable => self.receivable,
            Account::UnbilledReceivable => self.unbilled,
            Account::ContractAsset => self.asset,
            Account::DeferredRevenue => self.liability,
            Account::Revenue => "Revenue",
            Account::Cash => "Cash",
        }
    }
}

/// `[calendars.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomCalendar {
    /// Days of the week that are not business days, `saturday`, …
    pub weekend: Vec<String>,
    /// Further days that are not business days.
    pub holidays: Vec<jiff::civil::Date>,
}

/// `[intake]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// How often a remote is asked which records it still has, where its changes do not tell deletions.
    pub census_every: SignedDuration,
    /// Share of known records, in percent, that a census may miss before it is taken for a fault.
    pub brake: u32,
    /// How long source records are kept whole; absent: for ever.
    #[serde(default)]
    pub keep_records: Option<SignedDuration>,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Attempts before a delivery is parked for a person.
    pub attempts: u32,
    /// First delay before another attempt; it doubles, with jitter.
    pub first_delay: SignedDuration,
    /// Longest delay.
    pub longest_delay: SignedDuration,
    /// How long an attempt may take before it counts as interrupted.
    pub lease: SignedDuration,
    /// How long after an attempt without answer the remote is asked, so that a slow commit has landed by then.
    pub look_after: SignedDuration,
    /// How long a remote may take to show what it has taken, before a person is told.
    pub unseen_after: SignedDuration,
    /// Deliveries taken at once, per connection; what shares a lane shares calls.
    pub claim: u32,
    /// Calls under way at once, per connection.
    pub at_once: u32,
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Address under which people and remotes reach the daemon; links start with it.
    pub public_url: String,
    /// Programs that may use the API.
    #[serde(default)]
    pub tokens: Vec<Machine>,
    /// Largest body that is read, in bytes.
    pub body_limit: usize,
    /// Connections at once; the oldest one without a request makes room for another.
    pub connections: usize,
    /// How long the head of a request may take to come.
    pub idle_timeout: SignedDuration,
    /// What is shown without a token.
    pub without_token: Vec<Open>,
}

/// What may be shown to who has no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Open {
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    Openapi,
}

/// `[identity]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// How long sessions of people last.
    pub session: milestoned_identity::session::Limits,
    /// The identity provider that people sign in at; absent: local accounts.
    #[serde(default)]
    pub oidc: Option<milestoned_oidc::Settings>,
    /// People, by all of their names, and what they may do.
    #[serde(default)]
    pub people: Vec<milestoned_identity::people::Listed>,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Filter of `tracing-subscriber`, such as `info,milestoned=debug`.
    pub filter: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[mail]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `smtp://host:port` (plain, or with STARTTLS where `?tls=required`) or `smtps://host:port`.
    pub relay: String,
    /// Login at the relay.
    #[serde(default)]
    pub username: Option<String>,
    /// Password at the relay.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// Sender.
    pub from: String,
    /// Who gets the digest of everything that has no other owner.
    pub finance: Vec<String>,
    /// Cron expression, such as `0 7 * * MON-FRI`.
    pub schedule: String,
    /// Time zone of the schedule, and of whoever has no other one.
    pub timezone: String,
    /// Time zone in which somebody reads their digest, by address.
    #[serde(default)]
    pub timezones: BTreeMap<String, String>,
    /// Owner by exception code; a contract's own `owner` comes first.
    #[serde(default)]
    pub owners: BTreeMap<String, String>,
    /// Domains to whose addresses mail goes beside those of `from`, `finance` and `owners`.
    #[serde(default)]
    pub domains: Vec<String>,
}

impl Mail {
    /// Domains to whose addresses mail goes: what waits for a person says amounts and customers, and who may look at it may give it
    /// to anybody to look after.
    fn own_domains(&self) -> BTreeSet<String> {
        let named = std::iter::once(&self.from).chain(&self.finance).chain(self.owners.values());
        named
            .filter_map(|address| domain_of(address))
            .chain(self.domains.iter().map(|domain| domain.to_lowercase()))
            .collect()
    }

    /// Why no mail goes to an address.
    ///
    /// # Errors
    /// It is none, or is at a domain that nobody has named.
    pub fn takes(&self, address: &str) -> Result<(), Problem> {
        let remedy = "write an address of one of them, or add its domain to mail.domains";
        match domain_of(address) {
            None => Err(Problem::new("", format!("{address:?} is no mail address"), "write name@example.com")),
            Some(domain) if self.own_domains().contains(&domain) => Ok(()),
            Some(_) => {
                let domains = self.own_domains().into_iter().collect::<Vec<_>>().join(", ");
                Err(Problem::new("", format!("{address:?}: mail goes to addresses at {domains} alone"), remedy))
            }
        }
    }
}

/// The domain of a mail address.
fn domain_of(address: &str) -> Option<String> {
    if address.chars().any(char::is_control) {
        return None;
    }
    let mailbox = address.parse::<lettre::message::Mailbox>().ok()?;
    Some(mailbox.email.domain().to_lowercase())
}

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub struct SettingsError(pub Vec<Problem>);

impl SettingsError {
    /// One thing that is wrong.
    pub fn one(place: impl Into<String>, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(vec![Problem::new(place, reason, remedy)])
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(out, "{line}configuration: {problem}")?;
        }
        Ok(())
    }
}

/// Which secrets must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// All of them: the daemon runs, or a remote is asked.
    All,
    /// That of the database alone: nothing else is reached.
    Database,
}

/// A configuration that was read as far as it can be.
#[derive(Debug)]
pub struct Examined {
    /// What could be read; `None`: nothing can be made of it.
    pub settings: Option<Settings>,
    /// What keeps the daemon from starting.
    pub problems: Vec<Problem>,
    /// What the daemon starts with, and should not be so.
    pub warnings: Vec<Problem>,
}

impl Examined {
    /// The settings, where nothing keeps the daemon from starting.
    fn whole(self) -> Result<Settings, SettingsError> {
        match self.settings {
            Some(settings) if self.problems.is_empty() => Ok(settings),
            _ => Err(SettingsError(self.problems)),
        }
    }
}

impl Settings {
    /// Reads defaults, `file` and environment.
    ///
    /// # Errors
    /// Every problem, with its place and what to do.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::examine(file, Secrets::All).whole()
    }

    /// The same for what reaches nothing but the database: other secrets need not be there.
    ///
    /// # Errors
    /// Every problem, with its place and what to do.
    pub fn load_for_database(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::examine(file, Secrets::Database).whole()
    }

    /// Reads defaults, `file` and environment as far as they can be read.
    pub fn examine(file: Option<&Path>, secrets: Secrets) -> Examined {
        match source::layered(file) {
            Ok(layers) => Self::from_layers(layers, secrets),
            Err(problem) => Examined { settings: None, problems: vec![problem], warnings: Vec::new() },
        }
    }

    /// Reads defaults and `text` (TOML), without file or environment.
    ///
    /// # Errors
    /// Every problem, with its place and what to do.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        let layers = source::of_text(text).map_err(|problem| SettingsError(vec![problem]))?;
        Self::from_layers(layers, Secrets::All).whole()
    }

    /// Reads `text` (TOML) with a placeholder for every secret: whether its keys are known and have the right types.
    ///
    /// # Errors
    /// Every problem, with its place and what to do.
    pub fn check_keys(text: &str) -> Result<Self, SettingsError> {
        let layers = source::of_text(text).map_err(|problem| SettingsError(vec![problem]))?;
        Self::from_layers(layers, Secrets::Database).whole()
    }

    fn from_layers(layers: source::Layers, secrets: Secrets) -> Examined {
        let source::Layers { mut merged, warnings } = layers;
        let mut problems = source::resolve_secrets(&mut merged, secrets);
        let defaults = source::defaults();
        let (settings, found) = repair::read(merged, &defaults);
        problems.extend(found.into_iter().map(|(place, reason)| {
            let remedy = source::former_key(&place).unwrap_or("see config/default.toml");
            Problem::new(place, reason, remedy)
        }));
        let mut examined = Examined { settings, problems, warnings };
        if let Some(settings) = &examined.settings {
            examined.problems.extend(rules::refused(settings, secrets));
        }
        examined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_alone_are_a_valid_configuration() {
        let settings = Settings::from_toml("").unwrap();
        assert_eq!(settings.http.body_limit, 1_048_576);
        assert!(settings.connections.is_empty());
    }

    #[test]
    fn an_unknown_key_a_wrong_type_and_a_missing_secret_name_their_place() {
        for (text, place, reason) in [
            ("[http]\nlisten_on = \"x\"", "http", "listen_on"),
            ("[delivery]\nattempts = \"many\"", "delivery.attempts", "invalid type"),
            (
                "[[http.tokens]]\nname = \"a\"\nrights = [\"view\"]\ntoken = { env = \"MILESTONED_TEST_UNSET\" }",
                "http.tokens.0.token",
                "not set",
            ),
            (
                "[[http.tokens]]\nname = \"a\"\nrights = [\"king\"]\ntoken = \"t\"",
                "http.tokens[0].rights[0]",
                "unknown variant",
            ),
        ] {
            let error = Settings::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "canary-0123456789abcdef\n").unwrap();
        let text = format!(
            "[[http.tokens]]\nname = \"a\"\nrights = [\"view\"]\ntoken = {{ file = \"{}\" }}",
            file.path().display()
        );
        let settings = Settings::from_toml(&text).unwrap();
        assert_eq!(
            secrecy::ExposeSecret::expose_secret(settings.http.tokens[0].token.as_ref().unwrap()),
            "canary-0123456789abcdef"
        );
        assert!(!format!("{settings:?}").contains("canary"));
    }

    #[test]
    fn every_problem_is_told_at_once_and_nothing_more() {
        let text = r#"
            http.listen_on = "x"
            delivery.attempts = "many"
            delivery.claim = -1
            policy = { review = "ovr", review_over = "fifty thousand" }
            mail = { relay = "smtp://127.0.0.1", from = "a@example.com", finance = [], schedule = "0 7 * * *", timezone = 7 }
            [[http.tokens]]
            name = "ada"
            rights = ["king"]
            token = { env = "MILESTONED_TEST_UNSET" }
            [[http.tokens]]
            name = "milestoned"
            rights = ["view"]
            token = ""
            [[http.tokens]]
            name = "bob"
            rolle = "viewer"
            rights = ["view"]
            token = "the-same-token-0123456789"
            [[http.tokens]]
            name = "bob"
            rights = ["view"]
            token = "the-same-token-0123456789"
        "#;
        let told = Settings::from_toml(text).unwrap_err().0;
        let told: Vec<String> = told.iter().map(|problem| format!("{}: {}", problem.place, problem.reason)).collect();
        let expected = [
            "http.listen_on: unknown field",
            "delivery.attempts: invalid type",
            "delivery.claim: invalid value",
            "mail.timezone: invalid type",
            "http.tokens[0].rights[0]: unknown variant",
            "http.tokens.0.token: environment variable MILESTONED_TEST_UNSET is not set",
            "http.tokens[2].rolle: unknown field",
            "http.tokens \"milestoned\": the name is the daemon's own",
            "http.tokens \"milestoned\": the token has 0 characters",
            "http.tokens \"bob\": another entry has the same name",
            "http.tokens \"bob\": another entry has the same token",
            "policy.review: ",
            "policy.review_over: ",
        ];
        for words in expected {
            assert!(told.iter().any(|line| line.starts_with(words)), "{words}\n{told:#?}");
        }
        assert_eq!(told.len(), expected.len(), "{told:#?}");
    }

    #[test]
    fn a_token_with_the_role_of_former_versions_is_told_what_to_write() {
        let text = "[[http.tokens]]\nname = \"ada\"\nrole = \"admin\"\ntoken = \"Zq3kT0pWvLs8xYb1MdGh5A\"";
        let told = Settings::from_toml(text).unwrap_err().0;
        assert!(
            told.iter().any(|problem| problem.place.ends_with("role") && problem.remedy.contains("`rights`")),
            "{told:#?}"
        );
    }

    #[test]
    fn what_is_reached_by_nobody_needs_no_secret() {
        let text = "[connections.jira]\nkind = \"jira\"\nwebhook_secret = { env = \"MILESTONED_TEST_UNSET\" }";
        let layers = || source::of_text(text).unwrap();
        assert!(Settings::from_layers(layers(), Secrets::Database).problems.is_empty());
        assert_eq!(Settings::from_layers(layers(), Secrets::All).problems.len(), 1);
        let database = source::of_text("store.url = { env = \"MILESTONED_TEST_UNSET\" }").unwrap();
        assert_eq!(Settings::from_layers(database, Secrets::Database).problems.len(), 1);
    }

    #[test]
    fn a_secret_that_stands_in_the_file_is_warned_of() {
        let text = "[[http.tokens]]\nname = \"ada\"\nrights = [\"view\"]\ntoken = \"hunter2\"\n\
                    [connections.jira]\nauth = { flow = \"basic\", email = \"a@example.com\", api_token = \"literal\" }\n\
                    [store]\nurl = \"postgres://milestoned:pw@db/milestoned\"";
        let warned = Settings::from_layers(source::of_text(text).unwrap(), Secrets::All).warnings;
        let places: Vec<&str> = warned.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, ["connections.jira.auth.api_token", "http.tokens.0.token", "store.url"], "{warned:#?}");
        let drawn =
            format!("[[http.tokens]]\nname = \"ada\"\nrights = [\"view\"]\ntoken = \"{}\"", "Zq3kT0pWvLs8xYb1MdGh5A");
        let warned = Settings::from_layers(source::of_text(&drawn).unwrap(), Secrets::All).warnings;
        assert_eq!(warned.len(), 1, "only that it stands there: {warned:#?}");
    }
}
