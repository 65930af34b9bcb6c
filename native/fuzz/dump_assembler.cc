// A channel's reads and batches against a hostile kernel. A file: two operations, after how many dumps the reader gives
// up (0: never), how many changes a batch has, their ops; then what the sockets get (preloaded_socket.h).
#include <cerrno>
#include <memory>
#include <string>
#include <unordered_set>

#include "../channel.h"
#include "../table_reader.h"
#include "invariants.h"
#include "preloaded_socket.h"

using namespace ipvs;

namespace {

template <typename Key>
std::string KeyBytes(const Key& key) {
  return std::string(reinterpret_cast<const char*>(&key), sizeof key);
}

// Of the service that the corpus was captured with.
ServiceKey Dns() {
  ServiceKey key{};
  key.af = AF_INET;
  key.protocol = 17;
  key.port = 53;
  const uint8_t address[4] = {192, 0, 2, 1};
  std::memcpy(key.address, address, sizeof address);
  return key;
}

void CheckServices(const Table& table) {
  std::unordered_set<std::string> seen;
  for (const ServiceRow& row : table.services) {
    fuzz::CheckService(row);
    MUST(seen.insert(KeyBytes(row.fields.key)).second);
  }
  MUST(table.attempts >= 1 && table.attempts <= 5);
}

// The rows [begin, end) belong to one service.
void CheckDestinations(const Table& table, size_t begin, size_t end) {
  MUST(begin <= end && end <= table.destinations.size());
  std::unordered_set<std::string> seen;
  for (size_t i = begin; i < end; i++) {
    fuzz::CheckDestination(table.destinations[i]);
    MUST(seen.insert(KeyBytes(table.destinations[i].fields.key)).second);
  }
  MUST(table.attempts >= 1 && table.attempts <= 5);
}

void CheckTable(const Table& table) {
  CheckServices(table);
  size_t at = 0;
  for (const ServiceRow& row : table.services) {
    CheckDestinations(table, at, at + row.destinations);
    at += row.destinations;
  }
  MUST(at == table.destinations.size());
}

void RunBatch(Channel& channel, const uint8_t* ops, size_t count) {
  std::vector<Change> changes(count);
  std::vector<const Change*> pointers;
  for (size_t i = 0; i < count; i++) {
    changes[i].op = static_cast<Op>(1 + ops[i] % static_cast<int>(Op::kStopDaemon));
    changes[i].service.key.af = AF_INET;
    changes[i].destination.key.af = AF_INET;
    pointers.push_back(&changes[i]);
  }
  std::vector<Result> results(count, Result{-1, -1});
  const size_t barriers = fuzz::BarriersAnswered();
  channel.Run(pointers.data(), count, results.data());
  for (size_t i = 0; i < count; i++) {
    const Result& result = results[i];
    const Op op = changes[i].op;
    if (result.code == kApplied) {
      MUST(result.command == 0 && fuzz::BarriersAnswered() > barriers);
    } else if (result.code == kUnknown) {
      MUST(!channel.is_open());
    } else {
      MUST(result.code == kNoFamily || fuzz::IsErrno(result.code));
      MUST(result.command == CommandOf(op, 0) || result.command == CommandOf(op, 1));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const uint8_t* header = data;
  data += 4;
  size -= 4;
  const uint8_t* ops = data;
  // More answers than one receive takes, and not many more: time goes into writing the changes.
  const size_t count = std::min<size_t>(header[3] % (kAnswerSlots + 16), size);
  fuzz::Preload(fuzz::ParseItems(data + count, size - count));

  // On the heap, where what a receive leaves poisoned is nobody's stack later.
  const auto channel = std::make_unique<Channel>();
  channel->Adopt(0, fuzz::kFamily);
  const auto reader = std::make_unique<TableReader>(channel.get());
  int patience = header[2];
  bool gave_up = false;
  const auto between = [&] {
    gave_up = patience != 0 && --patience == 0;
    return !gave_up;
  };

  for (int operation = 0; operation < 2; operation++) {
    int error = 0;
    gave_up = false;
    Table table;
    switch (header[operation] % 9) {
      case 0:
        error = reader->ReadTable(&table, between);
        if (error == 0) CheckTable(table);
        break;
      case 1:
        error = reader->ReadServices(&table, between);
        if (error == 0) CheckServices(table);
        break;
      case 2:
        error = reader->ReadDestinations(Dns(), &table, between);
        if (error == 0) CheckDestinations(table, 0, table.destinations.size());
        break;
      case 3: {
        ServiceRow row;
        error = reader->GetService(Dns(), &row);
        if (error == 0) fuzz::CheckService(row);
        break;
      }
      case 4: {
        std::vector<DaemonFields> daemons;
        error = reader->ReadDaemons(&daemons);
        if (error == 0) {
          for (const DaemonFields& daemon : daemons) fuzz::CheckDaemon(daemon);
        }
        break;
      }
      case 5: {
        TimeoutFields timeouts;
        error = reader->ReadTimeouts(&timeouts);
        break;
      }
      case 6: {
        InfoFields info;
        error = reader->ReadInfo(&info);
        break;
      }
      case 7: RunBatch(*channel, ops, count); break;
      default:
        error = channel->Open();
        MUST(channel->is_open() == (error == 0));
        break;
    }
    MUST(error == 0 || error == kNoFamily || fuzz::IsErrno(error));
    if (gave_up) MUST(error == ECANCELED);
  }
  return 0;
}
