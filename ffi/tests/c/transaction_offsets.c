/* Offsets of groups in transactions: read, process, write, exactly once. */

#include <pthread.h>
#include <time.h>

#include "records.h"

static ottla_broker *open_broker(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_topic_create(broker, "deliveries", 1, NULL, 0, &error), error);
  return broker;
}

static ottla_transaction *begin(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  return transaction;
}

static ottla_consumer *make_consumer(ottla_broker *broker, const char *group) {
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  const ottla_setting settings[] = {{"auto.offset.reset", "earliest"}, {"group.id", group}};
  const char *const topics[] = {"orders"};
  const ottla_topic_partition partitions[] = {{"orders", 0, 0}};
  CHECK_OK(ottla_consumer_new(broker, settings, group == NULL ? 1 : 2, NULL, &consumer, &error),
           error);
  if (group == NULL) {
    CHECK_OK(ottla_consumer_assign(consumer, partitions, 1, &error), error);
  } else {
    CHECK_OK(ottla_consumer_subscribe(consumer, topics, 1, &error), error);
  }
  return consumer;
}

/* How many records a poll returns. */
static size_t poll_once(ottla_consumer *consumer) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  CHECK_OK(ottla_consumer_poll(consumer, 0, &records, &error), error);
  size_t count = count_of(records);
  if (records != NULL) {
    CHECK_OK(ottla_records_free(records), NULL);
  }
  return count;
}

/* What a group committed of orders-0; -1 for nothing. */
static int64_t committed_of(ottla_broker *broker, const char *group) {
  ottla_error *error = NULL;
  ottla_snapshot *snapshot = NULL;
  ottla_offsets *offsets = NULL;
  ottla_offset offset;
  const ottla_topic_partition partition = {"orders", 0, 0};
  CHECK_OK(ottla_snapshot_new(broker, &group, 1, &snapshot, &error), error);
  CHECK_OK(ottla_snapshot_committed(snapshot, group, &partition, 1, &offsets, &error), error);
  CHECK_OK(ottla_offsets_get(offsets, 0, &offset, &error), error);
  int64_t committed = offset.offset;
  CHECK_OK(ottla_offsets_free(offsets), NULL);
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
  return committed;
}

static void positions_are_committed_with_the_records(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_record delivery = record_of(NULL, "to john");
  ottla_consumer *consumer = make_consumer(broker, "kitchen");
  for (int64_t turn = 1; turn <= 3; turn += 1) {
    write_record(broker, "orders", NULL, "one burger");
    while (poll_once(consumer) == 0) {
    }
    ottla_transaction *transaction = begin(broker);
    CHECK_OK(ottla_transaction_send(transaction, "deliveries", &delivery, 1, NULL, &error), error);
    CHECK_OK(ottla_transaction_commit_offsets(transaction, consumer, &error), error);
    if (turn == 2) {
      CHECK_OK(ottla_transaction_abort(transaction, &error), error);
    } else {
      CHECK_OK(ottla_transaction_commit(transaction, &error), error);
    }
    CHECK_OK(ottla_transaction_free(transaction), NULL);
    CHECK(committed_of(broker, "kitchen") == (turn == 2 ? 1 : turn));
  }

  /* The same with a producer that has an id. */
  const ottla_setting cook[] = {{"transactional.id", "cook"}};
  ottla_transactional_producer *producer = NULL;
  CHECK_OK(ottla_transactional_producer_new(broker, cook, 1, NULL, &producer, &error), error);
  write_record(broker, "orders", NULL, "one burger");
  while (poll_once(consumer) == 0) {
  }
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE,
              ottla_transactional_producer_commit_offsets(producer, consumer, &error), error);
  CHECK_OK(ottla_transactional_producer_begin_transaction(producer, &error), error);
  CHECK_OK(ottla_transactional_producer_commit_offsets(producer, consumer, &error), error);
  CHECK_OK(ottla_transactional_producer_commit_transaction(producer, &error), error);
  CHECK(committed_of(broker, "kitchen") == 4);
  CHECK_OK(ottla_transactional_producer_begin_transaction(producer, &error), error);
  const ottla_offset guests = {"orders", 0, -1, 2, NULL};
  CHECK_OK(ottla_transactional_producer_commit_offsets_of(producer, "guests", &guests, 1, &error),
           error);
  CHECK_OK(ottla_transactional_producer_commit_transaction(producer, &error), error);
  CHECK(committed_of(broker, "guests") == 2);
  CHECK_OK(ottla_transactional_producer_free(producer), NULL);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
}

