//! Which faults of docs/RELIABILITY.md a scenario is evidence for.

use ottla_proof::Evidence;

/// What is told of a scenario: each schedule is a try of the faults that it is about.
pub(crate) fn evidence(layer: &str, scenario: &str, seed: u64) -> Evidence {
    Evidence::of(layer, scenario).seed(seed)
}

/// Tells how often it was tried, and how often it broke.
pub(crate) fn tell(evidence: Evidence, scenario: &str, tried: u64, failed: u64) {
    let counted = evidence.count("schedules", tried).fault("F25", tried, failed);
    match fault_of(scenario) {
        Some(fault) => counted.fault(fault, tried, failed).tell(),
        None => counted.tell(),
    }
}

/// The fault that a scenario is about besides threads.
fn fault_of(scenario: &str) -> Option<&'static str> {
    let (module, name) = scenario.split_once("::")?;
    match (module, name) {
        ("commits", "failing_sync" | "senders_of_a_failing_sync") => Some("F5"),
        ("commits", "failing_write") => Some("F6"),
        ("producers", "callbacks") | ("panics", _) => Some("F22"),
        ("producers", "numbered") => Some("F26"),
        ("readers", "few_descriptors") => Some("F18"),
        ("opening", _) => Some("F15"),
        ("transactions" | "spills", _) => Some("F27"),
        ("offsets" | "groups", _) => Some("F28"),
        _ => None,
    }
}

/// `commits::three_writers`, of the function of that path.
pub(crate) fn name_of<F>(_: &F) -> &'static str {
    let path = std::any::type_name::<F>();
    path.split_once("::").map_or(path, |(_, name)| name)
}
