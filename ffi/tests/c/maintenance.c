/* Tends a broker by hand: ticks, checkpoints, retention, compaction. */

#include <pthread.h>

#include "log.h"

static void a_broker_without_a_thread_is_ticked(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting settings[] = {{"ottla.background", "false"},
                              {"log.retention.check.interval.ms", "50000"}};
  CHECK_OK(ottla_open(":memory:", settings, 2, &broker, &error), error);
  int64_t next = -1;
  CHECK_OK(ottla_broker_tick(broker, &next, &error), error);
  CHECK(next > 0 && next <= 60000);
  CHECK_OK(ottla_broker_tick(broker, NULL, &error), error);
  closed(broker);
}

static void a_checkpoint_makes_records_safe(void) {
  ottla_error *error = NULL;
  ottla_report *report = NULL;
  ottla_report_info info = {.struct_size = sizeof info};
  ottla_broker *broker = opened("checkpoint");
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  filled(broker, "orders", 10, 3);
  CHECK_OK(ottla_broker_checkpoint(broker, &error), error);
  CHECK_OK(ottla_abandon(broker), NULL);
  broker = opened("checkpoint");
  CHECK_OK(ottla_report_of_broker(broker, &report, &error), error);
  CHECK_OK(ottla_report_get(report, &info, &error), error);
  CHECK(!info.is_clean && info.batches_replayed == 0);
  CHECK_OK(ottla_report_free(report), NULL);
  closed(broker);
}

static ottla_partition_info partition_of(ottla_broker *broker, const char *topic) {
  ottla_error *error = NULL;
  ottla_topics *topics = NULL;
  ottla_partition_info info = {.struct_size = sizeof info};
  CHECK_OK(ottla_topics_describe(broker, topic, &topics, &error), error);
  CHECK_OK(ottla_topics_partition(topics, 0, 0, &info, &error), error);
  CHECK_OK(ottla_topics_free(topics), NULL);
  return info;
}

static void retention_deletes_what_is_given_up(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(":memory:");
  ottla_setting settings[] = {{"internal.segment.bytes", "600"}, {"retention.bytes", "0"}};
  CHECK_OK(ottla_topic_create(broker, "orders", 1, settings, 2, &error), error);
  filled(broker, "orders", 20, 3);
  ottla_retention *retention = NULL;
  CHECK_OK(ottla_retention_run(broker, &retention, &error), error);
  CHECK(ottla_retention_count(retention) == 1);
  ottla_retention_outcome outcome = {.struct_size = sizeof outcome};
  CHECK_OK(ottla_retention_get(retention, 0, &outcome, &error), error);
  CHECK(strcmp(outcome.topic, "orders") == 0 && outcome.partition == 0);
  CHECK(outcome.segments > 0 && outcome.bytes > 1000 && !outcome.is_over_cap);
  CHECK(outcome.log_start_offset == partition_of(broker, "orders").log_start_offset);
  CHECK(outcome.log_start_offset > 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_retention_get(retention, 1, &outcome, &error), error);
  CHECK_OK(ottla_retention_free(retention), NULL);
  CHECK(ottla_retention_free(retention) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_retention_run(broker, NULL, &error), error);
  closed(broker);
}

static void retention_waits_for_groups(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(":memory:");
  ottla_setting settings[] = {{"internal.segment.bytes", "600"},
                              {"retention.bytes", "0"},
                              {"ottla.retention.groups", "kitchen,office"}};
  CHECK_OK(ottla_topic_create(broker, "orders", 1, settings, 3, &error), error);
  filled(broker, "orders", 20, 3);
  ottla_retention *retention = NULL;
  CHECK_OK(ottla_retention_run(broker, &retention, &error), error);
  CHECK(ottla_retention_count(retention) == 0);
  CHECK_OK(ottla_retention_free(retention), NULL);
  ottla_retention_holds *holds = NULL;
  CHECK_OK(ottla_retention_holds_list(broker, &holds, &error), error);
  CHECK(ottla_retention_holds_count(holds) == 2);
  ottla_retention_hold hold = {.struct_size = sizeof hold};
  CHECK_OK(ottla_retention_holds_get(holds, 1, &hold, &error), error);
  CHECK(strcmp(hold.topic, "orders") == 0 && strcmp(hold.group, "office") == 0);
  CHECK(hold.partition == 0 && hold.committed == -1 && hold.end_offset == 20);
  CHECK(hold.held_records > 0 && hold.held_bytes > 1000 && !hold.is_over_cap);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_retention_holds_get(holds, 2, &hold, &error), error);
  ottla_setting cap = {"ottla.retention.groups.max.bytes", "1000"};
  CHECK_OK(ottla_topic_alter(broker, "orders", &cap, 1, &error), error);
  CHECK_OK(ottla_retention_run(broker, &retention, &error), error);
  ottla_retention_outcome outcome = {.struct_size = sizeof outcome};
  CHECK_OK(ottla_retention_get(retention, 0, &outcome, &error), error);
  CHECK(outcome.is_over_cap);
  CHECK_OK(ottla_retention_free(retention), NULL);
  CHECK_OK(ottla_retention_holds_free(holds), NULL);
  CHECK_OK(ottla_retention_holds_list(broker, &holds, &error), error);
  CHECK_OK(ottla_retention_holds_get(holds, 0, &hold, &error), error);
  CHECK(hold.is_over_cap);
  CHECK_OK(ottla_retention_holds_free(holds), NULL);
  closed(broker);
}

/* What the callback was told. */
typedef struct {
  ottla_broker *broker;
  pthread_t thread;
  uint64_t calls;
  uint64_t done;
} progress_seen;

