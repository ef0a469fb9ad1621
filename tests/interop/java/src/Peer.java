// The Java side of tests/interop_java.rs: Kafka's own classes behind a few verbs.
//
// dump DIRECTORY        runs DumpLogSegments in all its modes over every file of a log directory
// records FILE...       prints batches and records of .log or batch files, checksums verified
// write DIRECTORY       writes batches in every codec and kind, beside each the lines of `records`
// load DIRECTORY        opens each partition as a broker would after a clean shutdown, and reads it
// extend DIRECTORY      the same, appends a batch of each codec, rolls once and closes cleanly
// produce DIRECTORY PARTITION ID EPOCH:SEQUENCE:COUNT...
//                       opens one partition of it, appends these batches of a producer, closes cleanly
// lock DIRECTORY        holds .lock as a broker does until standard input ends

import java.io.File;
import java.util.Arrays;

public class Peer {
    public static void main(String[] args) throws Exception {
        String[] rest = Arrays.copyOfRange(args, 1, args.length);
        switch (args[0]) {
            case "dump" -> Dump.directory(new File(rest[0]));
            case "records" -> Lines.print(rest);
            case "write" -> Write.everything(new File(rest[0]));
            case "load" -> Load.directory(new File(rest[0]), false);
            case "extend" -> Load.directory(new File(rest[0]), true);
            case "produce" -> Produce.batches(new File(rest[0]), rest[1], Long.parseLong(rest[2]),
                Arrays.asList(rest).subList(3, rest.length));
            case "lock" -> Lock.hold(new File(rest[0]));
            default -> throw new IllegalArgumentException("unknown verb " + args[0]);
        }
        System.out.flush();
        // Metrics and scheduler threads of Kafka's classes must not keep the process.
        System.exit(0);
    }
}
