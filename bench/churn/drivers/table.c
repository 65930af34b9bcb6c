#define _GNU_SOURCE
#include "table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ip_vs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "program.h"
#include "wire.h"

// The kernel caps a chunk at 32 KiB; a smaller buffer would lose messages (af_netlink.c: netlink_dump).
#define SLOT_BYTES (64 * 1024)
#define MOST_SLOTS 64
#define MOST_ROUNDS 5
// One chunk of at most so many bytes had room for another message: it is the whole dump (native/table_reader.cc).
#define SURELY_WHOLE 3000

#define COUNTERS (IPVS_STATS_ATTR_OUTBPS + 1)

struct service {
  uint64_t key;
  struct change name;  // as encode_get wants it
  uint32_t flags, timeout, netmask;
  char scheduler[16], engine[16];
  uint64_t counters[COUNTERS];
  size_t first, count;  // of its destinations
};

struct destination {
  uint64_t key;
  uint32_t address, method, weight, upper, lower, active, inactive, persistent;
  uint16_t port, tunnel_port, tunnel_flags;
  uint8_t tunnel_type;
  uint64_t counters[COUNTERS];
};

// Rows of either kind; each begins with its key.
struct list {
  uint8_t *rows;
  size_t row_bytes, count, room;
};

// Places of rows by key, one more than the index; 0 is empty.
struct index {
  uint32_t *places;
  size_t mask, room;
};

struct table {
  int fd;
  uint16_t family;
  uint32_t seq;
  unsigned slots;
  uint8_t *memory;
  struct mmsghdr messages[MOST_SLOTS];
  struct iovec parts[MOST_SLOTS];
  struct list services, destinations;
  struct list service_round, destination_round;
  struct index index;
};

typedef void decoder(const uint8_t *nest, const uint8_t *end, void *row);

static void *row_at(const struct list *list, size_t i) { return list->rows + i * list->row_bytes; }
static uint64_t key_at(const struct list *list, size_t i) { return *(const uint64_t *)row_at(list, i); }

static void *add_row(struct list *list) {
  if (list->count == list->room) {
    list->room = list->room * 2 + 64;
    list->rows = need(realloc(list->rows, list->room * list->row_bytes));
  }
  return row_at(list, list->count++);
}

// --- Messages to rows ---

static uint16_t u16_of(const struct nlattr *attribute) { return *(const uint16_t *)attribute_value(attribute); }
static uint32_t u32_of(const struct nlattr *attribute) { return *(const uint32_t *)attribute_value(attribute); }

static void copy_text(char *target, size_t room, const struct nlattr *attribute) {
  const size_t bytes = attribute_bytes(attribute);
  memcpy(target, attribute_value(attribute), bytes < room - 1 ? bytes : room - 1);
}

// Of the two nests with statistics only the 64-bit one is read.
static void copy_counters(uint64_t *counters, const struct nlattr *nest) {
  const uint8_t *start = attribute_value(nest);
  FOR_ATTRIBUTES(attribute, start, start + attribute_bytes(nest)) {
    const uint16_t type = attribute_type(attribute);
    if (type < COUNTERS) memcpy(&counters[type], attribute_value(attribute), sizeof(uint64_t));
  }
}

static void decode_service(const uint8_t *nest, const uint8_t *end, void *row) {
  struct service *service = memset(row, 0, sizeof *service);
  unsigned found = 0;
  FOR_ATTRIBUTES(attribute, nest, end) {
    switch (attribute_type(attribute)) {
      case IPVS_SVC_ATTR_AF: found += u16_of(attribute) == AF_INET; break;
      case IPVS_SVC_ATTR_PROTOCOL: service->name.protocol = u16_of(attribute); found++; break;
      case IPVS_SVC_ATTR_ADDR: service->name.address = u32_of(attribute); found++; break;
      case IPVS_SVC_ATTR_PORT: service->name.port = u16_of(attribute); found++; break;
      case IPVS_SVC_ATTR_SCHED_NAME: copy_text(service->scheduler, sizeof service->scheduler, attribute); break;
      case IPVS_SVC_ATTR_PE_NAME: copy_text(service->engine, sizeof service->engine, attribute); break;
      case IPVS_SVC_ATTR_FLAGS: service->flags = u32_of(attribute) & ~(uint32_t)IP_VS_SVC_F_HASHED; break;
      case IPVS_SVC_ATTR_TIMEOUT: service->timeout = u32_of(attribute); break;
      case IPVS_SVC_ATTR_NETMASK: service->netmask = ntohl(u32_of(attribute)); break;
      case IPVS_SVC_ATTR_STATS64: copy_counters(service->counters, attribute); break;
      default: break;
    }
  }
  if (found != 4) die("a service without its IPv4 address, port or protocol");
  service->key = (uint64_t)service->name.protocol << 48 | (uint64_t)service->name.address << 16 | service->name.port;
}

