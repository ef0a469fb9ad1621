//! Sequences of calls of the C interface, as a program makes that has read half of the header: right
//! handles, wrong ones, freed ones and none, texts that are no text, counts that do not fit.
//!
//! Laws: no call panics inside; what says that it failed has an error with a message; when all
//! was freed, no handle is left. Pointers that lead nowhere are the program's fault and not tried;
//! ffi/tests/c and ffi/tests/misuse have callbacks, threads and forks.

#![expect(unsafe_code, reason = "calls functions as C programs do")]

use std::ffi::{c_char, c_void};
use std::ptr;

use ottla_ffi::bytes::ottla_record;
use ottla_ffi::setting::ottla_setting;

use crate::bytes::Input;

/// A handle of any type: a number to the program.
type Handle = *mut c_void;
type Error = *mut Handle;

/// Room for any struct that the library fills.
type Room = [u64; 64];

/// Declares functions of the header by what they take.
macro_rules! functions {
    ($table:ident: $kind:ty = $take:tt; $($name:ident)*) => {
        unsafe extern "C" {
            $(fn $name $take -> i32;)*
        }
        const $table: &[$kind] = &[$($name),*];
    };
}

functions!(ON_ONE: unsafe extern "C" fn(Handle, Error) -> i32 = (handle: Handle, error: Error);
    ottla_broker_checkpoint ottla_producer_flush ottla_partition_damage ottla_consumer_close
    ottla_consumer_unsubscribe ottla_consumer_commit ottla_transaction_commit
    ottla_transaction_abort ottla_transactional_producer_begin_transaction
    ottla_transactional_producer_commit_transaction
    ottla_transactional_producer_abort_transaction);

functions!(MAKE: unsafe extern "C" fn(Handle, *mut Handle, Error) -> i32 =
    (handle: Handle, made: *mut Handle, error: Error);
    ottla_topics_list ottla_settings_of_broker ottla_report_of_broker ottla_producer_metrics
    ottla_partition_producers ottla_atomic_append_new ottla_consumer_metrics
    ottla_consumer_assignment ottla_consumer_subscription ottla_groups_list ottla_retention_run
    ottla_retention_holds_list ottla_table_offsets ottla_snapshot_end_offsets
    ottla_snapshot_reader_next ottla_transaction_commit_with_places
    ottla_transactional_producer_commit_with_places);

functions!(MAKE_NAMED: unsafe extern "C" fn(Handle, *const c_char, *mut Handle, Error) -> i32 =
    (handle: Handle, name: *const c_char, made: *mut Handle, error: Error);
    ottla_topics_describe ottla_settings_of_topic ottla_group_offsets ottla_group_describe
    ottla_table_new);

functions!(ON_NAMED: unsafe extern "C" fn(Handle, *const c_char, Error) -> i32 =
    (handle: Handle, name: *const c_char, error: Error);
    ottla_topic_delete ottla_consumer_subscribe_pattern ottla_group_delete);

functions!(MAKE_SET: unsafe extern "C" fn(Handle, *const ottla_setting, usize, *const c_void, *mut Handle, Error) -> i32 =
    (handle: Handle, settings: *const ottla_setting, count: usize, options: *const c_void, made: *mut Handle, error: Error);
    ottla_producer_new ottla_consumer_new ottla_transaction_begin_with_options
    ottla_transactional_producer_new);

functions!(CREATE: unsafe extern "C" fn(Handle, *const c_char, i32, *const ottla_setting, usize, Error) -> i32 =
    (handle: Handle, name: *const c_char, partitions: i32, settings: *const ottla_setting, count: usize, error: Error);
    ottla_topic_create ottla_topic_ensure);

functions!(PLACE: unsafe extern "C" fn(Handle, *const c_char, i32, *mut Handle, Error) -> i32 =
    (handle: Handle, topic: *const c_char, partition: i32, made: *mut Handle, error: Error);
    ottla_partition_new);

functions!(NUMBER_OF_PLACE: unsafe extern "C" fn(Handle, *const c_char, i32, *mut i64, Error) -> i32 =
    (handle: Handle, topic: *const c_char, partition: i32, number: *mut i64, error: Error);
    ottla_consumer_position ottla_consumer_lag ottla_snapshot_end_offset
    ottla_snapshot_log_start_offset);

