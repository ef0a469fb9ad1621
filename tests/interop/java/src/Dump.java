// DumpLogSegments in all its modes, in one process. What it prints is passed on, each run headed by
// "RUN <mode> <file>", each line of standard error headed by "STDERR ". Judging is the caller's.

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.tools.DumpLogSegments;

class Dump {
    static void directory(File directory) throws Exception {
        for (File file : sorted(directory)) {
            if (file.isDirectory()) {
                for (File inner : sorted(file)) {
                    file(inner, decoderOf(file.getName()));
                }
            } else if (file.getName().endsWith(".checkpoint")) {
                run("decoder", file, "--cluster-metadata-decoder");
            }
        }
    }

    private static void file(File file, String decoder) {
        String name = file.getName();
        if (name.endsWith(".log")) {
            run("shallow", file);
            run("deep", file, "--deep-iteration");
            run(decoder == null ? "print" : "decoder", file, decoder == null ? "--print-data-log" : decoder);
        } else if (name.endsWith(".index") || name.endsWith(".timeindex")) {
            run("index", file);
            run("sanity", file, "--index-sanity-check");
            run("verify", file, "--verify-index-only");
        } else if (name.endsWith(".snapshot") || name.endsWith(".txnindex")) {
            run("state", file);
        } else if (name.endsWith(".checkpoint")) {
            run("decoder", file, "--cluster-metadata-decoder");
        }
    }

    private static String decoderOf(String directory) {
        if (directory.startsWith("__cluster_metadata-")) {
            return "--cluster-metadata-decoder";
        } else if (directory.startsWith("__consumer_offsets-")) {
            return "--offsets-decoder";
        } else if (directory.startsWith("__transaction_state-")) {
            return "--transaction-log-decoder";
        }
        return null;
    }

    private static void run(String mode, File file, String... options) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        ByteArrayOutputStream complained = new ByteArrayOutputStream();
        System.setOut(new PrintStream(said, true));
        System.setErr(new PrintStream(complained, true));
        String thrown = null;
        try {
            List<String> arguments = Stream.concat(Arrays.stream(options), Stream.of("--files", file.getPath())).toList();
            DumpLogSegments.main(arguments.toArray(new String[0]));
        } catch (Throwable e) {
            thrown = e.toString().replace('\n', ' ');
        } finally {
            System.out.flush();
            System.setOut(out);
            System.setErr(err);
        }
        out.println("RUN " + mode + " " + file.getPath());
        out.print(said);
        complained.toString().lines().forEach(line -> out.println("STDERR " + line));
        if (thrown != null) {
            out.println("THROWN " + thrown);
        }
    }

    static File[] sorted(File directory) {
        File[] files = directory.listFiles();
        Arrays.sort(files);
        return files;
    }
}
