//! Where the house's key comes from: the configuration, a command such as that of a key service, or, beside a SQLite file, a
//! file of its own that is made at the first start.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use milestoned_seal::{Key, LENGTH};
use secrecy::ExposeSecret as _;

use super::{Settings, StoreError};

/// Longest output of a key command that is read.
const LONGEST: u64 = 4_096;

fn refused(why: impl Into<String>) -> StoreError {
    StoreError::Key(why.into())
}

/// The key of this configuration.
///
/// # Errors
/// It is not where the configuration says, is no key, or there is none and none can be made.
pub fn load(settings: &Settings) -> Result<Key, StoreError> {
    let former: Vec<String> = settings.former_keys.iter().map(|key| key.expose_secret().to_owned()).collect();
    let current = match (&settings.key, &settings.key_command) {
        (Some(key), None) => key.expose_secret().to_owned(),
        (None, Some(command)) => told_by(command)?,
        (None, None) if settings.url.is_none() => beside(&settings.path)?,
        (None, None) => {
            return Err(refused(
                "store.key: a database on a server needs a key that is kept elsewhere: `openssl rand -hex 32` makes one; \
                 say where it is with { credential = … } or { file = … }, the same for every daemon",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(refused("store.key and store.key_command both say where the key is: keep one of them"));
        }
    };
    Key::read(&current, &former).map_err(|error| refused(format!("store.key: {error}")))
}

/// What a command prints, such as one that asks a key service.
fn told_by(command: &[String]) -> Result<String, StoreError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(refused("store.key_command is empty"));
    };
    let failed = |error: std::io::Error| refused(format!("store.key_command: {program}: {error}"));
    let started = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(failed)?;
    let mut printed = String::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST).read_to_string(&mut printed).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(refused(format!("store.key_command: {program} ended with {status}; see what it says")));
    }
    Ok(printed)
}

/// Where the key of a SQLite file is, if nothing else is said.
pub fn path_beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// The key in the file beside the database, which is made at the first start.
fn beside(database: &Path) -> Result<String, StoreError> {
    let path = path_beside(database);
    let failed = |what: &str, error: std::io::Error| {
        refused(format!("{} cannot be {what}: {error}; say with store.key where the key is", path.display()))
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", error)),
    }
    let key = hex::encode(rand::random::<[u8; LENGTH]>());
    // Written elsewhere first: whoever finds the file finds all of it.
    let mut fresh = path.clone().into_os_string();
    fresh.push(format!(".{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(&fresh).and_then(|mut file| {
        file.write_all(key.as_bytes())?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&fresh, &path);
        std::fs::remove_file(&fresh)?;
        linked
    });
    match made {
        Ok(()) => Ok(key),
        // Another process of the same folder was first.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(&path).map_err(|error| failed("read", error))
        }
        Err(error) => Err(failed("made", error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn store(path: &Path, more: serde_json::Value) -> Settings {
        let mut settings = serde_json::json!({ "path": path, "connections": 1 });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(settings).unwrap()
    }

    #[test]
    fn a_new_database_gets_a_key_of_its_own_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("m.db");
        let key = load(&store(&database, json!({}))).unwrap();
        assert_eq!(load(&store(&database, json!({}))).unwrap().id(), key.id());
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path_beside(&database)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_command_tells_the_key_and_what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("m.db");
        load(&store(&database, json!({ "key_command": ["echo", "ab".repeat(32)] }))).unwrap();
        for (more, reason) in [
            (json!({ "key_command": ["false"] }), "ended with"),
            (json!({ "key_command": ["echo", "abc"] }), "64 hexadecimal digits"),
            (json!({ "key": "abc" }), "64 hexadecimal digits"),
            (json!({ "url": "postgres://x" }), "needs a key that is kept elsewhere"),
        ] {
            let error = load(&store(&database, more)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(!path_beside(&database).exists());
    }
}
