#include "worker.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <unistd.h>

#include "proc.h"
#include "thread.h"

namespace ipvs {
namespace {

template <typename Record>
std::vector<uint8_t> Bytes(const Record* records, size_t count) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(records);
  return std::vector<uint8_t>(bytes, bytes + count * sizeof(Record));
}

// How long a flip may have to wait for a bulk batch, and the fewest messages that one has all the same: below that, the
// two system calls would cost more than the work.
constexpr int64_t kBulkMicros = 1000;
constexpr size_t kLeastBulk = 32;

int64_t MicrosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Worker::Worker(NetNamespace where, std::function<bool()> notify)
    : where_(std::move(where)), notify_(std::move(notify)) {}

int Worker::Start(uint32_t id) {
  struct Start {
    std::shared_ptr<Worker> self;
    uint32_t id;
  };
  auto start = std::make_unique<Start>(Start{shared_from_this(), id});
  const auto run = [](void* data) -> void* {
    std::unique_ptr<Start> given(static_cast<Start*>(data));
    const std::shared_ptr<Worker> self = std::move(given->self);
    const uint32_t open_id = given->id;
    given.reset();
    pthread_setname_np(pthread_self(), "ipvs");
    self->Loop(open_id);
    return nullptr;
  };
  pthread_t thread;
  const int error = StartThread(&thread, run, start.get());
  if (error != 0) return error;
  (void)start.release();
  pthread_detach(thread);
  return 0;
}

int Worker::OpenChannels() {
  int error = where_.Enter();
  if (error != 0) return -error;  // negative: the namespace is at fault, not IPVS
  error = changes_channel_.Open();
  if (error == ENOENT) return kNoFamily;
  if (error == 0) error = reads_channel_.Open();
  // A cheap read that needs the same right as a change.
  InfoFields info;
  return error == 0 ? reader_.ReadInfo(&info) : error;
}

void Worker::Loop(uint32_t open_id) {
  Completion opened;
  opened.id = open_id;
  opened.kind = RequestKind::kOpen;
  opened.error = OpenChannels();
  // `net:[4026531840]`. Not stat(): what a binary for old C libraries has of it brings an errno and a thread's storage of its own.
  char self[64];
  const ssize_t length = readlink("/proc/thread-self/ns/net", self, sizeof self);
  if (length > 0) opened.text.assign(self, static_cast<size_t>(length));

  std::unique_lock<std::mutex> lock(mutex_);
  const bool usable = opened.error == 0;
  busy_ = false;
  Complete(std::move(opened));
  while (usable) {
    wake_.wait(lock, [&] { return stopping_ || reopen_ || lanes_.Next() != Lanes::Work::kNone; });
    if (stopping_) break;
    busy_ = true;
    if (reopen_) {
      Reopen(lock);
    } else if (lanes_.Next() == Lanes::Work::kRead) {
      RunRead(lock);
    } else {
      RunBatch(lock);
    }
    busy_ = false;
  }
  lanes_.Clear();
  // Now, not when JavaScript's garbage collector gets round to the Client.
  changes_channel_.Close();
  reads_channel_.Close();
}

void Worker::Reopen(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const int error = changes_channel_.Open();
  lock.lock();
  reopen_error_ = error == ENOENT ? int{kNoFamily} : error;
  reopen_ = false;
  reopened_.notify_all();
}

void Worker::Submit(Request request) {
  std::lock_guard<std::mutex> guard(mutex_);
  lanes_.Submit(std::move(request));
  wake_.notify_one();
}

void Worker::Append(uint32_t id, const Change* changes, size_t count) {
  std::lock_guard<std::mutex> guard(mutex_);
  lanes_.Append(id, changes, count);
  wake_.notify_one();
}

uint64_t Worker::TakePlace() {
  std::lock_guard<std::mutex> guard(mutex_);
  return lanes_.TakePlace();
}

void Worker::LeavePlace() {
  std::lock_guard<std::mutex> guard(mutex_);
  lanes_.LeavePlace();
}

// What was behind it may be able to run now.
bool Worker::Withdraw(uint32_t id) {
  std::lock_guard<std::mutex> guard(mutex_);
  const bool withdrawn = lanes_.Withdraw(id);
  CompleteAnswers();
  wake_.notify_one();
  return withdrawn;
}

bool Worker::Abandon(uint32_t id, std::vector<Failure>* failures) {
  std::lock_guard<std::mutex> guard(mutex_);
  const bool abandoned = lanes_.Abandon(id, failures);
  wake_.notify_one();
  return abandoned;
}

size_t Worker::BatchRoom() const {
  return std::min(changes_channel_.max_messages(), changes_channel_.max_changes_bytes() / kMaxMessageBytes);
}

void Worker::RunBatch(std::unique_lock<std::mutex>& lock) {
  const Lanes::Batch& batch = lanes_.TakeBatch(BatchRoom(), bulk_room_);
  const size_t count = batch.changes.size();
  results_.assign(count, Result{});
  if (count != 0) {
    lock.unlock();
    const auto start = batch.bulk ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    changes_channel_.Run(batch.changes.data(), count, results_.data());
    if (batch.bulk) SizeBulk(batch.messages, MicrosSince(start));
    lock.lock();
  }
  lanes_.FinishBatch(results_.data());
  CompleteAnswers();
}

// Adding the ten-thousandth destination costs the kernel fifty times what a weight does: only the clock can tell how
// many changes are a short batch.
void Worker::SizeBulk(size_t messages, int64_t micros) {
  const size_t fitting = messages * kBulkMicros / static_cast<size_t>(std::max<int64_t>(micros, 1));
  bulk_room_ = std::max(kLeastBulk, std::min(fitting, bulk_room_ * 2));
}

void Worker::CompleteAnswers() {
  for (Answer& answer : lanes_.TakeAnswers()) {
    Completion completion;
    completion.id = answer.id;
    completion.failures = std::move(answer.failures);
    Complete(std::move(completion));
  }
}

void Worker::Complete(Completion completion) {
  completions_.push_back(std::move(completion));
  if (notified_) return;
  std::lock_guard<std::mutex> guard(notify_mutex_);
  notified_ = notify_ && notify_();
}

// Between two rounds of a long read: flips do not wait for it. False if nobody waits for the read any more.
bool Worker::ServeWrites() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_ && lanes_.HasUrgentWrites()) RunBatch(lock);
  return !stopping_ && lanes_.ReadIsWanted();
}

