//! Where a configuration comes from: the layers that lie over each other, and the secrets that it names.

use std::path::{Path, PathBuf};

use milestoned_mapping::problem::Problem;
use serde_json::Value;

use super::{DEFAULT, Secrets};

/// Keys whose values are secrets: they say where the secret is, and never the secret itself.
pub(super) const SECRET_KEYS: [&str; 14] = [
    "api_token",
    "client_secret",
    "consumer_secret",
    "former_keys",
    "key",
    "password",
    "private_key",
    "refresh_token",
    "secret",
    "token",
    "token_secret",
    "url",
    "verifier_token",
    "webhook_secret",
];
/// In place of a secret that is not there, or not needed.
pub(super) const NO_SECRET: &str = "(no secret)";

/// What is written in the place of a key that former versions had.
pub(super) fn former_key(place: &str) -> Option<&'static str> {
    let (table, key) = place.rsplit_once('.')?;
    (table.starts_with("http.tokens[") && key == "role").then_some(
        "write `rights`, what the program may do, in its place, such as rights = [\"view\"]; all of them: view, file_terms, \
         tell_facts, approve, overrule, release, operate, audit",
    )
}

/// The layers of a configuration, one over the other.
#[derive(Debug)]
pub(super) struct Layers {
    /// Defaults, file, environment.
    pub(super) merged: Value,
    /// Secrets that stand in the file.
    pub(super) warnings: Vec<Problem>,
}

/// The defaults alone.
pub(super) fn defaults() -> Value {
    of_text("").map(|layers| layers.merged).unwrap_or_default()
}

/// Defaults, `file` and environment.
pub(super) fn layered(file: Option<&Path>) -> Result<Layers, Problem> {
    let text = match file {
        None => String::new(),
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            Problem::new(file.display().to_string(), error.to_string(), "name a file that can be read with --config")
        })?,
    };
    let environment =
        config::Environment::with_prefix("MILESTONED").prefix_separator("__").separator("__").try_parsing(true);
    let place = file.map(|file| file.display().to_string()).unwrap_or_default();
    over_defaults(&place, &text, |builder| builder.add_source(environment))
}

/// Defaults and `text`.
pub(super) fn of_text(text: &str) -> Result<Layers, Problem> {
    over_defaults("configuration", text, |builder| builder)
}

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn over_defaults(place: &str, text: &str, further: impl FnOnce(Builder) -> Builder) -> Result<Layers, Problem> {
    // Read once more by itself: this error names the line.
    let own: toml::Table = toml::from_str(text)
        .map_err(|error| Problem::new(place, error.to_string(), "correct the file, which is TOML"))?;
    let builder = config::Config::builder()
        .add_source(config::File::from_str(DEFAULT, config::FileFormat::Toml))
        .add_source(config::File::from_str(text, config::FileFormat::Toml));
    let merged = further(builder)
        .build()
        .and_then(config::Config::try_deserialize::<Value>)
        .map_err(|error| Problem::new(place, error.to_string(), "see config/default.toml"))?;
    let mut warnings = Vec::new();
    literals(&toml::Value::Table(own), &mut Vec::new(), &mut warnings);
    Ok(Layers { merged, warnings })
}

/// Secrets that stand in the file.
fn literals(value: &toml::Value, path: &mut Vec<String>, warnings: &mut Vec<Problem>) {
    match value {
        toml::Value::Table(table) => {
            for (key, inner) in table {
                path.push(key.clone());
                literals(inner, path, warnings);
                path.pop();
            }
        }
        toml::Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                path.push(index.to_string());
                literals(inner, path, warnings);
                path.pop();
            }
        }
        toml::Value::String(text) if is_secret(path, text) => warnings.push(Problem::new(
            path.join("."),
            "the secret stands in the file, which others may read",
            "write where it is: { credential = \"name\" }, { file = \"/path\" } or { env = \"NAME\" }",
        )),
        _ => {}
    }
}

