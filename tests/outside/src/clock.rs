//! Clocks that jump: each life of a directory sees another date (years back, years ahead), and in some
//! the wall clock jumps while it is open. Offsets and durability do not care; retention by time deletes
//! nothing because of a jump; committed offsets stay; looking for a time finds the first record of it.
//!
//! The library asks the C library for the time, so libfaketime is what lies; the monotonic clock is left
//! alone. Not tried here: a monotonic clock that jumps, which no kernel has.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::account::{Account, look};
use crate::deeds::{Deeds, GROUP};
use crate::session::{Session, words};
use crate::tried::{self, Tried};
use crate::verdict::{Stop, Verdict};
use crate::{Terms, aftermath, scratch, tool};

#[derive(Args, Debug)]
pub(crate) struct Clock {
    /// How many lives.
    #[arg(long, default_value_t = 16)]
    lives: u32,
}

/// Where the library lies that lies about the time.
const LIARS: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/// In seconds from now: so far off that nobody can take them for time that has passed.
const DATES: &[i64] = &[0, 3_650 * DAY, -3_650 * DAY, 36_500 * DAY, -20 * DAY, -18_000 * DAY];
const DAY: i64 = 86_400;

/// How far the clock jumps while a directory is open.
const JUMPS: &[i64] = &[0, 2 * 3_600, -2 * 3_600, 400 * DAY, -400 * DAY, 20_000 * DAY];

pub(crate) fn campaign(clock: &Clock, terms: &Terms, seed: u64) -> Verdict {
    tried::tell("clock", "dates far off, jumps while open", seed, |tried| {
        let Some(liar) = LIARS.iter().find(|path| Path::new(path).exists()) else {
            return Err(Stop::NotRun("faketime is not installed".to_owned()));
        };
        let scratch = scratch::make_fast("clock", terms.scratch.as_deref())?;
        let mut world = World {
            liar,
            date: scratch.path().join("date"),
            directory: scratch.path().join("directory"),
            account: Account::default(),
            deeds: Deeds::default(),
            random: fastrand::Rng::with_seed(seed),
        };
        for life in 0..clock.lives {
            let date = if life == 0 { 0 } else { world.choose(DATES) };
            let jump = world.choose(JUMPS);
            let lived = world.live(life, date, jump, tried);
            let case = format!("life {life}: {date} s from now, then {jump} s further");
            lived.map_err(|stop| stop.in_case(&case))?;
            check_times(&world.directory, tried)?;
        }
        aftermath::check(&world.directory, world.account, true)
    })
}

struct World {
    liar: &'static str,
    /// The file that says how far off the clock is.
    date: PathBuf,
    directory: PathBuf,
    account: Account,
    deeds: Deeds,
    random: fastrand::Rng,
}

impl World {
    fn choose(&mut self, from: &[i64]) -> i64 {
        from[self.random.usize(..from.len())]
    }

    fn set(&self, seconds: i64) -> Result<(), Stop> {
        std::fs::write(&self.date, format!("{seconds:+}\n")).map_err(Stop::harness("a date"))
    }

    fn wrapper(&self) -> Vec<String> {
        words(&format!(
            "env LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 NO_FAKE_STAT=1 \
             FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1",
            self.liar,
            self.date.display()
        ))
    }

    fn done(&mut self, session: &mut Session, command: &str) -> Result<(), Stop> {
        let said = session.done("the clock does not matter", command)?;
        self.account.note(command, &crate::session::Answer::Done(said));
        Ok(())
    }

    fn live(&mut self, life: u32, date: i64, jump: i64, tried: &mut Tried) -> Result<(), Stop> {
        tried.fault(&["F14"]);
        self.set(date)?;
        let mut session = Session::under(&self.wrapper(), &self.directory)?;
        self.done(&mut session, "open")?;
        if life == 0 {
            let small = "internal.segment.bytes=4096 index.interval.bytes=256";
            self.done(&mut session, &format!("create aged 1 {small} retention.ms=3600000"))?;
            self.done(&mut session, &format!("create plain 2 {small}"))?;
        }
        self.work(&mut session)?;
        self.set(date + jump)?;
        self.work(&mut session)?;
        self.done(&mut session, "retain")?;
        self.account.check(&look(&mut session, &[GROUP])?)?;
        tried.count("looks", 1);
        match self.random.bool() {
            true => self.done(&mut session, "close")?,
            false => session.kill(),
        }
        self.set(0)
    }

    /// Appends, commits an offset, lets retention look.
    fn work(&mut self, session: &mut Session) -> Result<(), Stop> {
        for _ in 0..3 {
            for (place, acks) in [("aged 0", "all"), ("plain 0", "1"), ("plain 1", "all")] {
                let value = self.deeds.value(900);
                self.done(session, &format!("append {place} {acks} {value}"))?;
            }
        }
        let end = self.account.acked_end("plain-1");
        let offset = self.random.i64(0..end);
        self.done(session, &format!("offset {GROUP} plain 1 {offset}"))?;
        self.done(session, "retain")?;
        self.done(session, "checkpoint")
    }
}

/// Looking for a time finds the first record of that time or later.
fn check_times(directory: &Path, tried: &mut Tried) -> Result<(), Stop> {
    let said = |what: String| Stop::Broken(format!("times: {what}"));
    let show = |from: &str, count: &str| -> Result<Vec<(i64, i64)>, Stop> {
        let verb = ["consume", "plain", "-p", "0", "-f", "%o %T\\n", "-o", from, "-c", count];
        let text = tool::run(directory, &verb).map_err(said)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.filter_map(|(o, t)| Some((o.parse().ok()?, t.parse().ok()?))).collect())
    };
    let all = show("beginning", "1000000")?;
    let times: Vec<i64> = all.iter().map(|(_, time)| *time).filter(|time| *time >= 0).collect();
    for time in times.iter().step_by(times.len() / 4 + 1) {
        for time in [*time, time + 1] {
            tried.count("times looked for", 1);
            let expected = all.iter().find(|(_, other)| *other >= time).map(|(offset, _)| *offset);
            let found = show(&format!("@{time}"), "1")?.first().map(|(offset, _)| *offset);
            if found != expected {
                return Err(said(format!("{time} is at {expected:?}, found {found:?}")));
            }
        }
    }
    Ok(())
}
