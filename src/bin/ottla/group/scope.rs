//! Which partitions are meant: `--topic orders` or `--topic orders:0,2`.

use std::collections::BTreeSet;
use std::str::FromStr;

use ottla::{Broker, OffsetScope, TopicName, TopicPartition};

use crate::exit::Failure;

/// A topic, or some of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicScope {
    topic: TopicName,
    /// None: all.
    partitions: Option<Vec<i32>>,
}

impl FromStr for TopicScope {
    type Err = String;

    fn from_str(text: &str) -> Result<TopicScope, String> {
        let (name, partitions) = match text.split_once(':') {
            None => (text, None),
            Some((name, list)) => {
                let numbers = list.split(',').map(|number| number.parse::<i32>().ok());
                let numbers: Option<Vec<i32>> = numbers.collect();
                let why = "partitions are written orders:0,2";
                (name, Some(numbers.ok_or_else(|| why.to_owned())?))
            }
        };
        let topic = TopicName::new(name).map_err(|error| error.to_string())?;
        Ok(TopicScope { topic, partitions })
    }
}

/// All that is meant, each partition once.
pub(crate) fn partitions_of(
    broker: &Broker,
    topics: &[TopicScope],
) -> Result<OffsetScope, Failure> {
    let mut partitions = BTreeSet::new();
    for scope in topics {
        let numbers = match &scope.partitions {
            Some(numbers) => numbers.clone(),
            None => {
                let topic = broker.describe_topic(scope.topic.as_str())?;
                topic.partitions.iter().map(|partition| partition.partition).collect()
            }
        };
        let named = |number| TopicPartition::new(scope.topic.clone(), number);
        partitions.extend(numbers.into_iter().map(named));
    }
    Ok(OffsetScope::Partitions(partitions.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_name_some_of_its_partitions() {
        let all: TopicScope = "orders".parse().unwrap();
        assert_eq!((all.topic.as_str(), all.partitions), ("orders", None));
        let some: TopicScope = "orders:0,2".parse().unwrap();
        assert_eq!(some.partitions, Some(vec![0, 2]));
        for bad in ["", "orders:", "orders:a", "orders:1,", "a b", "a:b:1"] {
            assert!(bad.parse::<TopicScope>().is_err(), "{bad}");
        }
    }
}
