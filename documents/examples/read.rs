//! Reads documents in this process and prints the proposal: `cargo run -p milestoned-documents --example read FILE…`; with `--blocks`
//! as the first argument what the reader makes of each file instead.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use milestoned_documents::{Input, propose, reader};

fn main() {
    let mut inputs = Vec::new();
    let blocks = std::env::args().nth(1).is_some_and(|first| first == "--blocks");
    for path in std::env::args().skip(if blocks { 2 } else { 1 }) {
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
    if blocks {
        let documents: Vec<_> = inputs.into_iter().map(|input| input.document).collect();
        return println!("{}", serde_json::to_string(&documents).unwrap_or_default());
    }
    match serde_json::to_string_pretty(&propose(inputs, None)) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("{error}"),
    }
}
