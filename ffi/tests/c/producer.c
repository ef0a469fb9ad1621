/* Sends records, flushes and closes, with every level of acks, and gets each argument wrong. */

#include <pthread.h>
#include <string.h>

#include "check.h"

static ottla_broker *opened(int32_t partitions) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", partitions, NULL, 0, &error), error);
  return broker;
}

static ottla_producer *producer_of(ottla_broker *broker, const char *name, const char *value) {
  ottla_error *error = NULL;
  ottla_producer *producer = NULL;
  ottla_setting setting = {name, value};
  CHECK_OK(ottla_producer_new(broker, &setting, 1, NULL, &producer, &error), error);
  return producer;
}

static ottla_record record_of(const char *value) {
  ottla_record record = {0};
  record.value = (const uint8_t *)value;
  record.value_length = strlen(value);
  return record;
}

static double metric(ottla_producer *producer, const char *wanted) {
  ottla_error *error = NULL;
  ottla_metrics *metrics = NULL;
  double found = -1;
  CHECK_OK(ottla_producer_metrics(producer, &metrics, &error), error);
  for (size_t i = 0; i < ottla_metrics_count(metrics); i++) {
    const char *name = NULL;
    double value = 0;
    CHECK_OK(ottla_metrics_get(metrics, i, &name, &value, &error), error);
    if (strcmp(name, wanted) == 0) {
      found = value;
    }
  }
  CHECK(ottla_metrics_free(metrics) == OTTLA_OK);
  return found;
}

