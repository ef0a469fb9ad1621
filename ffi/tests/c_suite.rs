//! The C programs in tests/c: each is compiled against the shared library and run, plainly and with
//! sanitizers, in a scratch folder of its own.
//!
//! `OTTLA_C_PROGRAM=producer cargo test -p ottla-ffi --test c_suite` runs those whose name begins
//! with "producer".

mod c_compiler;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use c_compiler::{
    Mode, compile, library_folder, package, programs_in, run_in_scratch, run_under_valgrind,
    succeeded,
};
use ottla_proof::Evidence;

/// Compiles and runs one program. The reason is all that it printed.
fn check(program: &Path, libraries: &Path, mode: Mode) -> Result<(), String> {
    let name = program.file_stem().expect("a file has a name").to_string_lossy();
    let executable = libraries.join(format!("{name}-{mode:?}"));
    compile(program, libraries, mode, &executable)?;
    succeeded(run_in_scratch(&executable, libraries, mode))
}

fn chosen() -> Vec<PathBuf> {
    let prefix = std::env::var("OTTLA_C_PROGRAM").unwrap_or_default();
    let mut programs = programs_in(&package().join("tests/c"));
    programs.retain(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
    });
    assert!(!programs.is_empty(), "no program begins with {prefix:?}");
    programs
}

/// Two at a time: compiling is most of it.
fn check_all(mode: Mode) {
    let evidence = Evidence::of("c-abi", "programs in C, plainly or under sanitizers");
    let (libraries, programs) = (library_folder(), chosen());
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(reason) = check(program, libraries.path(), mode) {
                        failures.lock().expect("not poisoned").push(reason);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("not poisoned");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    let named = |part: &str| {
        let has = |path: &&PathBuf| path.to_string_lossy().contains(part);
        programs.iter().filter(has).count() as u64
    };
    let evidence = evidence.count("programs", programs.len() as u64);
    evidence.fault("F23", named("arguments"), 0).fault("F16", named("fork"), 0).tell();
}

#[test]
fn programs_do_what_they_should() {
    check_all(Mode::Plain);
}

#[test]
fn sanitizers_find_nothing() {
    check_all(Mode::Sanitized);
}

/// Valgrind runs the library's own code, too. It is slow: two programs that go far.
#[test]
fn valgrind_finds_nothing() {
    let libraries = library_folder();
    for name in ["records", "report"] {
        let program = package().join(format!("tests/c/{name}.c"));
        let executable = libraries.path().join(format!("{name}-valgrind"));
        let checked = compile(&program, libraries.path(), Mode::Plain, &executable)
            .and_then(|()| succeeded(run_under_valgrind(&executable, libraries.path())));
        checked.unwrap_or_else(|reason| panic!("{name}: {reason}"));
    }
}

/// That nothing is found in the others would be no news otherwise.
#[test]
fn what_was_planted_is_found() {
    let libraries = library_folder();
    let planted = [
        ("leak", "LeakSanitizer: detected memory leaks"),
        ("use_after_free", "AddressSanitizer: heap-use-after-free"),
        ("forgotten_handle", "1 handles were not freed"),
        ("overflow", "signed integer overflow"),
    ];
    for (name, finding) in planted {
        let program = package().join(format!("tests/c/planted/{name}.c"));
        let reason = check(&program, libraries.path(), Mode::Sanitized).expect_err(name);
        assert!(reason.contains(finding), "{name}: not {finding:?}, but {reason}");
    }
}
