//! Names, lengths, marks and exceptions: rules that look at one text at a time.

use crate::floors::leading_word;
use crate::lexer::without_comments_and_strings;

/// Names that say nothing about the thing inside.
const BANNED_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "misc", "types", "manager", "impl"];

/// The longest file, in lines without its inline tests.
const FILE_LINES_MAX: usize = 600;

/// The longest function, in lines from its `fn` to its closing brace: one screen.
const FUNCTION_LINES_MAX: usize = 70;

pub(crate) fn name_complaints(path: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for part in path.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        if stem.split('_').any(|word| BANNED_NAMES.contains(&word)) {
            complaints.push(format!("{path}: {stem} does not name a thing"));
        }
    }
    complaints
}

pub(crate) fn file_length_complaints(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let tests_start = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].trim_end().ends_with("mod tests {")
    });
    let length = tests_start.unwrap_or(lines.len());
    if length > FILE_LINES_MAX {
        vec![format!("{length} lines without tests, the wall is {FILE_LINES_MAX}")]
    } else {
        Vec::new()
    }
}

/// Relies on rustfmt: a function ends at the first closing brace in the column of its first line.
pub(crate) fn function_length_complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let code = without_comments_and_strings(text);
    let lines: Vec<&str> = code.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let name = match function_name(trimmed) {
            Some(name) if !trimmed.ends_with(';') => name,
            _ => continue,
        };
        let close = format!("{}}}", " ".repeat(indent));
        let length = lines[start..].iter().position(|line| line.trim_end() == close);
        if let Some(length) = length
            && length + 1 > FUNCTION_LINES_MAX
        {
            complaints.push(format!(
                "line {}: fn {name} has {} lines, a screen has {FUNCTION_LINES_MAX}",
                start + 1,
                length + 1
            ));
        }
    }
    complaints
}

fn function_name(line: &str) -> Option<String> {
    let at = if line.starts_with("fn ") { 0 } else { line.find(" fn ")? + 1 };
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "unsafe", "async", "extern"];
    let only_modifiers = line[..at]
        .split_whitespace()
        .all(|word| modifiers.contains(&word) || word.starts_with("pub(") || word.starts_with('"'));
    let name = leading_word(&line[at + 3..]);
    (only_modifiers && !name.is_empty()).then_some(name)
}

pub(crate) fn plainness_complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//! ") {
        complaints.push("does not open with //! and a sentence".to_owned());
    }
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    for (number, line) in text.lines().enumerate() {
        if let Some(c) = line.chars().find(|c| !c.is_ascii()) {
            complaints.push(format!("line {}: {c:?} is not ASCII; write an escape", number + 1));
        }
        for mark in marks.iter().filter(|mark| line.contains(**mark)) {
            complaints.push(format!("line {}: {mark}", number + 1));
        }
    }
    complaints
}

pub(crate) fn unsafe_complaints(text: &str, allowed: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    let code = without_comments_and_strings(text);
    let original: Vec<&str> = text.lines().collect();
    for (number, line) in code.lines().enumerate() {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        if !words.any(|word| word == "unsafe") {
            continue;
        }
        if !allowed {
            complaints.push(format!("line {}: no unsafe here", number + 1));
        }
        let above = &original[number.saturating_sub(8)..=number];
        if !above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety")) {
            complaints.push(format!("line {}: unsafe without a SAFETY line", number + 1));
        }
    }
    complaints
}

pub(crate) fn exception_complaints(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for opening in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for (start, _) in text.match_indices(opening) {
            let end = text[start..].find(")]").map_or(text.len(), |length| start + length);
            if !text[start..end].contains("reason") {
                let line = text[..start].matches('\n').count() + 1;
                complaints.push(format!("line {line}: a lint exception without a reason"));
            }
        }
    }
    complaints
}

/// Locks, atomics and what else threads wait for: from one module, so that a model checker sees
/// all of them. Tests beside the code may use the real ones.
pub(crate) fn lock_complaints(text: &str) -> Vec<String> {
    let of_std = ["atomic", "Mutex", "RwLock", "Condvar", "OnceLock", "mpsc", "Barrier"];
    let others = ["parking_lot", "arc_swap::ArcSwap", "thread::park", "thread::current"];
    let code = without_comments_and_strings(text);
    let own = code.lines().take_while(|line| !line.contains("cfg(test)"));
    own.enumerate()
        .filter(|(_, line)| {
            line.contains("std::sync") && of_std.iter().any(|name| line.contains(name))
                || others.iter().any(|name| line.contains(name))
                || line.contains("std::hint::spin_loop")
        })
        .map(|(number, _)| format!("line {}: take it from crate::env::sync", number + 1))
        .collect()
}

