//! The configuration: defaults in `config/default.toml` (which is the manual), then the operator's file, then the
//! environment (`MILESTONED__HTTP__LISTEN`). Unknown keys are errors. A secret is never written in the file: it is a
//! table that says where it is, `{ env = "NAME" }`, `{ file = "/path" }` or `{ credential = "name" }` (systemd).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// The shipped defaults, which are also the reference of every key.
pub const DEFAULT: &str = include_str!("../../config/default.toml");

/// Everything an operator can set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where contract terms come from.
    pub agreements: Agreements,
    /// Custom holiday calendars by name.
    #[serde(default)]
    pub calendars: BTreeMap<String, CustomCalendar>,
    /// Connections by name; `kind` says which connector, the other keys are the connector's.
    #[serde(default)]
    pub connections: BTreeMap<String, Value>,
    /// How deliveries are attempted.
    pub delivery: Delivery,
    /// The HTTP server.
    pub http: Http,
    /// How remotes are read.
    pub intake: Intake,
    /// Logging.
    pub log: Log,
    /// The exception digest.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// Review policy where a contract has none of its own, in the words of section 9 of the rules.
    pub policy: Value,
    /// The database.
    pub store: Store,
}

/// `[agreements]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreements {
    /// Watched folder of TOML and JSON files; absent: contracts come over the API only.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// How often the folder is read.
    pub scan_every: SignedDuration,
    /// ERP connection of contracts that name none.
    #[serde(default)]
    pub erp: Option<String>,
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
    /// Who may use API and pages.
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// Largest body that is read, in bytes.
    pub body_limit: usize,
}

/// `[[http.tokens]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who it is; stands in the audit trail.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The bearer token.
    pub token: SecretString,
}

/// What a token may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Decides about exceptions, parked records and deliveries.
    Reviewer,
    /// Files contracts, amendments and facts.
    Admin,
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
    /// Time zone of the schedule.
    pub timezone: String,
    /// Owner by exception code; a contract's own `owner` comes first.
    #[serde(default)]
    pub owners: BTreeMap<String, String>,
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// SQLite file; its folder must exist. Counts where there is no `url`.
    pub path: PathBuf,
    /// PostgreSQL instead: `postgres://user:password@host:5432/database?sslmode=require`.
    #[serde(default)]
    pub url: Option<SecretString>,
    /// PEM file of the authorities that PostgreSQL's certificate is checked against; absent: the machine's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Connections to PostgreSQL at most.
    pub connections: usize,
}

/// What is wrong with the configuration: place, reason, remedy in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read, or is not TOML, or a value has the wrong shape.
    #[error("configuration: {0}")]
    Unreadable(String),
    /// A key is unknown, missing or has the wrong type.
    #[error("configuration: {path}: {reason}")]
    Invalid {
        /// Path of the key.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A secret is not where the configuration says.
    #[error("configuration: {path}: {reason}")]
    Secret {
        /// Path of the key.
        path: String,
        /// What is wrong and what to do; never the secret.
        reason: String,
    },
}

