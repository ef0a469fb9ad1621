/* Forks while other threads are inside of the library: each child finds it usable for a directory of
 * its own, whatever those threads held at that moment. */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "check.h"

#define THREADS 4

/* The sanitizer's allocator is not made for forks amid work: a child can wait for ever for a lock in
 * there that a thread of the parent held. */
#ifdef __SANITIZE_ADDRESS__
#define CHILDREN 0
#else
#define CHILDREN 15
#endif

static ottla_broker *broker;
static atomic_bool is_over;

static void write_and_read(ottla_broker *in) {
  ottla_error *error = NULL;
  ottla_producer *producer;
  ottla_consumer *consumer;
  ottla_delivery *delivery;
  ottla_records *records;
  const ottla_record record = {.value = (const uint8_t *)"x", .value_length = 1};
  const ottla_topic_partition first = {.topic = "orders", .partition = 0};
  const ottla_setting earliest = {"auto.offset.reset", "earliest"};
  CHECK_OK(ottla_producer_new(in, NULL, 0, NULL, &producer, &error), error);
  CHECK_OK(ottla_producer_send(producer, "orders", &record, 1, &delivery, NULL, &error), error);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  CHECK_OK(ottla_consumer_new(in, &earliest, 1, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_assign(consumer, &first, 1, &error), error);
  CHECK_OK(ottla_consumer_poll(consumer, 10000, &records, &error), error);
  CHECK(records != NULL);
  CHECK_OK(ottla_records_free(records), NULL);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_delivery_free(delivery), NULL);
  CHECK_OK(ottla_producer_free(producer), NULL);
}

static ottla_broker *opened(const char *directory) {
  ottla_error *error = NULL;
  ottla_broker *made;
  CHECK_OK(ottla_open(directory, NULL, 0, &made, &error), error);
  CHECK_OK(ottla_topic_ensure(made, "orders", 1, NULL, 0, &error), error);
  return made;
}

static void *work_on(void *none) {
  (void)none;
  while (!atomic_load(&is_over)) write_and_read(broker);
  return NULL;
}

static void child(void) {
  ottla_error *error = NULL;
  ottla_topics *topics = NULL;
  alarm(60);
  CHECK_FAILS(OTTLA_E_FORKED, ottla_topics_list(broker, &topics, &error), error);
  ottla_broker *own = opened("own");
  write_and_read(own);
  CHECK_OK(ottla_close(own, 0, &error), error);
  CHECK(ottla_handle_count() == 0);
  _exit(0);
}

int main(void) {
  ottla_error *error = NULL;
  pthread_t threads[THREADS];
  broker = opened("data");
  for (int at = 0; at < THREADS; at++) {
    CHECK(pthread_create(&threads[at], NULL, work_on, NULL) == 0);
  }
  for (int round = 0; round < CHILDREN; round++) {
    int status = -1;
    pid_t forked = fork();
    CHECK(forked >= 0);
    if (forked == 0) child();
    CHECK(waitpid(forked, &status, 0) == forked);
    CHECK(status == 0);
  }
  atomic_store(&is_over, true);
  for (int at = 0; at < THREADS; at++) CHECK(pthread_join(threads[at], NULL) == 0);
  CHECK_OK(ottla_close(broker, -1, &error), error);
  return 0;
}
