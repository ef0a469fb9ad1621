/* Appends to one partition, reads it, asks for its offsets, and cuts it. */

#include <pthread.h>
#include <string.h>

#include "check.h"

static const int32_t LEVELS[] = {OTTLA_ACKS_NONE, OTTLA_ACKS_LEADER, OTTLA_ACKS_ALL};

static ottla_broker *opened(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  return broker;
}

static ottla_partition *partition_of(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_partition *partition = NULL;
  CHECK_OK(ottla_partition_new(broker, "orders", 1, &partition, &error), error);
  return partition;
}

static ottla_record record_of(const char *value, int64_t timestamp) {
  ottla_record record = {0};
  record.value = (const uint8_t *)value;
  record.value_length = strlen(value);
  record.timestamp = timestamp;
  record.flags = OTTLA_RECORD_TIMESTAMP;
  return record;
}

static int64_t end_of(const ottla_partition *partition) {
  ottla_error *error = NULL;
  int64_t end = -1;
  CHECK_OK(ottla_partition_end_offset(partition, &end, &error), error);
  return end;
}

/* How many records a read from `from` finds; each must be of the two that are appended. */
static size_t read_from(ottla_partition *partition, int64_t from, int32_t bytes_max) {
  ottla_error *error = NULL;
  ottla_records *records = (ottla_records *)partition;
  CHECK_OK(ottla_partition_read(partition, from, bytes_max, &records, &error), error);
  if (records == NULL) {
    return 0;
  }
  const ottla_record_view *views = NULL;
  size_t count = 0;
  ottla_topic_partition of = {0};
  CHECK_OK(ottla_records_views(records, &views, &count, &error), error);
  CHECK_OK(ottla_records_partition(records, views[0].partition_index, &of, &error), error);
  CHECK(strcmp(of.topic, "orders") == 0 && of.partition == 1);
  for (size_t i = 0; i < count; i++) {
    CHECK(views[i].offset == from + (int64_t)i);
    CHECK(views[i].key == NULL && views[i].value_length == 6);
    CHECK(memcmp(views[i].value, views[i].offset % 2 == 0 ? "burger" : "brezel", 6) == 0);
  }
  CHECK(ottla_records_free(records) == OTTLA_OK);
  return count;
}

