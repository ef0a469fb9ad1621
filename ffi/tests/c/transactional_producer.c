/* Producers with a transactional.id: Kafka's verbs, and that the newest of an id is the only one. */

#include "records.h"

static const ottla_setting CASHIER[] = {{"transactional.id", "cashier"}};

static ottla_transactional_producer *make(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transactional_producer *producer = NULL;
  CHECK_OK(ottla_transactional_producer_new(broker, CASHIER, 1, NULL, &producer, &error), error);
  return producer;
}

static int64_t end_of_payments(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_snapshot *snapshot = NULL;
  int64_t end = -1;
  CHECK_OK(ottla_snapshot_new(broker, NULL, 0, &snapshot, &error), error);
  CHECK_OK(ottla_snapshot_end_offset(snapshot, "payments", 1, &end, &error), error);
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
  return end;
}

/* Everything goes to partition 1. */
static int32_t partition_one(void *user_data, const char *topic, const ottla_record *record,
                             int32_t partition_count) {
  *(int *)user_data += 1;
  return strcmp(topic, "payments") == 0 && record->value != NULL && partition_count == 2 ? 1 : -1;
}

static void one_transaction_after_the_other(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transactional_producer *producer = NULL;
  ottla_places *places = NULL;
  int asked = 0;
  ottla_producer_options options = {.struct_size = sizeof options,
                                    .partitioner = partition_one,
                                    .partitioner_data = &asked};
  CHECK_OK(ottla_transactional_producer_new(broker, CASHIER, 1, &options, &producer, &error), error);
  CHECK(strcmp(ottla_transactional_producer_id(producer), "cashier") == 0);
  ottla_record records[] = {record_of("john", "-5"), record_of("jane", "+5")};
  size_t taken = 99;

  /* Kafka's order of verbs. */
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE,
              ottla_transactional_producer_send(producer, "payments", records, 2, &taken, &error),
              error);
  CHECK(taken == 0);
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE,
              ottla_transactional_producer_commit_transaction(producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE,
              ottla_transactional_producer_abort_transaction(producer, &error), error);
  for (int64_t turn = 1; turn <= 2; turn += 1) {
    CHECK_OK(ottla_transactional_producer_begin_transaction(producer, &error), error);
    CHECK_FAILS(OTTLA_E_INVALID_TRANSACTION_STATE,
                ottla_transactional_producer_begin_transaction(producer, &error), error);
    CHECK_OK(ottla_transactional_producer_send(producer, "payments", records, 2, &taken, &error),
             error);
    CHECK(taken == 2 && asked == 2 * turn);
    CHECK(end_of_payments(broker) == 2 * (turn - 1));
    CHECK_OK(ottla_transactional_producer_commit_with_places(producer, &places, &error), error);
    ottla_place place = {.struct_size = sizeof place};
    CHECK_OK(ottla_places_get(places, 0, &place, &error), error);
    CHECK(place.partition == 1 && place.last_offset == 2 * turn - 1);
    CHECK_OK(ottla_places_free(places), NULL);
    CHECK(end_of_payments(broker) == 2 * turn);
  }

  /* An aborted one leaves nothing, nor does one whose condition does not hold. */
  CHECK_OK(ottla_transactional_producer_begin_transaction(producer, &error), error);
  CHECK_OK(ottla_transactional_producer_send(producer, "payments", records, 2, NULL, &error), error);
  CHECK_OK(ottla_transactional_producer_abort_transaction(producer, &error), error);
  CHECK_OK(ottla_transactional_producer_begin_transaction(producer, &error), error);
  CHECK_OK(ottla_transactional_producer_send(producer, "payments", records, 2, NULL, &error), error);
  CHECK_OK(ottla_transactional_producer_expect_end(producer, "payments", 1, 3, &error), error);
  CHECK_OK(ottla_transactional_producer_expect_version(producer, "payments", (const uint8_t *)"jim",
                                                       3, OTTLA_VERSION_NO_STREAM, &error),
           error);
  ottla_status status = ottla_transactional_producer_commit_transaction(producer, &error);
  CHECK(status == OTTLA_E_CONFLICT);
  ottla_conflict conflict = {.struct_size = sizeof conflict};
  CHECK_OK(ottla_error_conflict(error, &conflict, NULL), NULL);
  CHECK(conflict.expected == 3 && conflict.actual == 4 && conflict.record_count == 1);
  CHECK_OK(ottla_error_free(error), NULL);
  CHECK(end_of_payments(broker) == 4);
  CHECK_OK(ottla_transactional_producer_free(producer), NULL);
  CHECK(ottla_transactional_producer_free(producer) == OTTLA_E_INVALID_HANDLE);
  CHECK(ottla_transactional_producer_id(producer) == NULL);
}

