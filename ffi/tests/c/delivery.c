/* Waits for deliveries, polls them, is called back, and has an event loop. */

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"

#define COUNT 100

static ottla_record records[COUNT];

static ottla_broker *opened(const char *background) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting setting = {"ottla.background", background};
  CHECK_OK(ottla_open(":memory:", &setting, 1, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 4, NULL, 0, &error), error);
  return broker;
}

static ottla_producer *producer_of(ottla_broker *broker, const char *acks) {
  ottla_error *error = NULL;
  ottla_producer *producer = NULL;
  ottla_setting settings[] = {{"acks", acks}, {"linger.ms", "60000"}, {"batch.size", "1000"}};
  CHECK_OK(ottla_producer_new(broker, settings, 3, NULL, &producer, &error), error);
  return producer;
}

/* Records of 100 bytes, spread over the partitions: several batches. */
static ottla_delivery *sent(ottla_producer *producer, size_t count) {
  static const uint8_t value[100];
  ottla_error *error = NULL;
  ottla_delivery *delivery = NULL;
  for (size_t i = 0; i < count; i++) {
    memset(&records[i], 0, sizeof(records[i]));
    records[i].value = value;
    records[i].value_length = sizeof(value);
    records[i].partition = (int32_t)(i % 4);
    records[i].flags = OTTLA_RECORD_PARTITION;
  }
  CHECK_OK(ottla_producer_send(producer, "orders", records, count, &delivery, NULL, &error), error);
  return delivery;
}

static void check_written(ottla_delivery *delivery, size_t count, bool has_offsets) {
  ottla_error *error = NULL;
  int64_t next[4] = {-1, -1, -1, -1};
  CHECK(ottla_delivery_is_done(delivery));
  CHECK(ottla_delivery_count(delivery) == count);
  for (size_t i = 0; i < count; i++) {
    ottla_record_metadata metadata = {sizeof(metadata), 0, 0, 0, NULL};
    CHECK_OK(ottla_delivery_get(delivery, i, &metadata, &error), error);
    int32_t partition = metadata.partition;
    CHECK(partition == (int32_t)(i % 4));
    if (has_offsets) {
      CHECK(metadata.offset >= 0);
      CHECK(next[partition] == -1 || metadata.offset == next[partition]);
      next[partition] = metadata.offset + 1;
    } else {
      CHECK(metadata.offset == -1);
    }
  }
}

static void all_records_are_waited_for(void) {
  static const char *const levels[] = {"0", "1", "all"};
  static const int64_t timeouts[] = {-1, 10000};
  ottla_error *error = NULL;
  for (int i = 0; i < 12; i++) {
    ottla_broker *broker = opened(i % 2 == 0 ? "false" : "true");
    ottla_producer *producer = producer_of(broker, levels[i / 2 % 3]);
    for (size_t count = 1; count <= COUNT; count += COUNT - 1) {
      ottla_delivery *delivery = sent(producer, count);
      CHECK_OK(ottla_delivery_wait(delivery, timeouts[i / 6], &error), error);
      check_written(delivery, count, i / 2 % 3 > 0);
      CHECK_OK(ottla_delivery_wait(delivery, 0, &error), error);
      CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
    }
    CHECK(ottla_producer_free(producer) == OTTLA_OK);
    CHECK_OK(ottla_close(broker, 0, &error), error);
  }
}

