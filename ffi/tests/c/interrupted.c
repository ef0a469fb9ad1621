/* A signal each millisecond, whose handler does not restart system calls, disturbs nothing: the
 * program sees every call succeed, and its handler runs on its own threads only. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

#include "check.h"

#define RECORDS 300

static atomic_int signals;
static atomic_int strangers;
static _Thread_local int is_of_the_program;

static void handler(int signal) {
  (void)signal;
  atomic_fetch_add(&signals, 1);
  if (!is_of_the_program) atomic_fetch_add(&strangers, 1);
}

static void set_timer(long microseconds) {
  struct itimerval timer = {{0, microseconds}, {0, microseconds}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* A thread begins with the signal blocked, so that it can say first that it is the program's. */
static void block_signal(int how) {
  sigset_t alarms;
  sigemptyset(&alarms);
  sigaddset(&alarms, SIGALRM);
  CHECK(pthread_sigmask(how, &alarms, NULL) == 0);
}

static void *send_records(void *given) {
  ottla_broker *broker = given;
  ottla_error *error = NULL;
  ottla_producer *producer = NULL;
  is_of_the_program = 1;
  block_signal(SIG_UNBLOCK);
  CHECK_OK(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error), error);
  for (int at = 0; at < RECORDS; at++) {
    ottla_delivery *delivery = NULL;
    const ottla_record record = {.value = (const uint8_t *)"one burger", .value_length = 10};
    CHECK_OK(ottla_producer_send(producer, "orders", &record, 1, &delivery, NULL, &error), error);
    CHECK_OK(ottla_delivery_wait(delivery, 10000, &error), error);
    CHECK_OK(ottla_delivery_free(delivery), NULL);
  }
  CHECK_OK(ottla_producer_free(producer), NULL);
  return NULL;
}

/* Waits for the records of both threads, and for nothing at the end. */
static void read_records(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  ottla_records *records = NULL;
  const ottla_setting settings[] = {{"group.id", "kitchen"}, {"auto.offset.reset", "earliest"}};
  const char *topic = "orders";
  size_t found = 0;
  CHECK_OK(ottla_consumer_new(broker, settings, 2, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_subscribe(consumer, &topic, 1, &error), error);
  while (found < 2 * RECORDS) {
    const ottla_record_view *views;
    size_t count;
    CHECK_OK(ottla_consumer_poll(consumer, 10000, &records, &error), error);
    CHECK(records != NULL);
    CHECK_OK(ottla_records_views(records, &views, &count, &error), error);
    CHECK_OK(ottla_records_free(records), NULL);
    CHECK_OK(ottla_consumer_commit(consumer, &error), error);
    found += count;
  }
  CHECK_OK(ottla_consumer_poll(consumer, 100, &records, &error), error);
  CHECK(records == NULL && found == 2 * RECORDS);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
}

int main(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  is_of_the_program = 1;
  set_timer(1000);
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 1, NULL, 0, &error), error);
  pthread_t thread, second;
  block_signal(SIG_BLOCK);
  CHECK(pthread_create(&thread, NULL, send_records, broker) == 0);
  CHECK(pthread_create(&second, NULL, send_records, broker) == 0);
  block_signal(SIG_UNBLOCK);
  read_records(broker);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(pthread_join(second, NULL) == 0);
  CHECK_OK(ottla_close(broker, 10000, &error), error);
  CHECK_OK(ottla_open("data", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_close(broker, 10000, &error), error);
  set_timer(0);
  CHECK(atomic_load(&signals) > 10);
  CHECK(atomic_load(&strangers) == 0);
  return 0;
}
