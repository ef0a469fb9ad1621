//! Goal: a group goes on where it stopped, shows how far it has come, and is set elsewhere in one
//! step or not at all.

use crate::scratch::Scratch;

/// A topic of two partitions with the records 0 to 9, the even ones in partition 0.
fn ten_records() -> Scratch {
    let scratch = Scratch::with_topic(2);
    for (partition, lines) in [("0", "0\n2\n4\n6\n8\n"), ("1", "1\n3\n5\n7\n9\n")] {
        scratch.produce(&["orders", "-p", partition], lines).done();
    }
    scratch
}

/// The cells of the line of a partition.
fn line_of(described: &str, partition: &str) -> Vec<String> {
    let lines = described.lines().map(|line| line.split_whitespace().map(str::to_owned).collect());
    let mut lines =
        lines.filter(|cells: &Vec<String>| cells.get(2).is_some_and(|p| p == partition));
    lines.next().unwrap_or_else(|| panic!("no partition {partition} in {described}"))
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let scratch = ten_records();
    let consume = ["consume", "orders", "--group", "kitchen"];
    let first = scratch.run(&[&consume[..], &["-c", "4"]].concat());
    assert_eq!(first.done().lines().count(), 4);
    let rest = scratch.run(&consume);
    assert_eq!(rest.done().lines().count(), 6);
    let mut all: Vec<&str> = first.text().lines().chain(rest.text().lines()).collect();
    all.sort_unstable();
    assert_eq!(all.concat(), "0123456789");
    assert_eq!(scratch.run(&consume).done(), "");

    // Another group has its own way.
    assert_eq!(scratch.run(&["consume", "orders", "-G", "bar"]).done().lines().count(), 10);
    assert_eq!(scratch.run(&["group", "list"]).done(), "bar\nkitchen\n");
    // Who begins at the end goes on there, too.
    assert_eq!(scratch.run(&["consume", "orders", "-G", "late", "-o", "end"]).done(), "");
    scratch.produce(&["orders", "-p", "0"], "new\n").done();
    assert_eq!(scratch.run(&["consume", "orders", "-G", "late"]).done(), "new\n");
}

#[test]
fn one_partition_can_be_read_for_a_group() {
    let scratch = ten_records();
    let consume = ["consume", "orders", "-G", "kitchen", "-p", "1", "-c", "2"];
    assert_eq!(scratch.run(&consume).done(), "1\n3\n");
    assert_eq!(scratch.run(&consume).done(), "5\n7\n");
    let described = scratch.run(&["group", "describe", "kitchen"]);
    assert_eq!(line_of(described.done(), "1")[3..7], ["4", "0", "5", "1"]);
    scratch.run(&["consume", "orders", "-G", "kitchen", "-p", "7"]).failed(7, "2 partitions");
}

#[test]
fn a_group_is_described_with_its_lag() {
    let scratch = ten_records();
    scratch.run(&["consume", "orders", "-G", "kitchen"]).done();
    scratch.produce(&["orders", "-p", "0"], "a\nb\n").done();
    let described = scratch.run(&["group", "describe", "kitchen"]);
    let described = described.done();
    assert!(described.starts_with("GROUP "), "{described}");
    assert_eq!(line_of(described, "0")[3..7], ["5", "0", "7", "2"]);
    assert_eq!(line_of(described, "1")[3..7], ["5", "0", "5", "0"]);
    let state = scratch.run(&["group", "describe", "--state", "--all-groups"]);
    assert!(state.done().lines().nth(1).is_some_and(|line| line.contains("Empty")));
    let json = scratch.run(&["group", "describe", "kitchen", "-J"]);
    let json: serde_json::Value = serde_json::from_str(json.done()).unwrap();
    assert_eq!(json[0]["partitions"][0]["lag"], 2);
    assert_eq!(json[0]["state"], "Empty");
    scratch.run(&["group", "describe", "nobody"]).failed(7, "nobody");
    scratch.run(&["group", "describe"]).misused();
}