pub(crate) fn machine_path_complaints(text: &str) -> Vec<String> {
    let roots = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
        concat!("/tm", "p/"),
    ];
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for root in roots {
            let starts_a_path = line.match_indices(root).any(|(start, _)| {
                let before = line[..start].chars().next_back();
                !before.is_some_and(|c| {
                    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/')
                })
            });
            if starts_a_path {
                complaints.push(format!("line {}: names {root}", number + 1));
            }
        }
    }
    complaints
}

#[test]
fn the_name_rule_sees_empty_words() {
    assert_eq!(name_complaints("src/env/utils.rs").len(), 1);
    assert_eq!(name_complaints("src/common/mod.rs").len(), 1);
    assert_eq!(name_complaints("src/partition/segment_manager.rs").len(), 1);
    assert_eq!(name_complaints("src/partition/simple.rs").len(), 0);
}

#[test]
fn the_length_rules_see_long_files_and_functions() {
    let long = "let a = 1;\n".repeat(FILE_LINES_MAX + 1);
    assert_eq!(file_length_complaints(&long).len(), 1);
    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(file_length_complaints(&tested).len(), 0);
    let body = "        a();\n".repeat(FUNCTION_LINES_MAX - 2);
    let short = format!("impl A {{\n    pub(crate) fn f() {{\n{body}    }}\n}}\n");
    assert_eq!(function_length_complaints(&short).len(), 0);
    let long = short.replace("fn f() {\n", "fn f() {\n        a();\n");
    assert_eq!(function_length_complaints(&long).len(), 1);
}

#[test]
fn the_plainness_rule_sees_each_blemish() {
    let complaints = |text: &str| plainness_complaints(text).len();
    assert_eq!(complaints("//! A thing.\n"), 0);
    assert_eq!(complaints("use std::fmt;\n"), 1);
    assert_eq!(complaints("//! A thing.\n// \u{e4}\n"), 1);
    assert_eq!(complaints(concat!("//! A thing.\nto", "do!()\n")), 1);
    assert_eq!(complaints(concat!("//! A thing.\n// FIX", "ME later\n")), 1);
    assert_eq!(complaints(concat!("//! A thing.\n#[ig", "nore]\n")), 1);
}

#[test]
fn the_unsafe_rule_sees_strangers_and_silence() {
    let silent = "fn f() {\n    unsafe { g() }\n}\n";
    let spoken = "fn f() {\n    // SAFETY: g is fine.\n    unsafe { g() }\n}\n";
    assert_eq!(unsafe_complaints(silent, true).len(), 1);
    assert_eq!(unsafe_complaints(silent, false).len(), 2);
    assert_eq!(unsafe_complaints(spoken, true).len(), 0);
    assert_eq!(unsafe_complaints(spoken, false).len(), 1);
    assert_eq!(unsafe_complaints("#![forbid(unsafe_code)]\n// unsafe\n", false).len(), 0);
}

#[test]
fn the_exception_rule_sees_a_missing_reason() {
    assert_eq!(exception_complaints("#[allow(dead_code)]\nfn f() {}\n").len(), 1);
    assert_eq!(exception_complaints("#[expect(dead_code, reason = \"why\")]\n").len(), 0);
}

#[test]
fn the_lock_rule_sees_real_locks() {
    assert_eq!(lock_complaints("use std::sync::{Arc, Mutex};\n").len(), 1);
    assert_eq!(lock_complaints("use std::sync::atomic::AtomicBool;\n").len(), 1);
    assert_eq!(lock_complaints("use parking_lot::RwLock;\n").len(), 1);
    assert_eq!(lock_complaints("use std::sync::{Arc, Weak};\n").len(), 0);
    assert_eq!(lock_complaints("use crate::env::sync::Mutex;\n").len(), 0);
    assert_eq!(lock_complaints("#[cfg(test)]\nmod tests {\n    use std::sync::mpsc;\n").len(), 0);
}

#[test]
fn the_machine_rule_sees_homes() {
    assert_eq!(machine_path_complaints(concat!("cd /ro", "ot/project")).len(), 1);
    assert_eq!(machine_path_complaints(concat!("\"/ho", "me/me/x\"")).len(), 1);
    assert_eq!(machine_path_complaints(concat!("frame", "/wo", "rk/")).len(), 0);
    assert_eq!(machine_path_complaints("src/env/").len(), 0);
}
