/* Streams of keys: read forwards and backwards in pieces, appended to on condition. */

#include "records.h"

static const uint8_t *const ADA = (const uint8_t *)"ada";
/* Keys may have any bytes, and none. */
static const uint8_t WITH_ZEROS[] = {0, 'a', 0, 0};

static ottla_broker *open_broker(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  ottla_setting indexed[] = {{"ottla.key.index", "true"}};
  CHECK_OK(ottla_topic_create(broker, "accounts", 4, indexed, 1, &error), error);
  CHECK_OK(ottla_topic_create(broker, "plain", 2, NULL, 0, &error), error);
  return broker;
}

static ottla_stream *stream_of(ottla_broker *broker, const void *key, size_t length) {
  ottla_error *error = NULL;
  ottla_stream *stream = NULL;
  CHECK_OK(ottla_stream_new(broker, "accounts", key, length, &stream, &error), error);
  return stream;
}

static int64_t version_of(ottla_stream *stream) {
  ottla_error *error = NULL;
  int64_t version = -99;
  CHECK_OK(ottla_stream_version(stream, &version, &error), error);
  return version;
}

static void keys_may_be_any_bytes(ottla_broker *broker) {
  ottla_error *error = NULL;
  const struct {
    const uint8_t *key;
    size_t length;
    const char *value;
  } keys[] = {{WITH_ZEROS, 4, "four"}, {WITH_ZEROS, 1, "one"}, {WITH_ZEROS, 0, "empty"}};
  for (size_t index = 0; index < 3; index += 1) {
    ottla_stream *stream = stream_of(broker, keys[index].key, keys[index].length);
    CHECK(version_of(stream) == OTTLA_VERSION_NO_STREAM);
    ottla_transaction *transaction = NULL;
    ottla_record record = record_of(NULL, keys[index].value);
    record.key = keys[index].key;
    record.key_length = keys[index].length;
    CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
    CHECK_OK(ottla_transaction_expect_version(transaction, "accounts", keys[index].key,
                                              keys[index].length, OTTLA_VERSION_NO_STREAM, &error),
             error);
    CHECK_OK(ottla_transaction_send(transaction, "accounts", &record, 1, NULL, &error), error);
    CHECK_OK(ottla_transaction_commit(transaction, &error), error);
    CHECK_OK(ottla_transaction_free(transaction), NULL);
    CHECK(version_of(stream) >= 0);
    CHECK_OK(ottla_stream_free(stream), NULL);
  }
  for (size_t index = 0; index < 3; index += 1) {
    ottla_records *records = NULL;
    ottla_stream *stream = stream_of(broker, keys[index].key, keys[index].length);
    CHECK_OK(ottla_stream_read(stream, 0, INT64_MAX, false, 0, &records, &error), error);
    ottla_record_view view = view_of(records, 0);
    CHECK(view.key != NULL && (size_t)view.key_length == keys[index].length);
    const char *values[] = {keys[index].value, NULL};
    check_values(records, values);
    CHECK_OK(ottla_latest(broker, "accounts", keys[index].key, keys[index].length, &records, &error),
             error);
    check_values(records, values);
    CHECK_OK(ottla_stream_free(stream), NULL);
  }
}

static void a_stream_is_read_in_pieces(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  ottla_stream *stream = stream_of(broker, ADA, 3);
  int32_t partition = -1;
  CHECK_OK(ottla_stream_partition(stream, &partition, &error), error);
  CHECK(partition >= 0 && partition < 4);
  CHECK_OK(ottla_stream_read(stream, 0, INT64_MAX, false, 0, &records, &error), error);
  CHECK(records == NULL);
  const char *values[] = {"opened", "+100", "-30", "+5", NULL};
  for (size_t index = 0; values[index] != NULL; index += 1) {
    write_record(broker, "accounts", "ada", values[index]);
    write_record(broker, "accounts", "bob", "other");
  }
  CHECK_OK(ottla_stream_read(stream, 0, INT64_MAX, false, 0, &records, &error), error);
  CHECK(view_of(records, 3).offset == version_of(stream));
  check_values(records, values);

  /* Forwards, three at a time. */
  const char *ends[] = {"+5", NULL};
  const char *firsts[] = {"opened", "+100", "-30", NULL};
  CHECK_OK(ottla_stream_read(stream, 0, INT64_MAX, false, 3, &records, &error), error);
  int64_t next = view_of(records, 2).offset + 1;
  check_values(records, firsts);
  CHECK_OK(ottla_stream_read(stream, next, INT64_MAX, false, 3, &records, &error), error);
  next = view_of(records, 0).offset + 1;
  check_values(records, ends);
  CHECK_OK(ottla_stream_read(stream, next, INT64_MAX, false, 3, &records, &error), error);
  CHECK(records == NULL);

  /* Backwards, one at a time. */
  int64_t below = INT64_MAX;
  for (size_t left = 4; left > 0; left -= 1) {
    CHECK_OK(ottla_stream_read(stream, 0, below, true, 1, &records, &error), error);
    below = view_of(records, 0).offset;
    const char *one[] = {values[left - 1], NULL};
    check_values(records, one);
  }
  CHECK_OK(ottla_stream_read(stream, 0, below, true, 1, &records, &error), error);
  CHECK(records == NULL);

  /* Ranges that are empty, inside out, or begin below zero. */
  CHECK_OK(ottla_stream_read(stream, 5, 5, false, 0, &records, &error), error);
  CHECK(records == NULL);
  CHECK_OK(ottla_stream_read(stream, INT64_MAX, INT64_MIN, true, 0, &records, &error), error);
  CHECK(records == NULL);
  CHECK_OK(ottla_stream_read(stream, INT64_MIN, INT64_MAX, true, 1, &records, &error), error);
  check_values(records, ends);
  CHECK_OK(ottla_stream_free(stream), NULL);
}

