//! What a clean close says of files that carry no sum: Kafka's small files, the clean shutdown
//! marker, the journal. Each is as it was, or is named.
//!
//! Not here: segments and indexes. Nothing is said where another program was here since: what it
//! wrote is as good as what we did.

use crate::broker::directory::read_small_file;
use crate::commit::closed_files::sum_of_range;
use crate::env::Env;
use crate::env::planted::planted;
use crate::env::vfs::{OpenHow, VfsFile, read_up_to};
use crate::error::{Error, ErrorKind, Result};
use crate::format::clean_shutdown::CleanShutdown;
use crate::format::control_file::ControlFile;
use crate::format::file_names::{CLEAN_SHUTDOWN, parse_journal_file};
use crate::format::file_sum::FileSum;

/// What is behind the used part of a journal file is looked at in pieces.
const PIECE_BYTES: usize = 64 * 1024;

/// Holds the files against the sums of a control file.
///
/// # Errors
/// Those of the disk; what is wrong is in the result.
pub(super) fn verify_closed_files(env: &Env, control: &ControlFile) -> Result<Vec<Error>> {
    if !control.closed || planted!("small_files_trusted") {
        return Ok(Vec::new());
    }
    let marker = match env.vfs.metadata(CLEAN_SHUTDOWN) {
        Ok(_) => read_small_file(env, CLEAN_SHUTDOWN)?,
        // Another program took it away when it began to write.
        Err(_) => return Ok(Vec::new()),
    };
    let said = CleanShutdown::decode(&marker);
    if said.nonce != Some(control.nonce) {
        return Ok(damaged_marker(env, &marker, said).into_iter().collect());
    }
    let mut errors = Vec::new();
    for file in &control.files {
        errors.extend(verify_file(env, file)?);
    }
    Ok(errors)
}

/// A marker of another program is no damage. One that nobody writes is, and so is one of ours that
/// is of another close than the control file.
fn damaged_marker(env: &Env, bytes: &[u8], said: CleanShutdown) -> Option<Error> {
    let is_anothers = bytes.is_empty() || (said.nonce.is_none() && said.encode() == bytes);
    (!is_anothers).then(|| {
        let message = "the clean shutdown marker is not that of the control file: one of the two \
                       was changed, or is of another time; no record is lost";
        Error::new(ErrorKind::Corrupt, message).at_file(env.vfs.describe(CLEAN_SHUTDOWN))
    })
}

fn verify_file(env: &Env, known: &FileSum) -> Result<Option<Error>> {
    let named = |message: &str| {
        let error = Error::new(ErrorKind::Corrupt, message);
        Some(error.at_file(env.vfs.describe(&known.path)))
    };
    let failed =
        |error| Error::io(error, "cannot read the file").at_file(env.vfs.describe(&known.path));
    let file = match env.vfs.open(&known.path, OpenHow::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(named("the file is missing; it was there when the directory was closed"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            return Ok(named("the control file names a path that cannot be one of this directory"));
        }
        Err(error) => return Err(failed(error)),
    };
    let length = file.len().map_err(failed)?;
    let is_journal = parse_journal_file(&known.path).is_some();
    if length < known.length || (length > known.length && !is_journal) {
        let message = format!("the file has {length} bytes, it had {}", known.length);
        return Ok(named(&message));
    }
    let sum = sum_of_range(&*file, 0, 0, known.length).map_err(failed)?;
    let is_same = sum == known.sum && are_zeros(&*file, known.length, length).map_err(failed)?;
    let message = "the file is not what it was when the directory was closed";
    Ok(if is_same { None } else { named(message) })
}

fn are_zeros(file: &dyn VfsFile, from: u64, end: u64) -> std::io::Result<bool> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = from;
    while position < end {
        let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let read = read_up_to(file, &mut piece[..wanted], position)?;
        if read < wanted || piece[..read].iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        position += read as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::verify::{VerifyOptions, verify_in};
    use crate::config::broker::BrokerOptions;
    use crate::config::topic::TopicConfig;
    use crate::env::replace_file::replace_file;
    use crate::env::vfs::write_all_at;
    use crate::format::file_names::OTTLA_CONTROL;
    use crate::format::file_sum::FileSum;

    fn closed() -> Env {
        let env = Env::memory();
        let options = BrokerOptions::new().background(false).journal_file_bytes(4096);
        let broker = options.open_in(env.clone()).unwrap();
        broker.create_topic("orders", TopicConfig::new()).unwrap();
        broker.close().unwrap();
        env
    }

    fn named(env: &Env) -> Vec<String> {
        let report = verify_in(env, &VerifyOptions::new()).unwrap();
        let files = report.all_errors().map(|error| error.file().unwrap_or("none").to_owned());
        files.collect()
    }

    fn control(env: &Env) -> ControlFile {
        ControlFile::decode(&read_small_file(env, OTTLA_CONTROL).unwrap()).unwrap()
    }

    #[test]
    fn a_byte_behind_what_was_written_of_a_journal_is_named() {
        let env = closed();
        assert_eq!(named(&env), Vec::<String>::new());
        let known = control(&env).files.into_iter().find(|file| file.path.ends_with(".journal"));
        let known = known.unwrap();
        let file = env.vfs.open(&known.path, OpenHow::Write).unwrap();
        assert!(known.length < file.len().unwrap());
        write_all_at(&*file, b"x", file.len().unwrap() - 1).unwrap();
        assert_eq!(named(&env), [env.vfs.describe(&known.path)]);
    }

    #[test]
    fn what_a_close_did_not_write_keeps_its_sum() {
        let env = closed();
        let before = control(&env).files;
        let options = BrokerOptions::new().background(false).journal_file_bytes(4096);
        let broker = options.open_in(env.clone()).unwrap();
        broker.create_topic("bills", TopicConfig::new()).unwrap();
        // Somebody damages a file meanwhile: the close does not make it right.
        let bootstrap = crate::format::file_names::BOOTSTRAP_CHECKPOINT;
        let file = env.vfs.open(bootstrap, OpenHow::Write).unwrap();
        write_all_at(&*file, b"x", 5).unwrap();
        broker.close().unwrap();
        let of = |files: &[FileSum]| files.iter().find(|file| file.path == bootstrap).cloned();
        assert_eq!(of(&control(&env).files), of(&before));
        assert_eq!(named(&env), [env.vfs.describe(bootstrap)]);
    }

    #[test]
    fn a_path_out_of_the_directory_is_damage_and_nothing_is_read() {
        let env = closed();
        let mut hostile = control(&env);
        hostile.files = vec![FileSum { path: "../x".into(), length: u64::MAX, sum: 0 }];
        replace_file(&*env.vfs, OTTLA_CONTROL, &hostile.encode()).unwrap();
        assert_eq!(named(&env), [env.vfs.describe("../x")]);
        hostile.files = vec![FileSum { path: "meta.properties".into(), length: u64::MAX, sum: 0 }];
        replace_file(&*env.vfs, OTTLA_CONTROL, &hostile.encode()).unwrap();
        assert_eq!(named(&env), [env.vfs.describe("meta.properties")]);
    }
}
