/* Many threads call functions at random with handles at random: the right ones, freed ones, those of
 * other types, invented ones, all shared and freed under each other's feet. Whatever comes back, in
 * the end everything can be freed. OTTLA_SEED repeats the choices of each thread, though not how
 * they meet. */

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "calls.h"
#include "handles.h"

#define THREADS 64
#define CALLS_OF_A_THREAD 400
#define SLOTS 4

/* The handles that all threads share, by type. */
static _Atomic(uintptr_t) pool[HANDLE_TYPES][SLOTS];
static const struct call *free_of[HANDLE_TYPES];
static char long_text[(1 << 20) + 100];
static uint64_t seed;

static uint64_t below(struct arguments *arguments, uint64_t bound) {
  return next_random(&arguments->random) % bound;
}

/* Frees a handle that was taken out of the pool. A broker is abandoned: others may hold what was
 * made of it. */
static void give_back(int type, uintptr_t handle) {
  if (handle == 0) return;
  if (free_of[type] == NULL) {
    ottla_abandon((ottla_broker *)handle);
    return;
  }
  static _Thread_local struct arguments arguments;
  prepare(&arguments);
  void *handles[HANDLE_TYPES] = {0};
  handles[type] = (void *)handle;
  /* A consumer cannot be freed while another thread is inside of it. */
  while (free_of[type]->run(handles, &arguments) == OTTLA_E_CONCURRENT_USE) usleep(100);
}

static void put(struct arguments *arguments, int type, uintptr_t handle) {
  give_back(type, atomic_exchange(&pool[type][below(arguments, SLOTS)], handle));
}

/* Mostly a handle of the type. */
static uintptr_t some_handle(struct arguments *arguments, int type) {
  switch (below(arguments, 16)) {
    case 0:
      return 0;
    case 1:
      return next_random(&arguments->random);
    case 2:
      type = (int)below(arguments, HANDLE_TYPES);
      break;
    default:
      break;
  }
  return atomic_load(&pool[type][below(arguments, SLOTS)]);
}

static void choose(struct arguments *arguments) {
  static const int64_t numbers[] = {0, 0, 0, 1, 1, 2, -1, 3, INT32_MAX, INT32_MIN, INT64_MAX,
                                    INT64_MIN, 100, -2, 7, 1000000};
  static const size_t counts[] = {0, 1, 1, 1, 2, 3, 4, SIZE_MAX};
  prepare(arguments);
  for (int at = 0; at < ARGUMENTS; at++) {
    if (below(arguments, 16) == 0) arguments->pointer[at] = NULL;
    uint64_t text = below(arguments, 32);
    if (text == 0) arguments->text[at] = NULL;
    if (text == 1) arguments->text[at] = long_text;
    if (text == 2) arguments->text[at] = some_name(arguments);
    if (text == 3) arguments->text[at] = ":memory:";
    arguments->number[at] = numbers[below(arguments, 16)];
    arguments->count[at] = counts[below(arguments, 8)];
    arguments->timeout_ms[at] = (int64_t)below(arguments, 3);
  }
}

/* Makes the handles anew that are as likely as not gone by now. */
static void refill(struct arguments *arguments) {
  void *handles[HANDLE_TYPES];
  make_handles(handles, ":memory:");
  for (int type = 0; type < HANDLE_TYPES; type++) put(arguments, type, (uintptr_t)handles[type]);
}

static void call_something(struct arguments *arguments) {
  const struct call *call = &calls[below(arguments, CALLS)];
  /* Otherwise half of the calls would be for something that is gone. */
  if (call->frees && below(arguments, 4) != 0) return;
  void *handles[HANDLE_TYPES];
  for (int type = 0; type < HANDLE_TYPES; type++) {
    handles[type] = (void *)some_handle(arguments, type);
  }
  choose(arguments);
  call->run(handles, arguments);
  for (int at = 0; at < 3; at++) {
    struct result result = call->results[at];
    uintptr_t made = 0;
    if (result.argument < 0) continue;
    memcpy(&made, arguments->place[result.argument], sizeof made);
    if (made != 0) put(arguments, result.type, made);
  }
}

static void *thread_of_the_storm(void *number) {
  struct arguments *arguments = calloc(1, sizeof *arguments);
  CHECK(arguments != NULL);
  arguments->random = (seed + (uintptr_t)number + 1) * 0x9e3779b97f4a7c15u;
  for (int at = 0; at < CALLS_OF_A_THREAD; at++) {
    if (at % 200 == 0) refill(arguments);
    call_something(arguments);
  }
  free(arguments);
  return NULL;
}

int main(void) {
  const char *given = getenv("OTTLA_SEED");
  seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
  fprintf(stderr, "OTTLA_SEED=%llu\n", (unsigned long long)seed);
  memset(long_text, 'x', sizeof long_text - 1);
  for (size_t at = 0; at < CALLS; at++) {
    int is_broker = calls[at].type >= 0 && calls[at].type == type_of("ottla_broker");
    if (calls[at].frees && !is_broker) free_of[calls[at].type] = &calls[at];
  }
  make_directory_to_verify();
  pthread_t threads[THREADS];
  for (uintptr_t at = 0; at < THREADS; at++) {
    CHECK(pthread_create(&threads[at], NULL, thread_of_the_storm, (void *)at) == 0);
  }
  for (int at = 0; at < THREADS; at++) CHECK(pthread_join(threads[at], NULL) == 0);
  for (int type = 0; type < HANDLE_TYPES; type++) {
    for (int slot = 0; slot < SLOTS; slot++) give_back(type, atomic_load(&pool[type][slot]));
  }
  return 0;
}
