#include "lanes_model.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <sys/socket.h>

#include "../ipvs_codec.h"
#include "../lanes.h"

using namespace ipvs;

namespace {

constexpr uint32_t kServices = 3;
constexpr uint32_t kDestinations = 3;
constexpr int kRefused = EMFILE;

// What each change of a call has come to.
enum class Fate { kWaiting, kFlying, kDone, kSuperseded, kWithdrawn };

struct Call {
  uint32_t id = 0;
  uint64_t order = 0;
  bool read = false;
  bool bulk = false;
  size_t given = 0;  // changes that the lanes have
  std::vector<Change> changes;
  std::vector<Fate> fates;
  std::vector<int32_t> codes;  // as told
  bool waiting = true;         // in its lane
  bool flying = false;         // has a part in the batch under way
  bool abandoned = false;
  bool answered = false;

  bool IsReady() const { return given == changes.size(); }
  size_t Next() const {
    const auto at = std::find(fates.begin(), fates.end(), Fate::kWaiting);
    return static_cast<size_t>(at - fates.begin());
  }
};

// A change that the kernel has run, or refused.
struct Said {
  Change change;
  uint64_t order;
  int32_t told;
};

bool IsFlush(const Change& change) { return change.op == Op::kFlush; }
bool IsObject(const Change& change) { return change.op <= Op::kEnsureNoDestination; }
bool IsDestination(const Change& change) { return IsObject(change) && change.op >= Op::kAddDestination; }
bool RemovesService(const Change& change) {
  return change.op == Op::kRemoveService || change.op == Op::kEnsureNoService;
}
bool Removes(const Change& change) {
  return RemovesService(change) || change.op == Op::kRemoveDestination || change.op == Op::kEnsureNoDestination;
}
bool Adds(const Change& change) { return change.op == Op::kAddService || change.op == Op::kAddDestination; }
uint32_t ServiceOf(const Change& change) { return change.service.key.fwmark; }
uint32_t DestinationOf(const Change& change) { return change.destination.key.port; }
// A destination, or 0 for the service itself.
using Object = std::pair<uint32_t, uint32_t>;
Object ObjectOf(const Change& change) {
  return {ServiceOf(change), IsDestination(change) ? DestinationOf(change) : 0};
}

// Whether what a later call has said leaves an earlier change nothing to say.
bool Supersedes(const Said& later, const Change& change) {
  const Change& by = later.change;
  const bool missing = Removes(by) && (later.told == ESRCH || later.told == ENOENT);
  const bool spoken = later.told == kApplied || later.told == kUnknown || missing;
  const bool exists = Adds(by) && later.told == EEXIST;
  if (IsFlush(by)) return spoken;
  if (!IsObject(by) || ServiceOf(by) != ServiceOf(change)) return false;
  if (spoken && ObjectOf(by) == ObjectOf(change)) return true;
  if (spoken && RemovesService(by)) return true;
  if (exists && Removes(change) && ObjectOf(by) == ObjectOf(change)) return true;
  return RemovesService(change) && IsDestination(by) && !Removes(by) && (spoken || exists);
}

// The kernel's table, and of each object the newest call that has changed it or was told something of it.
class Table {
 public:
  // The errno of a change. False in `ordered` if a newer call's word is undone.
  int32_t Run(const Change& change, std::pair<uint64_t, size_t> when, bool* ordered) {
    const Object object = ObjectOf(change);
    const Object service = {ServiceOf(change), 0};
    if (IsFlush(change)) {
      for (uint32_t s = 1; s <= kServices; s++) RemoveAll(s, when, ordered);
      return kApplied;
    }
    if (!IsObject(change)) return kApplied;
    if (IsDestination(change) && !there_.count(service)) {
      return change.op == Op::kEnsureNoDestination ? Missing(object, when, kApplied) : Missing(object, when, ESRCH, Removes(change));
    }
    const bool there = there_.count(object) != 0;
    if (Removes(change)) {
      const bool strict = change.op == Op::kRemoveService || change.op == Op::kRemoveDestination;
      if (!there) return Missing(object, when, !strict ? int32_t{kApplied} : IsDestination(change) ? ENOENT : ESRCH);
      if (RemovesService(change)) {
        RemoveAll(object.first, when, ordered);
      } else {
        Touch(object, when, ordered);
        there_.erase(object);
      }
      if (told_there_[object] > when) *ordered = false;
      return kApplied;
    }
    if (Adds(change) && there) {
      told_there_[object] = std::max(told_there_[object], when);
      return EEXIST;
    }
    if (!Adds(change) && !there && change.op != Op::kEnsureService && change.op != Op::kEnsureDestination) {
      return IsDestination(change) ? ENOENT : ESRCH;
    }
    Touch(object, when, ordered);
    there_.insert({object, when});
    return kApplied;
  }