static void a_group_with_members_commits_by_them(ottla_broker *broker) {
  ottla_error *error = NULL;
  const ottla_offset offset = {"orders", 0, -1, 1, NULL};
  ottla_consumer *consumer = make_consumer(broker, "waiters");
  poll_once(consumer);
  ottla_transaction *transaction = begin(broker);
  CHECK_OK(ottla_transaction_commit_offsets_of(transaction, "waiters", &offset, 1, &error), error);
  CHECK_FAILS(OTTLA_E_GROUP_NOT_EMPTY, ottla_transaction_commit(transaction, &error), error);
  /* It stays open: when they are gone it can be committed. */
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK(committed_of(broker, "waiters") == 1);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

static void what_cannot_be_is_refused(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = begin(broker);
  ottla_consumer *alone = make_consumer(broker, NULL);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_transaction_commit_offsets(transaction, alone, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transaction_commit_offsets(transaction, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transaction_commit_offsets(NULL, alone, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transactional_producer_commit_offsets(NULL, alone, &error), error);
  CHECK_OK(ottla_consumer_free(alone), NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transaction_commit_offsets(transaction, alone, &error),
              error);

  ottla_broker *other = open_broker();
  ottla_consumer *foreign = make_consumer(other, "kitchen");
  poll_once(foreign);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_transaction_commit_offsets(transaction, foreign, &error),
              error);
  CHECK_OK(ottla_consumer_free(foreign), NULL);
  CHECK_OK(ottla_close(other, 0, &error), error);

  ottla_offset offset = {"orders", 0, -1, 0, NULL};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_commit_offsets_of(transaction, NULL, &offset, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_commit_offsets_of(transaction, "g", NULL, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transaction_commit_offsets_of(NULL, "g", &offset, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transactional_producer_commit_offsets_of(NULL, "g", &offset, 1, &error), error);
  offset.offset = -7;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_commit_offsets_of(transaction, "g", &offset, 1, &error), error);
  offset.offset = 0;
  offset.topic = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transaction_commit_offsets_of(transaction, "g", &offset, 1, &error), error);
  offset.topic = "nowhere";
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_transaction_commit_offsets_of(transaction, "g", &offset, 1, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

static void *poll_for_ever(void *consumer) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  ottla_status status = OTTLA_E_CONCURRENT_USE;
  while (status == OTTLA_E_CONCURRENT_USE) {
    /* The other thread may be inside at this moment. */
    CHECK_OK(ottla_error_free(error), NULL);
    error = NULL;
    status = ottla_consumer_poll(consumer, -1, &records, &error);
  }
  CHECK_OK(status, error);
  CHECK_OK(ottla_records_free(records), NULL);
  return NULL;
}

static void another_thread_polls_the_consumer(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_consumer *consumer = make_consumer(broker, "pollers");
  while (poll_once(consumer) > 0) {
  }
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, poll_for_ever, consumer) == 0);
  ottla_transaction *transaction = begin(broker);
  ottla_status status = OTTLA_OK;
  while (status == OTTLA_OK) {
    struct timespec pause = {0, 1000 * 1000};
    nanosleep(&pause, NULL);
    status = ottla_transaction_commit_offsets(transaction, consumer, NULL);
  }
  CHECK(status == OTTLA_E_CONCURRENT_USE);
  write_record(broker, "orders", NULL, "one burger");
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK_OK(ottla_transaction_commit_offsets(transaction, consumer, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = open_broker();
  positions_are_committed_with_the_records(broker);
  a_group_with_members_commits_by_them(broker);
  what_cannot_be_is_refused(broker);
  another_thread_polls_the_consumer(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
