//! The daemon's connections to the simulators: a function for each system, and their list. Their secrets open nothing else.

use milestoned_mocks::Systems;

/// Jira's webhooks are signed with it.
pub const WEBHOOK_SECRET: &str = "webhook-secret";

/// Simulators of this machine are not spared.
const LIMITS: &str = "limits = { windows = [], in_flight = 8 }";

/// `[connections.…]` of every simulated system.
pub fn all(systems: &Systems) -> String {
    [salesforce, jira, netsuite, quickbooks].map(|connection| connection(systems)).concat()
}

fn salesforce(systems: &Systems) -> String {
    format!(
        r#"[connections.salesforce]
kind = "salesforce"
base_url = "{url}"
auth = {{ flow = "client_credentials", client_id = "CONSUMER_KEY", client_secret = "CONSUMER_SECRET" }}
lag = "0s"
{LIMITS}
[connections.salesforce.status]
object = "Milestone__c"
external_id = "External_Id__c"
fields = {{ name = "Name", deal = "Opportunity__c", contract = "Contract__c", milestone = "Milestone_Id__c", amount = "Amount__c", status = "Status__c", accepted_on = "Accepted_On__c", invoice = "Invoice_Number__c", invoiced_on = "Invoiced_On__c", due_on = "Due_On__c", blocked_by = "Blocked_By__c", link = "Link__c" }}
"#,
        url = systems.url("salesforce"),
    )
}

fn jira(systems: &Systems) -> String {
    format!(
        r#"[connections.jira]
kind = "jira"
base_url = "{url}"
auth = {{ flow = "basic", email = "mia@example.test", api_token = "api-token" }}
lag = "0s"
projects = ["MS"]
webhook_secret = "{WEBHOOK_SECRET}"
{LIMITS}
"#,
        url = systems.url("jira"),
    )
}

fn netsuite(systems: &Systems) -> String {
    let client = systems.netsuite.client();
    format!(
        r#"[connections.netsuite]
kind = "netsuite"
account = "{account}"
base_url = "{url}"
auth = {{ flow = "oauth2", client_id = "{client_id}", certificate_id = "{certificate}", private_key = "{key}", algorithm = "ES256" }}
timezone = "America/Los_Angeles"
item = "5"
accounts = {{ unbilled_receivable = "120", contract_asset = "121", deferred_revenue = "122", revenue = "123" }}
terms = {{ "net 15" = "1", "net 30" = "2", "net 60" = "3", "due on receipt" = "4", "net 45" = "5" }}
{LIMITS}
"#,
        account = systems.netsuite.account(),
        url = systems.url("netsuite"),
        client_id = client.client_id,
        certificate = client.certificate_id,
        key = client.private_key.replace('\n', "\\n"),
    )
}

fn quickbooks(systems: &Systems) -> String {
    format!(
        r#"[connections.quickbooks]
kind = "quickbooks"
base_url = "{url}"
token_url = "{url}/oauth2/v1/tokens/bearer"
realm = "{realm}"
client_id = "cid"
client_secret = "csecret"
refresh_token = "rt-smoke-1"
verifier_token = "vtok"
item = "1"
accounts = {{ unbilled_receivable = "85", contract_asset = "86", deferred_revenue = "23", revenue = "79" }}
terms = {{ "due on receipt" = "1", "net 15" = "2", "net 30" = "3", "net 60" = "4", "net 45" = "5" }}
exchange_rates = {{ GBP = "1.25" }}
{LIMITS}
"#,
        url = systems.url("quickbooks"),
        realm = systems.quickbooks.realm(),
    )
}
