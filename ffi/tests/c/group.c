/* Groups from outside: listed, described, their offsets shown, set, tried out and deleted. */

#include "records.h"

static ottla_broker *opened(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = NULL;
  ottla_partition *partition = NULL;
  ottla_record records[10];
  CHECK_OK(ottla_open(":memory:", NULL, 0, &broker, &error), error);
  CHECK_OK(ottla_topic_create(broker, "orders", 2, NULL, 0, &error), error);
  for (int i = 0; i < 10; i++) {
    records[i] = record_of(NULL, "x");
    records[i].timestamp = 1000 + i;
    records[i].flags = OTTLA_RECORD_TIMESTAMP;
  }
  CHECK_OK(ottla_partition_new(broker, "orders", 0, &partition, &error), error);
  CHECK_OK(ottla_partition_append(partition, records, 10, -1, NULL, &error), error);
  CHECK_OK(ottla_partition_free(partition), NULL);
  return broker;
}

static const ottla_topic_partition zero[] = {{"orders", 0, 0}}, whole[] = {{"orders", -1, 0}};

/* What a reset does with the partition 0. */
static ottla_offset_change reset(ottla_broker *broker, int32_t to, int64_t value, bool dry_run) {
  ottla_error *error = NULL;
  ottla_offset_changes *changes = NULL;
  ottla_offset_change change;
  CHECK_OK(ottla_group_reset_offsets(broker, "kitchen", zero, 1, to, value, dry_run, &changes, &error), error);
  CHECK(ottla_offset_changes_count(changes) == 1);
  CHECK_OK(ottla_offset_changes_get(changes, 0, &change, &error), error);
  CHECK(strcmp(change.topic, "orders") == 0 && change.partition == 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_offset_changes_get(changes, 1, &change, &error), error);
  CHECK_OK(ottla_offset_changes_free(changes), NULL);
  change.topic = NULL;
  return change;
}

static size_t offsets_count(ottla_broker *broker) {
  ottla_error *error = NULL;
  ottla_offsets *offsets = NULL;
  CHECK_OK(ottla_group_offsets(broker, "kitchen", &offsets, &error), error);
  size_t count = ottla_offsets_count(offsets);
  CHECK_OK(ottla_offsets_free(offsets), NULL);
  return count;
}

static void offsets_are_set_and_deleted(void) {
  ottla_error *error = NULL;
  ottla_broker *broker = opened();
  CHECK(offsets_count(broker) == 0);
  ottla_offset_change change = reset(broker, OTTLA_RESET_LATEST, 0, true);
  CHECK(change.before == -1 && change.after == 10 && offsets_count(broker) == 0);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_group_reset_offsets(broker, "kitchen", zero, 1, OTTLA_RESET_SHIFT_BY, 1, false, NULL, &error),
              error);
  change = reset(broker, OTTLA_RESET_OFFSET, 7, false);
  CHECK(change.before == -1 && change.after == 7 && offsets_count(broker) == 1);
  static const struct { int32_t to; int64_t value, after; } ways[] = {
      {OTTLA_RESET_EARLIEST, 0, 0}, {OTTLA_RESET_LATEST, 0, 10},  {OTTLA_RESET_OFFSET, 99, 10},
      {OTTLA_RESET_TIMESTAMP, 1004, 4}, {OTTLA_RESET_DURATION, 1000, 10},
      {OTTLA_RESET_SHIFT_BY, -3, 4}, {OTTLA_RESET_SHIFT_BY, -99, 0}, {OTTLA_RESET_CURRENT, 0, 7}};
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    change = reset(broker, ways[i].to, ways[i].value, true);
    CHECK(change.before == 7 && change.after == ways[i].after);
  }
  CHECK_OK(ottla_group_reset_offsets(broker, "kitchen", whole, 1, OTTLA_RESET_EARLIEST, 0, false, NULL, &error), error);
  CHECK(offsets_count(broker) == 2);
  CHECK_OK(ottla_group_reset_offsets(broker, "kitchen", NULL, 0, OTTLA_RESET_LATEST, 0, false, NULL, &error), error);
  CHECK_OK(ottla_group_delete_offsets(broker, "kitchen", zero, 1, &error), error);
  CHECK(offsets_count(broker) == 1);
  CHECK_OK(ottla_group_delete_offsets(broker, "kitchen", NULL, 0, &error), error);
  CHECK(offsets_count(broker) == 0);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

