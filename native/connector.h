// TCP connections of health checks: each is made, and reset at once. On this host they are there, or refused, when the system call
// returns; a thread waits for the others, with one epoll for all, and says when some are ready.
//
// Threads: the public methods are called on the JavaScript thread, whose the sockets are; the thread only names those to look at.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "descriptor.h"

namespace ipvs {

class Connector {
 public:
  static constexpr int kPending = -1;

  // As JavaScript gets it.
  struct Ended {
    int32_t id;
    int32_t error;  // 0: it was made
  };

  // `notify` is called on the thread, once until TakeEnded.
  explicit Connector(std::function<void()> notify) : notify_(std::move(notify)) {}
  // Ends the thread, which never waits for anybody else, and closes what is pending.
  ~Connector();

  // 0 or an errno, after which it may be tried again. Nothing else may be called before it is 0.
  int Start();
  // To a literal address, by a stream socket that does not block, or one of its own. 0: connected. kPending: TakeEnded will have the
  // `id`, which no other may have until then. Else an errno.
  int Begin(int32_t id, const std::string& address, uint16_t port, Descriptor file = Descriptor());
  // What has become of it by now. Pending or not, it is closed, and TakeEnded has it no more.
  int Cancel(int32_t id);
  std::vector<Ended> TakeEnded();
  bool is_idle() const { return pending_.empty(); }

 private:
  void Loop();

  std::unordered_map<int32_t, Descriptor> pending_;

  Descriptor epoll_;
  Descriptor stop_;
  pthread_t thread_{};
  bool started_ = false;

  std::function<void()> notify_;  // the thread's
  std::mutex mutex_;              // guards what follows
  std::vector<int32_t> ready_;
  bool notified_ = false;
};

}  // namespace ipvs