static void decode_destination(const uint8_t *nest, const uint8_t *end, void *row) {
  struct destination *destination = memset(row, 0, sizeof *destination);
  unsigned found = 0;
  FOR_ATTRIBUTES(attribute, nest, end) {
    switch (attribute_type(attribute)) {
      case IPVS_DEST_ATTR_ADDR_FAMILY: found += u16_of(attribute) == AF_INET; break;
      case IPVS_DEST_ATTR_ADDR: destination->address = u32_of(attribute); found++; break;
      case IPVS_DEST_ATTR_PORT: destination->port = u16_of(attribute); found++; break;
      case IPVS_DEST_ATTR_WEIGHT: destination->weight = u32_of(attribute); found++; break;
      case IPVS_DEST_ATTR_FWD_METHOD: destination->method = u32_of(attribute) & IP_VS_CONN_F_FWD_MASK; break;
      case IPVS_DEST_ATTR_U_THRESH: destination->upper = u32_of(attribute); break;
      case IPVS_DEST_ATTR_L_THRESH: destination->lower = u32_of(attribute); break;
      case IPVS_DEST_ATTR_TUN_TYPE: destination->tunnel_type = *(const uint8_t *)attribute_value(attribute); break;
      case IPVS_DEST_ATTR_TUN_PORT: destination->tunnel_port = ntohs(u16_of(attribute)); break;
      case IPVS_DEST_ATTR_TUN_FLAGS: destination->tunnel_flags = u16_of(attribute); break;
      case IPVS_DEST_ATTR_ACTIVE_CONNS: destination->active = u32_of(attribute); break;
      case IPVS_DEST_ATTR_INACT_CONNS: destination->inactive = u32_of(attribute); break;
      case IPVS_DEST_ATTR_PERSIST_CONNS: destination->persistent = u32_of(attribute); break;
      case IPVS_DEST_ATTR_STATS64: copy_counters(destination->counters, attribute); break;
      default: break;
    }
  }
  if (found != 4) die("a destination without its IPv4 address, port or weight");
  destination->key = (uint64_t)destination->address << 16 | destination->port;
}

// The one nest of a reply.
static void decode_message(const struct nlmsghdr *header, decoder *decode, void *row) {
  const uint8_t *start = (const uint8_t *)header;
  const struct nlattr *nest = attribute_at(start + NLMSG_HDRLEN + GENL_HDRLEN, start + header->nlmsg_len);
  if (nest == NULL) die("a reply without attributes");
  const uint8_t *value = attribute_value(nest);
  decode(value, value + attribute_bytes(nest), row);
}

// --- The conversation ---

static int receive(struct table *table) {
  const int count = recvmmsg(table->fd, table->messages, table->slots, MSG_DONTWAIT, NULL);
  if (count <= 0) die("recvmmsg: %s", strerror(errno));
  return count;
}

static int error_of(const struct nlmsghdr *header) { return -*(const int *)NLMSG_DATA(header); }

struct progress {
  size_t chunks, bytes;
  bool done;
};

static void take_chunk(struct table *table, int slot, decoder *decode, struct list *list, struct progress *progress) {
  const struct mmsghdr *message = &table->messages[slot];
  if ((message->msg_hdr.msg_flags & MSG_TRUNC) != 0) die("a chunk larger than the buffer");
  const struct nlmsghdr *header = message->msg_hdr.msg_iov->iov_base;
  bool data = false;
  for (int left = (int)message->msg_len; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_seq != table->seq) die("an answer to another question");
    if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
      if (error_of(header) != 0) die("dump: %s", strerror(error_of(header)));
      progress->done = true;
      break;
    }
    decode_message(header, decode, add_row(list));
    data = true;
  }
  if (!data) return;
  progress->chunks++;
  progress->bytes += message->msg_len;
}

