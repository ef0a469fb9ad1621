//! The directory whose bits are flipped: small, closed cleanly, and with everything in it that a
//! directory can hold. It begins as one that Kafka wrote, with a transaction that was aborted and
//! two leader epochs; everything else is appended by this library.

use std::path::Path;
use std::sync::Arc;

use ottla::env::Env;
use ottla::env::clock::SimClock;
use ottla::env::memory::MemoryVfs;
use ottla::env::random::SeededRandom;
use ottla::env::vfs::Vfs;
use ottla::{
    Acks, Broker, BrokerOptions, CleanupPolicy, Message, OffsetAndMetadata, ProducerIdentity,
    Record, TopicConfig,
};

use crate::image::Image;

/// When everything happens.
pub(crate) const NOW_MS: i64 = 1_767_225_600_000;
/// The keys of the topic with a key index.
pub(crate) const KEYS: [&str; 3] = ["alice", "bob", "carol"];
pub(crate) const KEYED: &str = "accounts";
pub(crate) const GROUPS: [&str; 2] = ["kitchen", "office"];

/// How much is done in each session.
const ROUNDS: i64 = 9;
const CODECS: [&str; 4] = ["gzip", "snappy", "lz4", "zstd"];

pub(crate) fn options() -> BrokerOptions {
    let options = BrokerOptions::new().background(false).offsets_topic_partitions(2);
    options.journal_file_bytes(4096).journal_files(2)
}

/// A world whose clock stands still, over a disk.
pub(crate) fn world(vfs: Arc<dyn Vfs>) -> Env {
    session(vfs, 7)
}

/// Each session draws its own salts.
fn session(vfs: Arc<dyn Vfs>, seed: u64) -> Env {
    let clock = Arc::new(SimClock::new(NOW_MS));
    Env { vfs, clock, random: Arc::new(SeededRandom::new(seed)) }
}

/// The directory as it was at its first close, at its second, and as a kill left a third session.
pub(crate) struct Canonical {
    pub(crate) earlier: Image,
    pub(crate) closed: Image,
    pub(crate) killed: Image,
    /// The same before its last commit.
    pub(crate) before_last: Image,
}

pub(crate) fn build() -> Canonical {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::default());
    kafkas_directory().write_to(&*vfs);
    let open = |seed| options().open_in(session(Arc::clone(&vfs), seed)).unwrap();
    let broker = open(1);
    create_topics(&broker);
    fill(&broker, 0);
    broker.close().unwrap();
    let earlier = Image::of(&*vfs);
    let broker = open(2);
    fill(&broker, 1);
    broker.compact_now("prices").unwrap();
    append(&broker, "prices", 0, "p2", 2);
    broker.partition("trimmed", 0).unwrap().delete_records(7).unwrap();
    broker.close().unwrap();
    let closed = Image::of(&*vfs);
    let broker = open(3);
    for round in 0..3 {
        append(&broker, "plain", 0, &format!("late {round}"), 2);
        transact(&broker, 2 * ROUNDS + round);
    }
    broker.checkpoint().unwrap();
    let mut before_last = Image::default();
    for round in 3..6 {
        append(&broker, "plain", 1, &format!("later {round}"), 2);
        before_last = Image::of(&*vfs);
        transact(&broker, 2 * ROUNDS + round);
    }
    broker.abandon();
    Canonical { earlier, closed, killed: Image::of(&*vfs), before_last }
}

/// What a Kafka broker left: a topic with a committed and an aborted transaction.
#[allow(clippy::disallowed_methods, reason = "reads fixtures, not a log directory")]
fn kafkas_directory() -> Image {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/java-logdir");
    let mut image = Image::default();
    for entry in std::fs::read_dir(&root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_file() {
            image.put(&name, std::fs::read(entry.path()).unwrap());
            continue;
        }
        image.put(&format!("{name}/"), Vec::new());
        for inner in std::fs::read_dir(entry.path()).unwrap() {
            let inner = inner.unwrap();
            let path = format!("{name}/{}", inner.file_name().into_string().unwrap());
            image.put(&path, std::fs::read(inner.path()).unwrap());
        }
    }
    image
}