functions!(SEEK: unsafe extern "C" fn(Handle, *const c_char, i32, i64, Error) -> i32 =
    (handle: Handle, topic: *const c_char, partition: i32, offset: i64, error: Error);
    ottla_consumer_seek ottla_atomic_append_expect_end ottla_transaction_expect_end
    ottla_transactional_producer_expect_end);

functions!(NUMBER: unsafe extern "C" fn(Handle, *mut i64, Error) -> i32 =
    (handle: Handle, number: *mut i64, error: Error);
    ottla_partition_log_start_offset ottla_partition_end_offset
    ottla_partition_last_stable_offset ottla_partition_size_bytes ottla_stream_version
    ottla_table_length ottla_table_memory_bytes ottla_table_catch_up ottla_broker_tick);

functions!(CUT: unsafe extern "C" fn(Handle, i64, *mut i64, Error) -> i32 =
    (handle: Handle, offset: i64, now: *mut i64, error: Error);
    ottla_partition_delete_records ottla_partition_truncate_to);

functions!(APPEND: unsafe extern "C" fn(Handle, *const ottla_record, usize, i32, *mut Room, Error) -> i32 =
    (handle: Handle, records: *const ottla_record, count: usize, acks: i32, appended: *mut Room, error: Error);
    ottla_partition_append);

functions!(SEND: unsafe extern "C" fn(Handle, *const c_char, *const ottla_record, usize, *mut Handle, *mut usize, Error) -> i32 =
    (handle: Handle, topic: *const c_char, records: *const ottla_record, count: usize, made: *mut Handle, taken: *mut usize, error: Error);
    ottla_producer_send ottla_producer_try_send);

functions!(STAGE: unsafe extern "C" fn(Handle, *const c_char, *const ottla_record, usize, *mut usize, Error) -> i32 =
    (handle: Handle, topic: *const c_char, records: *const ottla_record, count: usize, taken: *mut usize, error: Error);
    ottla_transaction_send ottla_transactional_producer_send);

functions!(ADD: unsafe extern "C" fn(Handle, *const c_char, i32, *const ottla_record, usize, Error) -> i32 =
    (handle: Handle, topic: *const c_char, partition: i32, records: *const ottla_record, count: usize, error: Error);
    ottla_atomic_append_add);

functions!(COMMIT_MANY: unsafe extern "C" fn(Handle, *mut Room, usize, Error) -> i32 =
    (handle: Handle, appended: *mut Room, capacity: usize, error: Error);
    ottla_atomic_append_commit);

functions!(READ: unsafe extern "C" fn(Handle, i64, i32, *mut Handle, Error) -> i32 =
    (handle: Handle, from: i64, bytes_max: i32, made: *mut Handle, error: Error);
    ottla_partition_read);

functions!(POLL: unsafe extern "C" fn(Handle, i64, *mut Handle, Error) -> i32 =
    (handle: Handle, timeout_ms: i64, made: *mut Handle, error: Error);
    ottla_consumer_poll);

functions!(WAIT: unsafe extern "C" fn(Handle, i64, Error) -> i32 =
    (handle: Handle, timeout_ms: i64, error: Error);
    ottla_delivery_wait ottla_producer_close ottla_close);

functions!(GET: unsafe extern "C" fn(Handle, usize, *mut Room, Error) -> i32 =
    (handle: Handle, index: usize, value: *mut Room, error: Error);
    ottla_topics_get ottla_settings_get ottla_topic_partitions_get ottla_delivery_get
    ottla_producer_states_get ottla_offsets_get ottla_groups_get ottla_group_member
    ottla_group_partition ottla_places_get ottla_compaction_get ottla_retention_get
    ottla_report_partition ottla_retention_holds_get);

functions!(KEYED: unsafe extern "C" fn(Handle, *const c_char, *const u8, usize, *mut Handle, Error) -> i32 =
    (handle: Handle, topic: *const c_char, key: *const u8, length: usize, made: *mut Handle, error: Error);
    ottla_stream_new ottla_latest);

functions!(STREAM_APPEND: unsafe extern "C" fn(Handle, *const ottla_record, usize, i32, i64, *mut Room, Error) -> i32 =
    (handle: Handle, records: *const ottla_record, count: usize, acks: i32, version: i64, appended: *mut Room, error: Error);
    ottla_stream_append);

functions!(STREAM_READ: unsafe extern "C" fn(Handle, i64, i64, bool, usize, *mut Handle, Error) -> i32 =
    (handle: Handle, from: i64, to: i64, backwards: bool, most: usize, made: *mut Handle, error: Error);
    ottla_stream_read);