static void a_piece_ends_at_about_a_megabyte(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  static char large[600 * 1024];
  memset(large, 'x', sizeof large - 1);
  for (int index = 0; index < 3; index += 1) {
    write_record(broker, "accounts", "large", large);
  }
  ottla_stream *stream = stream_of(broker, "large", 5);
  CHECK_OK(ottla_stream_read(stream, 0, INT64_MAX, false, 0, &records, &error), error);
  CHECK(count_of(records) == 2);
  CHECK_OK(ottla_records_free(records), NULL);
  CHECK_OK(ottla_stream_free(stream), NULL);
}

static void a_stream_may_be_in_a_partition_of_ones_choice(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  ottla_stream *home = stream_of(broker, "kim", 3);
  int32_t partition = -1;
  CHECK_OK(ottla_stream_partition(home, &partition, &error), error);
  int32_t elsewhere = (partition + 1) % 4;
  ottla_transaction *transaction = NULL;
  ottla_record record = record_of("kim", "moved");
  record.partition = elsewhere;
  record.flags = OTTLA_RECORD_PARTITION;
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "accounts", &record, 1, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  CHECK(version_of(home) == OTTLA_VERSION_NO_STREAM);

  ottla_stream *there = NULL;
  CHECK_OK(ottla_stream_new_in(broker, "accounts", elsewhere, (const uint8_t *)"kim", 3, &there,
                               &error),
           error);
  CHECK_OK(ottla_stream_partition(there, &partition, &error), error);
  CHECK(partition == elsewhere);
  CHECK_OK(ottla_stream_read(there, 0, INT64_MAX, true, 0, &records, &error), error);
  const char *values[] = {"moved", NULL};
  check_values(records, values);
  CHECK_OK(ottla_stream_free(there), NULL);
  CHECK_OK(ottla_stream_free(home), NULL);
  there = NULL;
  for (int wrong = -1; wrong <= 4; wrong += 5) {
    CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
                ottla_stream_new_in(broker, "accounts", wrong, ADA, 3, &there, &error), error);
  }
  CHECK(there == NULL);
}

static void the_latest_of_a_key_is_found_with_and_without_an_index(ottla_broker *broker) {
  ottla_error *error = NULL;
  const char *const topics[] = {"accounts", "plain"};
  for (size_t index = 0; index < 2; index += 1) {
    ottla_records *records = NULL;
    CHECK_OK(ottla_latest(broker, topics[index], (const uint8_t *)"eve", 3, &records, &error),
             error);
    CHECK(records == NULL);
    write_record(broker, topics[index], "eve", "old");
    write_record(broker, topics[index], "eve", "new");
    CHECK_OK(ottla_latest(broker, topics[index], (const uint8_t *)"eve", 3, &records, &error),
             error);
    const char *values[] = {"new", NULL};
    check_values(records, values);
    write_record(broker, topics[index], "eve", NULL);
    CHECK_OK(ottla_latest(broker, topics[index], (const uint8_t *)"eve", 3, &records, &error),
             error);
    CHECK(records == NULL);
  }
}

