//! Members in async code: a task waits for records and for partitions alike.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use futures_core::Stream;
use ottla::{Broker, Consumer, ConsumerStream, TopicConfig};

use crate::world::{NOW, append};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

async fn next(stream: &mut ConsumerStream<'_>) -> Option<i64> {
    let mut stream = Pin::new(stream);
    let next = poll_fn(move |context| stream.as_mut().poll_next(context)).await;
    next.map(|record| record.unwrap().offset)
}

fn member(broker: &Broker) -> Consumer {
    broker.consumer().group("g").subscribe(["t"]).build().unwrap()
}

#[test]
fn a_task_is_woken_for_partitions_and_for_records() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new().partitions(1)).unwrap();
    for round in 0..20 {
        let mut first = member(&broker);
        first.poll(NOW).unwrap();
        assert_eq!(first.assignment().len(), 1);
        append(&broker, 0, round..round + 1);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let mut second = member(&broker);
                block_on(async {
                    let mut stream = second.stream();
                    let first = next(&mut stream).await.unwrap();
                    stream.consumer().commit().unwrap();
                    first
                })
            });
            std::thread::yield_now();
            first.close().unwrap();
            assert_eq!(second.join().unwrap(), round as i64);
        });
    }
}

#[test]
fn closing_the_broker_ends_a_stream() {
    let broker = Broker::in_memory().unwrap();
    broker.create_topic("t", TopicConfig::new().partitions(1)).unwrap();
    let mut consumer = member(&broker);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            block_on(async {
                let mut stream = consumer.stream();
                let mut results = Vec::new();
                while let Some(result) =
                    poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await
                {
                    results.push(result.map_err(|error| error.kind()));
                }
                results
            })
        });
        std::thread::yield_now();
        broker.close().unwrap();
        assert_eq!(reader.join().unwrap(), [Err(ottla::ErrorKind::Closed)]);
    });
}
