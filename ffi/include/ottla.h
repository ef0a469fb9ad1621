/*
 * ottla.h: Ottla is the SQLite of Kafka: Kafka's log inside your process.
 *
 * A program opens a directory and has topics, partitions, producers, consumers, groups and
 * transactions, without a server. The files in the directory are Kafka's files. This comment says
 * what holds for all functions; the comment of each function says the rest.
 *
 *   #include <ottla.h>
 *   #include <stdio.h>
 *
 *   int main(void) {
 *     ottla_broker *broker;
 *     ottla_producer *producer;
 *     ottla_delivery *delivery;
 *     ottla_error *error = NULL;
 *     ottla_record record = {.value = (const uint8_t *)"one burger", .value_length = 10};
 *     if (ottla_open("data", NULL, 0, &broker, &error) ||
 *         ottla_topic_ensure(broker, "orders", 4, NULL, 0, &error) ||
 *         ottla_producer_new(broker, NULL, 0, NULL, &producer, &error) ||
 *         ottla_producer_send(producer, "orders", &record, 1, &delivery, NULL, &error) ||
 *         ottla_delivery_wait(delivery, -1, &error)) {
 *       return fprintf(stderr, "%s\n", ottla_error_message(error));
 *     }
 *     ottla_delivery_free(delivery);
 *     ottla_producer_free(producer);
 *     return ottla_close(broker, -1, NULL);
 *   }
 *
 * When ottla_delivery_wait returns OTTLA_OK, the record survives power loss. The program is built
 * with `cc program.c $(pkg-config --cflags --libs ottla)`; longer ones are in ffi/examples.
 *
 * Errors
 *   Nearly every function returns an ottla_status: OTTLA_OK, which is 0, or a negative code. The
 *   last argument of a function that can fail in more than one way is the place for an ottla_error,
 *   which has the code, a sentence that names topic, file and what to do, and whether to try again.
 *   It may be NULL. On success it is left alone, so begin with `ottla_error *error = NULL;`. On
 *   failure it gets a new error, which is the program's to free; one that was there is not freed.
 *   All other results are written only on success; where it is otherwise, the function says so.
 *   Codes keep their numbers for ever. New ones may come: treat an unknown code as a failure.
 *
 * Handles
 *   What a pointer to an ottla_... type without a visible struct holds is a handle. It is no
 *   address: compare it with NULL and hand it back, no more. Each is looked up on each call. NULL,
 *   a handle that was freed, one of another type and an invented number are answered with
 *   OTTLA_E_INVALID_HANDLE, and nothing happens. A function that returns something else than a
 *   status answers with what its comment says: 0, -1, false or NULL.
 *   Each type with `_new`, and each that a function hands out, has a `_free`, to be called once.
 *   Freeing NULL is fine and does nothing. ottla_handle_count says how many handles are held.
 *
 * Ownership
 *   What a program passes, text, bytes, settings, records, is read or copied during the call and
 *   never kept, and never freed; callbacks and their `user_data` are kept, as long as the function
 *   says. Pointers that come back, in structs or as results, belong to the handle that they came
 *   from and are valid until that is freed: keys and values of a batch until ottla_records_free,
 *   the message of an error until ottla_error_free. To keep something longer, copy it.
 *
 * Lifetimes
 *   Producers, consumers, transactions, partitions, streams, tables and snapshots are made of a
 *   broker and freed before it is closed. ottla_close waits for them as long as it is told, and
 *   then answers OTTLA_E_STILL_OPEN and names them. Records, errors, deliveries and lists are data:
 *   they may be freed later than the broker.
 *   What is freed while another thread is inside of it lives until that call returns; a consumer
 *   is not freed then, and the answer is OTTLA_E_CONCURRENT_USE.
 *   At the end of a program close the broker. If it ends otherwise, by a signal or by exit without
 *   a close, nothing acknowledged is lost; the next open recovers the directory.
 *
 * Threads
 *   The library may be called from any thread, and all functions may run at the same time. What
 *   `Threads:` says about the handles of a call:
 *     any             any number of threads may use them at the same time.
 *     one at a time   one thread, and which one may change. While another thread is inside, the
 *                     answer is OTTLA_E_CONCURRENT_USE, at once. So it is with consumers,
 *                     transactions, appenders, and tables while they are moved on.
 *     once            afterwards the handle is gone.
 *   The library has threads of its own, few per broker; none of them runs a signal handler.
 *
 * Text, bytes and time
 *   Text is UTF-8 with a zero byte at its end, in both directions; other text is answered with
 *   OTTLA_E_INVALID_INPUT. Paths may have any bytes but zero. Keys, values and the names of headers
 *   are a pointer and a length, and may hold zero bytes; a NULL pointer is no value (a tombstone),
 *   and not the same as an empty one. Lengths and counts that no memory can have are refused. That
 *   a pointer leads to as much memory as its length says is what the library cannot check.
 *   Timeouts are milliseconds: 0 does not wait, -1 waits for ever, what is below is refused.
 *   Timestamps are milliseconds since 1970, offsets int64_t, partitions int32_t, as in Kafka.
 *
 * Settings
 *   Brokers, topics, producers and consumers are configured with Kafka's names and values as text,
 *   in arrays of ottla_setting: {"retention.ms", "604800000"}, {"group.id", "kitchen"}. An unknown
 *   name is an error that names the nearest one; a setting is never silently ignored.
 *
 * Structs
 *   A struct that begins with `struct_size` may grow at its end. Zero it and set the size, also
 *   where it is a result: `ottla_consumer_options options = {.struct_size = sizeof options};`.
 *   All zeros is the default of every option. A library that is older than the program answers
 *   OTTLA_E_UNSUPPORTED if the program sets what it does not know, and zeroes what it cannot fill
 *   in. All other structs have the layout that they have here for ever.
 *
 * Callbacks
 *   The function that takes one says on which thread it runs, and when for the last time. No lock
 *   of the library is held meanwhile: a callback may call the library, but must not wait for what
 *   only its own thread can bring about. It must return: no longjmp, no C++ exception leaves it.
 *
 * Event loops
 *   ottla_consumer_fd and ottla_producer_fd give descriptors for poll, epoll and the like, readable
 *   when there is something to fetch. Only wait on them: never read, write or close them.
 *
 * Fork
 *   A child has none of the parent's handles: all calls with them answer OTTLA_E_FORKED, and
 *   freeing them does nothing. Nothing that it does, exit included, touches the parent's directory.
 *   The child may open another directory, and the parent goes on as before. If the parent is
 *   killed, its directory stays locked until the child, too, has ended or called exec. A child that
 *   was made within a callback must not return from it, into work of the parent: it ends or calls
 *   exec there.
 *
 * Signals
 *   No function is for signal handlers. The library installs no handlers, and a call that is
 *   interrupted by one goes on. Signals are blocked in the library's own threads.
 *
 * Defects
 *   A panic of the library ends at its border: the call answers OTTLA_E_PANIC, and the message says
 *   what to report. Close what is open; what was acknowledged is safe.
 *
 * Versions
 *   OTTLA_VERSION_NUMBER and OTTLA_ABI_VERSION are those of this header, ottla_version_number and
 *   ottla_abi_version those of the library that runs. Functions, codes and fields are added, never
 *   changed or removed, as long as the library is called libottla.so.0; a program runs with every
 *   library whose ottla_abi_version is not smaller than its OTTLA_ABI_VERSION.
 */

#ifndef OTTLA_H
#define OTTLA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of the ABI that this header describes. It grows by one when a function or type is
 * added, and never for another reason: what was there keeps its meaning as long as the soname
 * stays.
 */
#define OTTLA_ABI_VERSION 1

/**
 * The version that this header came with, as ottla_version_number says it of the library.
 */
#define OTTLA_VERSION_NUMBER 1000

/**
 * The field `partition` of an ottla_record counts. Without this flag the partitioner chooses.
 */
#define OTTLA_RECORD_PARTITION 1

/**
 * The field `timestamp` of an ottla_record counts. Without this flag it is the time of the call.
 */
#define OTTLA_RECORD_TIMESTAMP 2

/**
 * Files and folders that are not known here, and were left alone.
 */
#define OTTLA_FILES_UNKNOWN 1

/**
 * Leftovers that were removed: of the directory the spill files of transactions that were never
 * committed, or whose batches are in the log by now.
 */
#define OTTLA_FILES_REMOVED 2

/**
 * What was cut off or set aside, and can be looked at: of the directory journal files that should
 * have been empty and spill files that should not have been there, of a partition what was cut.
 */
#define OTTLA_FILES_QUARANTINED 3

/**
 * Files that were made anew from the log. Only partitions have them.
 */
#define OTTLA_FILES_REBUILT 4

/**
 * acks=0: handed over. A death of the process may lose the records.
 */
#define OTTLA_ACKS_NONE 0

/**
 * acks=1: in the operating system. The records survive the death of the process, not a loss of
 * power.
 */
#define OTTLA_ACKS_LEADER 1

/**
 * acks=all: on the disk, synced. The records survive a loss of power.
 */
#define OTTLA_ACKS_ALL -1

/**
 * The bits of an ottla_record_view's `header_count_and_type` that count its headers.
 */
#define OTTLA_RECORD_VIEW_HEADER_COUNT 2147483647

/**
 * The bit of an ottla_record_view's `header_count_and_type` that is set if the timestamp is the
 * log's (Kafka's LogAppendTime), and clear if it is the producer's (CreateTime).
 */
#define OTTLA_RECORD_VIEW_LOG_APPEND_TIME 2147483648

/**
 * The state of a group without members: it has only committed offsets.
 */
#define OTTLA_GROUP_EMPTY 0

/**
 * Something changed, and who is to read what is decided by the next poll of a member.
 */
#define OTTLA_GROUP_ASSIGNING 1

/**
 * It was decided, and some member still has to let go of partitions or to take them.
 */
#define OTTLA_GROUP_RECONCILING 2

/**
 * Every member reads what it should.
 */
#define OTTLA_GROUP_STABLE 3

/**
 * Sets offsets to the first that can be read. `value` does not count.
 */
#define OTTLA_RESET_EARLIEST 0

/**
 * Sets offsets to the end. `value` does not count.
 */
#define OTTLA_RESET_LATEST 1

/**
 * Sets offsets to `value`, or to the nearest that there is.
 */
#define OTTLA_RESET_OFFSET 2

/**
 * Sets offsets to the first record whose timestamp is `value` (milliseconds since 1970) or later;
 * to the end if there is none.
 */
#define OTTLA_RESET_TIMESTAMP 3

/**
 * Sets offsets to the first record that is not older than `value` milliseconds.
 */
#define OTTLA_RESET_DURATION 4

/**
 * Moves offsets on by `value` records, or back if it is negative; within what there is.
 */
#define OTTLA_RESET_SHIFT_BY 5

/**
 * Leaves offsets where they are, or at the end where nothing was committed: what is out of range is
 * set right. `value` does not count.
 */
#define OTTLA_RESET_CURRENT 6

/**
 * Expects nothing: the version of a stream may be any.
 */
#define OTTLA_VERSION_ANY -2

/**
 * The version of a stream that has no record, or has none left.
 */
#define OTTLA_VERSION_NO_STREAM -1

/**
 * Appends to one partition as an idempotent producer, and counts the sequence numbers.
 *
 * Ownership: the program's, until ottla_appender_free; to be freed before its broker is closed. It
 * may outlive its ottla_partition.
 * Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
 */
typedef struct ottla_appender ottla_appender;

/**
 * Where an assignor puts its answer: see ottla_assignment_add.
 *
 * Ownership: the library's, and gone when the assignor returns.
 * Threads: the one that the assignor was called on.
 */
typedef struct ottla_assignment ottla_assignment;

/**
 * Batches for several partitions that become durable and visible together, or not at all, with one
 * sync.
 *
 * Ownership: the program's, until ottla_atomic_append_free; to be freed before its broker is closed.
 * Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
 */
typedef struct ottla_atomic_append ottla_atomic_append;

/**
 * An open directory.
 *
 * Ownership: the program's, until ottla_close or ottla_abandon.
 * Threads: any number at the same time.
 */
typedef struct ottla_broker ottla_broker;

/**
 * What a compaction did, round by round.
 *
 * Ownership: the program's, until ottla_compaction_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_compaction ottla_compaction;

/**
 * Reads partitions.
 *
 * Ownership: the program's, until ottla_consumer_free, which has to be before the broker is
 * closed. Records that it returned stay.
 * Threads: one at a time: a call while another thread is inside of it returns
 * OTTLA_E_CONCURRENT_USE and does nothing. ottla_consumer_wakeup may be called from any.
 */
typedef struct ottla_consumer ottla_consumer;

/**
 * The records of one call of ottla_producer_send, to be asked what became of them.
 *
 * Ownership: the program's, until ottla_delivery_free. It may outlive its producer and its broker.
 * Threads: any number at the same time.
 */
typedef struct ottla_delivery ottla_delivery;

/**
 * Why a call failed. Every function that can fail takes a place for one as its last argument:
 * NULL, if only the code is of interest, or the address of a pointer, which is set on failure and
 * left alone on success.
 *
 * Ownership: the program's, until ottla_error_free.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_error ottla_error;

/**
 * A group, as it was when it was described.
 *
 * Ownership: the program's, until ottla_group_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_group ottla_group;

/**
 * Who a consumer is in its group.
 *
 * Ownership: the program's, until ottla_group_metadata_free. It does not need the consumer.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_group_metadata ottla_group_metadata;

/**
 * A list of groups, as they were when it was made.
 *
 * Ownership: the program's, until ottla_groups_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_groups ottla_groups;

/**
 * A list of names with numbers, as they were when it was made.
 *
 * Ownership: the program's, until ottla_metrics_free. It needs no broker.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_metrics ottla_metrics;

/**
 * What a reset did, or would do, partition by partition.
 *
 * Ownership: the program's, until ottla_offset_changes_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_offset_changes ottla_offset_changes;

/**
 * A list of committed offsets.
 *
 * Ownership: the program's, until ottla_offsets_free.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_offsets ottla_offsets;

/**
 * One partition of a topic.
 *
 * Ownership: the program's, until ottla_partition_free; to be freed before its broker is closed.
 * Threads: any number at the same time.
 */
typedef struct ottla_partition ottla_partition;

/**
 * Where the records of a transaction went, by partition.
 *
 * Ownership: the program's, until ottla_places_free.
 * Threads: any number at the same time.
 */
typedef struct ottla_places ottla_places;

/**
 * Sends records: it gathers them into batches, one after the other per partition.
 *
 * Ownership: the program's, until ottla_producer_free; to be freed before its broker is closed.
 * Threads: any number at the same time.
 */
typedef struct ottla_producer ottla_producer;

/**
 * A list of what a partition knows of idempotent producers.
 *
 * Ownership: the program's, until ottla_producer_states_free. It needs no broker.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_producer_states ottla_producer_states;

/**
 * Records that were read together: what a poll returns, or a read of a partition, a stream, a
 * snapshot.
 *
 * Ownership: the program's, until ottla_records_free. They outlive whatever they were read with,
 * the consumer and the broker included.
 * Threads: any number may read them at the same time.
 */
typedef struct ottla_records ottla_records;

/**
 * What opening a directory found and did. Every byte that was not kept is in here.
 *
 * Ownership: the program's, until ottla_report_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_report ottla_report;

/**
 * What retention deleted, partition by partition.
 *
 * Ownership: the program's, until ottla_retention_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_retention ottla_retention;

/**
 * What retention keeps for the groups that it waits for: a row for each partition and group of the
 * topics that name some in ottla.retention.groups.
 *
 * Ownership: the program's, until ottla_retention_holds_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_retention_holds ottla_retention_holds;

/**
 * All settings of a broker, a topic, a producer or a consumer, with their values.
 *
 * Ownership: the program's, until ottla_settings_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_settings ottla_settings;

/**
 * All partitions as of one moment, to be read at leisure. Of every transaction it has all or nothing,
 * whatever the partitions and groups. It copies nothing and holds up nobody; what the log gives up
 * meanwhile (retention, a cut, compaction) is an error of the read, never a gap.
 *
 * Ownership: the program's, until ottla_snapshot_free.
 * Threads: any number at the same time.
 */
typedef struct ottla_snapshot ottla_snapshot;

/**
 * Reads a partition up to where a snapshot says that it ended.
 *
 * Ownership: the program's, until ottla_snapshot_reader_free. It may outlive the snapshot.
 * Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
 */
typedef struct ottla_snapshot_reader ottla_snapshot_reader;

/**
 * The records of one key, in the order in which they were appended. Its topic needs
 * ottla.key.index=true.
 *
 * Its version is the offset of its newest record. Whoever has read a stream up to some version, and
 * appends expecting that version, has overlooked nothing.
 *
 * Ownership: the program's, until ottla_stream_free.
 * Threads: any number at the same time.
 */
typedef struct ottla_stream ottla_stream;

/**
 * The newest value of each key of a topic, in memory. It moves only in ottla_table_catch_up and
 * ottla_table_poll, so it is always the topic at known offsets, and of a transaction it has all or
 * nothing.
 *
 * Ownership: the program's, until ottla_table_free.
 * Threads: any number may read it at the same time. One at a time moves it: meanwhile the others get
 * OTTLA_E_CONCURRENT_USE.
 */
typedef struct ottla_table ottla_table;

/**
 * Some keys and values of a table.
 *
 * Ownership: the program's, until ottla_table_entries_free. They outlive the table.
 * Threads: any number at the same time.
 */
typedef struct ottla_table_entries ottla_table_entries;

/**
 * A list of partitions, or of topics.
 *
 * Ownership: the program's, until ottla_topic_partitions_free.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_topic_partitions ottla_topic_partitions;

/**
 * A list of topics, as they were when it was made: what changes later does not change it.
 *
 * Ownership: the program's, until ottla_topics_free. It does not hold the broker open.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_topics ottla_topics;

/**
 * Records for any number of partitions and offsets of groups, that become durable and visible
 * together, or not at all. Nothing is in the log before the commit, so a transaction that is open
 * holds up nobody.
 *
 * Ownership: the program's, until ottla_transaction_free.
 * Threads: one at a time; a second one gets OTTLA_E_CONCURRENT_USE.
 */
typedef struct ottla_transaction ottla_transaction;

/**
 * Sends records in transactions, with Kafka's verbs, under a transactional.id. A newer one with the
 * same id fences it: its transaction is aborted, and every call says OTTLA_E_FENCED.
 *
 * Ownership: the program's, until ottla_transactional_producer_free.
 * Threads: any number at the same time; they share the transaction of the moment.
 */
typedef struct ottla_transactional_producer ottla_transactional_producer;

/**
 * What reading everything in a directory found.
 *
 * Ownership: the program's, until ottla_verification_free.
 * Threads: any number may read one at the same time.
 */
typedef struct ottla_verification ottla_verification;

/**
 * What nearly every call returns: OTTLA_OK, or one of the negative codes OTTLA_E_...
 */
typedef int32_t ottla_status;

/**
 * A partition.
 *
 * Ownership: the name is the program's where one is handed in, and copied during the call; handed
 * out, it belongs to what it came from.
 */
typedef struct ottla_topic_partition {
  /**
   * The topic's name.
   */
  const char *topic;
  /**
   * The partition's number; -1 in a list of topics.
   */
  int32_t partition;
  /**
   * Nobody looks at it.
   */
  uint32_t reserved;
} ottla_topic_partition;

/**
 * One setting by Kafka's dotted name: {"retention.ms", "604800000"}. An unknown name is an error
 * that names the nearest one.
 *
 * Ownership: the program's; copied during the call.
 */
