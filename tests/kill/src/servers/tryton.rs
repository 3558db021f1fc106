//! Tryton: installed from PyPI into a virtual environment, one company in a SQLite file, and what its accountant does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{Server, kept, run, script};
use crate::world::{free_port, machine_time};

/// Key of the application under which milestoned signs in, as the script made it.
const KEY: &str = "milestoned-application-key";
/// Name of the database.
const DATABASE: &str = "company";

/// An installed Tryton and a company that was made with it.
pub struct Company {
    python: PathBuf,
    template: PathBuf,
}

impl Company {
    /// Installs Tryton and makes the company, unless both are kept.
    ///
    /// # Errors
    /// Python or the packages are not to be had.
    pub fn make(cache: &Path) -> anyhow::Result<Self> {
        let (wanted, maker) = (script("requirements.txt"), script("tryton.py"));
        let wanted_text = std::fs::read_to_string(&wanted)?;
        let installed = kept(cache, "tryton", &[&wanted_text], |folder| {
            run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
            run(Command::new(folder.join("bin/python")).args(pip).arg(&wanted)).map(drop)
        })?;
        let python = installed.join("bin/python");
        let year = machine_time().to_zoned(jiff::tz::TimeZone::UTC).year().to_string();
        let maker_text = std::fs::read_to_string(&maker)?;
        let template = kept(cache, "company", &[&wanted_text, &maker_text, &year], |folder| {
            run(Command::new(&python).arg(&maker).arg("create").arg(folder)).map(drop)
        })?;
        Ok(Self { python, template })
    }

    /// Serves a copy of the company.
    ///
    /// # Errors
    /// The server does not start.
    pub async fn serve(&self) -> anyhow::Result<Tryton> {
        let folder = tempfile::Builder::new().prefix("milestoned-tryton.").tempdir()?;
        std::fs::copy(self.template.join("company.sqlite"), folder.path().join("company.sqlite"))?;
        let place = folder.path().display();
        std::fs::write(folder.path().join("trytond.conf"), format!("[database]\nuri = sqlite://\npath = {place}\n"))?;
        let port = free_port()?.to_string();
        let mut command = Command::new(&self.python);
        command.arg(script("tryton.py")).arg("serve").arg(folder.path()).arg(&port);
        let server = Server::start(&command, format!("http://127.0.0.1:{port}"), folder).await?;
        let ids = std::fs::read_to_string(self.template.join("ids.json"))?;
        Ok(Tryton { server, python: self.python.clone(), ids: serde_json::from_str(&ids)? })
    }
}

/// A company that is served.
pub struct Tryton {
    /// Its server.
    pub server: Server,
    python: PathBuf,
    ids: BTreeMap<String, i64>,
}

impl Tryton {
    /// Lines of the daemon's configuration for it, reached at an address.
    ///
    /// # Errors
    /// The company lacks something.
    pub fn settings(&self, url: &str) -> anyhow::Result<String> {
        let id = |name: &str| self.ids.get(name).copied().with_context(|| name.to_owned());
        let accounts = ["accounts_receivable", "unbilled_receivable", "contract_asset", "deferred_revenue", "revenue"];
        let accounts: Vec<String> =
            accounts.iter().map(|name| Ok(format!("{name} = {}", id(name)?))).collect::<anyhow::Result<_>>()?;
        Ok(format!(
            "[connections.tryton]\nkind = \"tryton\"\npoll_every = \"500ms\"\nbase_url = \"{url}\"\n\
             database = \"{DATABASE}\"\nkey = \"{KEY}\"\ncompany = 1\naccounts = {{ {} }}\ninvoice_journal = {}\n\
             entry_journal = {}\nterms = {{ \"net 30\" = {} }}\ncommits_within = \"20s\"\n",
            accounts.join(", "),
            id("invoice_journal")?,
            id("entry_journal")?,
            id("net 30")?
        ))
    }

    /// What the accountant does or reads: a verb of the script and its arguments. Gives what it printed.
    ///
    /// # Errors
    /// Tryton refused.
    pub fn accountant(&self, verb: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let script = script("tryton.py");
        run(Command::new(&self.python).arg(script).arg(verb).arg(&self.server.url).args(arguments))
    }

    /// What the books hold, a line each.
    ///
    /// # Errors
    /// Tryton refused.
    pub fn books(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.accountant("books", &[])?.lines().map(Into::into).collect())
    }
}
