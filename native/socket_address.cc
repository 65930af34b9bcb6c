#include "socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

namespace ipvs {

socklen_t ToSocketAddress(const std::string& text, uint16_t port, sockaddr_storage* address) {
  *address = sockaddr_storage{};
  if (text.find(':') == std::string::npos) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    return inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1 ? sizeof *v4 : 0;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(address);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  const size_t zone = text.find('%');
  // One that is not there is 0, which the kernel refuses where one is needed.
  if (zone != std::string::npos) v6->sin6_scope_id = if_nametoindex(text.c_str() + zone + 1);
  return inet_pton(AF_INET6, text.substr(0, zone).c_str(), &v6->sin6_addr) == 1 ? sizeof *v6 : 0;
}

}  // namespace ipvs
