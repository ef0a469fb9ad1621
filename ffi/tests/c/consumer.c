/* A consumer of its own partitions: polls, seeks and lookups, threads, and each argument wrong. */

#include <pthread.h>

#include "records.h"

static ottla_broker *opened(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  return broker;
}

/* Ten records "0" to "9" in each partition, with the timestamps 1000 to 1009. */
static void fill(ottla_broker *broker) {
  static const char digits[] = "0123456789";
  ottla_error *error = NULL;
  for (int32_t number = 0; number < 2; number++) {
    ottla_partition *partition = NULL;
    ottla_record records[10];
    for (int i = 0; i < 10; i++) {
      records[i] = record_of(NULL, NULL);
      records[i].value = (const uint8_t *)digits + i;
      records[i].value_length = 1;
      records[i].timestamp = 1000 + i;
      records[i].flags = OTTLA_RECORD_TIMESTAMP;
    }
    CHECK_OK(ottla_partition_new(broker, "orders", number, &partition, &error), error);
    CHECK_OK(ottla_partition_append(partition, records, 10, -1, NULL, &error), error);
    CHECK_OK(ottla_partition_free(partition), NULL);
  }
}

static const ottla_topic_partition both[] = {{"orders", 0, 0}, {"orders", 1, 0}};

static ottla_consumer *assigned(ottla_broker *broker, const char *name, const char *value) {
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  ottla_setting setting = {name, value};
  CHECK_OK(ottla_consumer_new(broker, &setting, 1, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_assign(consumer, both, 2, &error), error);
  return consumer;
}

static ottla_records *polled(ottla_consumer *consumer, int64_t timeout_ms) {
  ottla_error *error = NULL;
  ottla_records *records = (ottla_records *)(uintptr_t)1;
  CHECK_OK(ottla_consumer_poll(consumer, timeout_ms, &records, &error), error);
  return records;
}

static size_t poll_count(ottla_consumer *consumer, int64_t timeout_ms) {
  ottla_records *records = polled(consumer, timeout_ms);
  size_t count = count_of(records);
  CHECK((records == NULL) == (count == 0));
  CHECK_OK(ottla_records_free(records), NULL);
  return count;
}

static size_t count_and_free(ottla_topic_partitions *partitions) {
  size_t count = ottla_topic_partitions_count(partitions);
  CHECK_OK(ottla_topic_partitions_free(partitions), NULL);
  return count;
}

static void polls_return_what_is_there_and_nothing_twice(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_consumer *consumer = assigned(broker, "max.poll.records", "3");
  CHECK(polled(consumer, 0) == NULL && polled(consumer, 5) == NULL);
  fill(broker);
  size_t sizes[8] = {0}, seen = 0;
  for (int i = 0; i < 8; i++) {
    sizes[i] = poll_count(consumer, 0);
    seen += sizes[i];
    CHECK(sizes[i] <= 3);
  }
  CHECK(sizes[0] == 3 && sizes[7] == 0 && seen == 20);
  /* Records stay while the consumer goes on, and after it. */
  CHECK_OK(ottla_consumer_seek(consumer, "orders", 0, 7, &error), error);
  ottla_records *kept = polled(consumer, -1);
  CHECK_OK(ottla_consumer_seek_to_beginning(consumer, NULL, 0, &error), error);
  CHECK(poll_count(consumer, -1) == 3);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  static const char *const values[] = {"7", "8", "9", NULL};
  check_values(kept, values);
}

static void positions_go_where_they_are_sent(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  fill(broker);
  ottla_consumer *consumer = assigned(broker, "auto.offset.reset", "latest");
  int64_t offset = -1, lag = -1;
  CHECK_OK(ottla_consumer_position(consumer, "orders", 1, &offset, &error), error);
  CHECK(offset == 10 && poll_count(consumer, 0) == 0);
  CHECK_OK(ottla_consumer_seek_to_beginning(consumer, &both[1], 1, &error), error);
  CHECK_OK(ottla_consumer_lag(consumer, "orders", 1, &lag, &error), error);
  CHECK(lag == 10);
  CHECK_OK(ottla_consumer_pause(consumer, &both[1], 1, &error), error);
  CHECK(poll_count(consumer, 0) == 0);
  ottla_topic_partitions *paused = NULL;
  ottla_topic_partition first;
  CHECK_OK(ottla_consumer_paused(consumer, &paused, &error), error);
  CHECK_OK(ottla_topic_partitions_get(paused, 0, &first, &error), error);
  CHECK(strcmp(first.topic, "orders") == 0 && first.partition == 1);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_partitions_get(paused, 1, &first, &error), error);
  CHECK(count_and_free(paused) == 1);
  CHECK_OK(ottla_consumer_resume(consumer, both, 2, &error), error);
  CHECK_OK(ottla_consumer_seek_to_end(consumer, both, 2, &error), error);
  CHECK(poll_count(consumer, 0) == 0);
  CHECK_OK(ottla_consumer_seek_to_timestamp(consumer, "orders", 0, 1004, &offset, &error), error);
  CHECK(offset == 4 && poll_count(consumer, 0) == 6);
  CHECK_OK(ottla_consumer_seek_to_timestamp(consumer, "orders", 0, 9999, NULL, &error), error);
  CHECK(poll_count(consumer, 0) == 0);
  CHECK_OK(ottla_consumer_assign(consumer, NULL, 0, &error), error);
  ottla_topic_partitions *partitions = NULL;
  CHECK_OK(ottla_consumer_assignment(consumer, &partitions, &error), error);
  CHECK(count_and_free(partitions) == 0);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void offsets_are_looked_up(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  fill(broker);
  ottla_consumer *consumer = assigned(broker, "client.id", "cook");
  int64_t offsets[2] = {-1, -1};
  CHECK_OK(ottla_consumer_beginning_offsets(consumer, both, 2, offsets, &error), error);
  CHECK(offsets[0] == 0 && offsets[1] == 0);
  CHECK_OK(ottla_consumer_end_offsets(consumer, both, 2, offsets, &error), error);
  CHECK(offsets[0] == 10 && offsets[1] == 10);
  const int64_t times[] = {1003, 5000};
  ottla_offset_and_timestamp found[2];
  CHECK_OK(ottla_consumer_offsets_for_times(consumer, both, times, 2, found, &error), error);
  CHECK(found[0].offset == 3 && found[0].timestamp == 1003);
  CHECK(found[1].offset == -1 && found[1].timestamp == -1);
  CHECK_OK(ottla_consumer_end_offsets(consumer, NULL, 0, NULL, &error), error);

  const ottla_topic_partition unknown = {"orders", 2, 0};
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_consumer_end_offsets(consumer, &unknown, 1, offsets, &error), error);
  CHECK(offsets[0] == 10); /* Nothing was written. */
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_end_offsets(consumer, both, 2, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_consumer_offsets_for_times(consumer, both, NULL, 2, found, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_consumer_end_offsets(consumer, both, SIZE_MAX, offsets, &error), error);
  CHECK(poll_count(consumer, 0) == 20);
  ottla_metrics *metrics = NULL;
  CHECK_OK(ottla_consumer_metrics(consumer, &metrics, &error), error);
  CHECK(ottla_metrics_count(metrics) == 6);
  double value = 0;
  CHECK_OK(ottla_metrics_get(metrics, 0, NULL, &value, &error), error);
  CHECK(value == 20.0);
  CHECK_OK(ottla_metrics_free(metrics), NULL);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void *polling(void *consumer) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  /* The other thread looks in until it finds this one inside. */
  while (ottla_consumer_poll(consumer, -1, &records, &error) == OTTLA_E_CONCURRENT_USE) {
    CHECK_OK(ottla_error_free(error), NULL);
    error = NULL;
  }
  CHECK(records == NULL && error == NULL);
  return NULL;
}

static void one_thread_is_inside_and_another_can_call_it_out(void) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  int64_t offset = 0;
  ottla_broker *broker = opened();
  ottla_consumer *consumer = assigned(broker, "client.id", "cook");
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, polling, consumer) == 0);
  ottla_status status = OTTLA_OK;
  while (status == OTTLA_OK) {
    status = ottla_consumer_position(consumer, "orders", 0, &offset, NULL);
  }
  CHECK(status == OTTLA_E_CONCURRENT_USE);
  CHECK_FAILS(OTTLA_E_CONCURRENT_USE, ottla_consumer_poll(consumer, 0, &records, &error), error);
  CHECK_FAILS(OTTLA_E_CONCURRENT_USE, ottla_consumer_close(consumer, &error), error);
  CHECK(ottla_consumer_free(consumer) == OTTLA_E_CONCURRENT_USE);
  CHECK_FAILS(OTTLA_E_STILL_OPEN, ottla_close(broker, 0, &error), error);
  CHECK_OK(ottla_consumer_wakeup(consumer, &error), error);
  CHECK(pthread_join(thread, NULL) == 0);
  /* A wakeup that comes early is not lost. */
  CHECK_OK(ottla_consumer_wakeup(consumer, &error), error);
  CHECK(poll_count(consumer, -1) == 0);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

