//! Published clients that nobody here wrote, installed into a virtual environment, against the program as it is started
//! by hand.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly, and says why it did nothing")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program, which ends with the test.
struct Program {
    child: Child,
    base: u16,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Program {
    fn start() -> Program {
        let free = |base: &u16| (*base..base + 6).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        let from = 20_000 + u16::try_from(std::process::id() % 20_000).unwrap();
        let base = (from..u16::MAX - 6).step_by(6).find(free).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_milestoned-mocks"))
            .args(["--port-base", &base.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // it says where everything is once everything is there
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.take(6).map(Result::unwrap).filter(|line| !line.is_empty()).count(), 6);
        Program { child, base }
    }

    fn url(&self, offset: u16) -> String {
        format!("http://127.0.0.1:{}", self.base + offset)
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/clients")
}

/// Python with the clients, or why there is none.
fn python() -> Result<PathBuf, String> {
    let wanted = std::fs::read_to_string(scripts().join("requirements.txt")).unwrap();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let (python, mark) = (place.join("bin/python"), place.join("installed.txt"));
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(scripts()).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    run(Path::new("python3"), &["-m", "venv", &place.to_string_lossy()])?;
    run(&python, &["-m", "pip", "install", "--quiet", "-r", "requirements.txt"])?;
    std::fs::write(mark, wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs the scripts with their arguments against fresh simulators, or says why not.
fn run(script: &str, system: u16, ways: &[&str]) {
    let python = match python() {
        Ok(python) => python,
        Err(error) => {
            let needed = std::env::var("MILESTONED_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
            assert!(!needed, "the clients cannot be installed: {error}");
            println!("skipped: {script} needs python3 with venv and pip: {error}");
            return;
        }
    };
    for way in ways {
        let program = Program::start();
        let arguments = way.split_whitespace();
        let mut command = Command::new(&python);
        command.arg(scripts().join(script)).arg(program.url(system)).args(arguments).env("NO_PROXY", "127.0.0.1");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("done"), "{script} {way}\n{said}");
    }
}

/// One after another, because they share the place where the clients are installed.
#[test]
fn published_clients_run_to_the_end() {
    run("salesforce_client.py", 1, &["cc", "jwt", "password", "soap", "direct"]);
    run("jira_client.py", 2, &[""]);
    run("netsuite_client.py", 3, &[""]);
    run("netsuite_m2m.py", 3, &[""]);
    run("quickbooks_client.py", 4, &[""]);
}
