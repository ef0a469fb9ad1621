/* Reads what opening a directory found: made, clean, recovered, with leftovers, damaged. */

#include <errno.h>

#include "log.h"

static ottla_report *report_of(ottla_broker *broker, ottla_report_info *info) {
  ottla_error *error = NULL;
  ottla_report *report = NULL;
  CHECK_OK(ottla_report_of_broker(broker, &report, &error), error);
  *info = (ottla_report_info){.struct_size = sizeof *info};
  CHECK_OK(ottla_report_get(report, info, &error), error);
  return report;
}

static void begins_with(ottla_report *report, const char *text) {
  CHECK(strncmp(ottla_report_text(report), text, strlen(text)) == 0);
}

static void made_then_clean_then_recovered(const char *directory) {
  ottla_error *error = NULL;
  ottla_report_info info;
  ottla_broker *broker = opened(directory);
  ottla_report *report = report_of(broker, &info);
  CHECK(info.is_created && !info.is_foreign && info.read_only_because == NULL);
  begins_with(report, "made in ");
  CHECK_OK(ottla_report_free(report), NULL);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  closed(broker);

  broker = opened(directory);
  report = report_of(broker, &info);
  CHECK(info.is_clean && !info.is_created && info.frames_replayed == 0);
  begins_with(report, "clean in ");
  CHECK_OK(ottla_report_free(report), NULL);
  filled(broker, "orders", 10, 3);
  CHECK_OK(ottla_abandon(broker), NULL);

  broker = opened(directory);
  report = report_of(broker, &info);
  CHECK(!info.is_clean && !info.is_created);
  CHECK(info.frames_replayed >= 10 && info.duration_us > 0);
  CHECK(info.bytes_cut == 0 && info.damaged_count == 0 && info.clamped_count == 0);
  begins_with(report, "recovered in ");
  CHECK(strstr(ottla_report_text(report), "journal frames replayed") != NULL);
  closed(broker);
  /* A report needs no broker. */
  begins_with(report, "recovered in ");
  CHECK_OK(ottla_report_free(report), NULL);
}

