// What /proc has of the namespace of the thread that opens it: IPVS settings and connections. Each returns 0 or an errno.
#pragma once

#include <string>

#include "descriptor.h"

namespace ipvs {

constexpr char kSettings[] = "/proc/sys/net/ipv4/vs/";

// "name=value" lines.
int ReadSysctls(const std::string& folder, std::string* text);
// "name=value".
int WriteSysctl(const std::string& folder, const std::string& assignment);
// Opens a file of /proc/thread-self/net. It may be read anywhere: it belongs to the namespace of the thread that opened it.
int OpenConnections(const std::string& file, Descriptor* descriptor);

}  // namespace ipvs
