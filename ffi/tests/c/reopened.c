/* A thousand opens and closes leave memory, threads and descriptors where they were. */

#include <dirent.h>
#include <malloc.h>
#include <string.h>

#include "check.h"

/* A leak of a few bytes in each round is more. */
#define BYTES_MAX 4096

/* The sanitizer has its own allocator, of which mallinfo2 knows nothing: it finds leaks otherwise. */
#ifdef __SANITIZE_ADDRESS__
#define ROUNDS 100
#else
#define ROUNDS 1000
#endif

static size_t entries_of(const char *path) {
  DIR *folder = opendir(path);
  CHECK(folder != NULL);
  size_t count = 0;
  while (readdir(folder) != NULL) count++;
  closedir(folder);
  return count;
}

static void use(const char *directory) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_producer *producer = NULL;
  ottla_delivery *delivery = NULL;
  const ottla_record record = {.value = (const uint8_t *)"one burger", .value_length = 10};
  CHECK_OK(ottla_open(directory, NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_ensure(broker, "orders", 1, NULL, 0, &error), error);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  CHECK_OK(ottla_producer_send(producer, "orders", &record, 1, &delivery, NULL, &error), error);
  CHECK_OK(ottla_delivery_wait(delivery, -1, &error), error);
  CHECK_OK(ottla_delivery_free(delivery), NULL);
  CHECK_FAILS(OTTLA_E_STILL_OPEN, ottla_close(broker, 0, &error), error);
  CHECK_OK(ottla_producer_free(producer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static size_t bytes_in_use(void) {
  return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* What threads keep of freed memory for later counts as in use: run again without that. */
static void keep_no_freed_memory(char **arguments) {
  if (getenv("GLIBC_TUNABLES") != NULL) return;
  CHECK(setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1) == 0);
  execv("/proc/self/exe", arguments);
  CHECK(!"executed");
}

int main(int count, char **arguments) {
  (void)count;
  keep_no_freed_memory(arguments);
  for (int round = 0; round < 50; round++) use(round % 10 == 0 ? "data" : ":memory:");
  size_t bytes = bytes_in_use();
  size_t threads = entries_of("/proc/self/task");
  size_t descriptors = entries_of("/proc/self/fd");
  for (int round = 0; round < ROUNDS; round++) use(round % 10 == 0 ? "data" : ":memory:");
  CHECK(entries_of("/proc/self/task") == threads);
  CHECK(entries_of("/proc/self/fd") == descriptors);
  size_t after = bytes_in_use();
  if (after > bytes + BYTES_MAX) {
    fprintf(stderr, "%zu bytes before, %zu after\n", bytes, after);
    CHECK(after <= bytes + BYTES_MAX);
  }
  return 0;
}
