/* Sends COUNT records a call; with DELIVERIES it keeps what became of them. */

#include "speed.h"

struct Side {
  ottla_broker *broker;
  ottla_producer *producer;
  uint8_t values[COUNT * SIZE];
};

void *begin(const char *directory) {
  struct Side *side = calloc(1, sizeof(*side));
  side->broker = opened(directory);
  side->producer = producer_of(side->broker);
  return side;
}

void turn(void *state) {
  struct Side *side = state;
  ottla_error *error = NULL;
  for (int call = 0; call < CALLS; call++) {
    ottla_record records[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
      records[i] = record_of(side->values, i);
    }
#ifdef DELIVERIES
    ottla_delivery *delivery = NULL;
    must(ottla_producer_send(side->producer, "speed", records, COUNT, &delivery, NULL, &error),
         error);
    must(ottla_delivery_wait(delivery, -1, &error), error);
    ottla_delivery_free(delivery);
#else
    must(ottla_producer_send(side->producer, "speed", records, COUNT, NULL, NULL, &error), error);
#endif
  }
  must(ottla_producer_flush(side->producer, &error), error);
}

void end(void *state) {
  struct Side *side = state;
  ottla_producer_free(side->producer);
  must(ottla_close(side->broker, -1, NULL), NULL);
  free(side);
}
