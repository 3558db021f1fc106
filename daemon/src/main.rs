//! The `milestoned` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    milestoned::cli::main()
}
