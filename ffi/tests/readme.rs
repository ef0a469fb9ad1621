//! The C program of the README compiles and runs as it is printed. (The Python one is a case of
//! `ffi/python/tests`.)

mod c_compiler;

use std::fs;

use c_compiler::{Mode, compile, library_folder, package, run_in_scratch, succeeded};

/// No longer, or nobody reads it.
const LINES_MAX: usize = 20;

fn program() -> String {
    let readme = fs::read_to_string(package().join("../README.md")).expect("the README");
    let chapter = readme.split("## From C\n").nth(1).expect("a chapter on C");
    let block = chapter.split("```c\n").nth(1).expect("a program in C");
    block.split("```").next().expect("its end").to_owned()
}

#[test]
fn the_c_program_runs_as_printed() {
    let program = program();
    assert!(program.lines().count() <= LINES_MAX, "more than {LINES_MAX} lines");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let source = folder.path().join("readme.c");
    fs::write(&source, program).expect("the program is written");
    let libraries = library_folder();
    for mode in [Mode::Plain, Mode::Sanitized] {
        let executable = folder.path().join(format!("readme-{mode:?}"));
        compile(&source, libraries.path(), mode, &executable).unwrap_or_else(|e| panic!("{e}"));
        let outcome = run_in_scratch(&executable, libraries.path(), mode);
        assert_eq!(outcome.printed, "ordered: one burger\n");
        succeeded(outcome).unwrap_or_else(|e| panic!("{e}"));
    }
}
