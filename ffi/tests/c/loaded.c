/* A program that loads the library when it needs it, and lets go of it again, as often as it likes;
 * it forks and ends without it as well. Not linked with the library, so without check.h. */

#include <assert.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ottla.h>

/* ISO C has no conversion of a data pointer to a function. */
union symbol {
  void *data;
  ottla_status (*open)(const char *, const ottla_setting *, size_t, ottla_broker **, ottla_error **);
  ottla_status (*close)(ottla_broker *, int64_t, ottla_error **);
};

static void open_and_close(void *library) {
  union symbol opens = {dlsym(library, "ottla_open")};
  union symbol closes = {dlsym(library, "ottla_close")};
  assert(opens.data != NULL && closes.data != NULL);
  ottla_broker *broker = NULL;
  assert(opens.open("data", NULL, 0, &broker, NULL) == OTTLA_OK);
  assert(closes.close(broker, -1, NULL) == OTTLA_OK);
}

int main(void) {
  assert(dlopen("libottla.so.0", RTLD_NOW | RTLD_NOLOAD) == NULL);
  for (int round = 0; round < 20; round++) {
    void *library = dlopen("libottla.so.0", RTLD_NOW | RTLD_LOCAL);
    assert(library != NULL);
    open_and_close(library);
    assert(dlclose(library) == 0);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) exit(0);
    int status = -1;
    assert(waitpid(child, &status, 0) == child && status == 0);
  }
  return 0;
}