/* Uses a consumer until it is gone. */
static void *storming(void *argument) {
  ottla_consumer *consumer = argument;
  ottla_status status = OTTLA_OK;
  for (unsigned turn = (unsigned)(uintptr_t)&status; status != OTTLA_E_INVALID_HANDLE; turn++) {
    ottla_records *records = NULL;
    int64_t offset = 0;
    int32_t fd = 0;
    switch (turn % 7) {
      case 0: status = ottla_consumer_poll(consumer, 1, &records, NULL); break;
      case 1: status = ottla_consumer_position(consumer, "orders", 0, &offset, NULL); break;
      case 2: status = ottla_consumer_seek_to_beginning(consumer, both, 2, NULL); break;
      case 3: status = ottla_consumer_wakeup(consumer, NULL); break;
      case 4: status = ottla_consumer_fd(consumer, &fd, NULL); break;
      case 5: status = ottla_consumer_assign(consumer, both, 2, NULL); break;
      default: status = turn % 50 == 0 ? ottla_consumer_free(consumer) : OTTLA_OK; break;
    }
    CHECK_OK(ottla_records_free(records), NULL);
    CHECK(status == OTTLA_OK || status == OTTLA_E_CONCURRENT_USE || status == OTTLA_E_CLOSED ||
          status == OTTLA_E_INVALID_HANDLE);
  }
  return NULL;
}