static void records_are_appended_and_read(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_partition *partition = partition_of(broker);
  ottla_record records[] = {record_of("burger", 1000), record_of("brezel", 2000)};
  int64_t value = -1;
  int64_t timestamp = -1;
  uint64_t bytes = 0;
  CHECK(read_from(partition, 0, 1 << 20) == 0);
  CHECK_OK(ottla_partition_offset_of_max_timestamp(partition, &value, &timestamp, &error), error);
  CHECK(value == -1 && timestamp == -1);
  for (int64_t level = 0; level < 3; level++) {
    ottla_appended appended = {-9, -9};
    CHECK_OK(ottla_partition_append(partition, records, 2, LEVELS[level], &appended, &error),
             error);
    CHECK(appended.base_offset == 2 * level && appended.last_offset == 2 * level + 1);
  }
  CHECK(end_of(partition) == 6);
  CHECK(read_from(partition, 0, 1 << 20) == 6);
  CHECK(read_from(partition, 3, 1 << 20) == 3);
  CHECK(read_from(partition, 2, 1) == 2);
  CHECK(read_from(partition, 6, 1) == 0);
  CHECK_OK(ottla_partition_log_start_offset(partition, &value, &error), error);
  CHECK(value == 0);
  CHECK_OK(ottla_partition_last_stable_offset(partition, &value, &error), error);
  CHECK(value == 6);
  CHECK_OK(ottla_partition_size_bytes(partition, &bytes, &error), error);
  CHECK(bytes > 0);
  CHECK_OK(ottla_partition_damage(partition, &error), error);
  CHECK_OK(ottla_partition_offset_for_timestamp(partition, 1500, &value, &timestamp, &error),
           error);
  CHECK(value == 1 && timestamp == 2000);
  CHECK_OK(ottla_partition_offset_for_timestamp(partition, 2001, &value, &timestamp, &error),
           error);
  CHECK(value == -1 && timestamp == -1);
  CHECK_OK(ottla_partition_offset_of_max_timestamp(partition, &value, &timestamp, &error), error);
  CHECK(timestamp == 2000);
  CHECK_OK(ottla_partition_truncate_to(partition, 5, &value, &error), error);
  CHECK(value == 4 && end_of(partition) == 4);
  CHECK_OK(ottla_partition_delete_records(partition, 1, &value, &error), error);
  CHECK(value == 1);
  CHECK_FAILS(OTTLA_E_OFFSET_OUT_OF_RANGE,
              ottla_partition_delete_records(partition, 5, &value, &error), error);
  CHECK_FAILS(OTTLA_E_OFFSET_OUT_OF_RANGE,
              ottla_partition_truncate_to(partition, 5, &value, &error), error);
  CHECK(value == 1 && read_from(partition, 1, 1 << 20) == 3);
  ottla_records *none = NULL;
  CHECK_FAILS(OTTLA_E_OFFSET_OUT_OF_RANGE, ottla_partition_read(partition, 0, 1, &none, &error),
              error);
  CHECK_FAILS(OTTLA_E_OFFSET_OUT_OF_RANGE, ottla_partition_read(partition, 5, 1, &none, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_partition_read(partition, -1, 1, &none, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_partition_read(partition, 1, -1, &none, &error), error);
  CHECK(none == NULL && read_from(partition, 1, 1 << 20) == 3);
  CHECK(ottla_partition_free(partition) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void one_of_two_who_expect_the_same_end_succeeds(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_partition *partition = partition_of(broker);
  ottla_record records[] = {record_of("burger", 1000), record_of("brezel", 2000)};
  for (int64_t level = 0; level < 3; level++) {
    ottla_appended appended = {-9, -9};
    int64_t end = 2 * level;
    CHECK_OK(ottla_partition_append_expecting(partition, end, records, 2, LEVELS[level], &appended,
                                              &error),
             error);
    CHECK(appended.base_offset == end);
    ottla_status status = ottla_partition_append_expecting(partition, end, records, 1,
                                                           LEVELS[level], &appended, &error);
    ottla_conflict conflict = {.struct_size = sizeof(conflict)};
    ottla_records *missed = NULL;
    CHECK(status == OTTLA_E_CONFLICT);
    CHECK(ottla_error_conflict(error, &conflict, &missed) == OTTLA_OK);
    CHECK(conflict.expected == end && conflict.actual == end + 2 && conflict.record_count == 2);
    CHECK(ottla_records_free(missed) == OTTLA_OK && ottla_error_free(error) == OTTLA_OK);
    error = NULL;
    /* The condition was for that append only. */
    CHECK(appended.base_offset == end && end_of(partition) == end + 2);
  }
  CHECK_OK(ottla_partition_append(partition, records, 1, OTTLA_ACKS_ALL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append_expecting(partition, -1, records, 1, 1, NULL, &error), error);
  CHECK(ottla_partition_free(partition) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void wrong_arguments_are_named(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_partition *partition = NULL;
  ottla_records *read = NULL;
  ottla_appended appended = {-9, -9};
  int64_t value = -9;
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_partition_new(broker, "orders", 2, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_partition_new(broker, "orders", -1, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_partition_new(broker, "order", 0, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_partition_new(broker, NULL, 0, &partition, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_partition_new(broker, "orders", 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_partition_new(NULL, "orders", 0, &partition, &error),
              error);
  CHECK(partition == NULL);
  partition = partition_of(broker);
  ottla_record records[] = {record_of("burger", 1000), record_of("brezel", 2000)};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append(partition, NULL, 0, OTTLA_ACKS_ALL, &appended, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append(partition, NULL, 1, OTTLA_ACKS_ALL, &appended, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append(partition, records, SIZE_MAX, 1, &appended, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append(partition, records, 2, 2, &appended, &error), error);
  records[1].flags |= OTTLA_RECORD_PARTITION;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_append(partition, records, 2, 1, &appended, &error), error);
  records[1].partition = 1;
  size_t large_size = 2 << 20;
  uint8_t *large = calloc(large_size, 1);
  CHECK(large != NULL);
  ottla_record too_large = {0};
  too_large.value = large;
  too_large.value_length = large_size;
  for (int level = 0; level < 3; level++) {
    CHECK_FAILS(OTTLA_E_LIMIT,
                ottla_partition_append(partition, &too_large, 1, LEVELS[level], &appended, &error),
                error);
  }
  free(large);
  CHECK(appended.base_offset == -9 && end_of(partition) == 0);
  CHECK_OK(ottla_partition_append(partition, records, 2, 1, &appended, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_partition_read(partition, 0, 1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_partition_read(NULL, 0, 1, &read, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_partition_end_offset(NULL, &value, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_partition_end_offset(partition, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_partition_offset_for_timestamp(partition, 0, &value, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_partition_damage(NULL, &error), error);
  CHECK(value == -9 && read == NULL);
  ottla_status status = ottla_close(broker, 0, &error);
  CHECK(status == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "the partition orders-1") != NULL);
  CHECK(ottla_error_free(error) == OTTLA_OK);
  error = NULL;
  /* A partition whose topic is gone says so. */
  CHECK_OK(ottla_topic_delete(broker, "orders", &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_partition_append(partition, records, 2, 1, &appended, &error), error);
  CHECK(ottla_partition_free(NULL) == OTTLA_OK);
  CHECK(ottla_partition_free(partition) == OTTLA_OK);
  CHECK(ottla_partition_free(partition) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void *appends(void *argument) {
  ottla_partition *partition = argument;
  ottla_record records[] = {record_of("burger", 1000), record_of("brezel", 2000)};
  for (int i = 0; i < 200; i++) {
    ottla_error *error = NULL;
    ottla_appended appended = {-9, -9};
    CHECK_OK(ottla_partition_append(partition, records, 2, LEVELS[i % 3], &appended, &error),
             error);
    CHECK(appended.last_offset == appended.base_offset + 1);
    CHECK(read_from(partition, appended.base_offset, 1) == 2);
  }
  return NULL;
}

static void many_threads_share_a_partition(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_partition *partition = partition_of(broker);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    CHECK(pthread_create(&threads[i], NULL, appends, partition) == 0);
  }
  for (int i = 0; i < 4; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
  }
  CHECK(end_of(partition) == 1600);
  CHECK(ottla_partition_free(partition) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  records_are_appended_and_read();
  one_of_two_who_expect_the_same_end_succeeds();
  wrong_arguments_are_named();
  many_threads_share_a_partition();
  return 0;
}
