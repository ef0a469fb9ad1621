//! `ottla verify`: reads and checks everything, changes nothing.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use ottla::{Error, VerifyOptions, VerifyReport};
use serde_json::{Value, json};

use crate::arguments::{Arguments, Verify};
use crate::directory;
use crate::exit::Failure;
use crate::info::report_json;

/// Runs the verb. What is wrong is printed, and ends it as found corruption does.
pub(crate) fn run(
    arguments: &Arguments,
    verify: &Verify,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let bar = progress_bar();
    let shown = bar.clone();
    let options = VerifyOptions::new().on_progress(move |done, total| {
        shown.set_length(total);
        shown.set_position(done);
    });
    let report = ottla::verify(directory::path(arguments)?, &options);
    bar.finish_and_clear();
    let report = report?;
    if verify.json {
        writeln!(out, "{}", as_json(&report))?;
    } else {
        print_text(&report, out)?;
    }
    let errors: Vec<&Error> = report.all_errors().collect();
    match errors.as_slice() {
        [] => Ok(()),
        [error] => Err(Failure::Corrupt(error.to_string())),
        [error, others @ ..] => {
            Err(Failure::Corrupt(format!("{error}, and {} more errors", others.len())))
        }
    }
}

/// A bar on standard error, when that is a terminal.
pub(crate) fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{wide_bar} {percent}% {bytes_per_sec} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print_text(report: &VerifyReport, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}", report.recovery)?;
    for partition in &report.partitions {
        writeln!(
            out,
            "{} segments: {} batches: {} records: {} bytes: {} errors: {}",
            partition.partition,
            partition.segments,
            partition.batches,
            partition.records,
            partition.bytes,
            partition.errors.len()
        )?;
    }
    for error in report.all_errors() {
        writeln!(out, "error: {error}")?;
    }
    Ok(())
}

fn as_json(report: &VerifyReport) -> Value {
    let partitions: Vec<Value> = report
        .partitions
        .iter()
        .map(|partition| {
            json!({
                "topic": partition.partition.topic.as_str(),
                "partition": partition.partition.partition,
                "segments": partition.segments,
                "batches": partition.batches,
                "records": partition.records,
                "bytes": partition.bytes,
                "errors": partition.errors.iter().map(error_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "sound": report.is_sound(),
        "partitions": partitions,
        "errors": report.errors.iter().map(error_json).collect::<Vec<_>>(),
        "recovery": report_json(&report.recovery),
    })
}

fn error_json(error: &Error) -> Value {
    json!({
        "message": error.to_string(),
        "partition": error.partition().map(|(topic, number)| format!("{topic}-{number}")),
        "file": error.file(),
        "position": error.position(),
    })
}
