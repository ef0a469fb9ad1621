/* Tables: the newest value of each key, kept current, and gone through in pieces. */

#include <pthread.h>
#include <time.h>

#include "records.h"

static ottla_broker *open_broker(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "prices", 2, NULL, 0, &error), error);
  return broker;
}

/* Ends the program unless the key has this value; NULL for none. */
static void check_value(ottla_table *table, const void *key, size_t key_length,
                        const char *expected) {
  ottla_error *error = NULL;
  uint8_t buffer[16];
  int64_t length = -99;
  CHECK_OK(ottla_table_get(table, key, key_length, buffer, sizeof buffer, &length, &error), error);
  CHECK(is_text(length < 0 ? NULL : buffer, length, expected));
}

static size_t length_of(ottla_table *table) {
  ottla_error *error = NULL;
  size_t length = 99;
  CHECK_OK(ottla_table_length(table, &length, &error), error);
  return length;
}

static void a_table_moves_only_when_told(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_table *table = NULL;
  uint64_t count = 99;
  CHECK_OK(ottla_table_new(broker, "prices", &table, &error), error);
  CHECK(length_of(table) == 0);
  write_record(broker, "prices", "burger", "5");
  write_record(broker, "prices", "salad", "4");
  write_record(broker, "prices", "burger", "6");
  write_record(broker, "prices", "", "free");
  CHECK(length_of(table) == 0);
  CHECK_OK(ottla_table_catch_up(table, &count, &error), error);
  CHECK(count == 4);
  CHECK(length_of(table) == 3);
  check_value(table, "burger", 6, "6");
  check_value(table, "burg", 4, NULL);
  check_value(table, "", 0, "free");
  write_record(broker, "prices", "salad", NULL);
  write_record(broker, "prices", "", "");
  CHECK_OK(ottla_table_poll(table, 0, NULL, &error), error);
  check_value(table, "salad", 5, NULL);
  check_value(table, "", 0, "");
  CHECK_OK(ottla_table_poll(table, 10, &count, &error), error);
  CHECK(count == 0);
  ottla_offsets *offsets = NULL;
  int64_t total = 0;
  CHECK_OK(ottla_table_offsets(table, &offsets, &error), error);
  CHECK(ottla_offsets_count(offsets) == 2);
  for (size_t index = 0; index < 2; index += 1) {
    ottla_offset offset;
    CHECK_OK(ottla_offsets_get(offsets, index, &offset, &error), error);
    CHECK(strcmp(offset.topic, "prices") == 0 && offset.partition == (int32_t)index);
    total += offset.offset;
  }
  CHECK(total == 6);
  CHECK_OK(ottla_offsets_free(offsets), NULL);
  size_t memory = 0;
  CHECK_OK(ottla_table_memory_bytes(table, &memory, &error), error);
  CHECK(memory > 0);

  /* Values that do not fit are not copied, and say how long they are. */
  write_record(broker, "prices", "long", "0123456789");
  CHECK_OK(ottla_table_catch_up(table, NULL, &error), error);
  int64_t length = 0;
  char buffer[] = "__________";
  CHECK_OK(ottla_table_get(table, (const uint8_t *)"long", 4, (uint8_t *)buffer, 9, &length, &error),
           error);
  CHECK(length == 10 && buffer[0] == '_');
  CHECK_OK(ottla_table_get(table, (const uint8_t *)"long", 4, NULL, 0, &length, &error), error);
  CHECK(length == 10);
  CHECK_OK(ottla_table_get(table, (const uint8_t *)"long", 4, (uint8_t *)buffer, 10, &length,
                           &error),
           error);
  CHECK(strcmp(buffer, "0123456789") == 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_table_get(table, (const uint8_t *)"long", 4, NULL, 10, &length, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_table_get(table, (const uint8_t *)"long", 4, (uint8_t *)buffer, SIZE_MAX,
                              &length, &error),
              error);
  CHECK_OK(ottla_table_free(table), NULL);
  CHECK(ottla_table_free(table) == OTTLA_E_INVALID_HANDLE);
}

enum { KEYS = 3000 };

static void write_keys(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_transaction *transaction = NULL;
  static char names[KEYS][8];
  static ottla_record records[KEYS];
  for (int index = 0; index < KEYS; index += 1) {
    snprintf(names[index], sizeof names[index], "k%05d", index);
    records[index] = record_of(names[index], names[index]);
  }
  CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
  CHECK_OK(ottla_transaction_send(transaction, "keys", records, KEYS, NULL, &error), error);
  CHECK_OK(ottla_transaction_commit(transaction, &error), error);
  CHECK_OK(ottla_transaction_free(transaction), NULL);
}

/* Goes through the table in pieces of at most `most` entries. */
static void check_all_keys(ottla_table *table, size_t most) {
  ottla_error *error = NULL;
  static unsigned char seen[KEYS];
  memset(seen, 0, sizeof seen);
  ottla_table_position position = {0, 0};
  ottla_table_entries *entries = NULL;
  size_t total = 0;
  for (;;) {
    CHECK_OK(ottla_table_read(table, &position, most, &entries, &error), error);
    if (entries == NULL) {
      break;
    }
    const ottla_table_entry *all = NULL;
    size_t count = 0;
    CHECK_OK(ottla_table_entries_all(entries, &all, &count, &error), error);
    CHECK(count > 0 && (most == 0 || count <= most));
    for (size_t index = 0; index < count; index += 1) {
      CHECK(all[index].key_length == 6 && all[index].value_length == 6);
      CHECK(memcmp(all[index].key, all[index].value, 6) == 0);
      char digits[6] = {0};
      memcpy(digits, all[index].key + 1, 5);
      int number = atoi(digits);
      CHECK(number >= 0 && number < KEYS && seen[number] == 0);
      seen[number] = 1;
    }
    total += count;
    CHECK_OK(ottla_table_entries_free(entries), NULL);
  }
  CHECK(total == KEYS);
  /* The end stays the end. */
  CHECK_OK(ottla_table_read(table, &position, most, &entries, &error), error);
  CHECK(entries == NULL);
}

static void it_is_gone_through_in_pieces(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_table *table = NULL;
  CHECK_OK(ottla_topic_create(broker, "keys", 3, NULL, 0, &error), error);
  write_keys(broker);
  CHECK_OK(ottla_table_new(broker, "keys", &table, &error), error);
  check_all_keys(table, 0);
  check_all_keys(table, 1000);
  check_all_keys(table, 7);

  /* A position does not outlive a move. */
  ottla_table_position position = {0, 0};
  ottla_table_entries *entries = NULL;
  CHECK_OK(ottla_table_read(table, &position, 5, &entries, &error), error);
  CHECK_OK(ottla_table_catch_up(table, NULL, &error), error);
  ottla_table_entries *next = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_read(table, &position, 5, &next, &error), error);
  CHECK(next == NULL);
  /* Invented ones lead nowhere bad. */
  for (uint64_t place = 1; place != 0; place <<= 1) {
    ottla_table_position invented = {place, 1};
    CHECK_OK(ottla_table_read(table, &invented, 1, &next, &error), error);
    CHECK_OK(ottla_table_entries_free(next), NULL);
  }
  CHECK_OK(ottla_table_free(table), NULL);

  /* Entries outlive the table. */
  const ottla_table_entry *all = NULL;
  size_t count = 0;
  CHECK_OK(ottla_table_entries_all(entries, &all, &count, &error), error);
  CHECK(count == 5 && all[4].key[0] == 'k');
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_entries_all(entries, NULL, &count, &error), error);
  CHECK_OK(ottla_table_entries_free(entries), NULL);
  CHECK(ottla_table_entries_free(entries) == OTTLA_E_INVALID_HANDLE);
}

