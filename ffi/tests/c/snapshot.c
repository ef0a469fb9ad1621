/* Snapshots: all partitions as of one moment, whatever happens after it. */

#include "records.h"

static ottla_broker *open_broker(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "accounts", 2, NULL, 0, &error), error);
  return broker;
}

/* One record in each partition, all or nothing. */
static void transfer(ottla_broker *broker, const char *from, const char *to) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  ottla_record both[] = {record_of(NULL, from), record_of(NULL, to)};
  for (int index = 0; index < 2; index += 1) {
    both[index].partition = index;
    both[index].flags = OTTLA_RECORD_PARTITION;
  }
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "accounts", both, 2, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

static ottla_snapshot *take(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_snapshot *snapshot = NULL;
  CHECK_OK(ottla_snapshot_new(broker, NULL, 0, &snapshot, &error), error);
  return snapshot;
}

static void it_ends_where_it_was_taken(ottla_broker *broker) {
  ottla_error *error = NULL;
  transfer(broker, "-5", "+5");
  ottla_snapshot *snapshot = take(broker);
  transfer(broker, "-7", "+7");
  for (int32_t partition = 0; partition < 2; partition += 1) {
    int64_t start = -1;
    int64_t end = -1;
    CHECK_OK(ottla_snapshot_log_start_offset(snapshot, "accounts", partition, &start, &error),
             error);
    CHECK_OK(ottla_snapshot_end_offset(snapshot, "accounts", partition, &end, &error), error);
    CHECK(start == 0 && end == 1);
    ottla_snapshot_reader *reader = NULL;
    CHECK_OK(ottla_snapshot_read(snapshot, "accounts", partition, 0, &reader, &error), error);
    ottla_records *records = NULL;
    CHECK_OK(ottla_snapshot_reader_next(reader, &records, &error), error);
    const char *values[] = {partition == 0 ? "-5" : "+5", NULL};
    check_values(records, values);
    for (int again = 0; again < 2; again += 1) {
      CHECK_OK(ottla_snapshot_reader_next(reader, &records, &error), error);
      CHECK(records == NULL);
    }
    CHECK_OK(ottla_snapshot_reader_free(reader), NULL);
    CHECK(ottla_snapshot_reader_free(reader) == OTTLA_E_INVALID_HANDLE);
  }

  /* A reader may outlive its snapshot, and is named by a close. */
  ottla_snapshot_reader *reader = NULL;
  CHECK_OK(ottla_snapshot_read(snapshot, "accounts", 0, 0, &reader, &error), error);
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
  CHECK(ottla_snapshot_free(snapshot) == OTTLA_E_INVALID_HANDLE);
  CHECK(ottla_close(broker, 0, &error) == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "a reader of a snapshot of accounts") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  error = NULL;
  ottla_records *records = NULL;
  CHECK_OK(ottla_snapshot_reader_next(reader, &records, &error), error);
  CHECK(count_of(records) == 1);
  CHECK_OK(ottla_records_free(records), NULL);
  CHECK_OK(ottla_snapshot_reader_free(reader), NULL);
}

