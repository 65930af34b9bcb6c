// The client's own thread: one queue of requests, two lanes, group commit. Netlink runs a whole batch inside sendmsg,
// unkillably, so this never happens on the JavaScript thread and never on libuv's pool.
//
// Threads: Loop is the worker's; the public methods are called on the JavaScript thread. The thread is detached and keeps
// the Worker alive: nobody ever joins a thread that may be in the kernel.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "channel.h"
#include "net_namespace.h"
#include "record.h"

namespace ipvs {

enum class RequestKind : uint8_t {
  kOpen,
  kWrite,
  kService,
  kServices,
  kDestinations,
  kTable,
  kSysctls,
  kSetSysctl,
  kDaemons,
  kTimeouts,
  kInfo,
  kConnections,
};

struct Request {
  uint32_t id = 0;
  RequestKind kind = RequestKind::kWrite;
  bool bulk = false;
  uint64_t order = 0;  // of acceptance, over both lanes; given by a place that was taken earlier, if not 0
  // Of kWrite: it runs once all `count` changes have come.
  std::vector<Change> changes;
  size_t count = 0;
  ServiceKey key{};      // of a read
  std::string argument;  // of kSetSysctl: "name=value"; of kConnections: the file's name

  // kWrite: changes before `next` are done or in the kernel, [flying, next) are in the kernel.
  size_t next = 0;
  size_t flying = 0;
  bool abandoned = false;
  std::vector<Failure> failures;
};

// What goes back to JavaScript.
struct Completion {
  uint32_t id = 0;
  RequestKind kind = RequestKind::kWrite;
  int32_t error = 0;  // of an open or a read
  std::vector<Failure> failures;
  Table table;
  // Of kOpen: the namespace's identity; of kSysctls: "name=value" lines; of kConnections: a file descriptor, which
  // passes to the receiver.
  std::string text;
  std::vector<uint8_t> record;  // of kDaemons, kTimeouts, kInfo
};

class Worker : public std::enable_shared_from_this<Worker> {
 public:
  // `notify` is called on the worker's thread whenever completions wait; it must be safe after Silence().
  Worker(NetNamespace where, std::function<void()> notify);

  // Starts the thread, which opens the sockets and completes request `id`. 0 or an errno.
  int Start(uint32_t id);
  void Submit(Request request);
  // More changes of a write that was submitted without all of them. Ignored if it has been given up.
  void Append(uint32_t id, const Change* changes, size_t count);
  // A place in the order of calls for one that reads first and writes then, in bulk: what others write meanwhile came
  // later, and supersedes it. Every place is left again.
  uint64_t TakePlace();
  void LeavePlace();
  // Takes back what is not sent yet. Those changes end as kNotSent. False if there are none.
  bool Withdraw(uint32_t id);
  // The caller's deadline has passed: what is not sent ends as kNotSent, what is in the kernel as kUnknown. False if
  // the request has completed already. Nothing more is sent until the call that is stuck has returned.
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
  // Where a request's changes stand in the batch under way.
  struct Slice {
    std::shared_ptr<Request> request;
    size_t begin;
    size_t end;
  };

  void Loop(uint32_t open_id);
  bool HasWork() const;
  int OpenChannels();
  void TakeBatch();
  bool TakeFrom(const std::shared_ptr<Request>& request);
  bool Fits(const Request& request, size_t from, size_t* end) const;
  void RunBatch(std::unique_lock<std::mutex>& lock);
  void RunRead(std::unique_lock<std::mutex>& lock);
  bool ServeWrites();
  void SizeBulk(int64_t micros);
  void Settle(const std::shared_ptr<Request>& request);
  void Complete(Completion completion);
  std::shared_ptr<Request> Find(uint32_t id);
  void Leave(const std::shared_ptr<Request>& request);
  void NoteWrite(const Change& change, bool bulk, uint64_t order);
  void ForgetWrites();
  bool IsSuperseded(const Change& change, uint64_t order) const;

  NetNamespace where_;

  mutable std::mutex mutex_;  // guards everything down to the next comment
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Request>> normal_;
  std::deque<std::shared_ptr<Request>> bulk_;
  std::shared_ptr<Request> reading_;
  std::vector<Slice> slices_;
  std::vector<Completion> completions_;
  // What calls have written that bulk changes which wait, or a place, may be older than; with the order of the last.
  std::unordered_map<std::string, uint64_t> later_writes_;
  uint64_t next_order_ = 1;
  size_t places_ = 0;
  std::vector<DestinationRow> spare_rows_;
  bool stopping_ = false;
  bool busy_ = true;
  bool reopen_ = false;  // RunNow asks for a new socket
  int reopen_error_ = 0;
  std::condition_variable reopened_;

  std::mutex notify_mutex_;  // guards notify_
  std::function<void()> notify_;

  // The batch under way: the worker's, or the JavaScript thread's in RunNow while the worker sleeps.
  Channel changes_channel_;
  Channel reads_channel_;
  std::vector<const Change*> batch_;
  std::vector<int32_t> indices_;  // of each change of the batch in its request
  std::vector<Result> results_;
  size_t batch_messages_ = 0;
  size_t bulk_room_ = 64;  // messages of the next bulk batch, see SizeBulk
};

// The calling thread's namespace as /proc shows it. 0 or an errno.
int ReadSysctls(std::string* text);                                  // "name=value" lines
int WriteSysctl(const std::string& assignment);                      // "name=value"
int OpenConnections(const std::string& file, std::string* descriptor);  // a file of /proc/thread-self/net

}  // namespace ipvs
