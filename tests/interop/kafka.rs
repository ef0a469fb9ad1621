//! Kafka's own Java classes as a peer: fetched by Maven, compiled once into the target directory.
//!
//! Needs `mvn`, `javac` and `java`, and a Maven repository. A machine without them sets
//! `OTTLA_SKIP_JAVA=1`; without that a missing tool is a failure.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// How to start the peer.
pub(crate) struct Kafka {
    home: PathBuf,
}

/// The peer, or `None` if its tests are to be skipped.
pub(crate) fn kafka() -> Option<&'static Kafka> {
    static KAFKA: OnceLock<Option<Kafka>> = OnceLock::new();
    KAFKA.get_or_init(prepare).as_ref()
}

fn prepare() -> Option<Kafka> {
    if std::env::var_os("OTTLA_SKIP_JAVA").is_some_and(|value| value == "1") {
        println!("skipped: OTTLA_SKIP_JAVA is set");
        return None;
    }
    let home =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("interop-java");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/java");
    let sources: Vec<PathBuf> = sorted_entries(&source.join("src"));
    let mut wanted = fs::read_to_string(source.join("pom.xml")).expect("pom.xml");
    for path in &sources {
        wanted += &fs::read_to_string(path).expect("a Java source");
    }
    let built = home.join("built.txt");
    if !fs::read_to_string(&built).is_ok_and(|text| text == wanted) {
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(home.join("classes")).expect("a folder for classes");
        run(Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(source.join("pom.xml"))
            .arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", home.join("libs").display()))
            .arg("-DincludeScope=runtime"));
        run(Command::new("javac")
            .args(["-proc:none", "-cp"])
            .arg(home.join("libs/*"))
            .arg("-d")
            .arg(home.join("classes"))
            .args(&sources));
        fs::write(&built, wanted).expect("a note of what was built");
    }
    Some(Kafka { home })
}

impl Kafka {
    /// What a verb prints (see `java/src/Peer.java`); it must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        run(&mut self.command(arguments))
    }

    /// A Java process that wants the lock of a directory; and whether it got it.
    pub(crate) fn lock(&self, directory: &Path) -> (Child, bool) {
        let mut child = self
            .command(&["lock", path_text(directory)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let held = match line.trim() {
            "held" => true,
            "refused" => false,
            other => panic!("the lock peer said {other:?}"),
        };
        (child, held)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("java");
        let classes = format!("{0}/classes:{0}/libs/*", self.home.display());
        command
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .args(["-cp", &classes, "Peer"])
            .args(arguments);
        command
    }
}

/// A path as an argument.
pub(crate) fn path_text(path: &Path) -> &str {
    path.to_str().expect("a scratch path is text")
}

/// The entries of a folder, in the order of their names.
pub(crate) fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// A copy of a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy's folder");
    for path in sorted_entries(from) {
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copied file");
        }
    }
}

fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let shown = &shown[..shown.len().min(400)];
    let output = command.output().unwrap_or_else(|error| {
        panic!("{shown} cannot run: {error}; install Java and Maven or set OTTLA_SKIP_JAVA=1")
    });
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let end = &printed[printed.len().saturating_sub(2_000)..];
        panic!("{shown}: {}\n{end}\n{complaints}", output.status);
    }
    printed
}