/* Commits the offset 1 of accounts-1 for the kitchen, with a record for accounts-0. */
static void commit_with_offset(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  ottla_record record = record_of(NULL, "cooked");
  record.flags = OTTLA_RECORD_PARTITION;
  ottla_offset offset = {"accounts", 1, -1, 1, "by hand"};
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "accounts", &record, 1, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit_offsets_of(transaction, "kitchen", &offset, 1, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

static void it_has_ends_and_what_groups_committed(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_snapshot *before = NULL;
  ottla_snapshot *after = NULL;
  const char *const groups[] = {"kitchen"};
  CHECK_OK(ottla_snapshot_new(broker, groups, 1, &before, &error), error);
  commit_with_offset(broker);
  CHECK_OK(ottla_snapshot_new(broker, groups, 1, &after, &error), error);

  /* What a transaction committed is in it as a whole, or not at all. */
  const ottla_topic_partition both[] = {{"accounts", 1, 0}, {"accounts", 0, 0}};
  for (int later = 0; later < 2; later += 1) {
    ottla_offsets *ends = NULL;
    ottla_offsets *committed = NULL;
    ottla_offset first;
    ottla_offset second;
    ottla_snapshot *snapshot = later ? after : before;
    CHECK_OK(ottla_snapshot_end_offsets(snapshot, &ends, &error), error);
    int64_t found = 0;
    for (size_t index = 0; index < ottla_offsets_count(ends); index += 1) {
      /* The topic of committed offsets is among them. */
      ottla_offset end;
      CHECK_OK(ottla_offsets_get(ends, index, &end, &error), error);
      if (strcmp(end.topic, "accounts") == 0) {
        CHECK(end.offset == (end.partition == 0 ? 2 + later : 2));
        found += 1;
      }
    }
    CHECK(found == 2);
    CHECK_OK(ottla_snapshot_committed(snapshot, "kitchen", both, 2, &committed, &error), error);
    CHECK(ottla_offsets_count(committed) == 2);
    CHECK_OK(ottla_offsets_get(committed, 0, &first, &error), error);
    CHECK_OK(ottla_offsets_get(committed, 1, &second, &error), error);
    CHECK(first.partition == 1 && first.offset == (later ? 1 : -1));
    CHECK(strcmp(first.metadata, later ? "by hand" : "") == 0);
    CHECK(second.partition == 0 && second.offset == -1);
    CHECK_OK(ottla_offsets_free(ends), NULL);
    CHECK_OK(ottla_offsets_free(committed), NULL);
  }
  ottla_offsets *committed = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_snapshot_committed(after, "guests", both, 2, &committed, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_snapshot_committed(after, NULL, both, 2, &committed, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_snapshot_committed(after, "kitchen", NULL, 2, &committed, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_snapshot_committed(after, "kitchen", both, 2, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_end_offsets(after, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_snapshot_committed(NULL, "kitchen", both, 2, &committed, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_snapshot_end_offsets(NULL, &committed, &error), error);
  CHECK(committed == NULL);
  CHECK_OK(ottla_snapshot_free(before), NULL);
  CHECK_OK(ottla_snapshot_free(after), NULL);
}

static void what_cannot_be_is_refused(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_snapshot *snapshot = NULL;
  ottla_snapshot_reader *reader = NULL;
  ottla_records *records = NULL;
  int64_t offset = 0;
  const char *const groups[] = {"kitchen", NULL};
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_snapshot_new(NULL, NULL, 0, &snapshot, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_new(broker, NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_new(broker, NULL, 1, &snapshot, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_new(broker, groups, 2, &snapshot, &error),
              error);
  CHECK(snapshot == NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_snapshot_end_offset(NULL, "accounts", 0, &offset, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_snapshot_log_start_offset(NULL, "accounts", 0, &offset, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_snapshot_read(NULL, "accounts", 0, 0, &reader, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_snapshot_reader_next(NULL, &records, &error), error);
  CHECK_OK(ottla_snapshot_free(NULL), NULL);
  CHECK_OK(ottla_snapshot_reader_free(NULL), NULL);

  snapshot = take(broker);
  CHECK_OK(ottla_topic_create(broker, "younger", 1, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_snapshot_end_offset(snapshot, "younger", 0, &offset, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_snapshot_log_start_offset(snapshot, "accounts", 2, &offset, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_snapshot_read(snapshot, "accounts", -1, 0, &reader, &error), error);
  CHECK_FAILS(OTTLA_E_OFFSET_OUT_OF_RANGE,
              ottla_snapshot_read(snapshot, "accounts", 0, 99, &reader, &error), error);
  CHECK_FAILS(OTTLA_E_OFFSET_OUT_OF_RANGE,
              ottla_snapshot_read(snapshot, "accounts", 0, -1, &reader, &error), error);
  CHECK(reader == NULL);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_read(snapshot, NULL, 0, 0, &reader, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_read(snapshot, "accounts", 0, 0, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_end_offset(snapshot, "accounts", 0, NULL, &error),
              error);

  /* The topic goes away under the reader. */
  CHECK_OK(ottla_snapshot_read(snapshot, "accounts", 0, 0, &reader, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_snapshot_reader_next(reader, NULL, &error), error);
  CHECK_OK(ottla_topic_delete(broker, "accounts", &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_snapshot_reader_next(reader, &records, &error), error);
  CHECK_OK(ottla_snapshot_reader_free(reader), NULL);
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = open_broker();
  it_ends_where_it_was_taken(broker);
  it_has_ends_and_what_groups_committed(broker);
  what_cannot_be_is_refused(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
