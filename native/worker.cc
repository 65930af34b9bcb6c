#include "worker.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <unordered_set>
#include <utility>

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ipvs {
namespace {

std::string ServiceIdentity(const ServiceKey& key) {
  return std::string(reinterpret_cast<const char*>(&key), sizeof key);
}

std::string ObjectIdentity(const Change& change) {
  std::string identity = ServiceIdentity(change.service.key);
  if (change.op >= Op::kAddDestination && change.op <= Op::kEnsureNoDestination) {
    identity.append(reinterpret_cast<const char*>(&change.destination.key), sizeof change.destination.key);
  }
  return identity;
}

// Removing a service writes all that is below it; removing it must not take away what was written below it later.
std::string RemovalIdentity(const ServiceKey& key) { return ServiceIdentity(key) + "-"; }
std::string BelowIdentity(const ServiceKey& key) { return ServiceIdentity(key) + "+"; }

bool IsRemoval(Op op) { return op == Op::kRemoveService || op == Op::kEnsureNoService; }

bool PutsDestination(Op op) {
  return op == Op::kAddDestination || op == Op::kReplaceDestination || op == Op::kEnsureDestination;
}

template <typename Record>
std::vector<uint8_t> Bytes(const Record* records, size_t count) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(records);
  return std::vector<uint8_t>(bytes, bytes + count * sizeof(Record));
}

// A write whose changes are still coming keeps its place, and what is behind it in its lane waits.
bool IsReady(const std::deque<std::shared_ptr<Request>>& lane) {
  return !lane.empty() && lane.front()->changes.size() == lane.front()->count;
}

// How long a flip may have to wait for a bulk batch, and the fewest messages that one has all the same: below that, the
// two system calls would cost more than the work.
constexpr int64_t kBulkMicros = 1000;
constexpr size_t kLeastBulk = 32;

int64_t MicrosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
}

bool ByIndex(const Failure& a, const Failure& b) { return a.index < b.index; }

}  // namespace

Worker::Worker(NetNamespace where, std::function<void()> notify)
    : where_(std::move(where)), notify_(std::move(notify)) {}

int Worker::Start(uint32_t id) {
  struct Start {
    std::shared_ptr<Worker> self;
    uint32_t id;
  };
  auto* start = new Start{shared_from_this(), id};
  // Signals belong to the JavaScript side: one taken here would only interrupt system calls.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  const int error = pthread_create(
      &thread, nullptr,
      [](void* data) -> void* {
        auto* given = static_cast<Start*>(data);
        const std::shared_ptr<Worker> self = std::move(given->self);
        const uint32_t open_id = given->id;
        delete given;
        pthread_setname_np(pthread_self(), "ipvs");
        self->Loop(open_id);
        return nullptr;
      },
      start);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (error != 0) {
    delete start;
    return error;
  }
  pthread_detach(thread);
  return 0;
}

int Worker::OpenChannels() {
  int error = where_.Enter();
  if (error != 0) return -error;  // negative: the namespace is at fault, not IPVS
  error = changes_channel_.Open();
  if (error == ENOENT) return kNoFamily;
  // A cheap read that needs the same right as a change.
  InfoFields info;
  if (error == 0) error = changes_channel_.ReadInfo(&info);
  if (error == 0) error = reads_channel_.Open();
  return error;
}

void Worker::Loop(uint32_t open_id) {
  Completion opened;
  opened.id = open_id;
  opened.kind = RequestKind::kOpen;
  opened.error = OpenChannels();
  struct stat self{};
  if (stat("/proc/thread-self/ns/net", &self) == 0) {
    opened.text = std::to_string(self.st_dev) + ":" + std::to_string(self.st_ino);
  }

  std::unique_lock<std::mutex> lock(mutex_);
  const bool usable = opened.error == 0;
  busy_ = false;
  Complete(std::move(opened));
  while (usable) {
    wake_.wait(lock, [&] { return stopping_ || reopen_ || HasWork(); });
    if (stopping_) break;
    if (reopen_) {
      busy_ = true;
      lock.unlock();
      const int error = changes_channel_.Open();
      lock.lock();
      busy_ = false;
      reopen_error_ = error == ENOENT ? int{kNoFamily} : error;
      reopen_ = false;
      reopened_.notify_all();
      continue;
    }
    busy_ = true;
    if (IsReady(normal_) && normal_.front()->kind != RequestKind::kWrite) {
      RunRead(lock);
    } else {
      RunBatch(lock);
    }
    busy_ = false;
  }
  normal_.clear();
  bulk_.clear();
  // Now, not when JavaScript's garbage collector gets round to the Client.
  changes_channel_.Close();
  reads_channel_.Close();
}

