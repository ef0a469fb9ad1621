//! Disks that fill up: small file systems in memory, few inodes, a small ext4, a limit on the size of
//! files. The error says that there is no space, nothing of what was refused is ever seen, reading,
//! deleting and opening anew work, and once there is space appends go on in the same process. Where not
//! a single block or inode is free, deleting and opening for writing may be refused as well, and change
//! nothing then: the evidence counts these. Opening for reading always works.

use std::path::Path;

use clap::Args;

use crate::account::{Account, look};
use crate::deeds::{Deeds, GROUP};
use crate::mounts::Mounted;
use crate::session::{Answer, Session, brief, brief_of, words};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, aftermath, scratch, tool};

#[derive(Args, Debug)]
pub(crate) struct FullDisk {
    /// How often each disk is filled.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
}

/// How a disk is small.
#[derive(Clone, Copy, Debug)]
enum Small {
    Memory(&'static str),
    Ext4(u64),
    /// RLIMIT_FSIZE: no file may be longer.
    Files(u64),
}

const DISKS: &[Small] = &[
    Small::Files(150_000),
    Small::Files(70_000),
    Small::Memory("size=1M"),
    Small::Memory("size=3M"),
    Small::Memory("size=4M,nr_inodes=60"),
    Small::Ext4(4 << 20),
];

pub(crate) fn campaign(full: &FullDisk, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("full-disk", "disks that fill up", seed, |tried| {
        let scratch = scratch::make_fast("full-disk", terms.scratch.as_deref())?;
        let mut random = fastrand::Rng::with_seed(seed);
        for round in 0..full.rounds {
            for (number, disk) in DISKS.iter().enumerate() {
                let at = scratch.path().join(format!("disk-{round}-{number}"));
                let outcome = match disk {
                    Small::Memory(options) => Mounted::memory(&at, options).map(Some),
                    Small::Ext4(bytes) => Mounted::ext4(&at, *bytes).map(Some),
                    Small::Files(_) => std::fs::create_dir_all(&at)
                        .map_err(Stop::harness("a folder"))
                        .map(|()| None),
                };
                let outcome = outcome.and_then(|mounted| {
                    let done = one(*disk, &at.join("directory"), random.fork(), tried);
                    drop(mounted);
                    done
                });
                match outcome {
                    Err(Stop::NotRun(why)) => println!("full-disk: not run: {disk:?}: {why}"),
                    outcome => outcome.map_err(|stop| stop.in_case(&format!("{disk:?}")))?,
                }
            }
        }
        Ok(())
    })
}

/// A session that may be refused for want of space, and for nothing else.
struct Filling<'a> {
    session: Session,
    account: Account,
    deeds: Deeds,
    random: fastrand::Rng,
    tried: &'a mut Tried,
}

impl Filling<'_> {
    /// Whether there was space for it.
    fn ask(&mut self, command: &str) -> Result<bool, Stop> {
        let answer = self.session.ask(command)?;
        self.account.note(command, &answer);
        match &answer {
            Answer::Done(_) => Ok(true),
            Answer::Refused(kind, _) if kind == "NoSpace" => {
                self.tried.count("deeds refused", 1);
                Ok(false)
            }
            // It was refused before.
            Answer::Refused(kind, _) if kind == "UnknownTopicOrPartition" => Ok(false),
            other => {
                let what = format!("{:?}: {}", brief(command), brief_of(other));
                Err(Stop::Broken(format!("no space: {what}")))
            }
        }
    }

    /// Appends until nothing fits any more, not even little.
    fn fill(&mut self) -> Result<(), Stop> {
        self.tried.fault(&["F6"]);
        for bytes in [9_000, 2_000, 300, 10] {
            let mut refused = 0;
            for _ in 0..20_000 {
                let acks = if self.random.bool() { "all" } else { "1" };
                let partition = self.random.u32(0..2);
                let value = self.deeds.value(bytes);
                let append = match self.random.u32(0..20) {
                    0 => format!("together plain {value} 0 1"),
                    1 => format!("transaction plain {value} 0 1 @ {GROUP} plain 0 1"),
                    2 => format!("append eaten 0 {acks} {value}"),
                    _ => format!("append plain {partition} {acks} {value}"),
                };
                if !self.ask(&append)? {
                    refused += 1;
                }
                if refused > 6 {
                    break;
                }
            }
            if refused == 0 {
                return Err(Stop::Harness("it never got full".to_owned()));
            }
        }
        for number in 0..70 {
            let topic = format!("extra{}", self.deeds.number());
            if !self.ask(&format!("create {topic} 1"))? || number == 69 {
                break;
            }
        }
        Ok(())
    }

    /// Everything that was acked is there, and nothing that was refused.
    fn read(&mut self) -> Result<(), Stop> {
        let shown = look(&mut self.session, &[GROUP])?;
        self.account.check(&shown)
    }

    /// Deleting has to work, however full it is.
    fn must(&mut self, law: &str, command: &str) -> Result<(), Stop> {
        let answer = self.session.ask(command)?;
        self.account.note(command, &answer);
        match answer {
            Answer::Done(_) => Ok(()),
            other => {
                let what = format!("{:?}: {}", brief(command), brief_of(&other));
                Err(Stop::Broken(format!("{law}: {what}")))
            }
        }
    }

    /// All records of a partition.
    fn cut_all(&mut self) -> Result<(), Stop> {
        let end = self.account.acked_end("plain-0");
        self.must("deleting works", &format!("cut plain 0 {end}"))
    }

    /// Somebody else makes room, under the open directory.
    fn make_room(&mut self, directory: &Path, number: usize) -> Result<(), Stop> {
        self.remove_ballast(directory, number)?;
        self.goes_on()
    }

    fn remove_ballast(&self, directory: &Path, number: usize) -> Result<(), Stop> {
        let ballast = directory.with_file_name(BALLAST[number]);
        std::fs::remove_dir_all(ballast).map_err(Stop::harness("the ballast"))
    }

    fn goes_on(&mut self) -> Result<(), Stop> {
        for acks in ["all", "1"] {
            let value = self.deeds.value(3_000);
            self.must("goes on", &format!("append plain 1 {acks} {value}"))?;
        }
        self.tried.count("times that appends went on", 1);
        Ok(())
    }
}

