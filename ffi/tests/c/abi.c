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

IS(sizeof(ottla_header), 32);
IS(offsetof(ottla_header, name), 0);
IS(offsetof(ottla_header, name_length), 8);
IS(offsetof(ottla_header, value), 16);
IS(offsetof(ottla_header, value_length), 24);

IS(sizeof(ottla_record), 64);
IS(offsetof(ottla_record, key), 0);
IS(offsetof(ottla_record, key_length), 8);
IS(offsetof(ottla_record, value), 16);
IS(offsetof(ottla_record, value_length), 24);
IS(offsetof(ottla_record, headers), 32);
IS(offsetof(ottla_record, header_count), 40);
IS(offsetof(ottla_record, timestamp), 48);
IS(offsetof(ottla_record, partition), 56);
IS(offsetof(ottla_record, flags), 60);

IS(sizeof(ottla_record_view), 48);
IS(offsetof(ottla_record_view, offset), 0);
IS(offsetof(ottla_record_view, timestamp), 8);
IS(offsetof(ottla_record_view, key), 16);
IS(offsetof(ottla_record_view, value), 24);
IS(offsetof(ottla_record_view, key_length), 32);
IS(offsetof(ottla_record_view, value_length), 36);
IS(offsetof(ottla_record_view, partition_index), 40);
IS(offsetof(ottla_record_view, header_count_and_type), 44);

IS(sizeof(ottla_topic_partition), 16);
IS(offsetof(ottla_topic_partition, topic), 0);
IS(offsetof(ottla_topic_partition, partition), 8);
IS(offsetof(ottla_topic_partition, reserved), 12);

IS(sizeof(ottla_offset), 32);
IS(offsetof(ottla_offset, topic), 0);
IS(offsetof(ottla_offset, partition), 8);
IS(offsetof(ottla_offset, leader_epoch), 12);
IS(offsetof(ottla_offset, offset), 16);
IS(offsetof(ottla_offset, metadata), 24);

IS(sizeof(ottla_table_entry), 32);
IS(offsetof(ottla_table_entry, key), 0);
IS(offsetof(ottla_table_entry, key_length), 8);
IS(offsetof(ottla_table_entry, value), 16);
IS(offsetof(ottla_table_entry, value_length), 24);

IS(sizeof(ottla_producer_identity), 16);
IS(offsetof(ottla_producer_identity, id), 0);
IS(offsetof(ottla_producer_identity, epoch), 8);
IS(offsetof(ottla_producer_identity, reserved), 10);

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