static void what_is_not_decided_is_pending(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("true");
  ottla_producer *producer = producer_of(broker, "all");
  ottla_delivery *delivery = sent(producer, 1);
  ottla_record_metadata metadata = {sizeof(metadata), 7, 0, 0, NULL};
  CHECK(!ottla_delivery_is_done(delivery));
  CHECK_FAILS(OTTLA_E_PENDING, ottla_delivery_get(delivery, 0, &metadata, &error), error);
  CHECK(metadata.partition == 7);
  /* A timeout of 0 sends it off, and then it needs nobody who waits. */
  ottla_status status = ottla_delivery_wait(delivery, 0, NULL);
  CHECK(status == OTTLA_E_PENDING || status == OTTLA_OK);
  while (!ottla_delivery_is_done(delivery)) {
    CHECK(poll(NULL, 0, 1) == 0);
  }
  CHECK_OK(ottla_delivery_get(delivery, 0, &metadata, &error), error);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

/* Nobody commits in the background: it is undecided until the close, and fails then. */
static void what_a_close_leaves_undecided_fails(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("false");
  ottla_producer *producer = producer_of(broker, "all");
  ottla_delivery *delivery = sent(producer, 1);
  ottla_record_metadata metadata = {sizeof(metadata), 7, 0, 0, NULL};
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_producer_close(producer, 0, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_delivery_wait(delivery, -1, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_delivery_get(delivery, 0, &metadata, &error), error);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

struct Seen {
  ottla_producer *producer;
  ottla_delivery *delivery;
  atomic_int calls;
  bool again;
};

/* Does what no callback should: sends, waits, frees what it is told of, and the producer. */
static void seen(void *user_data, ottla_delivery *delivery) {
  struct Seen *seen_ = user_data;
  ottla_error *error = NULL;
  seen_->calls += 1;
  CHECK(delivery == seen_->delivery && ottla_delivery_is_done(delivery));
  if (seen_->again) {
    seen_->again = false;
    CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
    ottla_delivery *next = sent(seen_->producer, 5);
    CHECK_OK(ottla_delivery_wait(next, -1, &error), error);
    CHECK(ottla_delivery_free(next) == OTTLA_OK);
    next = sent(seen_->producer, 1);
    CHECK_OK(ottla_delivery_wait(next, 10000, &error), error);
    seen_->delivery = next;
    CHECK_OK(ottla_delivery_on_completion(next, seen, seen_, &error), error);
    CHECK_OK(ottla_producer_flush(seen_->producer, &error), error);
    CHECK(ottla_producer_free(seen_->producer) == OTTLA_OK);
  }
}

static void callbacks_are_called_once_and_may_do_anything(void) {
  static const char *const levels[] = {"0", "1", "all"};
  ottla_error *error = NULL;
  for (int i = 0; i < 6; i++) {
    ottla_broker *broker = opened(i % 2 == 0 ? "false" : "true");
    struct Seen told = {producer_of(broker, levels[i / 2]), NULL, 0, true};
    told.delivery = sent(told.producer, COUNT);
    CHECK_FAILS(OTTLA_E_INVALID_INPUT,
                ottla_delivery_on_completion(told.delivery, NULL, &told, &error), error);
    CHECK_OK(ottla_delivery_on_completion(told.delivery, seen, &told, &error), error);
    CHECK(told.calls == (i / 2 == 0 ? 2 : 0));
    (void)ottla_producer_flush(told.producer, NULL);
    while (told.calls < 2) {
      CHECK(poll(NULL, 0, 1) == 0);
    }
    CHECK_OK(ottla_close(broker, 10000, &error), error);
    CHECK(told.calls == 2);
    CHECK(ottla_delivery_free(told.delivery) == OTTLA_OK);
  }
}

struct Last {
  ottla_broker *broker;
  ottla_producer *producer;
  atomic_int is_over;
};

/* Ends everything from inside of a callback. */
static void ends_all(void *user_data, ottla_delivery *delivery) {
  struct Last *last = user_data;
  ottla_error *error = NULL;
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK_FAILS(OTTLA_E_STILL_OPEN, ottla_close(last->broker, 0, &error), error);
  CHECK(ottla_producer_free(last->producer) == OTTLA_OK);
  CHECK_OK(ottla_close(last->broker, 1000, &error), error);
  last->is_over = 1;
}

static void a_callback_may_close_the_broker(void) {
  ottla_error *error = NULL;
  for (int i = 0; i < 4; i++) {
    struct Last last = {opened(i % 2 == 0 ? "false" : "true"), NULL, 0};
    last.producer = producer_of(last.broker, i < 2 ? "1" : "all");
    ottla_delivery *delivery = sent(last.producer, COUNT);
    CHECK_OK(ottla_delivery_on_completion(delivery, ends_all, &last, &error), error);
    (void)ottla_producer_flush(last.producer, NULL);
    while (!last.is_over) {
      CHECK(poll(NULL, 0, 1) == 0);
    }
  }
}

static void counts(void *user_data, ottla_delivery *delivery) {
  *(atomic_int *)user_data += ottla_delivery_count(delivery) == 0;
}

static void a_callback_comes_though_the_delivery_was_freed(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("true");
  ottla_producer *producer = producer_of(broker, "all");
  ottla_delivery *delivery = sent(producer, COUNT);
  atomic_int freed = 0;
  CHECK_OK(ottla_delivery_on_completion(delivery, counts, &freed, &error), error);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK(ottla_delivery_free(delivery) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_producer_flush(producer, &error), error);
  CHECK(freed == 1);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static bool is_readable(int fd) {
  struct pollfd polled = {fd, POLLIN, 0};
  return poll(&polled, 1, 0) == 1;
}

/* An event loop: 50 deliveries under way, each of its own tag, no thread waits for one. */
static void an_event_loop_takes_tags(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("true");
  ottla_producer *producer = producer_of(broker, "all");
  ottla_delivery *deliveries[50];
  int fd = -1;
  uint64_t tags[8];
  size_t count = 9;
  bool was_seen[50] = {false};
  CHECK_OK(ottla_producer_fd(producer, &fd, &error), error);
  CHECK(!is_readable(fd));
  for (uint64_t tag = 0; tag < 50; tag++) {
    deliveries[tag] = sent(producer, 1 + tag % 9);
    CHECK_OK(ottla_delivery_notify(deliveries[tag], tag, &error), error);
    ottla_status status = ottla_delivery_wait(deliveries[tag], 0, NULL);
    CHECK(status == OTTLA_OK || status == OTTLA_E_PENDING);
  }
  for (size_t left = 50; left > 0; left -= count) {
    struct pollfd polled = {fd, POLLIN, 0};
    CHECK(poll(&polled, 1, 10000) == 1);
    CHECK_OK(ottla_producer_completed(producer, tags, 8, &count, &error), error);
    CHECK(count > 0 && count <= 8);
    for (size_t i = 0; i < count; i++) {
      CHECK(tags[i] < 50 && !was_seen[tags[i]] && ottla_delivery_is_done(deliveries[tags[i]]));
      was_seen[tags[i]] = true;
      CHECK(ottla_delivery_free(deliveries[tags[i]]) == OTTLA_OK);
    }
  }
  CHECK(!is_readable(fd));
  CHECK_OK(ottla_producer_completed(producer, tags, 8, &count, &error), error);
  CHECK(count == 0);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

/* The descriptor is asked for late, and only some of the tags are taken. */
static void tags_wait_for_the_descriptor(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("true");
  ottla_producer *producer = producer_of(broker, "1");
  ottla_delivery *delivery = sent(producer, 3);
  uint64_t tags[2];
  size_t count = 9;
  int fd = -1;
  CHECK_OK(ottla_delivery_notify(delivery, UINT64_MAX, &error), error);
  CHECK_OK(ottla_delivery_notify(delivery, 0, &error), error);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  CHECK_OK(ottla_delivery_notify(delivery, 1, &error), error);
  CHECK_OK(ottla_producer_fd(producer, &fd, &error), error);
  CHECK(is_readable(fd));
  CHECK_OK(ottla_producer_completed(producer, NULL, 0, &count, &error), error);
  CHECK(count == 0 && is_readable(fd));
  CHECK_OK(ottla_producer_completed(producer, tags, 2, &count, &error), error);
  CHECK(count == 2 && tags[0] == UINT64_MAX && tags[1] == 0 && is_readable(fd));
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_completed(producer, NULL, 2, &count, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_completed(producer, tags, 2, NULL, &error),
              error);
  CHECK_OK(ottla_producer_completed(producer, tags, 2, &count, &error), error);
  CHECK(count == 1 && tags[0] == 1 && !is_readable(fd));
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void *waits(void *delivery) {
  ottla_status status = ottla_delivery_wait(delivery, 10000, NULL);
  CHECK(status == OTTLA_OK || status == OTTLA_E_INVALID_HANDLE);
  return NULL;
}

static void a_delivery_may_be_freed_while_others_wait(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("true");
  ottla_producer *producer = producer_of(broker, "all");
  for (int round = 0; round < 50; round++) {
    ottla_delivery *delivery = sent(producer, COUNT);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
      CHECK(pthread_create(&threads[i], NULL, waits, delivery) == 0);
    }
    CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
    for (int i = 0; i < 3; i++) {
      CHECK(pthread_join(threads[i], NULL) == 0);
    }
  }
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void after_an_abandon_nobody_waits_for_ever(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("true");
  ottla_producer *producer = producer_of(broker, "all");
  ottla_delivery *delivery = sent(producer, COUNT);
  CHECK(ottla_abandon(broker) == OTTLA_OK);
  ottla_status status = ottla_delivery_wait(delivery, -1, &error);
  CHECK(status != OTTLA_OK && status == ottla_error_status(error));
  CHECK(ottla_error_free(error) == OTTLA_OK);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
}

static void none_is_told_from_a_delivery(void) {
  ottla_error *error = NULL;
  ottla_record_metadata metadata = {sizeof(metadata), 0, 0, 0, NULL};
  CHECK(ottla_delivery_is_done(NULL));
  CHECK(ottla_delivery_count(NULL) == 0);
  CHECK(ottla_delivery_free(NULL) == OTTLA_OK);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_delivery_wait(NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_delivery_get(NULL, 0, &metadata, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_delivery_on_completion(NULL, counts, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_delivery_notify(NULL, 0, &error), error);
  ottla_broker *broker = opened("true");
  ottla_producer *producer = producer_of(broker, "1");
  ottla_delivery *delivery = sent(producer, 1);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_delivery_get(delivery, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_delivery_get(delivery, SIZE_MAX, &metadata, &error),
              error);
  metadata.struct_size = 0;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_delivery_get(delivery, 0, &metadata, &error), error);
  CHECK(ottla_delivery_free(delivery) == OTTLA_OK);
  CHECK(ottla_producer_free(producer) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  all_records_are_waited_for();
  what_is_not_decided_is_pending();
  what_a_close_leaves_undecided_fails();
  callbacks_are_called_once_and_may_do_anything();
  a_callback_may_close_the_broker();
  a_callback_comes_though_the_delivery_was_freed();
  an_event_loop_takes_tags();
  tags_wait_for_the_descriptor();
  a_delivery_may_be_freed_while_others_wait();
  after_an_abandon_nobody_waits_for_ever();
  none_is_told_from_a_delivery();
  return 0;
}
