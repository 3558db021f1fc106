//! `docs/deployment.md` walked: each step that it says `check` tells of is left out once, and told in those words.

use std::collections::BTreeSet;
use std::path::Path;

use milestoned_tests::World;

const GUIDE: &str = include_str!("../../../docs/deployment.md");
/// What is not walked here: what only a delivery tells, for no interface of the vendor says it before (`setups::netsuite` has it);
/// and a right of a role that the simulated account does not know.
const NOT_WALKED: [&str; 2] = ["the account numbers its transactions itself: set number_field", "deleted: …"];

/// A step that is left out: whose, what the guide says of it, what stands otherwise in the configuration, and in the remote.
struct Omission {
    system: &'static str,
    said: &'static str,
    changes: Vec<(String, String)>,
    leave: Box<dyn Fn(&World)>,
}

fn configured(system: &'static str, said: &'static str, line: &str, instead: &str) -> Omission {
    Omission { system, said, changes: vec![(line.to_owned(), instead.to_owned())], leave: Box::new(|_| {}) }
}

fn remote(system: &'static str, said: &'static str, leave: impl Fn(&World) + 'static) -> Omission {
    Omission { system, said, changes: Vec::new(), leave: Box::new(leave) }
}

fn hidden(said: &'static str, object: &'static str, field: &'static str) -> Omission {
    remote("Salesforce", said, move |world| world.simulators.salesforce.hide_field(object, field, true).unwrap())
}

fn of_salesforce() -> Vec<Omission> {
    let wrong = r#"auth = { flow = "client_credentials", client_id = "CONSUMER_KEY", client_secret = "wrong" }"#;
    let map = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/fieldmaps/certinia.toml");
    let certinia = format!(
        "[connections.certinia]\nkind = \"salesforce\"\nobject = \"pse__Milestone__c\"\nbase_url = \"{{salesforce}}\"\n\
         field_map = '{}'\nauth = {{ flow = \"client_credentials\", client_id = \"CONSUMER_KEY\", client_secret = \
         \"CONSUMER_SECRET\" }}\n[connections.jira]",
        map.display()
    );
    vec![
        configured("Salesforce", "Opportunity: … not authorised", "auth = { flow = \"client_credentials\"", wrong),
        hidden("Opportunity.SOW_Number__c: the field is missing or hidden", "Opportunity", "SOW_Number__c"),
        hidden(
            "CurrencyIsoCode: the org has a single currency, and the field does not exist",
            "Opportunity",
            "CurrencyIsoCode",
        ),
        configured("Salesforce", "… is no unique external id", "external_id", "external_id = \"Legacy_Id__c\""),
        Omission {
            changes: vec![("[connections.jira]".into(), certinia)],
            ..remote("Salesforce", "pse__Milestone__History: the history of … cannot be read", |world| {
                let org = &world.simulators.salesforce;
                org.define_field("pse__Milestone__c", "Milestone_Id__c:string").unwrap();
                org.hide_field("pse__Milestone__History", "Id", true).unwrap();
            })
        },
    ]
}

fn of_jira(folder: &Path) -> Vec<Omission> {
    let map = |name: &str, from: &str, to: &str| {
        let text = include_str!("../../../config/fieldmaps/jira.toml").replace(from, to);
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        format!("projects = [\"MS\"]\nfield_map = '{}'", file.display())
    };
    let wrong = r#"auth = { flow = "basic", email = "mia@example.test", api_token = "wrong" }"#;
    let field = map("field.toml", "customfield_10101", "customfield_19999");
    let status = map("status.toml", "\"Accepted\" = \"accepted\"", "\"Abgenommen\" = \"accepted\"");
    let transitions = "transitions: no issue of the projects can have the status …";
    let unsaid = "transitions: the projects have the status …, and the field map does not say what it means";
    vec![
        configured("Jira", "auth: … not authorised", "auth = { flow = \"basic\"", wrong),
        remote("Jira", "projects: …", |world| world.simulators.jira.permit("out", "MS", "*", false).unwrap()),
        configured("Jira", "customfield_…: the site has no such field", "projects", &field),
        configured("Jira", transitions, "projects", &status),
        configured("Jira", unsaid, "projects", &status),
        configured("Jira", "webhook_secret: is not set", "webhook_secret", ""),
    ]
}

