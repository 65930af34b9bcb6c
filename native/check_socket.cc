#include "check_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace ipvs {
namespace {

struct Opening {
  SocketPlan plan;
  CheckSocket result;
};

// The port is chosen when it connects, one after the other: IPVS remembers for a while where the last ones led, which a random
// one could meet.
int Bind(int fd, int family, const std::string& text) {
  const int on = 1;
  (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_storage address{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
  address.ss_family = static_cast<sa_family_t>(family);
  void* bytes = family == AF_INET ? static_cast<void*>(&v4->sin_addr) : &v6->sin6_addr;
  if (inet_pton(family, text.c_str(), bytes) != 1) {
    errno = EINVAL;
    return -1;
  }
  return bind(fd, reinterpret_cast<sockaddr*>(&address), family == AF_INET ? sizeof *v4 : sizeof *v6);
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
  if (!plan.local_address.empty() && Bind(fd, plan.family, plan.local_address) != 0) {
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
  // On a thread that ends in there: should the way back be refused, nobody else has moved. It takes no signals from the others.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  const auto run = [](void* data) -> void* {
    Open(static_cast<Opening*>(data));
    return nullptr;
  };
  const int error = pthread_create(&thread, nullptr, run, &opening);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (error != 0) {
    opening.result.refused = "thread";
    opening.result.error = error;
  } else {
    pthread_join(thread, nullptr);
  }
  return std::move(opening.result);
}

}  // namespace ipvs
