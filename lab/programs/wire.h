// The least that speaks to IPVS: a socket, the family's id, messages and attributes. System calls only, no library.
#pragma once

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A change of a service or a destination, as one line of text says it. Addresses and ports are in network order, as the kernel wants them.
struct change {
  char command;  // A E D: a service; a e d: a destination
  uint16_t protocol;
  uint16_t port;
  uint16_t server_port;
  uint32_t address;
  uint32_t server;
  uint32_t method;
  uint32_t weight;
  uint32_t line;
  char scheduler[16];
};

// IPVS_CMD_* of a change's letter.
uint8_t command_of(char letter);

// Large enough for any message that encode_change writes.
#define MESSAGE_ROOM 256

// Opens a socket in this network namespace, with buffers of megabytes, and finds the family.
int open_wire(uint16_t *family);

// The bytes that one sendmsg may have on this socket.
size_t send_limit(int fd);

// Writes one message and returns its size. `flags` go beside NLM_F_REQUEST.
size_t encode_change(uint8_t *at, uint16_t family, const struct change *change, uint16_t flags, uint32_t seq);

// A NOOP that wants an acknowledgement: no family handles it, and its answer comes after all errors before it.
size_t encode_barrier(uint8_t *at, uint32_t seq);

// A GET of services (`change` is NULL) or about the service of a change.
size_t encode_get(uint8_t *at, uint16_t family, uint8_t command, const struct change *change, uint16_t flags,
                  uint32_t seq);

void send_all(int fd, const uint8_t *data, size_t bytes);

// The first attribute at or after `at` that fits before `end`, or NULL.
static inline const struct nlattr *attribute_at(const uint8_t *at, const uint8_t *end) {
  const struct nlattr *attribute = (const struct nlattr *)at;
  if (end - at < NLA_HDRLEN || attribute->nla_len < NLA_HDRLEN || attribute->nla_len > end - at) return NULL;
  return attribute;
}

static inline const struct nlattr *next_attribute(const struct nlattr *attribute, const uint8_t *end) {
  const uint8_t *at = (const uint8_t *)attribute + NLA_ALIGN(attribute->nla_len);
  return at < end ? attribute_at(at, end) : NULL;
}

#define FOR_ATTRIBUTES(name, start, end) \
  for (const struct nlattr *name = attribute_at(start, end); name != NULL; name = next_attribute(name, end))

static inline uint16_t attribute_type(const struct nlattr *attribute) { return attribute->nla_type & NLA_TYPE_MASK; }
static inline const void *attribute_value(const struct nlattr *attribute) { return attribute + 1; }
static inline size_t attribute_bytes(const struct nlattr *attribute) { return attribute->nla_len - NLA_HDRLEN; }