static void what_does_not_belong_is_named(void) {
  ottla_error *error = NULL;
  ottla_report_info info;
  closed(opened("strange"));
  CHECK(mkdir("strange/holiday pictures", 0777) == 0);
  ottla_broker *broker = opened("strange");
  ottla_report *report = report_of(broker, &info);
  CHECK(info.unknown_count == 1 && info.quarantined_count == 0 && info.removed_count == 0);
  const char *path = NULL;
  CHECK_OK(ottla_report_file(report, OTTLA_FILES_UNKNOWN, 0, &path, &error), error);
  CHECK(strstr(path, "holiday pictures") != NULL);
  path = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_file(report, OTTLA_FILES_UNKNOWN, 1, &path, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_file(report, OTTLA_FILES_REMOVED, 0, &path, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_report_file(report, OTTLA_FILES_QUARANTINED, 0, &path, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_file(report, OTTLA_FILES_REBUILT, 0, &path, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_file(report, 0, 0, &path, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_file(report, INT32_MIN, 0, &path, &error), error);
  CHECK(path == NULL);
  CHECK_OK(ottla_report_free(report), NULL);
  closed(broker);
}

/* The row of orders-0. */
static size_t index_of_orders(ottla_report *report, ottla_recovered_partition *row) {
  ottla_error *error = NULL;
  for (size_t i = 0;; i++) {
    *row = (ottla_recovered_partition){.struct_size = sizeof *row};
    CHECK_OK(ottla_report_partition(report, i, row, &error), error);
    if (strcmp(row->topic, "orders") == 0) {
      return i;
    }
  }
}

static void what_was_cut_is_kept_aside(void) {
  ottla_error *error = NULL;
  ottla_report_info info;
  ottla_broker *broker = opened("torn");
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  filled(broker, "orders", 10, 3);
  closed(broker);
  int log = open("torn/orders-0/00000000000000000000.log", O_WRONLY | O_APPEND);
  CHECK(log >= 0 && write(log, "torn record", 11) == 11 && close(log) == 0);
  CHECK(unlink("torn/.kafka_cleanshutdown") == 0 && unlink("torn/ottla.control") == 0);
  broker = opened("torn");
  ottla_report *report = report_of(broker, &info);
  CHECK(info.bytes_cut == 11 && info.partition_count > 0);
  ottla_recovered_partition row;
  size_t index = index_of_orders(report, &row);
  CHECK(row.partition == 0 && row.cut_bytes == 11 && row.lost_bytes == 0);
  CHECK(row.damage == NULL && row.quarantined_count == 1);
  const char *path = NULL;
  CHECK_OK(ottla_report_partition_file(report, index, OTTLA_FILES_QUARANTINED, 0, &path, &error),
           error);
  CHECK(strlen(path) > 0);
  path = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_report_partition_file(report, index, OTTLA_FILES_QUARANTINED, 1, &path, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_report_partition_file(report, info.partition_count, OTTLA_FILES_QUARANTINED, 0,
                                          &path, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_partition_file(report, index, 9, 0, &path, &error),
              error);
  CHECK(path == NULL);
  CHECK_OK(ottla_report_free(report), NULL);
  closed(broker);
}

static void damage_keeps_a_partition_from_being_written(void) {
  ottla_error *error = NULL;
  ottla_report_info info;
  ottla_broker *broker = opened("damaged");
  ottla_setting settings[] = {{"internal.segment.bytes", "600"}};
  CHECK_OK(ottla_topic_create(broker, "orders", 1, settings, 1, &error), error);
  CHECK_OK(ottla_topic_create(broker, "drinks", 1, NULL, 0, &error), error);
  filled(broker, "orders", 20, 3);
  closed(broker);
  /* Three batches fit into a segment. */
  CHECK(unlink("damaged/orders-0/00000000000000000003.log") == 0);
  broker = opened("damaged");
  ottla_report *report = report_of(broker, &info);
  CHECK(info.damaged_count == 1);
  const char *topic = NULL;
  int32_t partition = -1;
  ottla_error *damage = NULL;
  CHECK_OK(ottla_report_damaged(report, 0, &topic, &partition, &damage, &error), error);
  CHECK(strcmp(topic, "orders") == 0 && partition == 0);
  CHECK(ottla_error_status(damage) == OTTLA_E_CORRUPT);
  CHECK(strlen(ottla_error_message(damage)) > 0);
  CHECK_OK(ottla_error_free(damage), NULL);
  damage = NULL;
  CHECK_OK(ottla_report_damaged(report, 0, NULL, NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_report_damaged(report, 1, &topic, &partition, &damage, &error), error);
  CHECK(damage == NULL);
  CHECK_OK(ottla_report_free(report), NULL);

  ottla_topics *topics = NULL;
  ottla_partition_info described = {.struct_size = sizeof described};
  CHECK_OK(ottla_topics_describe(broker, "orders", &topics, &error), error);
  CHECK_OK(ottla_topics_partition(topics, 0, 0, &described, &error), error);
  CHECK(described.damage != NULL && strlen(described.damage) > 0);
  CHECK_OK(ottla_topics_free(topics), NULL);
  filled(broker, "drinks", 3, 3);
  closed(broker);
}

static void offsets_behind_lost_records_are_told(void) {
  ottla_error *error = NULL;
  ottla_report_info info;
  ottla_broker *broker = opened("lost");
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  filled(broker, "orders", 10, 3);
  ottla_consumer *consumer = NULL;
  ottla_setting group = {"group.id", "kitchen"};
  CHECK_OK(ottla_consumer_new(broker, &group, 1, NULL, &consumer, &error), error);
  ottla_offset offset = {.topic = "orders", .leader_epoch = -1, .offset = 9};
  CHECK_OK(ottla_consumer_commit_offsets(consumer, &offset, 1, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  closed(broker);
  const char *log = "lost/orders-0/00000000000000000000.log";
  CHECK(truncate(log, length_of(log) / 10 * 6) == 0);
  CHECK(unlink("lost/.kafka_cleanshutdown") == 0 && unlink("lost/ottla.control") == 0);
  CHECK(unlink("lost/recovery-point-offset-checkpoint") == 0);
  broker = opened("lost");
  ottla_report *report = report_of(broker, &info);
  CHECK(info.clamped_count == 1);
  ottla_clamped_offset clamped = {.struct_size = sizeof clamped};
  CHECK_OK(ottla_report_clamped(report, 0, &clamped, &error), error);
  CHECK(strcmp(clamped.topic, "orders") == 0 && clamped.partition == 0);
  CHECK(strcmp(clamped.group, "kitchen") == 0 && clamped.committed == 9 && clamped.end == 6);
  CHECK_OK(ottla_report_free(report), NULL);
  closed(broker);
}

static void reading_only_changes_nothing(void) {
  ottla_error *error = NULL;
  ottla_report_info info;
  ottla_broker *broker = opened("read");
  CHECK(!ottla_broker_is_read_only(broker));
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  closed(broker);
  CHECK(chmod("read", 0555) == 0);
  broker = opened_for_reading("read");
  CHECK(ottla_broker_is_read_only(broker));
  ottla_report *report = report_of(broker, &info);
  CHECK(info.read_only_because == NULL && info.is_clean);
  CHECK_OK(ottla_report_free(report), NULL);
  CHECK_FAILS(OTTLA_E_READ_ONLY, ottla_topic_create(broker, "a", 1, NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_READ_ONLY, ottla_topic_delete(broker, "orders", &error), error);
  CHECK_FAILS(OTTLA_E_READ_ONLY, ottla_topic_alter(broker, "orders", NULL, 0, &error), error);
  CHECK_FAILS(OTTLA_E_READ_ONLY, ottla_topic_add_partitions(broker, "orders", 2, &error), error);
  CHECK_FAILS(OTTLA_E_READ_ONLY, ottla_broker_checkpoint(broker, &error), error);
  CHECK_FAILS(OTTLA_E_READ_ONLY, ottla_retention_run(broker, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_READ_ONLY, ottla_compaction_run(broker, "orders", NULL, NULL, &error), error);
  CHECK_OK(ottla_broker_tick(broker, NULL, &error), error);
  closed(broker);
  broker = NULL;
  ottla_setting read_only = {"ottla.read.only", "true"};
  ottla_status status = ottla_open("nowhere", &read_only, 1, &broker, &error);
  CHECK(status != OTTLA_OK && broker == NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  struct stat nothing;
  CHECK(stat("nowhere", &nothing) != 0 && errno == ENOENT);
}

static void null_is_refused(void) {
  ottla_error *error = NULL;
  ottla_report *report = NULL;
  ottla_report_info info = {.struct_size = sizeof info};
  ottla_recovered_partition partition = {.struct_size = sizeof partition};
  ottla_finished_transaction transaction = {.struct_size = sizeof transaction};
  ottla_clamped_offset clamped = {.struct_size = sizeof clamped};
  const char *path = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_of_broker(NULL, &report, &error), error);
  CHECK(strcmp(ottla_report_text(NULL), "") == 0);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_get(NULL, &info, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_file(NULL, 1, 0, &path, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_partition(NULL, 0, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_partition_file(NULL, 0, 1, 0, &path, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_damaged(NULL, 0, NULL, NULL, NULL, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_transaction(NULL, 0, &transaction, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_report_clamped(NULL, 0, &clamped, &error), error);
  CHECK(ottla_report_free(NULL) == OTTLA_OK);
  ottla_broker *broker = opened(":memory:");
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_of_broker(broker, NULL, &error), error);
  CHECK_OK(ottla_report_of_broker(broker, &report, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_get(report, NULL, &error), error);
  info.struct_size = 1u << 31;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_get(report, &info, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_file(report, 1, 0, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_transaction(report, 0, &transaction, &error),
              error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_report_clamped(report, SIZE_MAX, &clamped, &error), error);
  /* A program of an earlier version has a smaller struct. */
  ottla_report_info small = {.struct_size = 16, .frames_replayed = 77};
  CHECK_OK(ottla_report_get(report, &small, &error), error);
  CHECK(small.struct_size == 16 && small.is_created && small.frames_replayed == 77);
  CHECK_OK(ottla_report_free(report), NULL);
  CHECK(ottla_report_free(report) == OTTLA_E_INVALID_HANDLE);
  CHECK(strcmp(ottla_report_text(report), "") == 0);
  closed(broker);
}

int main(void) {
  made_then_clean_then_recovered("data");
  /* A path need not be text. */
  made_then_clean_then_recovered("\xff\xfe d\xc3");
  what_does_not_belong_is_named();
  what_was_cut_is_kept_aside();
  damage_keeps_a_partition_from_being_written();
  offsets_behind_lost_records_are_told();
  reading_only_changes_nothing();
  null_is_refused();
  return 0;
}