fn is_secret(path: &[String], text: &str) -> bool {
    let named = path.iter().rev().find(|part| part.parse::<usize>().is_err()).map(String::as_str);
    match named {
        // An address is one where it holds a password.
        Some("url") => url::Url::parse(text).is_ok_and(|url| url.password().is_some()),
        Some(key) => SECRET_KEYS.contains(&key),
        None => false,
    }
}

/// Replaces every table that says where a secret is by the secret. Gives those that are not there.
pub(super) fn resolve_secrets(value: &mut Value, needed: Secrets) -> Vec<Problem> {
    let mut problems = Vec::new();
    resolve(value, needed, &mut Vec::new(), &mut problems);
    problems
}

fn resolve(value: &mut Value, needed: Secrets, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(table) => {
            if let Some(place) = reference(table) {
                let is_needed = needed == Secrets::All || path.first().is_some_and(|first| first == "store");
                let secret = if is_needed { fetch(place) } else { Ok(NO_SECRET.into()) };
                let secret = secret.unwrap_or_else(|(reason, remedy)| {
                    problems.push(Problem::new(path.join("."), reason, remedy));
                    NO_SECRET.into()
                });
                *value = Value::String(secret);
                return;
            }
            for (key, inner) in table {
                path.push(key.clone());
                resolve(inner, needed, path, problems);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter_mut().enumerate() {
                path.push(index.to_string());
                resolve(inner, needed, path, problems);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where a secret is.
enum Place {
    Env(String),
    File(PathBuf),
    Credential(String),
}

/// `None`: this table says nothing of a secret.
fn reference(table: &serde_json::Map<String, Value>) -> Option<Place> {
    let mut entries = table.iter();
    let (Some((key, Value::String(place))), None) = (entries.next(), entries.next()) else { return None };
    match key.as_str() {
        "env" => Some(Place::Env(place.clone())),
        "file" => Some(Place::File(place.into())),
        "credential" => Some(Place::Credential(place.clone())),
        _ => None,
    }
}

/// The secret, or reason and remedy; neither says anything of the secret. A key that stands on one line, as variables of an
/// environment often hold it, has `\n` for its line breaks.
fn fetch(place: Place) -> Result<String, (String, String)> {
    let read = |path: PathBuf| {
        // An editor may have begun the file with a byte order mark.
        let bare = |text: String| text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']).to_owned();
        std::fs::read_to_string(&path).map(bare).map_err(|error| {
            let remedy = "create the file, and let the daemon read it";
            (format!("the secret's file {} cannot be read: {error}", path.display()), remedy.to_owned())
        })
    };
    let secret = match place {
        Place::Env(name) => std::env::var(&name).map_err(|_| {
            (format!("environment variable {name} is not set"), "set it, or use { file = … }".to_owned())
        })?,
        Place::File(path) => read(path)?,
        Place::Credential(name) => match std::env::var("CREDENTIALS_DIRECTORY") {
            Ok(folder) => read(Path::new(&folder).join(name))?,
            Err(_) => {
                let remedy =
                    format!("add LoadCredential={name}:/path to the unit, or run the command with systemd-run");
                return Err(("systemd passed no credentials".into(), remedy));
            }
        },
    };
    if secret.is_empty() {
        return Err(("the secret is empty".into(), "write the secret where the configuration says".into()));
    }
    Ok(if secret.starts_with("-----BEGIN ") { secret.replace("\\n", "\n") } else { secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_file_may_begin_with_a_byte_order_mark_and_hold_a_key_on_one_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (written, read) in [
            ("\u{feff}token\r\n", "token"),
            ("-----BEGIN KEY-----\\nAB\\n-----END KEY-----\\n", "-----BEGIN KEY-----\nAB\n-----END KEY-----\n"),
            ("a\\nb", "a\\nb"),
        ] {
            std::fs::write(file.path(), written).unwrap();
            assert_eq!(fetch(Place::File(file.path().to_owned())), Ok(read.to_owned()));
        }
    }
}