typedef struct ottla_setting {
  /**
   * The name. Not NULL.
   */
  const char *name;
  /**
   * The value as text. Not NULL, but where a call says that NULL takes the setting back.
   */
  const char *value;
} ottla_setting;

/**
 * What a topic is.
 *
 * Ownership: the texts are those of the list that it was read from.
 */
typedef struct ottla_topic_info {
  /**
   * Set it to sizeof(ottla_topic_info).
   */
  uint32_t struct_size;
  /**
   * How many partitions it has.
   */
  uint32_t partition_count;
  /**
   * Its name.
   */
  const char *name;
  /**
   * Its id, 22 characters as Kafka prints it: another one after the topic was deleted and made
   * anew.
   */
  const char *id;
  /**
   * How many settings were made for this topic; see ottla_topics_setting.
   */
  uint32_t setting_count;
  /**
   * Whether Kafka keeps topics of this name for itself.
   */
  bool is_internal;
  /**
   * Zero.
   */
  uint8_t reserved[3];
} ottla_topic_info;

/**
 * What a partition of a topic holds.
 *
 * Ownership: the texts are those of the list that it was read from.
 */
typedef struct ottla_partition_info {
  /**
   * Set it to sizeof(ottla_partition_info).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The first offset that can be read.
   */
  int64_t log_start_offset;
  /**
   * The offset behind the newest record.
   */
  int64_t end_offset;
  /**
   * The bytes of its segments.
   */
  uint64_t size_bytes;
  /**
   * All below this offset went through compaction; 0 if nothing did.
   */
  int64_t cleaned_to_offset;
  /**
   * Why it is not compacted any more before the directory is opened again; NULL if it is.
   */
  const char *compaction_error;
  /**
   * Why it cannot be written, if it is damaged; NULL if it is not.
   */
  const char *damage;
} ottla_partition_info;

/**
 * A setting with its value and its default.
 *
 * Ownership: the texts are those of the list that it was read from.
 */
typedef struct ottla_setting_info {
  /**
   * Set it to sizeof(ottla_setting_info).
   */
  uint32_t struct_size;
  /**
   * Whether it was set for this topic, or is not the default of an open broker.
   */
  bool is_set;
  /**
   * Zero.
   */
  uint8_t reserved[3];
  /**
   * Kafka's name.
   */
  const char *name;
  /**
   * The value that holds, as text.
   */
  const char *value;
  /**
   * The value that it has if it is not set; NULL for a setting that this version does not know,
   * and which a newer one left in the directory.
   */
  const char *default_value;
} ottla_setting_info;

/**
 * The numbers of a report.
 *
 * Ownership: the text is that of the report that it was read from.
 */
typedef struct ottla_report_info {
  /**
   * Set it to sizeof(ottla_report_info).
   */
  uint32_t struct_size;
  /**
   * The directory was closed cleanly, by Ottla: nothing had to be looked at.
   */
  bool is_clean;
  /**
   * Another program (a Kafka broker) wrote the directory last.
   */
  bool is_foreign;
  /**
   * The directory was made.
   */
  bool is_created;
  /**
   * Zero.
   */
  uint8_t reserved;
  /**
   * Why the broker is read-only although it was not asked to be; NULL if it is not.
   */
  const char *read_only_because;
  /**
   * Frames of the journal that were applied again.
   */
  uint64_t frames_replayed;
  /**
   * Batches of the journal that were written into segments.
   */
  uint64_t batches_replayed;
  /**
   * Batches of the journal that belonged to topics deleted since.
   */
  uint64_t batches_dropped;
  /**
   * Batches of the journal that damaged partitions could not take; the journal is kept.
   */
  uint64_t batches_refused;
  /**
   * Committed offsets of topics that are not there any more, taken back.
   */
  uint64_t offsets_dropped;
  /**
   * Records in the topic of committed offsets that are none, or of an unknown kind.
   */
  uint64_t offset_records_skipped;
  /**
   * Bytes that were cut from the ends of segments.
   */
  uint64_t bytes_cut;
  /**
   * Bytes that were read and checked.
   */
  uint64_t bytes_scanned;
  /**
   * How long opening took, in microseconds.
   */
  uint64_t duration_us;
  /**
   * Partitions that had to be looked at: ottla_report_partition.
   */
  uint64_t partition_count;
  /**
   * Partitions that cannot be written: ottla_report_damaged.
   */
  uint64_t damaged_count;
  /**
   * Transactions of other programs that were finished: ottla_report_transaction.
   */
  uint64_t transaction_count;
  /**
   * Committed offsets that were set back to the end: ottla_report_clamped.
   */
  uint64_t clamped_count;
  /**
   * Folders and links that do not belong here, left alone: OTTLA_FILES_UNKNOWN.
   */
  uint64_t unknown_count;
  /**
   * Spill files of transactions that were removed: OTTLA_FILES_REMOVED.
   */
  uint64_t removed_count;
  /**
   * Files that were set aside: OTTLA_FILES_QUARANTINED.
   */
  uint64_t quarantined_count;
} ottla_report_info;

/**
 * What recovery did to one partition.
 *
 * Ownership: the texts are those of the report that it was read from.
 */
typedef struct ottla_recovered_partition {
  /**
   * Set it to sizeof(ottla_recovered_partition).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic.
   */
  const char *topic;
  /**
   * Bytes of logs that were read and checked.
   */
  uint64_t scanned_bytes;
  /**
   * Batches behind the recovery point that were found sound and kept.
   */
  uint64_t kept_batches;
  /**
   * Batches of the journal that were written into the log.
   */
  uint64_t replayed_batches;
  /**
   * Batches of the journal that the log held already, below the recovery point.
   */
  uint64_t skipped_batches;
  /**
   * Bytes that were cut off, zeros included.
   */
  uint64_t cut_bytes;
  /**
   * Bytes that were cut off and found no place in quarantine.
   */
  uint64_t lost_bytes;
  /**
   * Files that are not known here; they were left alone: OTTLA_FILES_UNKNOWN.
   */
  uint64_t unknown_count;
  /**
   * Leftovers that were removed: OTTLA_FILES_REMOVED.
   */
  uint64_t removed_count;
  /**
   * The quarantine files that hold what was cut off: OTTLA_FILES_QUARANTINED.
   */
  uint64_t quarantined_count;
  /**
   * Files that were made anew from the log: OTTLA_FILES_REBUILT.
   */
  uint64_t rebuilt_count;
  /**
   * Why the partition is not writable; NULL if it is.
   */
  const char *damage;
} ottla_recovered_partition;

/**
 * A transaction of another program that was finished.
 *
 * Ownership: the text is that of the report that it was read from.
 */
typedef struct ottla_finished_transaction {
  /**
   * Set it to sizeof(ottla_finished_transaction).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic.
   */
  const char *topic;
  /**
   * Whose transaction it was.
   */
  int64_t producer_id;
  /**
   * Whether it was committed; else it was aborted.
   */
  bool is_committed;
  /**
   * Zero.
   */
  uint8_t reserved[7];
} ottla_finished_transaction;

/**
 * A committed offset that lay beyond the end of its partition, and was set to the end.
 *
 * Ownership: the texts are those of the report that it was read from.
 */
typedef struct ottla_clamped_offset {
  /**
   * Set it to sizeof(ottla_clamped_offset).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic.
   */
  const char *topic;
  /**
   * The group that committed it.
   */
  const char *group;
  /**
   * What was committed.
   */
  int64_t committed;
  /**
   * The end of the partition, where the group goes on.
   */
  int64_t end;
} ottla_clamped_offset;

/**
 * A header of a record.
 *
 * Ownership: handed in, the program's, and copied during the call; handed out, that of the records
 * that it came with.
 */
typedef struct ottla_header {
  /**
   * The name, UTF-8, `name_length` bytes; it needs no zero byte at its end.
   */
  const char *name;
  /**
   * The length of the name in bytes.
   */
  size_t name_length;
  /**
   * The value; NULL for none, which is not the same as an empty one.
   */
  const uint8_t *value;
  /**
   * The length of the value in bytes.
   */
  size_t value_length;
} ottla_header;

/**
 * A record to be written. All zeros is a record without key, value and headers, for a partition
 * that the partitioner chooses, of this moment: set what is to be otherwise.
 *
 * Ownership: the program's; copied during the call.
 */
typedef struct ottla_record {
  /**
   * The key; NULL for none, which is not the same as an empty one.
   */
  const uint8_t *key;
  /**
   * The length of the key in bytes; 0 or (size_t)-1 for none.
   */
  size_t key_length;
  /**
   * The value; NULL for a tombstone, which deletes its key in a compacted topic.
   */
  const uint8_t *value;
  /**
   * The length of the value in bytes; 0 or (size_t)-1 for a tombstone.
   */
  size_t value_length;
  /**
   * The headers, in order; NULL if there are none.
   */
  const struct ottla_header *headers;
  /**
   * How many headers there are.
   */
  size_t header_count;
  /**
   * Milliseconds since 1970, with the flag OTTLA_RECORD_TIMESTAMP.
   */
  int64_t timestamp;
  /**
   * The partition, with the flag OTTLA_RECORD_PARTITION.
   */
  int32_t partition;
  /**
   * OTTLA_RECORD_PARTITION, OTTLA_RECORD_TIMESTAMP, both, or 0. Other bits are errors.
   */
  uint32_t flags;
} ottla_record;

/**
 * Chooses the partition of a record that names none: a number from 0 to `partition_count` - 1, or
 * -1 to leave it to the producer (by the key, or sticky without one). Any other number fails the
 * send.
 *
 * Ownership: everything is the library's, and gone after the call.
 * Threads: those that send, several at the same time; no lock is held. It may call the library,
 * and must not unwind or jump out of the call. When what it was given to is freed, that waits until
 * no other thread is in it.
 */
typedef int32_t (*ottla_partitioner)(void *user_data,
                                     const char *topic,
                                     const struct ottla_record *record,
                                     int32_t partition_count);

/**
 * What a producer has beside its settings. Set all to zero, and `struct_size` to the size.
 *
 * Ownership: the program's; copied during the call.
 */
typedef struct ottla_producer_options {
  /**
   * sizeof(ottla_producer_options)
   */
  uint32_t struct_size;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Chooses the partition of records that name none; NULL for Kafka's own way: by the key, or
   * sticky without one.
   */
  ottla_partitioner partitioner;
  /**
   * Handed to the partitioner. It has to live until the free of the producer, or of the
   * transaction, has returned.
   */
  void *partitioner_data;
} ottla_producer_options;

/**
 * Where a record went.
 *
 * Ownership: the program's; the text in it is the delivery's.
 */
typedef struct ottla_record_metadata {
  /**
   * sizeof(ottla_record_metadata), set before the call.
   */
  uint32_t struct_size;
  /**
   * The partition.
   */
  int32_t partition;
  /**
   * The record's offset; -1 with acks=0, which does not wait for one.
   */
  int64_t offset;
  /**
   * Milliseconds since 1970: as sent, or the time of the append if the topic says so.
   */
  int64_t timestamp;
  /**
   * The topic; the delivery's, valid until that is freed.
   */
  const char *topic;
} ottla_record_metadata;

/**
 * Called when all records of a delivery are decided.
 */
typedef void (*ottla_delivery_callback)(void *user_data, struct ottla_delivery *delivery);

/**
 * Who an idempotent producer is: by its id and epoch, and by the sequence numbers of its records, a
 * partition knows a batch that is sent again, and stores it once.
 *
 * Ownership: the program's; a program that wants to send something again after its own death keeps
 * it where it keeps its other notes.
 */
typedef struct ottla_producer_identity {
  /**
   * The id, handed out once per directory.
   */
  int64_t id;
  /**
   * Which of those that used this id one after the other: a later one fences the earlier ones.
   */
  int16_t epoch;
  /**
   * Nobody looks at it.
   */
  uint16_t reserved[3];
} ottla_producer_identity;

/**
 * Where records were appended: they follow one another.
 */
typedef struct ottla_appended {
  /**
   * The offset of the first record.
   */
  int64_t base_offset;
  /**
   * The offset of the last record.
   */
  int64_t last_offset;
} ottla_appended;

/**
 * What a partition knows of an idempotent producer.
 */
typedef struct ottla_producer_state {
  /**
   * sizeof(ottla_producer_state), set by the program.
   */
  uint32_t struct_size;
  /**
   * The sequence number of its last record; -1 if it has none in this epoch.
   */
  int32_t last_sequence;
  /**
   * Its id.
   */
  int64_t id;
  /**
   * The offset of its last record; -1 if it has none in this epoch.
   */
  int64_t last_offset;
  /**
   * The largest timestamp of its last batch, in milliseconds since 1970.
   */
  int64_t last_timestamp;
  /**
   * Its newest epoch.
   */
  int16_t epoch;
  /**
   * Nobody looks at it.
   */
  uint16_t reserved[3];
} ottla_producer_state;

/**
 * Is told which partitions come or go: `partitions` are `count` of them. It runs within a poll, an
 * unsubscribe, a close or a free of `consumer`, on the thread that called it, and may commit, seek,
 * pause, resume and ask for positions with `consumer`. To poll, subscribe, assign, close or free it
 * there is refused.
 *
 * Ownership: `partitions` are the library's, and gone when the callback returns.
 */
typedef void (*ottla_rebalance_callback)(void *user_data,
                                         struct ottla_consumer *consumer,
                                         const struct ottla_topic_partition *partitions,
                                         size_t count);

/**
 * A member of a group that has not polled for longer than its max.poll.interval.ms.
 *
 * Ownership: the library's, and gone when the callback returns.
 */
typedef struct ottla_stalled_member {
  /**
   * The bytes of this struct.
   */
  uint32_t struct_size;
  /**
   * Whether it was put out of the group, so that others read its partitions.
   */
  bool is_evicted;
  /**
   * Zero.
   */
  uint8_t reserved[3];
  /**
   * How long ago its last poll ended, in milliseconds.
   */
  int64_t since_poll_ms;
  /**
   * Its group.
   */
  const char *group;
  /**
   * Its id.
   */
  const char *member_id;
  /**
   * Its group.instance.id; NULL if it has none.
   */
  const char *instance_id;
  /**
   * Its client.id.
   */
  const char *client_id;
  /**
   * The partitions that nobody reads meanwhile; NULL if there are none.
   */
  const struct ottla_topic_partition *partitions;
  /**
   * How many there are.
   */
  size_t partition_count;
} ottla_stalled_member;

/**
 * Is told that the consumer has not polled for longer than max.poll.interval.ms, once each time
 * that happens. It runs on the thread that ticks: the broker's own, or one in ottla_broker_tick.
 * The consumer is used by another thread then, if at all: only ottla_consumer_wakeup makes sense.
 *
 * Ownership: `stalled` is the library's, and gone when the callback returns.
 */
typedef void (*ottla_stall_callback)(void *user_data, const struct ottla_stalled_member *stalled);

/**
 * A topic, as an assignor sees it.
 */
typedef struct ottla_assignor_topic {
  /**
   * Its name.
   */
  const char *topic;
  /**
   * How many partitions it has.
   */
  int32_t partition_count;
  /**
   * Zero.
   */
  uint32_t reserved;
} ottla_assignor_topic;

/**
 * A member of a group, as an assignor sees it.
 */
typedef struct ottla_assignor_member {
  /**
   * Its id, unique within the group.
   */
  const char *member_id;
  /**
   * Its group.instance.id; NULL if it has none.
   */
  const char *instance_id;
  /**
   * The topics that it subscribed to, patterns resolved. A topic need not exist.
   */
  const char *const *topics;
  /**
   * How many topics these are.
   */
  size_t topic_count;
  /**
   * The partitions that it has at the moment; NULL if there are none.
   */
  const struct ottla_topic_partition *owned;
  /**
   * How many partitions these are.
   */
  size_t owned_count;
  /**
   * The generation in which it came to have them; -1 if it never had any.
   */
  int32_t generation;
  /**
   * Zero.
   */
  uint32_t reserved;
} ottla_assignor_member;

/**
 * Decides which member of a group reads which partition, and says so with ottla_assignment_add.
 * Nothing but the arguments may matter. It runs on the thread of whichever member's poll noticed
 * that members, subscriptions or topics changed, for several groups maybe at the same time, and
 * must not use any consumer. A partition that is given to nobody is read by nobody.
 *
 * Ownership: what the arguments lead to is the library's, and gone when the callback returns.
 */
typedef void (*ottla_assign_callback)(void *user_data,
                                      const struct ottla_assignor_topic *topics,
                                      size_t topic_count,
                                      const struct ottla_assignor_member *members,
                                      size_t member_count,
                                      struct ottla_assignment *assignment);

/**
 * An assignor of the program.
 *
 * Ownership: the program's; copied during the call. What `user_data` leads to has to stay until
 * the consumer was freed.
 */
typedef struct ottla_assignor {
  /**
   * The name under which members agree on an assignor. Two of one name must decide alike.
   */
  const char *name;
  /**
   * Not NULL.
   */
  ottla_assign_callback assign;
  /**
   * Passed to `assign`.
   */
  void *user_data;
} ottla_assignor;

/**
 * How a consumer is made, besides its settings. All zeros but the size is the default.
 *
 * Ownership: the program's; copied during the call. What `user_data` leads to, and the code of the
 * callbacks, have to stay until ottla_consumer_free has returned.
 */
typedef struct ottla_consumer_options {
  /**
   * Set it to sizeof(ottla_consumer_options).
   */
  uint32_t struct_size;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * Passed to the callbacks below.
   */
  void *user_data;
  /**
   * Partitions that are new; their positions are known already, and may be changed. NULL: nobody
   * is told.
   */
  ottla_rebalance_callback on_assigned;
  /**
   * Partitions that go to another member as soon as this returns; until then the consumer may
   * commit offsets of them. NULL: nobody is told.
   */
  ottla_rebalance_callback on_revoked;
  /**
   * Partitions that are gone without having been revoked: their topic was deleted, or the member
   * was put out or replaced. Nothing of them can be committed any more. NULL: `on_revoked` is
   * called.
   */
  ottla_rebalance_callback on_lost;
  /**
   * The consumer has not polled for too long. NULL: nobody is told.
   */
  ottla_stall_callback on_stall;
  /**
   * How the group may share out partitions, the favourite first, instead of what the setting
   * partition.assignment.strategy names. NULL: as that says.
   */
  const struct ottla_assignor *assignors;
  /**
   * How many of them there are.
   */
  size_t assignor_count;
} ottla_consumer_options;

/**
 * The offset of the next record to read of a partition, as a group commits it.
 *
 * Ownership: texts are the program's where they are handed in, and copied during the call; handed
 * out, they belong to what they came from.
 */
typedef struct ottla_offset {
  /**
   * The topic's name.
   */
  const char *topic;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The leader epoch of the record before it; -1 if it is not known.
   */
  int32_t leader_epoch;
  /**
   * The offset; handed out, -1 if nothing was committed.
   */
  int64_t offset;
  /**
   * A note of the program; NULL is as "".
   */
  const char *metadata;
} ottla_offset;

/**
 * Is told how a commit without waiting ended: what was committed, `status` OTTLA_OK or why it was
 * not, with an `error` that is NULL for OTTLA_OK. It runs at the end of a call of `consumer`, on the
 * thread that made it, in the order of the commits; the consumer may be used within.
 *
 * Ownership: `offsets` and `error` are the library's, and gone when the callback returns.
 */
typedef void (*ottla_commit_callback)(void *user_data,
                                      struct ottla_consumer *consumer,
                                      const struct ottla_offset *offsets,
                                      size_t count,
                                      ottla_status status,
                                      const struct ottla_error *error);

