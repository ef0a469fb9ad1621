/* Verifies directories: sound ones, damaged ones, and what is none. */

#include "log.h"

static ottla_verification *verified(const char *directory) {
  ottla_error *error = NULL;
  ottla_verification *verification = NULL;
  CHECK_OK(ottla_verify(directory, NULL, &verification, &error), error);
  return verification;
}

/* The row of a partition, which has to be there. */
static ottla_verified_partition partition_of(ottla_verification *verification, const char *topic,
                                             int32_t number) {
  ottla_error *error = NULL;
  ottla_verified_partition partition = {.struct_size = sizeof partition};
  size_t count = ottla_verification_partition_count(verification);
  for (size_t i = 0; i < count; i++) {
    CHECK_OK(ottla_verification_partition(verification, i, &partition, &error), error);
    if (strcmp(partition.topic, topic) == 0 && partition.partition == number) {
      return partition;
    }
  }
  check_failed(topic, __FILE__, __LINE__);
  return partition;
}

static void a_sound_directory_is_read(const char *directory) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened(directory);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  filled(broker, "orders", 10, 3);
  ottla_verification *verification = NULL;
  CHECK_FAILS(OTTLA_E_LOCKED, ottla_verify(directory, NULL, &verification, &error), error);
  CHECK(verification == NULL);
  closed(broker);
  verification = verified(directory);
  CHECK(ottla_verification_is_sound(verification));
  CHECK(ottla_verification_error_count(verification) == 0);
  ottla_verified_partition partition = partition_of(verification, "orders", 0);
  CHECK(partition.records == 10 && partition.batches == 10 && partition.segments == 1);
  CHECK(partition.bytes > 1000 && partition.error_count == 0);
  CHECK(partition_of(verification, "orders", 1).records == 0);
  ottla_report *report = NULL;
  CHECK_OK(ottla_verification_recovery(verification, &report, &error), error);
  CHECK_OK(ottla_verification_free(verification), NULL);
  ottla_report_info info = {.struct_size = sizeof info};
  CHECK_OK(ottla_report_get(report, &info, &error), error);
  CHECK(info.is_clean && !info.is_created);
  CHECK_OK(ottla_report_free(report), NULL);
}

static void damage_is_told(const char *directory) {
  ottla_error *error = NULL;
  char path[256];
  snprintf(path, sizeof path, "%s/orders-0/00000000000000000000.log", directory);
  /* Of ten equal batches, a byte in the value of the sixth. */
  flipped(path, length_of(path) / 2 + 90);
  ottla_verification *verification = verified(directory);
  CHECK(!ottla_verification_is_sound(verification));
  ottla_verified_partition partition = partition_of(verification, "orders", 0);
  CHECK(partition.error_count == 1);
  CHECK(ottla_verification_error_count(verification) == 1);
  ottla_error *found = NULL;
  CHECK_OK(ottla_verification_error(verification, partition.first_error, &found, &error), error);
  CHECK(ottla_error_status(found) == OTTLA_E_CORRUPT);
  CHECK(strcmp(ottla_error_topic(found), "orders") == 0 && ottla_error_partition(found) == 0);
  CHECK(strstr(ottla_error_file(found), "orders-0") != NULL);
  CHECK(ottla_error_position(found) > 0);
  CHECK_OK(ottla_verification_free(verification), NULL);
  CHECK(strlen(ottla_error_message(found)) > 0);
  CHECK_OK(ottla_error_free(found), NULL);
}

static void errors_outside_of_partitions_come_first(const char *directory) {
  ottla_error *error = NULL;
  char path[256];
  snprintf(path, sizeof path, "%s/log-start-offset-checkpoint", directory);
  FILE *file = fopen(path, "w");
  CHECK(file != NULL && fputs("nonsense\n", file) >= 0 && fclose(file) == 0);
  ottla_verification *verification = verified(directory);
  CHECK(ottla_verification_error_count(verification) == 2);
  CHECK(partition_of(verification, "orders", 0).first_error == 1);
  ottla_error *found = NULL;
  CHECK_OK(ottla_verification_error(verification, 0, &found, &error), error);
  CHECK(ottla_error_topic(found) == NULL && ottla_error_partition(found) == -1);
  CHECK(strstr(ottla_error_file(found), "log-start-offset-checkpoint") != NULL);
  CHECK_OK(ottla_error_free(found), NULL);
  found = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_verification_error(verification, 2, &found, &error),
              error);
  CHECK(found == NULL);
  CHECK_OK(ottla_verification_free(verification), NULL);
}

