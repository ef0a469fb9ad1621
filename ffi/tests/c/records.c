/* Records: views of all that was written, headers, and a life of their own. */

#include "records.h"

static void expect_headers(const ottla_records *records, size_t index, size_t expected) {
  ottla_error *error = NULL;
  const ottla_header *headers = NULL;
  size_t count = 99;
  CHECK_OK(ottla_records_headers(records, index, &headers, &count, &error), error);
  CHECK(count == expected && (headers == NULL) == (expected == 0));
  for (size_t i = 0; i < count; i++) {
    CHECK(headers[i].name_length == 4 && memcmp(headers[i].name, "name", 4) == 0);
    CHECK((headers[i].value == NULL) == (i == 1));
    CHECK(headers[i].value_length == (i == 0 ? 5 : 0));
  }
  CHECK_OK(ottla_records_headers(records, index, NULL, &count, &error), error);
  CHECK_OK(ottla_records_headers(records, index, &headers, NULL, &error), error);
}

/* What was written, in one poll: a key, an empty key and a tombstone, and three headers. */
static ottla_records *polled(void) {
  static const ottla_header headers[] = {
      {"name", 4, (const uint8_t *)"value", 5}, {"name", 4, NULL, 0}, {"name", 4, (const uint8_t *)"", 0}};
  static const char *const topics[] = {"orders", "bills"};
  static const ottla_setting settings[] = {{"group.id", "kitchen"}};
  static const ottla_setting log_time[] = {{"message.timestamp.type", "LogAppendTime"}};
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_producer *producer = NULL;
  ottla_consumer *consumer = NULL;
  ottla_records *records = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_topic_create(broker, "bills", 1, log_time, 1, &error), error);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  ottla_record written[] = {record_of("key", "value"), record_of("", NULL), record_of(NULL, "")};
  written[0].timestamp = 1234567890123;
  written[0].flags = OTTLA_RECORD_TIMESTAMP;
  written[2].headers = headers;
  written[2].header_count = 3;
  CHECK_OK(ottla_producer_send(producer, "orders", written, 3, NULL, NULL, &error), error);
  CHECK_OK(ottla_producer_send(producer, "bills", written, 1, NULL, NULL, &error), error);
  CHECK_OK(ottla_producer_flush(producer, &error), error);
  CHECK_OK(ottla_producer_free(producer), NULL);
  CHECK_OK(ottla_consumer_new(broker, settings, 1, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_subscribe(consumer, topics, 2, &error), error);
  CHECK_OK(ottla_consumer_poll(consumer, -1, &records, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return records;
}

static void views_show_all_and_outlive_everything(void) {
  ottla_error *error = NULL;
  ottla_records *records = polled();
  const ottla_record_view *views = NULL;
  size_t count = 0;
  CHECK_OK(ottla_records_views(records, &views, &count, &error), error);
  CHECK(count == 4 && ottla_records_partition_count(records) == 2);
  size_t orders = 0;
  for (size_t i = 0; i < count; i++) {
    ottla_topic_partition of;
    CHECK_OK(ottla_records_partition(records, views[i].partition_index, &of, &error), error);
    CHECK(of.partition == 0);
    if (strcmp(of.topic, "bills") == 0) {
      CHECK(views[i].header_count_and_type == OTTLA_RECORD_VIEW_LOG_APPEND_TIME);
      CHECK(views[i].timestamp > 1234567890123);
      continue;
    }
    CHECK(strcmp(of.topic, "orders") == 0 && views[i].offset == (int64_t)orders);
    static const char *const keys[] = {"key", "", NULL}, *const values[] = {"value", NULL, ""};
    CHECK(is_text(views[i].key, views[i].key_length, keys[orders]));
    CHECK(is_text(views[i].value, views[i].value_length, values[orders]));
    CHECK((views[i].timestamp == 1234567890123) == (orders == 0));
    CHECK((views[i].header_count_and_type & OTTLA_RECORD_VIEW_HEADER_COUNT) == (orders == 2 ? 3 : 0));
    expect_headers(records, i, orders == 2 ? 3 : 0);
    orders += 1;
  }
  CHECK(orders == 3);
  CHECK_OK(ottla_records_free(records), NULL);
}

static void arguments_are_checked(void) {
  ottla_error *error = NULL;
  ottla_records *records = polled();
  const ottla_record_view *views = NULL;
  const ottla_header *headers = NULL;
  ottla_topic_partition partition;
  size_t count = 0;
  CHECK_OK(ottla_records_views(records, NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_records_headers(records, 4, &headers, &count, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_records_headers(records, SIZE_MAX, &headers, &count, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_records_partition(records, 2, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_records_partition(records, 0, NULL, &error), error);
  CHECK_OK(ottla_records_views(NULL, &views, &count, &error), error);
  CHECK(views == NULL && count == 0);
  CHECK(ottla_records_partition_count(NULL) == 0);
  CHECK_OK(ottla_records_free(records), NULL);
  CHECK(ottla_records_free(records) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_records_free(NULL), NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_records_views(records, &views, &count, &error), error);
  CHECK(views == NULL && ottla_records_partition_count(records) == 0);
}

int main(void) {
  views_show_all_and_outlive_everything();
  arguments_are_checked();
  CHECK(ottla_handle_count() == 0);
  return 0;
}
