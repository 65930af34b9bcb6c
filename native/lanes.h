// The order of a client's requests: which go out next, what may pass what, and what becomes of the rest. No thread, no mutex,
// no socket: worker.cc has those.
//
// Requests run in the order in which they came. Only those of the bulk lane give way: one batch at a time, when nothing else
// is ready, and others pass them. Nothing passes a request and is overwritten by it afterwards: what a later call has said of
// an object supersedes what an earlier one still waits to say. Bulk never passes anything.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

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
  // Gives way to others. A write's changes are then of services and destinations only.
  bool bulk = false;
  uint64_t order = 0;  // of acceptance, over both lanes; of bulk: given by a place that was taken earlier, if not 0
  // Of kWrite: it runs once all `count` changes have come. Nothing is reserved for them: it is the caller's number. A deque: growing,
  // it copies nothing and touches no page twice.
  std::deque<Change> changes;
  size_t count = 0;
  ServiceKey key{};      // of a read
  std::string argument;  // of kSetSysctl: "name=value"; of kConnections: the file's name

  // kWrite: changes before `next` are done or in the kernel, [flying, next) are in the kernel.
  size_t next = 0;
  size_t flying = 0;
  bool abandoned = false;
  std::vector<Failure> failures;
};

// A write all of whose changes have an outcome. What was not sent is one failure, the last: that change, and all after it.
struct Answer {
  uint32_t id;
  std::vector<Failure> failures;
};

// What calls have said of objects, with the order of the last that did: changes that are older have no say any more.
class LaterWrites {
 public:
  void Note(const Change& change, int32_t code, uint64_t order);
  bool Supersede(const Change& change, uint64_t order) const;
  void Forget();

 private:
  void Raise(std::string key, uint64_t order);
  bool IsLater(const std::string& key, uint64_t order) const;

  std::unordered_map<std::string, uint64_t> orders_;
  uint64_t flushed_ = 0;
};

class Lanes {
 public:
  enum class Work { kNone, kWrites, kRead };

  // What goes into one sendmsg, in order.
  struct Batch {
    std::vector<const Change*> changes;
    size_t messages = 0;
    bool bulk = false;
  };

  void Submit(Request request);
  // More changes of a write that was submitted without all of them. Ignored if it has been given up.
  void Append(uint32_t id, const Change* changes, size_t count);
  // A place in the order of calls for one that reads first and writes then, in bulk: what others write meanwhile came
  // later, and supersedes it. Every place is left again.
  uint64_t TakePlace();
  void LeavePlace();
  // Takes back what is not sent yet. False if there is nothing.
  bool Withdraw(uint32_t id);
  // Nobody waits for the request any more: what is not sent never is, what is in the kernel is kUnknown. False if it has
  // been answered already.
  bool Abandon(uint32_t id, std::vector<Failure>* failures);

  Work Next() const;
  // If the next is a write that others need not wait behind: during a long read.
  bool HasUrgentWrites() const;
  // At most `room` messages; of a bulk request, no more than it takes to reach `bulk_room`. Two halves of a flip stay together.
  // The batch is good until it is finished, whatever is called meanwhile.
  const Batch& TakeBatch(size_t room, size_t bulk_room);
  void FinishBatch(const Result* results);
  std::shared_ptr<const Request> TakeRead();
  bool ReadIsWanted() const { return !reading_->abandoned; }
  // False if nobody waits for it any more.
  bool FinishRead();
  // Changes that ran at once, while nothing waited.
  void NoteNow(const Change* const* changes, const Result* results, size_t count);

  // Nothing waits and nothing is under way.
  bool IsIdle() const;
  void Clear();
  std::vector<Answer> TakeAnswers();

 private:
  using Lane = std::deque<std::shared_ptr<Request>>;

  // Where a request's changes stand in the batch under way.
  struct Slice {
    std::shared_ptr<Request> request;
    size_t begin;
    size_t end;
  };

  bool BulkIsNext() const;
  bool TakeFrom(const std::shared_ptr<Request>& request, size_t room, size_t bulk_room);
  bool Fits(const Request& request, size_t room, size_t bulk_room, size_t* end) const;
  void Note(const Change& change, const Result& result, bool bulk, uint64_t order);
  void ForgetWrites();
  void Settle(Request* request);
  std::shared_ptr<Request> Find(uint32_t id) const;
  void Remove(const std::shared_ptr<Request>& request);

  Lane normal_;
  Lane bulk_;
  std::shared_ptr<Request> reading_;
  Batch batch_;
  std::vector<int32_t> indices_;  // of each change of the batch in its request
  std::vector<Slice> slices_;
  std::vector<Answer> answers_;
  LaterWrites later_;
  uint64_t next_order_ = 1;
  size_t places_ = 0;
};

}  // namespace ipvs
