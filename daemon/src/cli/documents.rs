//! `contract read`, `contract lint`: signed documents become proposals, each read in a process of its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use milestoned_documents::amendment::compare;
use milestoned_documents::block::{Document, Format, Place, Remark, RemarkKind};
use milestoned_documents::model::{self, Exchange};
use milestoned_documents::proposal::{Gravity, Proposal};
use milestoned_documents::reader::{FILE_LIMIT, ReadError, format_of};
use milestoned_documents::{Input, findings, sandbox, toml};
use serde_json::{Value, json};

use super::table::{complain, say};
use super::{BAD_INPUT, FOUND, unknown_contract};
use crate::environment::Environment;
use crate::reading::CHILD;
use crate::review::portfolio::earlier;

/// What is read, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Read {
    /// The agreement, and after it the exhibits that are files of their own: .docx, .pdf, .md, .txt, .xlsx, .csv.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Contract that the document amends; what it changes is told.
    #[arg(long)]
    pub(super) amends: Option<String>,
    /// Program that writes the text of a scan to standard output, given the file's name, such as a script around tesseract.
    #[arg(long)]
    ocr: Option<PathBuf>,
    /// Address of an OpenAI-compatible server, such as http://localhost:11434/v1; the documents' text is sent there.
    #[arg(long, requires = "model")]
    model_url: Option<url::Url>,
    /// Model that is asked there.
    #[arg(long, requires = "model_url")]
    model: Option<String>,
    /// Key for the server.
    #[arg(long, env = "MILESTONED_MODEL_KEY", hide_env_values = true)]
    model_key: Option<secrecy::SecretString>,
}

/// `milestoned contract read FILE…`: the proposal on standard output.
pub(super) async fn read(options: &Read, env: Option<&Environment>, json: bool) -> anyhow::Result<ExitCode> {
    let inputs = match inputs(options) {
        Ok(inputs) => inputs,
        Err(reason) => {
            complain(&format!("milestoned: {reason}"));
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    let exchange = match (&options.model_url, &options.model) {
        (Some(url), Some(model)) => Some(ask(url, model, options.model_key.as_ref(), model::prompt(&inputs)).await?),
        _ => None,
    };
    let mut proposal = proposed(&inputs, exchange.as_ref())?;
    if let (Some(id), Some(env)) = (&options.amends, env) {
        let Some(earlier) = earlier(env, id).await? else {
            return Ok(unknown_contract(id));
        };
        compare(&mut proposal, &earlier);
    }
    say(&if json { serde_json::to_string_pretty(&proposal)? } else { toml(&proposal) });
    Ok(ExitCode::SUCCESS)
}

/// `milestoned contract lint FILE…`: the findings alone; errors among them end in exit code 1.
pub(super) fn lint(options: &Read, json: bool) -> anyhow::Result<ExitCode> {
    let proposal: Proposal = match inputs(options) {
        Ok(inputs) => proposed(&inputs, None)?,
        Err(reason) => {
            complain(&format!("milestoned: {reason}"));
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    say(if json { serde_json::to_string_pretty(&proposal.findings)? } else { findings(&proposal) }.trim_end());
    let wrong = proposal.findings.iter().any(|finding| finding.gravity == Gravity::Error);
    Ok(if wrong { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// The child's side: reads standard input within limits, before anything else of the program is started.
pub(super) fn child(format: &str) -> ExitCode {
    match sandbox::serve(format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(BAD_INPUT),
    }
}

fn proposed(inputs: &[Input], exchange: Option<&Exchange>) -> anyhow::Result<Proposal> {
    Ok(sandbox::propose(&std::env::current_exe()?, &[CHILD], inputs, exchange)?)
}

fn inputs(options: &Read) -> Result<Vec<Input>, String> {
    options.files.iter().map(|path| input(path, options.ocr.as_deref())).collect()
}

fn input(path: &Path, ocr: Option<&Path>) -> Result<Input, String> {
    let told = |reason: String| format!("{}: {reason}", path.display());
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let format = format_of(&name).ok_or_else(|| told(ReadError::Kind.to_string()))?;
    let size = std::fs::metadata(path).map_err(|error| told(error.to_string()))?.len();
    if usize::try_from(size).is_ok_and(|size| size > FILE_LIMIT) {
        return Err(told(ReadError::Large(usize::try_from(size).unwrap_or(usize::MAX)).to_string()));
    }
    let bytes = std::fs::read(path).map_err(|error| told(error.to_string()))?;
    let program = std::env::current_exe().map_err(|error| told(error.to_string()))?;
    let read = sandbox::read(&program, &[CHILD], &bytes, format);
    let document = match read {
        Ok(contained) => {
            contained.unlimited.iter().for_each(|limit| complain(&format!("milestoned: {}: {limit}", path.display())));
            contained.document
        }
        Err(sandbox::ChildError::Refused(reason)) if reason == ReadError::NoText.to_string() => match ocr {
            Some(program) => recognised(program, path).map_err(told)?,
            None => return Err(told(reason)),
        },
        Err(error) => return Err(told(error.to_string())),
    };
    Ok(Input::new(&name, &bytes, document))
}

/// The text of a scan, by an external program. It is never as sure as a text layer.
fn recognised(program: &Path, path: &Path) -> Result<Document, String> {
    let output = std::process::Command::new(program)
        .arg(path)
        .output()
        .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", program.display(), output.status));
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let read = sandbox::read(&own, &[CHILD], &output.stdout, Format::Text).map_err(|error| error.to_string())?;
    let mut document = read.document;
    let text = program.display().to_string();
    document.remarks.push(Remark { kind: RemarkKind::Recognised, text, place: Place::default() });
    Ok(document)
}

/// Asks the model; temperature 0, so that the same text gets the same answer as far as the server can do that.
async fn ask(
    url: &url::Url,
    model: &str,
    key: Option<&secrecy::SecretString>,
    prompt: String,
) -> anyhow::Result<Exchange> {
    use secrecy::ExposeSecret as _;
    let address = format!("{}/chat/completions", url.as_str().trim_end_matches('/'));
    let body = json!({ "model": model, "temperature": 0, "messages": [{ "role": "user", "content": prompt }] });
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(300)).build()?;
    let mut request = client.post(&address).json(&body);
    if let Some(key) = key {
        request = request.bearer_auth(key.expose_secret());
    }
    let answer = request.send().await?.error_for_status()?.json::<Value>().await?;
    let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str);
    let answer =
        text.ok_or_else(|| anyhow::anyhow!("{address}: the answer has no choices[0].message.content"))?.to_owned();
    Ok(Exchange { model: model.to_owned(), prompt, answer, proposed: 0, taken: 0, dropped: 0 })
}
