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
use c_header::{Header, Role};

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

/// The header is the manual: a function says who may call it at the same time, and who owns what it
/// hands out.
#[test]
fn functions_say_threads_and_ownership() {
    let header = Header::parse(&generated());
    let mut complaints = Vec::new();
    for function in &header.functions {
        let says = |what: &str| function.comment.lines().any(|line| line.contains(what));
        if !says("* Threads:") {
            complaints.push(format!("{}: nothing on threads", function.name));
        }
        let hands_out = function.returns.contains('*')
            || function.parameters.iter().any(|each| match header.role(each) {
                Role::HandleResult(kind) => kind != "ottla_error",
                Role::Result => each.kind.matches('*').count() > 1,
                _ => false,
            });
        if hands_out && !says("* Ownership:") {
            complaints.push(format!("{}: nothing on ownership", function.name));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(header.functions.len() > 100, "the header was not understood");
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

/// A C program that prints where the fields of all structs are, and the values of all constants.
fn program_of_layouts(header: &Header, text: &str) -> String {
    let mut program = String::from("#include <ottla.h>\n#include <stdio.h>\nint main(void) {\n");
    for (name, fields) in &header.structs {
        for field in fields {
            let field = field.name.split('[').next().unwrap_or_default();
            let size = format!("sizeof((({name} *)0)->{field})");
            program += &format!(
                "printf(\"{name} {field} %zu %zu\\n\", offsetof({name}, {field}), {size});\n"
            );
        }
        program += &format!("printf(\"{name} - %zu 0\\n\", sizeof({name}));\n");
    }
    for line in text.lines() {
        let name = line.strip_prefix("#define OTTLA_").and_then(|rest| rest.split_once(' '));
        if let Some((name, _)) = name {
            program += &format!("printf(\"OTTLA_{name} %lld\\n\", (long long)OTTLA_{name});\n");
        }
    }
    program + "return 0;\n}\n"
}

/// What programs were compiled with stays true. Fields follow each other without holes, in which a
/// program would leave whatever was there before.
#[test]
fn layouts_and_values_stay_as_they_are() {
    let text = generated();
    let libraries = library_folder();
    let source = libraries.path().join("layouts.c");
    let program = program_of_layouts(&Header::parse(&text), &text);
    fs::write(&source, program).expect("a scratch file");
    let executable = libraries.path().join("layouts");
    compile(&source, libraries.path(), Mode::Plain, &executable).unwrap_or_else(|e| panic!("{e}"));
    let printed = run_in_scratch(&executable, libraries.path(), Mode::Plain).printed;
    let mut end = 0;
    for line in printed.lines().filter(|line| line.starts_with("ottla_")) {
        let numbers: Vec<usize> = line.split(' ').skip(2).flat_map(str::parse).collect();
        let [at, size] = numbers[..] else { panic!("{line}") };
        assert_eq!(at, end, "a hole before {line}");
        let is_last = line.split(' ').nth(1) == Some("-");
        end = if is_last { 0 } else { at + size };
    }
    check_golden(&package().join("tests/layouts.txt"), &printed);
}
