/* Forks while other threads open directories: a child can open, too, whatever those threads held. */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "check.h"

#define THREADS 6

/* The sanitizer's allocator is not made for forks amid work: a child can wait for ever for a lock in
 * there that a thread of the parent held. */
#ifdef __SANITIZE_ADDRESS__
#define CHILDREN 0
#else
#define CHILDREN 100
#endif

static atomic_bool is_over;

static void open_what_is_open(void) {
  ottla_error *error = NULL;
  ottla_broker *second = NULL;
  CHECK_FAILS(OTTLA_E_LOCKED, ottla_open("data", NULL, 0, &second, &error), error);
}

static void *open_again_and_again(void *unused) {
  while (!atomic_load(&is_over)) {
    open_what_is_open();
  }
  return unused;
}

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  pthread_t threads[THREADS];
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  for (int at = 0; at < THREADS; at++) {
    CHECK(pthread_create(&threads[at], NULL, open_again_and_again, NULL) == 0);
  }
  for (int round = 0; round < CHILDREN; round++) {
    int status = -1;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
      alarm(60);
      open_what_is_open();
      _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  atomic_store(&is_over, true);
  for (int at = 0; at < THREADS; at++) {
    CHECK(pthread_join(threads[at], NULL) == 0);
  }
  open_what_is_open();
  CHECK_OK(ottla_close(broker, 0, &error), error);
  return 0;
}
