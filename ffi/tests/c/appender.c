/* Appends once: identities, sequence numbers, a program that dies between an append and its note of
 * it, and one that takes over. */

#include <string.h>

#include "check.h"

static ottla_record record_of(const char *value) {
  ottla_record record = {0};
  record.value = (const uint8_t *)value;
  record.value_length = strlen(value);
  return record;
}

static int64_t end_of(const ottla_partition *partition) {
  ottla_error *error = NULL;
  int64_t end = -1;
  CHECK_OK(ottla_partition_end_offset(partition, &end, &error), error);
  return end;
}

static int32_t next_of(const ottla_appender *appender) {
  ottla_error *error = NULL;
  int32_t next = -1;
  CHECK_OK(ottla_appender_next_sequence(appender, &next, &error), error);
  return next;
}

static void what_is_appended_again_is_stored_once(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_partition *partition = NULL;
  ottla_appender *appender = NULL;
  ottla_producer_identity identity = {-1, -1, {0}};
  ottla_record records[] = {record_of("one burger"), record_of("two burgers")};
  ottla_appended first = {-9, -9};
  ottla_appended again = {-9, -9};
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_producer_identity_new(broker, &identity, &error), error);
  CHECK(identity.id >= 0 && identity.epoch == 0);
  CHECK_OK(ottla_partition_new(broker, "orders", 0, &partition, &error), error);
  CHECK_OK(ottla_appender_new(partition, OTTLA_ACKS_ALL, &identity, 0, &appender, &error), error);
  CHECK_OK(ottla_appender_append(appender, records, 2, &first, &error), error);
  CHECK(first.base_offset == 0 && first.last_offset == 1 && next_of(appender) == 2);
  CHECK_OK(ottla_appender_append(appender, records, 1, NULL, &error), error);
  CHECK(next_of(appender) == 3 && end_of(partition) == 3);
  CHECK(ottla_appender_free(appender) == OTTLA_OK && ottla_partition_free(partition) == OTTLA_OK);
  CHECK(ottla_abandon(broker) == OTTLA_OK);

  /* The note said that the last one was to be appended. */
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_partition_new(broker, "orders", 0, &partition, &error), error);
  CHECK_OK(ottla_appender_new(partition, OTTLA_ACKS_ALL, &identity, 2, &appender, &error), error);
  CHECK_OK(ottla_appender_append(appender, records, 1, &again, &error), error);
  CHECK(again.base_offset == 2 && again.last_offset == 2 && end_of(partition) == 3);
  CHECK(ottla_appender_free(appender) == OTTLA_OK);
  CHECK_OK(ottla_appender_new(partition, OTTLA_ACKS_ALL, &identity, 7, &appender, &error), error);
  CHECK_FAILS(OTTLA_E_OUT_OF_ORDER_SEQUENCE,
              ottla_appender_append(appender, records, 1, &again, &error), error);
  CHECK(next_of(appender) == 7 && again.base_offset == 2);
  CHECK(ottla_appender_free(appender) == OTTLA_OK && ottla_partition_free(partition) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void who_takes_over_fences_the_old_one(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_partition *partition = NULL;
  ottla_appender *old = NULL;
  ottla_appender *newer = NULL;
  ottla_producer_identity identity = {0};
  ottla_producer_identity successor = {0};
  ottla_record record = record_of("one burger");
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_producer_identity_new(broker, &identity, &error), error);
  CHECK_OK(ottla_partition_new(broker, "orders", 0, &partition, &error), error);
  CHECK_OK(ottla_appender_new(partition, OTTLA_ACKS_LEADER, &identity, 0, &old, &error), error);
  CHECK_OK(ottla_appender_append(old, &record, 1, NULL, &error), error);
  CHECK_OK(ottla_producer_identity_fence(broker, &identity, &successor, &error), error);
  CHECK(successor.id == identity.id && successor.epoch == identity.epoch + 1);
  CHECK_FAILS(OTTLA_E_FENCED, ottla_appender_append(old, &record, 1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_FENCED, ottla_producer_identity_fence(broker, &identity, &identity, &error),
              error);
  CHECK_OK(ottla_appender_new(partition, OTTLA_ACKS_ALL, &successor, 0, &newer, &error), error);
  CHECK_OK(ottla_appender_append_expecting(newer, 1, &record, 1, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_CONFLICT,
              ottla_appender_append_expecting(newer, 1, &record, 1, NULL, &error), error);
  CHECK(end_of(partition) == 2 && next_of(newer) == 1);

  ottla_producer_states *states = NULL;
  ottla_producer_state state = {.struct_size = sizeof(state)};
  CHECK_OK(ottla_partition_producers(partition, &states, &error), error);
  CHECK(ottla_producer_states_count(states) == 1);
  CHECK_OK(ottla_producer_states_get(states, 0, &state, &error), error);
  CHECK(state.id == identity.id && state.epoch == successor.epoch && state.last_sequence == 0);
  CHECK(state.last_offset == 1 && state.last_timestamp > 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_states_get(states, 1, &state, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_states_get(states, 0, NULL, &error), error);
  CHECK(ottla_producer_states_count(NULL) == 0 && ottla_producer_states_free(NULL) == OTTLA_OK);
  CHECK(ottla_producer_states_free(states) == OTTLA_OK);
  CHECK(ottla_producer_states_free(states) == OTTLA_E_INVALID_HANDLE);
  CHECK(ottla_appender_free(old) == OTTLA_OK && ottla_appender_free(newer) == OTTLA_OK);
  CHECK(ottla_partition_free(partition) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void wrong_arguments_are_named(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_partition *partition = NULL;
  ottla_appender *appender = NULL;
  ottla_producer_identity identity = {0};
  ottla_producer_identity invented = {99999999, 3, {0}};
  ottla_record record = record_of("one burger");
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_identity_new(broker, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_producer_identity_new(NULL, &identity, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_producer_identity_fence(broker, &invented, &identity, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_producer_identity_fence(broker, NULL, &identity, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_producer_identity_fence(broker, &invented, NULL, &error),
              error);
  CHECK_OK(ottla_producer_identity_new(broker, &identity, &error), error);
  CHECK_OK(ottla_partition_new(broker, "orders", 0, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_appender_new(partition, 1, NULL, 0, &appender, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_appender_new(partition, 5, &identity, 0, &appender, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_appender_new(NULL, 1, &identity, 0, &appender, &error),
              error);
  CHECK(appender == NULL);
  CHECK_OK(ottla_appender_new(partition, 1, &invented, 0, &appender, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_appender_append(appender, &record, 1, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_appender_append(appender, NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_appender_next_sequence(appender, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_appender_append(NULL, &record, 1, NULL, &error), error);
  CHECK(ottla_partition_free(partition) == OTTLA_OK);
  ottla_status status = ottla_close(broker, 0, &error);
  CHECK(status == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "an appender of orders-0") != NULL);
  CHECK(ottla_error_free(error) == OTTLA_OK);
  error = NULL;
  CHECK(ottla_appender_free(NULL) == OTTLA_OK && ottla_appender_free(appender) == OTTLA_OK);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  CHECK(ottla_sequence_after(7, 3) == 10 && ottla_sequence_after(INT32_MAX, 2) == 1);
}

int main(void) {
  what_is_appended_again_is_stored_once();
  who_takes_over_fences_the_old_one();
  wrong_arguments_are_named();
  return 0;
}
