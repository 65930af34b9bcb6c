// The client's own thread and its sockets. Netlink runs a whole batch inside sendmsg, unkillably, so this never happens on the
// JavaScript thread and never on libuv's pool. What goes out next is the affair of lanes.h.
//
// Threads: Loop is the worker's; the public methods are called on the JavaScript thread. The thread is detached and keeps
// the Worker alive: nobody ever joins a thread that may be in the kernel.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "channel.h"
#include "descriptor.h"
#include "lanes.h"
#include "net_namespace.h"
#include "table_reader.h"

namespace ipvs {

// What goes back to JavaScript.
struct Completion {
  uint32_t id = 0;
  RequestKind kind = RequestKind::kWrite;
  int32_t error = 0;  // of an open or a read
  std::vector<Failure> failures;
  Table table;
  std::string text;             // of kOpen: the namespace's identity; of kSysctls: "name=value" lines
  Descriptor file;              // of kConnections
  std::vector<uint8_t> record;  // of kDaemons, kTimeouts, kInfo
};

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  // `notify` is called on the worker's thread when completions wait; it must be safe after Silence(). False: it could not.
  Worker(NetNamespace where, std::function<bool()> notify);

  // Starts the thread, which opens the sockets and completes request `id`. 0 or an errno.
  int Start(uint32_t id);
  // These are those of Lanes.
  void Submit(Request request);
  void Append(uint32_t id, const Change* changes, size_t count);
  uint64_t TakePlace();
  void LeavePlace();
  bool Withdraw(uint32_t id);
  bool Abandon(uint32_t id, std::vector<Failure>* failures);
  // Runs changes on the calling thread. EBUSY if requests wait, E2BIG if they need more than one batch, another errno
  // or kNoFamily if a new socket was needed and could not be opened, else 0.
  int RunNow(const Change* changes, size_t count, std::vector<Failure>* failures);
  std::vector<Completion> TakeCompletions();
  // Rows of a table that nobody looks at any more: their memory is for the next one.
  void GiveBack(std::vector<DestinationRow> rows);
  // The thread ends after the call it is in; waiting requests are dropped.
  void Stop();
  // From now on `notify` is not called any more, and no call of it is under way.
  void Silence();

 private:
  void Loop(uint32_t open_id);
  int OpenChannels();
  void Reopen(std::unique_lock<std::mutex>& lock);
  size_t BatchRoom() const;
  void RunBatch(std::unique_lock<std::mutex>& lock);
  void RunRead(std::unique_lock<std::mutex>& lock);
  void Read(const Request& request, Completion* completion);
  bool ServeWrites();
  void SizeBulk(size_t messages, int64_t micros);
  void CompleteAnswers();
  void Complete(Completion completion);

  NetNamespace where_;

  std::mutex mutex_;  // guards everything down to the next comment
  std::condition_variable wake_;
  Lanes lanes_;
  std::vector<Completion> completions_;
  bool notified_ = false;
  std::vector<DestinationRow> spare_rows_;
  bool stopping_ = false;
  bool busy_ = true;
  bool reopen_ = false;  // RunNow asks for a new socket
  int reopen_error_ = 0;
  std::condition_variable reopened_;

  std::mutex notify_mutex_;  // guards notify_
  std::function<bool()> notify_;

  // The batch under way: the worker's, or the JavaScript thread's in RunNow while the worker sleeps.
  Channel changes_channel_;
  std::vector<const Change*> batch_;  // of RunNow
  std::vector<Result> results_;
  // The worker's.
  Channel reads_channel_;
  TableReader reader_{&reads_channel_};
  size_t bulk_room_ = 64;  // messages of the next bulk batch, see SizeBulk
};

}  // namespace ipvs
