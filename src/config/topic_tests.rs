//! Goal: Kafka's names, ranges and defaults hold, and nothing that a catalog says is lost.

use super::*;
use crate::config::compression::Compression;

/// Sets `name` and compares the effective value, or expects an error that contains `wanted`.
fn check(name: &str, value: &str, wanted: Result<&str, &str>) {
    match (TopicConfig::new().set(name, value), wanted) {
        (Ok(config), Ok(shown)) => {
            assert_eq!(config.get(name).as_deref(), Some(shown), "{name}={value}");
        }
        (Err(error), Err(part)) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}={value}");
            assert!(error.to_string().contains(part), "{name}={value}: {error}");
        }
        (outcome, _) => panic!("{name}={value}: {outcome:?}"),
    }
}

#[test]
fn values_are_held_to_kafkas_ranges() {
    check("retention.ms", "60000", Ok("60000"));
    check("retention.ms", " -1 ", Ok("-1"));
    check("retention.ms", "-2", Err("a whole number from -1 to 9223372036854775807"));
    check("segment.bytes", "1048576", Ok("1048576"));
    check("segment.bytes", "1048575", Err("from 1048576 to 2147483647"));
    check("segment.bytes", "2147483648", Err("from 1048576 to 2147483647"));
    check("internal.segment.bytes", "14", Ok("14"));
    check("internal.segment.bytes", "13", Err("from 14 to 2147483647"));
    check("cleanup.policy", "compact, delete", Ok("compact,delete"));
    check("cleanup.policy", "delete,shred", Err("delete, compact or compact,delete"));
    check("compression.type", "zstd", Ok("zstd"));
    check("compression.type", "brotli", Err("producer, uncompressed, gzip"));
    check("compression.gzip.level", "-1", Ok("-1"));
    check("compression.gzip.level", "0", Err("from 1 to 9, or -1"));
    check("compression.zstd.level", "23", Err("from -131072 to 22"));
    check("min.cleanable.dirty.ratio", "0.25", Ok("0.25"));
    check("min.cleanable.dirty.ratio", "1.5", Err("a number from 0 to 1"));
    check("message.timestamp.type", "LogAppendTime", Ok("LogAppendTime"));
    check("preallocate", "TRUE", Ok("true"));
    check("preallocate", "1", Err("true or false"));
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    check("retention.m", "1", Err("the nearest one is \"retention.ms\""));
    check("segmentbytes", "1", Err("the nearest one is \"segment.bytes\""));
    check("message.format.version", "3.0", Err("Kafka 4.0 removed it"));
    check("message.timestamp.difference.max.ms", "1", Err("message.timestamp.before.max.ms"));
}

#[test]
fn every_setting_reads_back_what_it_shows() {
    let defaults = TopicConfig::kafka_defaults();
    for key in TOPIC_KEYS.accepted {
        let shown = (key.show)(&defaults.values);
        let mut values = TopicValues::default();
        (key.put)(&mut values, &shown).unwrap_or_else(|wanted| panic!("{}: {wanted}", key.name));
        assert_eq!(values, defaults.values, "{}", key.name);
    }
    assert!(TopicConfig::names().all(|name| defaults.get(name).is_some()));
    // Kafka 4.x has 33 topic settings, and internal.segment.bytes.
    let own = TOPIC_KEYS.accepted.iter().filter(|key| key.name.starts_with("ottla.")).count();
    assert_eq!(TopicConfig::names().count() - own, 34);
}

#[test]
fn a_new_topic_says_that_it_keeps_its_records() {
    let new = TopicConfig::new();
    assert_eq!(new.overrides().collect::<Vec<_>>(), [("retention.ms", "-1")]);
    assert_eq!(new.values.retention_ms, -1);
    let reset = new.reset("retention.ms").unwrap();
    assert_eq!(reset, TopicConfig::kafka_defaults());
    assert_eq!(reset.values.retention_ms, 604_800_000);
}

