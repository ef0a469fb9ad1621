//! Polls that wait: for records, for enough of them, for paused partitions, and in async code.

#![expect(clippy::disallowed_methods, reason = "what waits in real time is tested in real time")]

use std::time::{Duration, Instant};

use super::{NOW, World, drain, numbers};
use crate::consumer::Consumer;

const LONG: Duration = Duration::from_secs(600);

#[test]
fn paused_partitions_are_passed_by_and_lose_nothing() {
    let world = World::new(2);
    for partition in 0..2 {
        world.append(partition, partition * 10..partition * 10 + 10);
    }
    let mut consumer = world.builder().max_poll_records(4).build().unwrap();
    assert_eq!(numbers(&consumer.poll(NOW).unwrap()), [0, 1, 2, 3]);
    consumer.pause([("t", 0)]).unwrap();
    assert_eq!(consumer.paused(), [consumer.assignment()[0].clone()]);
    assert_eq!(drain(&mut consumer), (10..20).collect::<Vec<_>>());
    world.append(0, 10..12);
    assert!(consumer.poll(Duration::from_millis(5)).unwrap().is_empty(), "nor does it wake");
    assert_eq!(consumer.position("t", 0).unwrap(), 4);
    consumer.resume(consumer.assignment()).unwrap();
    assert!(consumer.paused().is_empty());
    assert_eq!(drain(&mut consumer), (4..12).collect::<Vec<_>>());
    // All or none.
    assert!(consumer.pause([("t", 0), ("t", 7)]).is_err());
    assert!(consumer.paused().is_empty());
    consumer.pause([("t", 0)]).unwrap();
    consumer.assign([("t", 0)]).unwrap();
    assert_eq!(consumer.paused().len(), 1, "an assignment that stays, stays paused");
}

#[test]
fn few_bytes_wait_for_more_but_not_for_ever() {
    let world = World::new(2);
    let mut consumer = world.builder();
    for (name, value) in [("fetch.min.bytes", "500"), ("fetch.max.wait.ms", "40")] {
        consumer = consumer.set(name, value);
    }
    let mut consumer = consumer.build().unwrap();
    let start = Instant::now();
    assert!(consumer.poll(Duration::from_millis(5)).unwrap().is_empty());
    world.append(0, 0..1);
    assert!(consumer.poll(NOW).unwrap().is_empty(), "too few");
    assert_eq!(numbers(&consumer.poll(LONG).unwrap()), [0]);
    assert!(start.elapsed() >= Duration::from_millis(40));

    // Enough in two partitions together is enough.
    let mut consumer = world.builder();
    for (name, value) in [("fetch.min.bytes", "500"), ("fetch.max.wait.ms", "600000")] {
        consumer = consumer.set(name, value);
    }
    let mut consumer = consumer.build().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| consumer.poll(LONG).unwrap().len());
        let size = world.partition(0).size_bytes();
        let mut appended = 1;
        while !waiter.is_finished() {
            world.append(appended % 2, appended..appended + 1);
            appended += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        let needed = 500_u64.div_ceil(size + 2) as usize;
        assert!(waiter.join().unwrap() >= needed);
    });
}

#[test]
fn a_spinning_poll_finds_what_comes_and_gives_up_in_time() {
    let world = World::new(1);
    let builder = world.builder().poll_spin(Duration::from_millis(20));
    let mut consumer = builder.build().unwrap();
    let start = Instant::now();
    assert!(consumer.poll(Duration::from_millis(2)).unwrap().is_empty());
    assert!(start.elapsed() < Duration::from_secs(5));
    for round in 0..20 {
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| consumer.poll(LONG).unwrap());
            if round % 4 == 0 {
                // Beyond the spinning.
                std::thread::sleep(Duration::from_millis(30));
            }
            world.append(0, round..round + 1);
            assert_eq!(numbers(&waiter.join().unwrap()), [round]);
        });
    }
    let metrics = consumer.metrics();
    assert_eq!((metrics.records, metrics.polls), (20, 21));
    assert_eq!(metrics.bytes, world.partition(0).size_bytes());
    assert!(metrics.time_blocked >= Duration::from_millis(2));
}

#[test]
fn an_iterator_goes_on_without_end_and_its_position_is_exact() {
    let world = World::new(1);
    world.append(0, 0..5);
    let mut consumer = world.consumer();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Vec::new();
            let mut records = consumer.records();
            while let Some(record) = records.next() {
                let record = record.unwrap();
                assert_eq!(records.consumer().position("t", 0).unwrap(), record.offset + 1);
                seen.push(record.offset);
                if seen.len() == 8 {
                    break;
                }
            }
            seen
        });
        std::thread::sleep(Duration::from_millis(5));
        world.append(0, 5..8);
        assert_eq!(reader.join().unwrap(), (0..8).collect::<Vec<_>>());
    });
}

#[test]
fn a_consumer_goes_from_thread_to_thread() {
    fn is_send<T: Send>() {}
    is_send::<Consumer>();
}

#[cfg(feature = "async")]
mod tasks {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread::Thread;

    use futures_core::Stream;

    use super::{LONG, World, numbers};
    use crate::consumer::stream::ConsumerStream;

    /// A task that is woken by unparking its thread.
    struct Unpark(Thread, AtomicUsize);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.unpark();
        }
    }

    fn task() -> (Arc<Unpark>, Waker) {
        let task = Arc::new(Unpark(std::thread::current(), AtomicUsize::new(0)));
        (Arc::clone(&task), Waker::from(task))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let (_, waker) = task();
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            std::thread::park_timeout(LONG);
        }
    }

    async fn next(stream: &mut ConsumerStream<'_>) -> i64 {
        let mut stream = Pin::new(stream);
        let next = std::future::poll_fn(move |context| stream.as_mut().poll_next(context));
        next.await.unwrap().unwrap().offset
    }

    #[test]
    fn a_stream_is_woken_by_what_is_published() {
        let world = World::new(2);
        let mut consumer = world.consumer();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                block_on(async {
                    let mut stream = consumer.stream();
                    let mut seen = Vec::new();
                    for _ in 0..50 {
                        seen.push(next(&mut stream).await);
                        stream.consumer().paused();
                    }
                    seen
                })
            });
            for round in 0..50 {
                if round % 5 == 0 {
                    std::thread::yield_now();
                }
                world.append(0, round..round + 1);
            }
            assert_eq!(reader.join().unwrap(), (0..50).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_dropped_call_wakes_nobody_and_loses_nothing() {
        let world = World::new(1);
        let mut consumer = world.consumer();
        let (task, waker) = task();
        let mut future = consumer.poll_async();
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        drop(future);
        world.append(0, 0..3);
        assert_eq!(task.1.load(Ordering::SeqCst), 0);
        assert_eq!(numbers(&block_on(consumer.poll_async()).unwrap()), [0, 1, 2]);

        let mut future = consumer.poll_async();
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        world.append(0, 3..4);
        world.append(0, 4..5);
        assert_eq!(task.1.load(Ordering::SeqCst), 1, "once is enough");
        drop(future);
        assert_eq!(numbers(&block_on(consumer.poll_async()).unwrap()), [3, 4]);
    }
}
