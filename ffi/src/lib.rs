//! The C interface of Ottla: every function of `ottla.h`, and nothing else.
//!
//! One file a noun. A function here checks what it was given, calls the library, and hands out what
//! came back; it decides nothing. The order of the modules is the order of the header.
//!
//! The invariant: whatever a program passes, short of memory that is not there, it gets a status
//! code back. Handles are looked up, not followed; panics end here.

#![allow(non_camel_case_types, reason = "types have the names that C programs know")]
#![allow(
    clippy::missing_safety_doc,
    reason = "what a caller owes is said for C programs, in the words of the header"
)]

pub mod version;

pub mod status;

pub mod error;

pub mod open_handles;

pub mod setting;

pub mod bytes;

pub mod topic_partition;

pub mod broker;

pub mod topic;

pub mod topic_list;

pub mod settings;

pub mod recovered;

pub mod report;

pub mod metrics;

pub mod partitioner;

pub mod producer;

pub mod delivery;

pub mod append;

pub mod identity;

pub mod partition;

pub mod atomic_append;

pub mod consumer;

pub mod records;

pub mod offsets;

pub mod group;

pub mod transaction;

pub mod transactional_producer;

pub mod places;

pub mod stream;

pub mod conditional;

pub mod conflict;

pub mod table;

pub mod table_entries;

pub mod progress;

pub mod snapshot;

pub mod compaction;

pub mod retention;

pub mod verify;

mod completed;
mod elsewhere;
mod entry;
mod event_fd;
mod fork;
mod handle;
mod lock;
mod pointer;
mod send_all;
mod slots;
mod structs;
mod timeout;