fn small_segments() -> TopicConfig {
    let small = TopicConfig::new().set("internal.segment.bytes", "900").unwrap();
    small.set("index.interval.bytes", "150").unwrap()
}

fn create_topics(broker: &Broker) {
    broker.create_topic("plain", small_segments().partitions(2)).unwrap();
    broker.create_topic("trimmed", small_segments()).unwrap();
    broker.create_topic("empty", TopicConfig::new()).unwrap();
    broker.create_topic(KEYED, small_segments().key_index(true)).unwrap();
    let compacted = small_segments().cleanup_policy(CleanupPolicy::COMPACT);
    broker.create_topic("prices", compacted).unwrap();
    for codec in CODECS {
        let config = small_segments().set("compression.type", codec).unwrap();
        broker.create_topic(codec, config).unwrap();
    }
}

fn fill(broker: &Broker, session: i64) {
    for round in 0..ROUNDS {
        let name = format!("session {session}, round {round}");
        append(broker, "plain", 0, &name, 3);
        append(broker, "plain", 1, &name, 1);
        append(broker, "trimmed", 0, &name, 3);
        append(broker, KEYED, 0, &name, 3);
        for price in ["8", "9"] {
            append(broker, "prices", 0, &format!("{price}.{round}"), 3);
            append(broker, "prices", 0, &format!("only {price} {session} {round}"), 1);
        }
        if round % 2 == 0 {
            CODECS.iter().for_each(|codec| append(broker, codec, 0, &name.repeat(6), 4));
        }
        transact(broker, session * ROUNDS + round);
    }
    let identity = broker.new_producer_identity().unwrap();
    number(broker, identity, 0);
    number(broker, identity, 2);
}

/// Appends a batch; the keys go round.
fn append(broker: &Broker, topic: &str, partition: i32, name: &str, records: usize) {
    let handle = broker.partition(topic, partition).unwrap();
    let start = handle.end_offset();
    let value =
        |index: usize| format!("{topic}: {name}, record {index} of {records}, and some more");
    let values: Vec<String> = (0..records).map(value).collect();
    // No two logs begin at the same moment.
    let own = NOW_MS + i64::from(partition) + topic.bytes().map(i64::from).sum::<i64>();
    let message = |(index, value)| {
        let key = if records == 1 { name } else { KEYS[index] };
        let at = own - 100_000 + 10 * (start + index as i64);
        Message::new(value).key(key).timestamp(at).header("h", "x")
    };
    let messages: Vec<Message<'_>> = values.iter().take(3).enumerate().map(message).collect();
    handle.append(&messages, Acks::All).unwrap();
}

fn number(broker: &Broker, identity: ProducerIdentity, sequence: i32) {
    let messages = [Message::new("numbered"), Message::new("too")];
    let plain = broker.partition("plain", 1).unwrap();
    plain.append_idempotent(identity, sequence, &messages, Acks::All).unwrap();
}

/// Records in two partitions and the offsets of two groups, together.
fn transact(broker: &Broker, round: i64) {
    let mut transaction = broker.transaction().unwrap();
    let value = format!("transaction {round}");
    for partition in 0..2 {
        let record = Record::new("plain", &value).partition(partition).timestamp(NOW_MS + round);
        transaction.send(record).unwrap();
    }
    let end = broker.partition("plain", 0).unwrap().end_offset();
    transaction.commit_offsets_of(GROUPS[0], [(("plain", 0), end)]).unwrap();
    let noted = OffsetAndMetadata::new(end / 2).metadata(format!("round {round}"));
    transaction.commit_offsets_of(GROUPS[1], [(("plain", 0), noted)]).unwrap();
    transaction.commit().unwrap();
}