static void groups_are_listed_described_and_deleted(void) {
  static const char *const topics[] = {"orders"};
  static const ottla_setting settings[] = {{"group.id", "kitchen"}, {"client.id", "cook"}};
  ottla_error *error = NULL;
  ottla_consumer *consumer = NULL;
  ottla_records *records = NULL;
  ottla_groups *groups = NULL;
  ottla_group *group = NULL;
  ottla_broker *broker = opened();
  CHECK_OK(ottla_group_reset_offsets(broker, "office", whole, 1, OTTLA_RESET_EARLIEST, 0, false, NULL, &error), error);
  CHECK_OK(ottla_consumer_new(broker, settings, 2, NULL, &consumer, &error), error);
  CHECK_OK(ottla_consumer_subscribe(consumer, topics, 1, &error), error);
  CHECK_OK(ottla_consumer_poll(consumer, 0, &records, &error), error);
  CHECK_OK(ottla_records_free(records), NULL);
  ottla_offset offset = {"orders", 0, 3, 4, "a note"};
  CHECK_OK(ottla_consumer_commit_offsets(consumer, &offset, 1, &error), error);

  CHECK_OK(ottla_groups_list(broker, &groups, &error), error);
  CHECK(ottla_groups_count(groups) == 2);
  ottla_group_listing listing = {0};
  listing.struct_size = sizeof listing;
  CHECK_OK(ottla_groups_get(groups, 0, &listing, &error), error);
  CHECK(strcmp(listing.name, "kitchen") == 0 && strcmp(listing.protocol_type, "consumer") == 0);
  CHECK(listing.member_count == 1 && listing.state == OTTLA_GROUP_STABLE);
  CHECK_OK(ottla_groups_get(groups, 1, &listing, &error), error);
  CHECK(strcmp(listing.name, "office") == 0 && listing.state == OTTLA_GROUP_EMPTY);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_groups_get(groups, 2, &listing, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_groups_get(groups, 0, NULL, &error), error);
  CHECK_OK(ottla_groups_free(groups), NULL);

  CHECK_OK(ottla_group_describe(broker, "kitchen", &group, &error), error);
  CHECK_FAILS(OTTLA_E_GROUP_NOT_EMPTY, ottla_group_delete(broker, "kitchen", &error), error);
  CHECK_FAILS(OTTLA_E_GROUP_NOT_EMPTY, ottla_group_delete_offsets(broker, "kitchen", zero, 1, &error), error);
  CHECK_FAILS(OTTLA_E_GROUP_NOT_EMPTY,
              ottla_group_reset_offsets(broker, "kitchen", NULL, 0, OTTLA_RESET_LATEST, 0, true, NULL, &error), error);
  CHECK_OK(ottla_consumer_free(consumer), NULL);
  CHECK_OK(ottla_group_delete(broker, "kitchen", &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_GROUP, ottla_group_delete(broker, "kitchen", &error), error);
  CHECK_OK(ottla_close(broker, 0, &error), error);

  /* The description is of then. */
  ottla_group_info info = {0};
  ottla_group_member_info member = {0};
  ottla_group_partition_info partition = {0};
  info.struct_size = sizeof info;
  member.struct_size = sizeof member;
  partition.struct_size = sizeof partition;
  CHECK_OK(ottla_group_get(group, &info, &error), error);
  CHECK(strcmp(info.name, "kitchen") == 0 && info.state == OTTLA_GROUP_STABLE && info.generation > 0);
  CHECK(strcmp(info.assignor, "range") == 0 && info.member_count == 1 && info.partition_count == 2);
  CHECK(info.rebalance_count > 0 && info.stall_count == 0 && info.eviction_count == 0);
  CHECK_OK(ottla_group_member(group, 0, &member, &error), error);
  CHECK(strcmp(member.client_id, "cook") == 0 && member.instance_id == NULL && !member.is_away);
  CHECK(member.partition_count == 2 && member.since_poll_ms >= 0);
  CHECK(strcmp(member.partitions[1].topic, "orders") == 0 && member.partitions[1].partition == 1);
  CHECK_OK(ottla_group_partition(group, 0, &partition, &error), error);
  CHECK(partition.partition == 0 && strcmp(partition.topic, "orders") == 0);
  CHECK(strcmp(partition.member_id, member.member_id) == 0);
  CHECK(partition.offset == 4 && partition.leader_epoch == 3 && strcmp(partition.metadata, "a note") == 0);
  CHECK(partition.log_start_offset == 0 && partition.end_offset == 10 && partition.lag == 6);
  CHECK_OK(ottla_group_partition(group, 1, &partition, &error), error);
  CHECK(partition.partition == 1 && partition.offset == -1 && partition.lag == -1);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_group_partition(group, 2, &partition, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_group_member(group, 1, &member, &error), error);
  CHECK_OK(ottla_group_free(group), NULL);
  CHECK(ottla_group_free(group) == OTTLA_E_INVALID_HANDLE);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_group_get(group, &info, &error), error);
}

static void arguments_are_checked(void) {
  static const ottla_topic_partition mixed[] = {{"orders", 0, 0}, {"orders", -1, 0}}, far[] = {{"orders", 7, 0}};
  ottla_error *error = NULL;
  ottla_groups *groups = NULL;
  ottla_group *group = NULL;
  ottla_offsets *offsets = NULL;
  ottla_broker *broker = opened();
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_groups_list(broker, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_HANDLE, ottla_groups_list(NULL, &groups, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_group_describe(broker, NULL, &group, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_GROUP, ottla_group_describe(broker, "kitchen", &group, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_group_offsets(broker, "\xff", &offsets, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT, ottla_group_delete(broker, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_group_reset_offsets(broker, "kitchen", mixed, 2, OTTLA_RESET_LATEST, 0, false, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_group_reset_offsets(broker, "kitchen", zero, 1, 7, 0, false, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_INVALID_INPUT,
              ottla_group_reset_offsets(broker, "kitchen", zero, 1, OTTLA_RESET_DURATION, -1, false, NULL, &error), error);
  CHECK_FAILS(OTTLA_E_UNKNOWN_TOPIC_OR_PARTITION,
              ottla_group_reset_offsets(broker, "kitchen", far, 1, OTTLA_RESET_LATEST, 0, false, NULL, &error), error);
  CHECK_OK(ottla_groups_list(broker, &groups, &error), error);
  CHECK(ottla_groups_count(groups) == 0 && ottla_groups_count(NULL) == 0);
  CHECK_OK(ottla_groups_free(groups), NULL);
  CHECK_OK(ottla_groups_free(NULL), NULL);
  CHECK_OK(ottla_close(broker, 0, &error), error);
}

int main(void) {
  offsets_are_set_and_deleted();
  groups_are_listed_described_and_deleted();
  arguments_are_checked();
  CHECK(ottla_handle_count() == 0);
  return 0;
}
