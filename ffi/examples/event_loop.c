/* One thread, one epoll: orders come in on a timer, are written, and are read again. Nobody waits
 * inside of the library; two descriptors say when there is something to do.
 *
 *   cc event_loop.c $(pkg-config --cflags --libs ottla) && ./a.out
 */

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ottla.h>

static ottla_error *error;
static ottla_producer *producer;
static ottla_consumer *consumer;
static uint64_t sent, written, consumed;

static void check(ottla_status status) {
  if (status != OTTLA_OK) {
    fprintf(stderr, "%s\n", ottla_error_message(error));
    exit(1);
  }
}

static void send_order(void) {
  const ottla_record order = {.value = (const uint8_t *)"a burger", .value_length = 8};
  ottla_delivery *delivery;
  check(ottla_producer_send(producer, "orders", &order, 1, &delivery, NULL, &error));
  check(ottla_delivery_notify(delivery, sent, &error)); /* The tag comes back when it is written. */
  ottla_delivery_free(delivery);
  sent += 1;
}

static void take_written(void) {
  uint64_t tags[16];
  size_t count;
  check(ottla_producer_completed(producer, tags, 16, &count, &error));
  written += count;
}

static void take_records(void) {
  ottla_records *records;
  check(ottla_consumer_poll(consumer, 0, &records, &error));
  if (records != NULL) {
    const ottla_record_view *orders;
    size_t count;
    check(ottla_records_views(records, &orders, &count, &error));
    ottla_records_free(records);
    consumed += count;
  }
}

static void watch(int loop, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
  if (epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) != 0) exit(1);
}

static void run_loop(void) {
  int32_t written_fd, records_fd;
  int loop = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  const struct itimerspec each_millisecond = {{0, 1000000}, {0, 1000000}};
  timerfd_settime(timer, 0, &each_millisecond, NULL);
  check(ottla_producer_fd(producer, &written_fd, &error));
  check(ottla_consumer_fd(consumer, &records_fd, &error));
  watch(loop, timer);
  watch(loop, written_fd);
  watch(loop, records_fd);
  while (written < 100 || consumed < 100) {
    struct epoll_event event;
    uint64_t ticks;
    if (epoll_wait(loop, &event, 1, -1) < 1) continue;
    if (event.data.fd == timer && read(timer, &ticks, sizeof ticks) > 0 && sent < 100) send_order();
    if (event.data.fd == written_fd) take_written();
    if (event.data.fd == records_fd) take_records();
  }
  close(timer);
  close(loop);
}

int main(void) {
  ottla_broker *broker;
  const char *topic = "orders";
  const ottla_setting kitchen[] = {{"group.id", "kitchen"}, {"auto.offset.reset", "earliest"}};
  check(ottla_open("data", NULL, 0, &broker, &error));
  check(ottla_topic_ensure(broker, topic, 1, NULL, 0, &error));
  check(ottla_producer_new(broker, NULL, 0, NULL, &producer, &error));
  check(ottla_consumer_new(broker, kitchen, 2, NULL, &consumer, &error));
  check(ottla_consumer_subscribe(consumer, &topic, 1, &error));
  run_loop();
  printf("%d sent, %d written, %d consumed\n", (int)sent, (int)written, (int)consumed);
  ottla_consumer_free(consumer);
  ottla_producer_free(producer);
  check(ottla_close(broker, -1, &error));
  return 0;
}

/* Prints:
 *   100 sent, 100 written, 100 consumed
 */
