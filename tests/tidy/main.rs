//! The house rules as tests: what a reviewer would nag about is checked here, over the text of
//! every source file. Each rule is a function from text to complaints, and each is shown a text
//! that breaks it, so that a rule which stopped seeing anything is noticed.

#![allow(clippy::disallowed_methods, reason = "looks at the sources, not at a log directory")]

mod blemishes;
mod floors;
mod lexer;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use blemishes::{
    exception_complaints, file_length_complaints, function_length_complaints, lock_complaints,
    machine_path_complaints, name_complaints, plainness_complaints, unsafe_complaints,
};
use floors::{architecture_complaints, floor_of, import_complaints, module_of};

/// Where Rust lies. In `ffi`, clippy sees to `unsafe`, which is everywhere there.
const FOLDERS: [&str; 9] = [
    "src",
    "tests",
    "benches",
    "examples",
    "ffi/src",
    "ffi/tests",
    "ffi/benches",
    "fuzz/targets",
    "fuzz/fuzz_targets",
];

/// The files that may hold `unsafe`: locks, maps and raw system calls.
const UNSAFE_ALLOWED: &[&str] = &["src/env/", "src/segment/"];

#[test]
fn imports_go_down_the_floors() {
    check_sources("src", |path, text| match module_of(path) {
        Some(module) => import_complaints(&module, text),
        None => Vec::new(),
    });
}

#[test]
fn every_folder_of_src_has_a_floor_and_stands_in_the_architecture() {
    let floors: BTreeSet<String> = entries_of(&root().join("src"))
        .iter()
        .filter(|path| path.is_dir())
        .map(|path| file_name(path))
        .collect();
    let unknown: Vec<_> =
        floors.iter().filter(|name| *name != "bin" && floor_of(name).is_none()).collect();
    assert!(unknown.is_empty(), "folders without a floor in tests/tidy/floors.rs: {unknown:?}");
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let complaints = architecture_complaints(&text, &floors);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn names_say_what_is_inside() {
    let mut complaints = Vec::new();
    for path in rust_files(&FOLDERS) {
        complaints.extend(name_complaints(&relative(&path)));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn files_and_functions_fit_a_screen_and_a_mind() {
    for folder in ["src", "ffi/src"] {
        check_sources(folder, |path, text| {
            let mut complaints = function_length_complaints(text);
            if !path.ends_with("tests.rs") {
                complaints.extend(file_length_complaints(text));
            }
            complaints
        });
    }
}

#[test]
fn sources_open_with_what_they_are_and_are_plain() {
    for folder in FOLDERS {
        check_sources(folder, |_, text| plainness_complaints(text));
    }
}

#[test]
fn unsafe_stays_in_its_few_files_and_says_why() {
    check_sources("src", |path, text| {
        let allowed = UNSAFE_ALLOWED.iter().any(|prefix| path.starts_with(prefix));
        unsafe_complaints(text, allowed)
    });
}

#[test]
fn locks_come_from_one_module() {
    check_sources("src", |path, text| {
        let is_exempt = path.starts_with("src/env/") || path.starts_with("src/bin/");
        let is_test = path.contains("tests/") || path.ends_with("tests.rs");
        if is_exempt || is_test { Vec::new() } else { lock_complaints(text) }
    });
}

#[test]
fn no_lock_stands_in_a_list_of_the_process() {
    // A child made by fork would find the parent's waiting threads there.
    check_sources("ffi/src", |_, text| {
        let found = text.contains("parking_lot").then(|| "take locks from crate::lock".to_owned());
        found.into_iter().collect()
    });
}

#[test]
fn lint_exceptions_have_a_reason() {
    for folder in ["src", "ffi/src"] {
        check_sources(folder, |_, text| exception_complaints(text));
    }
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut complaints = Vec::new();
    for path in text_files(&root()) {
        // A file that is not UTF-8 is data.
        if let Ok(text) = fs::read_to_string(&path) {
            let found = machine_path_complaints(&text);
            complaints.extend(found.into_iter().map(|what| format!("{}: {what}", relative(&path))));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

// Where things are.

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn entries_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    paths
}

fn rust_files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(entries_of(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Everything a person wrote: not the build, not the data that Kafka wrote, not dot folders but ours.
fn text_files(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![top.to_owned()];
    while let Some(path) = queue.pop() {
        let name = file_name(&path);
        let skipped = matches!(name.as_str(), "target" | "fixtures" | "vectors" | "Cargo.lock")
            || name.starts_with('.') && name != ".ci" && path != top;
        if skipped {
            continue;
        }
        if path.is_dir() {
            queue.extend(entries_of(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn check_sources(folder: &str, check: impl Fn(&str, &str) -> Vec<String>) {
    let mut complaints = Vec::new();
    for path in rust_files(&[folder]) {
        let text = fs::read_to_string(&path).expect("a source file is UTF-8");
        let name = relative(&path);
        complaints.extend(check(&name, &text).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}