static void on_progress(void *user_data, uint64_t done, uint64_t total) {
  progress_seen *seen = user_data;
  CHECK(pthread_equal(seen->thread, pthread_self()));
  CHECK(done >= seen->done && done <= total);
  seen->calls += 1;
  seen->done = done;
  /* It may call the library; only another compaction would wait for this one. */
  CHECK(partition_of(seen->broker, "prices").end_offset == 50);
  ottla_error *error = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_compaction_run(seen->broker, "prices", NULL, NULL, &error), error);
}

static void compaction_keeps_the_newest_of_each_key(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(":memory:");
  ottla_setting settings[] = {{"cleanup.policy", "compact"}};
  CHECK_OK(ottla_topic_create(broker, "prices", 1, settings, 1, &error), error);
  filled(broker, "prices", 50, 5);
  progress_seen seen = {.broker = broker, .thread = pthread_self()};
  ottla_compaction_options options = {.struct_size = sizeof options};
  options.progress = on_progress;
  options.user_data = &seen;
  ottla_compaction *compaction = NULL;
  CHECK_OK(ottla_compaction_run(broker, "prices", &options, &compaction, &error), error);
  CHECK(seen.calls > 0 && seen.done > 1000);
  CHECK(ottla_compaction_count(compaction) == 1);
  ottla_compaction_outcome outcome = {.struct_size = sizeof outcome};
  CHECK_OK(ottla_compaction_get(compaction, 0, &outcome, &error), error);
  CHECK(strcmp(outcome.topic, "prices") == 0 && outcome.partition == 0);
  CHECK(outcome.first_dirty == 0 && outcome.cleaned_to == 50 && outcome.keys == 5);
  CHECK(outcome.records_before == 50 && outcome.records_after == 5);
  CHECK(outcome.bytes_after < outcome.bytes_before);
  CHECK(outcome.keyless_removed == 0 && outcome.tombstones_removed == 0);
  CHECK(partition_of(broker, "prices").cleaned_to_offset == 50);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_compaction_get(compaction, 1, &outcome, &error), error);
  CHECK_OK(ottla_compaction_free(compaction), NULL);
  CHECK(ottla_compaction_free(compaction) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_compaction_run(broker, "prices", NULL, NULL, &error), error);
  closed(broker);
}

/* Closes the broker from within its own compaction, which then ends. */
static void close_it(void *user_data, uint64_t done, uint64_t total) {
  ottla_broker **broker = user_data;
  (void)done;
  (void)total;
  if (*broker != NULL) {
    CHECK_OK(ottla_close(*broker, 0, NULL), NULL);
    *broker = NULL;
  }
}

static void a_compaction_ends_with_its_broker(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("ended");
  ottla_setting settings[] = {{"cleanup.policy", "compact"}};
  CHECK_OK(ottla_topic_create(broker, "prices", 1, settings, 1, &error), error);
  filled(broker, "prices", 50, 5);
  ottla_broker *open = broker;
  ottla_compaction_options options = {.struct_size = sizeof options};
  options.progress = close_it;
  options.user_data = &open;
  ottla_compaction *compaction = NULL;
  CHECK_FAILS(OTTLA_E_CLOSED,
              ottla_compaction_run(broker, "prices", &options, &compaction, &error), error);
  CHECK(open == NULL && compaction == NULL);
  broker = opened("ended");
  CHECK(partition_of(broker, "prices").end_offset == 50);
  closed(broker);
}

static void wrong_arguments_are_refused(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(":memory:");
  ottla_compaction *compaction = NULL;
  ottla_retention *retention = NULL;
  ottla_retention_holds *holds = NULL;
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_compaction_run(broker, "orders", NULL, &compaction, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_compaction_run(broker, "order", NULL, &compaction, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_compaction_run(broker, NULL, NULL, &compaction, &error),
              error);
  ottla_compaction_options options = {.struct_size = 3};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_compaction_run(broker, "orders", &options, &compaction, &error), error);
  options.struct_size = sizeof options;
  options.reserved = 7;
  CHECK_FAILS(OTTLA_E_UNSUPPORTED,
              ottla_compaction_run(broker, "orders", &options, &compaction, &error), error);
  CHECK(compaction == NULL);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_retention_holds_list(broker, NULL, &error), error);
  CHECK_OK(ottla_retention_holds_list(broker, &holds, &error), error);
  CHECK(ottla_retention_holds_count(holds) == 0);
  CHECK_OK(ottla_retention_holds_free(holds), NULL);
  closed(broker);
  int64_t next = -7;
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_broker_tick(broker, &next, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_broker_tick(NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_broker_checkpoint(NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_retention_run(NULL, &retention, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_retention_get(NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_retention_holds_get(NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_compaction_get(NULL, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_compaction_run(NULL, "a", NULL, NULL, &error), error);
  CHECK(next == -7 && ottla_broker_is_read_only(NULL));
  CHECK(ottla_retention_count(NULL) == 0 && ottla_compaction_count(NULL) == 0);
  CHECK(ottla_compaction_free(NULL) == OTTLA_OK && ottla_retention_free(NULL) == OTTLA_OK);
  CHECK(ottla_retention_holds_free(NULL) == OTTLA_OK);
}

static void an_abandoned_broker_is_gone(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(":memory:");
  CHECK_OK(ottla_abandon(broker), NULL);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_close(broker, -1, &error), error);
  CHECK(ottla_abandon(broker) == OTTLA_E_INVALID_HANDLE);
  CHECK(ottla_abandon(NULL) == OTTLA_OK);
}

int main(void) {
  a_broker_without_a_thread_is_ticked();
  a_checkpoint_makes_records_safe();
  retention_deletes_what_is_given_up();
  retention_waits_for_groups();
  compaction_keeps_the_newest_of_each_key();
  a_compaction_ends_with_its_broker();
  wrong_arguments_are_refused();
  an_abandoned_broker_is_gone();
  return 0;
}
