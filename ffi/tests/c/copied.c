/* What a program does without a second thought: copies a view into a record, looks at the records of
 * an empty poll, waits for less than nothing. */

#include <string.h>

#include "check.h"

static void a_tombstone_is_copied_as_it_is(ottla_partition *orders) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  const ottla_record_view *views = NULL;
  size_t count = 0;
  ottla_record tombstone = {.key = (const uint8_t *)"john", .key_length = 4};
  CHECK_OK(ottla_partition_append(orders, &tombstone, 1, OTTLA_ACKS_LEADER, NULL, &error), error);
  CHECK_OK(ottla_partition_read(orders, 0, 65536, &records, &error), error);
  CHECK_OK(ottla_records_views(records, &views, &count, &error), error);
  ottla_record copy = {.key = views[0].key,
                       .key_length = (size_t)views[0].key_length,
                       .value = views[0].value,
                       .value_length = (size_t)views[0].value_length};
  CHECK_OK(ottla_partition_append(orders, &copy, 1, OTTLA_ACKS_LEADER, NULL, &error), error);
  ottla_records_free(records);
  CHECK_OK(ottla_partition_read(orders, 1, 65536, &records, &error), error);
  CHECK_OK(ottla_records_views(records, &views, &count, &error), error);
  CHECK(count == 1 && views[0].value == NULL && views[0].value_length == -1);
  CHECK(memcmp(views[0].key, "john", 4) == 0);
  ottla_records_free(records);
}

static void no_records_have_no_views(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  ottla_records *records = NULL;
  const ottla_record_view *views = NULL;
  size_t count = 7;
  CHECK_OK(ottla_consumer_new(broker, NULL, 0, NULL, &consumer, &error), error);
  const ottla_topic_partition partition = {.topic = "empty", .partition = 0};
  CHECK_OK(ottla_topic_create(broker, "empty", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_consumer_assign(consumer, &partition, 1, &error), error);
  CHECK_OK(ottla_consumer_poll(consumer, 0, &records, &error), error);
  CHECK_OK(ottla_records_views(records, &views, &count, &error), error);
  CHECK(records == NULL && views == NULL && count == 0);
  CHECK(ottla_consumer_poll(consumer, -2, &records, NULL) == OTTLA_E_INVALID_INPUT);
  CHECK(ottla_consumer_poll(consumer, INT64_MIN, &records, NULL) == OTTLA_E_INVALID_INPUT);
  CHECK(ottla_close(broker, -1000, NULL) == OTTLA_E_INVALID_INPUT);
  ottla_consumer_free(consumer);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_partition *orders = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_partition_new(broker, "orders", 0, &orders, &error), error);
  a_tombstone_is_copied_as_it_is(orders);
  no_records_have_no_views(broker);
  ottla_partition_free(orders);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  CHECK(ottla_handle_count() == 0);
  return 0;
}
