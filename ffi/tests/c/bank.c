/* Threads move money between accounts, each on what it has read: no transfer is lost, none is done
 * twice, and whoever looks sees the same sum, at any moment. */

#include <pthread.h>
#include <stdatomic.h>

#include "records.h"

enum { ACCOUNTS = 4, THREADS = 3, TRANSFERS = 60, OPENING = 1000 };

static ottla_broker *broker;
static atomic_int is_done;

static int64_t number_of(const ottla_record_view *view) {
  char text[24] = {0};
  CHECK(view->value_length > 0 && view->value_length < (int32_t)sizeof text);
  memcpy(text, view->value, (size_t)view->value_length);
  return atoll(text);
}

/* The newest balance of an account, and its version. */
static int64_t balance_of(const char *account, int64_t *version) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  CHECK_OK(ottla_latest(broker, "accounts", (const uint8_t *)account, 1, &records, &error), error);
  ottla_record_view newest = view_of(records, 0);
  *version = newest.offset;
  int64_t balance = number_of(&newest);
  CHECK_OK(ottla_records_free(records), NULL);
  return balance;
}

/* Stages a new balance, if the account is still as it was read. */
static void stage(ottla_transaction *transaction, const char *account, int64_t version,
                  int64_t balance) {
  ottla_error *error = NULL;
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)balance);
  ottla_record record = record_of(account, text);
  CHECK_OK(ottla_transaction_expect_version(transaction, "accounts", (const uint8_t *)account, 1,
                                            version, &error),
           error);
  CHECK_OK(ottla_transaction_send(transaction, "accounts", &record, 1, NULL, &error), error);
}

static void transfer(const char *from, const char *to, int64_t amount) {
  for (;;) {
    ottla_error *error = NULL;
    ottla_transaction *transaction = NULL;
    int64_t from_version = 0;
    int64_t to_version = 0;
    int64_t from_balance = balance_of(from, &from_version);
    int64_t to_balance = balance_of(to, &to_version);
    CHECK_OK(ottla_transaction_begin(broker, NULL, 0, &transaction, &error), error);
    stage(transaction, from, from_version, from_balance - amount);
    stage(transaction, to, to_version, to_balance + amount);
    ottla_status status = ottla_transaction_commit(transaction, &error);
    CHECK_OK(ottla_transaction_free(transaction), NULL);
    if (status == OTTLA_OK) {
      return;
    }
    CHECK(status == OTTLA_E_CONFLICT);
    ottla_conflict conflict = {.struct_size = sizeof conflict};
    CHECK_OK(ottla_error_conflict(error, &conflict, NULL), NULL);
    CHECK(conflict.actual > conflict.expected && conflict.record_count > 0);
    CHECK_OK(ottla_error_free(error), NULL);
  }
}

static void *transfer_often(void *argument) {
  unsigned number = *(unsigned *)argument;
  for (unsigned turn = 0; turn < TRANSFERS; turn += 1) {
    char from[] = {(char)('a' + (number + turn) % ACCOUNTS), 0};
    char to[] = {(char)('a' + (number + turn * 2 + 1) % ACCOUNTS), 0};
    if (from[0] != to[0]) {
      transfer(from, to, turn % 7 + 1);
    }
  }
  return NULL;
}

/* Reads all accounts as of one moment. */
static int64_t sum_of_a_snapshot(void) {
  ottla_error *error = NULL;
  ottla_snapshot *snapshot = NULL;
  int64_t balances[ACCOUNTS] = {0};
  CHECK_OK(ottla_snapshot_new(broker, NULL, 0, &snapshot, &error), error);
  for (int32_t partition = 0; partition < 2; partition += 1) {
    ottla_snapshot_reader *reader = NULL;
    ottla_records *records = NULL;
    CHECK_OK(ottla_snapshot_read(snapshot, "accounts", partition, 0, &reader, &error), error);
    for (;;) {
      CHECK_OK(ottla_snapshot_reader_next(reader, &records, &error), error);
      if (records == NULL) {
        break;
      }
      for (size_t index = 0; index < count_of(records); index += 1) {
        ottla_record_view view = view_of(records, index);
        balances[view.key[0] - 'a'] = number_of(&view);
      }
      CHECK_OK(ottla_records_free(records), NULL);
    }
    CHECK_OK(ottla_snapshot_reader_free(reader), NULL);
  }
  CHECK_OK(ottla_snapshot_free(snapshot), NULL);
  int64_t sum = 0;
  for (int index = 0; index < ACCOUNTS; index += 1) {
    sum += balances[index];
  }
  return sum;
}