/**
 * An offset, and the timestamp of the record there.
 */
typedef struct ottla_offset_and_timestamp {
  /**
   * The offset; -1 if there is no such record.
   */
  int64_t offset;
  /**
   * Milliseconds since 1970; -1 if there is no such record.
   */
  int64_t timestamp;
} ottla_offset_and_timestamp;

/**
 * A record that was read.
 *
 * Ownership: that of the ottla_records that it came with; so are key and value.
 */
typedef struct ottla_record_view {
  /**
   * The offset.
   */
  int64_t offset;
  /**
   * Milliseconds since 1970; -1 for none.
   */
  int64_t timestamp;
  /**
   * The key; NULL for none, which is not the same as an empty one.
   */
  const uint8_t *key;
  /**
   * The value; NULL for a tombstone, which is not the same as an empty one.
   */
  const uint8_t *value;
  /**
   * The length of the key in bytes; -1 for none.
   */
  int32_t key_length;
  /**
   * The length of the value in bytes; -1 for a tombstone.
   */
  int32_t value_length;
  /**
   * Which partition: see ottla_records_partition.
   */
  uint32_t partition_index;
  /**
   * How many headers (OTTLA_RECORD_VIEW_HEADER_COUNT), and whose timestamp
   * (OTTLA_RECORD_VIEW_LOG_APPEND_TIME).
   */
  uint32_t header_count_and_type;
} ottla_record_view;

/**
 * A group in a list.
 *
 * Ownership: the texts are those of the list that it was read from.
 */
typedef struct ottla_group_listing {
  /**
   * Set it to sizeof(ottla_group_listing).
   */
  uint32_t struct_size;
  /**
   * Where it stands: OTTLA_GROUP_EMPTY, ...; -1 for a state that this header does not know.
   */
  int32_t state;
  /**
   * Its name.
   */
  const char *name;
  /**
   * "consumer"; empty for a group that never had members and only committed offsets.
   */
  const char *protocol_type;
  /**
   * How many members it has, those that are away among them.
   */
  size_t member_count;
} ottla_group_listing;

/**
 * What a group is.
 *
 * Ownership: the texts are those of the group that it was read from.
 */
typedef struct ottla_group_info {
  /**
   * Set it to sizeof(ottla_group_info).
   */
  uint32_t struct_size;
  /**
   * Where it stands: OTTLA_GROUP_EMPTY, ...; -1 for a state that this header does not know.
   */
  int32_t state;
  /**
   * Its name.
   */
  const char *name;
  /**
   * "consumer"; empty for a group that never had members and only committed offsets.
   */
  const char *protocol_type;
  /**
   * What the members were last assigned by; NULL if they never were.
   */
  const char *assignor;
  /**
   * How many times it was decided anew who reads what.
   */
  int32_t generation;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * How many members it has: see ottla_group_member.
   */
  size_t member_count;
  /**
   * Of how many partitions it committed an offset, or a member subscribed to: see
   * ottla_group_partition.
   */
  size_t partition_count;
  /**
   * How often it was decided anew who reads what, since the broker was opened.
   */
  uint64_t rebalance_count;
  /**
   * How often a member did not poll for longer than max.poll.interval.ms.
   */
  uint64_t stall_count;
  /**
   * How many of these members were put out.
   */
  uint64_t eviction_count;
} ottla_group_info;

/**
 * A member of a group.
 *
 * Ownership: what the pointers lead to is that of the group that it was read from.
 */
typedef struct ottla_group_member_info {
  /**
   * Set it to sizeof(ottla_group_member_info).
   */
  uint32_t struct_size;
  /**
   * It has a group.instance.id and was closed, and its place is kept for a while: nobody reads
   * its partitions.
   */
  bool is_away;
  /**
   * Zero.
   */
  uint8_t reserved[3];
  /**
   * Its id, unique within the group.
   */
  const char *member_id;
  /**
   * Its group.instance.id; NULL if it has none.
   */
  const char *instance_id;
  /**
   * Its client.id.
   */
  const char *client_id;
  /**
   * How long ago its last poll ended, in milliseconds; -1 while it is in one.
   */
  int64_t since_poll_ms;
  /**
   * The partitions that it reads; NULL if there are none.
   */
  const struct ottla_topic_partition *partitions;
  /**
   * How many these are.
   */
  size_t partition_count;
} ottla_group_member_info;

/**
 * How far a group has come in a partition.
 *
 * Ownership: the texts are those of the group that it was read from.
 */
typedef struct ottla_group_partition_info {
  /**
   * Set it to sizeof(ottla_group_partition_info).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic's name.
   */
  const char *topic;
  /**
   * The id of the member that reads it; NULL if none does.
   */
  const char *member_id;
  /**
   * What was committed; -1 if nothing was.
   */
  int64_t offset;
  /**
   * The note that was committed with it; "" if there is none.
   */
  const char *metadata;
  /**
   * The leader epoch that was committed with it; -1 if there is none.
   */
  int32_t leader_epoch;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * The first offset that can be read; -1 if there is no such partition.
   */
  int64_t log_start_offset;
  /**
   * The offset behind the newest record; -1 if there is no such partition.
   */
  int64_t end_offset;
  /**
   * The records between the committed offset and the end; -1 if either is missing.
   */
  int64_t lag;
} ottla_group_partition_info;

/**
 * What a reset does with one partition.
 *
 * Ownership: the topic is that of the list that it was read from.
 */
typedef struct ottla_offset_change {
  /**
   * The topic's name.
   */
  const char *topic;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * What was committed before; -1 if nothing was.
   */
  int64_t before;
  /**
   * What is committed now, or would be.
   */
  int64_t after;
} ottla_offset_change;

/**
 * Where the records of a transaction are in one partition: they follow one another.
 */
typedef struct ottla_place {
  /**
   * sizeof(ottla_place), set by the program.
   */
  uint32_t struct_size;
  /**
   * The partition.
   */
  int32_t partition;
  /**
   * The topic; the places' until they are freed.
   */
  const char *topic;
  /**
   * The offset of the first record.
   */
  int64_t base_offset;
  /**
   * The offset of the last record.
   */
  int64_t last_offset;
} ottla_place;

/**
 * A condition that did not hold: what was expected, and what there was instead.
 */
typedef struct ottla_conflict {
  /**
   * sizeof(ottla_conflict), set by the program.
   */
  uint32_t struct_size;
  /**
   * The partition that the condition was about.
   */
  int32_t partition;
  /**
   * Its topic; the error's until it is freed.
   */
  const char *topic;
  /**
   * The key whose version was expected, the error's until it is freed; NULL if the condition was
   * about the end of the partition.
   */
  const uint8_t *key;
  /**
   * The length of the key in bytes.
   */
  size_t key_length;
  /**
   * The expected end; or the expected version, which may be OTTLA_VERSION_NO_STREAM.
   */
  int64_t expected;
  /**
   * The end that there was; or the version, which may be OTTLA_VERSION_NO_STREAM.
   */
  int64_t actual;
  /**
   * How many missed records the error carries: at most 1,000, and about a megabyte.
   */
  uint32_t record_count;
  /**
   * 1 if that is all that was missed; 0 if there is more, or it cannot be read any more.
   */
  uint32_t is_complete;
} ottla_conflict;

/**
 * How far a table was gone through. All zeros is the beginning.
 *
 * Ownership: the program's.
 */
typedef struct ottla_table_position {
  /**
   * The library's: where the next piece begins.
   */
  uint64_t place;
  /**
   * The library's: how often the table had moved.
   */
  uint64_t moves;
} ottla_table_position;

/**
 * A key with its value. Neither is NULL; either may be empty.
 *
 * Ownership: that of the ottla_table_entries that it came with.
 */
typedef struct ottla_table_entry {
  /**
   * The key.
   */
  const uint8_t *key;
  /**
   * The length of the key in bytes.
   */
  size_t key_length;
  /**
   * The value.
   */
  const uint8_t *value;
  /**
   * The length of the value in bytes.
   */
  size_t value_length;
} ottla_table_entry;

/**
 * Told how far a long call has come: `done` of about `total` bytes. It may call the library.
 * Neither a jump nor an exception may leave it.
 */
typedef void (*ottla_progress)(void *user_data, uint64_t done, uint64_t total);

/**
 * How a compaction works. All zeros but the size is the default.
 *
 * Ownership: the program's; read during the call.
 */
typedef struct ottla_compaction_options {
  /**
   * Set it to sizeof(ottla_compaction_options).
   */
  uint32_t struct_size;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * Called with the bytes read and written so far, and about how many there will be; NULL for
   * none. It runs on the thread of the call. From within it no compaction can be started.
   */
  ottla_progress progress;
  /**
   * Handed to `progress`.
   */
  void *user_data;
} ottla_compaction_options;

/**
 * What one round of compaction did to one partition.
 *
 * Ownership: the text is that of the compaction that it was read from.
 */
typedef struct ottla_compaction_outcome {
  /**
   * Set it to sizeof(ottla_compaction_outcome).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic.
   */
  const char *topic;
  /**
   * The offset that the round began to collect keys at: all below was cleaned before.
   */
  int64_t first_dirty;
  /**
   * All records below this offset are cleaned now.
   */
  int64_t cleaned_to;
  /**
   * How many different keys there were from `first_dirty` to `cleaned_to`.
   */
  uint64_t keys;
  /**
   * Segments that were looked at.
   */
  uint64_t segments_before;
  /**
   * Segments that they became; some may have stayed as they were.
   */
  uint64_t segments_after;
  /**
   * Bytes of the logs that were looked at.
   */
  uint64_t bytes_before;
  /**
   * Bytes of the logs that they became.
   */
  uint64_t bytes_after;
  /**
   * Records in them, markers of transactions not counted.
   */
  uint64_t records_before;
  /**
   * Records that stayed.
   */
  uint64_t records_after;
  /**
   * Records that went because they have no key; a compacted topic has no use for them.
   */
  uint64_t keyless_removed;
  /**
   * Tombstones that went because their time was over.
   */
  uint64_t tombstones_removed;
} ottla_compaction_outcome;

/**
 * What retention deleted in one partition.
 *
 * Ownership: the text is that of the list that it was read from.
 */
typedef struct ottla_retention_outcome {
  /**
   * Set it to sizeof(ottla_retention_outcome).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic.
   */
  const char *topic;
  /**
   * The new log start offset.
   */
  int64_t log_start_offset;
  /**
   * How many segments went.
   */
  uint64_t segments;
  /**
   * How many bytes of records went.
   */
  uint64_t bytes;
  /**
   * Whether some of it went although a group of ottla.retention.groups had not committed it:
   * ottla.retention.groups.max.bytes was reached.
   */
  bool is_over_cap;
  /**
   * Zero.
   */
  uint8_t reserved[7];
} ottla_retention_outcome;

/**
 * How far a group that retention waits for has come in a partition, and what is kept for it.
 *
 * Ownership: the texts are those of the list that it was read from.
 */
typedef struct ottla_retention_hold {
  /**
   * Set it to sizeof(ottla_retention_hold).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic.
   */
  const char *topic;
  /**
   * The group, as ottla.retention.groups names it.
   */
  const char *group;
  /**
   * What it committed; -1 if nothing: then it needs everything.
   */
  int64_t committed;
  /**
   * The first offset that can be read.
   */
  int64_t log_start_offset;
  /**
   * The offset behind the newest record.
   */
  int64_t end_offset;
  /**
   * The bytes of segments that retention would delete now, but for this group.
   */
  uint64_t held_bytes;
  /**
   * The offsets in those segments.
   */
  int64_t held_records;
  /**
   * Whether ottla.retention.groups.max.bytes let records go that this group had not committed,
   * since the directory was opened, or will when retention looks again.
   */
  bool is_over_cap;
  /**
   * Zero.
   */
  uint8_t reserved[7];
} ottla_retention_hold;

/**
 * How a verification works. All zeros but the size is the default.
 *
 * Ownership: the program's; read during the call.
 */
typedef struct ottla_verify_options {
  /**
   * Set it to sizeof(ottla_verify_options).
   */
  uint32_t struct_size;
  /**
   * Zero.
   */
  uint32_t reserved;
  /**
   * Called with the bytes read so far and the bytes that there are, after each partition; NULL
   * for none. It runs on the thread of the call.
   */
  ottla_progress progress;
  /**
   * Handed to `progress`.
   */
  void *user_data;
} ottla_verify_options;

/**
 * What a verification read of one partition.
 *
 * Ownership: the text is that of the verification that it was read from.
 */
typedef struct ottla_verified_partition {
  /**
   * Set it to sizeof(ottla_verified_partition).
   */
  uint32_t struct_size;
  /**
   * The partition's number.
   */
  int32_t partition;
  /**
   * The topic.
   */
  const char *topic;
  /**
   * Segments read.
   */
  uint64_t segments;
  /**
   * Batches read.
   */
  uint64_t batches;
  /**
   * Records decoded.
   */
  uint64_t records;
  /**
   * Bytes of logs read.
   */
  uint64_t bytes;
  /**
   * Where the errors of this partition begin among all, for ottla_verification_error.
   */
  uint64_t first_error;
  /**
   * How many errors of this partition there are.
   */
  uint64_t error_count;
} ottla_verified_partition;

/**
 * It was done.
 */
#define OTTLA_OK 0

/**
 * A name, setting or argument that can never work, NULL where something is needed. Nothing was
 * changed.
 */
#define OTTLA_E_INVALID_INPUT -1

/**
 * The operating system refused a call (not for want of space).
 */
#define OTTLA_E_IO -2

/**
 * Bytes on the disk are not what was written. Other data stays readable.
 */
#define OTTLA_E_CORRUPT -3

/**
 * Another process, or another handle of this one, holds the directory.
 */
#define OTTLA_E_LOCKED -4

/**
 * The disk, a quota or a file size limit is exhausted. Free space and try again.
 */
#define OTTLA_E_NO_SPACE -5

/**
 * Something is larger than a limit allows; the message names the limit.
 */
#define OTTLA_E_LIMIT -6

/**
 * No such topic or partition.
 */
#define OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION -7

/**
 * A topic of that name exists already.
 */
#define OTTLA_E_TOPIC_EXISTS -8

/**
 * The offset lies outside of what the partition holds.
 */
#define OTTLA_E_OFFSET_OUT_OF_RANGE -9

/**
 * A sync failed earlier, its outcome is unknown: no more writes until the directory is opened
 * anew. Reads go on.
 */
#define OTTLA_E_POISONED -10

/**
 * The broker was opened for reading only.
 */
#define OTTLA_E_READ_ONLY -11

/**
 * Of a version or a kind that this library does not know.
 */
#define OTTLA_E_UNSUPPORTED -12

/**
 * The broker, or the thing itself, was closed.
 */
#define OTTLA_E_CLOSED -13

/**
 * The time was up. If something was being written, its outcome is unknown.
 */
#define OTTLA_E_TIMEOUT -14

/**
 * The bounded memory of the producer is full; try again later.
 */
#define OTTLA_E_BUFFER_FULL -15

/**
 * Somebody newer took this handle's place. Make a new one.
 */
#define OTTLA_E_FENCED -16

/**
 * A batch of an idempotent producer does not follow the one before it. It was not written.
 */
#define OTTLA_E_OUT_OF_ORDER_SEQUENCE -17

/**
 * No such consumer group.
 */
#define OTTLA_E_UNKNOWN_GROUP -18

/**
 * The consumer group has members: close them first.
 */
#define OTTLA_E_GROUP_NOT_EMPTY -19

/**
 * A condition does not hold any more: somebody else was faster. Nothing was written. See
 * ottla_error_conflict.
 */
#define OTTLA_E_CONFLICT -20

/**
 * The call does not fit the state of the transaction.
 */
#define OTTLA_E_INVALID_TRANSACTION_STATE -21

/**
 * An error that this version of the interface has no code for; the message says what it is.
 */
#define OTTLA_E_OTHER -100

/**
 * No such handle: NULL, freed already, or of another type than the call asks for.
 */
#define OTTLA_E_INVALID_HANDLE -101

/**
 * The handle was made before a fork, and this is the child. It belongs to the parent.
 */
#define OTTLA_E_FORKED -102

/**
 * A defect of the library, caught at its border. Close what is open and report the message.
 */
#define OTTLA_E_PANIC -103

/**
 * Another thread is inside of this handle, which one thread at a time may use.
 */
#define OTTLA_E_CONCURRENT_USE -104

/**
 * Handles are still open; the message names them.
 */
#define OTTLA_E_STILL_OPEN -105

/**
 * Not decided yet: ask later, or wait.
 */
#define OTTLA_E_PENDING -106

/**
 * A callback of the program reported a failure.
 */
#define OTTLA_E_CALLBACK -107

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version as text, for example "0.1.0".
 *
 * Ownership: the library's, for ever.
 * Threads: any.
 */
const char *ottla_version(void);

/**
 * The library's version as one number: major * 1000000 + minor * 1000 + patch.
 *
 * Threads: any.
 */
uint32_t ottla_version_number(void);

/**
 * The ABI that the library speaks: a program compiled with a newer header may find functions
 * missing if this is smaller than its OTTLA_ABI_VERSION.
 *
 * Threads: any.
 */
uint32_t ottla_abi_version(void);

/**
 * The name of a status code as it stands in this header, for logs; "OTTLA_E_UNKNOWN" for a number
 * that is none.
 *
 * Ownership: the library's, for ever.
 * Threads: any.
 */
const char *ottla_status_name(ottla_status status);

/**
 * The status code that came with the error; OTTLA_E_INVALID_HANDLE if `error` is none.
 *
 * Threads: any.
 */
ottla_status ottla_error_status(const struct ottla_error *error);

/**
 * A sentence that names topic, partition, file, position and what to do, as far as there is any of
 * it. Never NULL; if `error` is none, it says so.
 *
 * Ownership: the error's; valid until it is freed.
 * Threads: any.
 */
const char *ottla_error_message(const struct ottla_error *error);

/**
 * Whether the same call may succeed later, without anything being changed.
 *
 * Threads: any.
 */
bool ottla_error_is_retriable(const struct ottla_error *error);

/**
 * The error code that Kafka's protocol has for this; 0 where it has none.
 *
 * Threads: any.
 */
int16_t ottla_error_kafka_code(const struct ottla_error *error);

/**
 * The topic of the partition that the error is about; NULL if it is not about one partition.
 *
 * Ownership: the error's; valid until it is freed.
 * Threads: any.
 */
const char *ottla_error_topic(const struct ottla_error *error);

/**
 * The partition that the error is about; -1 if it is not about one.
 *
 * Threads: any.
 */
int32_t ottla_error_partition(const struct ottla_error *error);

/**
 * The file that the error is about; NULL if it is about none.
 *
 * Ownership: the error's; valid until it is freed.
 * Threads: any.
 */
const char *ottla_error_file(const struct ottla_error *error);

/**
 * The position in that file, in bytes; -1 if there is none.
 *
 * Threads: any.
 */
int64_t ottla_error_position(const struct ottla_error *error);

/**
 * Frees an error. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_error_free(struct ottla_error *error);

/**
 * How many handles the program holds: of any type, given and not yet freed. Leak checkers do not see
 * a forgotten handle, for the library still knows what it stands for. A test that ends with 0 forgot
 * none.
 *
 * Threads: any.
 */
size_t ottla_handle_count(void);

/**
 * How many there are; 0 if `partitions` is no such list.
 *
 * Threads: any.
 */
size_t ottla_topic_partitions_count(const struct ottla_topic_partitions *partitions);

