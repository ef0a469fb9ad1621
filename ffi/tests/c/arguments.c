/* Arguments that cannot be: a code each time, nothing written, and everything works afterwards. */

#include <limits.h>
#include <string.h>

#include "check.h"

#define INVALID OTTLA_E_INVALID_INPUT

static ottla_error *error;
static ottla_broker *broker;
static ottla_producer *producer;

/* Longer than any text may be, and without an end within that. */
static char endless[(1 << 20) + 2];

static void texts(void) {
  ottla_broker *second = NULL;
  ottla_setting named = {"num.partitions", NULL}, nameless = {NULL, "1"};
  ottla_setting foreign = {"num.partitions", "\xff"};
  memset(endless, 'x', sizeof endless - 1);
  CHECK_FAILS(INVALID, ottla_open(NULL, NULL, 0, &second, &error), error);
  CHECK_FAILS(INVALID, ottla_open(endless, NULL, 0, &second, &error), error);
  CHECK_FAILS(INVALID, ottla_open(":memory:", &named, 1, &second, &error), error);
  CHECK_FAILS(INVALID, ottla_open(":memory:", &nameless, 1, &second, &error), error);
  CHECK_FAILS(INVALID, ottla_open(":memory:", &foreign, 1, &second, &error), error);
  CHECK_FAILS(INVALID, ottla_open(":memory:", NULL, 1, &second, &error), error);
  CHECK(second == NULL);
  static const char *const names[] = {"", ".", "..", "a/b", "\xc0\xaf", "a b", endless, NULL};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    CHECK_FAILS(INVALID, ottla_topic_create(broker, names[i], 1, NULL, 0, &error), error);
  }
}

static void counts(void) {
  static const int32_t partitions[] = {-1, INT_MIN, INT_MAX};
  for (size_t i = 0; i < 3; i++) {
    ottla_status status = ottla_topic_create(broker, "many", partitions[i], NULL, 0, &error);
    CHECK(status == INVALID || status == OTTLA_E_LIMIT);
    CHECK(ottla_error_status(error) == status);
    CHECK_OK(ottla_error_free(error), NULL);
    error = NULL;
  }
  ottla_record record = {.value = (const uint8_t *)"x", .value_length = 1};
  ottla_setting setting = {"num.partitions", "1"};
  ottla_broker *second = NULL;
  CHECK_FAILS(INVALID, ottla_open(":memory:", &setting, SIZE_MAX, &second, &error), error);
  CHECK_FAILS(INVALID, ottla_open(":memory:", &setting, SIZE_MAX / 16, &second, &error), error);
  CHECK_FAILS(INVALID,
              ottla_producer_send(producer, "orders", &record, SIZE_MAX, NULL, NULL, &error), error);
  CHECK_FAILS(INVALID, ottla_producer_send(producer, "orders", NULL, 1, NULL, NULL, &error), error);
  /* Nothing of something is nothing. */
  CHECK_OK(ottla_producer_send(producer, "orders", NULL, 0, NULL, NULL, &error), error);
  CHECK_OK(ottla_producer_flush(producer, &error), error);
}

static ottla_status send_one(ottla_record record) {
  return ottla_producer_send(producer, "orders", &record, 1, NULL, NULL, &error);
}

static void records(void) {
  const uint8_t *bytes = (const uint8_t *)"x";
  ottla_header nameless = {.name = NULL, .name_length = 1};
  ottla_header foreign = {.name = "\xff", .name_length = 1};
  CHECK_FAILS(INVALID, send_one((ottla_record){.value = NULL, .value_length = 1}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.value = bytes, .value_length = SIZE_MAX}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.key = bytes, .key_length = SIZE_MAX}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.key = NULL, .key_length = 1}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.headers = NULL, .header_count = 1}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.headers = &foreign, .header_count = SIZE_MAX}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.headers = &nameless, .header_count = 1}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.headers = &foreign, .header_count = 1}), error);
  CHECK_FAILS(INVALID, send_one((ottla_record){.flags = 1u << 31}), error);
  static const int32_t partitions[] = {-1, 7, INT_MIN, INT_MAX};
  for (size_t i = 0; i < 4; i++) {
    ottla_record record = {.partition = partitions[i], .flags = OTTLA_RECORD_PARTITION};
    ottla_status status = send_one(record);
    CHECK(status == INVALID || status == OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK_OK(ottla_error_free(error), NULL);
    error = NULL;
  }
}

