/* Appends COUNT records a call to a partition. */

#include "speed.h"

struct Side {
  ottla_broker *broker;
  ottla_partition *partition;
  uint8_t values[COUNT * SIZE];
};

void *begin(const char *directory) {
  struct Side *side = calloc(1, sizeof(*side));
  ottla_error *error = NULL;
  side->broker = opened(directory);
  must(ottla_partition_new(side->broker, "speed", 0, &side->partition, &error), error);
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
    must(ottla_partition_append(side->partition, records, COUNT, OTTLA_ACKS_LEADER, NULL, &error),
         error);
  }
}

void end(void *state) {
  struct Side *side = state;
  ottla_partition_free(side->partition);
  must(ottla_close(side->broker, -1, NULL), NULL);
  free(side);
}
