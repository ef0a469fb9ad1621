//! Goal: topics come, change and go as asked, and what cannot be is refused before anything changed.

use crate::program::{ottla, run};
use crate::scratch::Scratch;

#[test]
fn a_topic_comes_changes_and_goes() {
    let scratch = Scratch::new();
    let create = ["topic", "create", "orders", "--partitions", "3", "--config"];
    scratch.run(&[&create[..], &["segment.bytes=1048576"]].concat()).done();
    scratch.run(&["topic", "create", "notes"]).done();
    assert!(scratch.run(&["topic", "list"]).done().contains("notes\norders\n"));

    let described = scratch.run(&["topic", "describe", "orders"]);
    let described = described.done();
    assert!(described.starts_with("Topic: orders\tTopicId: "), "{described}");
    assert!(described.contains("\tPartitionCount: 3\t"), "{described}");
    assert!(described.contains("Configs: retention.ms=-1,segment.bytes=1048576\n"), "{described}");
    assert!(described.contains("\tPartition: 2\tStartOffset: 0\tEndOffset: 0\tBytes: 0"));

    scratch.run(&["topic", "alter", "orders", "--config", "retention.ms=60000"]).done();
    scratch.run(&["topic", "alter", "orders", "--delete-config", "segment.bytes"]).done();
    scratch.run(&["topic", "alter", "orders", "--partitions", "5"]).done();
    let described = scratch.run(&["topic", "describe", "orders"]);
    assert!(described.done().contains("PartitionCount: 5\tConfigs: retention.ms=60000\n"));
    assert!(!described.done().contains("notes"));
    assert!(scratch.run(&["topic", "describe"]).done().contains("Topic: notes\t"));

    scratch.run(&["topic", "delete", "orders"]).done();
    assert!(!scratch.run(&["topic", "list"]).done().contains("orders"));
    scratch.run(&["topic", "delete", "orders"]).failed(7, "orders");
    scratch.run(&["topic", "delete", "orders", "--if-exists"]).done();
}

#[test]
fn describe_shows_what_retention_leaves_for_groups() {
    let scratch = Scratch::with_topic(1);
    let change = ["topic", "alter", "orders", "--config", "ottla.retention.groups=kitchen"];
    scratch.run(&[&change[..], &["--config", "retention.bytes=0"]].concat()).done();
    let described = scratch.run(&["topic", "describe", "orders"]);
    let row =
        "\tPartition: 0\tRetentionGroup: kitchen\tCommitted: -\tHeldRecords: 0\tHeldBytes: 0\n";
    assert!(described.done().contains(row), "{}", described.done());
}

#[test]
fn a_compacted_topic_keeps_the_newest_of_each_key() {
    let scratch = Scratch::new();
    scratch.run(&["topic", "create", "prices", "--config", "cleanup.policy=compact"]).done();
    let lines: String = (0..90).map(|number| format!("key {}:{number}\n", number % 3)).collect();
    scratch.produce(&["prices", "-K", ":", "--batch-records", "5"], &lines).done();
    let compacted = scratch.run(&["topic", "compact", "prices"]);
    let compacted = compacted.done();
    assert!(compacted.starts_with("prices-0\tCleanedTo: 90\tBytes: "), "{compacted}");
    assert!(compacted.contains("\tRecords: 90 -> 3\t"), "{compacted}");
    let consumed = scratch.run(&["consume", "prices", "-f", "%o %k %s\\n"]);
    assert_eq!(consumed.done(), "87 key 0 87\n88 key 1 88\n89 key 2 89\n");
    let described = scratch.run(&["topic", "describe", "prices"]);
    assert!(described.done().contains("\tEndOffset: 90\t"), "{}", described.done());
    assert!(described.done().contains("\tCleanedTo: 90\n"), "{}", described.done());
    scratch.run(&["verify"]).done();
    scratch.run(&["topic", "create", "orders"]).done();
    scratch.run(&["topic", "compact", "orders"]).failed(7, "cleanup.policy");
    scratch.run(&["topic", "compact", "nothing"]).failed(7, "nothing");
}

