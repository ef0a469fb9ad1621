/* Threads that are inside of the library while handles are freed and the broker is closed: they get
 * answers, and closing ends. */

#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

#define THREADS 8

static ottla_broker *broker;
static ottla_producer *producer;
static atomic_int written;

/* Sends until the producer is gone. */
static void *send_on(void *none) {
  (void)none;
  const ottla_record record = {.value = (const uint8_t *)"one burger", .value_length = 10};
  for (;;) {
    ottla_delivery *delivery = NULL;
    ottla_error *error = NULL;
    ottla_status status =
        ottla_producer_send(producer, "orders", &record, 1, &delivery, NULL, &error);
    if (status != OTTLA_OK) {
      CHECK(status == OTTLA_E_INVALID_HANDLE || status == OTTLA_E_CLOSED);
      CHECK(ottla_error_status(error) == status);
      CHECK_OK(ottla_error_free(error), NULL);
      return NULL;
    }
    status = ottla_delivery_wait(delivery, -1, NULL);
    /* A batch that was under way when the broker was abandoned is not synced any more. */
    CHECK(status == OTTLA_OK || status == OTTLA_E_CLOSED || status == OTTLA_E_POISONED);
    if (status == OTTLA_OK) atomic_fetch_add(&written, 1);
    CHECK_OK(ottla_delivery_free(delivery), NULL);
  }
}

/* Asks until the broker is gone. */
static void *describe_on(void *none) {
  (void)none;
  for (;;) {
    ottla_topics *topics = NULL;
    ottla_status status = ottla_topics_list(broker, &topics, NULL);
    if (status != OTTLA_OK) {
      CHECK(status == OTTLA_E_INVALID_HANDLE || status == OTTLA_E_CLOSED);
      return NULL;
    }
    CHECK_OK(ottla_topics_free(topics), NULL);
  }
}

static void round_of(int by_abandoning) {
  ottla_error *error = NULL;
  pthread_t threads[THREADS];
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_ensure(broker, "orders", 2, NULL, 0, &error), error);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  for (int at = 0; at < THREADS; at++) {
    void *(*work)(void *) = at % 2 == 0 ? send_on : describe_on;
    CHECK(pthread_create(&threads[at], NULL, work, NULL) == 0);
  }
  while (atomic_load(&written) < 20) usleep(1000);
  if (by_abandoning) {
    CHECK_OK(ottla_abandon(broker), NULL);
    usleep(1000);
    CHECK_OK(ottla_producer_free(producer), NULL);
  } else {
    CHECK_OK(ottla_producer_free(producer), NULL);
    CHECK_OK(ottla_close(broker, -1, &error), error);
  }
  for (int at = 0; at < THREADS; at++) CHECK(pthread_join(threads[at], NULL) == 0);
  atomic_store(&written, 0);
}

int main(void) {
  for (int round = 0; round < 6; round++) round_of(round % 2);
  return 0;
}
