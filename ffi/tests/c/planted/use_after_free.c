/* Reads what the library freed, in memory that the library allocated: the sanitizer has to say so. */

#include "../check.h"

int main(void) {
  ottla_error *error = NULL;
  CHECK(ottla_open(NULL, NULL, 0, NULL, &error) == OTTLA_E_INVALID_INPUT);
  const char *message = ottla_error_message(error);
  CHECK(message[0] != 0);
  CHECK(ottla_error_free(error) == OTTLA_OK);
  return message[0] == 'x';
}