bool Worker::HasWork() const { return IsReady(normal_) || IsReady(bulk_); }

void Worker::Submit(Request request) {
  auto shared = std::make_shared<Request>(std::move(request));
  std::lock_guard<std::mutex> guard(mutex_);
  if (shared->order == 0) shared->order = next_order_++;
  if (shared->bulk) {
    bulk_.push_back(std::move(shared));
  } else {
    normal_.push_back(std::move(shared));
  }
  wake_.notify_one();
}

void Worker::Append(uint32_t id, const Change* changes, size_t count) {
  std::lock_guard<std::mutex> guard(mutex_);
  const std::shared_ptr<Request> request = Find(id);
  if (request == nullptr || request->changes.size() + count > request->count) return;
  request->changes.insert(request->changes.end(), changes, changes + count);
  if (request->changes.size() == request->count) wake_.notify_one();
}

uint64_t Worker::TakePlace() {
  std::lock_guard<std::mutex> guard(mutex_);
  places_++;
  return next_order_++;
}

void Worker::LeavePlace() {
  std::lock_guard<std::mutex> guard(mutex_);
  places_--;
  ForgetWrites();
}

void Worker::ForgetWrites() {
  if (bulk_.empty() && places_ == 0) later_writes_.clear();
}

// A normal call overtakes the bulk changes that wait, any call what is still to come from a place: its value is to be
// the last.
void Worker::NoteWrite(const Change& change, bool bulk, uint64_t order) {
  if (change.op > Op::kEnsureNoDestination || (places_ == 0 && (bulk || bulk_.empty()))) return;
  later_writes_[ObjectIdentity(change)] = order;
  if (IsRemoval(change.op)) later_writes_[RemovalIdentity(change.service.key)] = order;
  if (PutsDestination(change.op)) later_writes_[BelowIdentity(change.service.key)] = order;
}

bool Worker::IsSuperseded(const Change& change, uint64_t order) const {
  if (later_writes_.empty() || change.op > Op::kEnsureNoDestination) return false;
  const auto later = [&](const std::string& key) {
    const auto at = later_writes_.find(key);
    return at != later_writes_.end() && at->second > order;
  };
  return later(ObjectIdentity(change)) || later(RemovalIdentity(change.service.key)) ||
         (IsRemoval(change.op) && later(BelowIdentity(change.service.key)));
}

// The end of the longest run of changes from `from` that fits into what is left of the batch, cut only where a flip is
// not split. False if nothing fits.
bool Worker::Fits(const Request& request, size_t from, size_t* end) const {
  const size_t capacity =
      std::min(changes_channel_.max_messages(), changes_channel_.max_changes_bytes() / kMaxMessageBytes);
  size_t room = capacity - batch_messages_;
  size_t at = from;
  size_t cut = from;
  while (at < request.changes.size()) {
    const size_t messages = static_cast<size_t>(MessagesOf(request.changes[at].op));
    if (messages > room) break;
    room -= messages;
    at++;
    if (at == request.changes.size() || request.changes[at].joined == 0) cut = at;
    if (request.bulk && cut == at && capacity - room >= bulk_room_) break;
  }
  if (cut == from && batch_messages_ == 0) cut = at;  // a flip larger than a whole batch
  *end = cut;
  return cut > from;
}

// Adds as much of a request as fits. True if all of it went in, so that the next one may join.
bool Worker::TakeFrom(const std::shared_ptr<Request>& request) {
  size_t end = 0;
  const bool some = Fits(*request, request->next, &end);
  const bool whole = some && end == request->changes.size();
  // A call that would fit into a batch of its own is not torn apart to fill this one.
  if (!whole && (!some || batch_messages_ != 0)) return false;
  const size_t begin = batch_.size();
  for (size_t i = request->next; i < end; i++) {
    const Change& change = request->changes[i];
    if (request->bulk && IsSuperseded(change, request->order)) {
      request->failures.push_back({static_cast<int32_t>(i), kSuperseded, CommandOf(change.op, 0)});
      continue;
    }
    batch_.push_back(&change);
    indices_.push_back(static_cast<int32_t>(i));
    batch_messages_ += static_cast<size_t>(MessagesOf(change.op));
  }
  request->flying = request->next;
  request->next = end;
  slices_.push_back({request, begin, batch_.size()});
  return whole;
}

