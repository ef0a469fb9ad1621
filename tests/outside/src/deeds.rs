//! What sessions are asked to do: a life that touches every part of a directory, in small files, and
//! what follows a kill. Numbers make each value unique, padding makes segments roll and the
//! journal lap.

/// The group that commits offsets.
pub(crate) const GROUP: &str = "readers";

const SMALL: &str = "internal.segment.bytes=8192 index.interval.bytes=256 segment.index.bytes=512";

/// Makes commands, each with values of its own.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    next: usize,
}

impl Deeds {
    /// Values begin behind this number.
    pub(crate) fn from(next: usize) -> Deeds {
        Deeds { next }
    }

    /// A value that was not there before, of about so many bytes.
    pub(crate) fn value(&mut self, bytes: usize) -> String {
        self.next += 1;
        let number = self.next.to_string();
        let padding = "x".repeat(bytes.saturating_sub(number.len() + 1));
        format!("{number}-{padding}")
    }

    /// A number that was not there before.
    pub(crate) fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn append(&mut self, place: &str, acks: &str, count: usize, bytes: usize) -> String {
        let values: Vec<String> = (0..count).map(|_| self.value(bytes)).collect();
        format!("append {place} {acks} {}", values.join(" "))
    }

    fn keyed(&mut self, place: &str, keys: &[&str]) -> String {
        let values: Vec<String> =
            keys.iter().map(|key| format!("{key}:{}", self.value(900))).collect();
        format!("append {place} all {}", values.join(" "))
    }

    /// From nothing to a clean close: topics, all levels, atomic appends, a transaction with an
    /// offset, a checkpoint, rolls, retention, a cut, compaction, a deletion, laps of the journal.
    pub(crate) fn life(&mut self) -> Vec<String> {
        let mut life = vec!["open".to_owned(), format!("create plain 2 {SMALL}")];
        life.push(self.append("plain 0", "all", 3, 40));
        life.push(self.append("plain 0", "1", 1, 700));
        life.push(self.append("plain 1", "all", 1, 40));
        life.push(format!("together plain {} 0 1", self.value(40)));
        life.push(format!("transaction plain {} 0 1 @ {GROUP} plain 0 2", self.value(40)));
        life.push(format!("offset {GROUP} plain 0 3"));
        life.push("checkpoint".to_owned());
        life.push(format!("create eaten 1 {SMALL} retention.bytes=6000"));
        for _ in 0..4 {
            life.push(self.append("eaten 0", "1", 1, 5_000));
        }
        life.push("checkpoint".to_owned());
        life.push("retain".to_owned());
        life.push(format!("create compacted 1 {SMALL} cleanup.policy=compact"));
        for _ in 0..4 {
            life.push(self.keyed("compacted 0", &["a", "b", "c", "a", "b"]));
        }
        life.push("checkpoint".to_owned());
        life.push("compact compacted".to_owned());
        life.push(format!("create fleeting 1 {SMALL}"));
        life.push(self.append("fleeting 0", "all", 1, 40));
        life.push("delete fleeting".to_owned());
        life.push("cut plain 0 2".to_owned());
        for _ in 0..5 {
            life.push(self.append("plain 1", "all", 1, 7_000));
        }
        life.push(format!("offset {GROUP} plain 1 2"));
        life.push(self.append("plain 0", "1", 1, 40));
        life.push("close".to_owned());
        life
    }

    /// What another session does with a directory that it found.
    pub(crate) fn next_life(&mut self) -> Vec<String> {
        vec![
            "open".to_owned(),
            "ends".to_owned(),
            "read plain 0".to_owned(),
            "read plain 1".to_owned(),
            format!("offsets {GROUP}"),
            self.append("plain 0", "1", 1, 3_000),
            self.append("plain 1", "all", 2, 3_000),
            format!("transaction plain {} 0 1 @ {GROUP} plain 0 4", self.value(40)),
            "checkpoint".to_owned(),
            "read plain 0".to_owned(),
            "close".to_owned(),
        ]
    }
}
