/* Writes three records, and reads them back.
 *
 *   cc quickstart.c $(pkg-config --cflags --libs ottla) && ./a.out
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ottla.h>

static ottla_error *error;

static void check(ottla_status status) {
  if (status != OTTLA_OK) {
    fprintf(stderr, "%s\n", ottla_error_message(error));
    exit(1);
  }
}

static ottla_record record(const char *key, const char *value) {
  return (ottla_record){.key = (const uint8_t *)key,
                        .key_length = strlen(key),
                        .value = (const uint8_t *)value,
                        .value_length = strlen(value)};
}

static void produce(ottla_broker *broker) {
  ottla_record orders[] = {record("john", "a burger"), record("mary", "two salads"),
                           record("john", "a coffee")};
  ottla_producer *producer;
  ottla_delivery *delivery;
  check(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error));
  check(ottla_producer_send(producer, "orders", orders, 3, &delivery, NULL, &error));
  check(ottla_delivery_wait(delivery, -1, &error)); /* Synced: they survive power loss. */
  ottla_delivery_free(delivery);
  ottla_producer_free(producer);
}

static void consume(ottla_broker *broker) {
  const ottla_topic_partition first = {.topic = "orders", .partition = 0};
  const ottla_setting from_the_start = {"auto.offset.reset", "earliest"};
  ottla_consumer *consumer;
  ottla_records *records;
  const ottla_record_view *order;
  size_t count;
  check(ottla_consumer_new(broker, &from_the_start, 1, NULL, &consumer, &error));
  check(ottla_consumer_assign(consumer, &first, 1, &error));
  check(ottla_consumer_poll(consumer, 1000, &records, &error));
  check(ottla_records_views(records, &order, &count, &error));
  for (size_t i = 0; i < count; i += 1) {
    printf("%lld: %.*s wants %.*s\n", (long long)order[i].offset, (int)order[i].key_length,
           (const char *)order[i].key, (int)order[i].value_length, (const char *)order[i].value);
  }
  ottla_records_free(records); /* Keys and values were in there. */
  ottla_consumer_free(consumer);
}

int main(void) {
  ottla_broker *broker;
  check(ottla_open("data", NULL, 0, &broker, &error));
  check(ottla_topic_ensure(broker, "orders", 1, NULL, 0, &error));
  produce(broker);
  consume(broker);
  check(ottla_close(broker, -1, &error));
  return 0;
}

/* Prints:
 *   0: john wants a burger
 *   1: mary wants two salads
 *   2: john wants a coffee
 */