static void a_newer_one_fences(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transactional_producer *older = make(broker);
  ottla_record record = record_of("john", "never");
  record.partition = 1;
  record.flags = OTTLA_RECORD_PARTITION;
  int64_t end = end_of_payments(broker);
  CHECK_OK(ottla_transactional_producer_begin_transaction(older, &error), error);
  CHECK_OK(ottla_transactional_producer_send(older, "payments", &record, 1, NULL, &error), error);
  ottla_transactional_producer *newer = make(broker);
  CHECK_FAILS(OTTLA_E_FENCED,
              ottla_transactional_producer_send(older, "payments", &record, 1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_FENCED, ottla_transactional_producer_commit_transaction(older, &error), error);
  CHECK_FAILS(OTTLA_E_FENCED, ottla_transactional_producer_begin_transaction(older, &error), error);
  CHECK(end_of_payments(broker) == end);
  CHECK_OK(ottla_transactional_producer_free(older), NULL);
  CHECK_OK(ottla_transactional_producer_begin_transaction(newer, &error), error);
  CHECK_OK(ottla_transactional_producer_send(newer, "payments", &record, 1, NULL, &error), error);
  CHECK_OK(ottla_transactional_producer_commit_transaction(newer, &error), error);
  CHECK(end_of_payments(broker) == end + 1);

  /* Freed with an open transaction, it leaves nothing of it. */
  CHECK_OK(ottla_transactional_producer_begin_transaction(newer, &error), error);
  CHECK_OK(ottla_transactional_producer_send(newer, "payments", &record, 1, NULL, &error), error);
  CHECK(ottla_close(broker, 0, &error) == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "the transactional producer cashier") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  CHECK_OK(ottla_transactional_producer_free(newer), NULL);
  CHECK(end_of_payments(broker) == end + 1);
}

static void what_cannot_be_is_refused(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transactional_producer *producer = NULL;
  ottla_producer *plain = NULL;
  ottla_places *places = NULL;
  ottla_setting empty[] = {{"transactional.id", ""}};
  ottla_setting weak[] = {{"transactional.id", "x"}, {"acks", "1"}};
  ottla_setting other[] = {{"linger.ms", "5"}};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transactional_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transactional_producer_new(broker, other, 1, NULL, &producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transactional_producer_new(broker, empty, 1, NULL, &producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transactional_producer_new(broker, weak, 2, NULL, &producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_transactional_producer_new(broker, CASHIER, 1, NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transactional_producer_new(NULL, CASHIER, 1, NULL, &producer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_new(broker, CASHIER, 1, NULL, &plain, &error),
              error);
  CHECK(producer == NULL && plain == NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transactional_producer_begin_transaction(NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transactional_producer_send(NULL, "payments", NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transactional_producer_expect_end(NULL, "payments", 0, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transactional_producer_expect_version(NULL, "payments", (const uint8_t *)"k", 1,
                                                          0, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transactional_producer_commit_transaction(NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_transactional_producer_commit_with_places(NULL, &places, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_transactional_producer_abort_transaction(NULL, &error),
              error);
  CHECK(ottla_transactional_producer_id(NULL) == NULL);
  CHECK_OK(ottla_transactional_producer_free(NULL), NULL);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting indexed[] = {{"ottla.key.index", "true"}};
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "payments", 2, indexed, 1, &error), error);
  one_transaction_after_the_other(broker);
  a_newer_one_fences(broker);
  what_cannot_be_is_refused(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
