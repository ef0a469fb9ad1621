//! A directory as its calls left it: what is durable, and what is not synced yet.
//!
//! A sync covers what had ended before it began, and holds from its end on. Of the rest a loss of power
//! leaves any part: of a write any of its 512-byte sectors, of growth any part (then zeros), a cut or
//! not, and of the changes of names any set that has, with each change, the earlier ones of the same
//! names. Nothing is shared with the simulated disk of the library.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::strace::{Deed, From, Trace};

const SECTOR: u64 = 512;

/// The number of a file or directory.
type Inode = usize;

const ROOT: Inode = 0;

/// A change of a file.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    SetLength(u64),
}

/// A change of the names in a directory: where each leads from then on.
#[derive(Clone, Debug)]
struct Renaming(Vec<(Vec<u8>, Option<Inode>)>);

/// Something that is not synced, the call that did it, and whether that has ended.
#[derive(Clone, Debug)]
struct Pending<T> {
    call: usize,
    has_ended: bool,
    what: T,
}

#[derive(Clone, Debug)]
enum Node {
    File { durable: Vec<u8>, pending: Vec<Pending<Change>> },
    Directory { durable: Names, now: Names, pending: Vec<Pending<Renaming>> },
}

type Names = BTreeMap<Vec<u8>, Inode>;

/// What is in a directory: files with their bytes, directories, by path.
pub(super) type Image = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The whole directory.
#[derive(Debug)]
pub(super) struct Disk {
    nodes: Vec<Node>,
    /// Where the directory lies for the driver.
    root: Vec<u8>,
    descriptors: HashMap<i32, Inode>,
    /// What an open that has begun leads to.
    opening: HashMap<usize, Inode>,
    /// What a sync that has begun covers, by its call.
    syncing: HashMap<usize, (Inode, BTreeSet<usize>)>,
    /// Calls of earlier processes are numbered below this.
    first_call: usize,
}