/**
 * Writes the one at `index`, from 0, to `*partition`.
 *
 * Ownership: the name is the list's, valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
 */
ottla_status ottla_topic_partitions_get(const struct ottla_topic_partitions *partitions,
                                        size_t index,
                                        struct ottla_topic_partition *partition,
                                        struct ottla_error **error);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_topic_partitions_free(struct ottla_topic_partitions *partitions);

/**
 * Opens a directory, makes it if it is not there, and recovers it if it was not closed. The directory
 * ":memory:" is one in memory, for tests, gone when it is closed.
 *
 * Ownership: `*broker` is the program's, until ottla_close.
 * Threads: any.
 * NULL: `settings`, if there are none.
 * Returns: OTTLA_E_LOCKED while another program, or another handle, has the directory open;
 * OTTLA_E_INVALID_INPUT for a setting that cannot be; OTTLA_E_CORRUPT for a journal or a catalog
 * that cannot be read; OTTLA_E_IO, OTTLA_E_NO_SPACE.
 */
ottla_status ottla_open(const char *directory,
                        const struct ottla_setting *settings,
                        size_t setting_count,
                        struct ottla_broker **broker,
                        struct ottla_error **error);

/**
 * Closes the directory: producers are flushed, everything is synced, and another program may open
 * it. Before that it waits, for at most `timeout_ms` milliseconds (0: not at all, -1: for ever),
 * until all that was made of the broker is freed.
 *
 * Threads: any; others may still use the broker, and get OTTLA_E_CLOSED or OTTLA_E_INVALID_HANDLE.
 * Returns: OTTLA_E_STILL_OPEN if something was not freed in time; the message names it, nothing was
 * closed, and `broker` can be used and closed again. With any other code the handle is gone.
 */
ottla_status ottla_close(struct ottla_broker *broker,
                         int64_t timeout_ms,
                         struct ottla_error **error);

/**
 * Whether the broker refuses to write: because ottla.read.only was set, or because the directory
 * cannot be written, which ottla_report_info tells. True if `broker` is none.
 *
 * Threads: any.
 */
bool ottla_broker_is_read_only(const struct ottla_broker *broker);

/**
 * Does what is due: lingering batches, checkpoints, retention, the compaction of at most one
 * partition, the expiry of producers, members of groups that are stuck. Needed only if the broker
 * was opened with ottla.background=false. `*next_ms` is in how many milliseconds it wants to be
 * called again.
 *
 * Threads: any. Callbacks of deliveries run on this one.
 * NULL: `next_ms`, if it is of no interest.
 * Returns: the first failure; the duties that follow are still done.
 */
ottla_status ottla_broker_tick(struct ottla_broker *broker,
                               int64_t *next_ms,
                               struct ottla_error **error);

/**
 * Syncs the segments, so that a later crash has less to recover. When it returns OTTLA_OK, all that
 * was appended before the call survives power loss, with acks=1 too.
 *
 * Threads: any.
 * Returns: OTTLA_E_POISONED after a sync that failed; OTTLA_E_READ_ONLY.
 */
ottla_status ottla_broker_checkpoint(struct ottla_broker *broker, struct ottla_error **error);

/**
 * Lets go of a directory without closing it, as a kill would: nothing more is written, and the next
 * open recovers it. What was made of the broker answers OTTLA_E_CLOSED. For tests, and for a program
 * that has to end at once.
 *
 * Threads: any.
 * NULL: `broker`, then nothing happens.
 * Returns: OTTLA_E_INVALID_HANDLE if it was closed already.
 */
ottla_status ottla_abandon(struct ottla_broker *broker);

/**
 * Makes a topic. `partitions` is how many it gets; 0: as many as the broker's setting
 * num.partitions says. Records are kept for ever, unless a setting says otherwise.
 *
 * When it returns OTTLA_OK the topic survives power loss.
 *
 * Threads: any.
 * NULL: `settings`, if there are none.
 * Returns: OTTLA_E_TOPIC_EXISTS; OTTLA_E_INVALID_INPUT for a name, a number or a setting that
 * cannot be; OTTLA_E_READ_ONLY.
 */
ottla_status ottla_topic_create(struct ottla_broker *broker,
                                const char *name,
                                int32_t partitions,
                                const struct ottla_setting *settings,
                                size_t setting_count,
                                struct ottla_error **error);

/**
 * Makes a topic unless there is one of that name, whose settings are then left as they are.
 *
 * When it returns OTTLA_OK the topic survives power loss.
 *
 * Threads: any.
 * NULL: `settings`, if there are none.
 * Returns: as ottla_topic_create, but for OTTLA_E_TOPIC_EXISTS; OTTLA_E_INVALID_INPUT also if it
 * is there with another number of partitions than `partitions` asks for (0 asks for none).
 */
ottla_status ottla_topic_ensure(struct ottla_broker *broker,
                                const char *name,
                                int32_t partitions,
                                const struct ottla_setting *settings,
                                size_t setting_count,
                                struct ottla_error **error);

/**
 * Deletes a topic and all its records. What is open of it answers
 * OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION from then on.
 *
 * When it returns OTTLA_OK the topic does not come back after power loss.
 *
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a topic that Kafka keeps
 * for itself; OTTLA_E_READ_ONLY.
 */
ottla_status ottla_topic_delete(struct ottla_broker *broker,
                                const char *name,
                                struct ottla_error **error);

/**
 * Changes settings of a topic: all of them, or none if one cannot be. A value of NULL takes a
 * setting back to its default. They hold at once.
 *
 * When it returns OTTLA_OK the settings survive power loss.
 *
 * Threads: any.
 * NULL: `settings`, if there are none; the value of a setting.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for an unknown setting, or a
 * value that it cannot have; OTTLA_E_READ_ONLY.
 */
ottla_status ottla_topic_alter(struct ottla_broker *broker,
                               const char *name,
                               const struct ottla_setting *settings,
                               size_t setting_count,
                               struct ottla_error **error);

/**
 * Gives a topic more partitions: `total` counts the old ones. Records with a key go to other
 * partitions from then on, so a topic that keeps streams is refused.
 *
 * When it returns OTTLA_OK the partitions survive power loss.
 *
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT if `total` is not more than
 * there are, or for a topic with ottla.key.index; OTTLA_E_READ_ONLY.
 */
ottla_status ottla_topic_add_partitions(struct ottla_broker *broker,
                                        const char *name,
                                        int32_t total,
                                        struct ottla_error **error);

/**
 * All topics, by name, those that Kafka keeps for itself among them.
 *
 * Ownership: `*topics` is the program's, until ottla_topics_free.
 * Threads: any.
 */
ottla_status ottla_topics_list(struct ottla_broker *broker,
                               struct ottla_topics **topics,
                               struct ottla_error **error);

/**
 * One topic, as a list of one.
 *
 * Ownership: `*topics` is the program's, until ottla_topics_free.
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
 */
ottla_status ottla_topics_describe(struct ottla_broker *broker,
                                   const char *name,
                                   struct ottla_topics **topics,
                                   struct ottla_error **error);

/**
 * How many topics the list has; 0 if `topics` is none.
 *
 * Threads: any.
 */
size_t ottla_topics_count(const struct ottla_topics *topics);

/**
 * One topic of the list: `index` counts from 0.
 *
 * Ownership: the texts in `*info` are the list's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
 */
ottla_status ottla_topics_get(const struct ottla_topics *topics,
                              size_t index,
                              struct ottla_topic_info *info,
                              struct ottla_error **error);

/**
 * One setting that was made for a topic of the list; all others have their defaults. Settings come
 * by name.
 *
 * Ownership: `*name` and `*value` are the list's; valid until it is freed.
 * Threads: any.
 * NULL: `name` and `value`, if only the other is of interest.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index.
 */
ottla_status ottla_topics_setting(const struct ottla_topics *topics,
                                  size_t index,
                                  size_t setting,
                                  const char **name,
                                  const char **value,
                                  struct ottla_error **error);

/**
 * One partition of a topic of the list.
 *
 * Ownership: the texts in `*info` are the list's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
 */
ottla_status ottla_topics_partition(const struct ottla_topics *topics,
                                    size_t index,
                                    size_t partition,
                                    struct ottla_partition_info *info,
                                    struct ottla_error **error);

/**
 * Frees a list of topics. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_topics_free(struct ottla_topics *topics);

/**
 * The settings that a directory was opened with.
 *
 * Ownership: `*settings` is the program's, until ottla_settings_free.
 * Threads: any.
 */
ottla_status ottla_settings_of_broker(struct ottla_broker *broker,
                                      struct ottla_settings **settings,
                                      struct ottla_error **error);

/**
 * The settings of a topic, those that were made for it and the defaults of all others.
 *
 * Ownership: `*settings` is the program's, until ottla_settings_free.
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
 */
ottla_status ottla_settings_of_topic(struct ottla_broker *broker,
                                     const char *name,
                                     struct ottla_settings **settings,
                                     struct ottla_error **error);

/**
 * The settings that there are, with their defaults: `noun` is "broker", "topic", "producer" or
 * "consumer". Those of a topic are what a topic that this library makes begins with: its records
 * are kept for ever.
 *
 * Ownership: `*settings` is the program's, until ottla_settings_free.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for another noun.
 */
ottla_status ottla_settings_defaults(const char *noun,
                                     struct ottla_settings **settings,
                                     struct ottla_error **error);

/**
 * How many settings the list has; 0 if `settings` is none.
 *
 * Threads: any.
 */
size_t ottla_settings_count(const struct ottla_settings *settings);

/**
 * One setting of the list: `index` counts from 0.
 *
 * Ownership: the texts in `*info` are the list's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
 */
ottla_status ottla_settings_get(const struct ottla_settings *settings,
                                size_t index,
                                struct ottla_setting_info *info,
                                struct ottla_error **error);

/**
 * Frees a list of settings. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_settings_free(struct ottla_settings *settings);

/**
 * What opening the directory of `broker` found and did.
 *
 * Ownership: `*report` is the program's, until ottla_report_free.
 * Threads: any.
 */
ottla_status ottla_report_of_broker(struct ottla_broker *broker,
                                    struct ottla_report **report,
                                    struct ottla_error **error);

/**
 * The report as one line for logs: "recovered in 1.9 ms, 3 journal frames replayed". Empty if
 * `report` is none.
 *
 * Ownership: the report's; valid until it is freed.
 * Threads: any.
 */
const char *ottla_report_text(const struct ottla_report *report);

/**
 * The numbers of the report.
 *
 * Ownership: the text in `*info` is the report's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if `info->struct_size` was not set.
 */
ottla_status ottla_report_get(const struct ottla_report *report,
                              struct ottla_report_info *info,
                              struct ottla_error **error);

/**
 * One file of the directory, none of a partition's: `kind` is one of OTTLA_FILES_...
 *
 * Ownership: `*path` is the report's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such kind or index.
 */
ottla_status ottla_report_file(const struct ottla_report *report,
                               int32_t kind,
                               size_t index,
                               const char **path,
                               struct ottla_error **error);

/**
 * One partition that had to be looked at.
 *
 * Ownership: the texts in `*info` are the report's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
 */
ottla_status ottla_report_partition(const struct ottla_report *report,
                                    size_t index,
                                    struct ottla_recovered_partition *info,
                                    struct ottla_error **error);

/**
 * One file of a partition that had to be looked at: `kind` is one of OTTLA_FILES_...
 *
 * Ownership: `*path` is the report's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such partition, kind or index.
 */
ottla_status ottla_report_partition_file(const struct ottla_report *report,
                                         size_t partition,
                                         int32_t kind,
                                         size_t index,
                                         const char **path,
                                         struct ottla_error **error);

/**
 * One partition that cannot be written, and why.
 *
 * Ownership: `*topic` is the report's, valid until it is freed; `*damage` is the program's, until
 * ottla_error_free.
 * Threads: any.
 * NULL: `topic`, `partition` and `damage`, where they are of no interest.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index.
 */
ottla_status ottla_report_damaged(const struct ottla_report *report,
                                  size_t index,
                                  const char **topic,
                                  int32_t *partition,
                                  struct ottla_error **damage,
                                  struct ottla_error **error);

/**
 * One transaction of another program that was finished.
 *
 * Ownership: the text in `*info` is the report's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
 */
ottla_status ottla_report_transaction(const struct ottla_report *report,
                                      size_t index,
                                      struct ottla_finished_transaction *info,
                                      struct ottla_error **error);

/**
 * One committed offset that lay beyond the end of its partition, because records were lost to
 * damage: it was set to the end, durably.
 *
 * Ownership: the texts in `*info` are the report's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
 */
ottla_status ottla_report_clamped(const struct ottla_report *report,
                                  size_t index,
                                  struct ottla_clamped_offset *info,
                                  struct ottla_error **error);

/**
 * Frees a report. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_report_free(struct ottla_report *report);

/**
 * How many metrics there are; 0 if `metrics` is none.
 *
 * Threads: any.
 */
size_t ottla_metrics_count(const struct ottla_metrics *metrics);

/**
 * The name and the value of one metric. Names have Kafka's form: "record-send-total".
 *
 * Ownership: `*name` is the list's; valid until it is freed.
 * Threads: any.
 * NULL: `name` and `value`, if only the other is of interest.
 * Returns: OTTLA_E_INVALID_INPUT if `index` is not below ottla_metrics_count.
 */
ottla_status ottla_metrics_get(const struct ottla_metrics *metrics,
                               size_t index,
                               const char **name,
                               double *value,
                               struct ottla_error **error);

/**
 * Frees a list of metrics. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_metrics_free(struct ottla_metrics *metrics);

/**
 * Makes a producer. The settings are Kafka's: acks, linger.ms, batch.size, buffer.memory,
 * compression.type, max.block.ms, delivery.timeout.ms, enable.idempotence and so on.
 *
 * Ownership: `*producer` is the program's, until ottla_producer_free.
 * Threads: any.
 * NULL: `settings`, if there are none; `options`.
 * Returns: OTTLA_E_INVALID_INPUT for a setting that cannot be; a producer with transactional.id is
 * made elsewhere.
 */
ottla_status ottla_producer_new(struct ottla_broker *broker,
                                const struct ottla_setting *settings,
                                size_t setting_count,
                                const struct ottla_producer_options *options,
                                struct ottla_producer **producer,
                                struct ottla_error **error);

/**
 * Sends `count` records to a topic: copies each into the batch of its partition. One call for one
 * record or for many, which is faster. Waits, up to max.block.ms, while buffer.memory is full.
 *
 * That a record was taken does not yet say that it is written: see ottla_delivery_wait and
 * ottla_producer_flush.
 *
 * If a record is refused, those before it stay taken, and those behind it were not looked at:
 * `*taken` says how many that are, whatever the call returns. `*delivery` is then of the records
 * that were taken, if there are any: set it to NULL before the call.
 *
 * Ownership: `*delivery` is the program's, until ottla_delivery_free. The records are copied.
 * Threads: any number at the same time.
 * NULL: `delivery`, if nobody will ask what became of the records; `taken`.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_LIMIT for a record that is too large;
 * OTTLA_E_INVALID_INPUT for one that cannot be, or that the topic does not take;
 * OTTLA_E_BUFFER_FULL; OTTLA_E_CLOSED.
 */
ottla_status ottla_producer_send(struct ottla_producer *producer,
                                 const char *topic,
                                 const struct ottla_record *records,
                                 size_t count,
                                 struct ottla_delivery **delivery,
                                 size_t *taken,
                                 struct ottla_error **error);

/**
 * As ottla_producer_send, but never waits: OTTLA_E_BUFFER_FULL at once while buffer.memory is full.
 *
 * Ownership: `*delivery` is the program's, until ottla_delivery_free. The records are copied.
 * Threads: any number at the same time.
 * NULL: `delivery`, if nobody will ask what became of the records; `taken`.
 * Returns: as ottla_producer_send.
 */
ottla_status ottla_producer_try_send(struct ottla_producer *producer,
                                     const char *topic,
                                     const struct ottla_record *records,
                                     size_t count,
                                     struct ottla_delivery **delivery,
                                     size_t *taken,
                                     struct ottla_error **error);

/**
 * Sends what is gathered, and returns when all that was sent before is decided and the callbacks
 * for it have returned. Inside of a callback it does not wait for callbacks.
 *
 * Threads: any number at the same time.
 * Returns: the code of the first record that failed.
 */
ottla_status ottla_producer_flush(struct ottla_producer *producer, struct ottla_error **error);

/**
 * Flushes, for at most `timeout_ms` milliseconds (-1: as long as it takes), and takes no more
 * records. What is undecided then fails. Sends that wait in other threads end with OTTLA_E_CLOSED.
 * The producer has still to be freed.
 *
 * Threads: any number at the same time; a second close waits for the first.
 * Returns: the code of the first record that failed; OTTLA_E_CLOSED if the time was up.
 */
ottla_status ottla_producer_close(struct ottla_producer *producer,
                                  int64_t timeout_ms,
                                  struct ottla_error **error);

/**
 * The descriptor for event loops: readable while tags wait that ottla_delivery_notify has left and
 * ottla_producer_completed has not taken.
 *
 * Ownership: `*fd` stays the producer's: only look whether it is readable, never read or close it.
 * It is closed with the producer: take it out of the loop before.
 * Threads: any.
 * Returns: OTTLA_E_IO if the system has no more descriptors.
 */
ottla_status ottla_producer_fd(struct ottla_producer *producer,
                               int32_t *fd,
                               struct ottla_error **error);

/**
 * Takes the tags of deliveries that are decided, the oldest first, at most `capacity` of them.
 * Never waits. When none is left, the descriptor is not readable any more.
 *
 * Threads: any number at the same time; each tag is given to one.
 * Returns: OTTLA_OK, with `*count` 0 if there are none.
 */
ottla_status ottla_producer_completed(struct ottla_producer *producer,
                                      uint64_t *tags,
                                      size_t capacity,
                                      size_t *count,
                                      struct ottla_error **error);

/**
 * What the producer has done so far, counted per batch. The names are Kafka's where it has one
 * (record-send-total, records-per-request-avg); times are milliseconds.
 *
 * Ownership: `*metrics` is the program's, until ottla_metrics_free.
 * Threads: any number at the same time.
 * Returns: OTTLA_E_LIMIT if too many handles are open.
 */
ottla_status ottla_producer_metrics(struct ottla_producer *producer,
                                    struct ottla_metrics **metrics,
                                    struct ottla_error **error);

/**
 * Closes and frees a producer: flushes for at most 30 seconds, and fails what is left. Call
 * ottla_producer_close before to learn what became of it, or to give it another time. NULL is fine.
 * Deliveries stay.
 *
 * Threads: any; once. Calls of other threads that are under way end with
 * OTTLA_E_CLOSED, those that begin later with OTTLA_E_INVALID_HANDLE.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_producer_free(struct ottla_producer *producer);

/**
 * Waits until all records of the delivery have reached the producer's acks or have failed, for at
 * most `timeout_ms` milliseconds (0: not at all, -1: for ever). Whoever waits is in a hurry: the
 * records go out at once, whatever linger.ms says, even with a timeout of 0.
 *
 * The broker's maintenance thread commits meanwhile. Without a timeout, without that thread
 * (ottla.background=false) and inside of a callback this one does, if nobody else is about to.
 *
 * Threads: any number at the same time.
 * Returns: OTTLA_OK if all are written; OTTLA_E_PENDING if the time was up; otherwise the code of
 * the first record that failed: ottla_delivery_get says which.
 */
ottla_status ottla_delivery_wait(struct ottla_delivery *delivery,
                                 int64_t timeout_ms,
                                 struct ottla_error **error);

