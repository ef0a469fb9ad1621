/* What functions are misused with: a place and a value for each argument of a call. */

#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include <stdint.h>
#include <string.h>

#include "../c/check.h"

#define PLACE_BYTES 4096

struct arguments {
  uint64_t random;
  /* What `pointer` points to, unless it is NULL. */
  _Alignas(16) unsigned char place[ARGUMENTS][PLACE_BYTES];
  void *pointer[ARGUMENTS];
  const char *text[ARGUMENTS];
  size_t count[ARGUMENTS];
  int64_t number[ARGUMENTS];
  int64_t timeout_ms[ARGUMENTS];
};

/* A handle that a call writes to the place of an argument. */
struct result {
  int argument;
  int type;
};

struct call {
  const char *name;
  /* The type of the handle that is tried, and which argument it is; -1 if there is none. */
  int type;
  int position;
  int returns_status;
  int frees;
  /* A bit for each argument that is written when a call succeeds (errors are not among them), and
   * for those of them that begin with their size. */
  uint32_t outputs;
  uint32_t sized;
  struct result results[3];
  int64_t (*run)(void *const *handles, struct arguments *arguments);
};

static inline uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* At least eight readable bytes, and mostly a topic that there is. */
static inline const char *some_name(struct arguments *arguments) {
  static const char *const names[] = {"orders\0\0", "orders\0\0", "orders\0\0", "orders\0\0",
                                      "\xff\xfe\xfd\xfc\xfb\xfa\xf9", "..\0\0\0\0\0\0",
                                      "\0\0\0\0\0\0\0", "events\0\0"};
  return names[next_random(&arguments->random) % 8];
}

static inline int64_t some_number(struct arguments *arguments) {
  return (int64_t)(next_random(&arguments->random) % 4);
}

/* Arguments that nothing is wrong with. */
static inline void prepare(struct arguments *arguments) {
  for (int at = 0; at < ARGUMENTS; at++) {
    memset(arguments->place[at], 0, PLACE_BYTES);
    arguments->pointer[at] = arguments->place[at];
    arguments->text[at] = "orders";
    arguments->count[at] = 1;
    arguments->number[at] = 0;
    arguments->timeout_ms[at] = 0;
  }
}

#endif