// Group commit: everything that arrived while the last batch was in the kernel goes out together. A bulk request gives
// one batch at a time, and only when nothing else waits.
void Worker::TakeBatch() {
  batch_.clear();
  indices_.clear();
  slices_.clear();
  batch_messages_ = 0;
  while (IsReady(normal_) && normal_.front()->kind == RequestKind::kWrite && TakeFrom(normal_.front())) {
    normal_.pop_front();
  }
  if (slices_.empty() && IsReady(bulk_) && TakeFrom(bulk_.front())) bulk_.pop_front();
  ForgetWrites();
}

void Worker::RunBatch(std::unique_lock<std::mutex>& lock) {
  TakeBatch();
  results_.assign(batch_.size(), Result{});
  lock.unlock();
  const bool bulk = !slices_.empty() && slices_.front().request->bulk;
  if (!batch_.empty()) {
    const auto start = bulk ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    changes_channel_.Run(batch_.data(), batch_.size(), results_.data());
    if (bulk) SizeBulk(MicrosSince(start));
  }
  lock.lock();
  for (const Slice& slice : slices_) {
    Request& request = *slice.request;
    for (size_t i = slice.begin; i < slice.end; i++) {
      const Result& result = results_[i];
      const int32_t index = indices_[i];
      if (result.code != kApplied) request.failures.push_back({index, result.code, result.command});
      const bool wrote = result.code == kApplied || result.code == kUnknown;
      if (wrote) NoteWrite(*batch_[i], request.bulk, request.order);
    }
    request.flying = request.next;
    if (!request.abandoned && request.next == request.count) Settle(slice.request);
  }
  slices_.clear();
}

// Adding the ten-thousandth destination costs the kernel fifty times what a weight does: only the clock can tell how
// many changes are a short batch.
void Worker::SizeBulk(int64_t micros) {
  const size_t fitting = batch_messages_ * kBulkMicros / static_cast<size_t>(std::max<int64_t>(micros, 1));
  bulk_room_ = std::max(kLeastBulk, std::min(fitting, bulk_room_ * 2));
}

// Completes a write all of whose changes have an outcome.
void Worker::Settle(const std::shared_ptr<Request>& request) {
  Completion completion;
  completion.id = request->id;
  completion.kind = request->kind;
  completion.failures = std::move(request->failures);
  std::sort(completion.failures.begin(), completion.failures.end(), ByIndex);
  Complete(std::move(completion));
}

void Worker::Complete(Completion completion) {
  const bool first = completions_.empty();
  completions_.push_back(std::move(completion));
  if (!first) return;
  std::lock_guard<std::mutex> guard(notify_mutex_);
  if (notify_) notify_();
}

// Between two rounds of a long read: flips do not wait for it. False if nobody waits for the read any more.
bool Worker::ServeWrites() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_ && IsReady(normal_) && normal_.front()->kind == RequestKind::kWrite) RunBatch(lock);
  return !stopping_ && !reading_->abandoned;
}