 private:
  using When = std::pair<uint64_t, size_t>;

  int32_t Missing(const Object& object, When when, int32_t code, bool says = true) {
    if (says) newest_[object] = std::max(newest_[object], when);
    return code;
  }

  void Touch(const Object& object, When when, bool* ordered) {
    if (newest_[object] > when) *ordered = false;
    newest_[object] = std::max(newest_[object], when);
  }

  // What is not there has not been undone.
  void RemoveAll(uint32_t service, When when, bool* ordered) {
    for (uint32_t d = 0; d <= kDestinations; d++) {
      const Object object = {service, d};
      if (there_.erase(object) != 0) Touch(object, when, ordered);
      newest_[object] = std::max(newest_[object], when);
    }
  }

  std::map<Object, When> there_;
  std::map<Object, When> newest_;
  std::map<Object, When> told_there_;
};

class Player {
 public:
  Player(const uint8_t* script, size_t size) : at_(script), end_(script + size) {}

  std::string Play() {
    while (at_ != end_ && wrong_.empty()) {
      step_++;
      Step(Choose(16));
    }
    Drain();
    return wrong_.empty() ? "" : wrong_ + ", step " + std::to_string(step_);
  }

 private:
  void Must(bool condition, const char* what) {
    if (!condition && wrong_.empty()) wrong_ = what;
  }

  uint32_t Choose(uint32_t count) { return at_ == end_ ? 0 : *at_++ % count; }

  void Step(uint32_t action) {
    switch (action) {
      case 0:
      case 1: return Submit(false, false, 1 + Choose(4), true);
      case 2: return Submit(false, true, 1 + Choose(24), true);
      case 3: return Submit(false, Choose(2) == 0, 2 + Choose(12), false);
      case 4: return Submit(true, Choose(2) == 0, 0, true);
      case 5:
      case 6: return Append(Pick(), 1 + Choose(8));
      case 7: return Withdraw(Pick());
      case 8: return Abandon(Pick());
      case 9: return TakePlace();
      case 10: return SubmitFromPlace();
      case 11: return LeavePlace();
      default: return Work();
    }
  }

  Change AnyChange(uint32_t call, size_t index, bool bulk) {
    Change change{};
    // Now and then a command, which no bulk call has.
    const uint32_t kind = Choose(bulk ? 10 : 12);
    change.op = kind < 10 ? static_cast<Op>(1 + kind) : kind == 10 ? Op::kFlush : Op::kZero;
    change.service.key.af = AF_INET;
    change.service.key.fwmark = 1 + Choose(kServices);
    change.destination.key.port = static_cast<uint16_t>(1 + Choose(kDestinations));
    change.joined = index > 0 && Choose(3) == 0;
    // To know it again.
    change.service.flags = call;
    change.service.netmask = static_cast<uint32_t>(index);
    return change;
  }

  void Submit(bool read, bool bulk, size_t count, bool whole, uint64_t place = 0) {
    auto call = std::make_shared<Call>();
    call->id = ++last_id_;
    call->order = place != 0 ? place : ++orders_;
    call->read = read;
    call->bulk = bulk;
    for (size_t i = 0; i < count; i++) call->changes.push_back(AnyChange(call->id, i, bulk));
    call->fates.assign(count, Fate::kWaiting);
    call->codes.assign(count, -1);
    call->given = whole ? count : Choose(2) == 0 ? 0 : 1;
    calls_[call->id] = call;
    (bulk ? bulk_ : normal_).push_back(call);
    Request request;
    request.id = call->id;
    request.kind = read ? RequestKind::kInfo : RequestKind::kWrite;
    request.bulk = bulk;
    request.order = place;
    request.count = count;
    request.changes.assign(call->changes.begin(), call->changes.begin() + static_cast<long>(call->given));
    lanes_.Submit(std::move(request));
    CheckNext();
  }

  std::shared_ptr<Call> Pick() {
    if (last_id_ == 0) return nullptr;
    // The newest are the most interesting.
    const uint32_t back = Choose(12);
    return back < last_id_ ? calls_[last_id_ - back] : nullptr;
  }

