/* Adds beyond what an int holds: the sanitizer has to say so. */

#include <limits.h>

#include "../check.h"

int main(int count, char **arguments) {
  (void)arguments;
  CHECK(count == 1);
  int largest = INT_MAX;
  largest += count;
  return largest > 0;
}
