// floor barrier|ack|ack-batch|verified each|bulk|load|read FILE
// The fewest messages and system calls that can do the work, in C without a library: what every other driver, and the
// library itself, is measured against. All messages are written before the clock starts.
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "table.h"
#include "wire.h"
#include "workload.h"

// barrier: no message is acknowledged, a last one that always is ends each packet: one send, one receive.
// ack: one message per packet, acknowledged. ack-batch: many in a packet, each acknowledged.
enum style { BARRIER, ACK, ACK_BATCH };

#define BARRIER_SEQ 0x80000000u
#define BATCH_SLOTS 64

// What one send hands over. Its changes are numbered as in the file.
struct packet {
  size_t offset;
  size_t bytes;
  size_t answers;
  uint32_t last_seq;
};

struct plan {
  enum style style;
  uint16_t family;
  uint8_t *data;
  size_t bytes, room;
  struct packet *packets;
  size_t packet_count;
  size_t *ends;  // of each timed unit: the packet after its last one
  size_t unit_count;
};

static void reserve(struct plan *plan) {
  if (plan->room - plan->bytes >= MESSAGE_ROOM) return;
  plan->room = plan->room * 2 + MESSAGE_ROOM;
  plan->data = need(realloc(plan->data, plan->room));
}

static void add_message(struct plan *plan, struct packet *packet, const struct change *change, uint32_t seq) {
  reserve(plan);
  const uint16_t flags = plan->style == BARRIER ? 0 : NLM_F_ACK;
  uint8_t *at = plan->data + plan->bytes;
  const size_t bytes =
      change == NULL ? encode_barrier(at, seq) : encode_change(at, plan->family, change, flags, seq);
  plan->bytes += bytes;
  packet->bytes += bytes;
  packet->last_seq = seq;
  if (flags != 0 || change == NULL) packet->answers++;
}

static void add_packet(struct plan *plan, const struct workload *workload, size_t first, size_t count) {
  struct packet packet = {.offset = plan->bytes};
  for (size_t i = first; i < first + count; i++) {
    add_message(plan, &packet, &workload->changes[i], (uint32_t)i + 1);
  }
  if (plan->style == BARRIER) add_message(plan, &packet, NULL, BARRIER_SEQ + (uint32_t)plan->packet_count);
  plan->packets[plan->packet_count++] = packet;
}

// The changes of one timed unit, `most` to a packet.
static void add_unit(struct plan *plan, const struct workload *workload, struct operation part, size_t most) {
  for (size_t done = 0; done < part.count; done += most) {
    add_packet(plan, workload, part.first + done, part.count - done < most ? part.count - done : most);
  }
  plan->ends[plan->unit_count++] = plan->packet_count;
}

static struct plan make_plan(const struct workload *workload, enum style style, enum mode mode, uint16_t family) {
  struct plan plan = {.style = style, .family = family};
  const size_t most = style == ACK ? 1 : number_from("CHUNK", 1024);
  plan.packets = need(calloc(workload->change_count + workload->operation_count + 1, sizeof *plan.packets));
  plan.ends = need(calloc(workload->operation_count + 1, sizeof *plan.ends));
  if (mode == EACH) {
    for (size_t i = 0; i < workload->operation_count; i++) add_unit(&plan, workload, workload->operations[i], most);
  } else {
    add_unit(&plan, workload, (struct operation){0, workload->change_count}, most);
  }
  return plan;
}

static void check_limits(int fd, const struct plan *plan) {
  const size_t limit = send_limit(fd);
  for (size_t i = 0; i < plan->packet_count; i++) {
    const size_t bytes = plan->packets[i].bytes;
    if (bytes > limit) die("a chunk has %zu bytes, %zu fit: lower CHUNK", bytes, limit);
  }
}

struct answer {
  struct nlmsghdr header;
  struct nlmsgerr error;
};

