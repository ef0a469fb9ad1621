//! Zstandard. Written as one frame that says its content's size; read as any frames, with or
//! without a size: what a frame says about its size is not believed.

use std::cell::Cell;
use std::io::Cursor;

use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, compress_bound,
    get_error_name,
};

use super::{check_len, keep, make_room, reserve, take_kept};
use crate::error::{Error, ErrorKind, Result};
use crate::format::FormatError;

const LEVEL_DEFAULT: i32 = 3;
/// The largest window of any level of the encoder (128 MiB): Kafka accepts these levels.
const WINDOW_LOG_MAX: u32 = 27;
/// A context that grew beyond this is not kept.
const CONTEXT_BYTES_MAX: usize = 8 << 20;
/// The library's names of the errors for a window over the maximum and for want of memory.
const MEMORY_ERRORS: [&str; 2] =
    ["Frame requires too much memory for decoding", "Allocation error : not enough memory"];

thread_local! {
    static COMPRESSOR: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
    static DECOMPRESSOR: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

pub(super) fn compress(level: Option<i32>, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let failed = |code| {
        let message = format!("zstd cannot compress: {}", get_error_name(code));
        Error::new(ErrorKind::Io, message)
    };
    let mut context = take_kept(&COMPRESSOR, CCtx::create);
    let level = level.unwrap_or(LEVEL_DEFAULT);
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
    reserve(out, compress_bound(plain.len())).map_err(FormatError::into_error)?;
    let mut cursor = Cursor::new(&mut *out);
    cursor.set_position(cursor.get_ref().len() as u64);
    context.compress2(&mut cursor, plain).map_err(failed)?;
    if context.sizeof() <= CONTEXT_BYTES_MAX {
        keep(&COMPRESSOR, context);
    }
    Ok(())
}

pub(super) fn decompress(
    packed: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let mut context = take_kept(&DECOMPRESSOR, DCtx::create);
    let result = decompress_frames(&mut context, packed, bytes_max, out);
    if context.sizeof() <= CONTEXT_BYTES_MAX {
        keep(&DECOMPRESSOR, context);
    }
    result
}

fn decompress_frames(
    context: &mut DCtx<'_>,
    packed: &[u8],
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let mut input = InBuffer::around(packed);
    // An earlier batch may have failed in the middle of a frame.
    context.reset(ResetDirective::SessionOnly).map_err(|code| bad_data(code, 0))?;
    let window = DParameter::WindowLogMax(WINDOW_LOG_MAX);
    context.set_parameter(window).map_err(|code| bad_data(code, 0))?;
    loop {
        make_room(out, bytes_max)?;
        let start = out.len();
        let mut output = OutBuffer::around_pos(&mut *out, start);
        let left = context
            .decompress_stream(&mut output, &mut input)
            .map_err(|code| bad_data(code, input.pos()))?;
        check_len(out.len(), bytes_max)?;
        let is_consumed = input.pos() == packed.len();
        if is_consumed && left == 0 {
            return Ok(());
        }
        // With room left and nothing to read, more input is what it waits for.
        if is_consumed && out.len() < out.capacity() {
            return Err(FormatError::truncated("a zstd frame", packed.len()));
        }
    }
}

fn bad_data(code: usize, at: usize) -> FormatError {
    let name = get_error_name(code);
    let what = format!("bad zstd data: {name}");
    if MEMORY_ERRORS.contains(&name) {
        FormatError::limit(what, at)
    } else {
        FormatError::corrupt(what, at)
    }
}