fn of_netsuite() -> Vec<Omission> {
    let wrong = "auth = { flow = \"tba\", consumer_key = \"ck\", consumer_secret = \"cs\", token_id = \"ti\", \
                 token_secret = \"wrong\" }";
    let accounts = "accounts = { unbilled_receivable = \"120\", contract_asset = \"121\", deferred_revenue = \"122\", \
                    revenue = \"999\" }";
    vec![
        configured("NetSuite", "auth: …", "auth = { flow = \"oauth2\"", wrong),
        remote("NetSuite", "role: invoice: … Permission Violation", |world| {
            world.simulators.netsuite.deny("deny", "invoice").unwrap();
        }),
        configured("NetSuite", "invoices: …", "item = \"5\"", "item = \"5\"\nmilestone_field = \"nowhere\""),
        configured(
            "NetSuite",
            "accounts.…: there is no account …",
            "accounts = { unbilled_receivable = \"120\"",
            accounts,
        ),
        configured("NetSuite", "item: its income account is …", "item = \"5\"", "item = \"6\""),
        configured("NetSuite", "terms.\"net 30\": …", "terms = { \"net 15\" = \"1\"", "terms = { \"net 30\" = \"1\" }"),
    ]
}

fn of_quickbooks() -> Vec<Omission> {
    let accounts = "accounts = { unbilled_receivable = \"85\", contract_asset = \"86\", deferred_revenue = \"23\", \
                    revenue = \"999\" }";
    let prefer = |name: &'static str, on: bool| {
        move |world: &World| world.simulators.quickbooks.set_preference(name, name, on).unwrap()
    };
    vec![
        configured("QuickBooks", "refresh_token: …", "refresh_token", "refresh_token = \"wrong\""),
        configured("QuickBooks", "verifier_token: is not set", "verifier_token", ""),
        configured("QuickBooks", "accounts.…", "accounts = { unbilled_receivable = \"85\"", accounts),
        configured("QuickBooks", "item: its income account is …", "item = \"1\"", "item = \"2\""),
        remote("QuickBooks", "custom transaction numbers: …", prefer("CustomTxnNumbers", false)),
        remote("QuickBooks", "own_recognition: …", prefer("RevenueRecognition", true)),
    ]
}

/// The first word of each heading, and what stands there between backticks in the sentence that begins with `Left out:`.
fn told_of() -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for section in GUIDE.split("\n## ").skip(1) {
        let system = section.split([' ', '\n']).next().unwrap_or_default();
        for step in section.split("Left out:").skip(1) {
            let ends = ["`.", "\n\n"].map(str::to_owned).into_iter().chain((2..=12).map(|n| format!("\n{n}. ")));
            let end = ends.filter_map(|end| step.find(&end)).min().unwrap_or(step.len());
            let quoted = step[..=end.min(step.len() - 1)].split('`').skip(1).step_by(2);
            let words = quoted.map(|words| words.split_whitespace().collect::<Vec<_>>().join(" "));
            all.extend(words.map(|words| (system.to_owned(), words)));
        }
    }
    all
}

/// Whether a problem says this, where `…` stands for anything.
fn says(problem: &str, pattern: &str) -> bool {
    let mut rest = problem;
    pattern.split('…').all(|part| {
        let found = rest.find(part.trim());
        found.is_some_and(|at| {
            rest = &rest[at + part.trim().len()..];
            true
        })
    })
}

async fn problems(changes: Vec<(String, String)>, leave: &dyn Fn(&World), system: &str) -> Vec<String> {
    let world = World::configured("2026-03-02T09:00:00Z", changes).await.unwrap();
    leave(&world);
    let mut told = Vec::new();
    for (name, entry) in world.app.env.registry.iter() {
        let of_it = *name == system.to_lowercase() || (system == "Salesforce" && name == "certinia");
        if of_it {
            let found = entry.connection.probe().await;
            told.extend(found.into_iter().map(|one| format!("{}: {}", one.place, one.reason)));
        }
    }
    told
}

#[tokio::test]
async fn whatever_the_guide_says_of_a_step_that_was_left_out_check_says() {
    let folder = tempfile::tempdir().unwrap();
    let all = of_salesforce().into_iter().chain(of_jira(folder.path())).chain(of_netsuite()).chain(of_quickbooks());
    for system in ["Salesforce", "Jira", "NetSuite", "QuickBooks"] {
        let told = problems(Vec::new(), &|_| {}, system).await;
        assert_eq!(told, [] as [&str; 0], "{system}: nothing was left out");
    }
    let mut silent: Vec<String> = Vec::new();
    let mut walked: BTreeSet<(String, String)> = BTreeSet::new();
    for Omission { system, said, changes, leave } in all {
        let told = problems(changes, &*leave, system).await;
        if !told.iter().any(|problem| says(problem, said)) {
            silent.push(format!("{system}: {said}: {told:?}"));
        }
        walked.insert((system.to_owned(), said.to_owned()));
    }
    assert_eq!(silent, [] as [&str; 0]);
    let mut guide = told_of();
    guide.retain(|(_, words)| !NOT_WALKED.contains(&words.as_str()));
    assert_eq!(guide, walked, "the guide and this test name the same");
}
