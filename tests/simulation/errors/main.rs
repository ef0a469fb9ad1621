//! Goal: whatever fails, and however often, no promise is broken. Scripts around every public
//! operation; every call of the disk fails in turn, every allocation, at every size of a full disk;
//! then crashes, and failures in the recovery from them. docs/TESTING.md has the promises.

mod allocations;
mod budgets;
mod clock;
mod crashes;
mod deeds;
mod each_call;
mod erring;
mod found;
mod outcomes;
mod scenarios;
mod script;
mod short;
mod swarm;
