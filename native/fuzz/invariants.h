// What holds for every result, whatever a kernel answers. A fuzz target ends at the first that does not.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>

#include "../record.h"

#define MUST(condition)                                                                    \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);         \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)

namespace ipvs::fuzz {

// What a read or a change may end with: nothing the kernel says can look like an outcome that is ours to give.
inline bool IsErrno(int code) { return code > 0 && code <= 4095; }

inline bool IsText(const char* text, size_t size) { return strnlen(text, size) < size; }

// An IPv4 address leaves the other bytes 0: identities are compared byte by byte.
inline bool IsAddress(uint16_t af, const uint8_t* address) {
  if (af == AF_INET6) return true;
  const uint8_t zeros[12] = {};
  return af == AF_INET && std::memcmp(address + 4, zeros, sizeof zeros) == 0;
}

inline void CheckService(const ServiceRow& row) {
  const ServiceFields& fields = row.fields;
  MUST(IsAddress(fields.key.af, fields.key.address));
  MUST(fields.key.zero == 0 && row.zero == 0);
  MUST(IsText(fields.scheduler, sizeof fields.scheduler) && IsText(fields.engine, sizeof fields.engine));
}

inline void CheckDestination(const DestinationRow& row) {
  MUST(IsAddress(row.fields.key.af, row.fields.key.address));
  MUST(row.fields.zero == 0);
}

inline void CheckDaemon(const DaemonFields& daemon) {
  MUST(daemon.state != 0 && daemon.zero == 0);
  MUST(IsText(daemon.interface, sizeof daemon.interface));
  MUST(daemon.group_af == 0 || daemon.group_af == AF_INET || daemon.group_af == AF_INET6);
}

}  // namespace ipvs::fuzz
