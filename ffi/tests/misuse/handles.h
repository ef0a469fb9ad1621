/* One valid handle of each type, but of ottla_assignment, which only a callback is given. A type that
 * is not made here fails the tests by its name. */

#ifndef HANDLES_H
#define HANDLES_H

#include "calls.h"

static inline int type_of(const char *name) {
  for (int type = 0; type < HANDLE_TYPES; type++) {
    if (strcmp(type_names[type], name) == 0) return type;
  }
  fprintf(stderr, "the header has no %s\n", name);
  _exit(1);
}

#define PLACE_OF(handles, type) ((type **)&(handles)[type_of(#type)])

static const uint8_t *const john = (const uint8_t *)"john";

/* A broker with a topic, and what it says of itself. */
static inline ottla_broker *make_admin_handles(void **handles, const char *directory) {
  ottla_error *error = NULL;
  const ottla_setting with_streams = {"ottla.key.index", "true"};
  CHECK_OK(ottla_open(directory, NULL, 0, PLACE_OF(handles, ottla_broker), &error), error);
  ottla_broker *broker = *PLACE_OF(handles, ottla_broker);
  CHECK_OK(ottla_topic_ensure(broker, "orders", 2, &with_streams, 1, &error), error);
  const ottla_setting compacted = {"cleanup.policy", "compact"};
  CHECK_OK(ottla_topic_ensure(broker, "events", 1, &compacted, 1, &error), error);
  CHECK_OK(ottla_topics_list(broker, PLACE_OF(handles, ottla_topics), &error), error);
  CHECK_OK(ottla_settings_of_broker(broker, PLACE_OF(handles, ottla_settings), &error), error);
  CHECK_OK(ottla_report_of_broker(broker, PLACE_OF(handles, ottla_report), &error), error);
  CHECK_OK(ottla_retention_run(broker, PLACE_OF(handles, ottla_retention), &error), error);
  ottla_retention_holds **holds = PLACE_OF(handles, ottla_retention_holds);
  CHECK_OK(ottla_retention_holds_list(broker, holds, &error), error);
  ottla_compaction **compaction = PLACE_OF(handles, ottla_compaction);
  CHECK_OK(ottla_compaction_run(broker, "events", NULL, compaction, &error), error);
  ottla_verification **verification = PLACE_OF(handles, ottla_verification);
  CHECK_OK(ottla_verify("verified", NULL, verification, &error), error);
  return broker;
}

/* What writes and reads. */
static inline void make_client_handles(void **handles, ottla_broker *broker) {
  ottla_error *error = NULL;
  const ottla_record record = {.key = john, .key_length = 4, .value = john, .value_length = 4};
  ottla_producer **producer = PLACE_OF(handles, ottla_producer);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, producer, &error), error);
  ottla_delivery **delivery = PLACE_OF(handles, ottla_delivery);
  CHECK_OK(ottla_producer_send(*producer, "orders", &record, 1, delivery, NULL, &error), error);
  CHECK_OK(ottla_delivery_wait(*delivery, -1, &error), error);
  CHECK_OK(ottla_producer_metrics(*producer, PLACE_OF(handles, ottla_metrics), &error), error);

  ottla_partition **partition = PLACE_OF(handles, ottla_partition);
  CHECK_OK(ottla_partition_new(broker, "orders", 0, partition, &error), error);
  ottla_producer_identity identity;
  CHECK_OK(ottla_producer_identity_new(broker, &identity, &error), error);
  ottla_appender **appender = PLACE_OF(handles, ottla_appender);
  CHECK_OK(ottla_appender_new(*partition, -1, &identity, 0, appender, &error), error);
  ottla_producer_states **states = PLACE_OF(handles, ottla_producer_states);
  CHECK_OK(ottla_partition_producers(*partition, states, &error), error);
  ottla_atomic_append **append = PLACE_OF(handles, ottla_atomic_append);
  CHECK_OK(ottla_atomic_append_new(broker, append, &error), error);

  ottla_transaction *transaction = NULL;
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "orders", &record, 1, NULL, &error), error);
  ottla_places **places = PLACE_OF(handles, ottla_places);
  CHECK_OK(ottla_transaction_commit_with_places(transaction, places, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  const ottla_setting named = {"transactional.id", "till"};
  ottla_transactional_producer **till = PLACE_OF(handles, ottla_transactional_producer);
  CHECK_OK(ottla_transactional_producer_new(broker, &named, 1, NULL, till, &error), error);
  ottla_transaction **next = PLACE_OF(handles, ottla_transaction);
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, next, &error), error);
}

