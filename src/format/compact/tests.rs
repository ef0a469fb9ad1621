//! Goal: both encodings read back, and nothing that is cut, changed or overlong does more than give
//! an error. Method: one message with every kind of field.

use super::*;
use crate::format::{FormatError, FormatErrorKind};

fn write(flexible: bool) -> Vec<u8> {
    let mut writer = FieldWriter::new(flexible);
    writer.i16(-2);
    writer.string("name", "s").unwrap();
    writer.nullable_string(None, "n").unwrap();
    writer.bytes(&[1, 2, 3], "b").unwrap();
    writer.nullable_bytes(None, "nb").unwrap();
    writer.i32_array(&[7, -8], "a").unwrap();
    writer.uuid([9; 16]);
    writer.bool(true);
    if flexible {
        writer.tagged_fields(&[(0, vec![5]), (4, vec![0xff; 3])]).unwrap();
    }
    writer.into_bytes()
}

fn read(bytes: &[u8], flexible: bool) -> Result<Vec<u32>, FormatError> {
    let mut tags = Vec::new();
    let mut reader = FieldReader::new(bytes, 0, flexible);
    assert_eq!(reader.i16("i")?, -2);
    let _ = reader.string("s")?;
    let _ = reader.nullable_string("n")?;
    let _ = reader.bytes("b")?;
    let _ = reader.nullable_bytes("nb")?;
    let _ = reader.i32_array("a")?;
    let _ = reader.uuid("u")?;
    let _ = reader.bool("t")?;
    reader.tagged_fields(|tag, _| {
        tags.push(tag);
        Ok(())
    })?;
    reader.finish()?;
    Ok(tags)
}

#[test]
fn both_encodings_read_back() {
    let flexible = write(true);
    assert_eq!(&flexible[2..8], b"\x05name\0");
    assert_eq!(read(&flexible, true).unwrap(), [0, 4]);
    let plain = write(false);
    assert_eq!(&plain[2..10], b"\0\x04name\xff\xff");
    assert!(read(&plain, false).unwrap().is_empty());
}

#[test]
fn every_cut_is_an_error_and_no_changed_byte_panics() {
    for flexible in [false, true] {
        let bytes = write(flexible);
        for length in 2..bytes.len() {
            assert!(read(&bytes[..length], flexible).is_err(), "cut to {length}");
        }
        for at in 2..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let _ = read(&changed, flexible);
            }
        }
    }
}

#[test]
fn lengths_beyond_the_bytes_are_refused_before_anything_is_allocated() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f, 1];
    let reader = || FieldReader::new(&huge, 0, true);
    assert!(reader().string("s").is_err());
    assert!(reader().bytes("b").is_err());
    assert!(reader().array("a", |r| r.i8("e")).is_err());
    assert!(reader().unsigned_varint("v").is_ok());
    assert!(FieldReader::new(&[0xff; 8], 0, true).unsigned_varint("v").is_err());
    assert!(FieldReader::new(&[0x80, 0], 0, false).nullable_string("s").is_err());
    assert!(FieldReader::new(&[0, 2, 0xc3, 0x28], 0, false).string("s").is_err());
    assert!(FieldReader::new(&[0, 1, 7], 0, false).i32_array("a").is_err());
}

#[test]
fn tags_must_ascend_and_stay_inside() {
    for bytes in [&[2, 1, 0, 1, 0][..], &[2, 1, 0, 0, 0], &[1, 0, 1], &[1, 0, 2, 0], &[1]] {
        assert!(FieldReader::new(bytes, 0, true).end_of_struct().is_err(), "{bytes:?}");
    }
    let mut past = FieldReader::new(&[1, 3, 1, 0xaa, 0xbb], 0, true);
    let outcome = past.tagged_fields(|_, field| field.i16("beyond its size").map(drop));
    assert!(outcome.is_err());
}

#[test]
fn a_string_that_no_reader_could_read_is_not_written() {
    let long = "x".repeat(32768);
    let error = FieldWriter::new(true).string(&long, "s").unwrap_err();
    assert_eq!(error.kind, FormatErrorKind::Limit);
}
