//! The lines of standard input, read by a thread of its own so that a group of them can be
//! written while the next one arrives.
//!
//! Memory is bounded: a few chunks wait between the two threads, and a line has a limit.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use ottla::env::threads;
use ottla::error::{Error, ErrorKind, Result};

/// How much is read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// How many chunks wait at most.
const CHUNKS_MAX: usize = 4;

/// Lines, one after the other, without their ends.
#[derive(Debug)]
pub(super) struct Lines {
    chunks: Receiver<Result<Vec<u8>>>,
    /// Whole lines; the last one of the input may lack its end.
    current: Vec<u8>,
    /// Where the next line begins in `current`.
    at: usize,
    ended: bool,
}

impl Lines {
    /// The lines of standard input, of at most `line_bytes_max` bytes each.
    pub(super) fn of_standard_input(line_bytes_max: usize) -> Result<Lines> {
        Lines::of(io::stdin(), line_bytes_max)
    }

    fn of(input: impl Read + Send + 'static, line_bytes_max: usize) -> Result<Lines> {
        let (sender, chunks) = sync_channel(CHUNKS_MAX);
        threads::spawn("ottla-lines", move || read_chunks(input, line_bytes_max, &sender))
            .map_err(|error| Error::io(error, "cannot start a thread"))?;
        Ok(Lines { chunks, current: Vec::new(), at: 0, ended: false })
    }

    /// The next line. At the end of the input there is none; without `wait` there is also none
    /// when it has not arrived yet.
    pub(super) fn next(&mut self, wait: bool) -> Result<Option<&[u8]>> {
        if self.at == self.current.len() && !self.receive(wait)? {
            return Ok(None);
        }
        let rest = &self.current[self.at..];
        let (line, taken) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(length) => (length, length + 1),
            None => (rest.len(), rest.len()),
        };
        let start = self.at;
        self.at += taken;
        Ok(Some(&self.current[start..start + line]))
    }

    /// Takes the next chunk, if there is one.
    fn receive(&mut self, wait: bool) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let received = if wait {
            self.chunks.recv().map_err(|_| TryRecvError::Disconnected)
        } else {
            self.chunks.try_recv()
        };
        match received {
            Ok(chunk) => {
                self.current = chunk.inspect_err(|_| self.ended = true)?;
                self.at = 0;
                Ok(true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => {
                self.ended = true;
                Ok(false)
            }
        }
    }
}

/// Sends whole lines until the input ends or nobody takes them.
fn read_chunks(mut input: impl Read, line_bytes_max: usize, sender: &SyncSender<Result<Vec<u8>>>) {
    let mut buffer = Vec::new();
    loop {
        let filled = buffer.len();
        buffer.resize(filled + CHUNK_BYTES, 0);
        let read = match input.read(&mut buffer[filled..]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                buffer.truncate(filled);
                continue;
            }
            Err(error) => {
                let error = Error::io(error, "cannot read standard input");
                let _ = sender.send(Err(error));
                return;
            }
        };
        buffer.truncate(filled + read);
        if read == 0 {
            if !buffer.is_empty() {
                let _ = sender.send(Ok(buffer));
            }
            return;
        }
        let last_end = buffer[filled..].iter().rposition(|byte| *byte == b'\n');
        let tail = match last_end {
            Some(end) => buffer.split_off(filled + end + 1),
            None if buffer.len() > line_bytes_max => {
                let message = format!("it has more than {line_bytes_max} bytes");
                let _ = sender.send(Err(Error::new(ErrorKind::Limit, message)));
                return;
            }
            None => continue,
        };
        let chunk = std::mem::replace(&mut buffer, tail);
        if sender.send(Ok(chunk)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &'static [u8], line_bytes_max: usize) -> Result<Vec<Vec<u8>>> {
        let mut lines = Lines::of(input, line_bytes_max)?;
        let mut found = Vec::new();
        while let Some(line) = lines.next(true)? {
            found.push(line.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        for (input, lines) in [
            (&b""[..], vec![]),
            (b"\n", vec![""]),
            (b"a", vec!["a"]),
            (b"a\n", vec!["a"]),
            (b"a\n\nb", vec!["a", "", "b"]),
            (b"a\r\nb\n", vec!["a\r", "b"]),
        ] {
            let found = all(input, 100).unwrap();
            assert_eq!(found, lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        static LONG: [u8; 3 * CHUNK_BYTES] = [b'x'; 3 * CHUNK_BYTES];
        let error = all(&LONG, CHUNK_BYTES).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(all(&LONG, LONG.len()).unwrap().len(), 1);
    }

    #[test]
    fn a_line_may_cross_chunks() {
        /// Gives out one byte at a time.
        struct Dripping(&'static [u8]);
        impl Read for Dripping {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                buffer[0] = *first;
                self.0 = rest;
                Ok(1)
            }
        }
        let mut lines = Lines::of(Dripping(b"one\ntwo\nthree"), 10).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next(true).unwrap() {
            found.push(String::from_utf8(line.to_vec()).unwrap());
        }
        assert_eq!(found, ["one", "two", "three"]);
    }
}
