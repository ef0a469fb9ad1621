/* What a program's functions use is the program's to take away once the free has returned: no
 * thread is in one of them then, and none will be. */

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"

/* What the functions of the program use. */
struct data {
  atomic_bool is_inside;
  atomic_bool has_left;
};

static ottla_broker *broker;
static ottla_producer *producer;
static ottla_transaction *transaction;
static ottla_transactional_producer *transactional;
static ottla_consumer *consumer;

/* Long enough for a free that does not wait to be over. */
static void linger(struct data *data) {
  data->is_inside = true;
  usleep(200 * 1000);
  data->has_left = true;
}

static int32_t lingering_partitioner(void *user_data, const char *topic,
                                     const ottla_record *record, int32_t partition_count) {
  (void)topic;
  (void)record;
  linger(user_data);
  return partition_count - 1;
}

static void lingering_callback(void *user_data, ottla_consumer *told, const ottla_offset *offsets,
                               size_t count, ottla_status status, const ottla_error *error) {
  (void)told;
  (void)offsets;
  (void)error;
  CHECK(status == OTTLA_OK && count == 1);
  linger(user_data);
}

/* Sends two records, the second of which nobody asks the partitioner about once the producer is
 * freed. */
static void *send_with_producer(void *unused) {
  ottla_record records[2];
  memset(records, 0, sizeof records);
  ottla_status status = ottla_producer_send(producer, "t", records, 2, NULL, NULL, NULL);
  CHECK(status == OTTLA_E_CLOSED);
  return unused;
}

static void *send_with_transaction(void *unused) {
  ottla_record records[2];
  memset(records, 0, sizeof records);
  CHECK_OK(ottla_transaction_send(transaction, "t", records, 2, NULL, NULL), NULL);
  return unused;
}

static void *send_with_transactional_producer(void *unused) {
  ottla_record records[2];
  memset(records, 0, sizeof records);
  CHECK_OK(ottla_transactional_producer_send(transactional, "t", records, 2, NULL, NULL), NULL);
  return unused;
}

static void *commit(void *user_data) {
  ottla_error *error = NULL;
  ottla_offset offset = {"t", 0, -1, 0, NULL};
  CHECK_OK(ottla_consumer_commit_offsets_async(consumer, &offset, 1, lingering_callback, user_data,
                                               &error),
           error);
  CHECK_OK(ottla_consumer_commit(consumer, &error), error);
  return NULL;
}

static struct data *new_data(void) {
  struct data *data = calloc(1, sizeof *data);
  CHECK(data != NULL);
  return data;
}

/* Runs `work` in a thread, frees what it works with as soon as it is in a function of the program,
 * and takes that function's data away. */
static void free_while(void *(*work)(void *), struct data *data, ottla_status (*free_it)(void)) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, work, data) == 0);
  while (!data->is_inside) {
    usleep(100);
  }
  CHECK_OK(free_it(), NULL);
  CHECK(data->has_left);
  free(data);
  CHECK(pthread_join(thread, NULL) == 0);
}

static ottla_status free_producer(void) { return ottla_producer_free(producer); }

static ottla_status free_transaction(void) { return ottla_transaction_free(transaction); }

static ottla_status free_transactional(void) {
  return ottla_transactional_producer_free(transactional);
}

static ottla_status free_consumer(void) { return ottla_consumer_free(consumer); }

static void partitioners(void) {
  ottla_error *error = NULL;
  ottla_producer_options options = {.struct_size = sizeof options};
  options.partitioner = lingering_partitioner;
  options.partitioner_data = new_data();
  CHECK_OK(ottla_producer_new(broker, NULL, 0, &options, &producer, &error), error);
  free_while(send_with_producer, options.partitioner_data, free_producer);

  options.partitioner_data = new_data();
  CHECK_OK(ottla_transaction_begin_with_options(broker, NULL, 0, &options, &transaction, &error),
           error);
  free_while(send_with_transaction, options.partitioner_data, free_transaction);

  ottla_setting id = {"transactional.id", "kitchen"};
  options.partitioner_data = new_data();
  CHECK_OK(ottla_transactional_producer_new(broker, &id, 1, &options, &transactional, &error),
           error);
  CHECK_OK(ottla_transactional_producer_begin_transaction(transactional, &error), error);
  free_while(send_with_transactional_producer, options.partitioner_data, free_transactional);
}

static int32_t freeing_partitioner(void *user_data, const char *topic, const ottla_record *record,
                                   int32_t partition_count) {
  (void)topic;
  (void)record;
  (void)partition_count;
  CHECK_OK(ottla_producer_free(*(ottla_producer **)user_data), NULL);
  return 0;
}

/* One that frees its own producer does not wait for itself. */
static void partitioner_frees_its_producer(void) {
  ottla_error *error = NULL;
  ottla_producer_options options = {.struct_size = sizeof options};
  options.partitioner = freeing_partitioner;
  options.partitioner_data = &producer;
  CHECK_OK(ottla_producer_new(broker, NULL, 0, &options, &producer, &error), error);
  ottla_record record = {.value = NULL};
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_producer_send(producer, "t", &record, 1, NULL, NULL, &error),
              error);
}

static void commit_callbacks(void) {
  ottla_error *error = NULL;
  ottla_setting group = {"group.id", "kitchen"};
  ottla_topic_partition partition = {"t", 0, 0};
  CHECK_OK(ottla_consumer_new(broker, &group, 1, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_assign(consumer, &partition, 1, &error), error);
  free_while(commit, new_data(), free_consumer);
}

int main(void) {
  ottla_error *error = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "t", 2, NULL, 0, &error), error);
  partitioners();
  partitioner_frees_its_producer();
  commit_callbacks();
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
