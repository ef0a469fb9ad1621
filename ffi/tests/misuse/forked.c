/* A child has none of the parent's handles: each function answers OTTLA_E_FORKED, for each handle
 * that it takes. What the child frees, and its end, leave the parent's directory alone; the parent
 * goes on. A child may open a directory of its own, and its child has none of both. */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "calls.h"
#include "handles.h"

static struct arguments arguments;

static void all_calls_say_forked(void *const *handles) {
  void *none[HANDLE_TYPES] = {0};
  for (size_t at = 0; at < CALLS; at++) {
    const struct call *call = &calls[at];
    if (call->type < 0 || handles[call->type] == NULL) continue;
    prepare(&arguments);
    int64_t answer = call->run(handles, &arguments);
    if (call->returns_status && answer != OTTLA_E_FORKED) {
      fprintf(stderr, "%s in a child: %s\n", call->name, ottla_status_name((ottla_status)answer));
      _exit(1);
    }
    for (int result = 0; result < 3 && answer == OTTLA_E_FORKED; result++) {
      void *made = NULL;
      int argument = call->results[result].argument;
      if (argument >= 0) memcpy(&made, arguments.place[argument], sizeof made);
      if (made == NULL) continue;
      CHECK(ottla_error_status(made) == OTTLA_E_FORKED);
      CHECK(ottla_error_free(made) == OTTLA_OK);
    }
    /* NULL is still NULL. */
    prepare(&arguments);
    CHECK(call->run(none, &arguments) != OTTLA_E_FORKED || !call->returns_status);
    ottla_error *error = NULL;
    for (int result = 0; result < 3; result++) {
      int argument = call->results[result].argument;
      if (argument >= 0) memcpy(&error, arguments.place[argument], sizeof error);
      if (error != NULL) ottla_error_free(error);
      error = NULL;
    }
  }
}

static void write_in(const char *directory) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_producer *producer = NULL;
  const ottla_record record = {.value = john, .value_length = 4};
  CHECK_OK(ottla_open(directory, NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_ensure(broker, "orders", 2, NULL, 0, &error), error);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  CHECK_OK(ottla_producer_send(producer, "orders", &record, 1, NULL, NULL, &error), error);
  CHECK_OK(ottla_producer_free(producer), NULL);
  CHECK_OK(ottla_close(broker, -1, &error), error);
}

/* Names, sizes and times of all files below a folder, as one number. */
static uint64_t state_of(int folder) {
  uint64_t sum = 0;
  DIR *entries = fdopendir(folder);
  CHECK(entries != NULL);
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    struct stat found;
    CHECK(fstatat(dirfd(entries), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0);
    uint64_t hash = 14695981039346656037u;
    for (const char *letter = entry->d_name; *letter != 0; letter++) {
      hash = (hash ^ (unsigned char)*letter) * 1099511628211u;
    }
    hash = (hash ^ (uint64_t)found.st_size) * 1099511628211u;
    hash = (hash ^ (uint64_t)found.st_mtim.tv_nsec) * 1099511628211u;
    sum += hash;
    if (S_ISDIR(found.st_mode)) {
      int inner = openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY);
      CHECK(inner >= 0);
      sum += 3 * state_of(inner);
    }
  }
  closedir(entries);
  return sum;
}

/* The leak checker of a child does not see what only threads of the parent point to. */
static void end_child(void) {
#ifdef __SANITIZE_ADDRESS__
  _exit(0);
#else
  exit(0);
#endif
}

static void child(void *const *handles) {
  all_calls_say_forked(handles);
  void *own[HANDLE_TYPES];
  make_handles(own, ":memory:");
  pid_t grandchild = fork();
  CHECK(grandchild >= 0);
  if (grandchild == 0) {
    all_calls_say_forked(handles);
    all_calls_say_forked(own);
    write_in("grandchild");
    end_child();
  }
  int status = -1;
  CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
  free_handles(own);
  write_in("child");
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_FAILS(OTTLA_E_LOCKED, ottla_open("data", NULL, 0, &broker, &error), error);
  end_child();
}

int main(void) {
  void *handles[HANDLE_TYPES];
  make_directory_to_verify();
  make_handles(handles, "data");
  uint64_t before = state_of(open("data", O_RDONLY | O_DIRECTORY));
  pid_t first = fork();
  CHECK(first >= 0);
  if (first == 0) child(handles);
  int status = -1;
  CHECK(waitpid(first, &status, 0) == first && status == 0);
  CHECK(state_of(open("data", O_RDONLY | O_DIRECTORY)) == before);

  /* A child that lives on does not keep the directory locked once the parent is done with it. */
  int ends[2];
  CHECK(pipe(ends) == 0);
  pid_t second = fork();
  CHECK(second >= 0);
  if (second == 0) {
    char byte;
    close(ends[1]);
    CHECK(read(ends[0], &byte, 1) == 0);
    end_child();
  }
  free_handles(handles);
  write_in("data");
  close(ends[0]);
  close(ends[1]);
  CHECK(waitpid(second, &status, 0) == second && status == 0);
  return 0;
}