impl Disk {
    /// Everything that is in the image is durable.
    pub(super) fn new(root: &Path, image: &Image) -> Disk {
        let mut disk = Disk {
            nodes: vec![Node::Directory {
                durable: Names::new(),
                now: Names::new(),
                pending: Vec::new(),
            }],
            root: root.as_os_str().as_encoded_bytes().to_vec(),
            descriptors: HashMap::new(),
            opening: HashMap::new(),
            syncing: HashMap::new(),
            first_call: 0,
        };
        for (path, content) in image {
            let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
                Some(at) => (disk.walk(ROOT, &path[..at]), &path[at + 1..]),
                None => (Some(ROOT), &path[..]),
            };
            let inode = disk.nodes.len();
            disk.nodes.push(match content {
                Some(bytes) => Node::File { durable: bytes.clone(), pending: Vec::new() },
                None => empty_directory(),
            });
            if let Some(Node::Directory { durable, now, .. }) = parent.map(|at| &mut disk.nodes[at])
            {
                durable.insert(name.to_vec(), inode);
                now.insert(name.to_vec(), inode);
            }
        }
        disk
    }

    /// The process is gone, with its descriptors; what it had written is still there.
    pub(super) fn next_process(&mut self, calls: usize) {
        self.descriptors.clear();
        self.opening.clear();
        self.syncing.clear();
        // What a kill cut off and is there nevertheless was done: the next sync covers it.
        for node in &mut self.nodes {
            match node {
                Node::File { pending, .. } => {
                    pending.iter_mut().for_each(|change| change.has_ended = true);
                }
                Node::Directory { pending, .. } => {
                    pending.iter_mut().for_each(|change| change.has_ended = true);
                }
            }
        }
        self.first_call += calls;
    }

    fn walk(&self, from: Inode, path: &[u8]) -> Option<Inode> {
        let mut at = from;
        for name in path.split(|byte| *byte == b'/') {
            match &self.nodes[at] {
                _ if name.is_empty() || name == b"." => {}
                Node::Directory { now, .. } => at = *now.get(name)?,
                Node::File { .. } => return None,
            }
        }
        Some(at)
    }

    /// The directory that a path ends in, and the name there; `None` outside of the root.
    fn place<'p>(&self, from: From, path: &'p [u8]) -> Option<(Inode, &'p [u8])> {
        let (from, path) = match from {
            Some(descriptor) => (*self.descriptors.get(&descriptor)?, path),
            None => (ROOT, path.strip_prefix(&self.root[..])?),
        };
        let path = path.strip_prefix(b"/").unwrap_or(path);
        match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => Some((self.walk(from, &path[..at])?, &path[at + 1..])),
            None => Some((from, path)),
        }
    }

    fn find(&self, from: From, path: &[u8]) -> Option<Inode> {
        let (directory, name) = self.place(from, path)?;
        self.walk(directory, name)
    }

    fn change(&mut self, call: usize, inode: Inode, what: Change) {
        if let Node::File { pending, .. } = &mut self.nodes[inode] {
            pending.push(Pending { call, has_ended: false, what });
        }
    }

    fn rename(&mut self, call: usize, directory: Inode, names: Vec<(Vec<u8>, Option<Inode>)>) {
        if let Node::Directory { now, pending, .. } = &mut self.nodes[directory] {
            for (name, inode) in &names {
                match inode {
                    Some(inode) => now.insert(name.clone(), *inode),
                    None => now.remove(name),
                };
            }
            pending.push(Pending { call, has_ended: false, what: Renaming(names) });
        }
    }

    /// A call begins: from now on it may have happened.
    pub(super) fn begin(&mut self, trace: &Trace, index: usize) -> Result<(), String> {
        let call = self.first_call + index;
        let lost = |what: &Deed| format!("traces: {what:?} leads nowhere");
        let deed = &trace.calls[index].deed;
        match deed {
            Deed::Open { from, path, creates, truncates } => {
                let found = self.find(*from, path);
                let made = match (found, self.place(*from, path)) {
                    (None, Some((directory, name))) if *creates => {
                        let inode =
                            self.add(Node::File { durable: Vec::new(), pending: Vec::new() });
                        self.rename(call, directory, vec![(name.to_vec(), Some(inode))]);
                        Some(inode)
                    }
                    _ => found,
                };
                if let Some(inode) = made {
                    self.opening.insert(call, inode);
                    if *truncates {
                        self.change(call, inode, Change::SetLength(0));
                    }
                }
            }
            Deed::Write { descriptor, offset, data } => {
                let inode = *self.descriptors.get(descriptor).ok_or_else(|| lost(deed))?;
                self.change(call, inode, Change::Write { offset: *offset, data: data.clone() });
            }
            Deed::SetLength { descriptor, length } => {
                let inode = *self.descriptors.get(descriptor).ok_or_else(|| lost(deed))?;
                self.change(call, inode, Change::SetLength(*length));
            }
            Deed::Rename { from, path, to, new } => {
                let (old, name) = self.place(*from, path).ok_or_else(|| lost(deed))?;
                let (directory, new) = self.place(*to, new).ok_or_else(|| lost(deed))?;
                let inode = self.walk(old, name).ok_or_else(|| lost(deed))?;
                if old != directory {
                    return Err(format!("traces: {deed:?} leaves its directory"));
                }
                let names = vec![(name.to_vec(), None), (new.to_vec(), Some(inode))];
                self.rename(call, directory, names);
            }
            Deed::Remove { from, path } => {
                let (directory, name) = self.place(*from, path).ok_or_else(|| lost(deed))?;
                self.rename(call, directory, vec![(name.to_vec(), None)]);
            }
            Deed::MakeDirectory { from, path } => {
                if let Some((directory, name)) = self.place(*from, path) {
                    let inode = self.add(empty_directory());
                    self.rename(call, directory, vec![(name.to_vec(), Some(inode))]);
                }
            }
            Deed::Sync(descriptor) => {
                if let Some(inode) = self.descriptors.get(descriptor) {
                    let covered = self.ended(*inode);
                    self.syncing.insert(call, (*inode, covered));
                }
            }
            Deed::Close(descriptor) => {
                self.descriptors.remove(descriptor);
            }
            Deed::Duplicate(_) | Deed::Print(_) | Deed::Reserve => {}
        }
        Ok(())
    }

    /// It has ended, and well.
    pub(super) fn end(&mut self, trace: &Trace, index: usize) {
        let call = self.first_call + index;
        let result = trace.calls[index].result.and_then(|result| i32::try_from(result).ok());
        match &trace.calls[index].deed {
            Deed::Open { .. } => {
                if let (Some(inode), Some(descriptor)) = (self.opening.remove(&call), result) {
                    self.descriptors.insert(descriptor, inode);
                }
            }
            Deed::Duplicate(descriptor) => {
                if let (Some(inode), Some(new)) = (self.descriptors.get(descriptor), result) {
                    self.descriptors.insert(new, *inode);
                }
            }
            Deed::Sync(_) => {
                if let Some((inode, covered)) = self.syncing.remove(&call) {
                    self.make_durable(inode, &covered);
                }
            }
            _ => {}
        }
        for node in &mut self.nodes {
            match node {
                Node::File { pending, .. } => note_end(pending, call),
                Node::Directory { pending, .. } => note_end(pending, call),
            }
        }
    }

    fn add(&mut self, node: Node) -> Inode {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn ended(&self, inode: Inode) -> BTreeSet<usize> {
        fn calls<T>(pending: &[Pending<T>]) -> BTreeSet<usize> {
            pending.iter().filter(|change| change.has_ended).map(|change| change.call).collect()
        }
        match &self.nodes[inode] {
            Node::File { pending, .. } => calls(pending),
            Node::Directory { pending, .. } => calls(pending),
        }
    }

    fn make_durable(&mut self, inode: Inode, covered: &BTreeSet<usize>) {
        match &mut self.nodes[inode] {
            Node::File { durable, pending } => {
                for change in pending.iter().filter(|change| covered.contains(&change.call)) {
                    apply(durable, &change.what);
                }
                pending.retain(|change| !covered.contains(&change.call));
            }
            Node::Directory { durable, pending, .. } => {
                for change in pending.iter().filter(|change| covered.contains(&change.call)) {
                    rename_in(durable, &change.what);
                }
                pending.retain(|change| !covered.contains(&change.call));
            }
        }
    }

    /// What the operating system shows.
    pub(super) fn now(&self) -> Image {
        let mut image = Image::new();
        self.collect(ROOT, &[], &mut image, &mut Running);
        image
    }

    /// What a loss of power may leave.
    pub(super) fn after_a_loss_of_power(&self, random: &mut fastrand::Rng) -> Image {
        // Most states lose little or much: between them lie those that mix.
        let chance = [0.0, 0.1, 0.5, 0.5, 0.9, 1.0][random.usize(..6)];
        let names_chance = [0.0, 0.5, 0.9, 1.0][random.usize(..4)];
        let mut image = Image::new();
        self.collect(ROOT, &[], &mut image, &mut Lost { chance, names_chance, random });
        image
    }

    fn collect(&self, at: Inode, path: &[u8], image: &mut Image, view: &mut dyn View) {
        if let Node::Directory { durable, now, pending } = &self.nodes[at] {
            for (name, inode) in view.names(durable, now, pending) {
                let inner = if path.is_empty() { name } else { [path, b"/", &name].concat() };
                match &self.nodes[inode] {
                    Node::File { durable, pending } => {
                        image.insert(inner, Some(view.content(durable, pending)));
                    }
                    Node::Directory { .. } => {
                        image.insert(inner.clone(), None);
                        self.collect(inode, &inner, image, view);
                    }
                }
            }
        }
    }
}

