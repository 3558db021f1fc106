//! Sign-in at providers that nobody here wrote: the certified one of npm and one of PyPI, each driven as a browser would.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and says why it did nothing"
)]

use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use milestoned_identity::begun::Begun;
use milestoned_identity::rights::Right;
use milestoned_oidc::{OidcError, Provider, Returned, Settings};
use serde_json::json;
use url::Url;

/// Where our own server would listen: the browser is stopped before it gets there.
const HOME: &str = "http://127.0.0.1:9";
const SECRET: &str = "a secret of + and %";

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("providers")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Runs an installation, or says why it cannot be had.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    std::fs::create_dir_all(folder()).unwrap();
    let output = Command::new(program).args(arguments).current_dir(folder()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Where a provider cannot be installed the test says so and does nothing, unless it is required.
fn skipped(what: &str, error: &str) {
    let needed = std::env::var("MILESTONED_REQUIRE_PROVIDERS").is_ok_and(|value| value == "1");
    assert!(!needed, "{what} cannot be had: {error}");
    println!("skipped: {what} cannot be had: {error}");
}

fn certified(port: u16) -> Result<Running, String> {
    if !folder().join("node_modules/oidc-provider").exists() {
        run("npm", &["install", "--silent", "--no-save", "oidc-provider@9.13"])?;
    }
    let script = folder().join("certified.mjs");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provider/certified.mjs"), &script).unwrap();
    let mut child = Command::new("node")
        .arg(&script)
        .args([port.to_string(), format!("{HOME}/sign-in/callback"), SECRET.to_owned()])
        .current_dir(folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().unwrap();
    started(child, stdout, "listening")
}

/// Waits for the line that says that a provider is there. What it writes later is read, so that it never waits for a reader.
fn started(child: Child, output: impl Read + Send + 'static, sign: &str) -> Result<Running, String> {
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let up = lines.any(|line| line.contains(sign));
    std::thread::spawn(move || lines.count());
    if up { Ok(Running(child)) } else { Err("it does not start".into()) }
}

fn of_pypi(port: u16) -> Result<Running, String> {
    let python = folder().join("venv/bin/python");
    if !folder().join("venv/bin/oidc-provider-mock").exists() {
        run("python3", &["-m", "venv", "venv"])?;
        run(&python.to_string_lossy(), &["-m", "pip", "install", "--quiet", "oidc-provider-mock>=0.3.4,<0.5"])?;
    }
    let claims =
        json!({ "sub": "dana", "email": "dana@customer.example", "email_verified": true, "groups": ["finance"] });
    let mut child = Command::new(folder().join("venv/bin/oidc-provider-mock"))
        .args(["--port", &port.to_string(), "--require-nonce", "true", "--user-claims", &claims.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stderr = child.stderr.take().unwrap();
    started(child, stderr, "running on")
}

/// A browser, as far as sign-in needs one: follows redirects, keeps cookies, submits the first form of a page.
async fn sign_in(start: Url, fields: &[(&str, &str)]) -> Url {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut cookies = std::collections::BTreeMap::<String, String>::new();
    let (mut address, mut form) = (start, None::<Vec<(String, String)>>);
    for _ in 0..20 {
        if address.as_str().starts_with(HOME) {
            return address;
        }
        let jar: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match &form {
            Some(form) => http.post(address.clone()).form(form),
            None => http.get(address.clone()),
        };
        let answer = request.header("Cookie", jar.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            cookies.insert(name.into(), value.into());
        }
        if let Some(location) = answer.headers().get("location") {
            (address, form) = (address.join(location.to_str().unwrap()).unwrap(), None);
            continue;
        }
        let page = answer.text().await.unwrap();
        let (action, hidden) = first_form(&page);
        address = address.join(action.as_deref().unwrap_or("")).unwrap();
        let given = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        form = Some(hidden.into_iter().chain(given).collect());
    }
    panic!("the provider leads nowhere: {address}");
}

fn first_form(page: &str) -> (Option<String>, Vec<(String, String)>) {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0.replace("&amp;", "&"))
    };
    let form = page.split_once("<form").unwrap_or_else(|| panic!("no form:\n{page}")).1;
    let form = form.split_once("</form>").unwrap().0;
    let hidden = form.split("<input").skip(1).filter(|input| input.contains("type=\"hidden\""));
    let hidden = hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
    (attribute(form.split_once('>').unwrap().0, "action"), hidden.collect())
}

/// `director`: has the provider put somebody into no group, and then block them.
async fn goes_the_whole_way(
    issuer: String,
    scopes: &[&str],
    fields: &[(&str, &str)],
    director: [reqwest::RequestBuilder; 2],
) {
    let settings: Settings = serde_json::from_value(json!({ "issuer": issuer, "client_id": "milestoned",
        "client_secret": SECRET, "scopes": scopes, "groups": { "finance": ["view", "approve"] } }))
    .unwrap();
    let provider = Provider::new(settings, HOME).unwrap();
    let (now, begun) = (Timestamp::now(), Begun::fresh("/queue", &mut rand::rng()));
    let back = sign_in(provider.address(&begun, false, now).await.unwrap(), fields).await;
    let parameters: std::collections::BTreeMap<String, String> = back.query_pairs().into_owned().collect();
    let returned: Returned = serde_json::from_value(serde_json::to_value(parameters).unwrap()).unwrap();
    let identified = provider.complete(&begun, returned.clone(), now).await.unwrap();
    assert_eq!(identified.person, "dana@customer.example");
    assert!(identified.rights.has(Right::Approve));
    let again = async |token| provider.ask_again(&identified.subject, token, Timestamp::now()).await;
    let confirmed = again(identified.refresh_token.unwrap()).await.unwrap();
    assert!(confirmed.rights.has(Right::Approve));
    let [moves, blocks] = director;
    assert!(moves.send().await.unwrap().status().is_success());
    let confirmed = again(confirmed.refresh_token).await.unwrap();
    assert!(confirmed.rights.is_empty(), "{confirmed:?}");
    assert!(blocks.send().await.unwrap().status().is_success());
    let refused = again(confirmed.refresh_token).await.unwrap_err();
    assert!(matches!(refused, OidcError::Refused(_)), "{refused}");
    // A code that was used, or that somebody else has begun, is worth nothing.
    provider.complete(&begun, returned.clone(), now).await.unwrap_err();
    let other = Begun { state: begun.state.clone(), ..Begun::fresh("/", &mut rand::rng()) };
    provider.complete(&other, returned, now).await.unwrap_err();
}

#[tokio::test]
async fn the_certified_provider_of_npm_signs_somebody_in() {
    let port = free_port();
    match certified(port) {
        Ok(_running) => {
            let fields = [("login", "dana"), ("password", "x")];
            let (issuer, http) = (format!("http://127.0.0.1:{port}"), reqwest::Client::new());
            let director = ["[]", "null"].map(|groups| http.get(format!("{issuer}/director?groups={groups}")));
            goes_the_whole_way(issuer, &["email", "groups", "offline_access"], &fields, director).await;
        }
        Err(error) => skipped("the provider of npm", &error),
    }
}

#[tokio::test]
async fn the_provider_of_pypi_signs_somebody_in() {
    let port = free_port();
    match of_pypi(port) {
        Ok(_running) => {
            let (issuer, http) = (format!("http://127.0.0.1:{port}"), reqwest::Client::new());
            let claims = json!({ "email": "dana@customer.example", "email_verified": true, "groups": [] });
            let moves = http.put(format!("{issuer}/users/dana")).json(&claims);
            let director = [moves, http.post(format!("{issuer}/users/dana/revoke-tokens"))];
            goes_the_whole_way(issuer, &["email", "profile"], &[("sub", "dana")], director).await;
        }
        Err(error) => skipped("the provider of PyPI", &error),
    }
}
