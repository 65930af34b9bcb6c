#include "system_calls.h"

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <utility>

#include <linux/netlink.h>
#include <sys/socket.h>

namespace {

std::map<std::string, std::deque<int>>& Faults() {
  static std::map<std::string, std::deque<int>> faults;
  return faults;
}

std::deque<int>& Sockets() {
  static std::deque<int> sockets;
  return sockets;
}

std::deque<std::function<void()>>& Reactions() {
  static std::deque<std::function<void()>> reactions;
  return reactions;
}

Automaton& Current() {
  static Automaton automaton;
  return automaton;
}

std::deque<uint32_t>& Senders() {
  static std::deque<uint32_t> senders;
  return senders;
}

// Says who sent a datagram, as a netlink socket does.
void NameSender(msghdr* message) {
  if (message->msg_name == nullptr) return;
  sockaddr_nl sender{};
  sender.nl_family = AF_NETLINK;
  if (!Senders().empty()) {
    sender.nl_pid = Senders().front();
    Senders().pop_front();
  }
  std::memcpy(message->msg_name, &sender, sizeof sender);
  message->msg_namelen = sizeof sender;
}

bool Fails(const char* call) {
  std::deque<int>& waiting = Faults()[call];
  if (waiting.empty()) return false;
  const int error = waiting.front();
  waiting.pop_front();
  if (error == 0) return false;
  errno = error;
  return true;
}

}  // namespace

void FailNext(const std::string& call, int error) { Faults()[call].push_back(error); }

void NextSocket(int fd) { Sockets().push_back(fd); }

void UseAutomaton(Automaton automaton) { Current() = std::move(automaton); }

void NextSender(uint32_t port) { Senders().push_back(port); }

void AfterSend(std::function<void()> what) { Reactions().push_back(std::move(what)); }

extern "C" {

int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const sockaddr* address, socklen_t size);
int __real_connect(int fd, const sockaddr* address, socklen_t size);
int __real_setsockopt(int fd, int level, int option, const void* value, socklen_t size);
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
ssize_t __real_recvmsg(int fd, msghdr* message, int flags);
int __real_recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout);

int __wrap_socket(int domain, int type, int protocol) {
  if (Fails("socket")) return -1;
  if (domain != AF_NETLINK) return __real_socket(domain, type, protocol);
  if (Current().open) return Current().open();
  if (Sockets().empty()) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  const int fd = Sockets().front();
  Sockets().pop_front();
  return fd;
}

// A line is no netlink socket: what only those know is taken as done.
int __wrap_bind(int fd, const sockaddr* address, socklen_t size) {
  if (Fails("bind")) return -1;
  return address->sa_family == AF_NETLINK ? 0 : __real_bind(fd, address, size);
}

int __wrap_connect(int fd, const sockaddr* address, socklen_t size) {
  if (Fails("connect")) return -1;
  return address->sa_family == AF_NETLINK ? 0 : __real_connect(fd, address, size);
}

int __wrap_setsockopt(int fd, int level, int option, const void* value, socklen_t size) {
  if (Fails("setsockopt")) return -1;
  return level == SOL_NETLINK ? 0 : __real_setsockopt(fd, level, option, value, size);
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  if (Fails("sendmsg")) return -1;
  const ssize_t sent = __real_sendmsg(fd, message, flags);
  if (Current().answer) Current().answer(fd);
  if (!Reactions().empty()) {
    Reactions().front()();
    Reactions().pop_front();
  }
  return sent;
}

ssize_t __wrap_recvmsg(int fd, msghdr* message, int flags) {
  return Fails("recvmsg") ? -1 : __real_recvmsg(fd, message, flags);
}

int __wrap_recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  if (Fails("recvmmsg")) return -1;
  const int received = __real_recvmmsg(fd, messages, count, flags, timeout);
  for (int i = 0; i < received; i++) NameSender(&messages[i].msg_hdr);
  return received;
}

}  // extern "C"
