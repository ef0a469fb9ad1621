//! Group commit at its barest: many threads, one growing file, one fdatasync for all who wait.
//!
//! The first thread that finds no leader takes every frame that is queued, writes and syncs them;
//! the others sleep until their ticket is covered.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Condvar, Mutex};

use super::raw::frame;

pub struct RawGroup {
    file: File,
    state: Mutex<State>,
    synced: Condvar,
}

struct State {
    queued: Vec<u8>,
    spare: Vec<u8>,
    tickets: u64,
    synced: u64,
    leading: bool,
}

impl RawGroup {
    pub fn create(path: &Path) -> io::Result<RawGroup> {
        let state =
            State { queued: Vec::new(), spare: Vec::new(), tickets: 0, synced: 0, leading: false };
        Ok(RawGroup { file: File::create(path)?, state: Mutex::new(state), synced: Condvar::new() })
    }

    /// Returns when the records are on the disk.
    pub fn append_durably(&self, records: &[&[u8]]) -> io::Result<()> {
        let mut state = self.state.lock().expect("no thread panics with the lock");
        frame(records, &mut state.queued);
        state.tickets += 1;
        let ticket = state.tickets;
        loop {
            if state.synced >= ticket {
                return Ok(());
            }
            if state.leading {
                state = self.synced.wait(state).expect("no thread panics with the lock");
                continue;
            }
            state.leading = true;
            let spare = std::mem::take(&mut state.spare);
            let mut taken = std::mem::replace(&mut state.queued, spare);
            let covered = state.tickets;
            drop(state);
            (&self.file).write_all(&taken)?;
            self.file.sync_data()?;
            taken.clear();
            state = self.state.lock().expect("no thread panics with the lock");
            state.spare = taken;
            state.synced = covered;
            state.leading = false;
            self.synced.notify_all();
        }
    }
}
