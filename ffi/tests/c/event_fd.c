/* The descriptor of a consumer says what a poll would do: a loop around it neither misses nor spins. */

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "records.h"

static ottla_broker *opened(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  return broker;
}

static void append(ottla_broker *broker, int32_t partition, const char *value) {
  ottla_error *error = NULL;
  ottla_partition *handle = NULL;
  ottla_record record = record_of(NULL, value);
  CHECK_OK(ottla_partition_new(broker, "orders", partition, &handle, &error), error);
  CHECK_OK(ottla_partition_append(handle, &record, 1, -1, NULL, &error), error);
  CHECK_OK(ottla_partition_free(handle), NULL);
}

static ottla_consumer *member(ottla_broker *broker) {
  static const char *const topics[] = {"orders"};
  static const ottla_setting settings[] = {{"group.id", "kitchen"}, {"max.poll.records", "2"}};
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  CHECK_OK(ottla_consumer_new(broker, settings, 2, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_subscribe(consumer, topics, 1, &error), error);
  return consumer;
}

static int32_t fd_of(ottla_consumer *consumer) {
  ottla_error *error = NULL;
  int32_t fd = -1, again = -1;
  CHECK_OK(ottla_consumer_fd(consumer, &fd, &error), error);
  CHECK_OK(ottla_consumer_fd(consumer, &again, &error), error);
  CHECK(fd >= 0 && fd == again);
  return fd;
}

static bool is_readable(int32_t fd, int timeout_ms) {
  struct pollfd polled = {fd, POLLIN, 0};
  return poll(&polled, 1, timeout_ms) == 1;
}

static size_t poll_now(ottla_consumer *consumer) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  CHECK_OK(ottla_consumer_poll(consumer, 0, &records, &error), error);
  size_t count = count_of(records);
  CHECK_OK(ottla_records_free(records), NULL);
  return count;
}

/* Polls while it is readable; it ends, or it spins. */
static size_t drain(ottla_consumer *consumer, int32_t fd) {
  size_t count = 0;
  int rounds = 0;
  for (; is_readable(fd, 0); rounds++) {
    CHECK(rounds < 100);
    count += poll_now(consumer);
  }
  return count;
}

static size_t assigned(ottla_consumer *consumer) {
  ottla_error *error = NULL;
  ottla_topic_partitions *partitions = NULL;
  CHECK_OK(ottla_consumer_assignment(consumer, &partitions, &error), error);
  size_t count = ottla_topic_partitions_count(partitions);
  CHECK_OK(ottla_topic_partitions_free(partitions), NULL);
  return count;
}

static void records_make_it_readable_until_the_last_is_taken(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  append(broker, 0, "a");
  ottla_consumer *consumer = member(broker);
  int32_t fd = fd_of(consumer);
  CHECK(is_readable(fd, 0)); /* There are partitions to take. */
  CHECK(drain(consumer, fd) == 1);
  for (int i = 0; i < 5; i++) {
    append(broker, i % 2, "b");
  }
  CHECK(is_readable(fd, 0) && is_readable(fd, 0));
  CHECK(poll_now(consumer) == 2);
  CHECK(is_readable(fd, 0));
  CHECK(drain(consumer, fd) == 3);
  CHECK(!is_readable(fd, 5));

  /* What changes the next poll changes the descriptor. */
  CHECK_OK(ottla_consumer_seek(consumer, "orders", 0, 0, &error), error);
  CHECK(is_readable(fd, 0));
  ottla_topic_partition first = {"orders", 0, 0};
  CHECK_OK(ottla_consumer_pause(consumer, &first, 1, &error), error);
  CHECK(!is_readable(fd, 0));
  append(broker, 0, "c");
  CHECK(!is_readable(fd, 5));
  CHECK_OK(ottla_consumer_resume(consumer, &first, 1, &error), error);
  CHECK(is_readable(fd, 0));
  CHECK(drain(consumer, fd) == 5);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void rebalances_wakeups_and_the_end_make_it_readable(void) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  ottla_broker *broker = opened();
  ottla_consumer *first = member(broker), *second = member(broker);
  int32_t fd = fd_of(first), other = fd_of(second);
  for (int i = 0; i < 5; i++) {
    drain(first, fd);
    drain(second, other);
  }
  CHECK(assigned(first) == 1 && assigned(second) == 1);
  CHECK(!is_readable(fd, 5));
  CHECK_OK(ottla_consumer_close(second, &error), error);
  CHECK(is_readable(other, 0)); /* A loop that waits for it hears of the end. */
  CHECK(is_readable(fd, 0));
  drain(first, fd);
  CHECK(assigned(first) == 2);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_consumer_poll(second, 0, &records, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_consumer_fd(second, &other, &error), error);
  CHECK_OK(ottla_consumer_free(second), NULL);

  CHECK_OK(ottla_consumer_wakeup(first, &error), error);
  CHECK(is_readable(fd, 0));
  CHECK(poll_now(first) == 0);
  CHECK(!is_readable(fd, 5));
  CHECK_OK(ottla_abandon(broker), NULL);
  CHECK(is_readable(fd, 0));
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_consumer_poll(first, -1, &records, &error), error);
  CHECK(is_readable(fd, 0));
  CHECK_OK(ottla_consumer_free(first), NULL);
}

enum { RECORDS = 2000 };

static void *writing(void *broker) {
  for (int i = 0; i < RECORDS; i++) {
    append(broker, i % 2, "x");
  }
  return NULL;
}

/* A loop of two members beside a writer: whatever the threads do, it hears of every record. */
static void a_loop_misses_nothing_and_does_not_spin(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_consumer *consumers[2] = {member(broker), member(broker)};
  int loop = epoll_create1(EPOLL_CLOEXEC);
  for (uint32_t i = 0; i < 2; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = i}};
    CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, fd_of(consumers[i]), &event) == 0);
  }
  pthread_t writer;
  CHECK(pthread_create(&writer, NULL, writing, broker) == 0);
  size_t seen = 0, empty = 0;
  while (seen < RECORDS) {
    struct epoll_event events[2];
    int ready = epoll_wait(loop, events, 2, 10000);
    CHECK(ready > 0);
    for (int i = 0; i < ready; i++) {
      ottla_consumer *consumer = consumers[events[i].data.u32];
      size_t count = poll_now(consumer);
      CHECK_OK(ottla_consumer_commit(consumer, &error), error);
      seen += count;
      empty += count == 0;
    }
  }
  CHECK(pthread_join(writer, NULL) == 0);
  CHECK(seen == RECORDS && empty < RECORDS / 4);
  CHECK(close(loop) == 0);
  CHECK_OK(ottla_consumer_free(consumers[0]), NULL);
  CHECK_OK(ottla_consumer_free(consumers[1]), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void arguments_are_checked(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_consumer *consumer = member(broker);
  int32_t fd = -1;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_fd(consumer, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_consumer_fd(NULL, &fd, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_consumer_wakeup(NULL, &error), error);
  CHECK_OK(ottla_consumer_fd(consumer, &fd, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK(write(fd, "", 0) < 0); /* It was closed with its consumer. */
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_consumer_fd(consumer, &fd, &error), error);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  records_make_it_readable_until_the_last_is_taken();
  rebalances_wakeups_and_the_end_make_it_readable();
  a_loop_misses_nothing_and_does_not_spin();
  arguments_are_checked();
  CHECK(ottla_handle_count() == 0);
  return 0;
}
