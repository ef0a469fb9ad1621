// Opens every partition of a cleanly closed directory with Kafka's UnifiedLog, as a broker would, and
// says what it found. Nothing may need a recovery; whether a file was rewritten is the caller's to see.

import java.io.BufferedReader;
import java.io.File;
import java.io.FileReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.storage.log.FetchIsolation;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

class Load {
    static void directory(File root, boolean extend) throws Exception {
        if (!new File(root, ".kafka_cleanshutdown").exists()) {
            throw new IllegalStateException("no .kafka_cleanshutdown in " + root);
        }
        Map<TopicPartition, Long> starts = checkpoint(new File(root, "log-start-offset-checkpoint"));
        Map<TopicPartition, Long> points = checkpoint(new File(root, "recovery-point-offset-checkpoint"));
        if (extend) {
            new CleanShutdownFileHandler(root.getPath()).delete();
        }
        List<UnifiedLog> logs = new ArrayList<>();
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        for (File directory : Dump.sorted(root)) {
            // The metadata log is the controller's; its loader is another.
            if (!directory.isDirectory() || directory.getName().startsWith("__cluster_metadata")) {
                continue;
            }
            TopicPartition partition = UnifiedLog.parseTopicPartitionName(directory);
            UnifiedLog log = open(directory, starts.getOrDefault(partition, 0L), points.getOrDefault(partition, 0L),
                scheduler);
            describe(partition, log, points.get(partition));
            if (extend && !directory.getName().startsWith("__")) {
                extend(log);
                points.put(partition, log.logEndOffset());
                System.out.println("EXTENDED " + partition + " to " + log.logEndOffset());
            }
            logs.add(log);
        }
        // The scheduler syncs rolled segments in the background.
        scheduler.shutdown();
        for (UnifiedLog log : logs) {
            log.close();
        }
        if (extend) {
            new OffsetCheckpointFile(new File(root, "recovery-point-offset-checkpoint"), null).write(points);
            new OffsetCheckpointFile(new File(root, "replication-offset-checkpoint"), null).write(points);
            new CleanShutdownFileHandler(root.getPath()).write(7);
        }
    }

    static UnifiedLog open(File directory, long start, long recoveryPoint, KafkaScheduler scheduler) throws Exception {
        Map<String, String> settings = new HashMap<>();
        settings.put("retention.ms", "-1");
        return UnifiedLog.create(directory, new LogConfig(settings), start, recoveryPoint, scheduler,
            new BrokerTopicStats(), Time.SYSTEM, 900_000, new ProducerStateManagerConfig(86_400_000, false), 600_000,
            new LogDirFailureChannel(10), true, Optional.empty());
    }

    private static void describe(TopicPartition partition, UnifiedLog log, Long recoveryPoint) throws Exception {
        List<Long> bases = new ArrayList<>();
        for (LogSegment segment : log.logSegments()) {
            bases.add(segment.baseOffset());
        }
        System.out.println("PARTITION " + partition + " " + log.logStartOffset() + " " + log.logEndOffset() + " "
            + recoveryPoint + " " + log.topicId().map(Object::toString).orElse("-") + " segments " + bases);
        System.out.println("EPOCHS " + log.leaderEpochCache().epochEntries());
        long offset = log.logStartOffset();
        while (offset < log.logEndOffset()) {
            FetchDataInfo info = log.read(offset, 1 << 20, FetchIsolation.LOG_END, true);
            long before = offset;
            for (var batch : info.records.batches()) {
                offset = batch.nextOffset();
            }
            Lines.print(info.records, System.out);
            if (offset == before) {
                throw new IllegalStateException(partition + " cannot be read at " + offset);
            }
        }
        for (long timestamp : new long[] {0L, 1_700_000_000_500L, 1_700_000_001_001L, Long.MAX_VALUE}) {
            var found = log.fetchOffsetByTimestamp(timestamp, Optional.empty()).timestampAndOffsetOpt();
            System.out.println("TIME " + timestamp + " " + found.map(hit -> hit.offset + " " + hit.timestamp).orElse("-"));
        }
    }

    private static void extend(UnifiedLog log) throws Exception {
        int epoch = log.latestEpoch().orElse(0);
        for (CompressionType type : CompressionType.values()) {
            log.appendAsLeader(Write.plain(Compression.of(type).build(), 0L), epoch);
            if (type == CompressionType.SNAPPY) {
                log.updateHighWatermark(log.logEndOffset());
                log.roll();
            }
        }
        log.updateHighWatermark(log.logEndOffset());
        log.flush(true);
    }

    static Map<TopicPartition, Long> checkpoint(File file) throws Exception {
        Map<TopicPartition, Long> offsets = new HashMap<>();
        try (BufferedReader reader = new BufferedReader(new FileReader(file))) {
            List<String> lines = reader.lines().toList();
            if (!lines.get(0).equals("0") || Integer.parseInt(lines.get(1)) != lines.size() - 2) {
                throw new IllegalStateException(file + " is no checkpoint: " + lines);
            }
            for (String line : lines.subList(2, lines.size())) {
                String[] words = line.split(" ");
                offsets.put(new TopicPartition(words[0], Integer.parseInt(words[1])), Long.parseLong(words[2]));
            }
        }
        return offsets;
    }
}