/**
 * Whether all records of the delivery are decided, written or failed. Never waits.
 *
 * Threads: any number at the same time.
 * Returns: true also if `delivery` is none: there is nothing to wait for.
 */
bool ottla_delivery_is_done(const struct ottla_delivery *delivery);

/**
 * How many records the delivery has: as many as were taken.
 *
 * Threads: any number at the same time.
 * Returns: 0 also if `delivery` is none.
 */
size_t ottla_delivery_count(const struct ottla_delivery *delivery);

/**
 * What became of one record, by its index in the call that sent it. Never waits.
 *
 * Ownership: `metadata->topic` is the delivery's, until that is freed.
 * Threads: any number at the same time.
 * Returns: OTTLA_OK if it is written; OTTLA_E_PENDING if it is not decided yet;
 * OTTLA_E_INVALID_INPUT for an index that the delivery does not have; otherwise the record's own
 * error, OTTLA_E_TIMEOUT and OTTLA_E_POISONED if nobody knows whether it is written.
 */
ottla_status ottla_delivery_get(const struct ottla_delivery *delivery,
                                size_t index,
                                struct ottla_record_metadata *metadata,
                                struct ottla_error **error);

/**
 * Has `callback` called once when all records of the delivery are decided. It does not hurry them:
 * linger.ms counts, unless somebody waits (ottla_delivery_wait with a timeout of 0 is enough).
 *
 * It runs on whichever thread decides the last record: one that waits or flushes, the maintenance
 * thread, or this one if all is decided already. Callbacks of one producer run one at a time. No
 * lock is held: a callback may send, wait, flush, and free delivery and producer; it should not
 * take long, for the others wait for it, and must not unwind or jump out of the call. Freeing the
 * delivery before takes nothing back: `delivery` is no handle any more then. After ottla_abandon
 * nobody may be left to call it.
 *
 * Threads: any number at the same time.
 * NULL: `user_data`, which is only handed through.
 * Returns: OTTLA_E_INVALID_INPUT if `callback` is NULL.
 */
ottla_status ottla_delivery_on_completion(struct ottla_delivery *delivery,
                                          ottla_delivery_callback callback,
                                          void *user_data,
                                          struct ottla_error **error);

/**
 * Has `tag` put into the producer's completion queue once all records of the delivery are decided:
 * ottla_producer_completed takes it from there, and ottla_producer_fd is readable meanwhile. For
 * programs with an event loop: no callback, no thread. Does not hurry them, as
 * ottla_delivery_on_completion does not. Freeing the delivery before takes nothing back.
 *
 * Threads: any number at the same time.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if `delivery` is none.
 */
ottla_status ottla_delivery_notify(struct ottla_delivery *delivery,
                                   uint64_t tag,
                                   struct ottla_error **error);

/**
 * Frees a delivery. The records go their way; whoever waits for them in another thread may go on
 * to. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_delivery_free(struct ottla_delivery *delivery);

/**
 * Sets `*identity` to one that nobody ever had in this directory, for an idempotent producer. That
 * the id is taken survives power loss.
 *
 * Threads: any number at the same time.
 * NULL: nothing.
 * Returns: OTTLA_E_LIMIT when all ids are taken; OTTLA_E_READ_ONLY; those of a commit: one call in
 * a thousand is one.
 */
ottla_status ottla_producer_identity_new(struct ottla_broker *broker,
                                         struct ottla_producer_identity *identity,
                                         struct ottla_error **error);

/**
 * Declares an identity over, and sets `*successor` to the one that takes its place: the same id in
 * the next epoch (or, after the last one, a new id), whose records are numbered from 0 again. For
 * whoever takes over from a program that may still be at work: from now on, while the directory is
 * open, what comes with the old one gets OTTLA_E_FENCED. Nothing is written: note the successor
 * down before using it.
 *
 * Threads: any number at the same time.
 * NULL: nothing. `identity` and `successor` may be the same.
 * Returns: OTTLA_E_FENCED if somebody else has fenced it already; OTTLA_E_INVALID_INPUT for an
 * identity that is not from this directory.
 */
ottla_status ottla_producer_identity_fence(struct ottla_broker *broker,
                                           const struct ottla_producer_identity *identity,
                                           struct ottla_producer_identity *successor,
                                           struct ottla_error **error);

/**
 * The sequence number that follows `count` records of which the first has `base_sequence`: behind
 * the largest, 2147483647, comes 0.
 *
 * Threads: any.
 */
int32_t ottla_sequence_after(int32_t base_sequence, size_t count);

/**
 * Finds a partition of a topic.
 *
 * Ownership: `*partition` is the program's, until ottla_partition_free.
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
 */
ottla_status ottla_partition_new(struct ottla_broker *broker,
                                 const char *topic,
                                 int32_t number,
                                 struct ottla_partition **partition,
                                 struct ottla_error **error);

/**
 * Appends the records as one batch: all of them, or none, at consecutive offsets. When it returns
 * OTTLA_OK, what `acks` names has happened: OTTLA_ACKS_NONE, OTTLA_ACKS_LEADER or OTTLA_ACKS_ALL.
 *
 * Ownership: the records are copied.
 * Threads: any number at the same time.
 * NULL: `appended`, if nobody wants to know where.
 * Returns: OTTLA_E_LIMIT if the batch exceeds max.message.bytes; OTTLA_E_INVALID_INPUT for no
 * records, one for another partition, or one that the topic does not take; OTTLA_E_NO_SPACE,
 * OTTLA_E_POISONED, OTTLA_E_READ_ONLY, OTTLA_E_CORRUPT for a damaged partition;
 * OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted meanwhile.
 */
ottla_status ottla_partition_append(struct ottla_partition *partition,
                                    const struct ottla_record *records,
                                    size_t count,
                                    int32_t acks,
                                    struct ottla_appended *appended,
                                    struct ottla_error **error);

/**
 * As ottla_partition_append, if the partition ends at the offset `end` then: if nobody has appended
 * to it since somebody saw that end. Of several who expect the same end at most one succeeds,
 * whatever their acks.
 *
 * Ownership: the records are copied.
 * Threads: any number at the same time.
 * NULL: `appended`, if nobody wants to know where.
 * Returns: OTTLA_E_CONFLICT if the partition ends elsewhere: ottla_error_conflict has what was
 * appended meanwhile; otherwise as ottla_partition_append.
 */
ottla_status ottla_partition_append_expecting(struct ottla_partition *partition,
                                              int64_t end,
                                              const struct ottla_record *records,
                                              size_t count,
                                              int32_t acks,
                                              struct ottla_appended *appended,
                                              struct ottla_error **error);

/**
 * Reads records from an offset on: those of whole batches, about `bytes_max` bytes of them, at least
 * one batch if there is one. `*records` is set to NULL at the end of the partition. Those of
 * transactions are read as they were written, decided or not; ottla_consumer reads as
 * isolation.level says.
 *
 * Ownership: `*records` is the program's, until ottla_records_free.
 * Threads: any number; they read one after the other.
 * Returns: OTTLA_E_OFFSET_OUT_OF_RANGE below the log start and beyond the end; OTTLA_E_CORRUPT;
 * OTTLA_E_INVALID_INPUT for a negative offset or bound.
 */
ottla_status ottla_partition_read(struct ottla_partition *partition,
                                  int64_t from,
                                  int32_t bytes_max,
                                  struct ottla_records **records,
                                  struct ottla_error **error);

/**
 * Frees a partition. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_partition_free(struct ottla_partition *partition);

/**
 * Makes an appender for a partition: what is appended first begins at the sequence number
 * `next_sequence`, which is 0 for a new identity.
 *
 * Ownership: `*appender` is the program's, until ottla_appender_free. The identity is copied.
 * Threads: any.
 * NULL: nothing.
 * Returns: OTTLA_E_INVALID_INPUT for acks that are none.
 */
ottla_status ottla_appender_new(struct ottla_partition *partition,
                                int32_t acks,
                                const struct ottla_producer_identity *identity,
                                int32_t next_sequence,
                                struct ottla_appender **appender,
                                struct ottla_error **error);

/**
 * Appends the records as one batch, once: if the identity has appended the batch of these sequence
 * numbers before, nothing is appended, and the offsets are those of the first time. A failed append
 * leaves the number as it was, so the same records can be appended again.
 *
 * Ownership: the records are copied.
 * Threads: one at a time.
 * NULL: `appended`, if nobody wants to know where.
 * Returns: OTTLA_E_OUT_OF_ORDER_SEQUENCE if an earlier batch is missing, or this is one that the
 * partition does not remember any more; OTTLA_E_FENCED if a newer epoch took over;
 * OTTLA_E_INVALID_INPUT for an identity that is not from this directory; otherwise as
 * ottla_partition_append.
 */
ottla_status ottla_appender_append(struct ottla_appender *appender,
                                   const struct ottla_record *records,
                                   size_t count,
                                   struct ottla_appended *appended,
                                   struct ottla_error **error);

/**
 * As ottla_appender_append, if the partition ends at the offset `end` then. A batch that was
 * appended before is not asked again: its condition held then.
 *
 * Ownership: the records are copied.
 * Threads: one at a time.
 * NULL: `appended`, if nobody wants to know where.
 * Returns: OTTLA_E_CONFLICT if the partition ends elsewhere: ottla_error_conflict has what was
 * appended meanwhile; otherwise as ottla_appender_append.
 */
ottla_status ottla_appender_append_expecting(struct ottla_appender *appender,
                                             int64_t end,
                                             const struct ottla_record *records,
                                             size_t count,
                                             struct ottla_appended *appended,
                                             struct ottla_error **error);

/**
 * As ottla_appender_append, if the newest record of a key in this partition is still the one with
 * the offset `version`, or, with OTTLA_VERSION_NO_STREAM, if there is none. The topic needs
 * ottla.key.index=true. A batch that was appended before is not asked again: its condition held
 * then.
 *
 * Ownership: key and records are copied.
 * Threads: one at a time.
 * NULL: `appended`, if nobody wants to know where.
 * Returns: OTTLA_E_CONFLICT if the version is another: ottla_error_conflict has the records of the
 * key that are newer than the expected one; otherwise as ottla_appender_append.
 */
ottla_status ottla_appender_append_expecting_version(struct ottla_appender *appender,
                                                     const uint8_t *key,
                                                     size_t key_length,
                                                     int64_t version,
                                                     const struct ottla_record *records,
                                                     size_t count,
                                                     struct ottla_appended *appended,
                                                     struct ottla_error **error);

/**
 * Sets `*next_sequence` to the sequence number of what is appended next: for the program's notes.
 *
 * Threads: one at a time.
 * NULL: nothing.
 * Returns: OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_appender_next_sequence(const struct ottla_appender *appender,
                                          int32_t *next_sequence,
                                          struct ottla_error **error);

/**
 * Frees an appender. NULL is fine.
 *
 * Threads: any; once. A call that another thread is in goes on.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_appender_free(struct ottla_appender *appender);

/**
 * Sets `*offset` to the first offset that can be read.
 *
 * Threads: any number at the same time.
 * Returns: OTTLA_E_INVALID_HANDLE.
 */
ottla_status ottla_partition_log_start_offset(const struct ottla_partition *partition,
                                              int64_t *offset,
                                              struct ottla_error **error);

/**
 * Sets `*offset` to the offset behind the newest record that can be read: the next record gets it.
 *
 * Threads: any number at the same time.
 * Returns: OTTLA_E_INVALID_HANDLE.
 */
ottla_status ottla_partition_end_offset(const struct ottla_partition *partition,
                                        int64_t *offset,
                                        struct ottla_error **error);

/**
 * Sets `*offset` to the end for readers of committed records: the first offset of the earliest
 * transaction that is still open.
 *
 * Threads: any number at the same time.
 * Returns: OTTLA_E_IO, OTTLA_E_CORRUPT if the state of the producers cannot be read.
 */
ottla_status ottla_partition_last_stable_offset(const struct ottla_partition *partition,
                                                int64_t *offset,
                                                struct ottla_error **error);

/**
 * Sets `*bytes` to the bytes of the partition's segments.
 *
 * Threads: any number at the same time.
 * Returns: OTTLA_E_INVALID_HANDLE.
 */
ottla_status ottla_partition_size_bytes(const struct ottla_partition *partition,
                                        uint64_t *bytes,
                                        struct ottla_error **error);

/**
 * Whether the partition can be written: OTTLA_OK, or the code of its damage, with the error that
 * says where it is.
 *
 * Threads: any number at the same time.
 * Returns: OTTLA_OK; OTTLA_E_CORRUPT or another code for a damaged one.
 */
ottla_status ottla_partition_damage(const struct ottla_partition *partition,
                                    struct ottla_error **error);

/**
 * Deletes the records below `offset` (-1: all of them): moves the log start offset there, and sets
 * `*log_start` to where it is then. When it returns OTTLA_OK the records are gone for good.
 *
 * Threads: any number at the same time.
 * NULL: nothing.
 * Returns: OTTLA_E_OFFSET_OUT_OF_RANGE beyond the end; OTTLA_E_INVALID_INPUT if cleanup.policy does
 * not contain delete.
 */
ottla_status ottla_partition_delete_records(struct ottla_partition *partition,
                                            int64_t offset,
                                            int64_t *log_start,
                                            struct ottla_error **error);

/**
 * Cuts off all records from `offset` on: the next record gets that offset. Batches go whole: if it
 * lies within one, the log ends where that one began. Sets `*end` to the new end. What groups
 * committed behind it is set back to it before. When it returns OTTLA_OK the records do not come
 * back.
 *
 * Threads: any number at the same time.
 * NULL: nothing.
 * Returns: OTTLA_E_OFFSET_OUT_OF_RANGE outside of what the partition holds; OTTLA_E_INVALID_INPUT
 * for a topic that Kafka keeps for itself.
 */
ottla_status ottla_partition_truncate_to(struct ottla_partition *partition,
                                         int64_t offset,
                                         int64_t *end,
                                         struct ottla_error **error);

/**
 * The first record, by position in the log, whose timestamp is `timestamp` or later: sets `*offset`
 * and `*found_timestamp` to what it has, and to -1 if there is none.
 *
 * Threads: any number at the same time.
 * NULL: nothing.
 * Returns: OTTLA_E_CORRUPT, OTTLA_E_IO.
 */
ottla_status ottla_partition_offset_for_timestamp(const struct ottla_partition *partition,
                                                  int64_t timestamp,
                                                  int64_t *offset,
                                                  int64_t *found_timestamp,
                                                  struct ottla_error **error);

/**
 * The record with the greatest timestamp: sets `*offset` to its offset (that of the last record of
 * its batch) and `*timestamp` to its timestamp, and both to -1 if there is none.
 *
 * Threads: any number at the same time.
 * NULL: nothing.
 * Returns: OTTLA_E_CORRUPT, OTTLA_E_IO.
 */
ottla_status ottla_partition_offset_of_max_timestamp(const struct ottla_partition *partition,
                                                     int64_t *offset,
                                                     int64_t *timestamp,
                                                     struct ottla_error **error);

/**
 * Sets `*states` to what the partition knows of idempotent producers, by their ids.
 *
 * Ownership: `*states` is the program's, until ottla_producer_states_free.
 * Threads: any number at the same time.
 * Returns: OTTLA_E_IO, OTTLA_E_CORRUPT if it cannot be read.
 */
ottla_status ottla_partition_producers(const struct ottla_partition *partition,
                                       struct ottla_producer_states **states,
                                       struct ottla_error **error);

/**
 * How many there are; 0 also if `states` is none.
 *
 * Threads: any.
 */
size_t ottla_producer_states_count(const struct ottla_producer_states *states);

/**
 * The one with a number, from 0 on.
 *
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there are not as many.
 */
ottla_status ottla_producer_states_get(const struct ottla_producer_states *states,
                                       size_t index,
                                       struct ottla_producer_state *state,
                                       struct ottla_error **error);

/**
 * Frees such a list. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_producer_states_free(struct ottla_producer_states *states);

/**
 * Begins an append to several partitions.
 *
 * Ownership: `*append` is the program's, until ottla_atomic_append_free.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_HANDLE.
 */
ottla_status ottla_atomic_append_new(struct ottla_broker *broker,
                                     struct ottla_atomic_append **append,
                                     struct ottla_error **error);

/**
 * Adds a batch for one partition. Several for the same one are written in this order.
 *
 * Ownership: the records are copied.
 * Threads: one at a time.
 * NULL: nothing.
 * Returns: as ottla_partition_append; what was added before stays. OTTLA_E_CLOSED after the commit.
 */
ottla_status ottla_atomic_append_add(struct ottla_atomic_append *append,
                                     const char *topic,
                                     int32_t partition,
                                     const struct ottla_record *records,
                                     size_t count,
                                     struct ottla_error **error);

/**
 * Lets the commit happen only if the partition still ends at `end` then, whether or not a batch is
 * added for it. All conditions have to hold; the batches of this append do not count.
 *
 * Threads: one at a time.
 * NULL: nothing.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a negative offset.
 */
ottla_status ottla_atomic_append_expect_end(struct ottla_atomic_append *append,
                                            const char *topic,
                                            int32_t partition,
                                            int64_t end,
                                            struct ottla_error **error);

/**
 * Lets the commit happen only if the stream of `key` still has this version then: an offset,
 * OTTLA_VERSION_NO_STREAM, or OTTLA_VERSION_ANY. All conditions have to hold.
 *
 * Threads: one at a time.
 * NULL: nothing; an empty key is a pointer to anything and a length of 0.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT if the topic has no key index.
 */
ottla_status ottla_atomic_append_expect_version(struct ottla_atomic_append *append,
                                                const char *topic,
                                                const uint8_t *key,
                                                size_t key_length,
                                                int64_t version,
                                                struct ottla_error **error);

/**
 * Commits everything, and writes where the batches are to `appended`, one place for each in the
 * order in which they were added. When it returns OTTLA_OK, all of them survive power loss.
 *
 * Whatever it returns, the append is over then, and has only to be freed. Only a capacity that is too
 * small, and OTTLA_E_CONCURRENT_USE, leave it as it was.
 *
 * Threads: one at a time.
 * NULL: `appended`, with a capacity of 0, if nobody wants to know where.
 * Returns: OTTLA_E_CONFLICT if a condition does not hold: ottla_error_conflict has what was missed;
 * OTTLA_E_INVALID_INPUT if `capacity` is neither 0 nor enough for all batches; OTTLA_E_POISONED if
 * the outcome is unknown until the directory is opened anew, but still all or nothing;
 * OTTLA_E_CLOSED if it was committed before.
 */
ottla_status ottla_atomic_append_commit(struct ottla_atomic_append *append,
                                        struct ottla_appended *appended,
                                        size_t capacity,
                                        struct ottla_error **error);

/**
 * Frees an atomic append; one that was not committed is forgotten. NULL is fine.
 *
 * Threads: any; once. A call that another thread is in goes on.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_atomic_append_free(struct ottla_atomic_append *append);

/**
 * Makes a consumer. It reads nothing before ottla_consumer_subscribe or ottla_consumer_assign. The
 * group whose offsets it uses is the setting group.id; Kafka's assignors are chosen by
 * partition.assignment.strategy.
 *
 * Ownership: `*consumer` is the program's, until ottla_consumer_free. What the options lead to
 * has to stay as long as the consumer, but `options` itself does not.
 * Threads: any.
 * NULL: `settings`, if there are none; `options`.
 * Returns: OTTLA_E_INVALID_INPUT for a setting that cannot be.
 */