  void Append(const std::shared_ptr<Call>& call, size_t count) {
    if (call == nullptr || call->read) return;
    count = std::min(count, call->changes.size() - call->given);
    // The lanes look themselves whether anybody waits for it.
    lanes_.Append(call->id, call->changes.data() + call->given, count);
    if (call->waiting) call->given += count;
    CheckNext();
  }

  void TakePlace() {
    if (places_.size() == 3) return;
    const uint64_t place = lanes_.TakePlace();
    Must(place == ++orders_, "a place comes after all calls before it");
    places_.push_back({place, {}});
  }

  void SubmitFromPlace() {
    if (places_.empty()) return;
    auto& [place, calls] = places_[Choose(static_cast<uint32_t>(places_.size()))];
    Submit(false, true, 1 + Choose(10), true, place);
    calls.push_back(last_id_);
  }

  // When its calls have been answered.
  void LeavePlace() {
    if (places_.empty()) return;
    const size_t which = Choose(static_cast<uint32_t>(places_.size()));
    for (const uint32_t id : places_[which].second) {
      if (!calls_[id]->answered && !calls_[id]->abandoned) return;
      if (calls_[id]->flying) return;
    }
    places_.erase(places_.begin() + static_cast<long>(which));
    lanes_.LeavePlace();
  }

  void Remove(const std::shared_ptr<Call>& call) {
    call->waiting = false;
    for (auto* lane : {&normal_, &bulk_}) lane->erase(std::remove(lane->begin(), lane->end(), call), lane->end());
  }

  void Withdraw(const std::shared_ptr<Call>& call) {
    if (call == nullptr) return;
    const bool can = call->waiting && !call->read && call->Next() < call->changes.size();
    const bool flying = call->flying;
    Must(lanes_.Withdraw(call->id) == can, "what waits can be withdrawn, and nothing else");
    if (can) {
      Remove(call);
      for (size_t i = call->Next(); i < call->fates.size(); i++) call->fates[i] = Fate::kWithdrawn;
    }
    TakeAnswers();
    if (can) Must(call->answered == !flying, "a withdrawn call is answered when nothing of it is in the kernel");
    CheckNext();
  }

  void Abandon(const std::shared_ptr<Call>& call) {
    if (call == nullptr) return;
    std::vector<Failure> failures;
    const bool can = !call->answered && !call->abandoned;
    Must(lanes_.Abandon(call->id, &failures) == can, "what is not answered can be abandoned");
    if (!can) return;
    call->abandoned = true;
    Remove(call);
    if (!call->read) CheckFailures(*call, failures);
    for (Fate& fate : call->fates) {
      if (fate == Fate::kWaiting) fate = Fate::kWithdrawn;
    }
    CheckNext();
  }

  // What is told of a call: an outcome for each change, in order; what was not sent is one failure, the last.
  void CheckFailures(const Call& call, const std::vector<Failure>& failures) {
    std::vector<std::pair<int32_t, int32_t>> expected;
    for (size_t i = 0; i < call.changes.size(); i++) {
      const int32_t index = static_cast<int32_t>(i);
      switch (call.fates[i]) {
        case Fate::kFlying: expected.push_back({index, kUnknown}); break;
        case Fate::kSuperseded: expected.push_back({index, kSuperseded}); break;
        case Fate::kDone:
          if (call.codes[i] != kApplied) expected.push_back({index, call.codes[i]});
          break;
        case Fate::kWaiting:
        case Fate::kWithdrawn:
          expected.push_back({index, kNotSent});
          i = call.changes.size();
          break;
      }
    }
    std::vector<std::pair<int32_t, int32_t>> told;
    for (const Failure& failure : failures) told.push_back({failure.index, failure.code});
    Must(told == expected, "each change has its own outcome, in order");
  }

  void TakeAnswers() {
    for (const Answer& answer : lanes_.TakeAnswers()) {
      const std::shared_ptr<Call>& call = calls_[answer.id];
      Must(call != nullptr && !call->read && !call->answered && !call->abandoned, "a call is answered once");
      if (!wrong_.empty()) return;
      for (const Fate fate : call->fates) Must(fate != Fate::kWaiting && fate != Fate::kFlying, "not before all is done");
      call->answered = true;
      CheckFailures(*call, answer.failures);
    }
  }

  const Call* Front(const std::deque<std::shared_ptr<Call>>& lane) const {
    return lane.empty() ? nullptr : lane.front().get();
  }

