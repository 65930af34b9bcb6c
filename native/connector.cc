#include "connector.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "socket_address.h"
#include "thread.h"

namespace ipvs {
namespace {

// What epoll calls the end; connections go by their ids.
constexpr uint64_t kStop = UINT64_MAX;
constexpr int kEvents = 256;

int Watch(int epoll, int fd, uint32_t events, uint64_t name) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = name;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
  // fs.epoll.max_user_watches is a limit of the kernel's memory.
  return errno == ENOSPC ? ENOMEM : errno;
}

// Where nobody listens on a local port, the kernel may give that very port to the one that connects, who then reaches itself
// (TCP's simultaneous open).
bool IsItself(int fd) {
  sockaddr_storage here{};
  sockaddr_storage there{};
  socklen_t here_size = sizeof here;
  socklen_t there_size = sizeof there;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&here), &here_size) != 0) return false;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&there), &there_size) != 0) return false;
  return here_size == there_size && std::memcmp(&here, &there, here_size) == 0;
}

// 0 once it is connected, kPending before, else why it will not be.
int Look(int fd) {
  pollfd one{fd, POLLOUT, 0};
  if (poll(&one, 1, 0) <= 0) return Connector::kPending;
  if ((one.revents & (POLLERR | POLLHUP)) == 0) return IsItself(fd) ? ECONNREFUSED : 0;
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

// Closing it resets the connection: that leaves no TIME_WAIT on either side, of which a check per second and member would make
// thousands.
void ResetAtClose(int fd) {
  const linger now{1, 0};
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

int Connector::Start() {
  epoll_ = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  if (epoll_.get() < 0) return errno;
  stop_ = Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (stop_.get() < 0) return errno;
  const int unwatched = Watch(epoll_.get(), stop_.get(), EPOLLIN, kStop);
  if (unwatched != 0) return unwatched;
  const auto run = [](void* data) -> void* {
    pthread_setname_np(pthread_self(), "ipvs-checks");
    static_cast<Connector*>(data)->Loop();
    return nullptr;
  };
  const int error = StartThread(&thread_, run, this);
  started_ = error == 0;
  return error;
}

Connector::~Connector() {
  if (started_) {
    (void)eventfd_write(stop_.get(), 1);
    pthread_join(thread_, nullptr);
  }
  for (const auto& entry : pending_) ResetAtClose(entry.second.get());
}

int Connector::Begin(int32_t id, const std::string& address, uint16_t port, Descriptor file) {
  sockaddr_storage to;
  const socklen_t size = ToSocketAddress(address, port, &to);
  if (size == 0) return EINVAL;
  if (file.get() < 0) file = Descriptor(socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int fd = file.get();
  if (fd < 0) return errno;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), size) != 0 && errno != EINPROGRESS) return errno;
  const int outcome = Look(fd);
  if (outcome == 0) ResetAtClose(fd);
  if (outcome != kPending) return outcome;
  const int unwatched = Watch(epoll_.get(), fd, EPOLLOUT | EPOLLONESHOT, static_cast<uint32_t>(id));
  if (unwatched != 0) return unwatched;
  pending_.emplace(id, std::move(file));
  return kPending;
}

int Connector::Cancel(int32_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return kPending;
  const int fd = found->second.get();
  const int outcome = Look(fd);
  // One that is pending may be made in this moment.
  if (outcome <= 0) ResetAtClose(fd);
  pending_.erase(found);
  return outcome;
}

std::vector<Connector::Ended> Connector::TakeEnded() {
  std::vector<int32_t> ready;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    ready.swap(ready_);
    notified_ = false;
  }
  std::vector<Ended> ended;
  for (const int32_t id : ready) {
    // Some were cancelled meanwhile.
    if (pending_.count(id) != 0) ended.push_back({id, Cancel(id)});
  }
  return ended;
}

void Connector::Loop() {
  epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events, kEvents, -1);
    if (count < 0 && errno != EINTR) return;
    bool tell = false;
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == kStop) return;
      std::lock_guard<std::mutex> guard(mutex_);
      ready_.push_back(static_cast<int32_t>(events[i].data.u64));
      if (!std::exchange(notified_, true)) tell = true;
    }
    if (tell) notify_();
  }
}

}  // namespace ipvs
