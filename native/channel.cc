#include "channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/ip_vs.h>

namespace ipvs {
namespace {

// A dump whose receive buffer is smaller than the kernel's chunk loses messages (af_netlink.c: netlink_dump caps a
// chunk at 32 KiB).
constexpr size_t kReceiveBytes = 64 * 1024;
constexpr uint32_t kMaxRounds = 5;
// The smallest chunk is a page less its overhead, a message with both statistics nests about 400 bytes.
constexpr size_t kSurelyWhole = 3000;

bool IsLost(int error) { return error == EAGAIN || error == ENOBUFS || error == EMSGSIZE; }

}  // namespace

int Channel::Open() {
  int error = socket_.Open();
  if (error == 0) error = ResolveFamily(socket_, IPVS_GENL_NAME, seq_++, &family_);
  if (error != 0) socket_.Close();
  return error;
}

void Channel::Adopt(int fd, uint16_t family) {
  socket_.Adopt(fd);
  family_ = family;
}

void Channel::Encode(const Change* const* changes, size_t count) {
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
      for (int more; (more = socket_.ReceiveMany()) > 0;) (void)Note(more);
      return false;
    }
    if (Note(count)) return true;
  }
}

// Files the errors of `count` received datagrams. True once the barrier's answer is among them.
bool Channel::Note(int count) {
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
    Encode(changes, count);
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
template <typename OnMessage>
int Channel::Exchange(bool dump, OnMessage on_message) {
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

// Runs a read, once more after a lost answer or a reloaded module. Every socket that failed is replaced.
template <typename Transact>
int Channel::Read(Transact transact) {
  int error = 0;
  for (int attempt = 0; attempt < 2; attempt++) {
    if (!socket_.is_open()) {
      error = Open();
      if (error != 0) return error == ENOENT ? int{kNoFamily} : error;
    }
    writer_.Clear();
    error = transact();
    if (error == 0 || error == ESRCH) return error;
    socket_.Close();
    if (error != ENOENT && error != EBUSY && !IsLost(error)) return error;
  }
  return error == ENOENT ? int{kNoFamily} : error;
}

int Channel::ReadInfo(InfoFields* info) {
  return Read([&] {
    EncodeGetInfo(writer_, family_, seq_++);
    return Exchange(false, [&](const MessageReader& message) { DecodeInfo(message, info); });
  });
}

int Channel::ReadTimeouts(TimeoutFields* timeouts) {
  return Read([&] {
    EncodeGetTimeouts(writer_, family_, seq_++);
    return Exchange(false, [&](const MessageReader& message) { DecodeTimeouts(message, timeouts); });
  });
}

// At most two: both fit into one chunk.
int Channel::ReadDaemons(std::vector<DaemonFields>* daemons) {
  return Read([&] {
    daemons->clear();
    EncodeDumpDaemons(writer_, family_, seq_++);
    return Exchange(true, [&](const MessageReader& message) {
      DaemonFields daemon;
      if (DecodeDaemon(message, &daemon)) daemons->push_back(daemon);
    });
  });
}

int Channel::GetService(const ServiceKey& key, ServiceRow* row) {
  return Read([&] {
    bool decoded = false;
    EncodeGetService(writer_, family_, key, seq_++);
    const int error =
        Exchange(false, [&](const MessageReader& message) { decoded = DecodeService(message, row); });
    return error == 0 && !decoded ? EIO : error;
  });
}

int Channel::DumpServices(std::vector<ServiceRow>* rows) {
  return Read([&] {
    rows->clear();
    EncodeDumpServices(writer_, family_, seq_++);
    const int error = Exchange(true, [&](const MessageReader& message) {
      if (!DecodeService(message, &rows->emplace_back())) rows->pop_back();
    });
    service_index_.DropDuplicates(rows, 0);
    return error;
  });
}

// Appends.
int Channel::DumpDestinations(const ServiceKey& key, std::vector<DestinationRow>* rows) {
  const size_t first = rows->size();
  return Read([&] {
    rows->resize(first);
    EncodeDumpDestinations(writer_, family_, key, seq_++);
    const int error = Exchange(true, [&](const MessageReader& message) {
      if (!DecodeDestination(message, key.af, &rows->emplace_back())) rows->pop_back();
    });
    destination_index_.DropDuplicates(rows, first);
    return error;
  });
}

// The kernel never says that a dump was disturbed, and on 6.1 and 6.12 even another namespace disturbs ours: it resumes
// by count (ip_vs_ctl.c: ip_vs_genl_dump_services). One chunk is taken under the lock; it is the whole table if another
// message would still have fitted into it.
bool Channel::DumpWasWhole() const {
  return dump_chunks_ == 0 || (dump_chunks_ == 1 && dump_bytes_ <= kSurelyWhole);
}

// Dumps until a round agrees with what is known. What a round misses is asked for by name; if it is still there, the
// dump was disturbed, and may lack what the one before it lacked too.
int Channel::ReadServices(Table* table, const Between& between) {
  int error = DumpServices(&table->services);
  if (error != 0) return error;
  table->attempts = 1;
  table->verified = DumpWasWhole();
  while (!table->verified && table->attempts < kMaxRounds) {
    if (!between()) return ECANCELED;
    error = DumpServices(&service_round_);
    if (error != 0) return error;
    table->attempts++;
    error = Settle(table);
    if (error != 0) return error;
  }
  return 0;
}

// Puts a new round of services, which is in the index, in the place of the known ones.
int Channel::Settle(Table* table) {
  std::vector<ServiceRow>& round = service_round_;
  const std::vector<ServiceRow>& known = table->services;
  const size_t dumped = round.size();
  bool agrees = true;
  for (const ServiceRow& row : known) {
    // Rows added below are not looked for: none of the known ones comes twice.
    if (service_index_.Has(round.data(), row)) continue;
    ServiceRow confirmed;
    const int error = GetService(row.fields.key, &confirmed);
    if (error != 0 && error != ESRCH) return error;
    if (error == ESRCH) continue;
    // Another service's answer would be in the table twice.
    if (!IsSame(confirmed, row)) return EIO;
    round.push_back(confirmed);
    agrees = false;
  }
  service_index_.Fill(known);
  for (size_t i = 0; i < dumped && agrees; i++) agrees = service_index_.Has(known.data(), round[i]);
  table->services.swap(round);
  table->verified = agrees;
  return 0;
}

// Whether the rows from `first` on are those of the round, which is in the index.
bool Channel::IsSameRound(const std::vector<DestinationRow>& rows, size_t first) {
  const std::vector<DestinationRow>& round = destination_round_;
  if (rows.size() - first != round.size()) return false;
  for (size_t i = 0; i < round.size(); i++) {
    const DestinationRow& row = rows[first + i];
    if (!IsSame(row, round[i]) && !destination_index_.Has(round.data(), row)) return false;
  }
  return true;
}

// Appends one service's destinations; of an error nothing is left. A missing service gives an empty dump without an
// error, so emptiness is checked.
int Channel::ReadDestinations(const ServiceKey& key, Table* table, const Between& between) {
  const size_t first = table->destinations.size();
  const int error = DumpRounds(key, table, between);
  if (error != 0) table->destinations.resize(first);
  return error;
}

int Channel::DumpRounds(const ServiceKey& key, Table* table, const Between& between) {
  std::vector<DestinationRow>& rows = table->destinations;
  const size_t first = rows.size();
  int error = DumpDestinations(key, &rows);
  if (error != 0) return error;
  uint32_t attempts = 1;
  bool verified = DumpWasWhole();
  while (!verified && attempts < kMaxRounds) {
    if (!between()) return ECANCELED;
    destination_round_.clear();
    error = DumpDestinations(key, &destination_round_);
    if (error != 0) return error;
    attempts++;
    verified = IsSameRound(rows, first);
    rows.resize(first);
    rows.insert(rows.end(), destination_round_.begin(), destination_round_.end());
  }
  if (rows.size() == first) {
    ServiceRow row;
    error = GetService(key, &row);
    if (error != 0) return error;
  }
  table->attempts = std::max(table->attempts, attempts);
  table->verified = table->verified && verified;
  return 0;
}

int Channel::ReadTable(Table* table, const Between& between) {
  int error = ReadServices(table, between);
  if (error != 0) return error;
  // A table is mostly as large as it was: growing would copy it again and again.
  table->destinations.reserve(last_destinations_);
  size_t kept = 0;
  for (size_t i = 0; i < table->services.size(); i++) {
    if (!between()) return ECANCELED;
    ServiceRow& row = table->services[i];
    const size_t before = table->destinations.size();
    error = ReadDestinations(row.fields.key, table, between);
    if (error == ESRCH) continue;  // removed since
    if (error != 0) return error;
    row.destinations = static_cast<uint32_t>(table->destinations.size() - before);
    table->services[kept++] = row;
  }
  table->services.resize(kept);
  last_destinations_ = table->destinations.size();
  return 0;
}

}  // namespace ipvs
