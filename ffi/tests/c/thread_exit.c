/* A thread that is going away runs the destructors of its thread-specific data, and they may close
 * what they hold: the library works there as everywhere, even after its own destructors. */

#include <pthread.h>
#include <string.h>

#include "check.h"

static pthread_key_t key;
static ottla_broker *broker;
static ottla_consumer *member;

static void produce_and_consume(void) {
  ottla_error *error = NULL;
  ottla_producer *producer = NULL;
  ottla_delivery *delivery = NULL;
  ottla_record record = {.value = (const uint8_t *)"v", .value_length = 1};
  ottla_setting zstd = {"compression.type", "zstd"};
  CHECK_OK(ottla_producer_new(broker, &zstd, 1, NULL, &producer, &error), error);
  CHECK_OK(ottla_producer_send(producer, "t", &record, 1, &delivery, NULL, &error), error);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  CHECK_OK(ottla_delivery_free(delivery), NULL);
  CHECK_OK(ottla_producer_free(producer), NULL);
  ottla_records *records = NULL;
  while (records == NULL) {
    CHECK_OK(ottla_consumer_poll(member, -1, &records, &error), error);
  }
  CHECK_OK(ottla_records_free(records), NULL);
  CHECK_OK(ottla_consumer_commit(member, &error), error);
}

static void commit_and_maintain(void) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  ottla_record record = {.key = (const uint8_t *)"k", .key_length = 1};
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "compacted", &record, 1, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  CHECK_OK(ottla_compaction_run(broker, "compacted", NULL, NULL, &error), error);
  CHECK_OK(ottla_broker_tick(broker, NULL, &error), error);
  CHECK_OK(ottla_broker_checkpoint(broker, &error), error);
}

static void open_and_close(void) {
  ottla_error *error = NULL;
  ottla_broker *another = NULL;
  CHECK_OK(ottla_open("directory", NULL, 0, &another, &error), error);
  CHECK_OK(ottla_topic_ensure(another, "t", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_close(another, 0, &error), error);
}

static void everything(void *unused) {
  (void)unused;
  produce_and_consume();
  commit_and_maintain();
  open_and_close();
}

/* What the library keeps for a thread that has used it is gone when the destructor runs. */
static void *use_and_exit(void *unused) {
  CHECK(pthread_setspecific(key, &key) == 0);
  everything(NULL);
  return unused;
}

static void commit_again(void *user_data, ottla_consumer *consumer,
                         const ottla_topic_partition *partitions, size_t count) {
  (void)user_data;
  (void)partitions;
  (void)count;
  ottla_error *error = NULL;
  CHECK_OK(ottla_consumer_commit(consumer, &error), error);
}

int main(void) {
  ottla_error *error = NULL;
  const char *topics[] = {"t"};
  ottla_setting group = {"group.id", "g"};
  ottla_setting compact = {"cleanup.policy", "compact"};
  ottla_consumer_options options = {.struct_size = sizeof options};
  options.on_assigned = commit_again;
  options.on_revoked = commit_again;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "t", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_topic_create(broker, "compacted", 1, &compact, 1, &error), error);
  CHECK_OK(ottla_consumer_new(broker, &group, 1, &options, &member, &error), error);
  CHECK_OK(ottla_consumer_subscribe(member, topics, 1, &error), error);
  CHECK(pthread_key_create(&key, everything) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, use_and_exit, NULL) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_OK(ottla_consumer_free(member), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
