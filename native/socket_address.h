// A literal address and a port, as system calls want them.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace ipvs {

// The size of what it has written, or 0 if `text` is neither an IPv4 nor an IPv6 address. That may name an interface: `fe80::1%eth0`.
socklen_t ToSocketAddress(const std::string& text, uint16_t port, sockaddr_storage* address);

}  // namespace ipvs
