// libnl kept|fresh each|bulk|load|read FILE
// libnl-genl-3, one acknowledged message at a time. kept: one socket, family looked up once, as keepalived does it.
// fresh: a socket and a lookup for every message, as ipvsadm does it. Messages are built per change, as both do.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ip_vs.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

#define COUNTERS (IPVS_STATS_ATTR_OUTBPS + 1)

struct client {
  bool fresh;
  struct nl_sock *socket;
  int family;
  int error;  // of the last message, as the kernel gave it
};

static int note_error(struct sockaddr_nl *from, struct nlmsgerr *answer, void *argument) {
  (void)from;
  ((struct client *)argument)->error = -answer->error;
  return NL_STOP;
}

static void connect_client(struct client *client) {
  client->socket = need(nl_socket_alloc());
  int error = genl_connect(client->socket);
  if (error < 0) die("genl_connect: %s", nl_geterror(error));
  client->family = genl_ctrl_resolve(client->socket, IPVS_GENL_NAME);
  if (client->family < 0) die("genl_ctrl_resolve: %s", nl_geterror(client->family));
  nl_socket_modify_err_cb(client->socket, NL_CB_CUSTOM, note_error, client);
}

// A socket for one message: the kept one, or a new one.
static void begin(struct client *client) {
  if (client->fresh) connect_client(client);
}

static void end(struct client *client) {
  if (client->fresh) nl_socket_free(client->socket);
}

// libnl's put functions fail only for want of room: one page, and a message has a tenth of that.
static struct nl_msg *new_message(const struct client *client, uint8_t command, int flags) {
  struct nl_msg *message = need(nlmsg_alloc());
  need(genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, client->family, 0, flags, command, IPVS_GENL_VERSION));
  return message;
}

static void put_service(struct nl_msg *message, const struct change *change, bool full) {
  struct nlattr *nest = need(nla_nest_start(message, IPVS_CMD_ATTR_SERVICE));
  nla_put_u16(message, IPVS_SVC_ATTR_AF, AF_INET);
  nla_put_u16(message, IPVS_SVC_ATTR_PROTOCOL, change->protocol);
  nla_put(message, IPVS_SVC_ATTR_ADDR, sizeof change->address, &change->address);
  nla_put_u16(message, IPVS_SVC_ATTR_PORT, change->port);
  if (full) {
    const struct ip_vs_flags flags = {0, UINT32_MAX};
    nla_put_string(message, IPVS_SVC_ATTR_SCHED_NAME, change->scheduler);
    nla_put(message, IPVS_SVC_ATTR_FLAGS, sizeof flags, &flags);
    nla_put_u32(message, IPVS_SVC_ATTR_TIMEOUT, 0);
    nla_put_u32(message, IPVS_SVC_ATTR_NETMASK, UINT32_MAX);
  }
  nla_nest_end(message, nest);
}

static void put_destination(struct nl_msg *message, const struct change *change, bool full) {
  struct nlattr *nest = need(nla_nest_start(message, IPVS_CMD_ATTR_DEST));
  nla_put_u16(message, IPVS_DEST_ATTR_ADDR_FAMILY, AF_INET);
  nla_put(message, IPVS_DEST_ATTR_ADDR, sizeof change->server, &change->server);
  nla_put_u16(message, IPVS_DEST_ATTR_PORT, change->server_port);
  if (full) {
    nla_put_u32(message, IPVS_DEST_ATTR_FWD_METHOD, change->method);
    nla_put_u32(message, IPVS_DEST_ATTR_WEIGHT, change->weight);
    nla_put_u32(message, IPVS_DEST_ATTR_U_THRESH, 0);
    nla_put_u32(message, IPVS_DEST_ATTR_L_THRESH, 0);
  }
  nla_nest_end(message, nest);
}

// nl_send_auto adds NLM_F_ACK; nl_recvmsgs returns after the acknowledgement, the error or the end of the dump.
// 0 or an errno.
static int exchange(struct client *client, struct nl_msg *message) {
  client->error = 0;
  int error = nl_send_auto(client->socket, message);
  if (error >= 0) error = nl_recvmsgs_default(client->socket);
  nlmsg_free(message);
  if (error < 0 && client->error == 0) die("libnl: %s", nl_geterror(error));
  return client->error;
}

