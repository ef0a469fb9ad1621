//! A C program as a side of a row: compiled with cc against the library that cargo built, loaded,
//! and called.

use std::ffi::{CString, c_char, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::row::{Side, fresh_directory};

type Begin = unsafe extern "C" fn(*const c_char) -> *mut c_void;
type Work = unsafe extern "C" fn(*mut c_void);

/// What a loaded program is called by.
struct Program {
    state: *mut c_void,
    turn: Work,
    end: Work,
    /// Gone last.
    _directory: TempDir,
    _compiled: TempDir,
}

/// The side "C" of a row, from `c/<name>.c` with these definitions.
pub(crate) fn c_side(name: &str, definitions: &[&str]) -> Side {
    let compiled = tempfile::tempdir().expect("a scratch folder");
    let object = compile(name, definitions, compiled.path());
    let directory = fresh_directory();
    let path = c_string(directory.path());
    // SAFETY: the object is one of this folder's, and has these functions.
    let program = unsafe {
        let loaded = load(&object);
        let begin: Begin = std::mem::transmute(function(loaded, c"begin"));
        Program {
            state: begin(path.as_ptr()),
            turn: std::mem::transmute::<*mut c_void, Work>(function(loaded, c"turn")),
            end: std::mem::transmute::<*mut c_void, Work>(function(loaded, c"end")),
            _directory: directory,
            _compiled: compiled,
        }
    };
    // SAFETY: begun, and not ended.
    Side::new("C", move || unsafe { program.run() })
}

impl Program {
    /// # Safety
    /// The program has begun and not ended.
    unsafe fn run(&self) {
        // SAFETY: the caller's promise.
        unsafe { (self.turn)(self.state) };
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: begun, and ended once.
        unsafe { (self.end)(self.state) };
    }
}

/// The shared library, built as `make -C ffi install` builds it: the one beside this program was
/// built together with a Rust library, and so not optimized across packages as this program was.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder");
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        cargo.args(["rustc", "--locked", "--package", "ottla-ffi", "--lib", "--release"]);
        cargo.args(["--crate-type", "cdylib", "--target-dir"]).arg(target);
        let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
        let library = target.join("release/libottla_ffi.so");
        assert!(status.success() && library.exists(), "{} was not built", library.display());
        library
    })
}

fn compile(name: &str, definitions: &[&str], into: &Path) -> PathBuf {
    for name in ["libottla.so", "libottla.so.0"] {
        symlink(library(), into.join(name)).expect("a link");
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let object = into.join(format!("{name}.so"));
    let mut command = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    command.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]);
    command.args(definitions.iter().map(|definition| format!("-D{definition}")));
    command.arg("-I").arg(package.join("include"));
    command.arg(package.join(format!("benches/speed/c/{name}.c"))).arg("-o").arg(&object);
    command.arg("-L").arg(into).arg(format!("-Wl,-rpath,{}", into.display()));
    command.args(["-lottla", "-pthread"]);
    let status = command.status().unwrap_or_else(|error| panic!("no C compiler: {error}"));
    assert!(status.success() && fs::exists(&object).unwrap_or(false), "{name}.c: {status}");
    object
}

fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no path has a zero byte")
}

/// # Safety
/// Loading the object runs nothing that this program would mind.
unsafe fn load(object: &Path) -> *mut c_void {
    let path = c_string(object);
    // SAFETY: the caller's promise. It is never unloaded.
    let loaded = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!loaded.is_null(), "cannot load {}", object.display());
    loaded
}

/// # Safety
/// `loaded` is an object that was loaded.
unsafe fn function(loaded: *mut c_void, name: &std::ffi::CStr) -> *mut c_void {
    // SAFETY: the caller's promise.
    let found = unsafe { libc::dlsym(loaded, name.as_ptr()) };
    assert!(!found.is_null(), "no function {name:?}");
    found
}
