/* A member of a group: rebalance callbacks that use the consumer, commits, stalls, and an assignor of
 * the program's own. */

#include <pthread.h>

#include "records.h"

static const char *const topics[] = {"orders"};

static ottla_broker *opened(void) {
  static const ottla_setting settings[] = {{"ottla.background", "false"}};
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  CHECK_OK(ottla_open(":memory:", settings, 1, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  write_record(broker, "orders", "a", "1");
  write_record(broker, "orders", "b", "2");
  return broker;
}

/* What the callbacks of a member saw. */
typedef struct seen {
  int assigned, revoked, lost, committed, stalled;
  bool frees;
  ottla_status last;
  ottla_consumer *consumer;
} seen;

static void on_assigned(void *user_data, ottla_consumer *consumer,
                        const ottla_topic_partition *partitions, size_t count) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  seen *it = user_data;
  it->assigned += (int)count;
  for (size_t i = 0; i < count; i++) {
    int64_t offset = -1;
    CHECK(strcmp(partitions[i].topic, "orders") == 0);
    CHECK_OK(ottla_consumer_position(consumer, "orders", partitions[i].partition, &offset, &error), error);
    CHECK_OK(ottla_consumer_seek(consumer, "orders", partitions[i].partition, offset, &error), error);
  }
  CHECK_OK(ottla_consumer_pause(consumer, partitions, count, &error), error);
  CHECK_OK(ottla_consumer_resume(consumer, partitions, count, &error), error);
  /* What would change the partitions in the middle of a change. */
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_poll(consumer, 0, &records, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_subscribe(consumer, topics, 1, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_unsubscribe(consumer, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_close(consumer, &error), error);
  CHECK(ottla_consumer_free(consumer) == OTTLA_E_INVALID_INPUT);
}

static void on_revoked(void *user_data, ottla_consumer *consumer,
                       const ottla_topic_partition *partitions, size_t count) {
  ottla_error *error = NULL;
  seen *it = user_data;
  it->revoked += (int)count;
  CHECK(partitions != NULL);
  CHECK_OK(ottla_consumer_commit(consumer, &error), error);
}

static void on_lost(void *user_data, ottla_consumer *consumer,
                    const ottla_topic_partition *partitions, size_t count) {
  ((seen *)user_data)->lost += (int)count;
  CHECK(partitions != NULL && consumer != NULL);
}

static void on_stall(void *user_data, const ottla_stalled_member *stalled) {
  CHECK(stalled->struct_size == sizeof *stalled && stalled->since_poll_ms >= 0);
  CHECK(strcmp(stalled->group, "kitchen") == 0 && strcmp(stalled->client_id, "cook") == 0);
  CHECK(stalled->instance_id == NULL && stalled->member_id[0] != '\0');
  seen *it = user_data;
  it->stalled += 1;
  if (it->frees) {
    CHECK(ottla_consumer_free(it->consumer) == OTTLA_OK);
  }
}

static void on_committed(void *user_data, ottla_consumer *consumer, const ottla_offset *offsets,
                         size_t count, ottla_status status, const ottla_error *error) {
  seen *it = user_data;
  it->committed += 1;
  it->last = status;
  CHECK((status == OTTLA_OK) == (error == NULL));
  CHECK(count == 0 || strcmp(offsets[0].topic, "orders") == 0);
  if (it->frees) {
    CHECK(ottla_consumer_free(consumer) == OTTLA_OK); /* No call is inside any more. */
  }
}

static ottla_consumer *member(ottla_broker *broker, seen *it, const char *name, const char *value) {
  const ottla_setting settings[] = {{"group.id", "kitchen"}, {"client.id", "cook"}, {name, value}};
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  ottla_consumer_options options = {0};
  options.struct_size = sizeof options;
  options.user_data = it;
  options.on_assigned = on_assigned;
  options.on_revoked = on_revoked;
  options.on_lost = on_lost;
  options.on_stall = on_stall;
  CHECK_OK(ottla_consumer_new(broker, settings, 3, &options, &consumer, &error), error);
  CHECK_OK(ottla_consumer_subscribe(consumer, topics, 1, &error), error);
  return consumer;
}

static size_t poll_count(ottla_consumer *consumer) {
  ottla_error *error = NULL;
  ottla_records *records = NULL;
  CHECK_OK(ottla_consumer_poll(consumer, 0, &records, &error), error);
  size_t count = count_of(records);
  CHECK_OK(ottla_records_free(records), NULL);
  return count;
}

static size_t assigned(ottla_consumer *consumer) {
  ottla_error *error = NULL;
  ottla_topic_partitions *partitions = NULL;
  CHECK_OK(ottla_consumer_assignment(consumer, &partitions, &error), error);
  size_t count = ottla_topic_partitions_count(partitions);
  CHECK_OK(ottla_topic_partitions_free(partitions), NULL);
  return count;
}

static int64_t committed_sum(ottla_consumer *consumer) {
  static const ottla_topic_partition both[] = {{"orders", 0, 0}, {"orders", 1, 0}};
  ottla_error *error = NULL;
  ottla_offsets *offsets = NULL;
  int64_t sum = 0;
  CHECK_OK(ottla_consumer_committed(consumer, both, 2, &offsets, &error), error);
  CHECK(ottla_offsets_count(offsets) == 2);
  for (size_t i = 0; i < 2; i++) {
    ottla_offset offset;
    CHECK_OK(ottla_offsets_get(offsets, i, &offset, &error), error);
    CHECK(strcmp(offset.topic, "orders") == 0 && offset.partition == (int32_t)i);
    sum += offset.offset;
  }
  CHECK_OK(ottla_offsets_free(offsets), NULL);
  return sum;
}

static void callbacks_come_with_the_partitions(const char *strategy) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  seen first_seen = {0}, second_seen = {0};
  ottla_consumer *first = member(broker, &first_seen, "partition.assignment.strategy", strategy);
  CHECK(poll_count(first) == 2 && first_seen.assigned == 2);
  CHECK(committed_sum(first) == -2);
  ottla_consumer *second = member(broker, &second_seen, "partition.assignment.strategy", strategy);
  for (int i = 0; i < 5; i++) {
    CHECK(poll_count(first) == 0 && poll_count(second) == 0);
  }
  CHECK(assigned(first) == 1 && assigned(second) == 1);
  CHECK(first_seen.revoked == first_seen.assigned - 1 && second_seen.assigned == 1);
  CHECK(committed_sum(second) == 2); /* By the callback: nothing comes twice. */

  CHECK_FAILS(OTTLA_E_STILL_OPEN, ottla_close(broker, 0, &error), error);
  CHECK(ottla_close(broker, 0, &error) == OTTLA_E_STILL_OPEN);
  CHECK(strstr(ottla_error_message(error), "a consumer of the group kitchen (2 times)") != NULL);
  CHECK_OK(ottla_error_free(error), NULL);
  error = NULL;

  int revoked = first_seen.revoked;
  CHECK_OK(ottla_consumer_free(first), NULL);
  CHECK(first_seen.revoked == revoked + 1); /* The end of a consumer revokes, too. */
  CHECK(poll_count(second) == 0 && assigned(second) == 2);
  CHECK_OK(ottla_topic_delete(broker, "orders", &error), error);
  CHECK(poll_count(second) == 0 && second_seen.lost == 2 && assigned(second) == 0);
  CHECK_OK(ottla_consumer_unsubscribe(second, &error), error);
  CHECK_OK(ottla_consumer_free(second), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void offsets_are_committed_now_and_later(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  seen it = {0};
  ottla_consumer *consumer = member(broker, &it, "max.poll.records", "1");
  CHECK(poll_count(consumer) == 1);
  CHECK_OK(ottla_consumer_commit(consumer, &error), error);
  CHECK(committed_sum(consumer) == 0 || committed_sum(consumer) == 1);
  ottla_offset offset = {"orders", 0, -1, 0, "a note"}, wrong = {"orders", 0, -1, 99, NULL};
  CHECK_OK(ottla_consumer_commit_offsets(consumer, &offset, 1, &error), error);
  ottla_topic_partition zero = {"orders", 0, 0};
  ottla_offsets *offsets = NULL;
  ottla_offset found;
  CHECK_OK(ottla_consumer_committed(consumer, &zero, 1, &offsets, &error), error);
  CHECK_OK(ottla_offsets_get(offsets, 0, &found, &error), error);
  CHECK(found.offset == 0 && found.leader_epoch == -1 && strcmp(found.metadata, "a note") == 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_offsets_get(offsets, 1, &found, &error), error);
  CHECK_OK(ottla_offsets_free(offsets), NULL);
  CHECK_FAILS(OTTLA_E_OFFSET_OUT_OF_RANGE, ottla_consumer_commit_offsets(consumer, &wrong, 1, &error), error);
  wrong.offset = -1;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_commit_offsets(consumer, &wrong, 1, &error), error);
  wrong.topic = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_commit_offsets(consumer, &wrong, 1, &error), error);

  CHECK(poll_count(consumer) == 1);
  CHECK_OK(ottla_consumer_commit_async(consumer, on_committed, &it, &error), error);
  CHECK_OK(ottla_consumer_commit(consumer, &error), error);
  CHECK(it.committed == 1 && it.last == OTTLA_OK && committed_sum(consumer) == 2);
  wrong = (ottla_offset){"orders", 0, -1, 99, NULL};
  CHECK_OK(ottla_consumer_commit_offsets_async(consumer, &wrong, 1, on_committed, &it, &error), error);
  CHECK_OK(ottla_consumer_commit_async(consumer, NULL, NULL, &error), error);
  it.frees = true;
  CHECK_OK(ottla_consumer_commit(consumer, &error), error);
  CHECK(it.committed == 2 && it.last == OTTLA_E_OFFSET_OUT_OF_RANGE);
  CHECK(ottla_consumer_free(consumer) == OTTLA_E_INVALID_HANDLE); /* The callback did. */
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void who_is_who(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  seen it = {0};
  ottla_consumer *consumer = member(broker, &it, "group.instance.id", "john");
  CHECK(poll_count(consumer) == 2);
  ottla_group_metadata *metadata = NULL;
  CHECK_OK(ottla_consumer_group_metadata(consumer, &metadata, &error), error);
  ottla_topic_partitions *subscribed = NULL;
  ottla_topic_partition topic;
  CHECK_OK(ottla_consumer_subscription(consumer, &subscribed, &error), error);
  CHECK(ottla_topic_partitions_count(subscribed) == 1);
  CHECK_OK(ottla_topic_partitions_get(subscribed, 0, &topic, &error), error);
  CHECK(strcmp(topic.topic, "orders") == 0 && topic.partition == -1);
  CHECK_OK(ottla_topic_partitions_free(subscribed), NULL);

  /* Another one of the same name takes its place. */
  seen other_seen = {0};
  ottla_records *records = NULL;
  ottla_consumer *other = member(broker, &other_seen, "group.instance.id", "john");
  CHECK_FAILS(OTTLA_E_FENCED, ottla_consumer_poll(consumer, 0, &records, &error), error);
  CHECK(it.lost == 2);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_consumer_free(other), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);

  CHECK(strcmp(ottla_group_metadata_group_id(metadata), "kitchen") == 0);
  CHECK(strcmp(ottla_group_metadata_instance_id(metadata), "john") == 0);
  CHECK(ottla_group_metadata_member_id(metadata)[0] != '\0');
  CHECK(ottla_group_metadata_generation(metadata) > 0);
  CHECK_OK(ottla_group_metadata_free(metadata), NULL);
  CHECK(ottla_group_metadata_group_id(metadata) == NULL);
  CHECK(ottla_group_metadata_generation(metadata) == -1);
}

static void patterns_find_topics_that_are_yet_to_come(void) {
  static const ottla_setting settings[] = {{"group.id", "kitchen"}};
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_consumer *consumer = NULL;
  CHECK_OK(ottla_consumer_new(broker, settings, 1, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_subscribe_pattern(consumer, "o.*|b.*", &error), error);
  CHECK(poll_count(consumer) == 2);
  CHECK_OK(ottla_topic_create(broker, "bills", 3, NULL, 0, &error), error);
  CHECK(poll_count(consumer) == 0 && assigned(consumer) == 5);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void a_member_that_does_not_poll_is_told_of(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  seen it = {0};
  ottla_consumer *consumer = member(broker, &it, "max.poll.interval.ms", "1");
  CHECK(poll_count(consumer) == 2);
  for (int i = 0; it.stalled == 0; i++) {
    CHECK(i < 1000000);
    CHECK_OK(ottla_broker_tick(broker, NULL, &error), error);
  }
  for (int i = 0; i < 5; i++) {
    CHECK_OK(ottla_broker_tick(broker, NULL, &error), error);
  }
  CHECK(it.stalled == 1); /* Once a stall. */
  CHECK(poll_count(consumer) == 0);
  it.consumer = consumer;
  it.frees = true; /* It may do anything. */
  for (int i = 0; it.stalled == 1; i++) {
    CHECK(i < 1000000);
    CHECK_OK(ottla_broker_tick(broker, NULL, &error), error);
  }
  CHECK(ottla_consumer_free(consumer) == OTTLA_E_INVALID_HANDLE);
  CHECK_OK(ottla_broker_tick(broker, NULL, &error), error);
  CHECK(it.stalled == 2);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

/* All partitions go to the last member. */
static void to_the_last(void *user_data, const ottla_assignor_topic *known, size_t topic_count,
                        const ottla_assignor_member *members, size_t member_count,
                        ottla_assignment *assignment) {
  ottla_error *error = NULL;
  *(int *)user_data += 1;
  CHECK(topic_count == 1 && strcmp(known[0].topic, "orders") == 0 && known[0].partition_count == 2);
  for (size_t i = 0; i < member_count; i++) {
    CHECK(members[i].topic_count == 1 && strcmp(members[i].topics[0], "orders") == 0);
    CHECK(members[i].member_id[0] != '\0' && members[i].instance_id == NULL);
    CHECK(members[i].owned_count <= 2 && (members[i].owned == NULL) == (members[i].owned_count == 0));
  }
  for (int32_t i = 0; i < known[0].partition_count; i++) {
    CHECK_OK(ottla_assignment_add(assignment, member_count - 1, 0, i, &error), error);
  }
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_assignment_add(assignment, member_count, 0, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_assignment_add(assignment, 0, 1, 0, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_assignment_add(assignment, 0, 0, 2, &error), error);
}

static void a_function_of_the_program_assigns(void) {
  static const ottla_setting settings[] = {{"group.id", "kitchen"}};
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  ottla_consumer *consumers[2];
  int asked = 0;
  ottla_assignor assignor = {"to-the-last", to_the_last, &asked};
  ottla_consumer_options options = {0};
  options.struct_size = sizeof options;
  options.assignors = &assignor;
  options.assignor_count = 1;
  for (int i = 0; i < 2; i++) {
    CHECK_OK(ottla_consumer_new(broker, settings, 1, &options, &consumers[i], &error), error);
    CHECK_OK(ottla_consumer_subscribe(consumers[i], topics, 1, &error), error);
  }
  for (int i = 0; i < 3; i++) {
    poll_count(consumers[0]);
    poll_count(consumers[1]);
  }
  CHECK(asked > 0 && assigned(consumers[0]) + assigned(consumers[1]) == 2);
  CHECK(assigned(consumers[0]) % 2 == 0); /* All, or nothing. */
  CHECK_OK(ottla_consumer_free(consumers[0]), NULL);
  poll_count(consumers[1]);
  CHECK(assigned(consumers[1]) == 2);
  CHECK_OK(ottla_consumer_free(consumers[1]), NULL);

  assignor.assign = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_new(broker, settings, 1, &options, &consumers[0], &error), error);
  options.assignors = NULL;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_new(broker, settings, 1, &options, &consumers[0], &error), error);
  options.struct_size = 0;
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_consumer_new(broker, settings, 1, &options, &consumers[0], &error), error);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  callbacks_come_with_the_partitions("cooperative-sticky");
  callbacks_come_with_the_partitions("range");
  callbacks_come_with_the_partitions("roundrobin");
  callbacks_come_with_the_partitions("sticky");
  offsets_are_committed_now_and_later();
  who_is_who();
  patterns_find_topics_that_are_yet_to_come();
  a_member_that_does_not_poll_is_told_of();
  a_function_of_the_program_assigns();
  CHECK(ottla_handle_count() == 0);
  return 0;
}