static void make_change(struct client *client, const struct change *change) {
  begin(client);
  struct nl_msg *message = new_message(client, command_of(change->command), 0);
  put_service(message, change, change->command == 'A' || change->command == 'E');
  if (strchr("aed", change->command) != NULL) put_destination(message, change, change->command != 'd');
  const int error = exchange(client, message);
  if (error != 0) die_of_change(change, error);
  end(client);
}

static void make_changes(struct client *client, const struct workload *workload, struct operation part) {
  for (size_t i = part.first; i < part.first + part.count; i++) make_change(client, &workload->changes[i]);
}

static void change_table(struct client *client, enum mode mode, const char *file) {
  const struct workload workload = read_workload(file);
  const size_t units = mode == EACH ? workload.operation_count : 1;
  const struct operation whole = {0, workload.change_count};
  uint64_t *stamps = new_stamps(units);
  stamps[0] = now();
  for (size_t i = 0; i < units; i++) {
    make_changes(client, &workload, mode == EACH ? workload.operations[i] : whole);
    stamps[i + 1] = now();
  }
  print_times(stamps, mode == LOAD ? 0 : units, NULL);
}

struct service {
  struct change name;
  uint32_t flags, timeout, netmask;
  char scheduler[16];
  uint64_t counters[COUNTERS];
};

struct destination {
  uint32_t address, method, weight, upper, lower, active, inactive, persistent;
  uint16_t port;
  uint64_t counters[COUNTERS];
};

struct table {
  struct service *services;
  size_t service_count, service_room;
  struct destination *destinations;
  size_t destination_count, destination_room;
};

static void *room_for_one(void *rows, size_t count, size_t *room, size_t row_bytes) {
  if (count < *room) return rows;
  *room = *room * 2 + 64;
  return need(realloc(rows, *room * row_bytes));
}

static void copy_counters(uint64_t *counters, struct nlattr *nest) {
  struct nlattr *found[COUNTERS + 1];
  if (nest == NULL || nla_parse_nested(found, COUNTERS, nest, NULL) != 0) return;
  for (int i = 1; i < COUNTERS; i++) counters[i] = found[i] == NULL ? 0 : nla_get_u64(found[i]);
}

static int take_service(struct nl_msg *message, void *argument) {
  struct table *table = argument;
  struct nlattr *top[IPVS_CMD_ATTR_MAX + 1], *found[IPVS_SVC_ATTR_MAX + 1];
  if (genlmsg_parse(nlmsg_hdr(message), 0, top, IPVS_CMD_ATTR_MAX, NULL) != 0 ||
      top[IPVS_CMD_ATTR_SERVICE] == NULL ||
      nla_parse_nested(found, IPVS_SVC_ATTR_MAX, top[IPVS_CMD_ATTR_SERVICE], NULL) != 0 ||
      !(found[IPVS_SVC_ATTR_PROTOCOL] && found[IPVS_SVC_ATTR_ADDR] && found[IPVS_SVC_ATTR_PORT])) {
    die("a service without its address, port or protocol");
  }
  table->services =
      room_for_one(table->services, table->service_count, &table->service_room, sizeof *table->services);
  struct service *service = &table->services[table->service_count++];
  *service = (struct service){0};
  service->name.protocol = nla_get_u16(found[IPVS_SVC_ATTR_PROTOCOL]);
  service->name.address = nla_get_u32(found[IPVS_SVC_ATTR_ADDR]);
  service->name.port = nla_get_u16(found[IPVS_SVC_ATTR_PORT]);
  nla_strlcpy(service->scheduler, found[IPVS_SVC_ATTR_SCHED_NAME], sizeof service->scheduler);
  nla_memcpy(&service->flags, found[IPVS_SVC_ATTR_FLAGS], sizeof service->flags);
  service->timeout = nla_get_u32(found[IPVS_SVC_ATTR_TIMEOUT]);
  service->netmask = nla_get_u32(found[IPVS_SVC_ATTR_NETMASK]);
  copy_counters(service->counters, found[IPVS_SVC_ATTR_STATS64]);
  return NL_OK;
}

