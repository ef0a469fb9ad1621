/* Makes, changes, lists and deletes topics, and asks for settings. */

#include <pthread.h>
#include <string.h>

#include "check.h"

static ottla_broker *in_memory(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  return broker;
}

static void closed(ottla_broker *broker) {
  ottla_error *error = NULL;
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

/* The call failed with `expected`, and its message has `part` in it. */
static void refused(ottla_status status, ottla_status expected, ottla_error *error,
                    const char *part) {
  if (status != expected || strstr(ottla_error_message(error), part) == NULL) {
    check_refused(part, status, error, __FILE__, __LINE__);
  }
  CHECK(ottla_error_status(error) == expected);
  CHECK(ottla_error_free(error) == OTTLA_OK);
}

static ottla_topics *described(ottla_broker *broker, const char *name, ottla_topic_info *info) {
  ottla_error *error = NULL;
  ottla_topics *topics = NULL;
  CHECK_OK(ottla_topics_describe(broker, name, &topics, &error), error);
  CHECK(ottla_topics_count(topics) == 1);
  info->struct_size = sizeof *info;
  CHECK_OK(ottla_topics_get(topics, 0, info, &error), error);
  return topics;
}

static void topics_are_made_and_described(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  ottla_setting settings[] = {{"retention.ms", "3600000"}, {"cleanup.policy", "compact"}};
  CHECK_OK(ottla_topic_create(broker, "orders", 3, settings, 2, &error), error);
  ottla_topic_info info;
  ottla_topics *topics = described(broker, "orders", &info);
  CHECK(strcmp(info.name, "orders") == 0);
  CHECK(strlen(info.id) == 22);
  CHECK(info.partition_count == 3);
  CHECK(info.setting_count == 2);
  CHECK(!info.is_internal);
  const char *name = NULL;
  const char *value = NULL;
  CHECK_OK(ottla_topics_setting(topics, 0, 0, &name, &value, &error), error);
  CHECK(strcmp(name, "cleanup.policy") == 0 && strcmp(value, "compact") == 0);
  CHECK_OK(ottla_topics_setting(topics, 0, 1, NULL, &value, &error), error);
  CHECK(strcmp(value, "3600000") == 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topics_setting(topics, 0, 2, &name, NULL, &error),
              error);
  ottla_partition_info partition = {.struct_size = sizeof partition};
  CHECK_OK(ottla_topics_partition(topics, 0, 2, &partition, &error), error);
  CHECK(partition.partition == 2);
  CHECK(partition.log_start_offset == 0 && partition.end_offset == 0);
  CHECK(partition.compaction_error == NULL && partition.damage == NULL);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topics_partition(topics, 0, 3, &partition, &error),
              error);
  CHECK_OK(ottla_topics_free(topics), NULL);
  CHECK_FAILS(OTTLA_E_TOPIC_EXISTS, ottla_topic_create(broker, "orders", 3, NULL, 0, &error),
              error);
  closed(broker);
}

static void ensure_leaves_what_is_there(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  ottla_setting settings[] = {{"retention.ms", "1000"}};
  CHECK_OK(ottla_topic_ensure(broker, "orders", 2, settings, 1, &error), error);
  CHECK_OK(ottla_topic_ensure(broker, "orders", 0, NULL, 0, &error), error);
  CHECK_OK(ottla_topic_ensure(broker, "orders", 2, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_ensure(broker, "orders", 3, NULL, 0, &error),
              error);
  ottla_topic_info info;
  ottla_topics *topics = described(broker, "orders", &info);
  const char *value = NULL;
  CHECK_OK(ottla_topics_setting(topics, 0, 0, NULL, &value, &error), error);
  CHECK(strcmp(value, "1000") == 0);
  CHECK_OK(ottla_topics_free(topics), NULL);
  closed(broker);
}

static void settings_are_changed_and_taken_back(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  CHECK_OK(ottla_topic_create(broker, "orders", 0, NULL, 0, &error), error);
  ottla_setting changes[] = {{"segment.bytes", "1048576"}, {"retention.ms", NULL}};
  CHECK_OK(ottla_topic_alter(broker, "orders", changes, 2, &error), error);
  ottla_topic_info info;
  ottla_topics *topics = described(broker, "orders", &info);
  CHECK(info.partition_count == 1);
  CHECK(info.setting_count == 1);
  const char *name = NULL;
  CHECK_OK(ottla_topics_setting(topics, 0, 0, &name, NULL, &error), error);
  CHECK(strcmp(name, "segment.bytes") == 0);
  CHECK_OK(ottla_topics_free(topics), NULL);
  /* All or none. */
  ottla_setting half[] = {{"segment.bytes", NULL}, {"retention.ms", "soon"}};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_alter(broker, "orders", half, 2, &error), error);
  topics = described(broker, "orders", &info);
  CHECK(info.setting_count == 1);
  CHECK_OK(ottla_topics_free(topics), NULL);
  CHECK_OK(ottla_topic_alter(broker, "orders", NULL, 0, &error), error);
  closed(broker);
}