// Appends the rows. True if what came is surely the whole of it, taken under the kernel's lock at once.
static bool dump(struct table *table, uint8_t command, const struct change *name, decoder *decode, struct list *list) {
  uint8_t request[MESSAGE_ROOM];
  send_all(table->fd, request, encode_get(request, table->family, command, name, NLM_F_DUMP, ++table->seq));
  struct progress progress = {0};
  while (!progress.done) {
    const int count = receive(table);
    for (int slot = 0; slot < count; slot++) take_chunk(table, slot, decode, list, &progress);
  }
  return progress.chunks == 0 || (progress.chunks == 1 && progress.bytes <= SURELY_WHOLE);
}

static bool dump_services(struct table *table, struct list *list) {
  return dump(table, IPVS_CMD_GET_SERVICE, NULL, decode_service, list);
}

static bool dump_destinations(struct table *table, const struct service *service, struct list *list) {
  return dump(table, IPVS_CMD_GET_DEST, &service->name, decode_destination, list);
}

// False if there is no such service.
static bool get_service(struct table *table, const struct service *service, struct service *row) {
  uint8_t request[MESSAGE_ROOM];
  const size_t bytes = encode_get(request, table->family, IPVS_CMD_GET_SERVICE, &service->name, 0, ++table->seq);
  send_all(table->fd, request, bytes);
  (void)receive(table);
  const struct nlmsghdr *header = table->messages[0].msg_hdr.msg_iov->iov_base;
  if (header->nlmsg_seq != table->seq) die("an answer to another question");
  if (header->nlmsg_type == NLMSG_ERROR) {
    if (error_of(header) != ESRCH) die("GET_SERVICE: %s", strerror(error_of(header)));
    return false;
  }
  decode_message(header, decode_service, row);
  if (row->key != service->key) die("an answer about another service");
  return true;
}

// --- Identities ---

static void clear_index(struct index *index, size_t keys) {
  size_t size = 64;
  while (size < keys * 2) size *= 2;
  if (index->room < size) {
    index->places = need(realloc(index->places, size * sizeof *index->places));
    index->room = size;
  }
  index->mask = size - 1;
  memset(index->places, 0, size * sizeof *index->places);
}

// Where the key is, or where it would go.
static uint32_t *place_of(const struct index *index, const struct list *list, uint64_t key) {
  size_t at = (key * 0x9E3779B97F4A7C15u) >> 32 & index->mask;
  while (index->places[at] != 0 && key_at(list, index->places[at] - 1) != key) at = (at + 1) & index->mask;
  return &index->places[at];
}

// An entry can come twice when the table changes under a dump; the later row is the newer. Leaves the index of `list`.
static void drop_duplicates(struct index *index, struct list *list, size_t from) {
  clear_index(index, list->count - from);
  size_t kept = from;
  for (size_t i = from; i < list->count; i++) {
    uint32_t *place = place_of(index, list, key_at(list, i));
    if (*place == 0) *place = (uint32_t)++kept;
    if (*place != i + 1) memcpy(row_at(list, *place - 1), row_at(list, i), list->row_bytes);
  }
  list->count = kept;
}

static void index_keys(struct index *index, const struct list *list) {
  clear_index(index, list->count);
  for (size_t i = 0; i < list->count; i++) *place_of(index, list, key_at(list, i)) = (uint32_t)i + 1;
}

// --- Reading ---

void read_once(struct table *table) {
  table->services.count = 0;
  table->destinations.count = 0;
  (void)dump_services(table, &table->services);
  for (size_t i = 0; i < table->services.count; i++) {
    struct service *service = row_at(&table->services, i);
    service->first = table->destinations.count;
    (void)dump_destinations(table, service, &table->destinations);
    service->count = table->destinations.count - service->first;
  }
}

static void swap_lists(struct list *a, struct list *b) {
  const struct list other = *a;
  *a = *b;
  *b = other;
}

