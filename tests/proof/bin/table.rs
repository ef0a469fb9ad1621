//! Makes docs/RELIABILITY.md of the evidence in docs/reliability, and complains about what failed.

use std::path::Path;
use std::process::ExitCode;

use ottla_proof::table::Told;

#[expect(clippy::print_stderr, reason = "says what is wrong")]
#[expect(clippy::disallowed_methods, reason = "writes a page, not a log")]
fn main() -> ExitCode {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let told = match Told::read(&docs.join("reliability")) {
        Ok(told) => told,
        Err(error) => {
            eprintln!("docs/reliability: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = std::fs::write(docs.join("RELIABILITY.md"), told.page()) {
        eprintln!("docs/RELIABILITY.md: {error}");
        return ExitCode::FAILURE;
    }
    let complaints = told.complaints();
    complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
