/* Polls until all records were seen, again and again from the beginning. */

#include "speed.h"

struct Side {
  ottla_broker *broker;
  ottla_consumer *consumer;
};

static void fill(ottla_broker *broker) {
  static uint8_t values[COUNT * SIZE];
  ottla_error *error = NULL;
  ottla_producer *producer = producer_of(broker);
  for (int call = 0; call < CALLS; call++) {
    ottla_record records[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
      records[i] = record_of(values, i);
    }
    must(ottla_producer_send(producer, "speed", records, COUNT, NULL, NULL, &error), error);
  }
  must(ottla_producer_flush(producer, &error), error);
  ottla_producer_free(producer);
}

void *begin(const char *directory) {
  static const ottla_setting settings[] = {{"max.poll.records", "1000"}};
  static const ottla_topic_partition both[] = {{"speed", 0, 0}, {"speed", 1, 0}};
  struct Side *side = calloc(1, sizeof(*side));
  ottla_error *error = NULL;
  side->broker = opened(directory);
  fill(side->broker);
  must(ottla_consumer_new(side->broker, settings, 1, NULL, &side->consumer, &error), error);
  must(ottla_consumer_assign(side->consumer, both, 2, &error), error);
  return side;
}

void turn(void *state) {
  struct Side *side = state;
  ottla_error *error = NULL;
  size_t seen = 0;
  int64_t bytes = 0, offsets = 0;
  must(ottla_consumer_seek_to_beginning(side->consumer, NULL, 0, &error), error);
  while (seen < CALLS * COUNT) {
    ottla_records *records = NULL;
    const ottla_record_view *views = NULL;
    size_t count = 0;
    must(ottla_consumer_poll(side->consumer, -1, &records, &error), error);
    must(ottla_records_views(records, &views, &count, &error), error);
    for (size_t i = 0; i < count; i++) {
      bytes += views[i].value_length;
      offsets += views[i].offset;
    }
    seen += count;
    ottla_records_free(records);
  }
  if (bytes != CALLS * COUNT * SIZE || offsets == 0) {
    exit(1);
  }
}

void end(void *state) {
  struct Side *side = state;
  ottla_consumer_free(side->consumer);
  must(ottla_close(side->broker, -1, NULL), NULL);
  free(side);
}
