//! A daemon whose remotes answer with nothing.

use std::sync::Arc;

use milestoned::app::App;
use milestoned::clock::SetClock;
use milestoned::settings::Settings;
use milestoned::store::{Key, Store};
use milestoned_connector_kit::{Platform, Transport};
use tokio::runtime::{Builder, Runtime};

use crate::vendors::{CONNECTIONS, NOW, Remote};

/// The token of the one program, with every right.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A daemon that calls nobody.
pub struct Daemon {
    /// Its parts.
    pub app: Arc<App>,
    /// What its futures run on.
    pub runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Daemon {
    /// A new one on a new database.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[[http.tokens]]\nname = \"ada\"\nrights = [\"view\", \"file_terms\", \"tell_facts\", \"approve\", \
             \"overrule\", \"release\", \"operate\", \"audit\"]\ntoken = \"{TOKEN}\"\n{CONNECTIONS}"
        );
        let settings = Settings::from_toml(&text).unwrap();
        let transport = Some(Arc::new(Remote::default()) as Arc<dyn Transport>);
        let clock = Arc::new(SetClock::at(NOW.parse().unwrap()));
        let platform = Platform { clock, transport };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let store = Store::open(&folder.path().join("milestoned.db"), Key::of([7; 32])).unwrap();
        let app = App::over(settings, store, platform).unwrap();
        Self { app, runtime, _folder: folder }
    }
}
