//! The mark that nothing may be written any more: set after a failed sync, whose outcome nobody
//! can know. It is never taken back; only opening the directory anew helps.

use crate::env::sync::OnceLock;
use crate::error::{Error, ErrorKind, Result};

/// Shared by everything that writes into one directory.
#[derive(Debug, Default)]
pub struct Poison(OnceLock<Error>);

impl Poison {
    /// A mark that is not set.
    pub fn new() -> Poison {
        Poison::default()
    }

    /// Refuses if the mark is set. Cheap enough for every write.
    ///
    /// # Errors
    /// [`ErrorKind::Poisoned`], with the first failure in the message.
    pub fn check(&self) -> Result<()> {
        match self.0.get() {
            None => Ok(()),
            Some(cause) => Err(refusal(cause)),
        }
    }

    /// Sets the mark. The first cause stays; later ones follow from it.
    pub fn set(&self, cause: &Error) {
        // An error here means that somebody was first, which is what we want.
        let _ = self.0.set(cause.clone());
    }

    /// What set the mark, if it is set.
    pub fn cause(&self) -> Option<&Error> {
        self.0.get()
    }
}

#[cold]
fn refusal(cause: &Error) -> Error {
    Error::new(
        ErrorKind::Poisoned,
        format!(
            "nothing is written any more, open the directory anew; the first failure was: {cause}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_stays() {
        let poison = Poison::new();
        assert!(poison.check().is_ok());
        poison.set(&Error::new(ErrorKind::Io, "the sync failed"));
        poison.set(&Error::new(ErrorKind::NoSpace, "a later thing"));
        let error = poison.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Poisoned);
        assert!(error.to_string().ends_with("the first failure was: the sync failed"), "{error}");
        assert_eq!(poison.cause().unwrap().kind(), ErrorKind::Io);
    }
}
