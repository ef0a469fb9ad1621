//! Conditional appends that succeed, beside the same appends without a condition: what asking
//! costs. Both sides append one record of 100 bytes a call from one thread.

use ottla::{Acks, Message};

use crate::baseline::corpus::Payloads;
use crate::measure::{Side, interleaved, rate_of};
use crate::report::Row;
use crate::scene::{open, open_alone};
use crate::settings::Settings;

pub fn append(settings: &Settings) -> Vec<Row> {
    let written = (28 << 20) / 100;
    vec![
        row(settings, "conditional append, 1 x 100 B a call, acks=1", Acks::Leader, written),
        row(settings, "  the same, acks=all", Acks::All, settings.durable_ops),
    ]
}

fn row(settings: &Settings, work: &str, acks: Acks, calls: usize) -> Row {
    let mut sides: Vec<Side<'_>> = [false, true]
        .map(|asks| -> Side<'_> { Box::new(move || one_thread(settings, acks, calls, asks)) })
        .into();
    let rounds = interleaved(settings.rounds * 2, &mut sides);
    Row::of_rates(work, &rounds, 1, 0, Some(0.9))
}

fn one_thread(settings: &Settings, acks: Acks, calls: usize, asks: bool) -> f64 {
    let payloads = Payloads::random(1000, 100);
    let records = payloads.records();
    let scratch = settings.scratch();
    let broker = match acks {
        Acks::All => open_alone(scratch.path(), 1),
        _ => open(scratch.path(), 1),
    };
    let mut appender = broker.partition("bench", 0).expect("partition").appender(acks);
    // The first commit makes the journal.
    let mut end = appender.append(&[Message::new(records[0])]).expect("append").last_offset + 1;
    let rate = rate_of(calls as u64, || {
        for call in 0..calls {
            let message = [Message::new(records[call % records.len()])];
            let appender = if asks { appender.expect_end(end) } else { &mut appender };
            end = appender.append(&message).expect("the end is known").last_offset + 1;
        }
    });
    drop(appender);
    broker.close().expect("close");
    rate
}
