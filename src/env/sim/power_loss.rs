//! The states that a power loss may leave. The fault model is in the module above.
//!
//! A state is drawn in two steps: which of the pending changes of names were kept, then, file by
//! file and oldest change first, which sectors of which writes and which changes of the length.
//! Drawn at random alone, most states would look alike (about half of everything), while bugs
//! hide at the edges: nothing kept, one thing missing, the length without the data. So a mood is
//! drawn first, which makes a whole state lean one way.

use std::sync::Arc;

use super::choices::Choices;
use super::content::{Content, SECTOR_BYTES};
use super::image::{FileId, Image, Node};
use super::state::{Change, DiskState, PendingChange};

/// Which way a state leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Nothing that was not synced.
    Nothing,
    /// Everything, as after the death of the process alone, but from the disk.
    Everything,
    /// Everything before one moment, nothing after it; what was written last may be torn.
    Before(u64),
    /// Everything but one change.
    AllBut(u64),
    /// Nothing but one change and what it depends on.
    Only(u64),
    /// Each change whole, with a chance of 1 in this many that it is lost.
    LosesOneIn(u32),
    /// Each sector of each write on its own.
    Torn,
    /// Names and lengths, but no data: zeros.
    Zeros,
    /// Data and names, but no file has grown.
    Lengthless,
    /// Names as they were, data new.
    Nameless,
}

/// Draws a state that a power loss at `state` may leave.
pub(super) fn power_loss(state: &DiskState, choices: &mut Choices) -> Image {
    let image = state.durable.clone();
    if state.pending.is_empty() && state.pending_names.is_empty() {
        return image;
    }
    let mood = draw_mood(state, choices);
    leave(state, mood, choices, image)
}

/// The state that keeps nothing but what was synced.
pub(super) fn lose_everything_unsynced(state: &DiskState) -> Image {
    leave(state, Mood::Nothing, &mut Choices::seeded(0), state.durable.clone())
}

fn leave(state: &DiskState, mood: Mood, choices: &mut Choices, mut image: Image) -> Image {
    keep_names(state, mood, choices, &mut image);
    // Files that no name leads to are gone, whatever was written to them.
    let mut named = Vec::new();
    if !state.pending.is_empty() {
        image.walk(|_, _, node| {
            if let Node::File(id) = node {
                named.push(id);
            }
        });
    }
    named.sort_unstable();
    for (file, pending) in &state.pending {
        let file = FileId(*file);
        if named.binary_search(&file).is_ok() {
            let durable = image.shared_content(file);
            let content = keep_changes(&durable, pending, mood, choices);
            image.set_content(file, Arc::new(content));
        }
    }
    image
}

fn draw_mood(state: &DiskState, choices: &mut Choices) -> Mood {
    if choices.is_enumerated() {
        return Mood::Torn;
    }
    match choices.choose(16) {
        0 => Mood::Nothing,
        1 => Mood::Everything,
        2..=3 => Mood::Before(draw_change(state, choices)),
        4..=5 => Mood::AllBut(draw_change(state, choices)),
        6 => Mood::Only(draw_change(state, choices)),
        7..=8 => Mood::LosesOneIn(2),
        9 => Mood::LosesOneIn(6),
        10 => Mood::Zeros,
        11 => Mood::Lengthless,
        12 => Mood::Nameless,
        _ => Mood::Torn,
    }
}

/// The sequence number of one of the pending changes.
fn draw_change(state: &DiskState, choices: &mut Choices) -> u64 {
    let of_files = state.pending.values().map(Vec::len).sum::<usize>();
    let total = u32::try_from(of_files + state.pending_names.len()).unwrap_or(u32::MAX);
    let drawn = choices.choose(total) as usize;
    if drawn >= of_files {
        return state.pending_names[drawn - of_files].sequence;
    }
    let mut changes = state.pending.values().flatten();
    changes.nth(drawn).map_or(0, |change| change.sequence)
}

/// Which pending changes of names a crash keeps: any set that contains, with each change, the
/// earlier ones of the same names.
fn keep_names(state: &DiskState, mood: Mood, choices: &mut Choices, image: &mut Image) {
    let pending = &state.pending_names;
    let mut kept: Vec<bool> = pending.iter().map(super::state::PendingNames::is_synced).collect();
    for later in (0..pending.len()).rev() {
        for earlier in 0..later {
            let needed = pending[earlier].change.touches_same(&pending[later].change);
            kept[earlier] |= kept[later] && needed;
        }
    }
    for index in 0..pending.len() {
        let possible = (0..index).all(|earlier| {
            kept[earlier] || !pending[earlier].change.touches_same(&pending[index].change)
        });
        kept[index] |= possible && keeps_name(mood, pending[index].sequence, choices);
        if kept[index] {
            image.change_names(&pending[index].change);
        }
    }
}

