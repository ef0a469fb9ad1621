//! `.kafka_cleanshutdown`: exists when the last user of the directory closed it cleanly.
//!
//! A broker writes `{"version":0,"brokerEpoch":42}`, an old one an empty file; what counts is that
//! the file exists. Ours carries one more field, a nonce that the control file repeats: a marker
//! without it, or with another one, tells that somebody else wrote here since. A broker that
//! reads ours sees a clean end whose broker epoch is unknown.
//!
//! Decoding never fails: whatever the content, the marker is there.

use crate::format::json::Json;

const NONCE_FIELD: &str = "ottlaNonce";
const NONCE_DIGITS: usize = 16;

/// What the marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// The epoch of the broker that wrote it, -1 when it is not known.
    pub broker_epoch: i64,
    /// The nonce of the control file that belongs to it, if Ottla wrote it.
    pub nonce: Option<u64>,
}

impl CleanShutdown {
    /// The marker that Ottla leaves.
    pub fn ottla(nonce: u64) -> CleanShutdown {
        CleanShutdown { broker_epoch: -1, nonce: Some(nonce) }
    }

    /// The content of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("{{\"version\":0,\"brokerEpoch\":{}", self.broker_epoch);
        if let Some(nonce) = self.nonce {
            text.push_str(&format!(",\"{NONCE_FIELD}\":\"{nonce:0NONCE_DIGITS$x}\""));
        }
        text.push('}');
        text.into_bytes()
    }

    /// Reads the content of the file; what it does not understand it leaves out.
    pub fn decode(bytes: &[u8]) -> CleanShutdown {
        let json = Json::parse(bytes).unwrap_or(Json::Null);
        let nonce = json.get(NONCE_FIELD).and_then(Json::as_text).and_then(|digits| {
            let written_by_us = digits.len() == NONCE_DIGITS
                && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
            if written_by_us { u64::from_str_radix(digits, 16).ok() } else { None }
        });
        let broker_epoch = json.get("brokerEpoch").and_then(Json::as_integer).unwrap_or(-1);
        CleanShutdown { broker_epoch, nonce }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_marker_reads_back() {
        for nonce in [0, 1, u64::MAX] {
            let marker = CleanShutdown::ottla(nonce);
            assert_eq!(CleanShutdown::decode(&marker.encode()), marker);
        }
        assert_eq!(
            CleanShutdown::ottla(0xab).encode(),
            br#"{"version":0,"brokerEpoch":-1,"ottlaNonce":"00000000000000ab"}"#
        );
    }

    #[test]
    fn kafkas_markers_are_read() {
        let broker = CleanShutdown { broker_epoch: 7, nonce: None };
        assert_eq!(CleanShutdown::decode(br#"{"version":0,"brokerEpoch":7}"#), broker);
        assert_eq!(broker.encode(), br#"{"version":0,"brokerEpoch":7}"#);
        let unknown = CleanShutdown { broker_epoch: -1, nonce: None };
        for content in [&b""[..], b"\0\0\0", b"not json", b"[]", b"{\"brokerEpoch\":\"x\"}"] {
            assert_eq!(CleanShutdown::decode(content), unknown);
        }
    }

    #[test]
    fn a_changed_nonce_is_never_taken_for_the_same() {
        let bytes = CleanShutdown::ottla(0x0123_4567_89ab_cdef).encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let decoded = CleanShutdown::decode(&changed);
                let nonce_at = bytes.len() - 2 - NONCE_DIGITS..bytes.len() - 2;
                if nonce_at.contains(&at) {
                    assert_ne!(decoded.nonce, Some(0x0123_4567_89ab_cdef));
                }
            }
        }
    }
}
