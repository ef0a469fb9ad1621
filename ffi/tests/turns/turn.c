/* One turn: reads what the one before wrote, as a member of the group "kitchen", commits, and writes
 * ten orders of its own.
 *
 *   turn DIRECTORY BEFORE OWN: BEFORE is the name of the one before, or "" for nobody.
 */

#include <string.h>

#include "../c/check.h"

#define ORDERS 10

static ottla_error *error;

/* Exactly the orders of `before`, each once. */
static void read_orders(ottla_broker *broker, const char *before) {
  const ottla_setting settings[] = {{"group.id", "kitchen"}, {"auto.offset.reset", "earliest"}};
  const char *topic = "orders";
  ottla_consumer *consumer;
  CHECK_OK(ottla_consumer_new(broker, settings, 2, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_subscribe(consumer, &topic, 1, &error), error);
  size_t wanted = before[0] == 0 ? 0 : ORDERS, found = 0, empty = 0;
  int seen[ORDERS] = {0};
  while (empty < 2) {
    ottla_records *records;
    CHECK_OK(ottla_consumer_poll(consumer, 200, &records, &error), error);
    if (records == NULL) {
      empty += found >= wanted;
      continue;
    }
    const ottla_record_view *view;
    size_t count;
    CHECK_OK(ottla_records_views(records, &view, &count, &error), error);
    for (size_t i = 0; i < count; i++) {
      CHECK(view[i].key_length == (int32_t)strlen(before));
      CHECK(memcmp(view[i].key, before, strlen(before)) == 0);
      CHECK(view[i].value_length == 1 && seen[view[i].value[0] - '0']++ == 0);
    }
    found += count;
    CHECK_OK(ottla_records_free(records), NULL);
  }
  CHECK(found == wanted);
  CHECK_OK(ottla_consumer_commit(consumer, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
}

static void write_orders(ottla_broker *broker, const char *own) {
  ottla_producer *producer;
  ottla_delivery *delivery;
  ottla_record orders[ORDERS];
  const uint8_t *digits = (const uint8_t *)"0123456789";
  for (int i = 0; i < ORDERS; i++) {
    orders[i] = (ottla_record){.key = (const uint8_t *)own, .key_length = strlen(own),
                               .value = digits + i, .value_length = 1,
                               .partition = i % 2, .flags = OTTLA_RECORD_PARTITION};
  }
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  CHECK_OK(ottla_producer_send(producer, "orders", orders, ORDERS, &delivery, NULL, &error), error);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  CHECK_OK(ottla_delivery_free(delivery), NULL);
  CHECK_OK(ottla_producer_free(producer), NULL);
}

int main(int count, char **arguments) {
  CHECK(count == 4);
  ottla_broker *broker;
  CHECK_OK(ottla_open(arguments[1], NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_ensure(broker, "orders", 2, NULL, 0, &error), error);
  read_orders(broker, arguments[2]);
  write_orders(broker, arguments[3]);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
