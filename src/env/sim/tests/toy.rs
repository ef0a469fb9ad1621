//! A small log with segments and a manifest, right by default, wrong on demand.

use std::io;
use std::sync::{Arc, OnceLock};

use super::super::SimDisk;
use crate::env::random::mix;
use crate::env::replace_file::replace_file;
use crate::env::vfs::{OpenHow, Vfs, VfsFile, read_up_to, write_all_at};

/// Which rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    None,
    NoDirectorySync,
    AckBeforeSync,
    RetriedSync,
    RenameBeforeSync,
    ServesUnsyncedTail,
    NoChecksum,
}

const HEADER_BYTES: usize = 8;
const SEGMENT_RECORDS: u64 = 12;
/// Written one by one, synced together.
const APPENDED_RECORDS: u64 = 3;

/// Records are numbered; the bytes of each follow from its number.
pub(super) struct ToyLog {
    disk: SimDisk,
    plant: Plant,
    segment: u64,
    file: Arc<dyn VfsFile>,
    end: u64,
    count: u64,
}

fn record(number: u64) -> &'static [u8] {
    static RECORDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let records = RECORDS.get_or_init(|| (0..1_000).map(new_record).collect());
    &records[usize::try_from(number).unwrap()]
}

fn new_record(number: u64) -> Vec<u8> {
    let length = 20 + mix(number) % 1500;
    let payload: Vec<u8> = (0..length).map(|at| (mix(number ^ (at << 32)) | 1) as u8).collect();
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(crc32c::crc32c(&payload).to_be_bytes());
    bytes.extend(payload);
    bytes
}

impl ToyLog {
    pub(super) fn open(disk: &SimDisk, plant: Plant) -> io::Result<ToyLog> {
        if disk.metadata("toy-0").is_err() {
            disk.create_dir("toy-0")?;
        }
        // What is there may not be durable yet.
        disk.sync_dir("")?;
        let segment = match disk.open("toy-0/manifest", OpenHow::Read) {
            Ok(manifest) => {
                let bytes = read_all(&*manifest)?;
                let text = String::from_utf8(bytes).map_err(io::Error::other)?;
                text.parse().map_err(|_| io::Error::other(format!("manifest {text:?}")))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        for sealed in 0..segment {
            let file = disk.open(&format!("toy-0/{sealed}.log"), OpenHow::Read)?;
            let (count, _) = scan(&read_all(&*file)?, sealed * SEGMENT_RECORDS, plant)?;
            if count != SEGMENT_RECORDS {
                return Err(io::Error::other(format!("segment {sealed} has {count} records")));
            }
        }
        let file = disk.open(&format!("toy-0/{segment}.log"), OpenHow::CreateOrWrite)?;
        if plant != Plant::NoDirectorySync {
            disk.sync_dir("toy-0")?;
        }
        let mut bytes = read_all(&*file)?;
        let (count, end) = scan(&bytes, segment * SEGMENT_RECORDS, plant)?;
        bytes.truncate(end);
        if plant != Plant::ServesUnsyncedTail {
            file.set_len(end as u64)?;
            write_all_at(&*file, &bytes, 0)?;
            file.sync_data()?;
        }
        let count = segment * SEGMENT_RECORDS + count;
        Ok(ToyLog { disk: disk.clone(), plant, segment, file, end: end as u64, count })
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn append(&mut self) -> io::Result<()> {
        if self.count == (self.segment + 1) * SEGMENT_RECORDS {
            self.roll()?;
        }
        let stop = (self.count + APPENDED_RECORDS).min((self.segment + 1) * SEGMENT_RECORDS);
        let mut end = self.end;
        for number in self.count..stop {
            let bytes = record(number);
            write_all_at(&*self.file, bytes, end)?;
            end += bytes.len() as u64;
        }
        if self.plant != Plant::AckBeforeSync || self.count.is_multiple_of(2) {
            match self.file.sync_data() {
                Err(_) if self.plant == Plant::RetriedSync => self.file.sync_data()?,
                result => result?,
            }
        }
        self.end = end;
        self.count = stop;
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        if self.plant == Plant::AckBeforeSync {
            self.file.sync_data()?;
        }
        let next = self.segment + 1;
        let file = self.disk.open(&format!("toy-0/{next}.log"), OpenHow::CreateOrWrite)?;
        if self.plant != Plant::NoDirectorySync {
            self.disk.sync_dir("toy-0")?;
        }
        let manifest = next.to_string();
        if self.plant == Plant::RenameBeforeSync {
            let temporary = self.disk.open("toy-0/manifest.tmp", OpenHow::CreateOrWrite)?;
            write_all_at(&*temporary, manifest.as_bytes(), 0)?;
            self.disk.rename("toy-0/manifest.tmp", "toy-0/manifest")?;
            self.disk.sync_dir("toy-0")?;
        } else if self.plant == Plant::NoDirectorySync {
            let temporary = self.disk.open("toy-0/manifest.tmp", OpenHow::CreateOrWrite)?;
            write_all_at(&*temporary, manifest.as_bytes(), 0)?;
            temporary.sync_data()?;
            self.disk.rename("toy-0/manifest.tmp", "toy-0/manifest")?;
        } else {
            replace_file(&self.disk, "toy-0/manifest", manifest.as_bytes())
                .map_err(io::Error::other)?;
        }
        (self.segment, self.file, self.end) = (next, file, 0);
        Ok(())
    }
}

/// How many good records there are from `first` on, and where they end.
fn scan(bytes: &[u8], first: u64, plant: Plant) -> io::Result<(u64, usize)> {
    let (mut count, mut end) = (0, 0);
    while let Some(header) = bytes.get(end..end + HEADER_BYTES) {
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let sum = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let start = end + HEADER_BYTES;
        let Some(payload) = bytes.get(start..start + length) else { break };
        if length == 0 || (plant != Plant::NoChecksum && crc32c::crc32c(payload) != sum) {
            break;
        }
        if &bytes[end..start + length] != record(first + count) {
            return Err(io::Error::other(format!("record {} was changed", first + count)));
        }
        count += 1;
        end = start + length;
    }
    Ok((count, end))
}

fn read_all(file: &dyn VfsFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    let read = read_up_to(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
