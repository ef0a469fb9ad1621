//! What must hold of a directory in which something is not as it was written.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ottla::env::overlay::OverlayVfs;
use ottla::{Broker, Error, ErrorKind, RecoveryReport, VerifyOptions, verify_in};

use crate::allocations;
use crate::canonical::{options, world};
use crate::image::{Image, ImageDisk};
use crate::reading::Truth;

/// No single piece of memory is larger than this: the largest buffer that a reader has by itself
/// takes a mebibyte or two, and nothing in the directory is as large as that.
const ALLOCATION_MAX: usize = 8 << 20;
/// What an open for writing may keep in memory over the image.
const OVERLAY_BYTES_MAX: u64 = 16 << 20;

const CATALOG: &str = "__cluster_metadata-0";

/// A directory to which something happened.
pub(crate) struct Case<'a> {
    pub(crate) image: Image,
    /// The files to which it happened; one that ends in a slash stands for all in the folder.
    pub(crate) damaged: BTreeSet<String>,
    pub(crate) verify: Verify,
    /// What may be there: answers come from one of these.
    pub(crate) truths: Vec<&'a Truth>,
    /// Whether it is opened for writing, too, and everything is read that has nothing to do with
    /// the damage.
    pub(crate) thorough: bool,
    /// Whether everything that opening changes must be in its report.
    pub(crate) reported: bool,
}

/// What `verify` owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// It names one of the damaged files.
    Names,
    /// That, or it says that another program was here.
    NamesOrForeign,
    /// No more than an answer: what happened can be another program's doing, or is mended.
    Answers,
}

/// What became of one damaged directory.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// It could not be opened at all.
    pub(crate) refused: bool,
    /// Answers that were errors.
    pub(crate) errors: usize,
}

