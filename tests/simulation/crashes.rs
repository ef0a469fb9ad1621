//! Goal: no crash breaks a promise. Workloads run on the simulated disk, every state that a crash
//! may leave is opened and held against a plain model; docs/TESTING.md says how to run it long and
//! how to replay a failure. Calls that fail are in `errors`.

mod explore;
#[cfg(plant)]
mod planted;

/// States are made and thrown away by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