/// What is seen of changes that are not synced.
trait View {
    fn names(&mut self, durable: &Names, now: &Names, pending: &[Pending<Renaming>]) -> Names;
    fn content(&mut self, durable: &[u8], pending: &[Pending<Change>]) -> Vec<u8>;
}

/// All of them.
struct Running;

impl View for Running {
    fn names(&mut self, _: &Names, now: &Names, _: &[Pending<Renaming>]) -> Names {
        now.clone()
    }

    fn content(&mut self, durable: &[u8], pending: &[Pending<Change>]) -> Vec<u8> {
        let mut content = durable.to_vec();
        pending.iter().for_each(|change| apply(&mut content, &change.what));
        content
    }
}

/// A part of them, each with some chance.
struct Lost<'r> {
    chance: f64,
    names_chance: f64,
    random: &'r mut fastrand::Rng,
}

impl View for Lost<'_> {
    fn names(&mut self, durable: &Names, _: &Names, pending: &[Pending<Renaming>]) -> Names {
        some_names(pending, durable, self.names_chance, self.random)
    }

    fn content(&mut self, durable: &[u8], pending: &[Pending<Change>]) -> Vec<u8> {
        let mut content = durable.to_vec();
        for change in pending {
            apply_in_part(&mut content, &change.what, self.chance, self.random);
        }
        content
    }
}

fn empty_directory() -> Node {
    Node::Directory { durable: Names::new(), now: Names::new(), pending: Vec::new() }
}

fn note_end<T>(pending: &mut [Pending<T>], call: usize) {
    // The newest ones are at the end, and a call has few changes.
    for change in pending.iter_mut().rev().take(64).filter(|change| change.call == call) {
        change.has_ended = true;
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::SetLength(length) => content.resize(*length as usize, 0),
        Change::Write { offset, data } => put(content, *offset, data),
    }
}

fn put(content: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    content[start..end].copy_from_slice(data);
}

fn apply_in_part(content: &mut Vec<u8>, change: &Change, chance: f64, random: &mut fastrand::Rng) {
    let is_whole = random.f64() < chance;
    let Change::Write { offset, data } = change else {
        if is_whole {
            apply(content, change);
        }
        return;
    };
    if is_whole {
        return put(content, *offset, data);
    }
    let end = offset + data.len() as u64;
    match random.u32(0..4) {
        // The file has grown, and nothing else.
        0 if (content.len() as u64) < end => {
            let length = random.u64(content.len() as u64..=end);
            content.resize(length as usize, 0);
        }
        1 => {
            let mut at = *offset;
            while at < end {
                let next = ((at / SECTOR + 1) * SECTOR).min(end);
                if random.bool() {
                    put(content, at, &data[(at - offset) as usize..(next - offset) as usize]);
                }
                at = next;
            }
        }
        _ => {}
    }
}

fn rename_in(names: &mut Names, renaming: &Renaming) {
    for (name, inode) in &renaming.0 {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

fn some_names(
    pending: &[Pending<Renaming>],
    durable: &Names,
    chance: f64,
    random: &mut fastrand::Rng,
) -> Names {
    let mut names = durable.clone();
    let mut lost: BTreeSet<&[u8]> = BTreeSet::new();
    for change in pending {
        let touched = change.what.0.iter().map(|(name, _)| &name[..]);
        if touched.clone().any(|name| lost.contains(name)) || random.f64() >= chance {
            lost.extend(touched);
        } else {
            rename_in(&mut names, &change.what);
        }
    }
    names
}
