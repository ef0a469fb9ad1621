//! Topics that are made: what the model notes of them, also of those whose making failed.

use ottla::{Broker, TopicConfig};

use crate::model::{PartitionModel, Span, TopicModel};
use crate::run::Run;
use crate::streams::INDEXED;
use crate::workload::NAMES;

impl Run {
    /// Makes a topic unless it is there.
    pub fn create(
        &mut self,
        broker: &Broker,
        name: &str,
        partitions: i32,
        (segment_bytes, policy): (u32, &str),
    ) -> Result<(), String> {
        if broker.describe_topic(name).is_ok() {
            return Ok(());
        }
        let config = TopicConfig::new()
            .partitions(partitions)
            .set("internal.segment.bytes", &segment_bytes.to_string())
            .and_then(|config| config.set("index.interval.bytes", "150"))
            .and_then(|config| config.set("cleanup.policy", policy))
            .map(|config| config.key_index(name == NAMES[INDEXED]))
            .map_err(|e| e.to_string())?;
        let mut span = Span::begun(self.at());
        self.settle_failed_creations(name);
        let outcome = broker.create_topic(name, config);
        let id = match outcome {
            Ok(description) => {
                span.acked = Some(self.at());
                Some(description.id)
            }
            Err(error) => {
                self.note_partial(error, &mut span)?;
                None
            }
        };
        if span.refused.is_some() {
            return Ok(());
        }
        self.model.topics.push(TopicModel {
            name: name.to_owned(),
            id,
            created: span,
            deleted: None,
            compacted: policy != "delete",
            deletes: policy != "compact",
            partitions: (0..partitions).map(|_| PartitionModel::new(span)).collect(),
            settings: Vec::new(),
        });
        Ok(())
    }

    /// A living broker does not have the topic: the creations of it that failed came to nothing.
    fn settle_failed_creations(&mut self, name: &str) {
        let at = self.at();
        let failed = |topic: &&mut TopicModel| topic.name == name && topic.id.is_none();
        if !self.poisoned {
            for topic in self.model.topics.iter_mut().filter(failed) {
                topic.created.refused = topic.created.refused.or(Some(at));
            }
        }
    }
}
