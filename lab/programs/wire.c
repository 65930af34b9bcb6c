#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <linux/ip_vs.h>
#include <string.h>
#include <sys/socket.h>

#include "program.h"

// The kernel doubles it. 8 MiB hold the errors of 6,000 messages (up to 1,280 bytes each, af_netlink.c: netlink_ack).
#define BUFFER_BYTES (4 * 1024 * 1024)

// A message being written.
struct writer {
  uint8_t *start;
  uint8_t *at;
};

static void put(struct writer *writer, uint16_t type, const void *value, size_t bytes) {
  const struct nlattr header = {.nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = type};
  memset(writer->at, 0, NLA_ALIGN(NLA_HDRLEN + bytes));
  memcpy(writer->at, &header, sizeof header);
  memcpy(writer->at + NLA_HDRLEN, value, bytes);
  writer->at += NLA_ALIGN(NLA_HDRLEN + bytes);
}

static void put_u16(struct writer *writer, uint16_t type, uint16_t value) { put(writer, type, &value, sizeof value); }
static void put_u32(struct writer *writer, uint16_t type, uint32_t value) { put(writer, type, &value, sizeof value); }

static struct nlattr *begin_nest(struct writer *writer, uint16_t type) {
  struct nlattr *nest = (struct nlattr *)writer->at;
  put(writer, type | NLA_F_NESTED, "", 0);
  return nest;
}

static void end_nest(const struct writer *writer, struct nlattr *nest) {
  nest->nla_len = (uint16_t)(writer->at - (uint8_t *)nest);
}

static struct writer begin(uint8_t *at, uint16_t type, uint16_t flags, uint32_t seq) {
  const struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = seq};
  memcpy(at, &header, sizeof header);
  return (struct writer){at, at + sizeof header};
}

static struct writer begin_genl(uint8_t *at, uint16_t family, uint8_t command, uint16_t flags, uint32_t seq) {
  struct writer writer = begin(at, family, flags, seq);
  const struct genlmsghdr header = {.cmd = command, .version = 1};
  memcpy(writer.at, &header, sizeof header);
  writer.at += sizeof header;
  return writer;
}

static size_t end(const struct writer *writer) {
  const uint32_t bytes = (uint32_t)(writer->at - writer->start);
  memcpy(writer->start, &bytes, sizeof bytes);
  return bytes;
}

static void put_service(struct writer *writer, const struct change *change, bool full) {
  struct nlattr *nest = begin_nest(writer, IPVS_CMD_ATTR_SERVICE);
  put_u16(writer, IPVS_SVC_ATTR_AF, AF_INET);
  put_u16(writer, IPVS_SVC_ATTR_PROTOCOL, change->protocol);
  put_u32(writer, IPVS_SVC_ATTR_ADDR, change->address);
  put_u16(writer, IPVS_SVC_ATTR_PORT, change->port);
  if (full) {
    const struct ip_vs_flags flags = {0, UINT32_MAX};
    put(writer, IPVS_SVC_ATTR_SCHED_NAME, change->scheduler, strlen(change->scheduler) + 1);
    put(writer, IPVS_SVC_ATTR_FLAGS, &flags, sizeof flags);
    put_u32(writer, IPVS_SVC_ATTR_TIMEOUT, 0);
    put_u32(writer, IPVS_SVC_ATTR_NETMASK, UINT32_MAX);
  }
  end_nest(writer, nest);
}

static void put_destination(struct writer *writer, const struct change *change, bool full) {
  struct nlattr *nest = begin_nest(writer, IPVS_CMD_ATTR_DEST);
  put_u32(writer, IPVS_DEST_ATTR_ADDR, change->server);
  put_u16(writer, IPVS_DEST_ATTR_PORT, change->server_port);
  if (full) {
    put_u32(writer, IPVS_DEST_ATTR_FWD_METHOD, change->method);
    put_u32(writer, IPVS_DEST_ATTR_WEIGHT, change->weight);
    put_u32(writer, IPVS_DEST_ATTR_U_THRESH, 0);
    put_u32(writer, IPVS_DEST_ATTR_L_THRESH, 0);
  }
  end_nest(writer, nest);
}

uint8_t command_of(char letter) {
  switch (letter) {
    case 'A': return IPVS_CMD_NEW_SERVICE;
    case 'E': return IPVS_CMD_SET_SERVICE;
    case 'D': return IPVS_CMD_DEL_SERVICE;
    case 'a': return IPVS_CMD_NEW_DEST;
    case 'e': return IPVS_CMD_SET_DEST;
    default: return IPVS_CMD_DEL_DEST;
  }
}

size_t encode_change(uint8_t *at, uint16_t family, const struct change *change, uint16_t flags, uint32_t seq) {
  struct writer writer = begin_genl(at, family, command_of(change->command), flags, seq);
  put_service(&writer, change, change->command == 'A' || change->command == 'E');
  if (strchr("aed", change->command) != NULL) put_destination(&writer, change, change->command != 'd');
  return end(&writer);
}

size_t encode_barrier(uint8_t *at, uint32_t seq) {
  const struct writer writer = begin(at, NLMSG_NOOP, NLM_F_ACK, seq);
  return end(&writer);
}

size_t encode_get(uint8_t *at, uint16_t family, uint8_t command, const struct change *change, uint16_t flags,
                  uint32_t seq) {
  struct writer writer = begin_genl(at, family, command, flags, seq);
  if (change != NULL) put_service(&writer, change, false);
  return end(&writer);
}

void send_all(int fd, const uint8_t *data, size_t bytes) {
  // send() is sendmsg() without the copying of a msghdr and an iovec. The peer is the kernel.
  if (send(fd, data, bytes, 0) != (ssize_t)bytes) die("send of %zu bytes: %s", bytes, strerror(errno));
}

static uint16_t resolve(int fd) {
  uint8_t request[MESSAGE_ROOM];
  struct writer writer = begin_genl(request, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, 0);
  put(&writer, CTRL_ATTR_FAMILY_NAME, IPVS_GENL_NAME, sizeof IPVS_GENL_NAME);
  send_all(fd, request, end(&writer));
  // The size that is asked for here is what the kernel makes its first dump chunk from (netlink_recvmsg).
  static uint8_t answer[64 * 1024] __attribute__((aligned(8)));
  const ssize_t bytes = recv(fd, answer, sizeof answer, 0);
  const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
  if (bytes < (ssize_t)(NLMSG_HDRLEN + GENL_HDRLEN) || header->nlmsg_type != GENL_ID_CTRL) {
    die("there is no family IPVS");
  }
  FOR_ATTRIBUTES(attribute, answer + NLMSG_HDRLEN + GENL_HDRLEN, answer + header->nlmsg_len) {
    if (attribute_type(attribute) == CTRL_ATTR_FAMILY_ID) return *(const uint16_t *)attribute_value(attribute);
  }
  die("the family IPVS has no id");
}

int open_wire(uint16_t *family) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  const int on = 1, bytes = BUFFER_BYTES;
  const struct sockaddr_nl self = {.nl_family = AF_NETLINK};
  if (fd < 0 || setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0 ||
      bind(fd, (const struct sockaddr *)&self, sizeof self) != 0) {
    die("socket: %s", strerror(errno));
  }
  *family = resolve(fd);
  return fd;
}

size_t send_limit(int fd) {
  int bytes = 0;
  socklen_t length = sizeof bytes;
  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length) != 0) die("SO_SNDBUF: %s", strerror(errno));
  return (size_t)bytes - 32;  // af_netlink.c: netlink_sendmsg
}
