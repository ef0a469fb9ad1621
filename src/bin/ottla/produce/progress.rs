//! A progress bar on standard error, when that is a terminal.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// How far reading has come.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    records: u64,
    /// Records at the last update of the bar's text.
    shown: u64,
}

/// The bar's text is made anew after this many records.
const RECORDS_PER_UPDATE: u64 = 1000;

impl Progress {
    /// Starts a bar; none where nobody sees it, or where it would mix with acks on the terminal.
    pub(super) fn start(prints_acks: bool) -> Progress {
        let hidden = !io::stderr().is_terminal() || (prints_acks && io::stdout().is_terminal());
        let bar = match (hidden, input_bytes()) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(bytes)) => ProgressBar::new(bytes)
                .with_style(style("{wide_bar} {percent}% {msg} {bytes_per_sec} {eta}")),
            (false, None) => ProgressBar::no_length()
                .with_style(style("{spinner} {bytes} {msg} {bytes_per_sec} {elapsed}")),
        };
        Progress { bar, records: 0, shown: 0 }
    }

    /// So many more bytes were read.
    pub(super) fn read(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
    }

    /// One more record was written.
    pub(super) fn record(&mut self) {
        self.records += 1;
        if self.records - self.shown >= RECORDS_PER_UPDATE && !self.bar.is_hidden() {
            self.shown = self.records;
            self.bar.set_message(format!("{} records", self.records));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The bytes of standard input, if it is a file.
fn input_bytes() -> Option<u64> {
    let stat = rustix::fs::fstat(io::stdin()).ok()?;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    if is_file { u64::try_from(stat.st_size).ok() } else { None }
}
