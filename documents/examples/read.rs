//! Reads documents in this process and prints the proposal: `cargo run -p milestoned-documents --example read FILE…`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use milestoned_documents::{Input, propose, reader};

fn main() {
    let mut inputs = Vec::new();
    for path in std::env::args().skip(1) {
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        let read = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|bytes| {
            let format = reader::format_of(&name).ok_or_else(|| reader::ReadError::Kind.to_string())?;
            let document = reader::read(&bytes, format).map_err(|error| error.to_string())?;
            Ok(Input::new(&name, &bytes, document))
        });
        match read {
            Ok(input) => inputs.push(input),
            Err(error) => return eprintln!("{path}: {error}"),
        }
    }
    match serde_json::to_string_pretty(&propose(inputs, None)) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("{error}"),
    }
}