void Worker::RunRead(std::unique_lock<std::mutex>& lock) {
  reading_ = normal_.front();
  normal_.pop_front();
  const std::shared_ptr<Request> request = reading_;
  Completion completion;
  if (request->kind == RequestKind::kTable) completion.table.destinations = std::exchange(spare_rows_, {});
  lock.unlock();
  completion.id = request->id;
  completion.kind = request->kind;
  const auto between = [this] { return ServeWrites(); };
  switch (request->kind) {
    case RequestKind::kService: {
      completion.table.services.resize(1);
      completion.error = reads_channel_.GetService(request->key, completion.table.services.data());
      break;
    }
    case RequestKind::kServices:
      completion.error = reads_channel_.ReadServices(&completion.table, between);
      break;
    case RequestKind::kDestinations:
      completion.error = reads_channel_.ReadDestinations(request->key, &completion.table, between);
      break;
    case RequestKind::kTable:
      completion.error = reads_channel_.ReadTable(&completion.table, between);
      break;
    case RequestKind::kSysctls:
      completion.error = ReadSysctls(&completion.text);
      break;
    case RequestKind::kSetSysctl:
      completion.error = WriteSysctl(request->argument);
      break;
    case RequestKind::kConnections:
      completion.error = OpenConnections(request->argument, &completion.text);
      break;
    case RequestKind::kDaemons: {
      std::vector<DaemonFields> daemons;
      completion.error = reads_channel_.ReadDaemons(&daemons);
      completion.record = Bytes(daemons.data(), daemons.size());
      break;
    }
    case RequestKind::kTimeouts: {
      TimeoutFields timeouts{};
      completion.error = reads_channel_.ReadTimeouts(&timeouts);
      completion.record = Bytes(&timeouts, 1);
      break;
    }
    case RequestKind::kInfo: {
      InfoFields info{};
      completion.error = reads_channel_.ReadInfo(&info);
      completion.record = Bytes(&info, 1);
      break;
    }
    case RequestKind::kOpen:
    case RequestKind::kWrite:
      break;
  }
  lock.lock();
  reading_.reset();
  if (!request->abandoned) {
    Complete(std::move(completion));
  } else if (request->kind == RequestKind::kConnections && completion.error == 0) {
    close(std::stoi(completion.text));
  }
}

std::shared_ptr<Request> Worker::Find(uint32_t id) {
  for (const auto* lane : {&normal_, &bulk_}) {
    for (const std::shared_ptr<Request>& request : *lane) {
      if (request->id == id) return request;
    }
  }
  for (const Slice& slice : slices_) {
    if (slice.request->id == id) return slice.request;
  }
  return reading_ != nullptr && reading_->id == id ? reading_ : nullptr;
}

// What was behind it may be able to run now.
void Worker::Leave(const std::shared_ptr<Request>& request) {
  for (auto* lane : {&normal_, &bulk_}) lane->erase(std::remove(lane->begin(), lane->end(), request), lane->end());
  wake_.notify_one();
}

bool Worker::Withdraw(uint32_t id) {
  std::lock_guard<std::mutex> guard(mutex_);
  const std::shared_ptr<Request> request = Find(id);
  if (request == nullptr || request->kind != RequestKind::kWrite) return false;
  if (request->next == request->count) return false;
  for (size_t i = request->next; i < request->count; i++) {
    request->failures.push_back({static_cast<int32_t>(i), kNotSent, 0});
  }
  Leave(request);
  const bool flying = request->flying < request->next;
  request->changes.resize(request->next);
  request->count = request->next;
  if (!flying) Settle(request);
  return true;
}

bool Worker::Abandon(uint32_t id, std::vector<Failure>* failures) {
  std::lock_guard<std::mutex> guard(mutex_);
  const std::shared_ptr<Request> request = Find(id);
  if (request == nullptr) return false;
  request->abandoned = true;
  *failures = request->failures;
  // Of the batch in the kernel, only what was superseded has an outcome by now.
  std::unordered_set<int32_t> settled;
  for (const Failure& failure : *failures) settled.insert(failure.index);
  for (size_t i = request->flying; i < request->count; i++) {
    const int32_t index = static_cast<int32_t>(i);
    if (settled.count(index) != 0) continue;
    if (i >= request->next) failures->push_back({index, kNotSent, 0});
    else failures->push_back({index, kUnknown, CommandOf(request->changes[i].op, 0)});
  }
  std::sort(failures->begin(), failures->end(), ByIndex);
  Leave(request);
  return true;
}

int Worker::RunNow(const Change* changes, size_t count, std::vector<Failure>* failures) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (busy_ || stopping_ || !normal_.empty() || !bulk_.empty()) return EBUSY;
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
  if (messages > changes_channel_.max_messages() || messages * kMaxMessageBytes > changes_channel_.max_changes_bytes()) {
    return E2BIG;
  }
  results_.assign(count, Result{});
  if (count != 0) changes_channel_.Run(batch_.data(), count, results_.data());
  for (size_t i = 0; i < count; i++) {
    const Result& result = results_[i];
    if (result.code != kApplied) failures->push_back({static_cast<int32_t>(i), result.code, result.command});
    if (result.code == kApplied || result.code == kUnknown) NoteWrite(changes[i], false, next_order_);
  }
  next_order_++;
  return 0;
}

std::vector<Completion> Worker::TakeCompletions() {
  std::lock_guard<std::mutex> guard(mutex_);
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