#[test]
fn typed_values_are_checked_by_validate() {
    let good = TopicConfig::new()
        .partitions(4)
        .retention(Duration::from_secs(60))
        .retention_bytes(1 << 40)
        .segment_bytes(1 << 24)
        .compression(Compression::Zstd)
        .cleanup_policy(CleanupPolicy::COMPACT_DELETE);
    good.validate().unwrap();
    assert_eq!(good.get("compression.type").as_deref(), Some("zstd"));
    assert_eq!(good.get("retention.ms").as_deref(), Some("60000"));
    for (bad, part) in [
        (TopicConfig::new().partitions(0), "0 partitions"),
        (TopicConfig::new().partitions(100_001), "100001 partitions"),
        (TopicConfig::new().segment_bytes(5).partitions(0), "segment.bytes"),
        (TopicConfig::new().set("remote.storage.enable", "true").unwrap(), "remote storage"),
        (
            TopicConfig::new()
                .set("min.compaction.lag.ms", "5")
                .and_then(|config| config.set("max.compaction.lag.ms", "4"))
                .unwrap(),
            "min.compaction.lag.ms (5)",
        ),
    ] {
        let error = bad.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn what_a_catalog_holds_is_kept_even_if_it_is_not_understood() {
    let held = [("cleanup.policy", "compact"), ("from.the.future", "x"), ("segment.ms", "1000")];
    let config = TopicConfig::from_overrides(held);
    assert_eq!(config.overrides().collect::<Vec<_>>(), held);
    assert_eq!(config.not_understood().collect::<Vec<_>>(), [("from.the.future", "x")]);
    assert_eq!(config.values.cleanup_policy, CleanupPolicy::COMPACT);
    assert_eq!(config.values.segment_ms, 1000);
    assert_eq!(config.get("from.the.future").as_deref(), Some("x"));
    let without = config.reset("from.the.future").unwrap();
    assert_eq!(without.not_understood().count(), 0);
    assert!(without.reset("from.the.future").is_err());
}

#[test]
fn a_value_that_is_not_understood_stops_deletion() {
    let config = TopicConfig::from_overrides([("retention.ms", "until-friday")]);
    assert_eq!(config.values.cleanup_policy, CleanupPolicy::NONE);
    assert_eq!(config.reset("retention.ms").unwrap().values.cleanup_policy, CleanupPolicy::DELETE);
}

#[test]
fn internal_segment_bytes_stands_in_for_segment_bytes() {
    let config = TopicConfig::new();
    assert_eq!(config.values.segment_size_bytes(), 1 << 30);
    let small = config.set("internal.segment.bytes", "4096").unwrap();
    assert_eq!(small.values.segment_size_bytes(), 4096);
    assert_eq!(small.get("segment.bytes").as_deref(), Some("1073741824"));
}

#[test]
fn a_compacted_topic_rolls_early_enough_for_its_lag() {
    let config = TopicConfig::new().set("max.compaction.lag.ms", "1000").unwrap();
    assert_eq!(config.values.segment_span_ms(), 604_800_000);
    let compacted = config.cleanup_policy(CleanupPolicy::COMPACT);
    assert_eq!(compacted.values.segment_span_ms(), 1000);
}

#[test]
fn groups_that_retention_waits_for_have_names() {
    let by_method = TopicConfig::new().retention_groups(["kitchen", "office"]);
    let by_name = TopicConfig::new().set("ottla.retention.groups", "kitchen, office,kitchen");
    assert_eq!(by_name.unwrap().values.retention_groups, by_method.values.retention_groups);
    for bad in [["", "a"], ["a", " "], ["a,b", "c"]] {
        let error = TopicConfig::new().retention_groups(bad).validate().unwrap_err();
        assert!(error.to_string().contains("ottla.retention.groups"), "{error}");
    }
    for bad in ["a,,b", ","] {
        assert!(TopicConfig::new().set("ottla.retention.groups", bad).is_err(), "{bad:?}");
    }
}
