//! A real file system in a file: made, mounted, and its power cut.
//!
//! Everything lies in a mount namespace of this process, images included (in a tmpfs): whatever way
//! the harness ends, the kernel takes it all away with the last process.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::verdict::Stop;

/// What the images are formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    pub(crate) fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "xfs",
        }
    }

    /// xfs refuses to be smaller.
    fn image_bytes(self) -> u64 {
        match self {
            FileSystem::Ext4 => 96 << 20,
            FileSystem::Xfs => 320 << 20,
        }
    }

    fn maker(self) -> Command {
        match self {
            FileSystem::Ext4 => {
                let mut command = Command::new("mkfs.ext4");
                command.args(["-q", "-F"]);
                command
            }
            FileSystem::Xfs => {
                let mut command = Command::new("mkfs.xfs");
                command.args(["-q", "-f"]);
                command
            }
        }
    }
}

/// Starts this program again, with the same arguments, where its mounts are its own. Comes back
/// only if that is not possible.
pub(crate) fn enter_namespace(seed: u64) -> Stop {
    let allowed = run(Command::new("unshare").args(["--mount", "true"]));
    if let Err(why) = allowed {
        return Stop::NotRun(format!("no mounts of its own: {why}"));
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Stop::Harness(error.to_string()),
    };
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]).arg(program);
    command.args(std::env::args_os().skip(1)).arg("--inside").env("OTTLA_SEED", seed.to_string());
    Stop::Harness(format!("unshare: {}", command.exec()))
}

/// A place for images and mount points that goes with this namespace.
pub(crate) fn private_memory(folder: &Path) -> Result<(), Stop> {
    let mounted = rustix::mount::mount("none", folder, "tmpfs", MountFlags::empty(), None);
    mounted.map_err(|error| Stop::NotRun(format!("a tmpfs cannot be mounted: {error}")))
}

/// One image and where it is mounted.
#[derive(Debug)]
pub(crate) struct Volume {
    file_system: FileSystem,
    image: PathBuf,
    point: PathBuf,
    is_mounted: bool,
}

impl Volume {
    pub(crate) fn new(folder: &Path, number: u64, file_system: FileSystem) -> Result<Volume, Stop> {
        let image = folder.join(format!("image-{number}"));
        let point = folder.join(format!("mounted-{number}"));
        std::fs::create_dir(&point).map_err(Stop::harness("a mount point"))?;
        Ok(Volume { file_system, image, point, is_mounted: false })
    }

    /// Makes the file system anew, empty, and mounts it.
    pub(crate) fn format(&mut self) -> Result<(), Stop> {
        self.unmount()?;
        let sized =
            File::create(&self.image).and_then(|file| file.set_len(self.file_system.image_bytes()));
        sized.map_err(Stop::harness("the image"))?;
        run(self.file_system.maker().arg(&self.image)).map_err(Stop::NotRun)?;
        self.mount().map_err(|stop| match stop {
            Stop::Harness(why) => Stop::NotRun(why),
            other => other,
        })
    }

    /// Mounts it; the journal of the file system is replayed.
    fn mount(&mut self) -> Result<(), Stop> {
        let mut command = Command::new("mount");
        command.args(["-t", self.file_system.name(), "-o", "loop"]);
        run(command.arg(&self.image).arg(&self.point)).map_err(Stop::Harness)?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), Stop> {
        if !self.is_mounted {
            return Ok(());
        }
        let mut tries = 0;
        while let Err(error) = rustix::mount::unmount(&self.point, UnmountFlags::empty()) {
            tries += 1;
            if tries == 2_000 {
                return Err(Stop::Harness(format!("umount: {error}")));
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.is_mounted = false;
        Ok(())
    }

    /// The data directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.point.join("data")
    }

    /// From now on nothing reaches the image, and what did not reach it before is lost.
    pub(crate) fn cut(&self) -> Result<(), Stop> {
        let point = File::open(&self.point).map_err(Stop::harness("the mount point"))?;
        shut_down(&point).map_err(|error| Stop::NotRun(format!("the shutdown ioctl: {error}")))
    }

    /// The power is back.
    pub(crate) fn restart(&mut self) -> Result<(), Stop> {
        self.unmount()?;
        self.mount()
    }
}

/// `FS_IOC_SHUTDOWN`, without flushing the journal first.
#[expect(unsafe_code, reason = "an ioctl that no crate has")]
fn shut_down(point: &File) -> rustix::io::Result<()> {
    const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
    const NO_LOG_FLUSH: u32 = 2;
    // SAFETY: the kernel reads a u32 from the pointer that it is given, and writes nothing.
    unsafe {
        let argument = rustix::ioctl::Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH);
        rustix::ioctl::ioctl(point, argument)
    }
}

/// Runs a program that must succeed.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
