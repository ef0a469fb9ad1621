/* What programs were compiled with is true of the library, and never changes: the numbers of status
 * codes, and the layout of structs that have no size in them. */

#include <string.h>

#include "check.h"

#define IS(constant, value) _Static_assert((constant) == (value), #constant)

IS(OTTLA_OK, 0);
IS(OTTLA_E_INVALID_INPUT, -1);
IS(OTTLA_E_IO, -2);
IS(OTTLA_E_CORRUPT, -3);
IS(OTTLA_E_LOCKED, -4);
IS(OTTLA_E_NO_SPACE, -5);
IS(OTTLA_E_LIMIT, -6);
IS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION, -7);
IS(OTTLA_E_TOPIC_EXISTS, -8);
IS(OTTLA_E_OFFSET_OUT_OF_RANGE, -9);
IS(OTTLA_E_POISONED, -10);
IS(OTTLA_E_READ_ONLY, -11);
IS(OTTLA_E_UNSUPPORTED, -12);
IS(OTTLA_E_CLOSED, -13);
IS(OTTLA_E_TIMEOUT, -14);
IS(OTTLA_E_BUFFER_FULL, -15);
IS(OTTLA_E_FENCED, -16);
IS(OTTLA_E_OUT_OF_ORDER_SEQUENCE, -17);
IS(OTTLA_E_UNKNOWN_GROUP, -18);
IS(OTTLA_E_GROUP_NOT_EMPTY, -19);
IS(OTTLA_E_CONFLICT, -20);
IS(OTTLA_E_INVALID_TRANSACTION_STATE, -21);
IS(OTTLA_E_OTHER, -100);
IS(OTTLA_E_INVALID_HANDLE, -101);
IS(OTTLA_E_FORKED, -102);
IS(OTTLA_E_PANIC, -103);
IS(OTTLA_E_CONCURRENT_USE, -104);
IS(OTTLA_E_STILL_OPEN, -105);
IS(OTTLA_E_PENDING, -106);
IS(OTTLA_E_CALLBACK, -107);
IS(OTTLA_RECORD_PARTITION, 1);
IS(OTTLA_RECORD_TIMESTAMP, 2);

IS(sizeof(ottla_status), 4);

IS(sizeof(ottla_setting), 16);
IS(offsetof(ottla_setting, name), 0);
IS(offsetof(ottla_setting, value), 8);

int main(void) {
  CHECK(ottla_version_number() == OTTLA_VERSION_NUMBER);
  CHECK(ottla_abi_version() == OTTLA_ABI_VERSION);
  unsigned number = OTTLA_VERSION_NUMBER;
  char text[32];
  snprintf(text, sizeof text, "%u.%u.%u", number / 1000000, number / 1000 % 1000, number % 1000);
  CHECK(strcmp(ottla_version(), text) == 0);
  CHECK(strcmp(ottla_status_name(OTTLA_OK), "OTTLA_OK") == 0);
  CHECK(strcmp(ottla_status_name(12345), "OTTLA_E_UNKNOWN") == 0);
  return 0;
}
