//! A private PostgreSQL server out of the machine's packages: one per test binary, in a temporary folder, reachable
//! through a socket in it alone, with fsync on. It ends with the process that started it, however that ends.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

/// A server that runs.
pub struct Cluster {
    programs: PathBuf,
    folder: String,
    databases: AtomicU32,
    /// Holds the other end of the pipe whose end stops the server.
    _keeper: Child,
}

/// Sorts text as people do, unlike SQLite, so that a query that relies on the database's order is found out. Ends when
/// its standard input does.
const KEEPER: &str = r#"
set -eu
folder=$(mktemp -d "${TMPDIR:-/tmp}/milestoned-postgres.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$BIN/initdb" --pgdata=data --username=milestoned --auth=trust --encoding=UTF8 --no-sync \
    --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US >log 2>&1 ||
    "$BIN/initdb" --pgdata=data --username=milestoned --auth=trust --encoding=UTF8 --no-sync --locale=C.UTF-8 >>log 2>&1
"$BIN/pg_ctl" --pgdata=data --log=log --wait --silent \
    --options="-c listen_addresses='' -c unix_socket_directories='$folder' -c max_connections=300" start >&2
echo "$folder"
read -r _ || true
"$BIN/pg_ctl" --pgdata=data --mode=immediate --silent --wait stop >&2
"#;

/// The server of this process, started at the first call. `None`: its packages are not here, and tests of PostgreSQL are
/// skipped.
///
/// # Panics
/// `MILESTONED_REQUIRE_POSTGRES` is set and the packages are not here, or the server does not start.
#[expect(clippy::panic, reason = "a test may fail")]
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER
        .get_or_init(|| {
            let Some(programs) = programs() else {
                assert!(
                    std::env::var_os("MILESTONED_REQUIRE_POSTGRES").is_none(),
                    "PostgreSQL is not installed and MILESTONED_REQUIRE_POSTGRES asks for it: apt-get install postgresql"
                );
                // Past the test runner, which swallows what a test that passes prints.
                let _ = writeln!(
                    std::io::stderr(),
                    "PostgreSQL is not installed: its tests are SKIPPED (apt-get install postgresql)"
                );
                return None;
            };
            match start(&programs) {
                Ok(cluster) => Some(cluster),
                Err(error) => panic!("PostgreSQL of {} does not start: {error:#}", programs.display()),
            }
        })
        .as_ref()
}

/// The newest installed version.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let programs = entry.path().join("bin");
            let version = entry.file_name().to_str()?.parse().ok()?;
            programs.join("initdb").is_file().then_some((version, programs))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, programs)| programs)
}

fn start(programs: &PathBuf) -> anyhow::Result<Cluster> {
    let mut keeper =
        shell(KEEPER)?.env("BIN", programs).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut folder = String::new();
    BufReader::new(keeper.stdout.take().context("no standard output")?).read_line(&mut folder)?;
    anyhow::ensure!(!folder.trim().is_empty(), "initdb or pg_ctl failed; what they said stands above");
    Ok(Cluster {
        programs: programs.to_owned(),
        folder: folder.trim().to_owned(),
        databases: AtomicU32::new(0),
        _keeper: keeper,
    })
}

/// A script under an account that may run a server: PostgreSQL refuses to run as root.
fn shell(script: &str) -> anyhow::Result<Command> {
    if Command::new("id").arg("-u").output()?.stdout != b"0\n" {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        return Ok(command);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c", script]);
    Ok(command)
}

impl Cluster {
    /// Another server, which only its owner knows. `None`: the packages are not here.
    ///
    /// # Errors
    /// It does not start.
    pub fn own() -> anyhow::Result<Option<Self>> {
        programs().map(|programs| start(&programs)).transpose()
    }

    /// Stops the server as a power failure would.
    ///
    /// # Errors
    /// It cannot be stopped.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.control(r#""$BIN/pg_ctl" --pgdata="$FOLDER/data" --mode=immediate --silent --wait stop"#)
    }

    /// Starts the server again, after [`Cluster::stop`].
    ///
    /// # Errors
    /// It does not start.
    pub fn go_on(&self) -> anyhow::Result<()> {
        self.control(
            r#""$BIN/pg_ctl" --pgdata="$FOLDER/data" --log="$FOLDER/log" --wait --silent \
                --options="-c listen_addresses='' -c unix_socket_directories='$FOLDER' -c max_connections=300" start"#,
        )
    }

    fn control(&self, script: &str) -> anyhow::Result<()> {
        let mut command = shell(script)?;
        command.env("BIN", &self.programs).env("FOLDER", &self.folder).current_dir("/").stdin(Stdio::null());
        anyhow::ensure!(command.status()?.success(), "pg_ctl failed; what it said stands above");
        Ok(())
    }

    /// Creates an empty database and gives its address.
    ///
    /// # Errors
    /// The server refused.
    pub async fn database(&self) -> anyhow::Result<String> {
        let name = format!("milestoned_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let client = self.client("postgres").await?;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(&name))
    }

    /// A connection to a database, for what the store itself cannot do.
    ///
    /// # Errors
    /// The server refused.
    pub async fn client(&self, database: &str) -> anyhow::Result<tokio_postgres::Client> {
        let database = database.rsplit('/').next().unwrap_or(database);
        let url = self.url(database.split('?').next().unwrap_or(database));
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://milestoned@%2F{}/{database}", self.folder.trim_start_matches('/').replace('/', "%2F"))
    }
}
