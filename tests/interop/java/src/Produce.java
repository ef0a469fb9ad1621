// Appends batches of an idempotent producer to one partition of a cleanly closed directory, as a broker would
// take them from a client, and says of each where it is or how it was refused.

import java.io.File;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.UnifiedLog;

class Produce {
    static void batches(File root, String name, long id, List<String> batches) throws Exception {
        TopicPartition partition = UnifiedLog.parseTopicPartitionName(new File(root, name));
        Map<TopicPartition, Long> starts = Load.checkpoint(new File(root, "log-start-offset-checkpoint"));
        Map<TopicPartition, Long> points = Load.checkpoint(new File(root, "recovery-point-offset-checkpoint"));
        new CleanShutdownFileHandler(root.getPath()).delete();
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        UnifiedLog log = Load.open(new File(root, name), starts.getOrDefault(partition, 0L),
            points.getOrDefault(partition, 0L), scheduler);
        for (String batch : batches) {
            String[] words = batch.split(":");
            SimpleRecord[] records = new SimpleRecord[Integer.parseInt(words[2])];
            for (int index = 0; index < records.length; index++) {
                records[index] = new SimpleRecord(("of Kafka " + batch + " " + index).getBytes());
            }
            MemoryRecords made = MemoryRecords.withIdempotentRecords(0L, Compression.NONE, id,
                Short.parseShort(words[0]), Integer.parseInt(words[1]), -1, records);
            try {
                System.out.println("AT " + log.appendAsLeader(made, log.latestEpoch().orElse(0)).firstOffset());
            } catch (ApiException refused) {
                System.out.println("REFUSED " + refused.getClass().getSimpleName());
            }
        }
        log.updateHighWatermark(log.logEndOffset());
        log.flush(true);
        points.put(partition, log.logEndOffset());
        scheduler.shutdown();
        log.close();
        new OffsetCheckpointFile(new File(root, "recovery-point-offset-checkpoint"), null).write(points);
        new OffsetCheckpointFile(new File(root, "replication-offset-checkpoint"), null).write(points);
        new CleanShutdownFileHandler(root.getPath()).write(7);
    }
}
