/* Opens a directory, and closes it.
 *
 *   cc quickstart.c $(pkg-config --cflags --libs ottla) && ./a.out
 */

#include <stdio.h>

#include <ottla.h>

int main(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  if (ottla_open("data", NULL, 0, &broker, &error) != OTTLA_OK ||
      ottla_close(broker, -1, &error) != OTTLA_OK) {
    fprintf(stderr, "%s\n", ottla_error_message(error));
    return 1;
  }
  printf("opened and closed\n");
  return 0;
}

/* Prints:
 *   opened and closed
 */
