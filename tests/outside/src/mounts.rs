//! Small file systems: in memory, or in a file behind a loop device. They go with their value.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::verdict::Stop;

/// A mounted file system.
pub(crate) struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// One in memory; `options` are those of mount(8): `size=1M,nr_inodes=50`.
    ///
    /// # Errors
    /// Not run, where mounting is not permitted.
    pub(crate) fn memory(at: &Path, options: &str) -> Result<Mounted, Stop> {
        mount(at, &["-t", "tmpfs", "-o", options, "none"])
    }

    /// An ext4 of so many bytes in a file beside it.
    ///
    /// # Errors
    /// Not run, where there is no loop device.
    pub(crate) fn ext4(at: &Path, bytes: u64) -> Result<Mounted, Stop> {
        let image = at.with_extension("image");
        let file = std::fs::File::create(&image).map_err(Stop::harness("an image"))?;
        file.set_len(bytes).map_err(Stop::harness("an image"))?;
        // Nothing is kept for root, who would never see it full.
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        mount(at, &["-o", "loop", &image.display().to_string()])
    }
}

fn mount(at: &Path, arguments: &[&str]) -> Result<Mounted, Stop> {
    std::fs::create_dir_all(at).map_err(Stop::harness("a mount point"))?;
    run(Command::new("mount").args(arguments).arg(at))?;
    Ok(Mounted { at: at.to_owned() })
}

fn run(command: &mut Command) -> Result<(), Stop> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Stop::NotRun(format!("{name} is not permitted here: {complaint}")))
        }
        Err(error) => Err(Stop::NotRun(format!("{name}: {error}"))),
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