// An error, or an answer that is not the one that was due. An error's own number tells its line.
static void refuse(const struct workload *workload, const struct answer *answer) {
  const uint32_t seq = answer->header.nlmsg_seq;
  if (answer->error.error == 0 || seq == 0 || seq > workload->change_count) die("an unexpected answer, number %u", seq);
  die_of_change(&workload->changes[seq - 1], -answer->error.error);
}

// The kernel has queued all answers before send() returns. The first one is the barrier's, or the only message's.
static void take_one(int fd, const struct packet *packet, const struct workload *workload) {
  struct answer answer;
  const ssize_t bytes = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
  if (bytes < (ssize_t)(NLMSG_HDRLEN + sizeof answer.error)) die("recv: %s", bytes < 0 ? strerror(errno) : "cut short");
  if (answer.header.nlmsg_seq != packet->last_seq || answer.error.error != 0) refuse(workload, &answer);
}

static void take_many(int fd, const struct packet *packet, const struct workload *workload) {
  struct answer answers[BATCH_SLOTS];
  struct iovec parts[BATCH_SLOTS];
  struct mmsghdr messages[BATCH_SLOTS] = {0};
  for (size_t i = 0; i < BATCH_SLOTS; i++) {
    parts[i] = (struct iovec){&answers[i], sizeof answers[i]};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (size_t left = packet->answers; left > 0;) {
    const int count = recvmmsg(fd, messages, left < BATCH_SLOTS ? left : BATCH_SLOTS, MSG_DONTWAIT, NULL);
    if (count <= 0) die("recvmmsg: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
      if (answers[i].error.error != 0) refuse(workload, &answers[i]);
    }
    left -= (size_t)count;
  }
}

static void run(int fd, const struct plan *plan, const struct workload *workload, uint64_t *stamps) {
  size_t next = 0;
  stamps[0] = now();
  for (size_t unit = 0; unit < plan->unit_count; unit++) {
    for (; next < plan->ends[unit]; next++) {
      const struct packet *packet = &plan->packets[next];
      send_all(fd, plan->data + packet->offset, packet->bytes);
      if (plan->style == ACK_BATCH) {
        take_many(fd, packet, workload);
      } else {
        take_one(fd, packet, workload);
      }
    }
    stamps[unit + 1] = now();
  }
}

static void change_table(enum style style, enum mode mode, const char *file) {
  const struct workload workload = read_workload(file);
  uint16_t family;
  const int fd = open_wire(&family);
  const struct plan plan = make_plan(&workload, style, mode, family);
  check_limits(fd, &plan);
  uint64_t *stamps = new_stamps(plan.unit_count);
  run(fd, &plan, &workload, stamps);
  print_times(stamps, mode == LOAD ? 0 : plan.unit_count, NULL);
}

static void read_table(bool verified) {
  const size_t reads = number_from("READS", 20);
  uint64_t *stamps = new_stamps(reads);
  struct table *table = open_table();
  stamps[0] = now();
  for (size_t i = 0; i < reads; i++) {
    if (verified) {
      read_verified(table);
    } else {
      read_once(table);
    }
    stamps[i + 1] = now();
  }
  const size_t rows = rows_of(table);
  print_times(stamps, reads, &rows);
}

int main(int count, char **words) {
  if (count != 4) die("usage: floor barrier|ack|ack-batch|verified each|bulk|load|read FILE");
  const enum mode mode = mode_of(words[2]);
  const bool verified = strcmp(words[1], "verified") == 0;
  if (mode == READ && (verified || strcmp(words[1], "barrier") == 0)) {
    read_table(verified);
    return 0;
  }
  static const char *const styles[] = {[BARRIER] = "barrier", [ACK] = "ack", [ACK_BATCH] = "ack-batch"};
  for (enum style style = BARRIER; style <= ACK_BATCH; style++) {
    if (mode != READ && strcmp(words[1], styles[style]) == 0) {
      change_table(style, mode, words[3]);
      return 0;
    }
  }
  die("there is no \"%s %s\"", words[1], words[2]);
}
