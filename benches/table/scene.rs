//! What several rows need before they can measure: a broker with one topic, threads that start
//! at the same moment.

use std::path::Path;
use std::sync::Barrier;
use std::thread;

use ottla::{Broker, Compression, TopicConfig};

use crate::measure::rate_of;

/// A broker with the topic `bench`, whose batches are not compressed.
pub fn open(path: &Path, partitions: i32) -> Broker {
    with_topic(Broker::open(path).expect("open"), partitions)
}

/// The same without the maintenance thread, where nothing is to happen beside the measured work.
pub fn open_alone(path: &Path, partitions: i32) -> Broker {
    with_topic(Broker::options().background(false).open(path).expect("open"), partitions)
}

fn with_topic(broker: Broker, partitions: i32) -> Broker {
    let config = TopicConfig::new().partitions(partitions).compression(Compression::None);
    broker.create_topic("bench", config).expect("create");
    broker
}

/// Starts the threads, lets them go at the same moment, and times until the last is done: how many
/// of the `things` per second they did together.
pub fn together(threads: usize, things: u64, work: impl Fn(usize) + Sync) -> f64 {
    let barrier = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(thread);
                })
            })
            .collect();
        rate_of(things, || {
            barrier.wait();
            running.into_iter().for_each(|thread| thread.join().expect("no panic"));
        })
    })
}
