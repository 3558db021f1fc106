//! Real servers that nobody here wrote: Tryton out of PyPI's packages, Redmine out of Debian's. Their databases are made
//! once by the scripts beside the sources, kept for as long as those stay as they are, and copied for each run.

pub mod journey;
pub mod lossy;
pub mod redmine;
pub mod tryton;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use milestoned_mapping::command::DeliveryKey;

use crate::daemon::client;
use crate::world::pause;

/// How long a server may take until it answers; several people share a machine that builds.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// Runs a server until its standard input ends: with the process that started it, however that ends.
const KEEPER: &str = r#""$@" </dev/null & server=$!; read -r _; kill -9 "$server"; wait"#;

/// A server that runs in a folder of its own, and ends with its owner.
pub struct Server {
    keeper: Child,
    /// Its address.
    pub url: String,
    /// Its database, configuration and log.
    pub folder: tempfile::TempDir,
}

impl Server {
    /// Starts a command that serves `url`, and waits until it answers at all.
    ///
    /// # Errors
    /// It does not answer in time.
    pub async fn start(command: &Command, url: String, folder: tempfile::TempDir) -> anyhow::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(folder.path().join("log"))?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(command.get_program()).args(command.get_args());
        keeper.current_dir(command.get_current_dir().unwrap_or(folder.path()));
        keeper.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let keeper = keeper.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let (server, started) = (Self { keeper, url, folder }, Instant::now());
        while client()?.get(&server.url).send().await.is_err() {
            let log = || std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            anyhow::ensure!(started.elapsed() < STARTS_WITHIN, "{} does not start: {}", server.url, log());
            pause(Duration::from_millis(100)).await;
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// What is here, or the word that its journeys are skipped.
///
/// # Panics
/// The variable asks for it, and it is not here.
#[expect(clippy::panic, reason = "a test may fail")]
pub fn or_skipped<T>(found: anyhow::Result<T>, name: &str, variable: &str) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(why) if std::env::var_os(variable).is_some() => panic!("{variable} asks for {name}: {why:#}"),
        Err(why) => {
            // Past the test runner, which swallows what a test that passes prints.
            let _ = writeln!(std::io::stderr(), "{name} is not here: its journeys are SKIPPED ({why:#})");
            None
        }
    }
}

/// A file beside the sources of this crate.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers").join(name)
}

/// A folder that `make` fills once for as long as these texts stay the same. It appears whole.
fn kept(
    cache: &Path,
    name: &str,
    texts: &[&str],
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let place = cache.join(format!("{name}-{}", DeliveryKey::of(texts)));
    if !place.is_dir() {
        std::fs::create_dir_all(cache)?;
        let fresh = tempfile::Builder::new().prefix(name).tempdir_in(cache)?;
        make(fresh.path())?;
        // Another process may have been first.
        let _ = std::fs::rename(fresh.keep(), &place);
    }
    Ok(place)
}

/// Runs a command to its end, and gives what it printed.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    anyhow::ensure!(output.status.success(), "{command:?} failed: {out}{err}");
    Ok(out.into_owned())
}
