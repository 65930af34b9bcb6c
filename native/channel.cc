#include "channel.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include <linux/ip_vs.h>
#include <linux/random.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ipvs {
namespace {

// A dump whose receive buffer is smaller than the kernel's chunk loses messages (af_netlink.c: netlink_dump caps a
// chunk at 32 KiB).
constexpr size_t kReceiveBytes = 64 * 1024;

// Where the sequence begins is nobody else's knowledge. Not getrandom(): the C library may be older than that.
uint32_t RandomStart() {
  uint32_t start = 0;
  if (syscall(SYS_getrandom, &start, sizeof start, GRND_NONBLOCK) == sizeof start) return start;
  return static_cast<uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

bool IsLost(int error) { return error == EAGAIN || error == ENOBUFS || error == EMSGSIZE; }

}  // namespace

Channel::Channel() : seq_(RandomStart()) {}

int Channel::Open() {
  int error = socket_.Open();
  if (error == 0) error = ResolveFamily(socket_, IPVS_GENL_NAME, seq_++, &family_);
  if (error != 0) socket_.Close();
  return error;
}

void Channel::Adopt(int fd, uint16_t family, uint32_t seq) {
  socket_.Adopt(fd);
  family_ = family;
  seq_ = seq;
}

void Channel::EncodeBatch(const Change* const* changes, size_t count) {
  writer_.Clear();
  sent_.clear();
  first_seq_ = seq_;
  for (size_t i = 0; i < count; i++) {
    for (int message = 0; message < MessagesOf(changes[i]->op); message++) {
      EncodeChange(writer_, family_, *changes[i], message, seq_++);
      sent_.push_back({static_cast<uint32_t>(i), message, 0});
    }
  }
  writer_.Barrier(seq_++);
}

// Reads answers up to the barrier's. False if it or an error before it was lost: what has no error is then unknown.
bool Channel::Collect() {
  for (;;) {
    const int count = socket_.ReceiveMany();
    if (count < 0) {
      if (count != -ENOBUFS) return false;
      // The overflow is reported before the answers that were queued; those still count.
      for (int more; (more = socket_.ReceiveMany()) >= 0;) (void)File(more);
      return false;
    }
    if (File(count)) return true;
  }
}

// Files the errors of `count` received datagrams. True once the barrier's answer is among them.
bool Channel::File(int count) {
  const uint32_t barrier = static_cast<uint32_t>(sent_.size());
  bool done = false;
  for (int slot = 0; slot < count; slot++) {
    MessageReader answer(socket_.answer(slot), socket_.answer_size(slot));
    while (answer.Next()) {
      if (answer.header.nlmsg_type != NLMSG_ERROR) continue;
      const uint32_t index = answer.header.nlmsg_seq - first_seq_;
      if (index == barrier) done = true;
      if (index < barrier) sent_[index].error = answer.Error();
    }
  }
  return done;
}

// The first change of the tail whose messages all may have found no family, or the number of changes. A change of two
// messages counts if its last one did: it is an ensure, which can be run twice.
uint32_t Channel::FamilyLostFrom(uint32_t count) const {
  for (size_t i = sent_.size(); i > 0; i--) {
    if (sent_[i - 1].error != ENOENT) break;
    count = sent_[i - 1].change;
  }
  return count;
}

void Channel::Run(const Change* const* changes, size_t count, Result* results) {
  // A second round only if the module was reloaded under us and the family has a new id.
  for (bool first = true;; first = false) {
    int error = socket_.is_open() ? 0 : Open();
    if (error != 0) {
      const int32_t code = error == ENOENT ? int32_t{kNoFamily} : error;
      for (size_t i = 0; i < count; i++) results[i] = {code, CommandOf(changes[i]->op, 0)};
      return;
    }
    EncodeBatch(changes, count);
    error = socket_.Send(writer_.data(), writer_.size());
    if (error != 0) {
      // A buffer that sendmsg refuses has not run at all.
      for (size_t i = 0; i < count; i++) results[i] = {error, CommandOf(changes[i]->op, 0)};
      return;
    }
    const bool complete = Collect();
    std::fill(results, results + count, Result{});
    for (const Sent& sent : sent_) {
      Result& result = results[sent.change];
      const Op op = changes[sent.change]->op;
      if (sent.error == 0 || result.code != kApplied || IsSwallowed(op, sent.message, sent.error)) continue;
      result = {sent.error, CommandOf(op, sent.message)};
    }
    if (!complete) {
      for (size_t i = 0; i < count; i++) {
        if (results[i].code == kApplied) results[i].code = kUnknown;
      }
      // Only a new socket is sure to have no stray answer in it.
      socket_.Close();
      return;
    }
    const uint32_t lost = FamilyLostFrom(static_cast<uint32_t>(count));
    if (lost == count || !first) return;
    uint16_t family = family_;
    error = ResolveFamily(socket_, IPVS_GENL_NAME, seq_++, &family);
    if (error == 0 && family == family_) return;
    changes += lost;
    results += lost;
    count -= lost;
    if (error != 0) {
      // Only ENOENT proves that the family is gone.
      const int32_t code = error == ENOENT ? kNoFamily : kUnknown;
      for (size_t i = 0; i < count; i++) results[i] = {code, CommandOf(changes[i]->op, 0)};
      socket_.Close();
      return;
    }
    family_ = family;
  }
}

// Sends what the writer holds and walks the replies. A read that ends early leaves a socket that must not be reused.
int Channel::Exchange(bool dump, const OnMessage& on_message) {
  const uint32_t seq = seq_ - 1;
  const int error = socket_.Send(writer_.data(), writer_.size());
  if (error != 0) return error;
  if (receive_.empty()) receive_.resize(kReceiveBytes);
  dump_chunks_ = 0;
  dump_bytes_ = 0;
  for (;;) {
    const ssize_t received = socket_.Receive(receive_.data(), receive_.size());
    if (received < 0) return static_cast<int>(-received);
    MessageReader message(receive_.data(), static_cast<size_t>(received));
    bool data = false;
    while (message.Next()) {
      if (message.header.nlmsg_seq != seq) continue;
      if (message.header.nlmsg_type == NLMSG_DONE || message.header.nlmsg_type == NLMSG_ERROR) {
        return message.Error();
      }
      if (message.header.nlmsg_type != family_) continue;
      on_message(message);
      data = true;
    }
    if (data && !dump) return 0;
    if (data) {
      dump_chunks_++;
      dump_bytes_ += static_cast<size_t>(received);
    }
  }
}

int Channel::Ask(bool dump, const Encode& encode, const OnMessage& on_message) {
  int error = 0;
  for (int attempt = 0; attempt < 2; attempt++) {
    if (!socket_.is_open()) {
      error = Open();
      if (error != 0) return error == ENOENT ? int{kNoFamily} : error;
    }
    writer_.Clear();
    encode(writer_, family_, seq_++);
    error = Exchange(dump, on_message);
    if (error == 0 || error == ESRCH) return error;
    socket_.Close();
    if (error != ENOENT && error != EBUSY && !IsLost(error)) return error;
  }
  return error == ENOENT ? int{kNoFamily} : error;
}

}  // namespace ipvs
