//! The data set: one JSON record per line of Rust that is not blank, of two published packages.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};

/// The packages; both are dependencies of Ottla, so cargo has them and has checked their sums.
pub const PACKAGES: [&str; 2] = ["libc", "rustix"];
/// The same for people.
pub const NAMES: &str = "the sources of libc and rustix (MIT OR Apache-2.0)";

/// One record, and where it belongs.
pub struct Line {
    /// The key: lines of one file keep their order.
    pub file: String,
    pub json: String,
    pub partition: usize,
}

/// All records, in the same order on every machine.
pub fn read_lines() -> Result<Vec<Line>, Box<dyn Error>> {
    let mut lines = Vec::new();
    let mut file_count = 0;
    for Package { name: package, version, license, directory } in packages()? {
        for path in rust_files(&directory.join("src"))? {
            let name = path.strip_prefix(&directory)?.to_string_lossy().into_owned();
            let file = format!("{package}/{name}");
            for (index, text) in fs::read_to_string(&path)?.lines().enumerate() {
                if text.trim().is_empty() {
                    continue;
                }
                let record = json!({
                    "package": package, "version": version, "license": license,
                    "file": name, "line": index + 1, "text": text,
                });
                let partition = file_count % crate::PARTITIONS;
                lines.push(Line { file: file.clone(), json: record.to_string(), partition });
            }
            file_count += 1;
        }
    }
    Ok(lines)
}

/// A package as cargo knows it.
struct Package {
    name: String,
    version: String,
    license: String,
    directory: PathBuf,
}

fn packages() -> Result<Vec<Package>, Box<dyn Error>> {
    let about = cargo(&["-vV"])?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("no host")?;
    // Without the filter cargo would fetch the packages of every other platform first.
    let metadata =
        cargo(&["metadata", "--format-version=1", "--locked", "--filter-platform", host])?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let text = |package: &Value, field: &str| package[field].as_str().unwrap_or("").to_owned();
    let mut found = Vec::new();
    for wanted in PACKAGES {
        let package = metadata["packages"]
            .as_array()
            .and_then(|all| all.iter().find(|package| package["name"] == wanted))
            .ok_or_else(|| format!("cargo does not know the package {wanted}"))?;
        let manifest = PathBuf::from(text(package, "manifest_path"));
        let directory = manifest.parent().ok_or("a manifest lies in a folder")?.to_owned();
        found.push(Package {
            name: text(package, "name"),
            version: text(package, "version"),
            license: text(package, "license"),
            directory,
        });
    }
    Ok(found)
}

/// What cargo prints, run in Ottla's folder.
fn cargo(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// All `.rs` files below a folder, sorted by name.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}
