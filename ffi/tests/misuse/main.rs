//! What programs should not do, and what comes of it: a status code. Handles that are none, calls
//! from many threads, after a fork and amid signals. The calls are generated from the header, so
//! that no function is left out.
//!
//! `OTTLA_SEED=7 cargo test -p ottla-ffi --test misuse` repeats what a failed storm printed.

#[path = "../c_compiler/mod.rs"]
mod c_compiler;
#[path = "../c_header/mod.rs"]
mod c_header;
mod calls;

use std::fs;

use c_compiler::{Mode, compile, library_folder, package, programs_in, run_in_scratch, succeeded};
use c_header::Header;
use ottla_proof::Evidence;

/// Compiles and runs each program of this folder with the table of calls.
fn check_all(mode: Mode) {
    let libraries = library_folder();
    let folder = package().join("tests/misuse");
    let header = fs::read_to_string(package().join("include/ottla.h")).expect("the header");
    let header = Header::parse(&header);
    let evidence = Evidence::of("c-abi", "misuse of every function, in threads and after a fork");
    let table = calls::table_of_calls(&header);
    fs::write(libraries.path().join("calls.h"), table).expect("a scratch file");
    let mut failures = Vec::new();
    for program in programs_in(&folder) {
        let name = program.file_stem().expect("a file has a name").to_string_lossy();
        let executable = libraries.path().join(&*name);
        let outcome = compile(&program, libraries.path(), mode, &executable)
            .and_then(|()| succeeded(run_in_scratch(&executable, libraries.path(), mode)));
        failures.extend(outcome.err());
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    // Each is called with handles that are none, and in a child of a fork.
    let functions = header.functions.len() as u64;
    let evidence = evidence.count("functions", functions);
    evidence.fault("F23", functions, 0).fault("F16", functions, 0).tell();
}

#[test]
fn misuse_is_answered_with_codes() {
    check_all(Mode::Plain);
}

#[test]
fn misuse_corrupts_no_memory_and_leaks_none() {
    check_all(Mode::Sanitized);
}
