/* Transactions: all or nothing, what ends them, and what is refused. */

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "records.h"

static ottla_broker *open_broker(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting small[] = {{"ottla.transaction.max.bytes", "1048576"}};
  CHECK_OK(ottla_open(":memory:", small, 1, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  ottla_setting indexed[] = {{"ottla.key.index", "true"}};
  CHECK_OK(ottla_topic_create(broker, "accounts", 1, indexed, 1, &error), error);
  return broker;
}

static int64_t end_of(ottla_broker *broker, const char *topic, int32_t partition) {
  ottla_error *error = NULL;
  ottla_snapshot *snapshot = NULL;
  int64_t end = -1;
  CHECK_OK(ottla_snapshot_new(broker, NULL, 0, &snapshot, &error), error);
  CHECK_OK(ottla_snapshot_end_offset(snapshot, topic, partition, &end, &error), error);
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
  return end;
}

static ottla_transaction *begin(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  return transaction;
}

static void send_to(ottla_transaction *transaction, int32_t partition, const char *value) {
  ottla_error *error = NULL;
  ottla_record record = record_of(NULL, value);
  record.partition = partition;
  record.flags = OTTLA_RECORD_PARTITION;
  CHECK_OK(ottla_transaction_send(transaction, "orders", &record, 1, NULL, &error), error);
}

static void records_are_there_together_or_not_at_all(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_places *places = NULL;
  ottla_transaction *transaction = begin(broker);
  send_to(transaction, 0, "one burger");
  send_to(transaction, 1, "one cola");
  send_to(transaction, 1, "one salad");
  CHECK(end_of(broker, "orders", 0) == 0);
  CHECK(end_of(broker, "orders", 1) == 0);
  CHECK_OK(ottla_transaction_commit_with_places(transaction, &places, &error), error);
  CHECK(end_of(broker, "orders", 0) == 1);
  CHECK(end_of(broker, "orders", 1) == 2);

  CHECK(ottla_places_count(places) == 2);
  ottla_place place = {.struct_size = sizeof place};
  CHECK_OK(ottla_places_get(places, 1, &place, &error), error);
  CHECK(strcmp(place.topic, "orders") == 0);
  CHECK(place.partition == 1 && place.base_offset == 0 && place.last_offset == 1);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_places_get(places, 2, &place, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_places_get(places, 0, NULL, &error), error);
  CHECK_OK(ottla_places_free(places), NULL);
  CHECK(ottla_places_free(places) == OTTLA_E_INVALID_HANDLE);
  CHECK(ottla_places_count(places) == 0);

  /* It is over. */
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE, ottla_transaction_commit(transaction, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE, ottla_transaction_abort(transaction, &error),
              error);
  ottla_record late = record_of(NULL, "late");
  size_t taken = 99;
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE,
              ottla_transaction_send(transaction, "orders", &late, 1, &taken, &error), error);
  CHECK(taken == 0);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  CHECK(ottla_transaction_free(transaction) == OTTLA_E_INVALID_HANDLE);

  transaction = begin(broker);
  send_to(transaction, 0, "never");
  CHECK_OK(ottla_transaction_abort(transaction, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE, ottla_transaction_commit(transaction, &error),
              error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);

  /* Freeing aborts. */
  transaction = begin(broker);
  send_to(transaction, 0, "never");
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  CHECK(end_of(broker, "orders", 0) == 1);

  /* An empty one is one. */
  transaction = begin(broker);
  CHECK_OK(ottla_transaction_send(transaction, "orders", NULL, 0, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit_with_places(transaction, &places, &error), error);
  CHECK(ottla_places_count(places) == 0);
  CHECK_OK(ottla_places_free(places), NULL);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

static void it_ends_when_its_time_is_up(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  ottla_setting brief[] = {{"transaction.timeout.ms", "1"}};
  CHECK_OK(ottla_transaction_begin(broker, brief, 1, &transaction, &error), error);
  struct timespec pause = {0, 20 * 1000 * 1000};
  nanosleep(&pause, NULL);
  ottla_status status = ottla_transaction_commit(transaction, &error);
  CHECK(status == OTTLA_E_INVALID_TRANSACTION_STATE);
  CHECK(strstr(ottla_error_message(error), "transaction.timeout.ms") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  error = NULL;
  CHECK_OK(ottla_transaction_free(transaction), NULL);

  transaction = NULL;
  ottla_setting wrong[] = {{"transaction.timeouts.ms", "1"}};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_begin(broker, wrong, 1, &transaction, &error), error);
  ottla_setting weak[] = {{"acks", "1"}};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_transaction_begin(broker, weak, 1, &transaction, &error),
              error);
  CHECK(transaction == NULL);
}

static void what_is_refused_leaves_the_rest(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = begin(broker);
  size_t taken = 99;
  ottla_record three[] = {record_of("a", "1"), record_of("b", "2"), record_of("c", "3")};
  three[2].flags = 1u << 20;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_send(transaction, "orders", three, 3, &taken, &error), error);
  CHECK(taken == 2);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_transaction_send(transaction, "nowhere", three, 1, &taken, &error), error);
  CHECK(taken == 0);
  three[0].partition = 7;
  three[0].flags = OTTLA_RECORD_PARTITION;
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_transaction_send(transaction, "orders", three, 1, NULL, &error), error);

  /* More than ottla.transaction.max.bytes: the record is not taken, the others stay. */
  static char large[400 * 1024];
  memset(large, 'x', sizeof large - 1);
  ottla_record many[] = {record_of(NULL, large), record_of(NULL, large), record_of(NULL, large)};
  CHECK_FAILS(OTTLA_E_LIMIT,
              ottla_transaction_send(transaction, "accounts", many, 3, &taken, &error), error);
  CHECK(taken == 2);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK(end_of(broker, "accounts", 0) == 2);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

static void conditions_are_asked_at_the_commit(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = begin(broker);
  int64_t end = end_of(broker, "orders", 0);
  send_to(transaction, 0, "takes the last one");
  CHECK_OK(ottla_transaction_expect_end(transaction, "orders", 0, end, &error), error);
  CHECK_OK(ottla_transaction_expect_version(transaction, "accounts", (const uint8_t *)"ada", 3,
                                            OTTLA_VERSION_NO_STREAM, &error),
           error);
  CHECK_OK(ottla_transaction_expect_version(transaction, "accounts", (const uint8_t *)"", 0,
                                            OTTLA_VERSION_ANY, &error),
           error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_expect_version(transaction, "accounts", (const uint8_t *)"ada", 3,
                                               -3, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_expect_version(transaction, "accounts", NULL, 0, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_expect_version(transaction, "orders", (const uint8_t *)"ada", 3,
                                               0, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_expect_end(transaction, "orders", 0, -1, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_transaction_expect_end(transaction, "orders", 2, 0, &error), error);
  write_record(broker, "accounts", "ada", "opened");
  CHECK_FAILS(OTTLA_E_CONFLICT, ottla_transaction_commit(transaction, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE, ottla_transaction_commit(transaction, &error),
              error);
  CHECK(end_of(broker, "orders", 0) == end);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

static void null_and_foreign_handles_are_refused(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  ottla_places *places = NULL;
  ottla_record record = record_of(NULL, "x");
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transaction_begin(NULL, NULL, 0, &transaction, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_transaction_begin(broker, NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_begin(broker, NULL, 1, &transaction, &error), error);
  for (int foreign = 0; foreign < 2; foreign += 1) {
    ottla_transaction *wrong = foreign ? (ottla_transaction *)(void *)broker : NULL;
    CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
                ottla_transaction_send(wrong, "orders", &record, 1, NULL, &error), error);
    CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
                ottla_transaction_expect_end(wrong, "orders", 0, 0, &error), error);
    CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
                ottla_transaction_expect_version(wrong, "accounts", (const uint8_t *)"k", 1, 0,
                                                 &error),
                error);
    CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transaction_commit(wrong, &error), error);
    CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
                ottla_transaction_commit_with_places(wrong, &places, &error), error);
    CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transaction_abort(wrong, &error), error);
  }
  CHECK(ottla_transaction_free((ottla_transaction *)(void *)broker) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_transaction_free(NULL), NULL);
  CHECK_OK(ottla_places_free(NULL), NULL);
  CHECK(ottla_places_count(NULL) == 0);

  transaction = begin(broker);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_send(transaction, NULL, &record, 1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_send(transaction, "orders", NULL, 1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_send(transaction, "orders", &record, SIZE_MAX, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_send(transaction, "\xff", &record, 1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_transaction_commit_with_places(transaction, NULL, &error),
              error);

  /* A broker does not close under it, and names it. */
  CHECK(ottla_close(broker, 0, &error) == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "a transaction") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

/* Puts all records into partition 1; inside of the transaction is who asks it. */
static int32_t partition_one(void *user_data, const char *topic, const ottla_record *record,
                             int32_t partition_count) {
  ottla_transaction **transaction = user_data;
  CHECK(strcmp(topic, "orders") == 0 && partition_count == 2);
  CHECK(ottla_transaction_send(*transaction, topic, record, 1, NULL, NULL) ==
        OTTLA_E_CONCURRENT_USE);
  CHECK(ottla_transaction_abort(*transaction, NULL) == OTTLA_E_CONCURRENT_USE);
  return 1;
}

static void a_partitioner_may_choose(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  ottla_producer_options options = {.struct_size = sizeof options,
                                    .partitioner = partition_one,
                                    .partitioner_data = &transaction};
  ottla_record records[] = {record_of("a", "x"), record_of("b", "y")};
  int64_t end = end_of(broker, "orders", 1);
  CHECK_OK(ottla_transaction_begin_with_options(broker, NULL, 0, &options, &transaction, &error),
           error);
  CHECK_OK(ottla_transaction_send(transaction, "orders", records, 2, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  CHECK(end_of(broker, "orders", 1) == end + 2);
  options.struct_size = 0;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_begin_with_options(broker, NULL, 0, &options, &transaction, &error),
              error);
}

/* What the threads of a test share. */
struct shared {
  ottla_transaction *transaction;
  atomic_int ready;
  atomic_int sent;
};

static void *commit_it(void *argument) {
  struct shared *shared = argument;
  atomic_store(&shared->ready, 1);
  ottla_status status = ottla_transaction_commit(shared->transaction, NULL);
  /* Too late, or to the end: freed in the middle, it goes on. */
  CHECK(status == OTTLA_OK || status == OTTLA_E_INVALID_HANDLE);
  return status == OTTLA_OK ? shared : NULL;
}

static void freed_under_a_commit_it_is_all_or_nothing(ottla_broker *broker) {
  for (int turn = 0; turn < 100; turn += 1) {
    struct shared shared = {.transaction = begin(broker)};
    for (int index = 0; index < 2; index += 1) {
      send_to(shared.transaction, index, "both or none");
    }
    int64_t first = end_of(broker, "orders", 0);
    int64_t second = end_of(broker, "orders", 1);
    pthread_t thread;
    void *committed = NULL;
    CHECK(pthread_create(&thread, NULL, commit_it, &shared) == 0);
    while (atomic_load(&shared.ready) == 0) {
    }
    for (int spin = 0; spin < turn * 100; spin += 1) {
      atomic_load(&shared.ready);
    }
    CHECK_OK(ottla_transaction_free(shared.transaction), NULL);
    CHECK(pthread_join(thread, &committed) == 0);
    int64_t more = committed == NULL ? 0 : 1;
    CHECK(end_of(broker, "orders", 0) == first + more);
    CHECK(end_of(broker, "orders", 1) == second + more);
  }
}

static void *send_many(void *argument) {
  struct shared *shared = argument;
  for (int turn = 0; turn < 500; turn += 1) {
    ottla_error *error = NULL;
    ottla_record record = record_of(NULL, "x");
    record.flags = OTTLA_RECORD_PARTITION;
    ottla_status status =
        ottla_transaction_send(shared->transaction, "orders", &record, 1, NULL, &error);
    CHECK(status == OTTLA_OK || status == OTTLA_E_CONCURRENT_USE);
    CHECK(ottla_error_free(error) == OTTLA_OK);
    atomic_fetch_add(&shared->sent, status == OTTLA_OK);
  }
  return NULL;
}

static void one_thread_at_a_time_is_inside(ottla_broker *broker) {
  ottla_error *error = NULL;
  struct shared shared = {.transaction = begin(broker)};
  int64_t end = end_of(broker, "orders", 0);
  pthread_t threads[3];
  for (int index = 0; index < 3; index += 1) {
    CHECK(pthread_create(&threads[index], NULL, send_many, &shared) == 0);
  }
  for (int index = 0; index < 3; index += 1) {
    CHECK(pthread_join(threads[index], NULL) == 0);
  }
  CHECK_OK(ottla_transaction_commit(shared.transaction, &error), error);
  CHECK(atomic_load(&shared.sent) > 0);
  CHECK(end_of(broker, "orders", 0) == end + atomic_load(&shared.sent));
  CHECK_OK(ottla_transaction_free(shared.transaction), NULL);
}

static void *send_for_long(void *argument) {
  struct shared *shared = argument;
  static ottla_record records[1000];
  while (atomic_load(&shared->ready) == 0) {
    /* Once the transaction is full they are refused, one after the other call. */
    ottla_transaction_send(shared->transaction, "orders", records, 1000, NULL, NULL);
  }
  return NULL;
}

static void the_second_thread_is_told_so(ottla_broker *broker) {
  struct shared shared = {.transaction = begin(broker)};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, send_for_long, &shared) == 0);
  ottla_status status = OTTLA_OK;
  time_t begun = time(NULL);
  while (status != OTTLA_E_CONCURRENT_USE) {
    CHECK(status == OTTLA_OK && time(NULL) < begun + 30);
    status = ottla_transaction_expect_end(shared.transaction, "orders", 0, 0, NULL);
  }
  atomic_store(&shared.ready, 1);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_OK(ottla_transaction_free(shared.transaction), NULL);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = open_broker();
  records_are_there_together_or_not_at_all(broker);
  it_ends_when_its_time_is_up(broker);
  what_is_refused_leaves_the_rest(broker);
  conditions_are_asked_at_the_commit(broker);
  null_and_foreign_handles_are_refused(broker);
  a_partitioner_may_choose(broker);
  freed_under_a_commit_it_is_all_or_nothing(broker);
  one_thread_at_a_time_is_inside(broker);
  the_second_thread_is_told_so(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
