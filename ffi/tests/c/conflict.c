/* What stood against a condition: what was expected, what there was, and what was missed. */

#include "records.h"

static ottla_broker *open_broker(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  ottla_setting indexed[] = {{"ottla.key.index", "true"}};
  CHECK_OK(ottla_topic_create(broker, "accounts", 1, indexed, 1, &error), error);
  CHECK_OK(ottla_topic_create(broker, "seats", 1, NULL, 0, &error), error);
  return broker;
}

/* The error of a commit that expected an end, or with a key its version. */
static ottla_error *error_of(ottla_broker *broker, const char *topic, const char *key,
                             int64_t expected) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  if (key == NULL) {
    CHECK_OK(ottla_transaction_expect_end(transaction, topic, 0, expected, &error), error);
  } else {
    CHECK_OK(ottla_transaction_expect_version(transaction, topic, (const uint8_t *)key, strlen(key),
                                              expected, &error),
             error);
  }
  CHECK(ottla_transaction_commit(transaction, &error) == OTTLA_E_CONFLICT);
  CHECK(ottla_error_status(error) == OTTLA_E_CONFLICT);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
  return error;
}

static void the_missed_records_are_there(ottla_broker *broker) {
  write_record(broker, "seats", NULL, "john takes 17");
  write_record(broker, "seats", "jane", NULL);
  ottla_error *error = error_of(broker, "seats", NULL, 0);
  ottla_conflict conflict = {.struct_size = sizeof conflict};
  ottla_records *records = NULL;
  CHECK_OK(ottla_error_conflict(error, &conflict, &records), error);
  CHECK(strcmp(conflict.topic, "seats") == 0 && conflict.partition == 0);
  CHECK(conflict.key == NULL && conflict.key_length == 0);
  CHECK(conflict.expected == 0 && conflict.actual == 2);
  CHECK(conflict.record_count == 2 && conflict.is_complete == 1);
  CHECK_OK(ottla_error_free(error), NULL);

  /* They outlive the error. */
  CHECK(count_of(records) == 2);
  ottla_record_view first = view_of(records, 0);
  CHECK(first.offset == 0 && first.key == NULL && first.key_length == -1);
  CHECK(first.timestamp > 0);
  CHECK(is_text(first.value, first.value_length, "john takes 17"));
  ottla_record_view second = view_of(records, 1);
  CHECK(is_text(second.key, second.key_length, "jane"));
  CHECK(second.value == NULL && second.value_length == -1);
  CHECK_OK(ottla_records_free(records), NULL);
}

static void a_version_names_its_key(ottla_broker *broker) {
  ottla_conflict conflict = {.struct_size = sizeof conflict};
  ottla_records *records = NULL;
  write_record(broker, "accounts", "ada", "opened");
  write_record(broker, "accounts", "bob", "opened");
  write_record(broker, "accounts", "ada", "+5");

  ottla_error *error = error_of(broker, "accounts", "ada", OTTLA_VERSION_NO_STREAM);
  CHECK_OK(ottla_error_conflict(error, &conflict, &records), error);
  CHECK(is_text(conflict.key, (int64_t)conflict.key_length, "ada"));
  CHECK(conflict.expected == OTTLA_VERSION_NO_STREAM && conflict.actual == 2);
  CHECK(conflict.is_complete == 1);
  const char *values[] = {"opened", "+5", NULL};
  check_values(records, values);
  CHECK_OK(ottla_error_free(error), NULL);

  error = error_of(broker, "accounts", "ada", 0);
  CHECK_OK(ottla_error_conflict(error, &conflict, &records), error);
  CHECK(conflict.expected == 0 && conflict.actual == 2);
  check_values(records, &values[1]);
  CHECK_OK(ottla_error_free(error), NULL);

  /* A stream that is not there: nothing was missed. An empty key is not NULL. */
  error = error_of(broker, "accounts", "", 7);
  CHECK_OK(ottla_error_conflict(error, &conflict, &records), error);
  CHECK(conflict.key != NULL && conflict.key_length == 0);
  CHECK(conflict.expected == 7 && conflict.actual == OTTLA_VERSION_NO_STREAM);
  CHECK(conflict.record_count == 0 && records == NULL);
  CHECK_OK(ottla_error_free(error), NULL);
}

static void an_end_that_was_never_reached_has_no_records(ottla_broker *broker) {
  ottla_conflict conflict = {.struct_size = sizeof conflict};
  ottla_records *records = NULL;
  ottla_error *error = error_of(broker, "seats", NULL, 1000);
  CHECK_OK(ottla_error_conflict(error, &conflict, &records), error);
  CHECK(conflict.expected == 1000 && conflict.actual == 2);
  CHECK(conflict.record_count == 0 && records == NULL);
  CHECK_OK(ottla_error_free(error), NULL);
}

static void many_missed_records_are_cut_off(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  static ottla_record many[1500];
  for (size_t index = 0; index < 1500; index += 1) {
    many[index] = record_of("many", "x");
  }
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "seats", many, 1500, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);

  ottla_conflict conflict = {.struct_size = sizeof conflict};
  ottla_records *records = NULL;
  error = error_of(broker, "seats", NULL, 2);
  CHECK_OK(ottla_error_conflict(error, &conflict, &records), error);
  CHECK(conflict.expected == 2 && conflict.actual == 1502);
  CHECK(conflict.record_count == 1000 && conflict.is_complete == 0);
  CHECK(count_of(records) == 1000);
  CHECK(view_of(records, 0).offset == 2 && view_of(records, 999).offset == 1001);
  CHECK_OK(ottla_records_free(records), NULL);
  CHECK_OK(ottla_error_free(error), NULL);
}

static void what_is_no_conflict_has_none(ottla_broker *broker) {
  ottla_conflict conflict = {.struct_size = sizeof conflict};
  ottla_records *records = NULL;
  ottla_error *error = NULL;
  CHECK(ottla_topic_delete(broker, "nowhere", &error) == OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION);
  CHECK(ottla_error_conflict(error, &conflict, &records) == OTTLA_E_INVALID_INPUT);
  CHECK(conflict.topic == NULL && records == NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  CHECK(ottla_error_conflict(error, &conflict, &records) == OTTLA_E_INVALID_HANDLE);
  CHECK(ottla_error_conflict(NULL, &conflict, &records) == OTTLA_E_INVALID_HANDLE);

  /* Either may be left out; a struct has a size. An older one is filled as far as it goes. */
  error = error_of(broker, "seats", NULL, 1);
  CHECK_OK(ottla_error_conflict(error, NULL, NULL), NULL);
  CHECK_OK(ottla_error_conflict(error, &conflict, NULL), NULL);
  CHECK(conflict.expected == 1 && conflict.record_count == 1000);
  conflict.struct_size = 0;
  size_t before = ottla_handle_count();
  CHECK(ottla_error_conflict(error, &conflict, &records) == OTTLA_E_INVALID_INPUT);
  CHECK(records == NULL && ottla_handle_count() == before);
  conflict.struct_size = 8;
  conflict.expected = -77;
  CHECK_OK(ottla_error_conflict(error, &conflict, NULL), NULL);
  CHECK(conflict.partition == 0 && conflict.expected == -77);
  CHECK_OK(ottla_error_free(error), NULL);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = open_broker();
  the_missed_records_are_there(broker);
  a_version_names_its_key(broker);
  an_end_that_was_never_reached_has_no_records(broker);
  many_missed_records_are_cut_off(broker);
  what_is_no_conflict_has_none(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