  // The one whose turn it is, or nullptr.
  const Call* TurnOf() const {
    const Call* normal = Front(normal_);
    const Call* bulk = Front(bulk_);
    if (normal != nullptr && normal->IsReady()) return normal;
    if (bulk == nullptr || !bulk->IsReady()) return nullptr;
    return normal == nullptr || normal->order > bulk->order ? bulk : nullptr;
  }

  void CheckNext() {
    const Call* turn = TurnOf();
    const Lanes::Work expected = turn == nullptr ? Lanes::Work::kNone
                                 : turn->read    ? Lanes::Work::kRead
                                                 : Lanes::Work::kWrites;
    Must(lanes_.Next() == expected, "the next is the first that is ready");
    const Call* normal = Front(normal_);
    Must(lanes_.HasUrgentWrites() == (normal != nullptr && normal->IsReady() && !normal->read),
         "a write that is ready is urgent unless it is bulk");
    const bool idle = normal_.empty() && bulk_.empty() && reading_ == nullptr && !flying_;
    Must(lanes_.IsIdle() == idle, "idle means that nothing waits or is under way");
  }

  // One step of the thread's.
  void Work() {
    if (flying_) return FinishBatch();
    if (reading_ != nullptr) {
      // Between two rounds of a read writes go on.
      if (lanes_.HasUrgentWrites() && Choose(3) != 0) return TakeBatch();
      return FinishRead();
    }
    switch (lanes_.Next()) {
      case Lanes::Work::kNone: return;
      case Lanes::Work::kWrites: return TakeBatch();
      case Lanes::Work::kRead: return TakeRead();
    }
  }

  void TakeRead() {
    const Call* turn = TurnOf();
    const uint32_t id = lanes_.TakeRead()->id;
    Must(turn != nullptr && turn->id == id, "reads wait their turn");
    if (!wrong_.empty()) return;
    reading_ = calls_[id];
    for (const auto& [other, call] : calls_) {
      if (call->read || other > id || (call->bulk && !reading_->bulk)) continue;
      Must(!call->waiting && !call->flying, "a read comes after all writes before it");
    }
    Remove(reading_);
    CheckNext();
  }

  void FinishRead() {
    const bool wanted = !reading_->abandoned;
    Must(lanes_.ReadIsWanted() == wanted && lanes_.FinishRead() == wanted, "an abandoned read is not wanted");
    reading_->answered = true;
    reading_ = nullptr;
    CheckNext();
  }

  void TakeBatch() {
    const size_t room = 2 + Choose(9);
    const size_t bulk_room = 1 + Choose(8);
    const Call* turn = TurnOf();
    if (reading_ != nullptr) turn = Front(normal_);
    const Lanes::Batch& batch = lanes_.TakeBatch(room, bulk_room);
    flying_ = true;
    batch_.clear();
    size_t messages = 0;
    for (const Change* change : batch.changes) {
      batch_.push_back(*change);
      messages += static_cast<size_t>(MessagesOf(change->op));
    }
    Must(batch.messages == messages && messages <= room, "a batch has room for its messages");
    Must(turn != nullptr && batch.bulk == turn->bulk, "the batch is of the lane whose turn it is");
    if (!wrong_.empty()) return;
    size_t at = 0;
    size_t requests = 0;
    for (bool whole = true; whole && wrong_.empty(); requests++) {
      auto& lane = batch.bulk ? bulk_ : normal_;
      if (lane.empty() || !lane.front()->IsReady() || lane.front()->read) break;
      if (batch.bulk && requests == 1) break;
      const std::shared_ptr<Call> call = lane.front();
      const size_t from = call->Next();
      whole = TakeFrom(*call, &at, room, bulk_room);
      // Of a call that waits for the next batch, nothing was taken.
      if (!whole && call->Next() == from) break;
      Must(whole || requests == 0, "no call is torn apart to fill a batch");
      if (whole) Remove(call);
    }
    Must(requests > 0, "a batch takes something");
    Must(at == batch_.size(), "a batch has nothing else");
    // The kernel runs it now; what it says comes later.
    const uint32_t luck = Choose(8);
    for (const Change& change : batch_) Run(change, luck);
    CheckNext();
  }