static void partitions_are_added(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  CHECK_OK(ottla_topic_add_partitions(broker, "orders", 5, &error), error);
  ottla_topic_info info;
  ottla_topics *topics = described(broker, "orders", &info);
  CHECK(info.partition_count == 5);
  CHECK_OK(ottla_topics_free(topics), NULL);
  int32_t wrong[] = {5, 4, 0, -1, INT32_MIN, INT32_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK_FAILS(OTTLA_E_INVALID_INPUT,
                ottla_topic_add_partitions(broker, "orders", wrong[i], &error), error);
  }
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_topic_add_partitions(broker, "order", 9, &error), error);
  closed(broker);
}

static void a_list_outlives_what_it_lists(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  char name[32];
  for (int i = 0; i < 600; i++) {
    snprintf(name, sizeof name, "topic-%04d", i);
    CHECK_OK(ottla_topic_create(broker, name, 1, NULL, 0, &error), error);
  }
  ottla_topics *topics = NULL;
  CHECK_OK(ottla_topics_list(broker, &topics, &error), error);
  CHECK(ottla_topics_count(topics) == 600);
  CHECK_OK(ottla_topic_delete(broker, "topic-0123", &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_topic_delete(broker, "topic-0123", &error), error);
  ottla_topics *fewer = NULL;
  CHECK_OK(ottla_topics_list(broker, &fewer, &error), error);
  CHECK(ottla_topics_count(fewer) == 599);
  closed(broker);
  for (size_t i = 0; i < 600; i++) {
    ottla_topic_info info = {.struct_size = sizeof info};
    CHECK_OK(ottla_topics_get(topics, i, &info, &error), error);
    snprintf(name, sizeof name, "topic-%04zu", i);
    CHECK(strcmp(info.name, name) == 0);
  }
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_topics_get(topics, 600, &(ottla_topic_info){.struct_size = 8}, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_topics_get(topics, SIZE_MAX, &(ottla_topic_info){.struct_size = 8}, &error),
              error);
  CHECK_OK(ottla_topics_free(topics), NULL);
  CHECK_OK(ottla_topics_free(fewer), NULL);
  CHECK(ottla_topics_free(topics) == OTTLA_E_INVALID_HANDLE);
}

static void thousands_of_partitions_are_described(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  CHECK_OK(ottla_topic_create(broker, "orders", 3000, NULL, 0, &error), error);
  ottla_topic_info info;
  ottla_topics *topics = described(broker, "orders", &info);
  CHECK(info.partition_count == 3000);
  for (size_t i = 0; i < 3000; i++) {
    ottla_partition_info partition = {.struct_size = sizeof partition};
    CHECK_OK(ottla_topics_partition(topics, 0, i, &partition, &error), error);
    CHECK(partition.partition == (int32_t)i);
  }
  CHECK_OK(ottla_topics_free(topics), NULL);
  closed(broker);
}

static void wrong_names_are_refused(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  ottla_setting typo[] = {{"retention.m", "1"}};
  ottla_status status = ottla_topic_create(broker, "orders", 1, typo, 1, &error);
  refused(status, OTTLA_E_INVALID_INPUT, error, "retention.ms");
  status = ottla_topic_create(broker, "../orders", 1, NULL, 0, &error);
  refused(status, OTTLA_E_INVALID_INPUT, error, "'/'");
  status = ottla_topic_create(broker, "or\xff" "ders", 1, NULL, 0, &error);
  refused(status, OTTLA_E_INVALID_INPUT, error, "not UTF-8");
  status = ottla_topic_create(broker, "", 1, NULL, 0, &error);
  refused(status, OTTLA_E_INVALID_INPUT, error, "empty");
  status = ottla_topic_create(broker, "__consumer_offsets", 1, NULL, 0, &error);
  refused(status, OTTLA_E_INVALID_INPUT, error, "__consumer_offsets");
  status = ottla_topic_create(broker, "orders", -1, NULL, 0, &error);
  refused(status, OTTLA_E_INVALID_INPUT, error, "-1");
  status = ottla_topic_create(broker, "orders", INT32_MAX, NULL, 0, &error);
  refused(status, OTTLA_E_INVALID_INPUT, error, "2147483647");
  status = ottla_topic_alter(broker, "orders", typo, 1, &error);
  refused(status, OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, error, "orders");
  ottla_topics *topics = NULL;
  status = ottla_topics_describe(broker, "orders", &topics, &error);
  refused(status, OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, error, "orders");
  CHECK(topics == NULL);
  closed(broker);
}

static void null_is_refused(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = in_memory();
  ottla_topics *topics = NULL;
  ottla_topic_info info = {.struct_size = sizeof info};
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_topic_create(NULL, "a", 1, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_create(broker, NULL, 1, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_create(broker, "a", 1, NULL, 1, &error), error);
  ottla_setting nameless[] = {{NULL, "1"}};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_create(broker, "a", 1, nameless, 1, &error),
              error);
  ottla_setting valueless[] = {{"retention.ms", NULL}};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_create(broker, "a", 1, valueless, 1, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_topic_create(broker, "a", 1, valueless, SIZE_MAX / 8, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topic_delete(broker, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topics_list(broker, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_topics_list(NULL, &topics, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topics_describe(broker, NULL, &topics, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_topics_get(NULL, 0, &info, &error), error);
  CHECK_OK(ottla_topics_list(broker, &topics, &error), error);
  CHECK(ottla_topics_count(topics) == 0);
  CHECK_OK(ottla_topic_create(broker, "a", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_topics_free(topics), NULL);
  topics = described(broker, "a", &info);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topics_get(topics, 0, NULL, &error), error);
  info.struct_size = 0;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_topics_get(topics, 0, &info, &error), error);
  CHECK_OK(ottla_topics_setting(topics, 0, 0, NULL, NULL, NULL), NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_topics_get((ottla_topics *)broker, 0, &info, &error),
              error);
  CHECK(ottla_topics_count(NULL) == 0);
  CHECK(ottla_topics_count((ottla_topics *)broker) == 0);
  CHECK(ottla_topics_free(NULL) == OTTLA_OK);
  CHECK(ottla_topics_free((ottla_topics *)broker) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_topics_free(topics), NULL);
  closed(broker);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_topic_create(broker, "b", 1, NULL, 0, &error), error);
}

typedef struct {
  ottla_broker *broker;
  int number;
} worker;

/* Makes, lists and deletes topics of its own until the broker is closed under it. */
static void *at_work(void *argument) {
  worker *own = argument;
  char name[32];
  for (int i = 0;; i++) {
    snprintf(name, sizeof name, "topic-%d-%d", own->number, i % 3);
    ottla_status status = ottla_topic_ensure(own->broker, name, 2, NULL, 0, NULL);
    ottla_topics *topics = NULL;
    ottla_status listed = ottla_topics_list(own->broker, &topics, NULL);
    ottla_status deleted = ottla_topic_delete(own->broker, name, NULL);
    size_t count = ottla_topics_count(topics);
    for (size_t k = 0; k < count; k++) {
      ottla_topic_info info = {.struct_size = sizeof info};
      ottla_partition_info partition = {.struct_size = sizeof partition};
      CHECK_OK(ottla_topics_get(topics, k, &info, NULL), NULL);
      CHECK(strncmp(info.name, "topic-", 6) == 0 && info.partition_count == 2);
      CHECK_OK(ottla_topics_partition(topics, k, 1, &partition, NULL), NULL);
    }
    CHECK_OK(ottla_topics_free(topics), NULL);
    ottla_status all[] = {status, listed, deleted};
    for (int k = 0; k < 3; k++) {
      if (all[k] == OTTLA_E_INVALID_HANDLE || all[k] == OTTLA_E_CLOSED) {
        return NULL;
      }
      CHECK_OK(all[k], NULL);
    }
  }
}

static void threads_make_topics_until_the_broker_is_closed(void) {
  ottla_broker *broker = in_memory();
  pthread_t threads[4];
  worker workers[4];
  for (int i = 0; i < 4; i++) {
    workers[i] = (worker){broker, i};
    CHECK(pthread_create(&threads[i], NULL, at_work, &workers[i]) == 0);
  }
  CHECK(usleep(300000) == 0);
  closed(broker);
  for (int i = 0; i < 4; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
  }
}

/* The value of a setting in a list, which has to have it. */
static ottla_setting_info setting_of(ottla_settings *settings, const char *name) {
  ottla_error *error = NULL;
  ottla_setting_info info = {.struct_size = sizeof info};
  size_t count = ottla_settings_count(settings);
  for (size_t i = 0; i < count; i++) {
    CHECK_OK(ottla_settings_get(settings, i, &info, &error), error);
    if (strcmp(info.name, name) == 0) {
      return info;
    }
  }
  check_failed(name, __FILE__, __LINE__);
  return info;
}

static void settings_are_told_with_their_defaults(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting wanted[] = {{"num.partitions", "7"}};
  CHECK_OK(ottla_open(":memory:", wanted, 1, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 0, NULL, 0, &error), error);
  ottla_settings *settings = NULL;
  CHECK_OK(ottla_settings_of_broker(broker, &settings, &error), error);
  ottla_setting_info info = setting_of(settings, "num.partitions");
  CHECK(info.is_set && strcmp(info.value, "7") == 0 && strcmp(info.default_value, "1") == 0);
  CHECK(!setting_of(settings, "ottla.background").is_set);
  CHECK_OK(ottla_settings_free(settings), NULL);
  CHECK_OK(ottla_settings_of_topic(broker, "orders", &settings, &error), error);
  info = setting_of(settings, "retention.ms");
  CHECK(info.is_set && strcmp(info.value, "-1") == 0);
  CHECK(strcmp(info.default_value, "604800000") == 0);
  info = setting_of(settings, "cleanup.policy");
  CHECK(!info.is_set && strcmp(info.value, "delete") == 0);
  CHECK_OK(ottla_settings_free(settings), NULL);
  const char *nouns[] = {"broker", "topic", "producer", "consumer"};
  const char *names[] = {"num.partitions", "segment.ms", "linger.ms", "max.poll.records"};
  const char *values[] = {"1", "604800000", "5", "500"};
  for (size_t i = 0; i < 4; i++) {
    CHECK_OK(ottla_settings_defaults(nouns[i], &settings, &error), error);
    info = setting_of(settings, names[i]);
    CHECK(!info.is_set && strcmp(info.value, values[i]) == 0);
    CHECK(strcmp(info.default_value, values[i]) == 0);
    CHECK_OK(ottla_settings_free(settings), NULL);
  }
  settings = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_settings_defaults("table", &settings, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_settings_defaults(NULL, &settings, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_settings_defaults("topic", NULL, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_settings_of_topic(broker, "order", &settings, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_settings_of_broker(NULL, &settings, &error), error);
  CHECK(settings == NULL && ottla_settings_count(settings) == 0);
  CHECK(ottla_settings_free(NULL) == OTTLA_OK);
  closed(broker);
}

int main(void) {
  topics_are_made_and_described();
  ensure_leaves_what_is_there();
  settings_are_changed_and_taken_back();
  partitions_are_added();
  a_list_outlives_what_it_lists();
  thousands_of_partitions_are_described();
  wrong_names_are_refused();
  null_is_refused();
  settings_are_told_with_their_defaults();
  threads_make_topics_until_the_broker_is_closed();
  return 0;
}
