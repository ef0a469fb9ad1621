//! A wall clock that jumps, back and far ahead, between any two deeds of every script: offsets and
//! durability are what they are without; and retention deletes nothing because of a jump.

use std::time::Duration;

use ottla::env::sim::SimEnv;
use ottla::{Acks, Broker, Message, TopicConfig};
use ottla_proof::Evidence;
use ottla_simulation::run::options;

use crate::outcomes::hold_everywhere;
use crate::scenarios::scenarios;
use crate::script::prepare;
use crate::short::{all, must};

/// 1970, the year before, an hour ago, in a month, in a century.
const JUMPS_MS: [i64; 5] =
    [-1_767_225_600_000, -31_536_000_000, -3_600_000, 2_592_000_000, 3_153_600_000_000];

#[test]
fn a_clock_that_jumps_breaks_no_promise() {
    let evidence = Evidence::of("errors", "wall clocks that jump");
    let mut tried = 0;
    for (number, scenario) in scenarios().iter().enumerate() {
        for (index, jump) in JUMPS_MS.into_iter().enumerate() {
            if !all() && (number + index) % JUMPS_MS.len() != 0 {
                continue;
            }
            let outcome = (|| {
                let mut run = prepare(scenario)?;
                let clock = std::sync::Arc::clone(&run.world.clock);
                for (step, deed) in scenario.deeds.iter().enumerate() {
                    let now = ottla::env::clock::Clock::wall_ms(&*clock);
                    let by = if step % 2 == 0 { jump } else { -jump / 2 };
                    clock.set_wall_ms(now.saturating_add(by).max(0));
                    deed.perform(&mut run)?;
                }
                hold_everywhere(&mut run)
            })();
            must(outcome.map_err(|broken: String| {
                format!("F14: {broken}\nin \"{}\", the clock jumps by {jump} ms", scenario.name)
            }));
            tried += 1;
        }
    }
    evidence.count("runs", tried).fault("F14", tried, 0).tell();
}

/// A broker with one record, of which a day is kept; an hour has passed since.
fn one_record(world: &SimEnv) -> Broker {
    let broker = options().open_in(world.env()).expect("it opens");
    let config = TopicConfig::new().set("retention.ms", "86400000").expect("a setting");
    broker.create_topic("apples", config).expect("it is made");
    let apples = broker.partition("apples", 0).expect("it is there");
    apples.append(&[Message::new("one")], Acks::All).expect("it appends");
    world.clock.advance(Duration::from_secs(3_600));
    broker
}

/// Records of an hour stay, though the clock says that five years have gone: in the session in which
/// it jumps, and in the next one. Where two days have passed they go.
#[test]
fn retention_deletes_nothing_because_the_clock_jumped() {
    let evidence = Evidence::of("errors", "retention under a clock that jumped");
    let world = SimEnv::new(1);
    let broker = one_record(&world);
    world.clock.advance(Duration::from_secs(2 * 86_400));
    assert_eq!(broker.run_retention().expect("it looks").len(), 1, "it is time");
    for reopen in [false, true] {
        let world = SimEnv::new(1);
        let broker = one_record(&world);
        if reopen {
            broker.close().expect("it closes");
        }
        let now = ottla::env::clock::Clock::wall_ms(&*world.clock);
        world.clock.set_wall_ms(now + 5 * 31_536_000_000);
        let broker =
            if reopen { options().open_in(world.env()).expect("it opens") } else { broker };
        let deleted = broker.run_retention().expect("it looks");
        must(if deleted.is_empty() {
            Ok(())
        } else {
            Err(format!("F14: retention deletes because the clock jumped: {deleted:?}"))
        });
    }
    evidence.count("runs", 2).fault("F14", 2, 0).tell();
}
