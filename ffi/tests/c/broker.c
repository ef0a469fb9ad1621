/* Opens, closes and abandons directories, and reads errors. */

#include <string.h>

#include "check.h"

static void a_directory_has_one_holder(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_broker *second = NULL;
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  ottla_status status = ottla_open("data", NULL, 0, &second, &error);
  CHECK(status == OTTLA_E_LOCKED);
  CHECK(second == NULL);
  CHECK(ottla_error_status(error) == OTTLA_E_LOCKED);
  CHECK(strstr(ottla_error_message(error), "data") != NULL);
  CHECK(ottla_error_free(error) == OTTLA_OK);
  error = NULL;
  CHECK_OK(ottla_close(broker, 0, &error), error);
  CHECK_OK(ottla_open("data", NULL, 0, &second, &error), error);
  CHECK(second != broker);
  CHECK_OK(ottla_abandon(second), NULL);
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_close(broker, -1, &error), error);
}

static void settings_are_checked(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_setting wrong[] = {{"num.partition", "3"}};
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_open(":memory:", wrong, 1, &broker, &error), error);
  CHECK(broker == NULL);
  ottla_setting right[] = {{"num.partitions", "3"}};
  CHECK_OK(ottla_open(":memory:", right, 1, &broker, &error), error);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  a_directory_has_one_holder();
  settings_are_checked();
  CHECK(strcmp(ottla_status_name(OTTLA_E_LOCKED), "OTTLA_E_LOCKED") == 0);
  return 0;
}