/* A consumer of a group, and what it says of itself. */
static inline void make_consumer_handles(void **handles, ottla_broker *broker) {
  ottla_error *error = NULL;
  const ottla_setting settings[] = {{"group.id", "kitchen"}, {"auto.offset.reset", "earliest"}};
  const ottla_topic_partition first = {.topic = "orders", .partition = 0};
  ottla_consumer **consumer = PLACE_OF(handles, ottla_consumer);
  CHECK_OK(ottla_consumer_new(broker, settings, 2, NULL, consumer, &error), error);
  CHECK_OK(ottla_consumer_assign(*consumer, &first, 1, &error), error);
  ottla_topic_partitions **partitions = PLACE_OF(handles, ottla_topic_partitions);
  CHECK_OK(ottla_consumer_assignment(*consumer, partitions, &error), error);
  ottla_offsets **offsets = PLACE_OF(handles, ottla_offsets);
  CHECK_OK(ottla_consumer_committed(*consumer, &first, 1, offsets, &error), error);
  ottla_group_metadata **metadata = PLACE_OF(handles, ottla_group_metadata);
  CHECK_OK(ottla_consumer_group_metadata(*consumer, metadata, &error), error);
}

/* The group that the consumer committed for. */
static inline void make_group_handles(void **handles, ottla_broker *broker) {
  ottla_error *error = NULL;
  const ottla_topic_partition first = {.topic = "orders", .partition = 0};
  const ottla_offset start = {.topic = "orders", .partition = 0, .leader_epoch = -1};
  ottla_consumer *consumer = *PLACE_OF(handles, ottla_consumer);
  CHECK_OK(ottla_consumer_commit_offsets(consumer, &start, 1, &error), error);
  CHECK_OK(ottla_groups_list(broker, PLACE_OF(handles, ottla_groups), &error), error);
  CHECK_OK(ottla_group_describe(broker, "kitchen", PLACE_OF(handles, ottla_group), &error), error);
  ottla_offset_changes **changes = PLACE_OF(handles, ottla_offset_changes);
  CHECK_OK(ottla_group_reset_offsets(broker, "kitchen", &first, 1, OTTLA_RESET_EARLIEST, 0, true,
                                     changes, &error),
           error);
}

/* Other ways to read: by key, and as of one moment. */
static inline void make_view_handles(void **handles, ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_stream **stream = PLACE_OF(handles, ottla_stream);
  CHECK_OK(ottla_stream_new(broker, "orders", john, 4, stream, &error), error);
  ottla_records **records = PLACE_OF(handles, ottla_records);
  CHECK_OK(ottla_latest(broker, "orders", john, 4, records, &error), error);
  ottla_table **table = PLACE_OF(handles, ottla_table);
  CHECK_OK(ottla_table_new(broker, "orders", table, &error), error);
  ottla_table_entries **entries = PLACE_OF(handles, ottla_table_entries);
  ottla_table_position position;
  memset(&position, 0, sizeof position);
  CHECK_OK(ottla_table_read(*table, &position, 10, entries, &error), error);
  ottla_snapshot **snapshot = PLACE_OF(handles, ottla_snapshot);
  CHECK_OK(ottla_snapshot_new(broker, NULL, 0, snapshot, &error), error);
  ottla_snapshot_reader **reader = PLACE_OF(handles, ottla_snapshot_reader);
  CHECK_OK(ottla_snapshot_read(*snapshot, "orders", 0, 0, reader, &error), error);
}

/* To be called once, before handles are made. */
static inline void make_directory_to_verify(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open("verified", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_close(broker, -1, &error), error);
}

static inline void make_handles(void **handles, const char *directory) {
  memset(handles, 0, HANDLE_TYPES * sizeof *handles);
  ottla_broker *broker = make_admin_handles(handles, directory);
  make_client_handles(handles, broker);
  make_consumer_handles(handles, broker);
  make_group_handles(handles, broker);
  make_view_handles(handles, broker);
  CHECK(ottla_open(NULL, NULL, 0, NULL, PLACE_OF(handles, ottla_error)) == OTTLA_E_INVALID_INPUT);
  for (int type = 0; type < HANDLE_TYPES; type++) {
    if (handles[type] == NULL && type != type_of("ottla_assignment")) {
      fprintf(stderr, "tests/misuse/handles.h makes no %s\n", type_names[type]);
      _exit(1);
    }
  }
}

/* Frees each handle, and the broker at last. */
static inline void free_handles(void *const *handles) {
  static _Thread_local struct arguments arguments;
  int broker = type_of("ottla_broker");
  for (int type = 0; type < HANDLE_TYPES; type++) {
    for (size_t at = 0; at < CALLS && type != broker; at++) {
      if (handles[type] == NULL || !calls[at].frees || calls[at].type != type) continue;
      prepare(&arguments);
      int64_t answer = calls[at].run(handles, &arguments);
      if (answer == OTTLA_OK) continue;
      fprintf(stderr, "%s: %s\n", calls[at].name, ottla_status_name((ottla_status)answer));
      _exit(1);
    }
  }
  ottla_error *error = NULL;
  CHECK_OK(ottla_close(handles[broker], 0, &error), error);
}

#endif
