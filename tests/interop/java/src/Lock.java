// Takes .lock as a broker does (FileChannel.tryLock, a POSIX record lock), says whether it got it,
// and holds it until standard input ends.

import java.io.File;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.StandardOpenOption;

class Lock {
    static void hold(File directory) throws Exception {
        FileChannel channel = FileChannel.open(new File(directory, ".lock").toPath(), StandardOpenOption.CREATE,
            StandardOpenOption.READ, StandardOpenOption.WRITE);
        FileLock lock = channel.tryLock();
        System.out.println(lock == null ? "refused" : "held");
        System.out.flush();
        while (System.in.read() >= 0) {
            // The other side decides when this ends.
        }
    }
}
