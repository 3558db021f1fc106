//! A process of its own for a file from outside: what it may use is limited before it reads a byte of the file.
//!
//! The parent starts the same program again, hands the file over on standard input and takes JSON from standard output.
//! The child gives up files, network and further programs by a filter of system calls, and memory, time and output by
//! resource limits. What of this could not be set stands in its answer.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::block::{Document, Format};
use crate::model::Exchange;
use crate::proposal::Proposal;
use crate::propose::{Input, propose as proposal_of};
use crate::reader::{self, FILE_LIMIT, ReadError};

/// Memory that the child may write to, in bytes.
pub const MEMORY_LIMIT: u64 = 200 * 1024 * 1024;
/// Processor time of the child, in seconds.
pub const CPU_LIMIT: u64 = 60;
/// Time after which the parent ends the child. A busy machine may give the child its processor time late: this ends only one that
/// hangs.
const WALL_LIMIT: Duration = Duration::from_mins(15);
/// Largest answer that the parent takes, in bytes.
const ANSWER_LIMIT: u64 = 256 * 1024 * 1024;

/// The task of making a proposal of documents that are read.
const PROPOSAL: &str = "proposal";
/// The task of drawing a page; its number follows.
const PICTURE: &str = "picture-";
/// How a PNG file begins; no text does.
const PNG: &[u8] = b"\x89PNG";

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The reader refuses it.
    #[error("{0}")]
    Refused(String),
    /// The child needed more than it may use, or broke down.
    #[error(
        "reading the file {0}; give the part with the payment terms alone, or save it anew with the program that made it"
    )]
    Ended(String),
    /// The child could not be started.
    #[error("the process that reads files cannot be started: {0}")]
    Start(#[from] std::io::Error),
}

/// What the child answers.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    document: Result<Document, String>,
    /// Limits that this machine did not let the child set.
    unlimited: Vec<String>,
}

/// A document that a child has read.
#[derive(Debug)]
pub struct Contained {
    /// Its blocks.
    pub document: Document,
    /// Limits that could not be set, in words.
    pub unlimited: Vec<String>,
}

/// Reads a file in a child: `program` with `arguments`, which must end in [`serve`], and the format as the last argument.
///
/// # Errors
/// The file is refused, or the child ends before it answers.
pub fn read(program: &Path, arguments: &[&str], bytes: &[u8], format: Format) -> Result<Contained, ChildError> {
    if bytes.len() > FILE_LIMIT {
        return Err(ChildError::Refused(ReadError::Large(bytes.len()).to_string()));
    }
    let answer = run(program, arguments, name(format), bytes)?;
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| ChildError::Ended("gives no whole answer".into()))?;
    match answer.document {
        Ok(document) => Ok(Contained { document, unlimited: answer.unlimited }),
        Err(reason) => Err(ChildError::Refused(reason)),
    }
}

/// Draws a page of a PDF file in a child, as a PNG file; see [`read`].
///
/// # Errors
/// The page cannot be drawn, or the child ends before it answers.
pub fn picture(program: &Path, arguments: &[&str], bytes: &[u8], page: u32) -> Result<Vec<u8>, ChildError> {
    let answer = run(program, arguments, &format!("{PICTURE}{page}"), bytes)?;
    if answer.starts_with(PNG) { Ok(answer) } else { Err(ChildError::Refused(String::from_utf8_lossy(&answer).into())) }
}

/// Starts the child, gives it `bytes`, and waits for its whole answer.
fn run(program: &Path, arguments: &[&str], task: &str, bytes: &[u8]) -> Result<Vec<u8>, ChildError> {
    run_within(WALL_LIMIT, program, arguments, task, bytes)
}

fn run_within(
    most: Duration,
    program: &Path,
    arguments: &[&str],
    task: &str,
    bytes: &[u8],
) -> Result<Vec<u8>, ChildError> {
    let mut child = Command::new(program)
        .args(arguments)
        .arg(task)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (mut input, output) = (child.stdin.take(), child.stdout.take());
    let answer = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ends early closes the pipe; its status tells why.
            if let Some(input) = &mut input {
                let _ = input.write_all(bytes);
            }
            drop(input);
        });
        let reading = scope.spawn(move || {
            let mut answer = Vec::new();
            let read = output.map(|output| output.take(ANSWER_LIMIT).read_to_end(&mut answer));
            read.is_some().then_some(answer)
        });
        let ended = wait(&mut child, most);
        if !ended {
            let _ = child.kill();
        }
        (ended, reading.join().ok().flatten().unwrap_or_default())
    });
    let status = child.wait()?;
    let (ended, answer) = answer;
    if !ended {
        return Err(ChildError::Ended(format!("takes longer than {} seconds", most.as_secs())));
    }
    if !status.success() {
        return Err(ChildError::Ended(ending(status)));
    }
    Ok(answer)
}

/// Makes the proposal in a child as well: clauses are text from outside too.
///
/// # Errors
/// The child ends before it answers.
pub fn propose(
    program: &Path,
    arguments: &[&str],
    inputs: &[Input],
    model: Option<&Exchange>,
) -> Result<Proposal, ChildError> {
    let question = serde_json::to_vec(&Question { inputs: Cow::Borrowed(inputs), model: model.map(Cow::Borrowed) })
        .map_err(std::io::Error::from)?;
    let answer = run(program, arguments, PROPOSAL, &question)?;
    serde_json::from_slice(&answer).map_err(|_| ChildError::Ended("gives no whole answer".into()))
}

/// What the child makes a proposal of.
#[derive(Debug, Serialize, Deserialize)]
struct Question<'a> {
    inputs: Cow<'a, [Input]>,
    model: Option<Cow<'a, Exchange>>,
}

