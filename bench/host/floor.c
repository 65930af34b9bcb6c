// floor encode|controller|controller-ack-64 [BATCHES]: the same as core.cc in plain C, with the fewest system calls and no copies.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "program.h"
#include "wire.h"

enum { BATCHES = 400, BATCH = 1000 };

static double micros(void) { return (double)now() / 1e3; }

static void fail_with(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

// Times, or with a number of batches only these, for a counter of instructions.
static void measure(int batches_to_count, int per_batch, void (*work)(void)) {
  if (batches_to_count > 0) {
    for (int i = 0; i < batches_to_count; i++) work();
    printf("{\"operations\":%d}\n", batches_to_count * per_batch);
    return;
  }
  printf("{\"times\":[");
  for (int round = -BATCHES / 10; round < BATCHES; round++) {
    const double from = micros();
    work();
    const double took = (micros() - from) / per_batch;
    if (round >= 0) printf("%s%.4f", round == 0 ? "" : ",", took);
  }
  printf("]}\n");
}

static struct change changes[BATCH];

static void prepare_changes(void) {
  for (int i = 0; i < BATCH; i++) {
    changes[i] = (struct change){
        .command = 'e',
        .protocol = IPPROTO_UDP,
        .port = htons(53),
        .server_port = htons(53),
        .address = htonl(0xc0000201),
        .server = htonl(0x0a000000 + (uint32_t)i),
        .method = 3,
        .weight = (uint32_t)i + 1,
    };
  }
}

static void encode(void) {
  static uint8_t buffer[(BATCH + 1) * MESSAGE_ROOM];
  size_t at = 0;
  for (int i = 0; i < BATCH; i++) at += encode_change(buffer + at, 0x20, &changes[i], 0, (uint32_t)i + 1);
  encode_barrier(buffer + at, BATCH + 1);
}

struct question {
  struct nlmsghdr message;
  struct genlmsghdr command;
  struct nlattr attribute;
  uint16_t family;
  uint16_t padding;
};

static struct question nobody(uint32_t seq) {
  const struct question question = {
      .message = {.nlmsg_len = sizeof question, .nlmsg_type = GENL_ID_CTRL, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = seq},
      .command = {.cmd = CTRL_CMD_GETFAMILY, .version = 1},
      .attribute = {.nla_len = NLA_HDRLEN + 2, .nla_type = CTRL_ATTR_FAMILY_ID},
      .family = 0xfff0,
  };
  return question;
}

static int fd;
static uint32_t seq;

// One message with its answer: an error, which counts as an acknowledgement.
static void transaction(void) {
  const struct question question = nobody(++seq);
  if (send(fd, &question, sizeof question, 0) < 0) fail_with("sending");
  uint8_t reply[256];
  if (recv(fd, reply, sizeof reply, MSG_DONTWAIT) < 0) fail_with("receiving");
  const struct nlmsghdr *header = (const struct nlmsghdr *)reply;
  const struct nlmsgerr *error = (const struct nlmsgerr *)(header + 1);
  if (header->nlmsg_seq != seq || error->error != -ENOENT) fail_with("an answer that was not expected");
}

// One message and a barrier in one send; both answers.
static void transaction_with_barrier(void) {
  seq += 2;
  struct {
    struct question question;
    struct nlmsghdr barrier;
  } both = {nobody(seq), {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = NLMSG_NOOP, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = seq + 1}};
  if (send(fd, &both, sizeof both, 0) < 0) fail_with("sending");
  static uint8_t replies[2][256];
  struct iovec parts[2] = {{replies[0], sizeof replies[0]}, {replies[1], sizeof replies[1]}};
  struct mmsghdr messages[2];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < 2; i++) {
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  if (recvmmsg(fd, messages, 2, MSG_DONTWAIT, NULL) != 2) fail_with("receiving");
  const struct nlmsghdr *barrier = (const struct nlmsghdr *)replies[1];
  if (barrier->nlmsg_seq != seq + 1) fail_with("an answer that was not expected");
}

static void ten_with_barrier(void) {
  for (int i = 0; i < 10; i++) transaction_with_barrier();
}

static void ten_times_64(void) {
  for (int i = 0; i < 640; i++) transaction();
}

int main(int count, char **words) {
  const char *what = count == 2 || count == 3 ? words[1] : "";
  const int batches = count == 3 ? atoi(words[2]) : 0;
  if (strcmp(what, "encode") == 0) {
    prepare_changes();
    measure(batches, BATCH, encode);
    return 0;
  }
  fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  if (fd < 0) fail_with("opening a socket");
  const int one = 1;
  setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  if (strcmp(what, "controller") == 0) measure(batches, 10, ten_with_barrier);
  else if (strcmp(what, "controller-ack-64") == 0) measure(batches, 640, ten_times_64);
  else {
    fprintf(stderr, "usage: floor encode|controller|controller-ack-64 [BATCHES]\n");
    return 2;
  }
}
