//! Goal: every token and escape prints what kcat prints.

use super::*;

fn record() -> Printed<'static> {
    Printed {
        topic: "orders",
        partition: 2,
        offset: 41,
        timestamp: 1_700_000_000_000,
        timestamp_type: TimestampType::CreateTime,
        key: Some(b"john"),
        value: Some(b"one burger"),
        headers: vec![
            (Cow::Borrowed("a"), Some(b"1")),
            (Cow::Borrowed("b"), None),
            (Cow::Borrowed("c"), Some(b"")),
        ],
    }
}

fn check(format: &str, record: &Printed<'_>, printed: &[u8]) {
    let mut out = Vec::new();
    format.parse::<Format>().unwrap().print(record, &mut out).unwrap();
    assert_eq!(out, printed, "{format}: {}", String::from_utf8_lossy(&out));
}

#[test]
fn tokens_print_the_parts_of_a_record() {
    let record = record();
    for (format, printed) in [
        ("%s", "one burger"),
        ("%S", "10"),
        ("%R", "\0\0\0\n"),
        ("%k", "john"),
        ("%K", "4"),
        ("%h", "a=1,b=NULL,c="),
        ("%t", "orders"),
        ("%p", "2"),
        ("%o", "41"),
        ("%T", "1700000000000"),
        ("%%", "%"),
        ("100%%: %t [%p] at %o: key %k: %s\n", "100%: orders [2] at 41: key john: one burger\n"),
        ("", ""),
    ] {
        check(format, &record, printed.as_bytes());
    }
}

#[test]
fn what_is_not_there_has_no_bytes_and_the_length_minus_one() {
    let mut record = record();
    record.key = None;
    record.value = None;
    record.headers.clear();
    check("[%k|%K|%s|%S|%h]", &record, b"[|-1||-1|]");
    check("%R", &record, &[0xff; 4]);
    record.key = Some(b"");
    record.value = Some(b"");
    check("[%k|%K|%s|%S]", &record, b"[|0||0]");
}

#[test]
fn escapes_stand_for_bytes() {
    for (format, printed) in [
        (r"a\tb\nc\rd", "a\tb\nc\rd".as_bytes()),
        (r"\x41\x0az\x9", b"A\nz\t"),
        (r"\x41BC", b"ABC"),
        (r"\101\0101\0", b"eA\0"),
        (r"\9", b"\t"),
        (r"\xff", b"\xff"),
        (r"\\n\%s", b"\\n%s"),
        ("end\\", b"end\\"),
        ("\u{e9}\\\u{e9}", "\u{e9}\u{e9}".as_bytes()),
    ] {
        check(format, &record(), printed);
    }
}

#[test]
fn a_wrong_format_says_what_is_wrong() {
    for (format, part) in [
        ("%", "nothing follows"),
        ("a %q", "no token %q"),
        (r"\xg", "no byte"),
        (r"\256", "no byte"),
    ] {
        let message = format.parse::<Format>().unwrap_err();
        assert!(message.contains(part), "{format}: {message}");
    }
}

#[test]
fn by_default_a_value_is_a_line() {
    let mut out = Vec::new();
    Format::value_lines().print(&record(), &mut out).unwrap();
    assert_eq!(out, b"one burger\n");
}
