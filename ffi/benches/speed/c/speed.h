/* What the C sides of the rows share. A side is a shared object with begin, turn and end. */

#ifndef SPEED_H
#define SPEED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ottla.h>

/* A turn is so many calls of so many records of so many bytes. */
#define CALLS 100
#define COUNT 1000
#define SIZE 100

/* Makes what the turns need, in a directory that has the topic "speed" with one partition. */
void *begin(const char *directory);
/* The work that is timed. */
void turn(void *side);
/* Frees what begin made. */
void end(void *side);

/* Ends the program unless the library did what it was asked to. */
static inline void must(ottla_status status, ottla_error *error) {
  if (status != OTTLA_OK) {
    fprintf(stderr, "%s: %s\n", ottla_status_name(status), ottla_error_message(error));
    exit(1);
  }
}

static inline ottla_broker *opened(const char *directory) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  must(ottla_open(directory, NULL, 0, &broker, &error), error);
  return broker;
}

static inline ottla_producer *producer_of(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_producer *producer = NULL;
  ottla_setting acks = {"acks", "1"};
  must(ottla_producer_new(broker, &acks, 1, NULL, &producer, &error), error);
  return producer;
}

/* The value of a record, out of a buffer of COUNT of them. */
static inline ottla_record record_of(const uint8_t *values, size_t index) {
  ottla_record record = {0};
  record.value = values + index * SIZE;
  record.value_length = SIZE;
  return record;
}

#endif
