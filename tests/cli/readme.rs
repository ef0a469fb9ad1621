//! Goal: the chapter of the README about the command line works as it is printed.

use std::path::Path;

use crate::program::{ottla, run};

/// The lines between ```sh and ``` in that chapter.
fn script() -> String {
    let readme = include_str!("../../README.md");
    let chapter = readme.split("## The command line").nth(1).expect("the chapter");
    let block = chapter.split("```sh\n").nth(1).expect("a block of commands");
    block.split("```").next().expect("its end").to_owned()
}

#[test]
fn the_commands_of_the_readme_work() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let program = Path::new(env!("CARGO_BIN_EXE_ottla"));
    let folder_of_program = program.parent().expect("a folder").display().to_string();
    let mut shell = std::process::Command::new("sh");
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{folder_of_program}:{path}")).current_dir(folder.path());
    let printed = run(shell.args(["-e", "-c", &script()]));
    let printed = printed.done();
    for part in ["john: one burger\n", "mary: two salads\n", "CURRENT-OFFSET", "NEW-OFFSET"] {
        assert!(printed.contains(part), "no {part:?} in {printed}");
    }
    let mut again = ottla();
    again.arg("--dir").arg(folder.path().join("shop")).args(["consume", "orders", "-G", "kitchen"]);
    assert_eq!(run(&mut again).done(), "", "the group has read everything");
}