functions!(SNAPSHOT: unsafe extern "C" fn(Handle, *const *const c_char, usize, *mut Handle, Error) -> i32 =
    (handle: Handle, groups: *const *const c_char, count: usize, made: *mut Handle, error: Error);
    ottla_snapshot_new);

functions!(SUBSCRIBE: unsafe extern "C" fn(Handle, *const *const c_char, usize, Error) -> i32 =
    (handle: Handle, topics: *const *const c_char, count: usize, error: Error);
    ottla_consumer_subscribe);

functions!(COMPACT: unsafe extern "C" fn(Handle, *const c_char, *const c_void, *mut Handle, Error) -> i32 =
    (handle: Handle, topic: *const c_char, options: *const c_void, made: *mut Handle, error: Error);
    ottla_compaction_run);

functions!(VIEWS: unsafe extern "C" fn(Handle, *mut *const c_void, *mut usize, Error) -> i32 =
    (handle: Handle, views: *mut *const c_void, count: *mut usize, error: Error);
    ottla_records_views);

functions!(FREE: unsafe extern "C" fn(Handle) -> i32 = (handle: Handle);
    ottla_topic_partitions_free ottla_topics_free ottla_settings_free ottla_report_free
    ottla_metrics_free ottla_producer_free ottla_delivery_free ottla_partition_free
    ottla_producer_states_free ottla_atomic_append_free ottla_consumer_free ottla_records_free
    ottla_offsets_free ottla_groups_free ottla_group_free ottla_transaction_free
    ottla_transactional_producer_free ottla_places_free ottla_stream_free ottla_table_free
    ottla_snapshot_free ottla_snapshot_reader_free ottla_compaction_free ottla_retention_free
    ottla_retention_holds_free ottla_error_free ottla_abandon);

const PANIC: i32 = -103;

/// Texts that a program may pass, with their ends.
const TEXTS: [&[u8]; 12] = [
    b"t\0",
    b"t\0",
    b"t\0",
    b"u\0",
    b"g\0",
    b"\0",
    b"..\0",
    b"\xff\xfe\0",
    b"a/b\0",
    b"[\0",
    b"__consumer_offsets\0",
    b"a long name that is still a name of a topic and is used nowhere else in this place\0",
];

const SETTINGS: [(&[u8], &[u8]); 10] = [
    (b"acks\0", b"1\0"),
    (b"linger.ms\0", b"5\0"),
    (b"group.id\0", b"g\0"),
    (b"auto.offset.reset\0", b"earliest\0"),
    (b"transactional.id\0", b"x\0"),
    (b"cleanup.policy\0", b"compact\0"),
    (b"ottla.key.index\0", b"true\0"),
    (b"max.poll.records\0", b"0\0"),
    (b"no.such.setting\0", b"\xff\0"),
    (b"compression.type\0", b"lz4\0"),
];

/// What a program has.
struct Program<'a> {
    input: Input<'a>,
    handles: Vec<Handle>,
    settings: Vec<ottla_setting>,
    records: Vec<ottla_record>,
    error: Handle,
    room: Room,
}

/// # Panics
/// With the law that broke.
pub fn c_abi(data: &[u8]) {
    let before = ottla_ffi::open_handles::ottla_handle_count();
    let mut program = Program {
        input: Input::new(data),
        handles: Vec::new(),
        settings: Vec::new(),
        records: Vec::new(),
        error: ptr::null_mut(),
        room: [0; 64],
    };
    program.open();
    for _ in 0..64 {
        if program.input.is_empty() {
            break;
        }
        program.step();
    }
    program.free_all();
    let after = ottla_ffi::open_handles::ottla_handle_count();
    assert_eq!(after, before, "handles: some are left over");
}