#[test]
fn a_topic_that_exists_is_only_no_error_when_asked() {
    let scratch = Scratch::with_topic(2);
    scratch.run(&["topic", "create", "orders"]).failed(7, "orders");
    scratch.run(&["topic", "create", "orders", "--if-not-exists"]).done();
    let described = scratch.run(&["topic", "describe", "orders"]);
    assert!(described.done().contains("PartitionCount: 2"));
    // Kafka's metrics could not tell these two apart.
    scratch.run(&["topic", "create", "a.b"]).done();
    scratch.run(&["topic", "create", "a_b"]).failed(7, "a.b");
}

#[test]
fn names_and_settings_that_cannot_be_leave_nothing_behind() {
    let scratch = Scratch::new();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a/b", "a b", "\u{e4}", "../orders", &long] {
        scratch.run(&["topic", "create", "--", name]).failed(7, "not valid");
    }
    for (setting, part) in [
        ("retention.m=1", "retention.ms"),
        ("retention.ms=soon", "whole number from -1"),
        ("segment.bytes=1", "from 1048576 to 2147483647"),
        ("message.format.version=2.8", "removed"),
        ("compression.type=brotli", "producer, uncompressed, gzip"),
        ("cleanup.policy=shred", "delete, compact"),
    ] {
        scratch.run(&["topic", "create", "orders", "--config", setting]).failed(7, part);
    }
    for count in ["0", "-1", "100001"] {
        let count = format!("--partitions={count}");
        scratch.run(&["topic", "create", "orders", &count]).failed(7, "partitions");
    }
    assert!(!scratch.path().exists(), "a refused command made the directory");
}

#[test]
fn a_change_that_cannot_be_changes_nothing() {
    let scratch = Scratch::with_topic(3);
    let before = scratch.run(&["topic", "describe"]).done().to_owned();
    for (arguments, part) in [
        (&["orders", "--config", "segment.byte=1048576"][..], "segment.bytes"),
        (&["orders", "--config", "segment.ms=0"], "from 1"),
        (&["orders", "--partitions", "2"], "3"),
        (&["nobody", "--config", "segment.ms=1"], "nobody"),
        (&["orders", "--delete-config", "segment.byte"], "segment.bytes"),
    ] {
        scratch.run(&[&["topic", "alter"], arguments].concat()).failed(7, part);
    }
    assert_eq!(scratch.run(&["topic", "describe"]).done(), before);
}

#[test]
fn usage_errors_end_with_2() {
    let scratch = Scratch::with_topic(1);
    for arguments in [
        &[][..],
        &["topic"],
        &["topic", "create"],
        &["topic", "create", "x", "--config", "novalue"],
        &["topic", "create", "x", "--partitions", "many"],
        &["topic", "alter", "orders"],
        &["produce"],
        &["produce", "orders", "--acks", "2"],
        &["produce", "orders", "--compression", "brotli"],
        &["produce", "orders", "--batch-records", "0"],
        &["consume", "orders", "--offset", "yesterday"],
        &["consume", "orders", "-f", "%q"],
        &["consume", "orders", "-f", "%s", "-J"],
        &["dump"],
        &["verify", "--repair"],
        &["frobnicate"],
    ] {
        let run = scratch.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {run:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{arguments:?}: {run:?}");
    }
    let homeless = run(ottla().args(["topic", "list"]));
    homeless.failed(2, "OTTLA_DIR");
}

#[test]
fn the_directory_may_come_from_the_environment() {
    let scratch = Scratch::with_topic(1);
    let listed = run(ottla().env("OTTLA_DIR", scratch.path()).args(["topic", "list"]));
    assert!(listed.done().contains("orders\n"));
    // The argument wins, wherever it stands.
    let elsewhere = scratch.beside("elsewhere");
    let listed = run(ottla()
        .env("OTTLA_DIR", elsewhere)
        .args(["topic", "list", "--dir"])
        .arg(scratch.path()));
    assert!(listed.done().contains("orders\n"));
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["--version"], &["topic", "create", "--help"]] {
        let shown = run(ottla().args(arguments));
        assert!(shown.done().contains("ottla"), "{}", shown.text());
        assert!(!shown.text().contains('\x1b'), "colours where there is no terminal");
    }
}