impl Settings {
    /// Reads defaults, `file` and environment.
    ///
    /// # Errors
    /// Names the key and what is wrong.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(DEFAULT, config::FileFormat::Toml));
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| SettingsError::Unreadable(format!("{}: {error}", file.display())))?;
            // Read once more by itself: this error names the line.
            toml::from_str::<toml::Table>(&text)
                .map_err(|error| SettingsError::Unreadable(format!("{}: {error}", file.display())))?;
            builder = builder.add_source(config::File::from_str(&text, config::FileFormat::Toml));
        }
        let environment =
            config::Environment::with_prefix("MILESTONED").prefix_separator("__").separator("__").try_parsing(true);
        let merged = builder
            .add_source(environment)
            .build()
            .and_then(config::Config::try_deserialize::<Value>)
            .map_err(|error| SettingsError::Unreadable(error.to_string()))?;
        Self::from_value(merged)
    }

    /// Reads defaults and `text` (TOML), without file or environment.
    ///
    /// # Errors
    /// Names the key and what is wrong.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        let merged = config::Config::builder()
            .add_source(config::File::from_str(DEFAULT, config::FileFormat::Toml))
            .add_source(config::File::from_str(text, config::FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize::<Value>)
            .map_err(|error| SettingsError::Unreadable(error.to_string()))?;
        Self::from_value(merged)
    }

    /// Reads `text` (TOML) with a placeholder for every secret: whether its keys are known and have the right types.
    ///
    /// # Errors
    /// Names the key and what is wrong.
    pub fn check_keys(text: &str) -> Result<Self, SettingsError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| SettingsError::Unreadable(error.to_string()))?;
        let unreadable = |error: toml::ser::Error| SettingsError::Unreadable(error.to_string());
        let hidden = toml::Value::Table(table.into_iter().map(|(key, value)| (key, without_secrets(value))).collect());
        Self::from_toml(&toml::to_string(&hidden).map_err(unreadable)?)
    }

    fn from_value(mut value: Value) -> Result<Self, SettingsError> {
        resolve_secrets(&mut value, &mut Vec::new())?;
        serde_path_to_error::deserialize(value).map_err(|error| SettingsError::Invalid {
            path: error.path().to_string(),
            reason: error.inner().to_string(),
        })
    }
}

/// A placeholder in place of every reference to a secret.
fn without_secrets(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::Table(table) => match table.keys().next().map(String::as_str) {
            Some("credential" | "env" | "file") if table.len() == 1 => toml::Value::String("secret".into()),
            _ => toml::Value::Table(table.into_iter().map(|(key, value)| (key, without_secrets(value))).collect()),
        },
        toml::Value::Array(items) => toml::Value::Array(items.into_iter().map(without_secrets).collect()),
        other => other,
    }
}

/// Replaces every table that says where a secret is by the secret.
fn resolve_secrets(value: &mut Value, path: &mut Vec<String>) -> Result<(), SettingsError> {
    match value {
        Value::Object(table) => {
            if let Some(secret) = secret_of(table) {
                let secret = secret.map_err(|reason| SettingsError::Secret { path: path.join("."), reason })?;
                *value = Value::String(secret);
                return Ok(());
            }
            for (key, inner) in table {
                path.push(key.clone());
                resolve_secrets(inner, path)?;
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                path.push(index.to_string());
                resolve_secrets(inner, path)?;
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

/// `None`: this table is no reference to a secret.
fn secret_of(table: &serde_json::Map<String, Value>) -> Option<Result<String, String>> {
    let mut entries = table.iter();
    let (Some((key, Value::String(place))), None) = (entries.next(), entries.next()) else { return None };
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path)
            .map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
            .map_err(|error| format!("the secret's file {} cannot be read: {error}", path.display()))
    };
    let found = match key.as_str() {
        "env" => std::env::var(place)
            .map_err(|_| format!("environment variable {place} is not set: set it, or use {{ file = … }}")),
        "file" => read(PathBuf::from(place)),
        "credential" => match std::env::var("CREDENTIALS_DIRECTORY") {
            Ok(folder) => read(Path::new(&folder).join(place)),
            Err(_) => Err(format!("systemd passed no credentials: add LoadCredential={place}:/path to the unit")),
        },
        _ => return None,
    };
    Some(found.and_then(|secret| if secret.is_empty() { Err("the secret is empty".into()) } else { Ok(secret) }))
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
                "[[http.tokens]]\nname = \"a\"\nrole = \"viewer\"\ntoken = { env = \"MILESTONED_TEST_UNSET\" }",
                "http.tokens.0.token",
                "not set",
            ),
            ("[[http.tokens]]\nname = \"a\"\nrole = \"king\"\ntoken = \"t\"", "http.tokens[0].role", "unknown variant"),
        ] {
            let error = Settings::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(place) && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "canary-4711\n").unwrap();
        let text = format!(
            "[[http.tokens]]\nname = \"a\"\nrole = \"viewer\"\ntoken = {{ file = \"{}\" }}",
            file.path().display()
        );
        let settings = Settings::from_toml(&text).unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&settings.http.tokens[0].token), "canary-4711");
        assert!(!format!("{settings:?}").contains("canary"));
    }
}
