//! The committed header is the one that the sources make, compiles wherever C does, declares what
//! the library exports, and says what a header has to say.
//!
//! `OTTLA_BLESS=1 cargo test -p ottla-ffi --test header` writes the header and the list of symbols
//! anew.

mod c_compiler;
mod c_header;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use c_compiler::{
    Mode, built, compile, compiler, library_folder, package, run, run_in_scratch, succeeded,
};
use c_header::Header;

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

fn generated() -> String {
    let package = package();
    let config = cbindgen::Config::from_file(package.join("cbindgen.toml")).expect("cbindgen.toml");
    let builder = cbindgen::Builder::new().with_crate(package).with_config(config);
    let mut header = Vec::new();
    builder.generate().expect("the sources have a header").write(&mut header);
    String::from_utf8(header).expect("a header is text")
}

/// The committed text is `found`, or becomes it.
fn check_golden(path: &Path, found: &str) {
    if std::env::var_os("OTTLA_BLESS").is_some() {
        fs::write(path, found).expect("the file is written");
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    let again = "OTTLA_BLESS=1 cargo test -p ottla-ffi --test header";
    assert!(committed == found, "{} is stale: {again}", path.display());
}

#[test]
fn the_committed_header_is_the_generated_one() {
    check_golden(&package().join("include/ottla.h"), &generated());
}

/// What the shared library exports under a name.
fn exported() -> BTreeSet<String> {
    let mut command = Command::new("nm");
    command.args(["--dynamic", "--defined-only", "--format=posix"]).arg(built("libottla_ffi.so"));
    let outcome = run(&mut command, Duration::from_secs(60));
    assert!(outcome.status.is_some_and(|status| status.success()), "{outcome:?}");
    let names = outcome.printed.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_library_exports_what_the_header_declares() {
    let exported = exported();
    let foreign: Vec<_> = exported.iter().filter(|name| !name.starts_with("ottla_")).collect();
    assert!(foreign.is_empty(), "exported by mistake: {foreign:?}");
    let functions = Header::parse(&generated()).functions;
    let declared: BTreeSet<String> = functions.into_iter().map(|each| each.name).collect();
    assert_eq!(exported, declared, "left is exported, right is declared");
    let list: Vec<String> = exported.into_iter().collect();
    check_golden(&package().join("tests/symbols.txt"), &(list.join("\n") + "\n"));
}

/// Two units that include the header twice each, and one program of them.
#[test]
fn the_header_compiles_as_c99_c11_and_cpp17() {
    let languages =
        [("CC", "cc", "c99", "c"), ("CC", "cc", "c11", "c"), ("CXX", "c++", "c++17", "cc")];
    for (variable, otherwise, standard, ending) in languages {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let first = folder.path().join(format!("first.{ending}"));
        let second = folder.path().join(format!("second.{ending}"));
        let twice = "#include <ottla.h>\n#include <ottla.h>\n";
        let other = format!("{twice}int other(void);\nint other(void) {{ return OTTLA_OK; }}\n");
        let main = format!("{twice}int other(void);\nint main(void) {{ return other(); }}\n");
        fs::write(&first, main).expect("a scratch file");
        fs::write(&second, other).expect("a scratch file");
        let mut command = Command::new(compiler(variable, otherwise));
        command.arg(format!("-std={standard}")).args(WARNINGS);
        command.arg("-I").arg(package().join("include")).args([first, second]);
        command.arg("-o").arg(folder.path().join("program"));
        succeeded(run(&mut command, Duration::from_secs(60))).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// The first thing that somebody tries.
#[test]
fn the_example_of_the_manual_runs() {
    let header = generated();
    let lines = header.lines().map(|line| line.strip_prefix(" *   ").unwrap_or_default());
    let program: Vec<_> =
        lines.skip_while(|line| !line.starts_with("#include <ottla.h>")).collect();
    let end = program.iter().position(|line| *line == "}").expect("main has an end");
    let libraries = library_folder();
    let source = libraries.path().join("manual.c");
    fs::write(&source, program[..=end].join("\n") + "\n").expect("a scratch file");
    let executable = libraries.path().join("manual");
    let outcome = compile(&source, libraries.path(), Mode::Plain, &executable)
        .and_then(|()| succeeded(run_in_scratch(&executable, libraries.path(), Mode::Plain)));
    outcome.unwrap_or_else(|reason| panic!("{reason}"));
}
