/* Every function that takes a handle gets every other one in its place: of another type, freed
 * before, NULL and invented. Each time the answer is OTTLA_E_INVALID_HANDLE (or OTTLA_E_FORKED, if
 * the number happens to be one of another process), and nothing else happens. */

#include "calls.h"
#include "handles.h"

static struct arguments arguments;

#define UNTOUCHED 0xa5

/* Whatever a call could write is as it was. */
static void nothing_was_written(const struct call *call, const char *what) {
  for (int at = 0; at < ARGUMENTS; at++) {
    if ((call->outputs >> at & 1) == 0) continue;
    for (size_t byte = call->sized >> at & 1 ? 4 : 0; byte < PLACE_BYTES; byte++) {
      if (arguments.place[at][byte] == UNTOUCHED) continue;
      fprintf(stderr, "%s with %s: wrote argument %d\n", call->name, what, at);
      _exit(1);
    }
  }
}

/* Calls with `handle` where one of another kind belongs. */
static void refused(const struct call *call, void *const *valid, void *handle, const char *what) {
  void *handles[HANDLE_TYPES];
  memcpy(handles, valid, sizeof handles);
  handles[call->type] = handle;
  prepare(&arguments);
  for (int at = 0; at < ARGUMENTS; at++) {
    if (call->outputs >> at & 1) memset(arguments.place[at], UNTOUCHED, PLACE_BYTES);
  }
  int64_t answer = call->run(handles, &arguments);
  int is_refused = answer == OTTLA_E_INVALID_HANDLE || answer == OTTLA_E_FORKED;
  if (call->returns_status && !is_refused) {
    fprintf(stderr, "%s with %s as argument %d: %s\n", call->name, what, call->position,
            ottla_status_name((ottla_status)answer));
    _exit(1);
  }
  if (call->returns_status) nothing_was_written(call, what);
  for (int at = 0; at < 3; at++) {
    struct result result = call->results[at];
    void *made = NULL;
    if (result.argument < 0 || (call->outputs >> result.argument & 1) != 0) continue;
    memcpy(&made, arguments.place[result.argument], sizeof made);
    if (made == NULL) continue;
    CHECK(ottla_error_status(made) == answer);
    CHECK(ottla_error_free(made) == OTTLA_OK);
  }
}

/* NULL is no records, as after a poll that returned nothing. */
static int takes_none(const struct call *call) {
  return strcmp(call->name, "ottla_records_views") == 0;
}

int main(void) {
  void *valid[HANDLE_TYPES];
  void *freed[HANDLE_TYPES];
  make_directory_to_verify();
  make_handles(freed, ":memory:");
  free_handles(freed);
  make_handles(valid, ":memory:");
  uint64_t random = 88172645463325252u;
  for (size_t at = 0; at < CALLS; at++) {
    const struct call *call = &calls[at];
    if (call->type < 0) continue;
    for (int type = 0; type < HANDLE_TYPES; type++) {
      if (valid[type] == NULL) continue;
      if (type != call->type) refused(call, valid, valid[type], type_names[type]);
      refused(call, valid, freed[type], "a freed handle");
    }
    if (!call->frees && !takes_none(call)) refused(call, valid, NULL, "NULL");
    refused(call, valid, (void *)call, "an address");
    refused(call, valid, (void *)UINTPTR_MAX, "all ones");
    for (int bit = 0; bit < 64; bit++) {
      refused(call, valid, (void *)((uintptr_t)valid[call->type] ^ (uintptr_t)1 << bit),
              "a handle with one bit flipped");
    }
    for (int round = 0; round < 8; round++) {
      refused(call, valid, (void *)(uintptr_t)next_random(&random), "an invented number");
    }
  }
  free_handles(valid);
  return 0;
}
