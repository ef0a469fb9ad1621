/* A directory that is let go of under transactions, streams, tables and snapshots: whatever they are
 * asked then has an answer, and they can still be freed. */

#include "records.h"

static const uint8_t *const ADA = (const uint8_t *)"ada";

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_transaction *transaction = NULL;
  ottla_transactional_producer *producer = NULL;
  ottla_stream *stream = NULL;
  ottla_table *table = NULL;
  ottla_snapshot *snapshot = NULL;
  ottla_snapshot_reader *reader = NULL;
  ottla_record record = record_of("ada", "+5");
  const ottla_setting indexed[] = {{"ottla.key.index", "true"}};
  const ottla_setting cashier[] = {{"transactional.id", "cashier"}};
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "accounts", 1, indexed, 1, &error), error);
  write_record(broker, "accounts", "ada", "opened");
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "accounts", &record, 1, NULL, &error), error);
  CHECK_OK(ottla_transactional_producer_new(broker, cashier, 1, NULL, &producer, &error), error);
  CHECK_OK(ottla_transactional_producer_begin_transaction(producer, &error), error);
  CHECK_OK(ottla_transactional_producer_send(producer, "accounts", &record, 1, NULL, &error), error);
  CHECK_OK(ottla_stream_new(broker, "accounts", ADA, 3, &stream, &error), error);
  CHECK_OK(ottla_table_new(broker, "accounts", &table, &error), error);
  CHECK_OK(ottla_snapshot_new(broker, NULL, 0, &snapshot, &error), error);
  CHECK_OK(ottla_snapshot_read(snapshot, "accounts", 0, 0, &reader, &error), error);
  CHECK_OK(ottla_abandon(broker), NULL);

  ottla_records *records = NULL;
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_transaction_send(transaction, "accounts", &record, 1, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_transaction_commit(transaction, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_transactional_producer_commit_transaction(producer, &error),
              error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_transactional_producer_begin_transaction(producer, &error),
              error);
  CHECK_FAILS(OTTLA_E_CLOSED,
              ottla_stream_append(stream, &record, 1, OTTLA_ACKS_ALL, OTTLA_VERSION_ANY, NULL,
                                  &error),
              error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_table_catch_up(table, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_table_poll(table, -1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_CLOSED, ottla_snapshot_reader_next(reader, &records, &error), error);
  CHECK(records == NULL);

  /* What is in memory stays. */
  int64_t length = 0;
  int64_t end = 0;
  CHECK_OK(ottla_table_get(table, ADA, 3, NULL, 0, &length, &error), error);
  CHECK_OK(ottla_snapshot_end_offset(snapshot, "accounts", 0, &end, &error), error);
  CHECK(length == 6 && end == 1);

  CHECK_OK(ottla_transaction_free(transaction), NULL);
  CHECK_OK(ottla_transactional_producer_free(producer), NULL);
  CHECK_OK(ottla_stream_free(stream), NULL);
  CHECK_OK(ottla_table_free(table), NULL);
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
  CHECK_OK(ottla_snapshot_reader_free(reader), NULL);

  /* Nothing of the open transactions is there. */
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_snapshot_new(broker, NULL, 0, &snapshot, &error), error);
  CHECK_OK(ottla_snapshot_end_offset(snapshot, "accounts", 0, &end, &error), error);
  CHECK(end == 1);
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
