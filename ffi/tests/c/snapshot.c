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
  what_cannot_be_is_refused(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