  // Follows a call's part of the batch from `at` on. True if it was all that was left of it.
  bool TakeFrom(Call& call, size_t* at, size_t room, size_t bulk_room) {
    const size_t first = call.Next();
    size_t used = 0;
    for (size_t i = 0; i < *at; i++) used += static_cast<size_t>(MessagesOf(batch_[i].op));
    // What fits, counted as if nothing were superseded.
    size_t end = first;
    size_t cut = first;
    const size_t begun = used;
    while (end < call.changes.size() && used + static_cast<size_t>(MessagesOf(call.changes[end].op)) <= room) {
      used += static_cast<size_t>(MessagesOf(call.changes[end].op));
      end++;
      const bool between = end == call.changes.size() || call.changes[end].joined == 0;
      if (between) cut = end;
      if (call.bulk && between && used >= bulk_room) break;
    }
    if (cut == first && begun == 0) cut = end;  // a flip that is larger than a batch
    if (begun > 0 && cut < call.changes.size()) return false;
    call.flying = true;
    for (size_t i = first; i < cut; i++) {
      const bool superseded = call.bulk && IsSuperseded(call.changes[i], call.order);
      if (superseded) {
        call.fates[i] = Fate::kSuperseded;
        continue;
      }
      const bool same = *at < batch_.size() && batch_[*at].service.flags == call.id && batch_[*at].service.netmask == i;
      Must(same, "a batch has what is next in order, unless it is superseded");
      if (!same) return false;
      call.fates[i] = Fate::kFlying;
      ++*at;
    }
    return cut == call.changes.size();
  }

  bool IsSuperseded(const Change& change, uint64_t order) const {
    return std::any_of(said_.begin(), said_.end(),
                       [&](const Said& later) { return later.order > order && Supersedes(later, change); });
  }

  void Run(const Change& change, uint32_t luck) {
    const Call& call = *calls_[change.service.flags];
    const size_t index = change.service.netmask;
    if (luck == 7) {  // the socket cannot be opened: nothing has run
      results_.push_back({kRefused, 0});
      return;
    }
    bool ordered = true;
    // Calls of one place are in order among themselves.
    int32_t code = table_.Run(change, {call.order, call.id << 8 | index}, &ordered);
    Must(ordered, "nothing that a later call has said is undone");
    // Answers are lost, and some errors with them.
    if (luck == 6 && (code == kApplied || Choose(2) == 0)) code = kUnknown;
    results_.push_back({code, 0});
  }

  void FinishBatch() {
    for (size_t i = 0; i < batch_.size(); i++) {
      const Change& change = batch_[i];
      Call& call = *calls_[change.service.flags];
      call.fates[change.service.netmask] = Fate::kDone;
      call.codes[change.service.netmask] = results_[i].code;
      said_.push_back({change, call.order, results_[i].code});
    }
    for (const auto& [id, call] : calls_) call->flying = false;
    flying_ = false;
    lanes_.FinishBatch(results_.data());
    results_.clear();
    TakeAnswers();
    CheckNext();
  }

  // Every script ends with everything answered.
  void Drain() {
    if (!wrong_.empty()) return;
    for (const auto& [id, call] : calls_) {
      if (call->waiting && !call->IsReady()) Append(call, call->changes.size());
    }
    size_t steps = 0;
    while ((flying_ || reading_ != nullptr || lanes_.Next() != Lanes::Work::kNone) && wrong_.empty()) {
      step_++;
      Must(++steps < 10'000, "work comes to an end");
      Work();
    }
    for (const auto& [id, call] : calls_) Must(call->answered || call->abandoned, "every call is answered");
    while (!places_.empty() && wrong_.empty()) {
      const size_t before = places_.size();
      LeavePlace();
      Must(places_.size() < before, "every place can be left");
    }
    Must(lanes_.IsIdle(), "in the end it is idle");
  }

  const uint8_t* at_;
  const uint8_t* end_;
  size_t step_ = 0;
  std::string wrong_;

  Lanes lanes_;
  Table table_;
  uint32_t last_id_ = 0;
  uint64_t orders_ = 0;
  std::map<uint32_t, std::shared_ptr<Call>> calls_;
  std::deque<std::shared_ptr<Call>> normal_;
  std::deque<std::shared_ptr<Call>> bulk_;
  std::shared_ptr<Call> reading_;
  std::vector<std::pair<uint64_t, std::vector<uint32_t>>> places_;
  bool flying_ = false;
  std::vector<Change> batch_;
  std::vector<Result> results_;
  std::vector<Said> said_;
};

}  // namespace

std::string PlayLanes(const uint8_t* script, size_t size) { return Player(script, size).Play(); }