static void records_are_sent_with_every_level_of_acks(void) {
  static const char *const levels[] = {"0", "1", "all"};
  ottla_error *error = NULL;
  ottla_broker *broker = opened(1);
  for (int level = 0; level < 3; level++) {
    ottla_producer *producer = producer_of(broker, "acks", levels[level]);
    ottla_delivery *delivery = NULL;
    size_t taken = 0;
    ottla_header header = {"table", 5, (const uint8_t *)"7", 1};
    ottla_record records[3] = {record_of("a"), record_of("b"), {0}};
    records[0].key = (const uint8_t *)"";
    records[1].headers = &header;
    records[1].header_count = 1;
    records[1].timestamp = 1234567890123;
    records[1].flags = OTTLA_RECORD_TIMESTAMP | OTTLA_RECORD_PARTITION;
    CHECK_OK(ottla_producer_send(producer, "orders", records, 3, &delivery, &taken, &error), error);
    CHECK(taken == 3 && ottla_delivery_count(delivery) == 3);
    CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
    for (size_t i = 0; i < 3; i++) {
      ottla_record_metadata metadata = {sizeof(metadata), 9, 0, 0, NULL};
      CHECK_OK(ottla_delivery_get(delivery, i, &metadata, &error), error);
      CHECK(metadata.partition == 0 && strcmp(metadata.topic, "orders") == 0);
      CHECK(metadata.offset == (level == 0 ? -1 : level * 3 + (int64_t)i));
      CHECK((metadata.timestamp == 1234567890123) == (i == 1));
    }
    CHECK_OK(ottla_producer_flush(producer, &error), error);
    CHECK(metric(producer, "record-send-total") == 3.0);
    CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
    CHECK(ottla_producer_free(producer) == OTTLA_OK);
  }
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void nobody_has_to_ask_and_no_record_is_none(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(2);
  ottla_producer *producer = NULL;
  ottla_delivery *delivery = NULL;
  size_t taken = 9;
  ottla_record record = record_of("a");
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  CHECK_OK(ottla_producer_send(producer, "orders", &record, 1, NULL, NULL, &error), error);
  CHECK_OK(ottla_producer_try_send(producer, "orders", &record, 1, NULL, &taken, &error), error);
  CHECK(taken == 1);
  CHECK_OK(ottla_producer_send(producer, "orders", NULL, 0, &delivery, &taken, &error), error);
  CHECK(taken == 0 && ottla_delivery_count(delivery) == 0);
  CHECK(ottla_delivery_is_done(delivery));
  CHECK_OK(ottla_delivery_wait(delivery, 0, &error), error);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK_OK(ottla_producer_close(producer, -1, &error), error);
  CHECK(metric(producer, "record-send-total") == 2.0);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_producer_send(producer, "orders", &record, 1, NULL, &taken,
      &error), error);
  CHECK_OK(ottla_producer_close(producer, 0, &error), error);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void a_record_that_is_refused_stops_its_call(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(1);
  ottla_producer *producer = NULL;
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  size_t large_size = 3 << 20;
  uint8_t *large = calloc(large_size, 1);
  CHECK(large != NULL);
  ottla_record records[4] = {record_of("a"), record_of("b"), {0}, record_of("d")};
  records[2].value = large;
  records[2].value_length = large_size;
  ottla_delivery *delivery = NULL;
  size_t taken = 9;
  CHECK_FAILS(OTTLA_E_LIMIT, ottla_producer_send(producer, "orders", records, 4, &delivery,
      &taken, &error), error);
  CHECK(taken == 2 && ottla_delivery_count(delivery) == 2);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  ottla_record_metadata metadata = {sizeof(metadata), 0, 0, 0, NULL};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_delivery_get(delivery, 2, &metadata, &error), error);
  CHECK_OK(ottla_delivery_get(delivery, 1, &metadata, &error), error);
  CHECK(metadata.offset == 1);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  /* The first one: nothing was taken, and there is no delivery. */
  delivery = NULL;
  CHECK_FAILS(OTTLA_E_LIMIT, ottla_producer_send(producer, "orders", records + 2, 2, &delivery,
      &taken, &error), error);
  CHECK(taken == 0 && delivery == NULL);
  free(large);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void wrong_arguments_are_named(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(1);
  ottla_producer *producer = NULL;
  ottla_delivery *delivery = NULL;
  size_t taken = 9;
  ottla_record record = record_of("a");
  ottla_setting unknown = {"linger", "5"}, transactional = {"transactional.id", "x"},
      null = {NULL, "x"};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_new(broker, &unknown, 1, NULL, &producer,
      &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_new(broker, &transactional, 1, NULL,
      &producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_new(broker, &null, 1, NULL, &producer,
      &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_new(broker, NULL, 1, NULL, &producer, &error),
      error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_new(broker, NULL, 0, NULL, NULL, &error),
      error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_producer_new(NULL, NULL, 0, NULL, &producer, &error),
      error);
  ottla_producer_options forgotten = {0};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_new(broker, NULL, 0, &forgotten, &producer,
      &error), error);
  CHECK(producer == NULL);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_producer_send(NULL, "orders", &record, 1, &delivery,
      &taken, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_producer_send((ottla_producer *)broker, "orders",
      &record, 1, &delivery, &taken, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, NULL, &record, 1, &delivery,
      &taken, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "\xff", &record, 1, &delivery,
      &taken, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, ottla_producer_send(producer, "order", &record,
      1, &delivery, &taken, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "orders", NULL, 1, &delivery,
      &taken, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "orders", &record, SIZE_MAX,
      &delivery, &taken, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "orders", &record,
      (size_t)1 << 40, &delivery, &taken, &error), error);
  ottla_record wrong = record;
  wrong.flags = 4;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "orders", &wrong, 1, &delivery,
      &taken, &error), error);
  wrong = record;
  wrong.key_length = 7;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "orders", &wrong, 1, &delivery,
      &taken, &error), error);
  wrong = record;
  wrong.flags = OTTLA_RECORD_PARTITION;
  wrong.partition = 1;
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, ottla_producer_send(producer, "orders", &wrong,
      1, &delivery, &taken, &error), error);
  wrong = record;
  wrong.value_length = SIZE_MAX;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "orders", &wrong, 1, &delivery,
      &taken, &error), error);
  CHECK(taken == 0 && delivery == NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_producer_flush(NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_producer_close(NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_metrics(producer, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_fd(producer, NULL, &error), error);
  CHECK(ottla_producer_free(NULL) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_E_INVALID_HANDLE);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_producer_flush(producer, &error), error);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static int32_t by_length(void *user_data, const char *topic, const ottla_record *record,
    int32_t partition_count) {
  int *calls = user_data;
  *calls += 1;
  CHECK(strcmp(topic, "orders") == 0 && partition_count == 4);
  if (record->header_count > 0) {
    CHECK(record->headers[0].name_length == 5 && memcmp(record->headers[0].name, "table", 5) == 0);
    CHECK(record->headers[0].value == NULL);
    return -1;
  }
  return (int32_t)record->value_length;
}

static void a_partitioner_of_the_program_chooses(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(4);
  ottla_producer *producer = NULL;
  ottla_delivery *delivery = NULL;
  int calls = 0;
  ottla_producer_options options = {sizeof(options), 0, by_length, &calls};
  CHECK_OK(ottla_producer_new(broker, NULL, 0, &options, &producer, &error), error);
  ottla_header header = {"table", 5, NULL, 0};
  ottla_record records[4] = {record_of("aaa"), record_of(""), record_of("a"), record_of("four")};
  records[1].headers = &header;
  records[1].header_count = 1;
  records[1].key = (const uint8_t *)"k";
  records[1].key_length = 1;
  records[2].flags = OTTLA_RECORD_PARTITION;
  records[2].partition = 2;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_send(producer, "orders", records, 4,
      &delivery, NULL, &error), error);
  CHECK(calls == 3);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  ottla_record_metadata metadata = {sizeof(metadata), 0, 0, 0, NULL};
  CHECK_OK(ottla_delivery_get(delivery, 0, &metadata, &error), error);
  CHECK(metadata.partition == 3);
  CHECK_OK(ottla_delivery_get(delivery, 2, &metadata, &error), error);
  CHECK(metadata.partition == 2);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void a_close_names_the_producer_that_is_open(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(1);
  ottla_producer *producer = producer_of(broker, "linger.ms", "60000");
  ottla_record record = record_of("a");
  ottla_delivery *delivery = NULL;
  CHECK_OK(ottla_producer_send(producer, "orders", &record, 1, &delivery, NULL, &error), error);
  ottla_status status = ottla_close(broker, 10, &error);
  CHECK(status == OTTLA_E_STILL_OPEN && strstr(ottla_error_message(error), "a producer") != NULL);
  CHECK(ottla_error_free(error) == OTTLA_OK);
  CHECK(!ottla_delivery_is_done(delivery));
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK(ottla_delivery_is_done(delivery));
  CHECK_OK(ottla_close(broker, 0, &error), error);
  /* A delivery outlives both. */
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
}

static void *frees_late(void *producer) {
  for (volatile int i = 0; i < 20000000; i++) {
  }
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  return NULL;
}

/* The memory is full of records that nobody commits, so the send waits, until the producer is
 * freed. */
static void full_memory_is_waited_for_and_a_free_ends_the_wait(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting quiet = {"ottla.background", "false"};
  CHECK_OK(ottla_open(":memory:", &quiet, 1, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 8, NULL, 0, &error), error);
  ottla_setting settings[] = {{"buffer.memory", "40000"}, {"linger.ms", "60000"}};
  ottla_producer *producer = NULL;
  CHECK_OK(ottla_producer_new(broker, settings, 2, NULL, &producer, &error), error);
  ottla_record records[8];
  for (int i = 0; i < 8; i++) {
    records[i] = record_of("a");
    records[i].flags = OTTLA_RECORD_PARTITION;
    records[i].partition = i;
  }
  size_t taken = 0;
  CHECK_FAILS(OTTLA_E_BUFFER_FULL, ottla_producer_try_send(producer, "orders", records, 8, NULL,
      &taken, &error), error);
  CHECK(taken > 0 && taken < 8);
  CHECK(metric(producer, "buffer-exhausted-total") == 1.0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, frees_late, producer) == 0);
  ottla_status status = OTTLA_OK;
  while (status == OTTLA_OK) {
    status = ottla_producer_send(producer, "orders", records, 8, NULL, NULL, NULL);
  }
  CHECK(status == OTTLA_E_CLOSED || status == OTTLA_E_INVALID_HANDLE);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_OK(ottla_close(broker, 1000, &error), error);
}

int main(void) {
  records_are_sent_with_every_level_of_acks();
  nobody_has_to_ask_and_no_record_is_none();
  a_record_that_is_refused_stops_its_call();
  wrong_arguments_are_named();
  a_partitioner_of_the_program_chooses();
  a_close_names_the_producer_that_is_open();
  full_memory_is_waited_for_and_a_free_ends_the_wait();
  return 0;
}