impl Case<'_> {
    /// Holds all laws.
    ///
    /// # Errors
    /// The law that is broken, first.
    pub(crate) fn hold(&self) -> Result<Outcome, String> {
        allocations::begin();
        let held = catch_unwind(AssertUnwindSafe(|| self.hold_all()));
        let largest = allocations::largest();
        if largest > ALLOCATION_MAX {
            return Err(format!("memory: {largest} bytes at once"));
        }
        match held {
            Ok(held) => held,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(format!("panic: {}", text.unwrap_or("of some kind")))
            }
        }
    }

    fn hold_all(&self) -> Result<Outcome, String> {
        let disk = ImageDisk::new(self.image.clone());
        self.hold_verify(&disk)?;
        let outcome = match options().read_only(true).open_in(world(disk.clone())) {
            Ok(broker) => self.hold_answers(&broker)?,
            Err(error) => self.hold_refusal(&error)?,
        };
        if let Some(change) = disk.tried() {
            return Err(format!("reading rewrites nothing: {change}"));
        }
        if self.thorough {
            self.hold_writing()?;
        }
        Ok(outcome)
    }

    fn hold_verify(&self, disk: &Arc<ImageDisk>) -> Result<(), String> {
        let report = verify_in(&world(disk.clone()), &VerifyOptions::new());
        let report = report.map_err(|error| format!("verify: it fails with {error}"))?;
        let files = report.all_errors().map(|error| error.file().unwrap_or("none"));
        let files: Vec<&str> = files.collect();
        let is_met = match self.verify {
            Verify::Names => files.iter().any(|file| self.is_damaged(file)),
            Verify::NamesOrForeign => {
                report.recovery.foreign || files.iter().any(|file| self.is_damaged(file))
            }
            Verify::Answers => true,
        };
        if is_met { Ok(()) } else { Err(format!("verify: it names {files:?}")) }
    }

    fn is_damaged(&self, file: &str) -> bool {
        let folder = file.split_once('/').map_or("", |(folder, _)| folder);
        // Records of the catalog that make no sense are those of its folder.
        self.damaged.contains(file)
            || self.damaged.contains(&format!("{folder}/"))
            || (file == CATALOG && self.damaged.iter().any(|damaged| damaged.starts_with(file)))
    }

    /// A directory is refused as a whole only for what all of it depends on.
    fn hold_refusal(&self, error: &Error) -> Result<Outcome, String> {
        let is_of_all = |file: &str| {
            ["meta.properties", "ottla.control", ".kafka_cleanshutdown"].contains(&file)
                || file.ends_with(".journal")
                || (file.starts_with("__cluster_metadata-0/")
                    && (file.ends_with(".log") || file.ends_with('/')))
        };
        let is_kind = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported);
        // That a journal file is missing is no file's error.
        let is_named = error.file().is_none_or(|file| {
            self.is_damaged(file) || file.ends_with(".journal") || file == "ottla.control"
        });
        if self.damaged.iter().any(|file| is_of_all(file)) && is_kind && is_named {
            return Ok(Outcome { refused: true, errors: 1 });
        }
        Err(format!("open: it fails with {error} ({:?}, {:?})", error.kind(), error.file()))
    }

    /// Every answer is the truth, or an error that belongs to the damage.
    fn hold_answers(&self, broker: &Broker) -> Result<Outcome, String> {
        let mut held = self.truths.iter().map(|truth| self.hold_truth(truth, broker));
        let first = held.next().unwrap_or_else(|| Ok(Outcome::default()));
        first.or_else(|law| held.find(Result::is_ok).unwrap_or(Err(law)))
    }

    fn hold_truth(&self, truth: &Truth, broker: &Broker) -> Result<Outcome, String> {
        // Of what the damage has nothing to do with, the records are enough.
        let is_of_all = self.damaged.iter().any(|file| !file.contains('/'));
        let closely = |place: &str| {
            is_of_all || self.damaged.iter().any(|file| file.split('/').next() == Some(place))
        };
        let refused = truth.hold(broker, self.thorough, &closely)?;
        for (place, error) in &refused {
            self.hold_error(&place.to_string(), error)?;
        }
        Ok(Outcome { refused: false, errors: refused.len() })
    }

    /// An error is of the kind that names damage, and only where the damage is.
    fn hold_error(&self, place: &str, error: &Error) -> Result<(), String> {
        if !matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) {
            return Err(format!("errors: {error} is of the kind {:?}", error.kind()));
        }
        if !self.damaged.iter().any(|file| file.split('/').next() == Some(place)) {
            return Err(format!("others stay readable: {place}: {error}"));
        }
        if !error.file().is_some_and(|file| self.is_damaged(file)) {
            return Err(format!("errors: {error} names {:?}", error.file()));
        }
        Ok(())
    }

    /// Opened for writing: the same answers, and whatever was changed by opening is in the report.
    fn hold_writing(&self) -> Result<(), String> {
        let base = ImageDisk::new(self.image.clone());
        let disk = Arc::new(OverlayVfs::new(base, OVERLAY_BYTES_MAX).unwrap());
        let broker = match options().open_in(world(disk.clone())) {
            Ok(broker) => broker,
            Err(error) => return self.hold_refusal(&error).map(drop),
        };
        if self.reported {
            hold_report(&self.image, &Image::of(&*disk), broker.recovery_report())?;
        }
        self.hold_answers(&broker).map_err(|law| format!("{law} (for writing)"))?;
        broker.close().map_err(|error| format!("close: {error}"))
    }
}

/// Files that opening writes by itself, whatever it finds.
fn is_of_the_session(path: &str) -> bool {
    ["ottla.control", ".kafka_cleanshutdown"].contains(&path) || path.ends_with(".journal")
}

/// A file that opening changed, made or removed is in the report.
fn hold_report(before: &Image, after: &Image, report: &RecoveryReport) -> Result<(), String> {
    let mut named: Vec<&str> = report.quarantined.iter().map(String::as_str).collect();
    for (_, partition) in &report.partitions {
        let lists = [&partition.rebuilt, &partition.removed, &partition.quarantined];
        named.extend(lists.into_iter().flatten().map(String::as_str));
    }
    for path in before.paths().chain(after.paths()) {
        let is_same =
            before.has(path) == after.has(path) && before.bytes(path) == after.bytes(path);
        if !is_same && !is_of_the_session(path) && !named.contains(&path) {
            return Err(format!("report: {path} was changed, the report names {named:?}"));
        }
    }
    Ok(())
}
