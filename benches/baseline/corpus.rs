//! The payloads: random bytes, which no codec and no predictor helps with, and JSON text as a
//! service would log it. Both come from a fixed seed, so every run sees the same bytes.

use std::fmt::Write;

/// Records that fill several batches; more of the same would only cost memory.
pub struct Payloads {
    bytes: Vec<u8>,
    record_len: usize,
}

impl Payloads {
    /// `count` records of `record_len` random bytes.
    pub fn random(count: usize, record_len: usize) -> Payloads {
        let mut random = fastrand::Rng::with_seed(0x0771a);
        let mut bytes = vec![0; count * record_len];
        random.fill(&mut bytes);
        Payloads { bytes, record_len }
    }

    pub fn records(&self) -> Vec<&[u8]> {
        self.bytes.chunks_exact(self.record_len).collect()
    }
}

const WORDS: [&str; 64] = [
    "order",
    "payment",
    "accepted",
    "for",
    "customer",
    "with",
    "card",
    "ending",
    "in",
    "retry",
    "after",
    "timeout",
    "while",
    "calling",
    "inventory",
    "service",
    "shipment",
    "created",
    "from",
    "warehouse",
    "to",
    "address",
    "cache",
    "miss",
    "on",
    "key",
    "session",
    "expired",
    "user",
    "logged",
    "out",
    "token",
    "refreshed",
    "by",
    "gateway",
    "request",
    "took",
    "longer",
    "than",
    "expected",
    "connection",
    "pool",
    "exhausted",
    "waiting",
    "query",
    "returned",
    "rows",
    "and",
    "was",
    "slow",
    "index",
    "rebuilt",
    "without",
    "errors",
    "message",
    "delivered",
    "at",
    "least",
    "once",
    "the",
    "a",
    "of",
    "is",
    "not",
];
/// How many words may follow a word.
const FOLLOWERS: usize = 10;
const SERVICES: [&str; 8] =
    ["checkout", "billing", "inventory", "gateway", "search", "profile", "shipping", "mail"];
const LEVELS: [&str; 8] = ["INFO", "INFO", "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"];

/// `count` JSON records of about 300 bytes: time, level, service, host, trace, user, duration and
/// a message of English words, each followed by one of a few that go with it, as in prose. zstd
/// packs it about 4.8 to 1, as it does the text that other stores were measured with.
pub fn json_records(count: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(0x7e57);
    let mut time_ms = 1_790_000_000_000u64;
    (0..count).map(|_| json_record(&mut random, &mut time_ms)).collect()
}

fn json_record(random: &mut fastrand::Rng, time_ms: &mut u64) -> String {
    *time_ms += random.u64(0..40);
    let mut text = String::with_capacity(320);
    let _ = write!(
        text,
        "{{\"time\":{time_ms},\"level\":\"{}\",\"service\":\"{}\",\"host\":\"node-{:02}\",\
         \"trace\":\"{:012x}\",\"user\":{},\"duration_us\":{},\"message\":\"",
        LEVELS[random.usize(0..LEVELS.len())],
        SERVICES[random.usize(0..SERVICES.len())],
        random.u32(0..24),
        random.u64(0..1 << 48),
        random.u32(1000..60_000),
        random.u32(50..90_000),
    );
    let mut word = random.usize(0..WORDS.len());
    while text.len() < 295 {
        text.push_str(WORDS[word]);
        text.push(' ');
        word = (word * 7 + 3 + random.usize(0..FOLLOWERS)) % WORDS.len();
    }
    text.pop();
    text.push_str("\"}");
    text
}
