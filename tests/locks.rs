//! Who gets a data directory: one writer or several readers, across handles, processes, and
//! against a JVM broker, which takes its own kind of lock on the same `.lock` file.
#![allow(clippy::disallowed_methods, reason = "plays the other process")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ottla::env::disk::DiskVfs;
use ottla::env::vfs::{LockMode, Vfs};
use ottla::error::ErrorKind;

/// Set for the child that plays the other process: the directory that it is to lock.
const CHILD_DIRECTORY: &str = "OTTLA_TEST_LOCK_DIRECTORY";
/// Which mode the child takes.
const CHILD_MODE: &str = "OTTLA_TEST_LOCK_MODE";

/// Another process that holds a lock until it is killed.
struct Holder(Child);

impl Holder {
    /// Starts `command`, which prints `held` on a line of its own when it has the lock.
    fn start(mut command: Command) -> Holder {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let held = output.lines().map_while(Result::ok).any(|line| line.ends_with("held"));
        assert!(held, "the other process did not get the lock");
        Holder(child)
    }

    fn ottla(directory: &Path, mode: &str) -> Holder {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_pid_is_in_the_file_while_it_is_held", "--nocapture"]);
        command.env(CHILD_DIRECTORY, directory).env(CHILD_MODE, mode);
        Holder::start(command)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn open(directory: &Path) -> DiskVfs {
    DiskVfs::open(directory, false).unwrap()
}

fn refusal(directory: &Path, mode: LockMode) -> String {
    let error = open(directory).lock(mode).expect_err("somebody else holds it");
    assert_eq!(error.kind(), ErrorKind::Locked);
    error.to_string()
}

#[test]
fn the_pid_is_in_the_file_while_it_is_held() {
    if let Some(directory) = std::env::var_os(CHILD_DIRECTORY) {
        let exclusive = std::env::var(CHILD_MODE).unwrap() == "exclusive";
        let mode = if exclusive { LockMode::Exclusive } else { LockMode::Shared };
        let _lock = open(Path::new(&directory)).lock(mode).unwrap();
        println!("held");
        let _ = std::io::stdin().lines().next();
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let lock = open(scratch.path()).lock(LockMode::Exclusive).unwrap();
    assert_eq!(lock.owner_pid(), std::process::id());
    let recorded = || std::fs::read_to_string(scratch.path().join(".lock")).unwrap();
    assert_eq!(recorded(), format!("{}\n", std::process::id()));
    drop(lock);
    assert_eq!(recorded(), "");
}

#[test]
fn a_second_handle_of_this_process_is_refused_whatever_path_leads_there() {
    let scratch = tempfile::tempdir().unwrap();
    let link = tempfile::tempdir().unwrap();
    let by_link = link.path().join("data");
    std::os::unix::fs::symlink(scratch.path(), &by_link).unwrap();
    let vfs = open(scratch.path());
    let lock = vfs.lock(LockMode::Exclusive).unwrap();
    assert!(refusal(&by_link, LockMode::Exclusive).contains("another handle of this process"));
    assert!(refusal(&by_link, LockMode::Shared).contains("another handle of this process"));
    assert!(vfs.lock(LockMode::Shared).is_err());
    drop(lock);
    let _again = open(&by_link).lock(LockMode::Exclusive).unwrap();
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_it_until_that_one_dies() {
    let scratch = tempfile::tempdir().unwrap();
    let holder = Holder::ottla(scratch.path(), "exclusive");
    let expected = format!("held by process {}", holder.pid());
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        let message = refusal(scratch.path(), mode);
        assert!(message.contains(&expected), "{message}");
    }
    drop(holder);
    // It was killed: the kernel released the lock, the pid in the file is stale and overwritten.
    let lock = open(scratch.path()).lock(LockMode::Exclusive).unwrap();
    let recorded = std::fs::read_to_string(scratch.path().join(".lock")).unwrap();
    assert_eq!(recorded, format!("{}\n", std::process::id()));
    drop(lock);
}

#[test]
fn readers_share_and_keep_the_writer_out_without_writing_anything() {
    let scratch = tempfile::tempdir().unwrap();
    let holder = Holder::ottla(scratch.path(), "shared");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "a reader made a file");
    let reader = open(scratch.path()).lock(LockMode::Shared).unwrap();
    let message = refusal(scratch.path(), LockMode::Exclusive);
    assert!(message.contains("another handle of this process"), "{message}");
    drop(reader);
    let message = refusal(scratch.path(), LockMode::Exclusive);
    assert!(message.contains("held by another process"), "{message}");
    drop(holder);
    drop(open(scratch.path()).lock(LockMode::Exclusive).unwrap());
    // With a `.lock` in place it is the same.
    let _holder = Holder::ottla(scratch.path(), "shared");
    assert!(refusal(scratch.path(), LockMode::Exclusive).contains("held by another process"));
    drop(open(scratch.path()).lock(LockMode::Shared).unwrap());
}

#[test]
fn a_reader_needs_no_permission_to_write() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;

    let scratch = tempfile::tempdir().unwrap();
    drop(open(scratch.path()).lock(LockMode::Exclusive).unwrap());
    let set_mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(&scratch.path().join(".lock"), 0o444);
    set_mode(scratch.path(), 0o555);
    // Permissions do not bind root: somebody else has to try.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let run = |mode: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_pid_is_in_the_file_while_it_is_held", "--nocapture"]);
        command.env(CHILD_DIRECTORY, scratch.path()).env(CHILD_MODE, mode).stdin(Stdio::null());
        if is_root {
            command.uid(NOBODY);
        }
        command.output()
    };
    let Ok(reader) = run("shared") else {
        println!("not checked: nobody may not run this program");
        return;
    };
    assert!(reader.status.success(), "{}", String::from_utf8_lossy(&reader.stderr));
    assert!(String::from_utf8_lossy(&reader.stdout).contains("held"));
    let writer = run("exclusive").unwrap();
    assert!(!writer.status.success());
    let said = String::from_utf8_lossy(&writer.stderr);
    assert!(said.contains("Permission denied") && said.contains("cannot lock"), "{said}");
    set_mode(scratch.path(), 0o755);
}

