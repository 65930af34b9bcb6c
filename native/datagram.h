// One datagram to a Unix socket: Node.js has no such sockets, and service managers listen on one (sd_notify(3)).
#pragma once

#include <string>

namespace ipvs {

// `path` with a leading "@" is of the abstract namespace. 0, or an errno; waits for nobody.
int SendDatagram(const std::string& path, const std::string& text);

}  // namespace ipvs
