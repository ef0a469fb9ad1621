/* Forgets to free an error: no sanitizer sees it, but the check at the end does. */

#include "../check.h"

int main(void) {
  ottla_error *error = NULL;
  CHECK(ottla_open(NULL, NULL, 0, NULL, &error) == OTTLA_E_INVALID_INPUT);
  return 0;
}
