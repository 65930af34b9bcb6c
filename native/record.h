// The compact records that pass between TypeScript and C++: one layout for one change and for ten thousand.
// Numbers are host order; addresses are bytes in network order, an IPv4 address in the first four.
// TypeScript learns sizes and offsets from the table of layout.cc: this file is their one definition.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ipvs {

enum class Op : uint8_t {
  kAddService = 1,
  kReplaceService,
  kEnsureService,
  kRemoveService,
  kEnsureNoService,
  kAddDestination,
  kReplaceDestination,
  kEnsureDestination,
  kRemoveDestination,
  kEnsureNoDestination,
  kZero,   // of one service, or of all if its key's af is 0
  kFlush,
  kSetTimeouts,
  kStartDaemon,
  kStopDaemon,
};

// Identity of a service. fwmark 0 means "by protocol, address and port".
struct ServiceKey {
  uint16_t af;  // AF_INET or AF_INET6
  uint16_t protocol;
  uint32_t fwmark;
  uint8_t address[16];
  uint16_t port;
  uint16_t zero;
};

// Identity of a destination inside its service.
struct DestinationKey {
  uint16_t af;
  uint16_t port;
  uint8_t address[16];
};

struct ServiceFields {
  ServiceKey key;
  uint32_t flags;            // IP_VS_SVC_F_*
  uint32_t timeout_seconds;  // of persistence
  uint32_t netmask;          // IPv4: the mask as a number; IPv6: prefix length
  char scheduler[16];
  char engine[16];
};

struct DestinationFields {
  DestinationKey key;
  uint32_t method;  // IP_VS_CONN_F_FWD_MASK part
  uint32_t weight;
  uint32_t upper_threshold;
  uint32_t lower_threshold;
  uint16_t tunnel_type;
  uint16_t tunnel_port;
  uint16_t tunnel_flags;
  uint16_t zero;
};

// Seconds; 0 leaves a timeout as it is.
struct TimeoutFields {
  uint32_t tcp;
  uint32_t tcp_fin;
  uint32_t udp;
};

// A sync daemon. 0 in an optional field: the kernel's default.
struct DaemonFields {
  uint32_t state;  // IP_VS_STATE_MASTER or _BACKUP
  uint32_t sync_id;
  char interface[16];
  uint16_t max_length;
  uint16_t port;
  uint16_t group_af;
  uint8_t ttl;
  uint8_t zero;
  uint8_t group[16];
};

// One change. The fields that its op does not use are ignored.
struct Change {
  Op op;
  uint8_t joined;  // 1: goes into the same sendmsg as the change before it (two halves of one flip)
  uint16_t zero;
  union {
    struct {
      ServiceFields service;
      DestinationFields destination;
    };
    TimeoutFields timeouts;
    DaemonFields daemon;
  };
};

// The answer of GET_INFO.
struct InfoFields {
  uint32_t version;
  uint32_t connection_table_size;
};

struct Counters {
  uint64_t connections, in_packets, out_packets, in_bytes, out_bytes;
  uint64_t connection_rate, in_packet_rate, out_packet_rate, in_byte_rate, out_byte_rate;
};

// One service as read; `destinations` rows follow it where a whole table is read.
struct ServiceRow {
  ServiceFields fields;
  uint32_t destinations;
  uint32_t zero;
  Counters counters;
};

struct DestinationRow {
  DestinationFields fields;
  uint32_t active;
  uint32_t inactive;
  uint32_t persistent;
  Counters counters;
};

static_assert(sizeof(ServiceKey) == 28 && sizeof(DestinationKey) == 20, "records have no padding");
static_assert(sizeof(ServiceFields) == 72 && sizeof(DestinationFields) == 44, "records have no padding");
static_assert(sizeof(TimeoutFields) == 12 && sizeof(DaemonFields) == 48, "records have no padding");
static_assert(sizeof(Change) == 120 && sizeof(ServiceRow) == 160 && sizeof(DestinationRow) == 136,
              "records have no padding");

// Results of a change beside 0 (applied) and the kernel's errno.
enum Outcome : int32_t {
  kApplied = 0,
  kNotSent = 10001,
  kUnknown = 10002,
  kSuperseded = 10003,
  kNoFamily = 10004,  // the module went away and could not be loaded again
};

// What became of one change: an errno or Outcome, and the command that failed.
struct Result {
  int32_t code = kApplied;
  int32_t command = 0;
};

// One change that was not applied: its index in its request, an errno or Outcome, and the command that failed.
struct Failure {
  int32_t index;
  int32_t code;
  int32_t command;
};

}  // namespace ipvs