impl Program<'_> {
    fn open(&mut self) {
        let settings = [
            setting(b"ottla.background\0", b"false\0"),
            setting(b"ottla.journal.file.bytes\0", b"4096\0"),
        ];
        let mut made: Handle = ptr::null_mut();
        // SAFETY: places and texts live in this frame.
        let status = unsafe {
            ottla_ffi::broker::ottla_open(
                c":memory:".as_ptr(),
                settings.as_ptr(),
                settings.len(),
                (&raw mut made).cast(),
                (&raw mut self.error).cast(),
            )
        };
        if status != 0 {
            let message = ottla_ffi::error::ottla_error_message(self.error.cast());
            // SAFETY: a message is a text.
            let message = unsafe { std::ffi::CStr::from_ptr(message) };
            panic!("open: {status}: {message:?}");
        }
        self.handles.push(made);
    }

    /// A handle that was made, or one that never was.
    fn handle(&mut self) -> Handle {
        match self.input.u8() {
            255 => ptr::null_mut(),
            254 => ptr::without_provenance_mut(self.input.u64() as usize),
            number => self.handles[usize::from(number) % self.handles.len()],
        }
    }

    fn text(&mut self) -> *const c_char {
        match self.input.u8() {
            255 => ptr::null(),
            number => TEXTS[usize::from(number) % TEXTS.len()].as_ptr().cast(),
        }
    }

    fn number(&mut self) -> i64 {
        let number = self.input.u8();
        match number {
            250.. => [i64::MIN, i64::MAX, -1, -2, i64::from(i32::MAX), 1 << 40]
                [usize::from(number - 250)],
            number => i64::from(number % 8),
        }
    }

    fn prepare_settings(&mut self) -> (*const ottla_setting, usize) {
        self.settings.clear();
        for _ in 0..self.input.u8() % 4 {
            let (name, value) = SETTINGS[self.input.below(SETTINGS.len())];
            self.settings.push(setting(name, value));
        }
        (self.settings.as_ptr(), self.settings.len())
    }

    fn prepare_records(&mut self) -> (*const ottla_record, usize) {
        self.records.clear();
        for _ in 0..self.input.u8() % 4 {
            let (key, value) = (self.input.piece(), self.input.piece());
            let flags = self.input.u8();
            self.records.push(ottla_record {
                key: if flags & 4 == 0 { key.as_ptr() } else { ptr::null() },
                key_length: if flags & 4 == 0 { key.len() } else { 0 },
                value: if flags & 8 == 0 { value.as_ptr() } else { ptr::null() },
                value_length: if flags & 8 == 0 { value.len() } else { 0 },
                headers: ptr::null(),
                header_count: 0,
                timestamp: i64::from(flags) - 1,
                partition: i32::from(flags >> 5),
                flags: u32::from(flags & 3),
            });
        }
        (self.records.as_ptr(), self.records.len())
    }

    fn error(&mut self) -> Error {
        // Some programs do not ask why.
        if self.input.below(8) == 0 { ptr::null_mut() } else { &raw mut self.error }
    }

    fn room(&mut self) -> *mut Room {
        self.room = [0; 64];
        // The size of a struct that says its size.
        self.room[0] = size_of::<Room>() as u64;
        &raw mut self.room
    }

    /// One call.
    fn step(&mut self) {
        let kind = self.input.u8() % 32;
        let handle = self.handle();
        let mut made: Handle = ptr::null_mut();
        let (mut number, mut taken) = (0_i64, 0_usize);
        // SAFETY: texts, records and places live until the next step; a handle is a number.
        let status = unsafe {
            match kind {
                0 => self.pick(ON_ONE)(handle, self.error()),
                1..=2 => self.pick(MAKE)(handle, &raw mut made, self.error()),
                3 => self.pick(MAKE_NAMED)(handle, self.text(), &raw mut made, self.error()),
                4 => self.pick(ON_NAMED)(handle, self.text(), self.error()),
                5..=6 => {
                    let (settings, count) = self.prepare_settings();
                    let make = self.pick(MAKE_SET);
                    make(handle, settings, count, ptr::null(), &raw mut made, self.error())
                }
                7..=8 => {
                    let (settings, count) = self.prepare_settings();
                    let (name, partitions) = (self.text(), self.number() as i32);
                    // A thousand partitions are allowed, and slow.
                    let create = self.pick(CREATE);
                    create(handle, name, partitions.min(4), settings, count, self.error())
                }
                9..=10 => self.pick(PLACE)(
                    handle,
                    self.text(),
                    self.number() as i32,
                    &raw mut made,
                    self.error(),
                ),
                11 => self.pick(NUMBER_OF_PLACE)(
                    handle,
                    self.text(),
                    self.number() as i32,
                    &raw mut number,
                    self.error(),
                ),
                12 => self.pick(SEEK)(
                    handle,
                    self.text(),
                    self.number() as i32,
                    self.number(),
                    self.error(),
                ),
                13 => self.pick(NUMBER)(handle, &raw mut number, self.error()),
                14 => self.pick(CUT)(handle, self.number(), &raw mut number, self.error()),
                15..=16 => {
                    let (records, count) = self.prepare_records();
                    let acks = self.number() as i32;
                    self.pick(APPEND)(handle, records, count, acks, self.room(), self.error())
                }
                17 => {
                    let (records, count) = self.prepare_records();
                    let send = self.pick(SEND);
                    send(
                        handle,
                        self.text(),
                        records,
                        count,
                        &raw mut made,
                        &raw mut taken,
                        self.error(),
                    )
                }
                18 => {
                    let (records, count) = self.prepare_records();
                    self.pick(STAGE)(
                        handle,
                        self.text(),
                        records,
                        count,
                        &raw mut taken,
                        self.error(),
                    )
                }
                19 => {
                    let (records, count) = self.prepare_records();
                    let partition = self.number() as i32;
                    self.pick(ADD)(handle, self.text(), partition, records, count, self.error())
                }
                20 => self.pick(COMMIT_MANY)(handle, self.room(), 4, self.error()),
                21 => self.pick(READ)(
                    handle,
                    self.number(),
                    self.number() as i32,
                    &raw mut made,
                    self.error(),
                ),
                22..=23 => self.pick(POLL)(handle, 0, &raw mut made, self.error()),
                24 => self.pick(WAIT)(handle, 0, self.error()),
                25 => self.pick(GET)(handle, self.number() as usize, self.room(), self.error()),
                26 => {
                    let key = self.input.piece();
                    self.pick(KEYED)(
                        handle,
                        self.text(),
                        key.as_ptr(),
                        key.len(),
                        &raw mut made,
                        self.error(),
                    )
                }
                27 => {
                    let (records, count) = self.prepare_records();
                    let version = self.number();
                    self.pick(STREAM_APPEND)(
                        handle,
                        records,
                        count,
                        -1,
                        version,
                        self.room(),
                        self.error(),
                    )
                }
                28 => {
                    let (from, to, backwards) = (self.number(), self.number(), self.input.bool());
                    self.pick(STREAM_READ)(
                        handle,
                        from,
                        to,
                        backwards,
                        10,
                        &raw mut made,
                        self.error(),
                    )
                }
                29 => {
                    let names = [self.text(), self.text()];
                    let count = self.input.below(3);
                    if self.input.bool() {
                        self.pick(SNAPSHOT)(
                            handle,
                            names.as_ptr(),
                            count,
                            &raw mut made,
                            self.error(),
                        )
                    } else {
                        self.pick(SUBSCRIBE)(handle, names.as_ptr(), count, self.error())
                    }
                }
                30 => {
                    let mut views = ptr::null();
                    if self.input.bool() {
                        self.pick(COMPACT)(
                            handle,
                            self.text(),
                            ptr::null(),
                            &raw mut made,
                            self.error(),
                        )
                    } else {
                        self.pick(VIEWS)(handle, &raw mut views, &raw mut taken, self.error())
                    }
                }
                _ => self.pick(FREE)(handle),
            }
        };
        self.check(status, made);
    }

    /// Any function of a table.
    fn pick<F: Copy>(&mut self, table: &[F]) -> F {
        table[self.input.below(table.len())]
    }

    fn check(&mut self, status: i32, made: Handle) {
        assert_ne!(status, PANIC, "panic: a call panicked inside");
        if !made.is_null() {
            self.handles.push(made);
        }
        let error = std::mem::replace(&mut self.error, ptr::null_mut());
        if !error.is_null() {
            assert_ne!(status, 0, "error: a call that succeeds has an error");
            let message = ottla_ffi::error::ottla_error_message(error.cast());
            assert!(!message.is_null(), "error: it says nothing");
            // SAFETY: the library made it, and nobody uses it any more.
            let freed = unsafe { ottla_error_free(error) };
            assert_eq!(freed, 0, "error: it cannot be freed");
        }
    }

    /// Frees what is there, with the one function that fits it; the broker goes last.
    fn free_all(&mut self) {
        for handle in std::mem::take(&mut self.handles).into_iter().rev() {
            // SAFETY: a handle is a number that is looked up.
            let freed = FREE.iter().filter(|free| unsafe { free(handle) } == 0).count();
            assert!(freed <= 1, "handles: one was freed {freed} times");
        }
    }
}

fn setting(name: &'static [u8], value: &'static [u8]) -> ottla_setting {
    ottla_setting { name: name.as_ptr().cast(), value: value.as_ptr().cast() }
}
