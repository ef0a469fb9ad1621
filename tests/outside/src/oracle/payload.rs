//! Records that describe themselves: who wrote them, which one they are, and a checksum. From the
//! campaign's seed and the description the whole record can be made again, so that a reader needs
//! no copy of what was written to see that nothing was changed.

use std::str::FromStr;

/// Which record this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) topic: String,
    /// The creation that the topic came from: a name may be deleted and created again.
    pub(crate) incarnation: u64,
    pub(crate) partition: i32,
    pub(crate) cycle: u32,
    /// The thread that wrote it; its records of one partition and cycle are numbered from 0.
    pub(crate) thread: u32,
    pub(crate) number: u32,
    /// For an append to several partitions at once: its number, and a bit for each of them.
    pub(crate) together: Option<(u32, u32)>,
}

impl Stamp {
    /// The record, as printable text without a line break.
    pub(crate) fn payload(&self, seed: u64) -> Vec<u8> {
        let (append, partitions) = self.together.unwrap_or_default();
        let mut text = format!(
            "{} {} {} {} {} {} {append} {partitions} ",
            self.topic, self.incarnation, self.partition, self.cycle, self.thread, self.number,
        );
        let mut random = fastrand::Rng::with_seed(self.filler_seed(seed));
        let length = match random.u32(0..100) {
            0 if random.u8(0..3) == 0 => random.usize(0..10_000),
            0 => 0,
            1..10 => random.usize(0..2_000),
            _ => random.usize(0..120),
        };
        text.extend((0..length).map(|_| random.alphanumeric()));
        let checksum = crc32c::crc32c(text.as_bytes());
        text.push_str(&format!(" {checksum:08x}"));
        text.into_bytes()
    }

    /// Reads a record and makes it again; every byte must be the same.
    pub(crate) fn check(seed: u64, payload: &[u8]) -> Result<Stamp, String> {
        let shown = || String::from_utf8_lossy(&payload[..payload.len().min(80)]).into_owned();
        let text =
            std::str::from_utf8(payload).map_err(|_| format!("bytes: no text: {}", shown()))?;
        let mut words = text.split(' ');
        let topic = words.next().unwrap_or_default().to_owned();
        let mut stamp = Stamp {
            topic,
            incarnation: number(&mut words)?,
            partition: number(&mut words)?,
            cycle: number(&mut words)?,
            thread: number(&mut words)?,
            number: number(&mut words)?,
            together: None,
        };
        let (append, partitions) = (number(&mut words)?, number(&mut words)?);
        stamp.together = (partitions != 0).then_some((append, partitions));
        if stamp.payload(seed) == payload {
            Ok(stamp)
        } else {
            Err(format!("bytes: a changed record: {}", shown()))
        }
    }

    fn filler_seed(&self, seed: u64) -> u64 {
        let mut hash = seed;
        let partition = u64::from(self.partition.unsigned_abs());
        for word in
            [self.incarnation, partition, self.cycle.into(), self.thread.into(), self.number.into()]
        {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        hash
    }
}

fn number<'a, T: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Result<T, String> {
    let word = words.next().ok_or("bytes: a record without its description")?;
    word.parse().map_err(|_| format!("bytes: {word:?} is no number"))
}