#[test]
fn offsets_are_reset_as_kafkas_tool_does() {
    let scratch = ten_records();
    scratch.run(&["consume", "orders", "-G", "kitchen"]).done();
    let reset = |extra: &[&str]| {
        let base = ["group", "reset-offsets", "kitchen"];
        scratch.run(&[&base[..], extra].concat())
    };
    let dry = reset(&["--all-topics", "--shift-by", "-2", "--dry-run"]);
    assert_eq!(line_of(dry.done(), "0")[3..], ["5", "3"]);
    let described = scratch.run(&["group", "describe", "kitchen"]);
    assert_eq!(line_of(described.done(), "0")[3], "5", "nothing was done");

    for (to, expected) in [
        (&["--shift-by", "-2"][..], "3"),
        (&["--to-earliest"], "0"),
        (&["--to-latest"], "5"),
        (&["--to-offset", "2", "--execute"], "2"),
        (&["--to-offset", "99"], "5"),
        (&["--to-datetime", "2000-01-01T00:00:00.000"], "0"),
        (&["--to-datetime", "2999-01-01T00:00:00Z"], "5"),
        (&["--by-duration", "PT1H"], "0"),
        (&["--to-current"], "0"),
    ] {
        let done = reset(&[&["--topic", "orders:0"], to].concat());
        assert_eq!(line_of(done.done(), "0")[4], expected, "{to:?}");
        let described = scratch.run(&["group", "describe", "kitchen"]);
        assert_eq!(line_of(described.done(), "0")[3], expected, "{to:?}");
        assert_eq!(line_of(described.text(), "1")[3], "5", "{to:?}");
    }
    scratch
        .run(&["group", "reset-offsets", "typo", "--all-topics", "--to-latest"])
        .failed(7, "typo");
    reset(&["--topic", "orders"]).misused();
    reset(&["--to-earliest"]).misused();
    reset(&["--topic", "nothing", "--to-earliest"]).failed(7, "nothing");
    reset(&["--topic", "orders:9", "--to-earliest"]).failed(7, "orders");
}

#[test]
fn exported_offsets_can_be_imported() {
    let scratch = ten_records();
    scratch.run(&["consume", "orders", "-G", "kitchen", "-c", "7"]).done();
    let export = ["group", "reset-offsets", "kitchen", "--all-topics", "--to-current"];
    let exported = scratch.run(&[&export[..], &["--dry-run", "--export"]].concat());
    let file = scratch.beside("offsets.csv");
    std::fs::write(&file, exported.done()).unwrap();
    let import = ["group", "reset-offsets", "copy", "--from-file", file.to_str().unwrap()];
    scratch.run(&import).done();
    let one = scratch.run(&["group", "describe", "kitchen"]);
    let other = scratch.run(&["group", "describe", "copy"]);
    for partition in ["0", "1"] {
        assert_eq!(line_of(one.done(), partition)[3..], line_of(other.done(), partition)[3..]);
    }
    std::fs::write(&file, "orders,0,1\norders,x,1\n").unwrap();
    scratch.run(&import).failed(7, "line 2");
}

#[test]
fn groups_and_offsets_are_deleted() {
    let scratch = ten_records();
    for group in ["kitchen", "bar"] {
        scratch.run(&["consume", "orders", "-G", group]).done();
    }
    let delete = ["group", "delete-offsets", "bar", "--topic", "orders:1"];
    assert_eq!(scratch.run(&[&delete[..], &["--dry-run"]].concat()).done(), "orders-1 5\n");
    assert_eq!(scratch.run(&delete).done(), "orders-1 5\n");
    let described = scratch.run(&["group", "describe", "bar"]);
    assert_eq!(line_of(described.done(), "0")[3], "5");
    assert!(!described.text().contains(" 1 "), "{}", described.text());

    assert_eq!(scratch.run(&["group", "delete", "kitchen", "--dry-run"]).done(), "kitchen\n");
    assert_eq!(scratch.run(&["group", "list"]).done(), "bar\nkitchen\n");
    scratch.run(&["group", "delete", "bar", "nobody"]).failed(7, "nobody");
    scratch.run(&["group", "delete", "bar", "kitchen"]).done();
    assert_eq!(scratch.run(&["group", "list"]).done(), "");
    let again = scratch.run(&["consume", "orders", "-G", "kitchen"]);
    assert_eq!(again.done().lines().count(), 10);
}
