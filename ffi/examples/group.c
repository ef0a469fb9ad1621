/* Two cooks share the orders of a topic; one goes home, and the other takes over where it stopped.
 *
 *   cc group.c $(pkg-config --cflags --libs ottla) && ./a.out
 */

#include <stdio.h>
#include <stdlib.h>

#include <ottla.h>

static ottla_error *error;

static void check(ottla_status status) {
  if (status != OTTLA_OK) {
    fprintf(stderr, "%s\n", ottla_error_message(error));
    exit(1);
  }
}

/* Runs inside of poll, close and free, on their thread. */
static void assigned(void *name, ottla_consumer *cook, const ottla_topic_partition *partitions,
                     size_t count) {
  (void)cook;
  if (count > 0) printf("%s gets %zu of %s\n", (const char *)name, count, partitions[0].topic);
}

static ottla_consumer *new_cook(ottla_broker *broker, char *name) {
  const ottla_setting settings[] = {{"group.id", "kitchen"}, {"auto.offset.reset", "earliest"}};
  const ottla_consumer_options options = {
      .struct_size = sizeof options, .user_data = name, .on_assigned = assigned};
  const char *topic = "orders";
  ottla_consumer *cook;
  check(ottla_consumer_new(broker, settings, 2, &options, &cook, &error));
  check(ottla_consumer_subscribe(cook, &topic, 1, &error));
  return cook;
}

/* Takes what there is for this cook, and commits how far it came. */
static size_t work(ottla_consumer *cook) {
  ottla_records *records;
  size_t count = 0;
  check(ottla_consumer_poll(cook, 100, &records, &error));
  if (records != NULL) {
    const ottla_record_view *orders;
    check(ottla_records_views(records, &orders, &count, &error));
    ottla_records_free(records);
    check(ottla_consumer_commit(cook, &error));
  }
  return count;
}

static void write_orders(ottla_broker *broker) {
  ottla_producer *producer;
  ottla_record order = {.value = (const uint8_t *)"a burger", .value_length = 8};
  order.flags = OTTLA_RECORD_PARTITION;
  check(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error));
  for (int i = 0; i < 10; i += 1) {
    order.partition = i % 2;
    check(ottla_producer_send(producer, "orders", &order, 1, NULL, NULL, &error));
  }
  check(ottla_producer_flush(producer, &error));
  ottla_producer_free(producer);
}

int main(void) {
  ottla_broker *broker;
  size_t by_anna = 0, by_ben = 0;
  check(ottla_open("data", NULL, 0, &broker, &error));
  check(ottla_topic_ensure(broker, "orders", 2, NULL, 0, &error));

  ottla_consumer *anna = new_cook(broker, "anna");
  write_orders(broker);
  while (by_anna < 10) by_anna += work(anna);
  printf("anna did %zu\n", by_anna);

  ottla_consumer *ben = new_cook(broker, "ben");
  write_orders(broker);
  for (by_anna = 0; by_anna + by_ben < 10;) {
    by_ben += work(ben);
    by_anna += work(anna);
  }
  printf("anna did %zu, ben did %zu\n", by_anna, by_ben);

  ottla_consumer_free(ben); /* Goes home: what was his is given to the others. */
  write_orders(broker);
  for (by_anna = 0; by_anna < 10;) by_anna += work(anna);
  printf("anna did %zu\n", by_anna);

  ottla_consumer_free(anna);
  check(ottla_close(broker, -1, &error));
  return 0;
}

/* Prints:
 *   anna gets 2 of orders
 *   anna did 10
 *   ben gets 1 of orders
 *   anna did 5, ben did 5
 *   anna gets 1 of orders
 *   anna did 10
 */