static void an_append_may_expect_a_version(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_appended appended = {-1, -1};
  ottla_stream *stream = stream_of(broker, WITH_ZEROS, 3);
  ottla_record two[] = {record_of(NULL, "opened"), record_of(NULL, "+5")};
  CHECK_OK(ottla_stream_append(stream, two, 2, OTTLA_ACKS_ALL, OTTLA_VERSION_NO_STREAM, &appended,
                               &error),
           error);
  CHECK(appended.last_offset == appended.base_offset + 1);
  CHECK(appended.last_offset == version_of(stream));
  int64_t seen = appended.base_offset;
  ottla_status status =
      ottla_stream_append(stream, two, 1, OTTLA_ACKS_ALL, seen, &appended, &error);
  CHECK(status == OTTLA_E_CONFLICT && appended.base_offset == seen);
  ottla_conflict conflict = {.struct_size = sizeof conflict};
  ottla_records *records = NULL;
  CHECK_OK(ottla_error_conflict(error, &conflict, &records), NULL);
  CHECK(conflict.expected == seen && conflict.actual == seen + 1);
  CHECK(conflict.key_length == 3 && memcmp(conflict.key, WITH_ZEROS, 3) == 0);
  const char *missed[] = {"+5", NULL};
  check_values(records, missed);
  CHECK_OK(ottla_error_free(error), NULL);
  error = NULL;

  const int32_t levels[] = {OTTLA_ACKS_NONE, OTTLA_ACKS_LEADER, OTTLA_ACKS_ALL};
  for (size_t index = 0; index < 3; index += 1) {
    CHECK_FAILS(OTTLA_E_CONFLICT,
                ottla_stream_append(stream, two, 1, levels[index], OTTLA_VERSION_NO_STREAM, NULL,
                                    &error),
                error);
    CHECK_OK(ottla_stream_append(stream, two, 1, levels[index], version_of(stream), NULL, &error),
             error);
    CHECK_OK(ottla_stream_append(stream, two, 1, levels[index], OTTLA_VERSION_ANY, NULL, &error),
             error);
  }
  two[0].key = WITH_ZEROS;
  two[0].key_length = 3;
  CHECK_OK(ottla_stream_append(stream, two, 2, OTTLA_ACKS_ALL, OTTLA_VERSION_ANY, NULL, &error),
           error);
  two[0].key_length = 2;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_stream_append(stream, two, 2, OTTLA_ACKS_ALL, OTTLA_VERSION_ANY, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_stream_append(stream, &two[1], 1, OTTLA_ACKS_ALL, -3, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_stream_append(stream, &two[1], 1, 2, OTTLA_VERSION_ANY, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_stream_append(stream, NULL, 0, OTTLA_ACKS_ALL, OTTLA_VERSION_ANY, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_stream_append(stream, NULL, 1, OTTLA_ACKS_ALL, OTTLA_VERSION_ANY, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_stream_append(NULL, two, 1, OTTLA_ACKS_ALL, OTTLA_VERSION_ANY, NULL, &error),
              error);
  CHECK_OK(ottla_stream_free(stream), NULL);
}

static void a_partition_may_be_appended_to_on_the_version_of_a_key(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_partition *partition = NULL;
  ottla_partition *plain = NULL;
  ottla_appended first = {-1, -1};
  const uint8_t *key = (const uint8_t *)"guard";
  ottla_record record = record_of("guard", "on");
  CHECK_OK(ottla_partition_new(broker, "accounts", 2, &partition, &error), error);
  CHECK_OK(ottla_partition_append_expecting_version(partition, key, 5, OTTLA_VERSION_NO_STREAM,
                                                    &record, 1, OTTLA_ACKS_ALL, &first, &error),
           error);
  record = record_of("other", "x");
  for (int turn = 0; turn < 2; turn += 1) {
    CHECK_OK(ottla_partition_append_expecting_version(partition, key, 5, first.last_offset, &record,
                                                      1, OTTLA_ACKS_ALL, NULL, &error),
             error);
    CHECK_FAILS(OTTLA_E_CONFLICT,
                ottla_partition_append_expecting_version(partition, key, 5,
                                                         OTTLA_VERSION_NO_STREAM, &record, 1,
                                                         OTTLA_ACKS_ALL, NULL, &error),
                error);
  }
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append_expecting_version(partition, NULL, 0, 0, &record, 1,
                                                       OTTLA_ACKS_ALL, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_partition_append_expecting_version(NULL, key, 5, 0, &record, 1, OTTLA_ACKS_ALL,
                                                       NULL, &error),
              error);
  CHECK_OK(ottla_partition_new(broker, "plain", 0, &plain, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append_expecting_version(plain, key, 5, 0, &record, 1, OTTLA_ACKS_ALL,
                                                       NULL, &error),
              error);
  CHECK_OK(ottla_partition_free(plain), NULL);
  CHECK_OK(ottla_partition_free(partition), NULL);
}

static void an_append_under_numbers_may_expect_a_version(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_partition *partition = NULL;
  ottla_appender *appender = NULL;
  ottla_producer_identity identity = {0};
  ottla_appended first = {-1, -1};
  ottla_appended again = {-1, -1};
  const uint8_t *key = (const uint8_t *)"counted";
  ottla_record record = record_of("counted", "one");
  CHECK_OK(ottla_producer_identity_new(broker, &identity, &error), error);
  CHECK_OK(ottla_partition_new(broker, "accounts", 3, &partition, &error), error);
  CHECK_OK(ottla_appender_new(partition, OTTLA_ACKS_ALL, &identity, 0, &appender, &error), error);
  CHECK_OK(ottla_appender_append_expecting_version(appender, key, 7, OTTLA_VERSION_NO_STREAM,
                                                   &record, 1, &first, &error),
           error);
  CHECK_FAILS(OTTLA_E_CONFLICT,
              ottla_appender_append_expecting_version(appender, key, 7, OTTLA_VERSION_NO_STREAM,
                                                      &record, 1, NULL, &error),
              error);
  /* The condition was for that one append only. */
  CHECK_OK(ottla_appender_append(appender, &record, 1, NULL, &error), error);
  CHECK_OK(ottla_appender_free(appender), NULL);

  /* What was appended before is not asked again. */
  CHECK_OK(ottla_appender_new(partition, OTTLA_ACKS_ALL, &identity, 0, &appender, &error), error);
  CHECK_OK(ottla_appender_append_expecting_version(appender, key, 7, OTTLA_VERSION_NO_STREAM,
                                                   &record, 1, &again, &error),
           error);
  CHECK(again.base_offset == first.base_offset);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_appender_append_expecting_version(appender, NULL, 0, 0, &record, 1, NULL,
                                                      &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_appender_append_expecting_version(NULL, key, 7, 0, &record, 1, NULL, &error),
              error);
  CHECK_OK(ottla_appender_free(appender), NULL);
  CHECK_OK(ottla_partition_free(partition), NULL);
}

static void what_cannot_be_is_refused(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_stream *stream = NULL;
  ottla_records *records = NULL;
  int64_t version = 0;
  int32_t partition = 0;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_new(broker, "plain", ADA, 3, &stream, &error),
              error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_stream_new(broker, "nowhere", ADA, 3, &stream, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_new(broker, "accounts", NULL, 0, &stream, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_new(broker, "accounts", NULL, 3, &stream, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_stream_new(broker, "accounts", ADA, SIZE_MAX, &stream, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_new(broker, NULL, ADA, 3, &stream, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_new(broker, "accounts", ADA, 3, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_stream_new(NULL, "accounts", ADA, 3, &stream, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_stream_new_in(NULL, "accounts", 0, ADA, 3, &stream, &error), error);
  CHECK(stream == NULL);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_latest(broker, "plain", NULL, 0, &records, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_latest(broker, "plain", ADA, 3, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_latest(NULL, "plain", ADA, 3, &records, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_latest(broker, "nowhere", ADA, 3, &records, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_stream_version(NULL, &version, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_stream_partition(NULL, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_stream_read(NULL, 0, 1, false, 0, &records, &error),
              error);
  CHECK_OK(ottla_stream_free(NULL), NULL);

  stream = stream_of(broker, ADA, 3);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_version(stream, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_partition(stream, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_stream_read(stream, 0, 1, false, 0, NULL, &error), error);
  CHECK(ottla_close(broker, 0, &error) == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "a stream of accounts") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  error = NULL;

  /* The topic goes away under it. */
  CHECK_OK(ottla_topic_delete(broker, "accounts", &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, ottla_stream_version(stream, &version, &error),
              error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_stream_read(stream, 0, INT64_MAX, false, 0, &records, &error), error);
  CHECK_OK(ottla_stream_free(stream), NULL);
  CHECK(ottla_stream_free(stream) == OTTLA_E_INVALID_HANDLE);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_stream_version(stream, &version, &error), error);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = open_broker();
  keys_may_be_any_bytes(broker);
  a_stream_is_read_in_pieces(broker);
  a_piece_ends_at_about_a_megabyte(broker);
  a_stream_may_be_in_a_partition_of_ones_choice(broker);
  the_latest_of_a_key_is_found_with_and_without_an_index(broker);
  an_append_may_expect_a_version(broker);
  a_partition_may_be_appended_to_on_the_version_of_a_key(broker);
  an_append_under_numbers_may_expect_a_version(broker);
  what_cannot_be_is_refused(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
