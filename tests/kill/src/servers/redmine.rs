//! Redmine: Debian's package on a SQLite file of its own, one project, and what people do to its issues.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Server, kept, run, script};
use crate::daemon::client;
use crate::world::free_port;

/// Where Debian's package puts it.
const HOME: &str = "/usr/share/redmine";

/// An installed Redmine and a project that was made with it.
pub struct Project {
    template: PathBuf,
}

/// What the script made.
#[derive(Deserialize)]
struct Ids {
    fields: BTreeMap<String, u32>,
    statuses: BTreeMap<String, u32>,
    keys: BTreeMap<String, String>,
}

/// A command within Redmine's home, on a database of ours.
fn command(program: &str, database: &Path) -> anyhow::Result<Command> {
    // The server stands outside of Redmine's bundle.
    let webrick =
        run(Command::new("ruby").args(["-e", "puts Gem::Specification.find_by_name('webrick').full_require_paths"]))?;
    let mut command = Command::new(program);
    command.current_dir(HOME).env("RAILS_ENV", "production").env("RAILS_LOG_TO_STDOUT", "1");
    command.env("RUBYLIB", webrick.trim()).env("REDMINE_LANG", "en");
    command.env("DATABASE_URL", format!("sqlite3:{}", database.display()));
    command.env("SCHEMA", database.with_extension("schema"));
    Ok(command)
}

impl Project {
    /// Makes the project, unless it is kept.
    ///
    /// # Errors
    /// Redmine is not installed, or not for us.
    pub fn make(cache: &Path) -> anyhow::Result<Self> {
        std::fs::metadata(format!("{HOME}/bin/rails")).context("apt-get install redmine redmine-sqlite")?;
        std::fs::read("/etc/redmine/default/database.yml").context("only root and www-data may run it")?;
        let maker = script("redmine.rb");
        let text = std::fs::read_to_string(&maker)?;
        let version = std::fs::read_to_string(format!("{HOME}/lib/redmine/version.rb"))?;
        let template = kept(cache, "redmine", &[&text, &version], |folder| {
            let database = folder.join("redmine.sqlite");
            run(command("bundle", &database)?.args(["exec", "rake", "db:migrate"]))?;
            let ids = run(command("bin/rails", &database)?.arg("runner").arg(&maker))?;
            let ids = ids.lines().rfind(|line| line.starts_with('{')).context("the script told no ids")?;
            Ok(std::fs::write(folder.join("ids.json"), ids)?)
        })?;
        Ok(Self { template })
    }

    /// Serves a copy of the project.
    ///
    /// # Errors
    /// The server does not start.
    pub async fn serve(&self) -> anyhow::Result<Redmine> {
        let folder = tempfile::Builder::new().prefix("milestoned-redmine.").tempdir()?;
        let database = folder.path().join("redmine.sqlite");
        std::fs::copy(self.template.join("redmine.sqlite"), &database)?;
        let port = free_port()?.to_string();
        let mut command = command("bin/rails", &database)?;
        command.args(["server", "-u", "webrick", "-b", "127.0.0.1", "-p", &port, "-P"]).arg(folder.path().join("pid"));
        let server = Server::start(&command, format!("http://127.0.0.1:{port}"), folder).await?;
        let ids = std::fs::read_to_string(self.template.join("ids.json"))?;
        Ok(Redmine { server, ids: serde_json::from_str(&ids)? })
    }
}

/// A project that is served.
pub struct Redmine {
    /// Its server.
    pub server: Server,
    ids: Ids,
}

impl Redmine {
    /// Lines of the daemon's configuration for it. Its custom fields have the ids of the shipped field map.
    ///
    /// # Errors
    /// The project lacks something.
    pub fn settings(&self) -> anyhow::Result<String> {
        Ok(format!(
            "[connections.redmine]\nkind = \"redmine\"\npoll_every = \"500ms\"\nbase_url = \"{}\"\nkey = \"{}\"\n\
             projects = [\"delivery\"]\nbilling_field = {}\n",
            self.server.url,
            self.ids.keys.get("milestoned").context("key")?,
            self.ids.fields.get("billing").context("billing")?
        ))
    }

    /// Creates the issue of a milestone, as the consultant. Gives its id.
    ///
    /// # Errors
    /// Redmine refused.
    pub async fn issue(&self, contract: &str, milestone: &str, amount: &str) -> anyhow::Result<String> {
        let fields = self.fields(&[
            ("contract", json!(contract)),
            ("milestone", json!(milestone)),
            ("amount", json!(amount)),
            ("approver_role", json!("Project sponsor")),
        ])?;
        let subject = format!("{contract} {milestone}");
        let body = json!({ "issue": {
            "project_id": "delivery", "tracker_id": 1, "subject": subject, "custom_fields": fields,
        } });
        let created = self.call("consultant", "POST", "/issues.json", &body).await?;
        Ok(created.pointer("/issue/id").context("no id")?.to_string())
    }

    /// Moves an issue to a status, and fills in fields with it.
    ///
    /// # Errors
    /// Redmine refused.
    pub async fn change(&self, who: &str, issue: &str, status: &str, fields: &[(&str, Value)]) -> anyhow::Result<()> {
        let status = self.ids.statuses.get(status).context("status")?;
        let body = json!({ "issue": { "status_id": status, "custom_fields": self.fields(fields)? } });
        self.call(who, "PUT", &format!("/issues/{issue}.json"), &body).await.map(drop)
    }

    /// What the billing field of an issue shows.
    ///
    /// # Errors
    /// Redmine refused.
    pub async fn billing(&self, issue: &str) -> anyhow::Result<String> {
        let read = self.call("consultant", "GET", &format!("/issues/{issue}.json"), &Value::Null).await?;
        let id = self.ids.fields.get("billing").context("billing")?;
        let fields = read.pointer("/issue/custom_fields").and_then(Value::as_array).context("custom_fields")?;
        let own = fields.iter().find(|field| field.get("id").and_then(Value::as_u64) == Some(u64::from(*id)));
        Ok(own.and_then(|field| field.get("value")?.as_str()).unwrap_or_default().to_owned())
    }

    fn fields(&self, fields: &[(&str, Value)]) -> anyhow::Result<Vec<Value>> {
        let one = |(name, value): &(&str, Value)| {
            let id = self.ids.fields.get(*name).with_context(|| (*name).to_owned())?;
            Ok(json!({ "id": id, "value": value }))
        };
        fields.iter().map(one).collect()
    }

    async fn call(&self, who: &str, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let key = self.ids.keys.get(who).context("key")?;
        let url = format!("{}{path}", self.server.url);
        let mut request = client()?.request(method.parse()?, url).header("x-redmine-api-key", key);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{method} {path}: {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}
