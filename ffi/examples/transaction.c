/* Reads orders and writes deliveries, exactly once: the deliveries and how far the orders were read
 * become part of the log together, or not at all. Dies in the middle the first time.
 *
 *   cc transaction.c $(pkg-config --cflags --libs ottla) && ./a.out
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

static void write_orders(ottla_broker *broker) {
  ottla_record orders[] = {{.value = (const uint8_t *)"a burger", .value_length = 8},
                           {.value = (const uint8_t *)"two salads", .value_length = 10}};
  ottla_transaction *transaction;
  check(ottla_transaction_begin(broker, NULL, 0, &transaction, &error));
  check(ottla_transaction_send(transaction, "orders", orders, 2, NULL, &error));
  check(ottla_transaction_commit(transaction, &error));
  ottla_transaction_free(transaction);
}

static void deliver(ottla_broker *broker, ottla_consumer *orders, bool dies) {
  ottla_records *records;
  const ottla_record_view *order;
  size_t count;
  ottla_transaction *transaction;
  check(ottla_consumer_poll(orders, 1000, &records, &error));
  check(ottla_records_views(records, &order, &count, &error));
  check(ottla_transaction_begin(broker, NULL, 0, &transaction, &error));
  for (size_t i = 0; i < count; i += 1) {
    ottla_record delivery = {.key = (const uint8_t *)"john",
                             .key_length = 4,
                             .value = order[i].value,
                             .value_length = (size_t)order[i].value_length};
    check(ottla_transaction_send(transaction, "deliveries", &delivery, 1, NULL, &error));
  }
  check(ottla_transaction_commit_offsets(transaction, orders, &error));
  if (!dies) {
    check(ottla_transaction_commit(transaction, &error)); /* One sync: all of it is there. */
  }
  printf("%s with %zu orders\n", dies ? "died" : "done", count);
  ottla_transaction_free(transaction); /* One that was not committed leaves no trace. */
  ottla_records_free(records);
}

static void run(bool dies) {
  ottla_broker *broker;
  ottla_consumer *orders;
  const ottla_setting couriers[] = {{"group.id", "couriers"}};
  const char *topic = "orders";
  check(ottla_open("data", NULL, 0, &broker, &error));
  check(ottla_consumer_new(broker, couriers, 1, NULL, &orders, &error));
  check(ottla_consumer_subscribe(orders, &topic, 1, &error));
  deliver(broker, orders, dies);
  ottla_consumer_free(orders);
  check(dies ? ottla_abandon(broker) : ottla_close(broker, -1, &error));
}

static void show_deliveries(ottla_broker *broker) {
  ottla_partition *deliveries;
  ottla_records *records;
  const ottla_record_view *delivery;
  size_t count;
  check(ottla_partition_new(broker, "deliveries", 0, &deliveries, &error));
  check(ottla_partition_read(deliveries, 0, 1 << 20, &records, &error));
  check(ottla_records_views(records, &delivery, &count, &error));
  for (size_t i = 0; i < count; i += 1) {
    printf("%.*s gets %.*s\n", (int)delivery[i].key_length, (const char *)delivery[i].key,
           (int)delivery[i].value_length, (const char *)delivery[i].value);
  }
  ottla_records_free(records);
  ottla_partition_free(deliveries);
}

int main(void) {
  ottla_broker *broker;
  check(ottla_open("data", NULL, 0, &broker, &error));
  check(ottla_topic_ensure(broker, "orders", 1, NULL, 0, &error));
  check(ottla_topic_ensure(broker, "deliveries", 1, NULL, 0, &error));
  write_orders(broker);
  check(ottla_close(broker, -1, &error));

  run(true);
  run(false);

  check(ottla_open("data", NULL, 0, &broker, &error));
  show_deliveries(broker);
  check(ottla_close(broker, -1, &error));
  return 0;
}

/* Prints:
 *   died with 2 orders
 *   done with 2 orders
 *   john gets a burger
 *   john gets two salads
 */
