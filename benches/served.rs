//! The daemon as a process of its own over a database that was prepared, as `cargo build --release -p milestoned` has built it: what
//! it takes is its own, without simulators and load.
#![allow(dead_code, reason = "each bench asks it for other things")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use milestoned_tests::{ADMIN, World, configuration};
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, REFRESH};

use crate::lots::multiply;

/// The daemon.
pub(crate) struct Daemon {
    process: Child,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    /// Cookie of somebody who is signed in, and where forms come from.
    session: String,
    origin: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    pub(crate) async fn start(folder: &Path, world: &World) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let file = folder.join("milestoned.toml");
        let text = configuration(folder, &world.simulators);
        std::fs::write(
            &file,
            format!("http.listen = \"{address}\"\nlog.filter = \"off\"\naudit.verify_every = \"0s\"\n{text}"),
        )
        .unwrap();
        let own = std::env::current_exe().unwrap();
        let program = own.ancestors().nth(2).unwrap().join("milestoned");
        assert!(program.exists(), "{}: cargo build --release -p milestoned", program.display());
        let process = Command::new(program).args(["run", "--config"]).arg(&file).stdout(Stdio::null()).spawn().unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let session = world.session(ADMIN).await.unwrap();
        let daemon = Self { process, url: format!("http://{address}"), client, session, origin: world.origin() };
        while daemon.client.get(format!("{}/readyz", daemon.url)).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        daemon
    }

    /// A page, whatever it says: how long it took, status and text.
    pub(crate) async fn look(&self, path: &str) -> (f64, u16, String) {
        let begun = Instant::now();
        let request = self.client.get(format!("{}{path}", self.url));
        let request =
            if path == "/metrics" { request.bearer_auth(ADMIN) } else { request.header(COOKIE, &self.session) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (begun.elapsed().as_secs_f64() * 1e3, status, text)
    }

    pub(crate) async fn get(&self, path: &str) -> (f64, String) {
        let (time, status, text) = self.look(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        (time, text)
    }

    pub(crate) async fn send(&self, path: &str, form: Vec<(String, String)>) -> (f64, String) {
        let mut url = reqwest::Url::parse("http://form/").unwrap();
        url.query_pairs_mut().extend_pairs(form);
        let request = self.client.post(format!("{}{path}", self.url)).body(url.query().unwrap_or_default().to_owned());
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header(COOKIE, &self.session);
        let begun = Instant::now();
        let text = request.header("origin", &self.origin).send().await.unwrap().text().await.unwrap();
        (begun.elapsed().as_secs_f64() * 1e3, text)
    }

    /// Where a form without fields leads to.
    pub(crate) async fn sent(&self, path: &str) -> String {
        let request = self.client.post(format!("{}{path}", self.url)).header(COOKIE, &self.session);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").header("origin", &self.origin);
        let answer = request.send().await.unwrap();
        answer.headers().get(LOCATION).unwrap().to_str().unwrap().to_owned()
    }

    /// Follows to where a job leads, which is another page or a file, and looks at that. Gives its bytes.
    pub(crate) async fn followed(&self, path: &str) -> usize {
        let mut next = path.to_owned();
        loop {
            let request = self.client.get(format!("{}{next}", self.url)).header(COOKIE, &self.session);
            let answer = request.send().await.unwrap();
            let head = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            match (head(LOCATION), head(REFRESH)) {
                (Some(address), _) => {
                    assert!(!address.starts_with("/sign-in"), "{next}: the session is over");
                    next = address;
                }
                (None, Some(refresh)) => match refresh.split_once("url=") {
                    Some((_, file)) => next = file.to_owned(),
                    None => tokio::time::sleep(Duration::from_millis(200)).await,
                },
                (None, None) => {
                    assert!(answer.status().is_success(), "{next}: {}", answer.status());
                    return answer.bytes().await.unwrap().len();
                }
            }
        }
    }

    /// Takes a file away: how long that took, and its bytes.
    pub(crate) async fn taken(&self, path: &str) -> (f64, usize) {
        let begun = Instant::now();
        let bytes = self.followed(path).await;
        (begun.elapsed().as_secs_f64(), bytes)
    }

    /// A line of its status, in MB: what is resident, or was at most.
    pub(crate) fn memory(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

/// A copy of the database in which the lot is multiplied by these statements.
pub(crate) fn multiplied(world: &World, folder: &Path, copies: usize, copy: &str) {
    let database = folder.join("milestoned.db");
    let connection = rusqlite::Connection::open(&world.app.env.settings.store.path).unwrap();
    connection.execute("VACUUM INTO ?1", [database.to_str().unwrap()]).unwrap();
    multiply(&database, copies, copy);
}