ottla_status ottla_consumer_new(struct ottla_broker *broker,
                                const struct ottla_setting *settings,
                                size_t setting_count,
                                const struct ottla_consumer_options *options,
                                struct ottla_consumer **consumer,
                                struct ottla_error **error);

/**
 * What the consumer has done so far: records and bytes that it returned, polls, commits,
 * rebalances, the time that polls waited.
 *
 * Ownership: `*metrics` is the program's, until ottla_metrics_free.
 * Threads: one at a time.
 * Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_consumer_metrics(const struct ottla_consumer *consumer,
                                    struct ottla_metrics **metrics,
                                    struct ottla_error **error);

/**
 * Ends the consumer: commits its positions if that is done automatically, waits for commits under
 * way, calls the revoked callback, and leaves the group; the place of a member with a
 * group.instance.id is kept for session.timeout.ms. The handle stays, and answers OTTLA_E_CLOSED.
 * A second close does nothing.
 *
 * Threads: one at a time; to end a poll of another thread, call ottla_consumer_wakeup.
 * Returns: what the last commit says; the consumer was closed all the same.
 * OTTLA_E_CONCURRENT_USE, and OTTLA_E_INVALID_INPUT within a callback: then it was not.
 */
ottla_status ottla_consumer_close(struct ottla_consumer *consumer, struct ottla_error **error);

/**
 * Frees a consumer, and closes it first if it was not. How the last commit went is not told: to
 * know that, close it before. When this returns, none of its callbacks is running on another
 * thread, and none will be called. NULL is fine.
 *
 * Threads: one at a time, once. Records that it returned stay.
 * Returns: OTTLA_OK; OTTLA_E_CONCURRENT_USE while another thread is inside of the consumer, and
 * OTTLA_E_INVALID_INPUT within one of its callbacks: nothing was freed then.
 * OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_consumer_free(struct ottla_consumer *consumer);

/**
 * Reads these partitions and no others. Partitions that were assigned before keep their positions;
 * with a group.id, new ones go on where the group was. None: as if nothing were assigned.
 *
 * Threads: one at a time.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a partition that is named
 * twice, while the consumer is subscribed to topics, and within a rebalance callback. The
 * assignment is as before then.
 */
ottla_status ottla_consumer_assign(struct ottla_consumer *consumer,
                                   const struct ottla_topic_partition *partitions,
                                   size_t partition_count,
                                   struct ottla_error **error);

/**
 * Becomes a member of the group and shares the partitions of these topics with its other members.
 * The next polls bring the partitions. A member that subscribes again keeps the partitions that are
 * still its own. No topics: as ottla_consumer_unsubscribe.
 *
 * Threads: one at a time.
 * NULL: `topics`, if there are none.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION for a topic that does not exist;
 * OTTLA_E_INVALID_INPUT without a group.id, after ottla_consumer_assign, if the members have no
 * assignor in common, and within a rebalance callback. Nothing was changed then.
 */
ottla_status ottla_consumer_subscribe(struct ottla_consumer *consumer,
                                      const char *const *topics,
                                      size_t topic_count,
                                      struct ottla_error **error);

/**
 * As ottla_consumer_subscribe, to all topics whose whole name matches a regular expression, those
 * included that are made later. Topics that Kafka keeps for itself never match.
 *
 * Threads: one at a time.
 * Returns: as ottla_consumer_subscribe; OTTLA_E_INVALID_INPUT for what is no regular expression.
 */
ottla_status ottla_consumer_subscribe_pattern(struct ottla_consumer *consumer,
                                              const char *pattern,
                                              struct ottla_error **error);

/**
 * Leaves the group at once, also with a group.instance.id; or lets go of the partitions that were
 * assigned. Positions are committed first if that is done automatically, and the revoked callback
 * is called.
 *
 * Threads: one at a time.
 * Returns: what the last automatic commit says; the consumer has left all the same.
 * OTTLA_E_INVALID_INPUT within a rebalance callback.
 */
ottla_status ottla_consumer_unsubscribe(struct ottla_consumer *consumer,
                                        struct ottla_error **error);

/**
 * The partitions that are read.
 *
 * Ownership: `*partitions` is the program's, until ottla_topic_partitions_free.
 * Threads: one at a time.
 * Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_consumer_assignment(const struct ottla_consumer *consumer,
                                       struct ottla_topic_partitions **partitions,
                                       struct ottla_error **error);

/**
 * The topics that are subscribed to; of a pattern, those that match now. Each has the partition -1.
 *
 * Ownership: `*topics` is the program's, until ottla_topic_partitions_free.
 * Threads: one at a time.
 * Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_consumer_subscription(const struct ottla_consumer *consumer,
                                         struct ottla_topic_partitions **topics,
                                         struct ottla_error **error);

/**
 * Gives a partition to a member: `member` and `topic` are their places, from 0, among those that
 * the assignor got.
 *
 * Threads: the one that the assignor was called on.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such member or partition.
 */
ottla_status ottla_assignment_add(struct ottla_assignment *assignment,
                                  size_t member,
                                  size_t topic,
                                  int32_t partition,
                                  struct ottla_error **error);

/**
 * Commits the positions of all partitions: the group goes on behind the records that polls
 * returned so far. Earlier commits without waiting end first.
 *
 * When it returns OTTLA_OK the offsets, and the records below them, survive power loss.
 *
 * Threads: one at a time.
 * Returns: OTTLA_E_INVALID_INPUT without a group.id; OTTLA_E_FENCED if the group does not count
 * this member any more; OTTLA_E_GROUP_NOT_EMPTY if partitions were assigned by hand and the group
 * has members; what writing says.
 */
ottla_status ottla_consumer_commit(struct ottla_consumer *consumer, struct ottla_error **error);

/**
 * Commits given offsets, each the one of the next record to read, perhaps with a note.
 *
 * When it returns OTTLA_OK the offsets survive power loss.
 *
 * Threads: one at a time.
 * NULL: `offsets`, if there are none.
 * Returns: as ottla_consumer_commit; OTTLA_E_INVALID_INPUT for a partition that the member does not
 * own and a negative offset, OTTLA_E_OFFSET_OUT_OF_RANGE for one behind the end. Nothing was
 * committed then.
 */
ottla_status ottla_consumer_commit_offsets(struct ottla_consumer *consumer,
                                           const struct ottla_offset *offsets,
                                           size_t offset_count,
                                           struct ottla_error **error);

/**
 * As ottla_consumer_commit, without waiting. The callback gets the outcome later, at the end of a
 * poll, a commit, a close or a free of this consumer. If a thousand commits are under way, it waits
 * for them.
 *
 * Ownership: what `user_data` leads to has to stay until the callback was called, or the consumer
 * was freed.
 * Threads: one at a time.
 * NULL: `callback`, if nobody is to be told.
 * Returns: OTTLA_E_INVALID_INPUT without a group.id. Everything else is told to the callback.
 */
ottla_status ottla_consumer_commit_async(struct ottla_consumer *consumer,
                                         ottla_commit_callback callback,
                                         void *user_data,
                                         struct ottla_error **error);

/**
 * As ottla_consumer_commit_offsets, without waiting, and ottla_consumer_commit_async.
 *
 * Ownership: as for ottla_consumer_commit_async.
 * Threads: one at a time.
 * NULL: `offsets`, if there are none; `callback`, if nobody is to be told.
 * Returns: OTTLA_E_INVALID_INPUT without a group.id, and for what is no name of a topic. Everything
 * else is told to the callback.
 */
ottla_status ottla_consumer_commit_offsets_async(struct ottla_consumer *consumer,
                                                 const struct ottla_offset *offsets,
                                                 size_t offset_count,
                                                 ottla_commit_callback callback,
                                                 void *user_data,
                                                 struct ottla_error **error);

/**
 * What the group committed of partitions, which need not be assigned: `*committed` has one entry
 * for each of them, in their order, with the offset -1 where nothing was.
 *
 * Ownership: `*committed` is the program's, until ottla_offsets_free.
 * Threads: one at a time.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT without a group.id; OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; what
 * reading says.
 */
ottla_status ottla_consumer_committed(const struct ottla_consumer *consumer,
                                      const struct ottla_topic_partition *partitions,
                                      size_t partition_count,
                                      struct ottla_offsets **committed,
                                      struct ottla_error **error);

/**
 * Writes the offset of the oldest record of each of these partitions to `offsets`, which has as
 * much room; where there is no record, the end.
 *
 * Threads: one at a time.
 * NULL: `partitions` and `offsets`, if there are none.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION.
 */
ottla_status ottla_consumer_beginning_offsets(const struct ottla_consumer *consumer,
                                              const struct ottla_topic_partition *partitions,
                                              size_t partition_count,
                                              int64_t *offsets,
                                              struct ottla_error **error);

/**
 * Writes the offset after the newest record of each of these partitions that this consumer may read
 * to `offsets`, which has as much room. With read_committed, no open transaction lies below it.
 *
 * Threads: one at a time.
 * NULL: `partitions` and `offsets`, if there are none.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; what reading says.
 */
ottla_status ottla_consumer_end_offsets(const struct ottla_consumer *consumer,
                                        const struct ottla_topic_partition *partitions,
                                        size_t partition_count,
                                        int64_t *offsets,
                                        struct ottla_error **error);

/**
 * Writes for each of these partitions the first record whose timestamp is the one of the same place
 * in `timestamps` (milliseconds since 1970) or later to `found`, which has as much room.
 *
 * Threads: one at a time.
 * NULL: `partitions`, `timestamps` and `found`, if there are none.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a time before 1970; what
 * reading says.
 */
ottla_status ottla_consumer_offsets_for_times(const struct ottla_consumer *consumer,
                                              const struct ottla_topic_partition *partitions,
                                              const int64_t *timestamps,
                                              size_t partition_count,
                                              struct ottla_offset_and_timestamp *found,
                                              struct ottla_error **error);

/**
 * Who this consumer is in its group now.
 *
 * Ownership: `*metadata` is the program's, until ottla_group_metadata_free.
 * Threads: one at a time.
 * Returns: OTTLA_E_INVALID_INPUT without a group.id.
 */
ottla_status ottla_consumer_group_metadata(const struct ottla_consumer *consumer,
                                           struct ottla_group_metadata **metadata,
                                           struct ottla_error **error);

/**
 * The group; NULL if `metadata` is none.
 *
 * Ownership: the metadata's; valid until it is freed.
 * Threads: any.
 */
const char *ottla_group_metadata_group_id(const struct ottla_group_metadata *metadata);

/**
 * How many times it was decided who reads what; -1 for a consumer that is no member.
 *
 * Threads: any.
 */
int32_t ottla_group_metadata_generation(const struct ottla_group_metadata *metadata);

/**
 * The member's id; empty for a consumer that is no member, NULL if `metadata` is none.
 *
 * Ownership: the metadata's; valid until it is freed.
 * Threads: any.
 */
const char *ottla_group_metadata_member_id(const struct ottla_group_metadata *metadata);

/**
 * The member's group.instance.id; NULL if it has none.
 *
 * Ownership: the metadata's; valid until it is freed.
 * Threads: any.
 */
const char *ottla_group_metadata_instance_id(const struct ottla_group_metadata *metadata);

/**
 * Frees the metadata. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_group_metadata_free(struct ottla_group_metadata *metadata);

/**
 * Returns the next records: at once if there are any, else as soon as some are published, or none
 * when `timeout_ms` milliseconds (0: without waiting, -1: for ever) have passed. At most
 * max.poll.records of them. As a member of a group the consumer first comes to what the group
 * decided, which may call the rebalance callbacks; and the callbacks of commits that have ended are
 * called.
 *
 * Ownership: `*records` is the program's, until ottla_records_free; NULL if there are none.
 * Threads: one at a time. ottla_consumer_wakeup ends it from another thread.
 * Returns: OTTLA_OK, also without records. OTTLA_E_INVALID_INPUT without a subscription or an
 * assignment, and within a rebalance callback; OTTLA_E_OFFSET_OUT_OF_RANGE if a position does not
 * exist and auto.offset.reset is none; OTTLA_E_FENCED if another member took this one's
 * group.instance.id; OTTLA_E_CORRUPT or OTTLA_E_IO for a partition that cannot be read: its
 * position is not moved, and no record of others is lost; OTTLA_E_CLOSED when the broker is
 * abandoned, also meanwhile.
 */
ottla_status ottla_consumer_poll(struct ottla_consumer *consumer,
                                 int64_t timeout_ms,
                                 struct ottla_records **records,
                                 struct ottla_error **error);

/**
 * Lets the poll that waits in another thread return at once: with OTTLA_OK and without records; if
 * none waits, the next one that would. No record is lost with it. Several calls before that are as
 * one.
 *
 * Threads: any.
 * Returns: OTTLA_OK, also if the consumer was closed; OTTLA_E_INVALID_HANDLE if it was freed.
 */
ottla_status ottla_consumer_wakeup(const struct ottla_consumer *consumer,
                                   struct ottla_error **error);

/**
 * Polls return nothing of these partitions until they are resumed. Their positions stay as they
 * are.
 *
 * Threads: one at a time.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was paused then.
 */
ottla_status ottla_consumer_pause(struct ottla_consumer *consumer,
                                  const struct ottla_topic_partition *partitions,
                                  size_t partition_count,
                                  struct ottla_error **error);

/**
 * Polls return records of these partitions again. Those that are not paused stay so.
 *
 * Threads: one at a time.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was resumed then.
 */
ottla_status ottla_consumer_resume(struct ottla_consumer *consumer,
                                   const struct ottla_topic_partition *partitions,
                                   size_t partition_count,
                                   struct ottla_error **error);

/**
 * The partitions that are paused.
 *
 * Ownership: `*partitions` is the program's, until ottla_topic_partitions_free.
 * Threads: one at a time.
 * Returns: OTTLA_E_CLOSED, OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_consumer_paused(const struct ottla_consumer *consumer,
                                   struct ottla_topic_partitions **partitions,
                                   struct ottla_error **error);

/**
 * Sets `*fd` to a descriptor for select, poll, epoll and the loops built on them. It is readable
 * while ottla_consumer_poll has something to do: records to return, a rebalance to come to, the
 * outcome of a commit to tell, an error, a wakeup, the end of the broker or of the consumer. Poll
 * then with a timeout of 0, as often as it stays readable. What needs a timer is done by polls
 * only: automatic commits; and from now on nothing waits for fetch.min.bytes. A member of a group
 * counts as polling while it is not readable.
 *
 * Do not read, write or close it. To ask again gives the same descriptor.
 *
 * Ownership: `*fd` is the consumer's, and closed by ottla_consumer_free: take it out of the loop
 * before.
 * Threads: one at a time; others may wait for the descriptor meanwhile.
 * Returns: OTTLA_E_IO if there are no descriptors left; OTTLA_E_CLOSED; OTTLA_E_INVALID_INPUT within
 * a rebalance callback.
 */
ottla_status ottla_consumer_fd(struct ottla_consumer *consumer,
                               int32_t *fd,
                               struct ottla_error **error);

/**
 * Goes to an offset: the next poll continues there. One that does not exist is treated by the next
 * poll as auto.offset.reset says.
 *
 * Threads: one at a time.
 * Returns: OTTLA_E_INVALID_INPUT if the partition is not assigned or the offset is negative.
 */
ottla_status ottla_consumer_seek(struct ottla_consumer *consumer,
                                 const char *topic,
                                 int32_t partition,
                                 int64_t offset,
                                 struct ottla_error **error);

/**
 * Goes to the oldest records of these partitions, or of all that are assigned if none are named.
 *
 * Threads: one at a time.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was moved then.
 */
ottla_status ottla_consumer_seek_to_beginning(struct ottla_consumer *consumer,
                                              const struct ottla_topic_partition *partitions,
                                              size_t partition_count,
                                              struct ottla_error **error);

/**
 * Goes to the ends of these partitions, or of all that are assigned if none are named: the next
 * poll returns only what comes later.
 *
 * Threads: one at a time.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT if one of them is not assigned; none was moved then.
 */
ottla_status ottla_consumer_seek_to_end(struct ottla_consumer *consumer,
                                        const struct ottla_topic_partition *partitions,
                                        size_t partition_count,
                                        struct ottla_error **error);

/**
 * Goes to the first record whose timestamp is `timestamp` (milliseconds since 1970) or later, or to
 * the end if there is none. Writes the offset there to `*offset`.
 *
 * Threads: one at a time.
 * NULL: `offset`, if it is of no interest.
 * Returns: OTTLA_E_INVALID_INPUT if the partition is not assigned; what reading says.
 */
ottla_status ottla_consumer_seek_to_timestamp(struct ottla_consumer *consumer,
                                              const char *topic,
                                              int32_t partition,
                                              int64_t timestamp,
                                              int64_t *offset,
                                              struct ottla_error **error);

/**
 * Writes to `*offset` the offset of the next record to return. Before the first poll of a partition
 * in which nobody sought, it is where auto.offset.reset would begin now.
 *
 * Threads: one at a time.
 * Returns: OTTLA_E_INVALID_INPUT if the partition is not assigned; OTTLA_E_OFFSET_OUT_OF_RANGE as
 * for ottla_consumer_poll.
 */
ottla_status ottla_consumer_position(const struct ottla_consumer *consumer,
                                     const char *topic,
                                     int32_t partition,
                                     int64_t *offset,
                                     struct ottla_error **error);

/**
 * Writes to `*lag` how many offsets lie between the position in an assigned partition and its end:
 * 0 for a consumer that has seen everything.
 *
 * Threads: one at a time.
 * Returns: as ottla_consumer_position.
 */
ottla_status ottla_consumer_lag(const struct ottla_consumer *consumer,
                                const char *topic,
                                int32_t partition,
                                int64_t *lag,
                                struct ottla_error **error);

/**
 * Sets `*views` to the records, `*count` of them, those of one partition in the order of their
 * offsets.
 *
 * Ownership: the records'; valid until they are freed.
 * Threads: any.
 * NULL: `records`, which are none, as after a poll that returned nothing; `views` or `count`, if it
 * is of no interest.
 */
ottla_status ottla_records_views(const struct ottla_records *records,
                                 const struct ottla_record_view **views,
                                 size_t *count,
                                 struct ottla_error **error);

/**
 * How many partitions the records are of; 0 if `records` are none.
 *
 * Threads: any.
 */
size_t ottla_records_partition_count(const struct ottla_records *records);

/**
 * Writes to `*partition` which partition a view's `partition_index` stands for.
 *
 * Ownership: the name is the records'; valid until they are freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for an index that no view has.
 */
ottla_status ottla_records_partition(const struct ottla_records *records,
                                     uint32_t partition_index,
                                     struct ottla_topic_partition *partition,
                                     struct ottla_error **error);

/**
 * Sets `*headers` to the headers of the record at `index`, from 0, in their order, `*count` of
 * them; to NULL if it has none. Names are UTF-8, unless a strange writer made them.
 *
 * Ownership: the records'; valid until they are freed.
 * Threads: any.
 * NULL: `headers` or `count`, if it is of no interest.
 * Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
 */
ottla_status ottla_records_headers(const struct ottla_records *records,
                                   size_t index,
                                   const struct ottla_header **headers,
                                   size_t *count,
                                   struct ottla_error **error);

/**
 * Frees records, and with them all that their views and headers lead to. NULL is fine.
 *
 * Threads: any; once, and not while another thread still reads the views.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if they were freed already or are none.
 */
ottla_status ottla_records_free(struct ottla_records *records);

/**
 * How many there are; 0 if `offsets` is no such list.
 *
 * Threads: any.
 */
size_t ottla_offsets_count(const struct ottla_offsets *offsets);