fn wrapper(disk: Small) -> Vec<String> {
    match disk {
        // Whoever started this may have had the signal ignored.
        Small::Files(bytes) => words(&format!("env --default-signal=XFSZ prlimit --fsize={bytes}")),
        _ => Vec::new(),
    }
}

/// Folders of somebody else, beside the directory.
const BALLAST: [&str; 2] = ["ballast-0", "ballast-1"];

const SEGMENTS: &str = "internal.segment.bytes=32768";

fn one(
    disk: Small,
    directory: &Path,
    random: fastrand::Rng,
    tried: &mut Tried,
) -> Result<(), Stop> {
    for ballast in BALLAST {
        let folder = directory.with_file_name(ballast);
        std::fs::create_dir_all(&folder).map_err(Stop::harness("the ballast"))?;
        // Many, for disks on which files are what is short.
        for number in 0..15 {
            let path = folder.join(number.to_string());
            std::fs::write(path, vec![1; 10_000]).map_err(Stop::harness("the ballast"))?;
        }
    }
    let wrapper = wrapper(disk);
    let session = Session::under(&wrapper, directory)?;
    let (account, deeds) = (Account::default(), Deeds::default());
    let mut filling = Filling { session, account, deeds, random, tried };
    filling.must("open", "open")?;
    let limited_files = matches!(disk, Small::Files(_));
    // With a limit on the size of files, segments reach it.
    let segments = if limited_files { "" } else { SEGMENTS };
    filling.must("open", &format!("create plain 2 {segments}"))?;
    filling.must("open", &format!("create eaten 1 {segments} retention.bytes=40000"))?;
    filling.must("open", &format!("append plain 0 all {} {}", "0a-x", "0b-x"))?;
    filling.must("open", &format!("append plain 1 all {}", "0c-x"))?;
    filling.fill()?;
    filling.read()?;
    if limited_files {
        return after_limit(filling, directory);
    }
    // Full: deleting, and what that makes room for, in the same process.
    let end = filling.account.acked_end("plain-0");
    if !filling.ask(&format!("cut plain 0 {end}"))? {
        filling.tried.count("deletions refused for want of a single block", 1);
    }
    filling.read()?;
    filling.make_room(directory, 0)?;
    filling.cut_all()?;
    filling.goes_on()?;
    filling.read()?;
    filling.fill()?;
    // Killed while full: opening anew recovers without any space.
    let (account, deeds, random) = (filling.account, filling.deeds, filling.random);
    filling.session.kill();
    full_for_tools(directory, tried)?;
    let session = Session::start(directory)?;
    let mut filling = Filling { session, account, deeds, random, tried };
    if filling.ask("open")? {
        filling.read()?;
        if !filling.ask("delete eaten")? {
            filling.tried.count("deletions refused for want of a single block", 1);
        }
        filling.make_room(directory, 1)?;
    } else {
        filling.tried.count("opens refused for want of a single block", 1);
        filling.must("reading works", "open-read-only")?;
        filling.read()?;
        filling.remove_ballast(directory, 1)?;
        filling.must("opening works", "open")?;
        filling.goes_on()?;
    }
    filling.goes_on()?;
    filling.must("deleting works", "delete plain")?;
    filling.must("goes on", "create again 1")?;
    let value = filling.deeds.value(3_000);
    filling.must("goes on", &format!("append again 0 all {value}"))?;
    filling.must("deleting works", "retain")?;
    filling.read()?;
    filling.must("open", "close")?;
    let account = filling.account;
    drop(filling.session);
    aftermath::check(directory, account, true)
}

/// No file may be longer: the same process reads, and another one without the limit goes on.
fn after_limit(mut filling: Filling<'_>, directory: &Path) -> Result<(), Stop> {
    filling.cut_all()?;
    filling.read()?;
    let account = filling.account;
    filling.session.kill();
    aftermath::check(directory, account, true)
}

/// The command line on a full disk: what it cannot do ends with 6, and it reads.
fn full_for_tools(directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    tool::run(directory, &["info"])
        .map_err(|what| Stop::Broken(format!("opening works: {what}")))?;
    tried.count("verbs of the tool", 2);
    let settings = ["topic", "create", "large", "--partitions", "500"];
    let output = tool::output(directory, &settings).map_err(Stop::Harness)?;
    match output.status.code() {
        Some(6) => Ok(()),
        _ => {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Stop::Broken(format!("exit codes: expected 6: {}: {complaint}", output.status)))
        }
    }
}
