#include "check_socket.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "socket_address.h"
#include "thread.h"

namespace ipvs {
namespace {

struct Opening {
  SocketPlan plan;
  CheckSocket result;
};

// Of TCP, the port is chosen when it connects, one after the other: IPVS remembers for a while where the last ones led, which a
// random one could meet. Of UDP, now: libuv makes the address of a socket that it takes over one to share (SO_REUSEADDR), so
// that two that connect at once could get one port, and one of them both replies.
int Bind(int fd, int type, const std::string& text) {
  const int late = type == SOCK_STREAM ? 1 : 0;
  (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
  sockaddr_storage address;
  const socklen_t size = ToSocketAddress(text, 0, &address);
  if (size == 0) {
    errno = EINVAL;
    return -1;
  }
  return bind(fd, reinterpret_cast<sockaddr*>(&address), size);
}

void Open(Opening* opening) {
  SocketPlan& plan = opening->plan;
  const auto refuse = [&](const char* what, int error) {
    opening->result.refused = what;
    opening->result.error = error;
  };
  const int no_way = plan.where.Enter();
  if (no_way != 0) return refuse("netns", no_way);
  Descriptor file(socket(plan.family, plan.type | SOCK_NONBLOCK | SOCK_CLOEXEC, plan.protocol));
  const int fd = file.get();
  if (fd < 0) return refuse("socket", errno);
  const auto mark = static_cast<uint32_t>(plan.mark);
  if (plan.mark >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) return refuse("mark", errno);
  const auto size = static_cast<socklen_t>(plan.device.size());
  if (size != 0 && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, plan.device.data(), size) != 0) {
    return refuse("device", errno);
  }
  const bool is_udp = plan.type == SOCK_DGRAM && plan.protocol == 0;
  if (plan.local_address.empty() && is_udp) plan.local_address = plan.family == AF_INET6 ? "::" : "0.0.0.0";
  if (!plan.local_address.empty() && Bind(fd, plan.type, plan.local_address) != 0) {
    return refuse("localAddress", errno);
  }
  opening->result.file = std::move(file);
}

}  // namespace

CheckSocket OpenCheckSocket(SocketPlan plan) {
  Opening opening{std::move(plan), CheckSocket()};
  if (opening.plan.where.kind == NetNamespace::Kind::kCurrent) {
    Open(&opening);
    return std::move(opening.result);
  }
  // On a thread that ends in there: should the way back be refused, nobody else has moved.
  pthread_t thread;
  const auto run = [](void* data) -> void* {
    Open(static_cast<Opening*>(data));
    return nullptr;
  };
  const int error = StartThread(&thread, run, &opening);
  if (error != 0) {
    opening.result.refused = "thread";
    opening.result.error = error;
  } else {
    pthread_join(thread, nullptr);
  }
  return std::move(opening.result);
}

}  // namespace ipvs
