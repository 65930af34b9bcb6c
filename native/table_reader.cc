#include "table_reader.h"

#include <algorithm>
#include <cerrno>

namespace ipvs {
namespace {

constexpr uint32_t kMaxRounds = 5;
// The smallest chunk is a page less its overhead, a message with both statistics nests about 400 bytes.
constexpr size_t kSurelyWhole = 3000;

}  // namespace

int TableReader::ReadInfo(InfoFields* info) {
  return channel_.Ask(false, EncodeGetInfo, [&](const MessageReader& message) { DecodeInfo(message, info); });
}

int TableReader::ReadTimeouts(TimeoutFields* timeouts) {
  return channel_.Ask(false, EncodeGetTimeouts,
                      [&](const MessageReader& message) { DecodeTimeouts(message, timeouts); });
}

// At most two: both fit into one chunk.
int TableReader::ReadDaemons(std::vector<DaemonFields>* daemons) {
  const auto encode = [&](MessageWriter& writer, uint16_t family, uint32_t seq) {
    daemons->clear();
    EncodeDumpDaemons(writer, family, seq);
  };
  return channel_.Ask(true, encode, [&](const MessageReader& message) {
    DaemonFields daemon;
    if (DecodeDaemon(message, &daemon)) daemons->push_back(daemon);
  });
}

int TableReader::GetService(const ServiceKey& key, ServiceRow* row) {
  bool decoded = false;
  const auto encode = [&](MessageWriter& writer, uint16_t family, uint32_t seq) {
    EncodeGetService(writer, family, key, seq);
  };
  const int error =
      channel_.Ask(false, encode, [&](const MessageReader& message) { decoded = DecodeService(message, row); });
  return error == 0 && !decoded ? EIO : error;
}

int TableReader::DumpServices(std::vector<ServiceRow>* rows) {
  const auto encode = [&](MessageWriter& writer, uint16_t family, uint32_t seq) {
    rows->clear();
    EncodeDumpServices(writer, family, seq);
  };
  const int error = channel_.Ask(true, encode, [&](const MessageReader& message) {
    if (!DecodeService(message, &rows->emplace_back())) rows->pop_back();
  });
  service_index_.DropDuplicates(rows, 0);
  return error;
}

// Appends.
int TableReader::DumpDestinations(const ServiceKey& key, std::vector<DestinationRow>* rows) {
  const size_t first = rows->size();
  const auto encode = [&](MessageWriter& writer, uint16_t family, uint32_t seq) {
    rows->resize(first);
    EncodeDumpDestinations(writer, family, key, seq);
  };
  const int error = channel_.Ask(true, encode, [&](const MessageReader& message) {
    if (!DecodeDestination(message, key.af, &rows->emplace_back())) rows->pop_back();
  });
  destination_index_.DropDuplicates(rows, first);
  return error;
}

// The kernel never says that a dump was disturbed, and on 6.1 and 6.12 even another namespace disturbs ours: it resumes
// by count (ip_vs_ctl.c: ip_vs_genl_dump_services). One chunk is taken under the lock; it is the whole table if another
// message would still have fitted into it.
bool TableReader::DumpWasWhole() const {
  const size_t chunks = channel_.dump_chunks();
  return chunks == 0 || (chunks == 1 && channel_.dump_bytes() <= kSurelyWhole);
}

// Dumps until a round agrees with what is known. What a round misses is asked for by name; if it is still there, the
// dump was disturbed, and may lack what the one before it lacked too.
int TableReader::ReadServices(Table* table, const Between& between) {
  int error = DumpServices(&table->services);
  if (error != 0) return error;
  table->attempts = 1;
  table->verified = DumpWasWhole();
  while (!table->verified && table->attempts < kMaxRounds) {
    if (!between()) return ECANCELED;
    error = DumpServices(&service_round_);
    if (error != 0) return error;
    table->attempts++;
    error = AdoptRound(table);
    if (error != 0) return error;
  }
  return 0;
}

// Puts a new round of services, which is in the index, in the place of the known ones.
int TableReader::AdoptRound(Table* table) {
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
bool TableReader::IsSameRound(const std::vector<DestinationRow>& rows, size_t first) {
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
int TableReader::ReadDestinations(const ServiceKey& key, Table* table, const Between& between) {
  const size_t first = table->destinations.size();
  const int error = DumpRounds(key, table, between);
  if (error != 0) table->destinations.resize(first);
  return error;
}

int TableReader::DumpRounds(const ServiceKey& key, Table* table, const Between& between) {
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

int TableReader::ReadTable(Table* table, const Between& between) {
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
