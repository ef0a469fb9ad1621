/* THREADS threads, each with a producer of its own, send one record a call. */

#include <pthread.h>

#include "speed.h"

#define THREADS 2

struct Thread {
  ottla_producer *producer;
  const uint8_t *values;
  int32_t partition;
  pthread_t thread;
};

struct Side {
  ottla_broker *broker;
  struct Thread threads[THREADS];
  uint8_t values[COUNT * SIZE];
};

void *begin(const char *directory) {
  struct Side *side = calloc(1, sizeof(*side));
  side->broker = opened(directory);
  for (int i = 0; i < THREADS; i++) {
    struct Thread thread = {producer_of(side->broker), side->values, i, 0};
    side->threads[i] = thread;
  }
  return side;
}

static void *send_all(void *argument) {
  struct Thread *thread = argument;
  ottla_error *error = NULL;
  for (int call = 0; call < CALLS; call++) {
    for (size_t i = 0; i < COUNT; i++) {
      ottla_record record = record_of(thread->values, i);
      record.partition = thread->partition;
      record.flags = OTTLA_RECORD_PARTITION;
      must(ottla_producer_send(thread->producer, "speed", &record, 1, NULL, NULL, &error), error);
    }
  }
  must(ottla_producer_flush(thread->producer, &error), error);
  return NULL;
}

void turn(void *state) {
  struct Side *side = state;
  for (int i = 0; i < THREADS; i++) {
    struct Thread *thread = &side->threads[i];
    if (pthread_create(&thread->thread, NULL, send_all, thread) != 0) {
      exit(1);
    }
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(side->threads[i].thread, NULL);
  }
}

void end(void *state) {
  struct Side *side = state;
  for (int i = 0; i < THREADS; i++) {
    ottla_producer_free(side->threads[i].producer);
  }
  must(ottla_close(side->broker, -1, NULL), NULL);
  free(side);
}