#[test]
fn a_symbolic_link_in_the_place_of_the_lock_file_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), scratch.path().join(".lock")).unwrap();
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        let error = open(scratch.path()).lock(mode).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    assert_eq!(std::fs::read(outside.path()).unwrap(), b"");
}

/// A JVM locks with `fcntl(F_SETLK)` over the whole file; so does this.
const PYTHON_HOLDER: &str = "
import fcntl, sys
file = open(sys.argv[1], 'r+b' if len(sys.argv) > 2 else 'w+b')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print('held', flush=True)
sys.stdin.readline()
";

fn python(directory: &Path) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON_HOLDER]).arg(directory.join(".lock"));
    command
}

#[test]
fn a_posix_lock_and_ours_exclude_each_other() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("not checked: there is no python3 here to play the JVM");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let holder = Holder::start(python(scratch.path()));
    let expected = format!("held by process {}", holder.pid());
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        let message = refusal(scratch.path(), mode);
        assert!(message.contains(&expected), "{message}");
    }
    drop(holder);
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        let lock = open(scratch.path()).lock(mode).unwrap();
        let mut command = python(scratch.path());
        let output = command.arg("keep").stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "python got a POSIX lock against {mode:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("BlockingIOError") || said.contains("unavailable"), "{said}");
        drop(lock);
    }
    drop(Holder::start(python(scratch.path())));
}

/// Takes the lock as a JVM broker does.
const JAVA_HOLDER: &str = r#"
import java.io.RandomAccessFile;
import java.nio.channels.FileLock;
public class Holder {
    public static void main(String[] arguments) throws Exception {
        RandomAccessFile file = new RandomAccessFile(arguments[0], "rw");
        FileLock lock = file.getChannel().tryLock();
        System.out.println(lock == null ? "refused" : "held");
        if (lock != null) System.in.read();
    }
}
"#;

#[test]
fn a_jvm_and_ours_exclude_each_other() {
    if Command::new("java").arg("-version").output().is_err() {
        println!("not checked: there is no java here; the POSIX lock above stands in for it");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let sources = tempfile::tempdir().unwrap();
    let source = sources.path().join("Holder.java");
    std::fs::write(&source, JAVA_HOLDER).unwrap();
    let java = || {
        let mut command = Command::new("java");
        command.arg(&source).arg(scratch.path().join(".lock"));
        command
    };
    let holder = Holder::start(java());
    let expected = format!("held by process {}", holder.pid());
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        let message = refusal(scratch.path(), mode);
        assert!(message.contains(&expected), "{message}");
    }
    drop(holder);
    let _lock = open(scratch.path()).lock(LockMode::Exclusive).unwrap();
    let output = java().stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "refused");
}
