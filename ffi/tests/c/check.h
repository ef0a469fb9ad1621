/* Checks of the C programs beside this file. A program prints nothing and returns 0. A check that
 * does not hold says where, and why the library refused, and ends the program with 1; so does a
 * handle that was not freed when the program ends. */

#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ottla.h>

/* Ends the program unless `condition` holds. */
#define CHECK(condition) \
  ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))

/* Ends the program unless `call` returns OTTLA_OK. `error` is the `ottla_error *` whose address the
 * call was given, or NULL: CHECK_OK(ottla_close(broker, 0, &error), error); */
#define CHECK_OK(call, error)                                             \
  do {                                                                    \
    ottla_status check_status_ = (call);                                  \
    if (check_status_ != OTTLA_OK) {                                      \
      check_refused(#call, check_status_, (error), __FILE__, __LINE__);   \
    }                                                                     \
  } while (0)

/* Ends the program unless `call` returns `expected`, which is not OTTLA_OK. The error object that
 * `error`, an `ottla_error *` variable, got from it must have the same code; it is freed, and the
 * variable set to NULL. */
#define CHECK_FAILS(expected, call, error)                                \
  do {                                                                    \
    ottla_status check_status_ = (call);                                  \
    if (check_status_ != (expected)) {                                    \
      check_refused(#call, check_status_, (error), __FILE__, __LINE__);   \
    }                                                                     \
    CHECK(ottla_error_status(error) == (expected));                       \
    CHECK(ottla_error_free(error) == OTTLA_OK);                           \
    (error) = NULL;                                                       \
  } while (0)

static inline void check_failed(const char *condition, const char *file, int line) {
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  _exit(1);
}

static inline void check_refused(const char *call, ottla_status status, const ottla_error *error,
                                 const char *file, int line) {
  fprintf(stderr, "%s:%d: %s: %s\n  %s\n", file, line, call, ottla_status_name(status),
          error == NULL ? "(no error object)" : ottla_error_message(error));
  _exit(1);
}

/* A program that ends well has freed all that it was given. */
static inline void check_nothing_is_open(void) {
  size_t count = ottla_handle_count();
  if (count > 0) {
    fprintf(stderr, "%zu handles were not freed\n", count);
    _exit(1);
  }
}

__attribute__((constructor)) static void check_at_the_end(void) {
  CHECK(atexit(check_nothing_is_open) == 0);
}

#endif
