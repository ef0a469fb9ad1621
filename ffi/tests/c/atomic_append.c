/* Appends to several partitions at once, with and without conditions. */

#include <string.h>

#include "check.h"

static ottla_record record_of(const char *key, const char *value) {
  ottla_record record = {0};
  record.key = (const uint8_t *)key;
  record.key_length = strlen(key);
  record.value = (const uint8_t *)value;
  record.value_length = strlen(value);
  return record;
}

static ottla_broker *opened(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting streams = {"ottla.key.index", "true"};
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, &streams, 1, &error), error);
  return broker;
}

static ottla_atomic_append *begun(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_atomic_append *append = NULL;
  CHECK_OK(ottla_atomic_append_new(broker, &append, &error), error);
  return append;
}

static int64_t end_of(ottla_broker *broker, int32_t number) {
  ottla_error *error = NULL;
  ottla_partition *partition = NULL;
  int64_t end = -1;
  CHECK_OK(ottla_partition_new(broker, "orders", number, &partition, &error), error);
  CHECK_OK(ottla_partition_end_offset(partition, &end, &error), error);
  CHECK(ottla_partition_free(partition) == OTTLA_OK);
  return end;
}

static void all_batches_are_written_or_none(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_record records[] = {record_of("john", "one burger"), record_of("mary", "one cola")};
  ottla_appended places[3] = {{-9, -9}, {-9, -9}, {-9, -9}};
  ottla_atomic_append *append = begun(broker);
  CHECK_OK(ottla_atomic_append_add(append, "orders", 0, records, 2, &error), error);
  CHECK_OK(ottla_atomic_append_add(append, "orders", 1, records, 1, &error), error);
  CHECK_OK(ottla_atomic_append_add(append, "orders", 0, records, 1, &error), error);
  CHECK_OK(ottla_atomic_append_expect_end(append, "orders", 0, 0, &error), error);
  CHECK(end_of(broker, 0) == 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_atomic_append_commit(append, places, 2, &error), error);
  CHECK_OK(ottla_atomic_append_commit(append, places, 3, &error), error);
  CHECK(places[0].base_offset == 0 && places[0].last_offset == 1);
  CHECK(places[1].base_offset == 0 && places[1].last_offset == 0);
  CHECK(places[2].base_offset == 2 && places[2].last_offset == 2);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_atomic_append_commit(append, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_atomic_append_add(append, "orders", 0, records, 1, &error),
              error);
  CHECK(ottla_atomic_append_free(append) == OTTLA_OK);

  append = begun(broker);
  CHECK_OK(ottla_atomic_append_add(append, "orders", 1, records, 1, &error), error);
  CHECK_OK(ottla_atomic_append_expect_end(append, "orders", 0, 2, &error), error);
  ottla_status status = ottla_atomic_append_commit(append, places, 3, &error);
  ottla_conflict conflict = {.struct_size = sizeof(conflict)};
  ottla_records *missed = NULL;
  CHECK(status == OTTLA_E_CONFLICT);
  CHECK(ottla_error_conflict(error, &conflict, &missed) == OTTLA_OK);
  CHECK(conflict.partition == 0 && conflict.actual == 3 && conflict.record_count == 1);
  CHECK(ottla_records_free(missed) == OTTLA_OK && ottla_error_free(error) == OTTLA_OK);
  error = NULL;
  CHECK(ottla_atomic_append_free(append) == OTTLA_OK);
  CHECK(end_of(broker, 0) == 3 && end_of(broker, 1) == 1);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void the_version_of_a_stream_is_a_condition(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  const uint8_t *john = (const uint8_t *)"john";
  ottla_record record = record_of("mary", "one burger");
  for (int round = 0; round < 2; round++) {
    ottla_atomic_append *append = begun(broker);
    CHECK_OK(ottla_atomic_append_expect_version(append, "orders", john, 4,
                                                OTTLA_VERSION_NO_STREAM, &error),
             error);
    CHECK_OK(ottla_atomic_append_add(append, "orders", 0, &record, 1, &error), error);
    CHECK_OK(ottla_atomic_append_commit(append, NULL, 0, &error), error);
    CHECK(ottla_atomic_append_free(append) == OTTLA_OK);
  }
  ottla_atomic_append *append = begun(broker);
  CHECK_OK(ottla_atomic_append_expect_version(append, "orders", john, 4, 0, &error), error);
  CHECK_FAILS(OTTLA_E_CONFLICT, ottla_atomic_append_commit(append, NULL, 0, &error), error);
  CHECK(ottla_atomic_append_free(append) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void wrong_arguments_are_named(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_atomic_append *append = NULL;
  ottla_record record = record_of("john", "one burger");
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_atomic_append_new(broker, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_atomic_append_new(NULL, &append, &error), error);
  CHECK(append == NULL);
  append = begun(broker);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_atomic_append_add(append, "orders", 2, &record, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_atomic_append_add(append, NULL, 0, &record, 1, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_atomic_append_add(append, "orders", 0, NULL, 0, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_atomic_append_expect_end(append, "orders", 0, -1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_atomic_append_expect_version(append, "orders", NULL, 0, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_atomic_append_commit(append, NULL, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_atomic_append_commit(NULL, NULL, 0, &error), error);
  ottla_status status = ottla_close(broker, 0, &error);
  CHECK(status == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "an atomic append") != NULL);
  CHECK(ottla_error_free(error) == OTTLA_OK);
  error = NULL;
  /* Forgotten without a commit. */
  CHECK_OK(ottla_atomic_append_add(append, "orders", 0, &record, 1, &error), error);
  CHECK(ottla_atomic_append_free(append) == OTTLA_OK);
  CHECK(ottla_atomic_append_free(append) == OTTLA_E_INVALID_HANDLE);
  CHECK(ottla_atomic_append_free(NULL) == OTTLA_OK);
  CHECK(end_of(broker, 0) == 0);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  all_batches_are_written_or_none();
  the_version_of_a_stream_is_a_condition();
  wrong_arguments_are_named();
  return 0;
}