/**
 * Writes the one at `index`, from 0, to `*offset`.
 *
 * Ownership: the texts are the list's, valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
 */
ottla_status ottla_offsets_get(const struct ottla_offsets *offsets,
                               size_t index,
                               struct ottla_offset *offset,
                               struct ottla_error **error);

/**
 * Frees a list. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_offsets_free(struct ottla_offsets *offsets);

/**
 * All groups that have members or committed offsets, by name.
 *
 * Ownership: `*groups` is the program's, until ottla_groups_free.
 * Threads: any.
 * Returns: OTTLA_E_CORRUPT and OTTLA_E_IO from reading the committed offsets, the first time.
 */
ottla_status ottla_groups_list(const struct ottla_broker *broker,
                               struct ottla_groups **groups,
                               struct ottla_error **error);

/**
 * How many groups are in the list; 0 if `groups` is none.
 *
 * Threads: any.
 */
size_t ottla_groups_count(const struct ottla_groups *groups);

/**
 * Writes the group at `index`, from 0, to `*group`.
 *
 * Ownership: the texts are the list's, valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
 */
ottla_status ottla_groups_get(const struct ottla_groups *groups,
                              size_t index,
                              struct ottla_group_listing *group,
                              struct ottla_error **error);

/**
 * Frees a list of groups. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_groups_free(struct ottla_groups *groups);

/**
 * Deletes a group: everything that it committed. When it returns OTTLA_OK, the offsets do not come
 * back after power loss.
 *
 * Threads: any.
 * Returns: OTTLA_E_GROUP_NOT_EMPTY while it has members; OTTLA_E_UNKNOWN_GROUP;
 * OTTLA_E_READ_ONLY; what writing says.
 */
ottla_status ottla_group_delete(struct ottla_broker *broker,
                                const char *group,
                                struct ottla_error **error);

/**
 * The offsets that a group committed, by topic and partition; an empty list for a group that does
 * not exist.
 *
 * Ownership: `*offsets` is the program's, until ottla_offsets_free.
 * Threads: any.
 * Returns: OTTLA_E_CORRUPT and OTTLA_E_IO from reading them, the first time.
 */
ottla_status ottla_group_offsets(const struct ottla_broker *broker,
                                 const char *group,
                                 struct ottla_offsets **offsets,
                                 struct ottla_error **error);

/**
 * Deletes offsets of a group: of these partitions; of all partitions of topics, which have the
 * partition -1; of all that it committed if none are named. When it returns OTTLA_OK the offsets do
 * not come back after power loss.
 *
 * Threads: any.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_UNKNOWN_GROUP; OTTLA_E_GROUP_NOT_EMPTY while the group has members;
 * OTTLA_E_INVALID_INPUT for topics and partitions together.
 */
ottla_status ottla_group_delete_offsets(struct ottla_broker *broker,
                                        const char *group,
                                        const struct ottla_topic_partition *partitions,
                                        size_t partition_count,
                                        struct ottla_error **error);

/**
 * Describes a group: its members, what each reads, and how far the group has come.
 *
 * Ownership: `*described` is the program's, until ottla_group_free.
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_GROUP; OTTLA_E_CORRUPT and OTTLA_E_IO from reading the committed
 * offsets, the first time.
 */
ottla_status ottla_group_describe(const struct ottla_broker *broker,
                                  const char *group,
                                  struct ottla_group **described,
                                  struct ottla_error **error);

/**
 * Writes what the group is to `*info`.
 *
 * Ownership: the texts are the group's, valid until it is freed.
 * Threads: any.
 */
ottla_status ottla_group_get(const struct ottla_group *group,
                             struct ottla_group_info *info,
                             struct ottla_error **error);

/**
 * Writes the member at `index`, from 0, to `*member`. They come in the order in which they joined.
 *
 * Ownership: what it leads to is the group's, valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
 */
ottla_status ottla_group_member(const struct ottla_group *group,
                                size_t index,
                                struct ottla_group_member_info *member,
                                struct ottla_error **error);

/**
 * Writes the partition at `index`, from 0, to `*partition`. They come by topic and number.
 *
 * Ownership: the texts are the group's, valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
 */
ottla_status ottla_group_partition(const struct ottla_group *group,
                                   size_t index,
                                   struct ottla_group_partition_info *partition,
                                   struct ottla_error **error);

/**
 * Frees a described group. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_group_free(struct ottla_group *group);

/**
 * Sets the offsets of a group to where `to` (OTTLA_RESET_EARLIEST, ...) and `value` say: of these
 * partitions; of all partitions of topics, which have the partition -1; of all that it committed if
 * none are named. With `dry_run` nothing changes. The group is made if there is none. When it
 * returns OTTLA_OK the offsets survive power loss, all or none.
 *
 * Ownership: `*changes` is the program's, until ottla_offset_changes_free.
 * Threads: any.
 * NULL: `partitions`, if there are none; `changes`, if they are of no interest.
 * Returns: OTTLA_E_GROUP_NOT_EMPTY while the group has members;
 * OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a shift where nothing was
 * committed, and for topics and partitions together. Nothing was changed then.
 */
ottla_status ottla_group_reset_offsets(struct ottla_broker *broker,
                                       const char *group,
                                       const struct ottla_topic_partition *partitions,
                                       size_t partition_count,
                                       int32_t to,
                                       int64_t value,
                                       bool dry_run,
                                       struct ottla_offset_changes **changes,
                                       struct ottla_error **error);

/**
 * How many changes are in the list; 0 if `changes` is none.
 *
 * Threads: any.
 */
size_t ottla_offset_changes_count(const struct ottla_offset_changes *changes);

/**
 * Writes the change at `index`, from 0, to `*change`.
 *
 * Ownership: the topic is the list's, valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT for an index behind the end.
 */
ottla_status ottla_offset_changes_get(const struct ottla_offset_changes *changes,
                                      size_t index,
                                      struct ottla_offset_change *change,
                                      struct ottla_error **error);

/**
 * Frees a list of changes. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_offset_changes_free(struct ottla_offset_changes *changes);

/**
 * Begins a transaction. The settings are those of a producer that matter to one:
 * transaction.timeout.ms (then it is aborted; 60 seconds unless set), compression.type.
 *
 * Ownership: `*transaction` is the program's, until ottla_transaction_free.
 * Threads: any.
 * NULL: `settings`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT for a setting that cannot be, and for a timeout above the broker's
 * transaction.max.timeout.ms; OTTLA_E_READ_ONLY; OTTLA_E_CLOSED.
 */
ottla_status ottla_transaction_begin(struct ottla_broker *broker,
                                     const struct ottla_setting *settings,
                                     size_t setting_count,
                                     struct ottla_transaction **transaction,
                                     struct ottla_error **error);

/**
 * As ottla_transaction_begin, with a partitioner of the program's. While it is asked, the
 * transaction is inside of a send: what it asks of it is OTTLA_E_CONCURRENT_USE.
 *
 * Ownership: `*transaction` is the program's, until ottla_transaction_free.
 * Threads: any.
 * NULL: `settings`, if there are none; `options`.
 * Returns: as ottla_transaction_begin.
 */
ottla_status ottla_transaction_begin_with_options(struct ottla_broker *broker,
                                                  const struct ottla_setting *settings,
                                                  size_t setting_count,
                                                  const struct ottla_producer_options *options,
                                                  struct ottla_transaction **transaction,
                                                  struct ottla_error **error);

/**
 * Stages records: they are copied, and nowhere to be seen before the commit. Partitions are chosen
 * as a producer chooses. If a record is refused, those before it are staged and those behind it
 * are not; the transaction goes on.
 *
 * Threads: one at a time.
 * NULL: `records`, if there are none; `taken`, which gets the number of records that were staged,
 * whatever the call returns.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a record that the topic
 * refuses; OTTLA_E_LIMIT if the transaction would be larger than ottla.transaction.max.bytes;
 * OTTLA_E_INVALID_TRANSACTION_STATE if it is over: committed, aborted, or open for too long.
 */
ottla_status ottla_transaction_send(struct ottla_transaction *transaction,
                                    const char *topic,
                                    const struct ottla_record *records,
                                    size_t count,
                                    size_t *taken,
                                    struct ottla_error **error);

/**
 * Stages the positions of a consumer, as they are now: behind the records that its polls have
 * returned. Its group goes on there if, and only if, the transaction commits.
 *
 * Threads: one at a time, in the transaction and in the consumer.
 * Returns: OTTLA_E_INVALID_INPUT without a group.id, with enable.auto.commit, or for a consumer of
 * another broker; OTTLA_E_FENCED for a member that its group does not count any more; OTTLA_E_LIMIT;
 * OTTLA_E_INVALID_TRANSACTION_STATE if it is over; OTTLA_E_CONCURRENT_USE, also while another thread
 * polls the consumer.
 */
ottla_status ottla_transaction_commit_offsets(struct ottla_transaction *transaction,
                                              const struct ottla_consumer *consumer,
                                              struct ottla_error **error);

/**
 * Stages offsets of a group that has no members: for a program that keeps no consumer, or assigns
 * its partitions itself.
 *
 * Threads: one at a time.
 * NULL: `offsets`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT for a group or an offset that cannot be;
 * OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_LIMIT; OTTLA_E_INVALID_TRANSACTION_STATE if it is over.
 * That the group has members is found by the commit.
 */
ottla_status ottla_transaction_commit_offsets_of(struct ottla_transaction *transaction,
                                                 const char *group,
                                                 const struct ottla_offset *offsets,
                                                 size_t offset_count,
                                                 struct ottla_error **error);

/**
 * Lets the commit happen only if the partition still ends at `offset` then: if nobody has appended
 * to it since somebody saw that end. The records of this transaction do not count. All conditions
 * have to hold.
 *
 * Threads: one at a time.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a negative offset;
 * OTTLA_E_INVALID_TRANSACTION_STATE if it is over.
 */
ottla_status ottla_transaction_expect_end(struct ottla_transaction *transaction,
                                          const char *topic,
                                          int32_t partition,
                                          int64_t offset,
                                          struct ottla_error **error);

/**
 * Lets the commit happen only if the newest record of a key is still the one with the offset
 * `version` then, or, with OTTLA_VERSION_NO_STREAM, if there is none. The records of this
 * transaction do not count. Asked is the partition that a producer chooses for the key by itself;
 * the topic needs ottla.key.index=true.
 *
 * Threads: one at a time.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for another negative version,
 * and without a key index; OTTLA_E_INVALID_TRANSACTION_STATE if it is over.
 */
ottla_status ottla_transaction_expect_version(struct ottla_transaction *transaction,
                                              const char *topic,
                                              const uint8_t *key,
                                              size_t key_length,
                                              int64_t version,
                                              struct ottla_error **error);

/**
 * Commits everything that was staged: one frame of the journal, one sync. With OTTLA_OK all records
 * and offsets survive power loss; at no moment is a part of them there without the rest.
 *
 * Threads: one at a time.
 * Returns: OTTLA_E_CONFLICT if a condition does not hold (see ottla_error_conflict);
 * OTTLA_E_FENCED if a consumer whose offsets were staged lost a partition of them;
 * OTTLA_E_INVALID_TRANSACTION_STATE if it is over. Nothing was written then, and the transaction is
 * over. After OTTLA_E_NO_SPACE, OTTLA_E_LIMIT, OTTLA_E_IO and OTTLA_E_GROUP_NOT_EMPTY nothing was
 * written either, but it stays open: commit it again, or abort it. After OTTLA_E_POISONED the
 * outcome is known when the directory is opened anew.
 */
ottla_status ottla_transaction_commit(struct ottla_transaction *transaction,
                                      struct ottla_error **error);

/**
 * As ottla_transaction_commit; also says where the records went.
 *
 * Ownership: `*places` is the program's, until ottla_places_free.
 * Threads: one at a time.
 * Returns: as ottla_transaction_commit.
 */
ottla_status ottla_transaction_commit_with_places(struct ottla_transaction *transaction,
                                                  struct ottla_places **places,
                                                  struct ottla_error **error);

/**
 * Drops everything that was staged. Nothing of it was ever in the log.
 *
 * Threads: one at a time.
 * Returns: OTTLA_E_INVALID_TRANSACTION_STATE if it was committed.
 */
ottla_status ottla_transaction_abort(struct ottla_transaction *transaction,
                                     struct ottla_error **error);

/**
 * Frees a transaction; one that is open is aborted. NULL is fine.
 *
 * Threads: any, once. A commit that another thread is in goes on, and that thread hears its outcome.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_transaction_free(struct ottla_transaction *transaction);

/**
 * Makes a transactional producer, and fences the one that has the id: its transaction is aborted,
 * and nothing of it is committed after this returns. The settings are a producer's; one of them has
 * to be transactional.id. The id is known while the directory is open.
 *
 * Ownership: `*producer` is the program's, until ottla_transactional_producer_free.
 * Threads: any.
 * NULL: `options`.
 * Returns: OTTLA_E_INVALID_INPUT without a transactional.id, and for a setting that cannot be;
 * OTTLA_E_READ_ONLY; OTTLA_E_CLOSED.
 */
ottla_status ottla_transactional_producer_new(struct ottla_broker *broker,
                                              const struct ottla_setting *settings,
                                              size_t setting_count,
                                              const struct ottla_producer_options *options,
                                              struct ottla_transactional_producer **producer,
                                              struct ottla_error **error);

/**
 * The transactional.id; NULL if `producer` is none.
 *
 * Ownership: the producer's, until it is freed.
 * Threads: any.
 */
const char *ottla_transactional_producer_id(const struct ottla_transactional_producer *producer);

/**
 * Begins a transaction.
 *
 * Threads: any.
 * Returns: OTTLA_E_INVALID_TRANSACTION_STATE if one is open; OTTLA_E_FENCED; OTTLA_E_CLOSED.
 */
ottla_status ottla_transactional_producer_begin_transaction(struct ottla_transactional_producer *producer,
                                                            struct ottla_error **error);

/**
 * Stages records, as ottla_transaction_send does.
 *
 * Threads: any.
 * NULL: `records`, if there are none; `taken`.
 * Returns: as ottla_transaction_send; OTTLA_E_INVALID_TRANSACTION_STATE if no transaction was begun;
 * OTTLA_E_FENCED.
 */
ottla_status ottla_transactional_producer_send(struct ottla_transactional_producer *producer,
                                               const char *topic,
                                               const struct ottla_record *records,
                                               size_t count,
                                               size_t *taken,
                                               struct ottla_error **error);

/**
 * Stages the positions of a consumer, as ottla_transaction_commit_offsets does. Kafka's
 * sendOffsetsToTransaction.
 *
 * Threads: any; one at a time in the consumer.
 * Returns: as ottla_transaction_commit_offsets.
 */
ottla_status ottla_transactional_producer_commit_offsets(struct ottla_transactional_producer *producer,
                                                         const struct ottla_consumer *consumer,
                                                         struct ottla_error **error);

/**
 * Stages offsets of a group without members, as ottla_transaction_commit_offsets_of does.
 *
 * Threads: any.
 * NULL: `offsets`, if there are none.
 * Returns: as ottla_transaction_commit_offsets_of; OTTLA_E_FENCED.
 */
ottla_status ottla_transactional_producer_commit_offsets_of(struct ottla_transactional_producer *producer,
                                                            const char *group,
                                                            const struct ottla_offset *offsets,
                                                            size_t offset_count,
                                                            struct ottla_error **error);

/**
 * Adds a condition to the transaction, as ottla_transaction_expect_end does.
 *
 * Threads: any.
 * Returns: as ottla_transaction_expect_end; OTTLA_E_FENCED.
 */
ottla_status ottla_transactional_producer_expect_end(struct ottla_transactional_producer *producer,
                                                     const char *topic,
                                                     int32_t partition,
                                                     int64_t offset,
                                                     struct ottla_error **error);

/**
 * Adds a condition to the transaction, as ottla_transaction_expect_version does.
 *
 * Threads: any.
 * Returns: as ottla_transaction_expect_version; OTTLA_E_FENCED.
 */
ottla_status ottla_transactional_producer_expect_version(struct ottla_transactional_producer *producer,
                                                         const char *topic,
                                                         const uint8_t *key,
                                                         size_t key_length,
                                                         int64_t version,
                                                         struct ottla_error **error);

/**
 * Commits the transaction, as ottla_transaction_commit does; where that leaves it open, this does.
 *
 * Threads: any.
 * Returns: as ottla_transaction_commit; OTTLA_E_INVALID_TRANSACTION_STATE if none was begun;
 * OTTLA_E_FENCED if a newer producer has the id.
 */
ottla_status ottla_transactional_producer_commit_transaction(struct ottla_transactional_producer *producer,
                                                             struct ottla_error **error);

/**
 * As ottla_transactional_producer_commit_transaction; also says where the records went.
 *
 * Ownership: `*places` is the program's, until ottla_places_free.
 * Threads: any.
 * Returns: as ottla_transactional_producer_commit_transaction.
 */
ottla_status ottla_transactional_producer_commit_with_places(struct ottla_transactional_producer *producer,
                                                             struct ottla_places **places,
                                                             struct ottla_error **error);

/**
 * Aborts the transaction: nothing of it was ever in the log. One that ended without being
 * committed, because its commit failed or its time was up, may be aborted once more.
 *
 * Threads: any.
 * Returns: OTTLA_E_INVALID_TRANSACTION_STATE if none was begun, if it is being committed, or was;
 * OTTLA_E_FENCED.
 */
ottla_status ottla_transactional_producer_abort_transaction(struct ottla_transactional_producer *producer,
                                                            struct ottla_error **error);

/**
 * Frees a transactional producer; its transaction is aborted. NULL is fine.
 *
 * Threads: any, once. A commit that another thread is in goes on, and that thread hears its outcome.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_transactional_producer_free(struct ottla_transactional_producer *producer);

/**
 * How many partitions the records went to; 0 also if `places` is none.
 *
 * Threads: any.
 */
size_t ottla_places_count(const struct ottla_places *places);

/**
 * The place with a number, from 0 on. They are ordered by topic and partition.
 *
 * Ownership: the topic of `place` is the places', until they are freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there are not as many.
 */
ottla_status ottla_places_get(const struct ottla_places *places,
                              size_t index,
                              struct ottla_place *place,
                              struct ottla_error **error);

/**
 * Frees places. NULL is fine.
 *
 * Threads: any, once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if they were freed already or are none.
 */
ottla_status ottla_places_free(struct ottla_places *places);

/**
 * The stream of a key, in the partition that a producer chooses for it by itself. There need be no
 * record of it yet.
 *
 * Ownership: `*stream` is the program's, until ottla_stream_free. The key is copied.
 * Threads: any.
 * NULL: nothing; an empty key is a pointer to anything and a length of 0.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT if the topic has no key index:
 * create it with ottla.key.index=true, or alter it.
 */
ottla_status ottla_stream_new(struct ottla_broker *broker,
                              const char *topic,
                              const uint8_t *key,
                              size_t key_length,
                              struct ottla_stream **stream,
                              struct ottla_error **error);

/**
 * The stream of a key in a partition of one's choice, for records that were put there.
 *
 * Ownership: `*stream` is the program's, until ottla_stream_free. The key is copied.
 * Threads: any.
 * NULL: nothing.
 * Returns: as ottla_stream_new.
 */
ottla_status ottla_stream_new_in(struct ottla_broker *broker,
                                 const char *topic,
                                 int32_t partition,
                                 const uint8_t *key,
                                 size_t key_length,
                                 struct ottla_stream **stream,
                                 struct ottla_error **error);

/**
 * Sets `*partition` to the number of the partition that the stream is in.
 *
 * Threads: any.
 */
