/* Records of texts, written and compared: what most of the C programs beside this file need. */

#ifndef RECORDS_H
#define RECORDS_H

#include <string.h>

#include "check.h"

/* A record of two texts; either may be NULL. */
static inline ottla_record record_of(const char *key, const char *value) {
  ottla_record record;
  memset(&record, 0, sizeof record);
  record.key = (const uint8_t *)key;
  record.key_length = key == NULL ? 0 : strlen(key);
  record.value = (const uint8_t *)value;
  record.value_length = value == NULL ? 0 : strlen(value);
  return record;
}

/* Writes one record, durably. */
static inline void write_record(ottla_broker *broker, const char *topic, const char *key,
                                const char *value) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  ottla_record record = record_of(key, value);
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, topic, &record, 1, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

/* Whether bytes are those of a text; both may be NULL. */
static inline bool is_text(const uint8_t *bytes, int64_t length, const char *text) {
  if (bytes == NULL || text == NULL) {
    return bytes == NULL && text == NULL;
  }
  return (size_t)length == strlen(text) && memcmp(bytes, text, (size_t)length) == 0;
}

/* The number of records, 0 for NULL. */
static inline size_t count_of(const ottla_records *records) {
  ottla_error *error = NULL;
  size_t count = 0;
  if (records != NULL) {
    CHECK_OK(ottla_records_views(records, NULL, &count, &error), error);
  }
  return count;
}

/* One of the records. */
static inline ottla_record_view view_of(const ottla_records *records, size_t index) {
  ottla_error *error = NULL;
  const ottla_record_view *views = NULL;
  size_t count = 0;
  CHECK_OK(ottla_records_views(records, &views, &count, &error), error);
  CHECK(index < count);
  return views[index];
}

/* Ends the program unless the values of the records are these, up to a NULL; frees them. */
static inline void check_values(ottla_records *records, const char *const *values) {
  size_t count = 0;
  for (; values[count] != NULL; count += 1) {
    ottla_record_view view = view_of(records, count);
    CHECK(is_text(view.value, view.value_length, values[count]));
  }
  CHECK(count_of(records) == count);
  CHECK_OK(ottla_records_free(records), NULL);
}

#endif
