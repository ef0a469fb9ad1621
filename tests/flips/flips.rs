//! Goal: nothing that happens to the bytes of a directory while nobody looks makes a wrong record.
//! Bits are flipped, files cut, removed, swapped and put back in older versions, in a small
//! directory that holds everything; each damaged directory is verified, read and opened.
//! docs/TESTING.md has the laws and the commands.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that tells what it tried")]

mod allocations;
mod campaign;
mod canonical;
mod files;
mod image;
mod laws;
mod reading;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use campaign::Flip;
use canonical::{Canonical, options, world};
use files::Mishap;
use image::{Image, ImageDisk};
use laws::{Case, Verify};
use reading::Truth;

fn canonical() -> &'static Canonical {
    static BUILT: OnceLock<Canonical> = OnceLock::new();
    BUILT.get_or_init(canonical::build)
}

fn truth_of(image: &Image) -> Truth {
    let open = |image| options().read_only(true).open_in(world(ImageDisk::new(image))).unwrap();
    let mut without = image.clone();
    image
        .paths()
        .filter(|path| path.ends_with(".snapshot"))
        .for_each(|path| without.remove_all(path));
    Truth::read(&open(image.clone()), &open(without))
}

#[test]
fn the_canonical_directory_is_sound_and_holds_everything() {
    let image = &canonical().closed;
    for path in image.paths() {
        println!("{:6} {path}", image.bytes(path).len());
    }
    println!("{:6} in all", image.len());
    assert!((60_000..70_000).contains(&image.len()));
    let disk = ImageDisk::new(image.clone());
    let report = ottla::verify_in(&world(disk.clone()), &ottla::VerifyOptions::new()).unwrap();
    assert!(report.is_sound(), "{:?}", report.all_errors().collect::<Vec<_>>());
    assert_eq!(disk.tried(), None);
    let truth = truth_of(image);
    assert_eq!(truth.partitions.len(), 11);
    assert!(truth.partitions.values().any(|partition| partition.start > 0));
    assert!(truth.groups.iter().all(|group| !group.is_empty()));
}

fn flip_bits(what: &str, image: &Image, truths: &[Truth], sample: usize) {
    let seed = campaign::seed();
    let is_closed = truths.len() == 1;
    let case = |flip: &Flip| Case {
        image: image.flipped(&flip.path, flip.bit),
        damaged: BTreeSet::from([flip.path.clone()]),
        verify: if is_closed { Verify::Names } else { Verify::Answers },
        truths: truths.iter().collect(),
        // One bit of each byte.
        thorough: flip.bit % 8 == flip.bit / 8 % 8,
        reported: is_closed,
    };
    let describe = |flip: &Flip| {
        let length = image.bytes(&flip.path).len();
        format!("{} bit {} (byte {} of {length})", flip.path, flip.bit, flip.bit / 8)
    };
    let flips = campaign::bits_of(image, seed, sample, is_closed);
    let fault = |flip: &Flip| if flip.path.ends_with(".log") { "F9" } else { "F10" };
    campaign::run((what, seed), &flips, fault, describe, |flip| case(flip).hold());
}

#[test]
fn no_flipped_bit_of_a_closed_directory_goes_unnoticed() {
    let image = &canonical().closed;
    flip_bits("bits of a closed directory", image, &[truth_of(image)], 40);
}

/// After a kill the last commit may be taken for one that was never synced, wholly.
#[test]
fn no_flipped_bit_of_a_directory_that_was_left_open_makes_a_wrong_record() {
    let canonical = canonical();
    let truths = [truth_of(&canonical.killed), truth_of(&canonical.before_last)];
    flip_bits("bits of a directory that was left open", &canonical.killed, &truths, 20);
}

fn hold_mishaps(what: &str, fault: &'static str, mishaps: Vec<Mishap>, sample: usize) {
    let seed = campaign::seed();
    let canonical = canonical();
    let truth = truth_of(&canonical.closed);
    let mishaps = campaign::some_of(mishaps, seed, sample);
    campaign::run(
        (what, seed),
        &mishaps,
        |_| fault,
        Mishap::describe,
        |mishap| mishap.case(&canonical.closed, &canonical.earlier, &truth).hold(),
    );
}

#[test]
fn no_file_can_be_cut_unnoticed() {
    hold_mishaps("files cut at every byte", "F12", files::cuts(&canonical().closed), 16);
}

#[test]
fn no_file_can_go_unnoticed() {
    hold_mishaps("files and folders missing", "F13", files::removals(&canonical().closed), 16);
}

#[test]
fn no_two_files_can_be_swapped_unnoticed() {
    hold_mishaps("files swapped", "F11", files::swaps(&canonical().closed), 16);
}

#[test]
fn no_older_version_of_a_file_goes_unnoticed() {
    let mishaps = files::stale(&canonical().closed, &canonical().earlier);
    hold_mishaps("older versions of files", "F11", mishaps, 16);
}

#[test]
fn no_batch_can_lie_in_another_place_unnoticed() {
    hold_mishaps("batches in other places", "F11", files::misplaced(&canonical().closed), 16);
}