fn keeps_name(mood: Mood, sequence: u64, choices: &mut Choices) -> bool {
    match mood {
        Mood::Nothing | Mood::Nameless => false,
        Mood::Everything | Mood::Zeros | Mood::Lengthless => true,
        Mood::Before(moment) => sequence < moment,
        Mood::AllBut(one) => sequence != one,
        // What it depends on must not be in its way.
        Mood::Only(one) => sequence <= one,
        Mood::LosesOneIn(count) => !choices.one_in(count),
        Mood::Torn => choices.one_in(2),
    }
}

/// What is kept of a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    Everything,
    Sectors,
}

/// A file's content after a crash.
fn keep_changes(
    durable: &Content,
    pending: &[PendingChange],
    mood: Mood,
    choices: &mut Choices,
) -> Content {
    let mut content = durable.clone();
    // The length on its own: data may be there without the length and the other way round.
    let mut length = durable.len();
    for change in pending {
        let (data, growth) = if change.synced {
            (Kept::Everything, Kept::Everything)
        } else {
            keeps_change(mood, change.sequence, choices)
        };
        match &change.change {
            Change::Write { position, bytes } => {
                match data {
                    Kept::Nothing => {}
                    Kept::Everything => change.change.apply(&mut content),
                    Kept::Sectors => keep_sectors(&mut content, bytes, *position, choices),
                }
                let end = *position + bytes.len() as u64;
                length = length.max(match growth {
                    Kept::Nothing => 0,
                    Kept::Everything => end,
                    Kept::Sectors => draw_length(length, end, choices),
                });
            }
            Change::SetLen { length: new } => {
                let keep = match growth {
                    Kept::Nothing => false,
                    Kept::Everything => true,
                    Kept::Sectors => choices.one_in(2),
                };
                if keep {
                    if *new < content.len() {
                        // Within the limits: it was set before.
                        let _ = content.set_len(*new);
                    }
                    length = *new;
                }
            }
        }
    }
    let _ = content.set_len(length);
    content
}

/// What is kept of a change: of its data, and of the length that it gave the file.
fn keeps_change(mood: Mood, sequence: u64, choices: &mut Choices) -> (Kept, Kept) {
    let whole = |keep: bool| {
        if keep { (Kept::Everything, Kept::Everything) } else { (Kept::Nothing, Kept::Nothing) }
    };
    match mood {
        Mood::Nothing => whole(false),
        Mood::Everything | Mood::Nameless => whole(true),
        Mood::Before(moment) if sequence == moment => (Kept::Sectors, Kept::Sectors),
        Mood::Before(moment) => whole(sequence < moment),
        Mood::AllBut(one) if sequence == one => {
            // The data alone, the length alone, both, or part of either.
            match choices.choose(3) {
                0 => (Kept::Nothing, Kept::Nothing),
                1 => (Kept::Sectors, Kept::Everything),
                _ => (Kept::Nothing, Kept::Everything),
            }
        }
        Mood::AllBut(_) => whole(true),
        Mood::Only(one) => whole(sequence == one),
        Mood::LosesOneIn(count) => whole(!choices.one_in(count)),
        Mood::Torn => (Kept::Sectors, Kept::Sectors),
        Mood::Zeros => (Kept::Nothing, Kept::Everything),
        Mood::Lengthless => (Kept::Everything, Kept::Nothing),
    }
}

/// Lays any subset of a write's sectors over the content.
fn keep_sectors(content: &mut Content, bytes: &[u8], position: u64, choices: &mut Choices) {
    let mut rest = bytes;
    let mut position = position;
    // Runs are as likely as single sectors: a file system writes in extents.
    let prefix = !choices.is_enumerated() && choices.one_in(3);
    let mut broken = false;
    while !rest.is_empty() {
        let to_boundary = SECTOR_BYTES - position % SECTOR_BYTES;
        let part = rest.len().min(usize::try_from(to_boundary).unwrap_or(usize::MAX));
        let (sector, behind) = rest.split_at(part);
        let kept = if prefix {
            broken |= choices.one_in(4);
            !broken
        } else {
            choices.one_in(2)
        };
        if kept {
            let _ = content.write_at(sector, position);
        }
        position += part as u64;
        rest = behind;
    }
}

/// A length that growing from `length` to `end` may have left.
fn draw_length(length: u64, end: u64, choices: &mut Choices) -> u64 {
    if end <= length {
        return length;
    }
    let sectors = (end.saturating_sub(1) / SECTOR_BYTES).saturating_sub(length / SECTOR_BYTES);
    let sectors = u32::try_from(sectors).unwrap_or(u32::MAX);
    match choices.choose(if choices.is_enumerated() { 2 } else { 4 }) {
        0 => length,
        1 => end,
        2 if sectors > 0 => {
            (length / SECTOR_BYTES + 1 + u64::from(choices.choose(sectors))) * SECTOR_BYTES
        }
        _ => length + u64::from(choices.choose(u32::try_from(end - length).unwrap_or(u32::MAX))),
    }
}