// Whether a new round of services names the same as the known ones. What it misses and is still there is added to it.
static bool settle(struct table *table) {
  const struct list *known = &table->services;
  struct list *round = &table->service_round;
  const size_t dumped = round->count;
  bool agrees = true;
  // The index is the round's, from drop_duplicates; rows added below are not looked for.
  for (size_t i = 0; i < known->count; i++) {
    if (*place_of(&table->index, round, key_at(known, i)) != 0) continue;
    struct service found;
    if (!get_service(table, row_at(known, i), &found)) continue;
    memcpy(add_row(round), &found, sizeof found);
    agrees = false;
  }
  index_keys(&table->index, known);
  for (size_t i = 0; i < dumped && agrees; i++) {
    agrees = *place_of(&table->index, known, key_at(round, i)) != 0;
  }
  return agrees;
}

static void verify_services(struct table *table) {
  table->services.count = 0;
  if (dump_services(table, &table->services)) return;
  drop_duplicates(&table->index, &table->services, 0);
  for (int round = 2; round <= MOST_ROUNDS; round++) {
    table->service_round.count = 0;
    (void)dump_services(table, &table->service_round);
    drop_duplicates(&table->index, &table->service_round, 0);
    const bool agrees = settle(table);
    swap_lists(&table->services, &table->service_round);
    if (agrees) return;
  }
  die("the services kept changing");
}

// Whether the table's rows from `first` on have the identities of the round, whose index this is.
static bool same_identities(const struct table *table, size_t first) {
  const struct list *rows = &table->destinations;
  const struct list *round = &table->destination_round;
  if (rows->count - first != round->count) return false;
  for (size_t i = 0; i < round->count; i++) {
    const uint64_t key = key_at(rows, first + i);
    if (key != key_at(round, i) && *place_of(&table->index, round, key) == 0) return false;
  }
  return true;
}

// The newer round takes the place of the rows from `first` on.
static void replace_rows(struct table *table, size_t first) {
  struct list *rows = &table->destinations;
  const struct list *round = &table->destination_round;
  rows->count = first;
  for (size_t i = 0; i < round->count; i++) memcpy(add_row(rows), row_at(round, i), rows->row_bytes);
}

static void verify_destinations(struct table *table, const struct service *service) {
  const size_t first = table->destinations.count;
  if (dump_destinations(table, service, &table->destinations)) return;
  drop_duplicates(&table->index, &table->destinations, first);
  for (int round = 2; round <= MOST_ROUNDS; round++) {
    table->destination_round.count = 0;
    (void)dump_destinations(table, service, &table->destination_round);
    drop_duplicates(&table->index, &table->destination_round, 0);
    const bool agrees = same_identities(table, first);
    replace_rows(table, first);
    if (agrees) return;
  }
  die("the destinations kept changing");
}

// A missing service gives an empty dump without an error.
static bool still_there(struct table *table, const struct service *service) {
  struct service found;
  return table->destinations.count != service->first || get_service(table, service, &found);
}

void read_verified(struct table *table) {
  verify_services(table);
  table->destinations.count = 0;
  size_t kept = 0;
  for (size_t i = 0; i < table->services.count; i++) {
    struct service *service = row_at(&table->services, i);
    service->first = table->destinations.count;
    verify_destinations(table, service);
    if (!still_there(table, service)) continue;
    service->count = table->destinations.count - service->first;
    if (kept != i) memcpy(row_at(&table->services, kept), service, sizeof *service);
    kept++;
  }
  table->services.count = kept;
}

size_t rows_of(const struct table *table) { return table->destinations.count; }

struct table *open_table(void) {
  struct table *table = need(calloc(1, sizeof *table));
  table->fd = open_wire(&table->family);
  table->seq = 1;
  table->slots = (unsigned)number_from("SLOTS", 8);
  if (table->slots > MOST_SLOTS) die("SLOTS can be up to %d", MOST_SLOTS);
  table->memory = need(calloc(table->slots, SLOT_BYTES));
  for (unsigned i = 0; i < table->slots; i++) {
    table->parts[i] = (struct iovec){table->memory + i * SLOT_BYTES, SLOT_BYTES};
    table->messages[i].msg_hdr.msg_iov = &table->parts[i];
    table->messages[i].msg_hdr.msg_iovlen = 1;
  }
  table->services.row_bytes = table->service_round.row_bytes = sizeof(struct service);
  table->destinations.row_bytes = table->destination_round.row_bytes = sizeof(struct destination);
  return table;
}
