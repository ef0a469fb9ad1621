// Batches made by Kafka's record classes, one file per codec and kind: NAME.batch and, beside it,
// NAME.lines with what a reader must find.

import java.io.File;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.RecordBatch;

class Write {
    private static final long START = 1_700_000_000_000L;

    static void everything(File directory) throws Exception {
        directory.mkdirs();
        for (CompressionType type : CompressionType.values()) {
            Compression compression = Compression.of(type).build();
            file(directory, type.name + "-plain", plain(compression, 0L));
            file(directory, type.name + "-many", many(compression));
            file(directory, type.name + "-odd", odd(compression));
            file(directory, type.name + "-random", random(compression));
            file(directory, type.name + "-appendtime", appendTime(compression));
            file(directory, type.name + "-producer", producer(compression));
            file(directory, type.name + "-gaps", gaps(compression));
        }
        file(directory, "control", MemoryRecords.withEndTransactionMarker(77L, START, -1, 2000L, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 9)));
        for (byte magic = 0; magic < 2; magic++) {
            for (CompressionType type : new CompressionType[] {
                CompressionType.NONE, CompressionType.GZIP, CompressionType.SNAPPY, CompressionType.LZ4}) {
                file(directory, "legacy" + magic + "-" + type.name, legacy(magic, Compression.of(type).build()));
            }
        }
    }

    static MemoryRecords plain(Compression compression, long base) {
        MemoryRecordsBuilder builder = builder(compression, base);
        for (int i = 0; i < 100; i++) {
            builder.append(START + i, ("key-" + i % 7).getBytes(), ("value number " + i).getBytes());
        }
        return builder.build();
    }

    private static MemoryRecords many(Compression compression) {
        MemoryRecordsBuilder builder = builder(compression, 0L);
        for (int i = 0; i < 20_000; i++) {
            builder.append(START + i / 3, null, ("{\"id\":" + i + ",\"name\":\"burger\"}").getBytes());
        }
        return builder.build();
    }

    private static MemoryRecords odd(Compression compression) {
        MemoryRecordsBuilder builder = builder(compression, Integer.MAX_VALUE + 10L);
        Header[] headers = {new RecordHeader("a", new byte[0]), new RecordHeader("a", (byte[]) null),
            new RecordHeader("", "v".getBytes()), new RecordHeader("long", new byte[300])};
        builder.append(START, (byte[]) null, null);
        builder.append(START - 5_000, new byte[0], new byte[0]);
        builder.append(START + 86_400_000L * 365, new byte[200], new byte[] {0, 1, -1}, headers);
        builder.append(0L, "k".getBytes(), null, new Header[] {new RecordHeader("h", new byte[] {7})});
        return builder.build();
    }

    private static MemoryRecords random(Compression compression) {
        Random random = new Random(42);
        MemoryRecordsBuilder builder = builder(compression, 5L);
        for (int i = 0; i < 40; i++) {
            byte[] value = new byte[random.nextInt(40_000)];
            random.nextBytes(value);
            builder.append(START + i, null, value);
        }
        return builder.build();
    }

    private static MemoryRecords appendTime(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), RecordBatch.MAGIC_VALUE_V2,
            compression, TimestampType.LOG_APPEND_TIME, 3L, START + 99);
        for (int i = 0; i < 10; i++) {
            builder.append(START + i, "k".getBytes(), ("v" + i).getBytes());
        }
        return builder.build();
    }

    private static MemoryRecords producer(Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), RecordBatch.MAGIC_VALUE_V2,
            compression, TimestampType.CREATE_TIME, 1000L, RecordBatch.NO_TIMESTAMP, 4711L, (short) 12,
            Integer.MAX_VALUE - 2, true, 6);
        for (int i = 0; i < 10; i++) {
            builder.append(START + i, "k".getBytes(), ("v" + i).getBytes());
        }
        return builder.build();
    }

    private static MemoryRecords gaps(Compression compression) {
        MemoryRecordsBuilder builder = builder(compression, 10L);
        for (int i = 0; i < 50; i += 1 + i % 4) {
            builder.appendWithOffset(10L + i, START + i, ("k" + i).getBytes(), ("v" + i).getBytes());
        }
        return builder.build();
    }

    private static MemoryRecords legacy(byte magic, Compression compression) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), magic, compression,
            TimestampType.CREATE_TIME, 20L);
        for (int i = 0; i < 10; i++) {
            builder.append(magic == 0 ? RecordBatch.NO_TIMESTAMP : START + i, i == 3 ? null : ("k" + i).getBytes(),
                i == 4 ? null : ("value " + i).getBytes());
        }
        return builder.build();
    }

    private static MemoryRecordsBuilder builder(Compression compression, long base) {
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 16), compression, TimestampType.CREATE_TIME, base);
    }

    private static void file(File directory, String name, MemoryRecords records) throws Exception {
        try (FileChannel channel = FileChannel.open(new File(directory, name + ".batch").toPath(),
            StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            records.writeFullyTo(channel);
        }
        try (PrintStream lines = new PrintStream(new File(directory, name + ".lines"))) {
            Lines.print(records, lines);
        }
    }
}
