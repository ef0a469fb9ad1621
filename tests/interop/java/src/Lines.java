// Batches and records as lines that the Rust and the Python side print too:
//
// B base last count codec C|L maxTimestamp producerId producerEpoch baseSequence txn control
// R offset timestamp key value headers
//
// Bytes are lower-case hex, - is null and . is empty; headers are name=value,... or . for none.

import java.io.File;
import java.io.PrintStream;
import java.util.HexFormat;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.Records;
import org.apache.kafka.common.utils.Utils;

class Lines {
    static void print(String[] files) throws Exception {
        for (String file : files) {
            System.out.println("FILE " + file);
            try (FileRecords records = FileRecords.open(new File(file), false)) {
                print(records, System.out);
                long bytes = 0;
                for (RecordBatch batch : records.batches()) {
                    bytes += batch.sizeInBytes();
                }
                if (bytes != records.sizeInBytes()) {
                    throw new IllegalStateException(file + " has trailing bytes after " + bytes);
                }
            }
        }
    }

    static void print(Records records, PrintStream out) {
        for (RecordBatch batch : records.batches()) {
            batch.ensureValid();
            int count = 0;
            StringBuilder lines = new StringBuilder();
            for (Record record : batch) {
                record.ensureValid();
                lines.append(line(record)).append('\n');
                count++;
            }
            out.printf("B %d %d %d %s %s %d %d %d %d %s %s%n", batch.baseOffset(), batch.lastOffset(), count,
                batch.compressionType().name, batch.timestampType() == TimestampType.CREATE_TIME ? "C" : "L",
                batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(), batch.baseSequence(),
                batch.isTransactional(), batch.isControlBatch());
            out.print(lines);
        }
    }

    private static String line(Record record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(headers.isEmpty() ? "" : ",");
            headers.append(hex(header.key().getBytes(java.nio.charset.StandardCharsets.UTF_8)));
            headers.append('=').append(hex(header.value()));
        }
        return "R " + record.offset() + " " + record.timestamp()
            + " " + hex(record.hasKey() ? Utils.toArray(record.key()) : null)
            + " " + hex(record.hasValue() ? Utils.toArray(record.value()) : null)
            + " " + (headers.isEmpty() ? "." : headers);
    }

    static String hex(byte[] bytes) {
        if (bytes == null) {
            return "-";
        }
        return bytes.length == 0 ? "." : HexFormat.of().formatHex(bytes);
    }
}