/// Waits for the child, but not for ever.
fn wait(child: &mut std::process::Child, most: Duration) -> bool {
    let step = Duration::from_millis(2);
    let mut waited = Duration::ZERO;
    while waited < most {
        match child.try_wait() {
            Ok(Some(_)) | Err(_) => return true,
            Ok(None) => std::thread::sleep(step),
        }
        waited += step;
    }
    false
}

#[cfg(unix)]
fn ending(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        // The allocator ends the process in either way when it gets no memory.
        Some(6 | 11) => format!("needs more than {} MB, or breaks the reader", MEMORY_LIMIT / 1024 / 1024),
        Some(9 | 24) => format!("takes more than {CPU_LIMIT} seconds of the processor"),
        Some(signal) => format!("was ended by signal {signal}"),
        None => "broke the reader".into(),
    }
}

#[cfg(not(unix))]
fn ending(_: std::process::ExitStatus) -> String {
    "broke the reader".into()
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Csv => "csv",
        Format::Docx => "docx",
        Format::Markdown => "md",
        Format::Pdf => "pdf",
        Format::Text => "txt",
        Format::Xlsx => "xlsx",
    }
}

/// What the child does: sets its limits, reads standard input, writes the answer to standard output.
///
/// # Errors
/// Standard input or output broke.
pub fn serve(format: &str) -> std::io::Result<()> {
    let unlimited = limits::set();
    let mut bytes = Vec::new();
    let most = if format == PROPOSAL { ANSWER_LIMIT } else { u64::try_from(FILE_LIMIT).unwrap_or(u64::MAX) };
    std::io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if format == PROPOSAL {
        let question: Question<'_> = serde_json::from_slice(&bytes)?;
        drop(bytes);
        let proposal = proposal_of(question.inputs.into_owned(), question.model.map(Cow::into_owned));
        return write(&serde_json::to_vec(&proposal)?);
    }
    if let Some(page) = format.strip_prefix(PICTURE) {
        let page = page.parse().map_err(|_| std::io::Error::other("no page"))?;
        return write(&reader::picture(&bytes, page).unwrap_or_else(|error| error.to_string().into_bytes()));
    }
    let document = reader::format_of(&format!("file.{format}"))
        .ok_or(ReadError::Kind)
        .and_then(|format| reader::read(&bytes, format))
        .map_err(|error| error.to_string());
    write(&serde_json::to_vec(&Answer { document, unlimited })?)
}

fn write(answer: &[u8]) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(answer)?;
    output.flush()
}

#[cfg(target_os = "linux")]
mod limits {
    //! Limits of a process on Linux.

    use std::collections::BTreeMap;

    use rustix::process::{Resource, Rlimit, nice, setrlimit};
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    use super::{CPU_LIMIT, MEMORY_LIMIT};

    /// What is added to the niceness: the kernel takes 19 at most.
    const LOWEST_PRIORITY: i32 = 19;

    /// Sets every limit; answers with those that could not be set.
    pub(super) fn set() -> Vec<String> {
        let mut failed = Vec::new();
        // Whatever a file costs to read, the parent's own work goes before it.
        if nice(LOWEST_PRIORITY).is_err() {
            failed.push("the priority could not be lowered".to_owned());
        }
        for (name, resource, most) in [
            ("memory", Resource::Data, MEMORY_LIMIT),
            ("processor time", Resource::Cpu, CPU_LIMIT),
            ("written files", Resource::Fsize, 0),
            ("core dumps", Resource::Core, 0),
        ] {
            if setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).is_err() {
                failed.push(format!("{name} could not be limited"));
            }
        }
        if let Err(reason) = filter() {
            failed.push(format!("network, files and programs could not be denied: {reason}"));
        }
        failed
    }

    /// Denies what a reader of standard input has no use for: sockets, files, programs, other processes.
    fn filter() -> Result<(), String> {
        let denied = [
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_listen,
            libc::SYS_accept4,
            libc::SYS_sendto,
            libc::SYS_sendmsg,
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_unlinkat,
            libc::SYS_renameat2,
            libc::SYS_mkdirat,
            libc::SYS_linkat,
            libc::SYS_symlinkat,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_kill,
            libc::SYS_io_uring_setup,
            libc::SYS_bpf,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_memfd_create,
            libc::SYS_keyctl,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_fork,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_vfork,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename,
        ];
        let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
            denied.into_iter().map(|call| (call, Vec::new())).collect();
        let denial = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        let arch = std::env::consts::ARCH.try_into().map_err(|_| "unknown processor".to_owned())?;
        let filter =
            SeccompFilter::new(rules, SeccompAction::Allow, denial, arch).map_err(|error| error.to_string())?;
        let program: BpfProgram = filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
        seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
    }
}

#[cfg(not(target_os = "linux"))]
mod limits {
    //! Limits of a process where none can be set.

    /// Answers that there are no limits.
    pub(super) fn set() -> Vec<String> {
        vec!["this system has no limits for the process that reads files".into()]
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_hangs_is_ended_and_the_reason_is_told() {
        let ended = run_within(Duration::from_secs(1), Path::new("/bin/sleep"), &["600"], "0", b"a file");
        let said = ended.unwrap_err().to_string();
        assert!(said.contains("takes longer than 1 seconds") && said.contains("save it anew"), "{said}");
        let sleeps = |entry: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            stat.contains("(sleep)") && stat.contains(&format!(" {} ", std::process::id()))
        };
        let left = std::fs::read_dir("/proc").unwrap().flatten().any(sleeps);
        assert!(!left, "nothing of it is left");
    }
}
