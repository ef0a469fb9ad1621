/* A process that goes on in its child, and that in its own, again and again: no handle of an
 * ancestor is ever taken for one of the child, though each holds as many of the same kind. */

#include <sys/wait.h>

#include "check.h"

#define DEPTH 40

static ottla_error *refused(void) {
  ottla_error *error = NULL;
  CHECK(ottla_open(NULL, NULL, 0, NULL, &error) == OTTLA_E_INVALID_INPUT);
  CHECK(error != NULL);
  return error;
}

int main(void) {
  ottla_error *of[DEPTH];
  int depth = 0;
  of[0] = refused();
  for (; depth + 1 < DEPTH; depth++) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child > 0) {
      int status = -1;
      CHECK(waitpid(child, &status, 0) == child);
      CHECK(status == 0);
      break;
    }
    of[depth + 1] = refused();
    for (int ancestor = 0; ancestor <= depth; ancestor++) {
      CHECK(of[ancestor] != of[depth + 1]);
      CHECK(ottla_error_free(of[ancestor]) == OTTLA_E_FORKED);
    }
  }
  CHECK_OK(ottla_error_free(of[depth]), NULL);
  return 0;
}