void Worker::RunRead(std::unique_lock<std::mutex>& lock) {
  const std::shared_ptr<const Request> request = lanes_.TakeRead();
  Completion completion;
  completion.id = request->id;
  completion.kind = request->kind;
  if (request->kind == RequestKind::kTable) completion.table.destinations = std::exchange(spare_rows_, {});
  lock.unlock();
  Read(*request, &completion);
  lock.lock();
  if (lanes_.FinishRead()) Complete(std::move(completion));
}

void Worker::Read(const Request& request, Completion* completion) {
  const auto between = [this] { return ServeWrites(); };
  Table& table = completion->table;
  switch (request.kind) {
    case RequestKind::kService: {
      table.services.resize(1);
      completion->error = reader_.GetService(request.key, table.services.data());
      break;
    }
    case RequestKind::kServices:
      completion->error = reader_.ReadServices(&table, between);
      break;
    case RequestKind::kDestinations:
      completion->error = reader_.ReadDestinations(request.key, &table, between);
      break;
    case RequestKind::kTable:
      completion->error = reader_.ReadTable(&table, between);
      break;
    case RequestKind::kSysctls:
      completion->error = ReadSysctls(kSettings, &completion->text);
      break;
    case RequestKind::kSetSysctl:
      completion->error = WriteSysctl(kSettings, request.argument);
      break;
    case RequestKind::kConnections:
      completion->error = OpenConnections(request.argument, &completion->file);
      break;
    case RequestKind::kDaemons: {
      std::vector<DaemonFields> daemons;
      completion->error = reader_.ReadDaemons(&daemons);
      completion->record = Bytes(daemons.data(), daemons.size());
      break;
    }
    case RequestKind::kTimeouts: {
      TimeoutFields timeouts{};
      completion->error = reader_.ReadTimeouts(&timeouts);
      completion->record = Bytes(&timeouts, 1);
      break;
    }
    case RequestKind::kInfo: {
      InfoFields info{};
      completion->error = reader_.ReadInfo(&info);
      completion->record = Bytes(&info, 1);
      break;
    }
    case RequestKind::kOpen:
    case RequestKind::kWrite:
      break;
  }
}

int Worker::RunNow(const Change* changes, size_t count, std::vector<Failure>* failures) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (busy_ || stopping_ || !lanes_.IsIdle()) return EBUSY;
  // Only the worker's thread is in the namespace: after a lost answer it opens the new socket.
  if (!changes_channel_.is_open()) {
    reopen_ = true;
    wake_.notify_all();
    if (!reopened_.wait_for(lock, std::chrono::seconds(1), [&] { return !reopen_; })) return EBUSY;
    if (!changes_channel_.is_open()) return reopen_error_;
  }
  size_t messages = 0;
  batch_.clear();
  for (size_t i = 0; i < count; i++) {
    messages += static_cast<size_t>(MessagesOf(changes[i].op));
    batch_.push_back(&changes[i]);
  }
  if (messages > BatchRoom()) return E2BIG;
  results_.assign(count, Result{});
  if (count != 0) changes_channel_.Run(batch_.data(), count, results_.data());
  for (size_t i = 0; i < count; i++) {
    const Result& result = results_[i];
    if (result.code != kApplied) failures->push_back({static_cast<int32_t>(i), result.code, result.command});
  }
  lanes_.NoteNow(batch_.data(), results_.data(), count);
  return 0;
}

std::vector<Completion> Worker::TakeCompletions() {
  std::lock_guard<std::mutex> guard(mutex_);
  notified_ = false;
  return std::exchange(completions_, {});
}

void Worker::GiveBack(std::vector<DestinationRow> rows) {
  // Of a table that has become much smaller, nothing is kept.
  if (rows.capacity() > 2 * rows.size()) return;
  rows.clear();
  std::lock_guard<std::mutex> guard(mutex_);
  if (rows.capacity() > spare_rows_.capacity()) spare_rows_.swap(rows);
}

void Worker::Stop() {
  std::lock_guard<std::mutex> guard(mutex_);
  stopping_ = true;
  wake_.notify_one();
}

void Worker::Silence() {
  std::lock_guard<std::mutex> guard(notify_mutex_);
  notify_ = nullptr;
}

}  // namespace ipvs