static void *poll_once(void *argument) {
  ottla_error *error = NULL;
  uint64_t count = 0;
  ottla_status status = OTTLA_E_CONCURRENT_USE;
  while (status == OTTLA_E_CONCURRENT_USE) {
    /* The other thread may be inside at this moment. */
    CHECK_OK(ottla_error_free(error), NULL);
    error = NULL;
    status = ottla_table_poll(argument, -1, &count, &error);
  }
  CHECK_OK(status, error);
  CHECK(count == 1);
  return NULL;
}

static void one_thread_at_a_time_moves_it(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_table *table = NULL;
  CHECK_OK(ottla_table_new(broker, "prices", &table, &error), error);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, poll_once, table) == 0);
  /* It waits for ever, inside of the table. */
  size_t length = 0;
  ottla_status status = OTTLA_OK;
  while (status == OTTLA_OK) {
    struct timespec pause = {0, 1000 * 1000};
    nanosleep(&pause, NULL);
    status = ottla_table_length(table, &length, NULL);
  }
  CHECK(status == OTTLA_E_CONCURRENT_USE);
  CHECK_FAILS(OTTLA_E_CONCURRENT_USE, ottla_table_catch_up(table, NULL, &error), error);
  int64_t found = 0;
  CHECK_FAILS(OTTLA_E_CONCURRENT_USE,
              ottla_table_get(table, (const uint8_t *)"k", 1, NULL, 0, &found, &error), error);
  write_record(broker, "prices", "cola", "2");
  CHECK(pthread_join(thread, NULL) == 0);
  check_value(table, "cola", 4, "2");
  CHECK_OK(ottla_table_free(table), NULL);
}

static void what_cannot_be_is_refused(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_table *table = NULL;
  size_t number = 0;
  int64_t length = 0;
  ottla_table_position position = {0, 0};
  ottla_table_entries *entries = NULL;
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, ottla_table_new(broker, "nowhere", &table, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_new(broker, NULL, &table, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_new(broker, "prices", NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_table_new(NULL, "prices", &table, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_table_length(NULL, &number, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_table_memory_bytes(NULL, &number, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_table_catch_up(NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_table_poll(NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE,
              ottla_table_get(NULL, (const uint8_t *)"k", 1, NULL, 0, &length, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_table_read(NULL, &position, 0, &entries, &error), error);
  CHECK_OK(ottla_table_free(NULL), NULL);
  CHECK_OK(ottla_table_entries_free(NULL), NULL);

  CHECK_OK(ottla_table_new(broker, "prices", &table, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_length(table, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_memory_bytes(table, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_get(table, NULL, 0, NULL, 0, &length, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_table_get(table, (const uint8_t *)"k", 1, NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_read(table, NULL, 0, &entries, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_table_read(table, &position, 0, NULL, &error), error);
  CHECK(ottla_close(broker, 0, &error) == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "a table of prices") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  error = NULL;
  CHECK_OK(ottla_topic_delete(broker, "prices", &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, ottla_table_catch_up(table, NULL, &error), error);
  CHECK_OK(ottla_table_free(table), NULL);
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = open_broker();
  a_table_moves_only_when_told(broker);
  it_is_gone_through_in_pieces(broker);
  one_thread_at_a_time_moves_it(broker);
  what_cannot_be_is_refused(broker);
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
