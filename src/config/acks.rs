//! How safe a record must be before its append is acknowledged.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// What an acknowledged record has survived. Kafka's `acks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acks {
    /// `acks=0`: the record was handed over. A death of the process may lose it.
    None,
    /// `acks=1`: the record is in the operating system. It survives the death of the process, not
    /// a loss of power.
    Leader,
    /// `acks=all`: the record is on the disk, synced. It survives a loss of power.
    #[default]
    All,
}

impl fmt::Display for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Acks::None => "0",
            Acks::Leader => "1",
            Acks::All => "all",
        })
    }
}

impl FromStr for Acks {
    type Err = Error;

    /// Reads `0`, `1`, `all` or `-1`.
    fn from_str(text: &str) -> Result<Acks> {
        match text {
            "0" => Ok(Acks::None),
            "1" => Ok(Acks::Leader),
            "all" | "-1" => Ok(Acks::All),
            _ => {
                let shown: String = text.chars().take(60).collect();
                let message = format!("acks cannot be {shown:?}: it must be 0, 1 or all");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_read_back_as_printed() {
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            assert_eq!(acks.to_string().parse::<Acks>().unwrap(), acks);
        }
        assert_eq!("-1".parse::<Acks>().unwrap(), Acks::All);
        assert_eq!("2".parse::<Acks>().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
