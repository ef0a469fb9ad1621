/* Forgets memory: the sanitizer has to say so. */

#include <stdlib.h>

#include "../check.h"

int main(void) {
  volatile char *forgotten = malloc(1000);
  CHECK(forgotten != NULL);
  forgotten[0] = 1;
  forgotten = NULL;
  return 0;
}