ottla_status ottla_stream_partition(const struct ottla_stream *stream,
                                    int32_t *partition,
                                    struct ottla_error **error);

/**
 * Sets `*version` to the offset of the newest record; to OTTLA_VERSION_NO_STREAM if there is none,
 * or none is left. A tombstone is a record like any other, until compaction removes it.
 *
 * Threads: any.
 * Returns: OTTLA_E_CORRUPT, OTTLA_E_IO; OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted;
 * OTTLA_E_INVALID_INPUT if it has no key index any more.
 */
ottla_status ottla_stream_version(const struct ottla_stream *stream,
                                  int64_t *version,
                                  struct ottla_error **error);

/**
 * Reads a piece of the stream: its records with offsets from `from` on and below `to` (INT64_MAX for
 * all there are), the oldest first, or with `backwards` the newest first. A piece has at most
 * `records_max` records (0: any number), and ends at about a megabyte. For the next one ask from
 * behind the last offset on, or backwards below it; when `*records` is set to NULL there are no
 * more.
 *
 * What was deleted or compacted away is passed over.
 *
 * Ownership: `*records` is the program's, until ottla_records_free.
 * Threads: any.
 * Returns: as ottla_stream_version.
 */
ottla_status ottla_stream_read(const struct ottla_stream *stream,
                               int64_t from,
                               int64_t to,
                               bool backwards,
                               size_t records_max,
                               struct ottla_records **records,
                               struct ottla_error **error);

/**
 * Frees a stream. NULL is fine.
 *
 * Threads: any, once. A call that another thread is in goes on.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_stream_free(struct ottla_stream *stream);

/**
 * The newest record of a key, in the partition that a producer chooses for it by itself: `*records`
 * gets that one record, or NULL if there is none, or if it is a tombstone. With a key index
 * (ottla.key.index=true) this reads one batch; without one the whole partition.
 *
 * Ownership: `*records` is the program's, until ottla_records_free.
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_CORRUPT, OTTLA_E_IO.
 */
ottla_status ottla_latest(struct ottla_broker *broker,
                          const char *topic,
                          const uint8_t *key,
                          size_t key_length,
                          struct ottla_records **records,
                          struct ottla_error **error);

/**
 * Appends records to a stream, as one batch: all of them, or none. Each gets the stream's key; it
 * needs none of its own. With a `version` other than OTTLA_VERSION_ANY only if that is still the
 * stream's version: an offset, or OTTLA_VERSION_NO_STREAM for one without a record. Of several who
 * expect the same version at most one succeeds, whatever their acks.
 *
 * When it returns OTTLA_OK, what `acks` names has happened: OTTLA_ACKS_NONE, OTTLA_ACKS_LEADER or
 * OTTLA_ACKS_ALL.
 *
 * Ownership: the records are copied.
 * Threads: any number at the same time.
 * NULL: `appended`, if nobody wants to know where.
 * Returns: OTTLA_E_CONFLICT if the version is another: ottla_error_conflict has the records of the
 * key that are newer than the expected one; OTTLA_E_INVALID_INPUT also for a record with another key;
 * otherwise as ottla_partition_append.
 */
ottla_status ottla_stream_append(struct ottla_stream *stream,
                                 const struct ottla_record *records,
                                 size_t count,
                                 int32_t acks,
                                 int64_t version,
                                 struct ottla_appended *appended,
                                 struct ottla_error **error);

/**
 * As ottla_partition_append, if the newest record of a key in this partition is still the one with
 * the offset `version`, or, with OTTLA_VERSION_NO_STREAM, if there is none. The records may have any
 * keys. The topic needs ottla.key.index=true.
 *
 * Ownership: key and records are copied.
 * Threads: any number at the same time.
 * NULL: `appended`, if nobody wants to know where.
 * Returns: OTTLA_E_CONFLICT if the version is another: ottla_error_conflict has the records of the
 * key that are newer than the expected one; otherwise as ottla_partition_append.
 */
ottla_status ottla_partition_append_expecting_version(struct ottla_partition *partition,
                                                      const uint8_t *key,
                                                      size_t key_length,
                                                      int64_t version,
                                                      const struct ottla_record *records,
                                                      size_t count,
                                                      int32_t acks,
                                                      struct ottla_appended *appended,
                                                      struct ottla_error **error);

/**
 * What stood against a condition, of an error with the status OTTLA_E_CONFLICT: what was expected,
 * what there was, and the records that were appended meanwhile, the oldest first. Whoever takes
 * them into account can try again, expecting `actual`.
 *
 * Ownership: `*records` is the program's, until ottla_records_free, and outlives the error; it is
 * NULL if there are none. Topic and key of `conflict` are the error's.
 * Threads: any.
 * NULL: `conflict` or `records`, if it is not wanted.
 * Returns: OTTLA_E_INVALID_INPUT for an error of another status.
 */
ottla_status ottla_error_conflict(const struct ottla_error *error,
                                  struct ottla_conflict *conflict,
                                  struct ottla_records **records);

/**
 * Makes a table: the topic is read once, up to its end now.
 *
 * Ownership: `*table` is the program's, until ottla_table_free.
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_CORRUPT, OTTLA_E_IO; OTTLA_E_LIMIT if there is no
 * memory for it.
 */
ottla_status ottla_table_new(struct ottla_broker *broker,
                             const char *topic,
                             struct ottla_table **table,
                             struct ottla_error **error);

/**
 * Copies the value of a key to `buffer`, if its `capacity` is enough. `*length` gets the length of
 * the value in any case, and -1 if the key has none; if it is above `capacity`, nothing was copied:
 * ask again with more room.
 *
 * Threads: any number, but while the table moves.
 * NULL: `buffer`, with a capacity of 0.
 * Returns: OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_table_get(const struct ottla_table *table,
                             const uint8_t *key,
                             size_t key_length,
                             uint8_t *buffer,
                             size_t capacity,
                             int64_t *length,
                             struct ottla_error **error);

/**
 * Sets `*length` to the number of keys.
 *
 * Threads: any number, but while the table moves.
 * Returns: OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_table_length(const struct ottla_table *table,
                                size_t *length,
                                struct ottla_error **error);

/**
 * Sets `*memory` to the bytes of memory that keys and values take, about.
 *
 * Threads: any number, but while the table moves.
 * Returns: OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_table_memory_bytes(const struct ottla_table *table,
                                      size_t *memory,
                                      struct ottla_error **error);

/**
 * Where the table stands: of each partition the offset of the next record.
 *
 * Ownership: `*offsets` is the program's, until ottla_offsets_free.
 * Threads: any number, but while the table moves.
 * Returns: OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_table_offsets(const struct ottla_table *table,
                                 struct ottla_offsets **offsets,
                                 struct ottla_error **error);

/**
 * Goes through the table in pieces: `*entries` gets keys and values from `*position` on, in no
 * particular order, and `*position` moves behind them. A piece has at most `entries_max` of them (0:
 * any number), and ends at about a megabyte. At the end `*entries` is set to NULL.
 *
 * Ownership: `*entries` is the program's, until ottla_table_entries_free; they are copies.
 * Threads: any number, each with a position of its own, but while the table moves.
 * Returns: OTTLA_E_INVALID_INPUT if the table was moved since `*position` was written: begin anew,
 * with all zeros; OTTLA_E_CONCURRENT_USE.
 */
ottla_status ottla_table_read(const struct ottla_table *table,
                              struct ottla_table_position *position,
                              size_t entries_max,
                              struct ottla_table_entries **entries,
                              struct ottla_error **error);

/**
 * Reads on to the ends of all partitions as they are at this moment. `*count` gets how many records
 * were taken in.
 *
 * Threads: one at a time, and while no other reads the table.
 * NULL: `count`.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted; OTTLA_E_CLOSED;
 * OTTLA_E_CORRUPT, OTTLA_E_IO; OTTLA_E_LIMIT; OTTLA_E_CONCURRENT_USE. The table may have moved on in
 * some partitions then; the next call goes on there.
 */
ottla_status ottla_table_catch_up(struct ottla_table *table,
                                  uint64_t *count,
                                  struct ottla_error **error);

/**
 * As ottla_table_catch_up, but waits for at most `timeout_ms` milliseconds (0: not at all, -1: for
 * ever) if there is nothing to read. `*count` gets 0 if there was nothing all that time.
 *
 * Threads: as ottla_table_catch_up; the table counts as moving while it waits.
 * NULL: `count`.
 * Returns: as ottla_table_catch_up.
 */
ottla_status ottla_table_poll(struct ottla_table *table,
                              int64_t timeout_ms,
                              uint64_t *count,
                              struct ottla_error **error);

/**
 * Frees a table and its memory. NULL is fine.
 *
 * Threads: any, once. A call that another thread is in goes on.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_table_free(struct ottla_table *table);

/**
 * Sets `*first` to an array of the entries, `*count` of them.
 *
 * Ownership: the array is that of `entries`, until they are freed.
 * Threads: any number.
 */
ottla_status ottla_table_entries_all(const struct ottla_table_entries *entries,
                                     const struct ottla_table_entry **first,
                                     size_t *count,
                                     struct ottla_error **error);

/**
 * Frees entries of a table. NULL is fine.
 *
 * Threads: any, once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if they were freed already or are none.
 */
ottla_status ottla_table_entries_free(struct ottla_table_entries *entries);

/**
 * Takes a snapshot of all partitions, and of what these groups have committed at the same moment.
 *
 * Ownership: `*snapshot` is the program's, until ottla_snapshot_free.
 * Threads: any.
 * NULL: `groups`, if there are none.
 * Returns: OTTLA_E_CLOSED; OTTLA_E_CORRUPT, OTTLA_E_IO from reading committed offsets, the first time.
 */
ottla_status ottla_snapshot_new(struct ottla_broker *broker,
                                const char *const *groups,
                                size_t group_count,
                                struct ottla_snapshot **snapshot,
                                struct ottla_error **error);

/**
 * All partitions, and where each ended.
 *
 * Ownership: `*offsets` is the program's, until ottla_offsets_free.
 * Threads: any.
 */
ottla_status ottla_snapshot_end_offsets(const struct ottla_snapshot *snapshot,
                                        struct ottla_offsets **offsets,
                                        struct ottla_error **error);

/**
 * What a group had committed of partitions: `*committed` has one entry for each of them, in their
 * order, with the offset -1 where nothing was.
 *
 * Ownership: `*committed` is the program's, until ottla_offsets_free.
 * Threads: any.
 * NULL: `partitions`, if there are none.
 * Returns: OTTLA_E_INVALID_INPUT for a group that the snapshot was taken without.
 */
ottla_status ottla_snapshot_committed(const struct ottla_snapshot *snapshot,
                                      const char *group,
                                      const struct ottla_topic_partition *partitions,
                                      size_t partition_count,
                                      struct ottla_offsets **committed,
                                      struct ottla_error **error);

/**
 * Sets `*offset` to where a partition ended: the offset behind its newest record.
 *
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if there was no such partition.
 */
ottla_status ottla_snapshot_end_offset(const struct ottla_snapshot *snapshot,
                                       const char *topic,
                                       int32_t partition,
                                       int64_t *offset,
                                       struct ottla_error **error);

/**
 * Sets `*offset` to where a partition began: the offset of its oldest record.
 *
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if there was no such partition.
 */
ottla_status ottla_snapshot_log_start_offset(const struct ottla_snapshot *snapshot,
                                             const char *topic,
                                             int32_t partition,
                                             int64_t *offset,
                                             struct ottla_error **error);

/**
 * Begins to read a partition from an offset on up to where it ended. Records of transactions that
 * another program aborted are left out.
 *
 * Ownership: `*reader` is the program's, until ottla_snapshot_reader_free.
 * Threads: any.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if there was no such partition, or its topic was
 * deleted since; OTTLA_E_OFFSET_OUT_OF_RANGE for an offset that it did not have, and for one whose
 * record was deleted since.
 */
ottla_status ottla_snapshot_read(const struct ottla_snapshot *snapshot,
                                 const char *topic,
                                 int32_t partition,
                                 int64_t from,
                                 struct ottla_snapshot_reader **reader,
                                 struct ottla_error **error);

/**
 * The next records, about a megabyte of them. `*records` is set to NULL at the end.
 *
 * Ownership: `*records` is the program's, until ottla_records_free.
 * Threads: one at a time.
 * Returns: OTTLA_E_OFFSET_OUT_OF_RANGE if records that the snapshot has are not there any more;
 * OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION if the topic was deleted; OTTLA_E_CORRUPT, OTTLA_E_IO;
 * OTTLA_E_CLOSED; OTTLA_E_CONCURRENT_USE. After an error there are no more.
 */
ottla_status ottla_snapshot_reader_next(struct ottla_snapshot_reader *reader,
                                        struct ottla_records **records,
                                        struct ottla_error **error);

/**
 * Frees a reader. NULL is fine.
 *
 * Threads: any, once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_snapshot_reader_free(struct ottla_snapshot_reader *reader);

/**
 * Frees a snapshot. NULL is fine.
 *
 * Threads: any, once.
 * Returns: OTTLA_OK; OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_snapshot_free(struct ottla_snapshot *snapshot);

/**
 * Compacts a topic now: of each key only the newest record stays, in what was written before the
 * call. What min.compaction.lag.ms protects stays, and what belongs to an open transaction. Topics
 * with cleanup.policy=compact are compacted in the background, too.
 *
 * What went does not come back after power loss, and nothing else is lost.
 *
 * Ownership: `*compaction` is the program's, until ottla_compaction_free.
 * Threads: any; one compaction runs at a time, others wait for it.
 * NULL: `options`, for the defaults; `compaction`, if nobody asks what was done.
 * Returns: OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION; OTTLA_E_INVALID_INPUT for a topic that is not
 * compacted; OTTLA_E_CORRUPT where a partition is damaged, which is then left as it is (the others
 * are compacted); OTTLA_E_NO_SPACE: there has to be room for the new segments beside the old ones;
 * OTTLA_E_READ_ONLY.
 */
ottla_status ottla_compaction_run(struct ottla_broker *broker,
                                  const char *topic,
                                  const struct ottla_compaction_options *options,
                                  struct ottla_compaction **compaction,
                                  struct ottla_error **error);

/**
 * How many rounds there were; 0 if `compaction` is none.
 *
 * Threads: any.
 */
size_t ottla_compaction_count(const struct ottla_compaction *compaction);

/**
 * One round: `index` counts from 0.
 *
 * Ownership: the text in `*outcome` is the compaction's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `outcome->struct_size` was not set.
 */
ottla_status ottla_compaction_get(const struct ottla_compaction *compaction,
                                  size_t index,
                                  struct ottla_compaction_outcome *outcome,
                                  struct ottla_error **error);

/**
 * Frees what a compaction did. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_compaction_free(struct ottla_compaction *compaction);

/**
 * Deletes what retention.ms and retention.bytes of the topics give up, now. What the groups of
 * ottla.retention.groups have not committed stays, up to ottla.retention.groups.max.bytes.
 *
 * Ownership: `*retention` is the program's, until ottla_retention_free.
 * Threads: any.
 * NULL: `retention`, if nobody asks what was deleted.
 * Returns: the first failure, after which the other partitions are still looked at;
 * OTTLA_E_READ_ONLY.
 */
ottla_status ottla_retention_run(struct ottla_broker *broker,
                                 struct ottla_retention **retention,
                                 struct ottla_error **error);

/**
 * In how many partitions something was deleted; 0 if `retention` is none.
 *
 * Threads: any.
 */
size_t ottla_retention_count(const struct ottla_retention *retention);

/**
 * What was deleted in one partition: `index` counts from 0.
 *
 * Ownership: the text in `*outcome` is the list's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `outcome->struct_size` was not set.
 */
ottla_status ottla_retention_get(const struct ottla_retention *retention,
                                 size_t index,
                                 struct ottla_retention_outcome *outcome,
                                 struct ottla_error **error);

/**
 * Frees a list of what retention deleted. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_retention_free(struct ottla_retention *retention);

/**
 * What retention keeps now for the groups that it waits for.
 *
 * Ownership: `*holds` is the program's, until ottla_retention_holds_free.
 * Threads: any.
 * Returns: OTTLA_E_CORRUPT and OTTLA_E_IO from reading committed offsets and the age of segments.
 */
ottla_status ottla_retention_holds_list(struct ottla_broker *broker,
                                        struct ottla_retention_holds **holds,
                                        struct ottla_error **error);

/**
 * How many rows the list has; 0 if `holds` is none.
 *
 * Threads: any.
 */
size_t ottla_retention_holds_count(const struct ottla_retention_holds *holds);

/**
 * One row of the list: `index` counts from 0.
 *
 * Ownership: the texts in `*hold` are the list's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `hold->struct_size` was not set.
 */
ottla_status ottla_retention_holds_get(const struct ottla_retention_holds *holds,
                                       size_t index,
                                       struct ottla_retention_hold *hold,
                                       struct ottla_error **error);

/**
 * Frees a list of what retention keeps. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_retention_holds_free(struct ottla_retention_holds *holds);

/**
 * Reads and checks everything in a directory: every batch and record, sums, offsets, indexes,
 * Kafka's small files. Writes nothing; works on a directory without write permission, and on one
 * that was not closed.
 *
 * Ownership: `*verification` is the program's, until ottla_verification_free.
 * Threads: any.
 * NULL: `options`, for the defaults.
 * Returns: OTTLA_E_LOCKED while a writer lives; OTTLA_E_IO if the directory cannot be read. Damage
 * is no error of the call: it is in `*verification`.
 */
ottla_status ottla_verify(const char *directory,
                          const struct ottla_verify_options *options,
                          struct ottla_verification **verification,
                          struct ottla_error **error);

/**
 * Whether nothing is wrong. False if `verification` is none.
 *
 * Threads: any.
 */
bool ottla_verification_is_sound(const struct ottla_verification *verification);

/**
 * What opening the directory for writing would do.
 *
 * Ownership: `*report` is the program's, until ottla_report_free.
 * Threads: any.
 */
ottla_status ottla_verification_recovery(const struct ottla_verification *verification,
                                         struct ottla_report **report,
                                         struct ottla_error **error);

/**
 * How many partitions were read; 0 if `verification` is none.
 *
 * Threads: any.
 */
size_t ottla_verification_partition_count(const struct ottla_verification *verification);

/**
 * One partition that was read: `index` counts from 0.
 *
 * Ownership: the text in `*info` is the verification's; valid until it is freed.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index, or `info->struct_size` was not set.
 */
ottla_status ottla_verification_partition(const struct ottla_verification *verification,
                                          size_t index,
                                          struct ottla_verified_partition *info,
                                          struct ottla_error **error);

/**
 * How many things are wrong; 0 if `verification` is none.
 *
 * Threads: any.
 */
size_t ottla_verification_error_count(const struct ottla_verification *verification);

/**
 * One thing that is wrong, with file and position: first what is outside of the partitions or
 * keeps the directory from being opened at all, then what is wrong partition by partition.
 *
 * Ownership: `*found` is the program's, until ottla_error_free.
 * Threads: any.
 * Returns: OTTLA_E_INVALID_INPUT if there is no such index.
 */
ottla_status ottla_verification_error(const struct ottla_verification *verification,
                                      size_t index,
                                      struct ottla_error **found,
                                      struct ottla_error **error);

/**
 * Frees what a verification found. NULL is fine.
 *
 * Threads: any; once.
 * Returns: OTTLA_E_INVALID_HANDLE if it was freed already or is none.
 */
ottla_status ottla_verification_free(struct ottla_verification *verification);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* OTTLA_H */