/* The same by a table that is kept current. */
static int64_t sum_of_a_table(ottla_table *table) {
  ottla_error *error = NULL;
  ottla_table_position position = {0, 0};
  ottla_table_entries *entries = NULL;
  int64_t sum = 0;
  CHECK_OK(ottla_table_catch_up(table, NULL, &error), error);
  for (;;) {
    CHECK_OK(ottla_table_read(table, &position, 3, &entries, &error), error);
    if (entries == NULL) {
      return sum;
    }
    const ottla_table_entry *all = NULL;
    size_t count = 0;
    CHECK_OK(ottla_table_entries_all(entries, &all, &count, &error), error);
    for (size_t index = 0; index < count; index += 1) {
      ottla_record_view view = {.value = all[index].value,
                                .value_length = (int32_t)all[index].value_length};
      sum += number_of(&view);
    }
    CHECK_OK(ottla_table_entries_free(entries), NULL);
  }
}

static void *look_all_the_time(void *argument) {
  (void)argument;
  ottla_error *error = NULL;
  ottla_table *table = NULL;
  CHECK_OK(ottla_table_new(broker, "accounts", &table, &error), error);
  while (atomic_load(&is_done) == 0) {
    CHECK(sum_of_a_snapshot() == ACCOUNTS * OPENING);
    CHECK(sum_of_a_table(table) == ACCOUNTS * OPENING);
  }
  CHECK_OK(ottla_table_free(table), NULL);
  return NULL;
}

int main(void) {
  ottla_error *error = NULL;
  const ottla_setting indexed[] = {{"ottla.key.index", "true"}};
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "accounts", 2, indexed, 1, &error), error);
  for (char account = 'a'; account < 'a' + ACCOUNTS; account += 1) {
    char name[] = {account, 0};
    write_record(broker, "accounts", name, "1000");
  }
  pthread_t looker;
  pthread_t threads[THREADS];
  unsigned numbers[THREADS];
  CHECK(pthread_create(&looker, NULL, look_all_the_time, NULL) == 0);
  for (unsigned index = 0; index < THREADS; index += 1) {
    numbers[index] = index;
    CHECK(pthread_create(&threads[index], NULL, transfer_often, &numbers[index]) == 0);
  }
  for (int index = 0; index < THREADS; index += 1) {
    CHECK(pthread_join(threads[index], NULL) == 0);
  }
  atomic_store(&is_done, 1);
  CHECK(pthread_join(looker, NULL) == 0);

  /* Alone, the sums of each account: what all transfers together come to. */
  int64_t expected[ACCOUNTS] = {OPENING, OPENING, OPENING, OPENING};
  for (unsigned number = 0; number < THREADS; number += 1) {
    for (unsigned turn = 0; turn < TRANSFERS; turn += 1) {
      unsigned from = (number + turn) % ACCOUNTS;
      unsigned to = (number + turn * 2 + 1) % ACCOUNTS;
      int64_t amount = from == to ? 0 : turn % 7 + 1;
      expected[from] -= amount;
      expected[to] += amount;
    }
  }
  for (int index = 0; index < ACCOUNTS; index += 1) {
    char name[] = {(char)('a' + index), 0};
    int64_t version = 0;
    CHECK(balance_of(name, &version) == expected[index]);
  }
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
