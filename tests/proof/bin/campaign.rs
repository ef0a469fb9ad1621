//! Runs a campaign and makes docs/RELIABILITY.md of it:
//! `cargo run -p ottla-proof --bin campaign -- short|evening|full [layer ...]`.

use std::path::Path;
use std::process::{Command, ExitCode};

use ottla_proof::about;
use ottla_proof::campaign::Campaign;
use ottla_proof::steps::{Length, STEPS, Step};

#[expect(clippy::print_stderr, reason = "says how it is used, and what went wrong")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let length = match arguments.first().map(String::as_str) {
        Some("short") => Length::Short,
        Some("evening") => Length::Evening,
        Some("full") => Length::Full,
        _ => {
            eprintln!("campaign short|evening|full [layer ...]");
            return ExitCode::from(2);
        }
    };
    if let Some(unknown) = arguments[1..].iter().find(|layer| about(layer).is_none()) {
        eprintln!("{unknown} is no layer");
        return ExitCode::from(2);
    }
    let chosen = |step: &&Step| arguments.len() == 1 || arguments[1..].contains(&step.layer.into());
    let steps: Vec<Step> = STEPS.iter().filter(chosen).copied().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let campaign = Campaign {
        evidence: root.join("docs/reliability"),
        logs: root.join("target/campaign"),
        commit: commit(&root),
        length,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        root,
    };
    match campaign.run(&steps) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(red) => {
            eprintln!("{red} of {} went red: {}", steps.len(), campaign.logs.display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The commit that is checked out; with a plus if something was changed since.
fn commit(root: &Path) -> String {
    let told = Command::new("git")
        .args(["describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"])
        .current_dir(root)
        .output();
    told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned()).unwrap_or_default()
}