/* A struct of a version to come: a field more than this library knows. */
struct newer {
  ottla_consumer_options known;
  uint64_t unknown;
};

static void sizes(void) {
  ottla_consumer *consumer = NULL;
  struct newer options;
  memset(&options, 0, sizeof options);
  static const uint32_t wrong[] = {0, 1, 4, 9, UINT32_MAX};
  for (size_t i = 0; i < 5; i++) {
    options.known.struct_size = wrong[i];
    CHECK_FAILS(INVALID, ottla_consumer_new(broker, NULL, 0, &options.known, &consumer, &error), error);
  }
  options.known.struct_size = sizeof options;
  options.unknown = 1;
  CHECK_FAILS(OTTLA_E_UNSUPPORTED,
              ottla_consumer_new(broker, NULL, 0, &options.known, &consumer, &error), error);
  CHECK(consumer == NULL);
  options.unknown = 0;
  CHECK_OK(ottla_consumer_new(broker, NULL, 0, &options.known, &consumer, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  /* An older program knows fewer fields. */
  options.known.struct_size = offsetof(ottla_consumer_options, on_assigned);
  CHECK_OK(ottla_consumer_new(broker, NULL, 0, &options.known, &consumer, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
}

static void places(void) {
  ottla_topics *topics = NULL;
  ottla_topic_info info = {.struct_size = 0};
  char bytes[2 * sizeof(ottla_topics *)] = {0};
  ottla_topics **unaligned = (ottla_topics **)(void *)(bytes + 1);
  CHECK_FAILS(INVALID, ottla_topics_list(broker, NULL, &error), error);
  CHECK_FAILS(INVALID, ottla_topics_list(broker, unaligned, &error), error);
  CHECK(ottla_topics_list(broker, NULL, NULL) == INVALID);
  CHECK_OK(ottla_topics_list(broker, &topics, &error), error);
  CHECK_FAILS(INVALID, ottla_topics_get(topics, 0, &info, &error), error);
  info.struct_size = sizeof info;
  CHECK_FAILS(INVALID, ottla_topics_get(topics, SIZE_MAX, &info, &error), error);
  CHECK_FAILS(INVALID, ottla_topics_get(topics, 0, NULL, &error), error);
  CHECK_OK(ottla_topics_get(topics, 0, &info, &error), error);
  CHECK_OK(ottla_topics_free(topics), NULL);
}

static void freed_handles(void) {
  ottla_delivery *delivery = NULL;
  const ottla_record record = {.value = (const uint8_t *)"x", .value_length = 1};
  CHECK_OK(ottla_producer_send(producer, "orders", &record, 1, &delivery, NULL, &error), error);
  CHECK_OK(ottla_delivery_free(delivery), NULL);
  CHECK(ottla_delivery_free(delivery) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_delivery_free(NULL), NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_delivery_wait(delivery, 0, &error), error);
  CHECK(ottla_delivery_count(delivery) == 0);
  CHECK(strlen(ottla_error_message(NULL)) > 0);
  CHECK(ottla_error_free((ottla_error *)producer) == OTTLA_E_INVALID_HANDLE);
}

int main(void) {
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  texts();
  counts();
  records();
  sizes();
  places();
  freed_handles();
  CHECK_OK(ottla_producer_close(producer, -1, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, send_one((ottla_record){.value = NULL}), error);
  CHECK_OK(ottla_producer_free(producer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_close(broker, 0, &error), error);
  return 0;
}
