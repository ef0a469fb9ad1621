//! Random calls against plain lists of values.

use super::{NOW, World};
use crate::batch::builder::{BatchBuilder, BatchOptions};
use crate::catalog::known_topics::append;
use crate::config::compression::Compression;

/// Random appends, polls and seeks on two partitions against plain lists of values.
#[test]
fn polls_agree_with_a_model() {
    let seed = std::env::var("OTTLA_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = seed.unwrap_or_else(|| fastrand::u64(..u64::MAX - 100));
    let count = if seed.is_some() { 1 } else { 30 };
    for seed in first..first + count {
        println!("OTTLA_SEED={seed}");
        check_model(seed);
    }
}

fn check_model(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(2);
    let mut builder = world.builder().max_poll_records(random.usize(1..40));
    builder = builder.set("max.partition.fetch.bytes", &random.usize(1..3000).to_string());
    let mut consumer = builder.build().unwrap();
    // Offset and value of each record, and the end of each partition.
    let mut model: [(Vec<(i64, usize)>, i64); 2] = Default::default();
    let mut positions = [0i64; 2];
    for _ in 0..200 {
        let partition = random.usize(0..2);
        match random.u32(0..10) {
            0..4 => append_random(&world, partition, &mut model[partition], &mut random),
            4..9 => {
                let records = consumer.poll(NOW).unwrap();
                for record in &records {
                    let index = record.partition() as usize;
                    let (all, end) = &model[index];
                    let next = all.iter().find(|(offset, _)| *offset >= positions[index]).unwrap();
                    let value = std::str::from_utf8(record.value().unwrap()).unwrap();
                    assert_eq!((record.offset(), value), (next.0, next.1.to_string().as_str()));
                    assert!(record.offset() < *end);
                    positions[index] = record.offset() + 1;
                }
                for index in 0..2 {
                    // It may be further: behind offsets without a record.
                    let position = consumer.position("t", index as i32).unwrap();
                    let hidden = positions[index]..position;
                    assert!(!model[index].0.iter().any(|(offset, _)| hidden.contains(offset)));
                    positions[index] = position;
                }
                if records.is_empty() {
                    assert_eq!(positions, [model[0].1, model[1].1], "it stopped too early");
                }
            }
            _ => {
                let offset = random.i64(0..=model[partition].1);
                consumer.seek("t", partition as i32, offset).unwrap();
                positions[partition] = offset;
            }
        }
    }
}

fn append_random(
    world: &World,
    partition: usize,
    (all, end): &mut (Vec<(i64, usize)>, i64),
    random: &mut fastrand::Rng,
) {
    let values = random.usize(1..30);
    let mut delta = 0;
    let mut builder = BatchBuilder::new();
    let codec = Compression::ALL[random.usize(0..5)];
    let gap = if random.bool() { 0 } else { random.i32(0..20) };
    let mut records = Vec::new();
    for _ in 0..values {
        records.push((delta, random.usize(..)));
        delta += if random.u32(0..5) == 0 { random.i32(1..4) } else { 1 };
    }
    let last = records[records.len() - 1].0 + gap;
    builder.start(&BatchOptions {
        compression: codec,
        last_offset_delta: Some(last),
        ..BatchOptions::default()
    });
    for (delta, value) in &records {
        use crate::format::record::HeaderList;
        let text = value.to_string();
        let headers = HeaderList::Pairs(&[]);
        builder.push_at(*delta, 0, None, Some(text.as_bytes()), headers).unwrap();
        all.push((*end + i64::from(*delta), *value));
    }
    append(world.partition(partition), builder.finish().unwrap()).unwrap();
    *end += i64::from(last) + 1;
}
