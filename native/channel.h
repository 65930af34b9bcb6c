// One conversation with IPVS: a socket, the family's id and the sequence. Runs batches and reads; holds no thread.
#pragma once

#include <functional>
#include <vector>

#include "genl.h"
#include "ipvs_codec.h"
#include "netlink_socket.h"
#include "record.h"
#include "row_index.h"

namespace ipvs {

// What became of one change of a batch: an errno or Outcome, and the command that failed.
struct Result {
  int32_t code = kApplied;
  int32_t command = 0;
};

// A table read. `verified` is false if it kept changing under us for all rounds.
struct Table {
  std::vector<ServiceRow> services;
  std::vector<DestinationRow> destinations;  // of all services, in order; ServiceRow.destinations counts them
  bool verified = true;
  uint32_t attempts = 1;
};

class Channel {
 public:
  // Opens the socket in the calling thread's namespace and finds the family. 0 or an errno.
  int Open();
  void Close() { socket_.Close(); }
  bool is_open() const { return socket_.is_open(); }
  // Tests: speak to a scripted peer.
  void Adopt(int fd, uint16_t family);

  // What fits into one batch.
  size_t max_messages() const { return socket_.max_messages() - 1; }  // one is the barrier
  size_t max_changes_bytes() const { return socket_.max_bytes() - 64; }

  // Runs changes in order with one sendmsg; at most max_messages() messages and max_changes_bytes(). results[i] tells of changes[i].
  void Run(const Change* const* changes, size_t count, Result* results);

  // Reads. Each returns 0 or an errno; ESRCH for a missing service.
  int GetService(const ServiceKey& key, ServiceRow* row);
  // `between` runs after each dump, so that a failover need not wait for a long read; false ends it with ECANCELED.
  using Between = std::function<bool()>;
  int ReadServices(Table* table, const Between& between);
  int ReadDestinations(const ServiceKey& key, Table* table, const Between& between);
  int ReadTable(Table* table, const Between& between);
  int ReadDaemons(std::vector<DaemonFields>* daemons);
  int ReadTimeouts(TimeoutFields* timeouts);
  int ReadInfo(InfoFields* info);

 private:
  // One message of the batch under way, in sending order.
  struct Sent {
    uint32_t change;
    int message;
    int error;  // as the kernel gave it; 0 until an error comes
  };

  void Encode(const Change* const* changes, size_t count);
  bool Collect();
  bool Note(int count);
  uint32_t FamilyLostFrom(uint32_t count) const;
  template <typename OnMessage>
  int Exchange(bool dump, OnMessage on_message);
  template <typename Transact>
  int Read(Transact transact);
  int DumpServices(std::vector<ServiceRow>* rows);
  int DumpDestinations(const ServiceKey& key, std::vector<DestinationRow>* rows);
  bool DumpWasWhole() const;
  int Settle(Table* table);
  bool IsSameRound(const std::vector<DestinationRow>& rows, size_t first);
  int DumpRounds(const ServiceKey& key, Table* table, const Between& between);

  NetlinkSocket socket_;
  uint16_t family_ = 0;
  uint32_t seq_ = 1;
  uint32_t first_seq_ = 0;  // of the batch under way
  MessageWriter writer_;
  std::vector<Sent> sent_;
  std::vector<uint8_t> receive_;
  // The second and later rounds of a read, and what the last dump gave.
  std::vector<ServiceRow> service_round_;
  std::vector<DestinationRow> destination_round_;
  RowIndex<ServiceRow> service_index_;
  RowIndex<DestinationRow> destination_index_;
  size_t last_destinations_ = 0;  // of the last whole table
  // Of the last dump.
  size_t dump_chunks_ = 0;
  size_t dump_bytes_ = 0;
};

}  // namespace ipvs