/* What the callback was told. */
typedef struct {
  const char *directory;
  uint64_t calls;
  uint64_t done;
  uint64_t total;
} progress_seen;

static void on_progress(void *user_data, uint64_t done, uint64_t total) {
  progress_seen *seen = user_data;
  CHECK(done >= seen->done && done <= total);
  seen->calls += 1;
  seen->done = done;
  seen->total = total;
  /* It may call the library. */
  ottla_broker *broker = opened(":memory:");
  CHECK_OK(ottla_abandon(broker), NULL);
  ottla_error *error = NULL;
  CHECK_FAILS(OTTLA_E_LOCKED, ottla_open(seen->directory, NULL, 0, &broker, &error), error);
}

static void progress_is_told(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("progress");
  CHECK_OK(ottla_topic_create(broker, "orders", 5, NULL, 0, &error), error);
  filled(broker, "orders", 10, 3);
  closed(broker);
  progress_seen seen = {.directory = "progress"};
  ottla_verify_options options = {.struct_size = sizeof options};
  options.progress = on_progress;
  options.user_data = &seen;
  ottla_verification *verification = NULL;
  CHECK_OK(ottla_verify("progress", &options, &verification, &error), error);
  CHECK(seen.calls == ottla_verification_partition_count(verification) && seen.calls >= 6);
  CHECK(seen.done == seen.total && seen.total > 1000);
  CHECK_OK(ottla_verification_free(verification), NULL);
}

static void an_abandoned_directory_is_verified(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened("abandoned");
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  filled(broker, "orders", 10, 3);
  CHECK_OK(ottla_abandon(broker), NULL);
  ottla_verification *verification = verified("abandoned");
  CHECK(ottla_verification_is_sound(verification));
  CHECK(partition_of(verification, "orders", 0).records == 10);
  ottla_report *report = NULL;
  ottla_report_info info = {.struct_size = sizeof info};
  CHECK_OK(ottla_verification_recovery(verification, &report, &error), error);
  CHECK_OK(ottla_report_get(report, &info, &error), error);
  CHECK(!info.is_clean);
  CHECK_OK(ottla_report_free(report), NULL);
  CHECK_OK(ottla_verification_free(verification), NULL);
}

static void what_cannot_be_is_refused(void) {
  ottla_error *error = NULL;
  ottla_verification *verification = NULL;
  ottla_report *report = NULL;
  ottla_error *found = NULL;
  ottla_verified_partition partition = {.struct_size = sizeof partition};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_verify(NULL, NULL, &verification, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_verify("sound", NULL, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_verify(":memory:", NULL, &verification, &error), error);
  ottla_status status = ottla_verify("nowhere", NULL, &verification, &error);
  CHECK(status != OTTLA_OK && strstr(ottla_error_message(error), "nowhere") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  struct stat nothing;
  CHECK(stat("nowhere", &nothing) != 0);
  ottla_verify_options options = {0};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_verify("sound", &options, &verification, &error), error);
  options.struct_size = sizeof options;
  options.reserved = 1;
  CHECK_FAILS(OTTLA_E_UNSUPPORTED, ottla_verify("sound", &options, &verification, &error), error);
  CHECK(verification == NULL);
  CHECK(!ottla_verification_is_sound(NULL));
  CHECK(ottla_verification_error_count(NULL) == 0);
  CHECK(ottla_verification_partition_count(NULL) == 0);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_verification_recovery(NULL, &report, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_verification_error(NULL, 0, &found, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_verification_partition(NULL, 0, &partition, &error),
              error);
  CHECK(ottla_verification_free(NULL) == OTTLA_OK);
}

int main(void) {
  a_sound_directory_is_read("sound");
  damage_is_told("sound");
  errors_outside_of_partitions_come_first("sound");
  /* A path need not be text. */
  a_sound_directory_is_read("s\xffund");
  damage_is_told("s\xffund");
  progress_is_told();
  an_abandoned_directory_is_verified();
  what_cannot_be_is_refused();
  return 0;
}
