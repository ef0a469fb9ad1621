/* Directories with records in them, for programs that look at what is on the disk. */

#ifndef LOG_H
#define LOG_H

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

static inline ottla_broker *opened(const char *directory) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(directory, NULL, 0, &broker, &error), error);
  return broker;
}

static inline ottla_broker *opened_for_reading(const char *directory) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting setting = {"ottla.read.only", "true"};
  CHECK_OK(ottla_open(directory, &setting, 1, &broker, &error), error);
  return broker;
}

static inline void closed(ottla_broker *broker) {
  ottla_error *error = NULL;
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

/* Writes `count` records into partition 0, with the keys 0, 1, ... `keys` - 1 in turn, each a batch
 * of its own, and waits until all are synced. */
static inline void filled(ottla_broker *broker, const char *topic, int count, int keys) {
  ottla_error *error = NULL;
  ottla_producer *producer = NULL;
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  char key[16];
  char value[100];
  memset(value, 'v', sizeof value);
  for (int i = 0; i < count; i++) {
    snprintf(key, sizeof key, "%d", i % keys);
    ottla_record record = {.flags = OTTLA_RECORD_PARTITION};
    record.key = (const uint8_t *)key;
    record.key_length = strlen(key);
    record.value = (const uint8_t *)value;
    record.value_length = sizeof value;
    CHECK_OK(ottla_producer_send(producer, topic, &record, 1, NULL, NULL, &error), error);
    CHECK_OK(ottla_producer_flush(producer, &error), error);
  }
  CHECK_OK(ottla_producer_free(producer), NULL);
}

/* Changes one byte of a file. */
static inline void flipped(const char *path, off_t position) {
  unsigned char byte = 0;
  int file = open(path, O_RDWR);
  CHECK(file >= 0);
  CHECK(pread(file, &byte, 1, position) == 1);
  byte ^= 1;
  CHECK(pwrite(file, &byte, 1, position) == 1);
  CHECK(close(file) == 0);
}

static inline off_t length_of(const char *path) {
  struct stat found;
  CHECK(stat(path, &found) == 0);
  return found.st_size;
}

#endif
