// A socket for a health check, with what Node.js cannot give it. It connects nothing: that is connector.h's or Node's.
#pragma once

#include <cstdint>
#include <string>

#include "descriptor.h"
#include "net_namespace.h"

namespace ipvs {

struct SocketPlan {
  NetNamespace where;
  int family = 0;
  int type = 0;
  int protocol = 0;
  int64_t mark = -1;          // none
  std::string device;         // empty: any
  std::string local_address;  // empty: the kernel's choice
};

struct CheckSocket {
  Descriptor file;
  int error = 0;
  const char* refused = "";  // what `error` is about: an option of checks, or `socket`
};

// Does not wait for anybody. The calling thread stays in its namespace.
CheckSocket OpenCheckSocket(SocketPlan plan);

}  // namespace ipvs