static void a_storm_of_threads_breaks_nothing(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  fill(broker);
  for (int round = 0; round < 5; round++) {
    ottla_consumer *consumer = assigned(broker, "max.poll.records", "3");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
      CHECK(pthread_create(&threads[i], NULL, storming, consumer) == 0);
    }
    for (int i = 0; i < 4; i++) {
      CHECK(pthread_join(threads[i], NULL) == 0);
    }
  }
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void a_closed_consumer_says_so(void) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  ottla_topic_partitions *partitions = NULL;
  ottla_broker *broker = opened();
  ottla_consumer *consumer = assigned(broker, "client.id", "cook");
  CHECK_OK(ottla_consumer_close(consumer, &error), error);
  CHECK_OK(ottla_consumer_close(consumer, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_consumer_poll(consumer, 0, &records, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_consumer_assignment(consumer, &partitions, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_consumer_assign(consumer, both, 2, &error), error);
  CHECK_OK(ottla_consumer_wakeup(consumer, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  consumer = assigned(broker, "client.id", "cook");
  CHECK_OK(ottla_abandon(broker), NULL);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_consumer_poll(consumer, -1, &records, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
}

static void arguments_are_checked(void) {
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  ottla_records *records = NULL;
  ottla_broker *broker = opened();
  const ottla_setting unknown = {"group.idd", "kitchen"}, null = {"group.id", NULL};
  const ottla_topic_partition nameless = {NULL, 0, 0}, strange = {"\xff", 0, 0}, far = {"orders", -1, 0};
  const ottla_topic_partition twice[] = {both[0], both[0]};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_new(broker, &unknown, 1, NULL, &consumer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_new(broker, &null, 1, NULL, &consumer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_new(broker, NULL, 1, NULL, &consumer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_new(broker, NULL, 0, NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_consumer_new(NULL, NULL, 0, NULL, &consumer, &error), error);
  CHECK(consumer == NULL);
  consumer = assigned(broker, "client.id", "cook");
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_assign(consumer, &nameless, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_assign(consumer, &strange, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_assign(consumer, twice, 2, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_assign(consumer, NULL, 2, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, ottla_consumer_assign(consumer, &far, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_poll(consumer, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_seek(consumer, "orders", 0, -1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_seek(consumer, "orders", 2, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_seek(consumer, NULL, 0, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_pause(consumer, &far, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_position(consumer, "orders", 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_commit(consumer, &error), error); /* No group. */
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_commit_async(consumer, NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_subscribe_pattern(consumer, "(", &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_consumer_poll(NULL, 0, &records, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_consumer_poll((ottla_consumer *)broker, 0, &records, &error), error);
  CHECK(ottla_consumer_poll(NULL, 0, &records, NULL) == OTTLA_E_INVALID_HANDLE && records == NULL);
  CHECK(ottla_consumer_free((ottla_consumer *)broker) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK(ottla_consumer_free(consumer) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_consumer_free(NULL), NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_consumer_poll(consumer, 0, &records, &error), error);

  /* It reads nothing yet. */
  CHECK_OK(ottla_consumer_new(broker, NULL, 0, NULL, &consumer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_poll(consumer, 0, &records, &error), error);
  CHECK_FAILS(OTTLA_E_STILL_OPEN, ottla_close(broker, 0, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  polls_return_what_is_there_and_nothing_twice();
  positions_go_where_they_are_sent();
  offsets_are_looked_up();
  one_thread_is_inside_and_another_can_call_it_out();
  a_storm_of_threads_breaks_nothing();
  a_closed_consumer_says_so();
  arguments_are_checked();
  CHECK(ottla_handle_count() == 0);
  return 0;
}