static int take_destination(struct nl_msg *message, void *argument) {
  struct table *table = argument;
  struct nlattr *top[IPVS_CMD_ATTR_MAX + 1], *found[IPVS_DEST_ATTR_MAX + 1];
  if (genlmsg_parse(nlmsg_hdr(message), 0, top, IPVS_CMD_ATTR_MAX, NULL) != 0 || top[IPVS_CMD_ATTR_DEST] == NULL ||
      nla_parse_nested(found, IPVS_DEST_ATTR_MAX, top[IPVS_CMD_ATTR_DEST], NULL) != 0 ||
      !(found[IPVS_DEST_ATTR_ADDR] && found[IPVS_DEST_ATTR_PORT] && found[IPVS_DEST_ATTR_WEIGHT])) {
    die("a destination without its address, port or weight");
  }
  table->destinations = room_for_one(table->destinations, table->destination_count, &table->destination_room,
                                     sizeof *table->destinations);
  struct destination *destination = &table->destinations[table->destination_count++];
  destination->address = nla_get_u32(found[IPVS_DEST_ATTR_ADDR]);
  destination->port = nla_get_u16(found[IPVS_DEST_ATTR_PORT]);
  destination->weight = nla_get_u32(found[IPVS_DEST_ATTR_WEIGHT]);
  destination->method = nla_get_u32(found[IPVS_DEST_ATTR_FWD_METHOD]);
  destination->upper = nla_get_u32(found[IPVS_DEST_ATTR_U_THRESH]);
  destination->lower = nla_get_u32(found[IPVS_DEST_ATTR_L_THRESH]);
  destination->active = nla_get_u32(found[IPVS_DEST_ATTR_ACTIVE_CONNS]);
  destination->inactive = nla_get_u32(found[IPVS_DEST_ATTR_INACT_CONNS]);
  destination->persistent = nla_get_u32(found[IPVS_DEST_ATTR_PERSIST_CONNS]);
  copy_counters(destination->counters, found[IPVS_DEST_ATTR_STATS64]);
  return NL_OK;
}

static void dump(struct client *client, const struct change *name, nl_recvmsg_msg_cb_t take, struct table *table) {
  begin(client);
  const uint8_t command = name == NULL ? IPVS_CMD_GET_SERVICE : IPVS_CMD_GET_DEST;
  struct nl_msg *message = new_message(client, command, NLM_F_DUMP);
  if (name != NULL) put_service(message, name, false);
  nl_socket_modify_cb(client->socket, NL_CB_VALID, NL_CB_CUSTOM, take, table);
  const int error = exchange(client, message);
  if (error != 0) die("dump: %s (errno %d)", strerror(error), error);
  end(client);
}

static void read_table(struct client *client) {
  const size_t reads = number_from("READS", 20);
  struct table table = {0};
  uint64_t *stamps = new_stamps(reads);
  stamps[0] = now();
  for (size_t i = 0; i < reads; i++) {
    table.service_count = table.destination_count = 0;
    dump(client, NULL, take_service, &table);
    for (size_t s = 0; s < table.service_count; s++) {
      dump(client, &table.services[s].name, take_destination, &table);
    }
    stamps[i + 1] = now();
  }
  print_times(stamps, reads, &table.destination_count);
}

int main(int count, char **words) {
  if (count != 4) die("usage: libnl kept|fresh each|bulk|load|read FILE");
  struct client client = {.fresh = strcmp(words[1], "fresh") == 0};
  if (!client.fresh && strcmp(words[1], "kept") != 0) die("\"%s\" is not kept or fresh", words[1]);
  const enum mode mode = mode_of(words[2]);
  if (!client.fresh) connect_client(&client);
  if (mode == READ) {
    read_table(&client);
  } else {
    change_table(&client, mode, words[3]);
  }
  return 0;
}
