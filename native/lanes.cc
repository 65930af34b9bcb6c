#include "lanes.h"

#include <algorithm>
#include <cerrno>
#include <unordered_set>
#include <utility>

#include "ipvs_codec.h"

namespace ipvs {
namespace {

bool IsObject(Op op) { return op <= Op::kEnsureNoDestination; }

bool IsDestination(Op op) { return IsObject(op) && op >= Op::kAddDestination; }

bool IsServiceRemoval(Op op) { return op == Op::kRemoveService || op == Op::kEnsureNoService; }

bool IsRemoval(Op op) {
  return IsServiceRemoval(op) || op == Op::kRemoveDestination || op == Op::kEnsureNoDestination;
}

bool IsAddition(Op op) { return op == Op::kAddService || op == Op::kAddDestination; }

std::string KeyOf(const ServiceKey& key) { return std::string(reinterpret_cast<const char*>(&key), sizeof key); }

std::string KeyOf(const Change& change) {
  std::string key = KeyOf(change.service.key);
  if (IsDestination(change.op)) {
    key.append(reinterpret_cast<const char*>(&change.destination.key), sizeof change.destination.key);
  }
  return key;
}

// Removing a service says something of all that is below it; removing it must not take away what was put below it later.
std::string RemovedKey(const ServiceKey& key) { return KeyOf(key) + "-"; }
std::string BelowKey(const ServiceKey& key) { return KeyOf(key) + "+"; }
// That an object is there, whatever its settings.
std::string PresentKey(const Change& change) { return KeyOf(change) + "="; }

// Whether an outcome tells what has become of the object. A removal that finds nothing does too: nothing is there.
bool HasSpoken(Op op, int32_t code) {
  return code == kApplied || code == kUnknown || (IsRemoval(op) && (code == ESRCH || code == ENOENT));
}

// A write whose changes are still coming keeps its place, and what is behind it in its lane waits.
bool IsReady(const std::deque<std::shared_ptr<Request>>& lane) {
  return !lane.empty() && lane.front()->changes.size() == lane.front()->count;
}

Lanes::Work WorkOf(const Request& request) {
  return request.kind == RequestKind::kWrite ? Lanes::Work::kWrites : Lanes::Work::kRead;
}

bool ByIndex(const Failure& a, const Failure& b) { return a.index < b.index; }

}  // namespace

void LaterWrites::Note(const Change& change, int32_t code, uint64_t order) {
  const Op op = change.op;
  if (op == Op::kFlush && HasSpoken(op, code)) flushed_ = std::max(flushed_, order);
  if (!IsObject(op)) return;
  const bool spoken = HasSpoken(op, code);
  // Whoever was told that it is there shall not see an earlier call take it away.
  const bool present = IsAddition(op) && code == EEXIST;
  if (spoken) Raise(KeyOf(change), order);
  if (spoken && IsServiceRemoval(op)) Raise(RemovedKey(change.service.key), order);
  if (present) Raise(PresentKey(change), order);
  if ((spoken || present) && IsDestination(op) && !IsRemoval(op)) Raise(BelowKey(change.service.key), order);
}

bool LaterWrites::Supersede(const Change& change, uint64_t order) const {
  if (!IsObject(change.op)) return false;
  if (flushed_ > order) return true;
  if (orders_.empty()) return false;
  return IsLater(KeyOf(change), order) || IsLater(RemovedKey(change.service.key), order) ||
         (IsRemoval(change.op) && IsLater(PresentKey(change), order)) ||
         (IsServiceRemoval(change.op) && IsLater(BelowKey(change.service.key), order));
}

void LaterWrites::Forget() {
  orders_.clear();
  flushed_ = 0;
}

void LaterWrites::Raise(std::string key, uint64_t order) {
  uint64_t& last = orders_[std::move(key)];
  last = std::max(last, order);
}

bool LaterWrites::IsLater(const std::string& key, uint64_t order) const {
  const auto at = orders_.find(key);
  return at != orders_.end() && at->second > order;
}

void Lanes::Submit(Request request) {
  auto shared = std::make_shared<Request>(std::move(request));
  if (shared->order == 0) shared->order = next_order_++;
  (shared->bulk ? bulk_ : normal_).push_back(std::move(shared));
}

void Lanes::Append(uint32_t id, const Change* changes, size_t count) {
  const std::shared_ptr<Request> request = Find(id);
  if (request == nullptr || count > request->count - request->changes.size()) return;
  request->changes.insert(request->changes.end(), changes, changes + count);
}

uint64_t Lanes::TakePlace() {
  places_++;
  return next_order_++;
}

void Lanes::LeavePlace() {
  places_--;
  ForgetWrites();
}

void Lanes::ForgetWrites() {
  if (bulk_.empty() && places_ == 0) later_.Forget();
}

// Only what can be passed needs to know: bulk changes that wait, by what is not bulk; what is still to come from a place, by
// anything.
void Lanes::Note(const Change& change, const Result& result, bool bulk, uint64_t order) {
  if (places_ > 0 || (!bulk && !bulk_.empty())) later_.Note(change, result.code, order);
}

void Lanes::NoteNow(const Change* const* changes, const Result* results, size_t count) {
  const uint64_t order = next_order_++;
  for (size_t i = 0; i < count; i++) Note(*changes[i], results[i], false, order);
}

// Also while an earlier call that is not bulk is not complete yet: its turn comes first.
bool Lanes::BulkIsNext() const {
  return IsReady(bulk_) && (normal_.empty() || normal_.front()->order > bulk_.front()->order);
}

Lanes::Work Lanes::Next() const {
  if (IsReady(normal_)) return WorkOf(*normal_.front());
  if (BulkIsNext()) return WorkOf(*bulk_.front());
  return Work::kNone;
}

bool Lanes::HasUrgentWrites() const { return IsReady(normal_) && WorkOf(*normal_.front()) == Work::kWrites; }

// Group commit: everything that arrived while the last batch was in the kernel goes out together. A bulk request gives
// one batch at a time, and only when nothing else is ready.
const Lanes::Batch& Lanes::TakeBatch(size_t room, size_t bulk_room) {
  batch_.changes.clear();
  batch_.messages = 0;
  batch_.bulk = !IsReady(normal_);
  indices_.clear();
  slices_.clear();
  if (batch_.bulk) {
    if (TakeFrom(bulk_.front(), room, bulk_room)) bulk_.pop_front();
  } else {
    while (HasUrgentWrites() && TakeFrom(normal_.front(), room, room)) normal_.pop_front();
  }
  ForgetWrites();
  return batch_;
}

// The end of the longest run of changes from `next` on that fits into what is left of the batch, cut only where a flip is
// not split. False if nothing fits.
bool Lanes::Fits(const Request& request, size_t room, size_t bulk_room, size_t* end) const {
  size_t used = batch_.messages;
  size_t at = request.next;
  size_t cut = at;
  while (at < request.changes.size()) {
    const size_t messages = static_cast<size_t>(MessagesOf(request.changes[at].op));
    if (messages > room - used) break;
    used += messages;
    at++;
    if (at == request.changes.size() || request.changes[at].joined == 0) cut = at;
    if (request.bulk && cut == at && used >= bulk_room) break;
  }
  if (cut == request.next && batch_.messages == 0) cut = at;  // a flip larger than a whole batch
  *end = cut;
  return cut > request.next;
}

// Adds as much of a request as fits. True if all of it went in, so that the next one may join.
bool Lanes::TakeFrom(const std::shared_ptr<Request>& request, size_t room, size_t bulk_room) {
  size_t end = 0;
  const bool some = Fits(*request, room, bulk_room, &end);
  const bool whole = end == request->changes.size();
  // A call that would fit into a batch of its own is not torn apart to fill this one.
  if (!whole && (!some || batch_.messages != 0)) return false;
  const size_t begin = batch_.changes.size();
  for (size_t i = request->next; i < end; i++) {
    const Change& change = request->changes[i];
    if (request->bulk && later_.Supersede(change, request->order)) {
      request->failures.push_back({static_cast<int32_t>(i), kSuperseded, CommandOf(change.op, 0)});
      continue;
    }
    batch_.changes.push_back(&change);
    indices_.push_back(static_cast<int32_t>(i));
    batch_.messages += static_cast<size_t>(MessagesOf(change.op));
  }
  request->flying = request->next;
  request->next = end;
  slices_.push_back({request, begin, batch_.changes.size()});
  return whole;
}

void Lanes::FinishBatch(const Result* results) {
  for (const Slice& slice : slices_) {
    Request& request = *slice.request;
    for (size_t i = slice.begin; i < slice.end; i++) {
      const Result& result = results[i];
      if (result.code != kApplied) request.failures.push_back({indices_[i], result.code, result.command});
      Note(*batch_.changes[i], result, request.bulk, request.order);
    }
    request.flying = request.next;
    if (!request.abandoned && request.next == request.count) Settle(&request);
  }
  slices_.clear();
}

void Lanes::Settle(Request* request) {
  std::sort(request->failures.begin(), request->failures.end(), ByIndex);
  answers_.push_back({request->id, std::move(request->failures)});
}

std::shared_ptr<const Request> Lanes::TakeRead() {
  Lane& lane = IsReady(normal_) ? normal_ : bulk_;
  reading_ = std::move(lane.front());
  lane.pop_front();
  ForgetWrites();
  return reading_;
}

bool Lanes::FinishRead() {
  const bool wanted = ReadIsWanted();
  reading_.reset();
  return wanted;
}

bool Lanes::Withdraw(uint32_t id) {
  const std::shared_ptr<Request> request = Find(id);
  if (request == nullptr || request->kind != RequestKind::kWrite) return false;
  if (request->abandoned || request->next == request->count) return false;
  Remove(request);
  request->failures.push_back({static_cast<int32_t>(request->next), kNotSent, 0});
  // Those in the kernel stay where they are.
  request->changes.resize(request->next);
  request->count = request->next;
  if (request->flying == request->next) Settle(request.get());
  return true;
}

bool Lanes::Abandon(uint32_t id, std::vector<Failure>* failures) {
  const std::shared_ptr<Request> request = Find(id);
  if (request == nullptr || request->abandoned) return false;
  Remove(request);
  request->abandoned = true;
  *failures = request->failures;
  // Of the batch in the kernel, only what was superseded has an outcome by now.
  std::unordered_set<int32_t> settled;
  for (const Failure& failure : *failures) settled.insert(failure.index);
  for (size_t i = request->flying; i < request->next; i++) {
    const int32_t index = static_cast<int32_t>(i);
    if (settled.count(index) == 0) failures->push_back({index, kUnknown, CommandOf(request->changes[i].op, 0)});
  }
  if (request->next < request->count) failures->push_back({static_cast<int32_t>(request->next), kNotSent, 0});
  std::sort(failures->begin(), failures->end(), ByIndex);
  return true;
}

std::shared_ptr<Request> Lanes::Find(uint32_t id) const {
  for (const Lane* lane : {&normal_, &bulk_}) {
    for (const std::shared_ptr<Request>& request : *lane) {
      if (request->id == id) return request;
    }
  }
  for (const Slice& slice : slices_) {
    if (slice.request->id == id) return slice.request;
  }
  return reading_ != nullptr && reading_->id == id ? reading_ : nullptr;
}

void Lanes::Remove(const std::shared_ptr<Request>& request) {
  for (Lane* lane : {&normal_, &bulk_}) lane->erase(std::remove(lane->begin(), lane->end(), request), lane->end());
}

bool Lanes::IsIdle() const { return normal_.empty() && bulk_.empty() && slices_.empty() && reading_ == nullptr; }

void Lanes::Clear() {
  normal_.clear();
  bulk_.clear();
}

std::vector<Answer> Lanes::TakeAnswers() { return std::exchange(answers_, {}); }

}  // namespace ipvs
