// What is read of IPVS: single answers, and dumps that are made sure of.
#pragma once

#include <functional>
#include <vector>

#include "channel.h"
#include "record.h"
#include "row_index.h"

namespace ipvs {

// A table read. `verified` is false if it kept changing under us for all rounds.
struct Table {
  std::vector<ServiceRow> services;
  std::vector<DestinationRow> destinations;  // of all services, in order; ServiceRow.destinations counts them
  bool verified = true;
  uint32_t attempts = 1;
};

// Each read returns 0 or an errno; ESRCH for a missing service.
class TableReader {
 public:
  explicit TableReader(Channel* channel) : channel_(*channel) {}

  int GetService(const ServiceKey& key, ServiceRow* row);
  int ReadDaemons(std::vector<DaemonFields>* daemons);
  int ReadTimeouts(TimeoutFields* timeouts);
  int ReadInfo(InfoFields* info);

  // `between` runs after each dump, so that a failover need not wait for a long read; false ends it with ECANCELED.
  using Between = std::function<bool()>;
  int ReadServices(Table* table, const Between& between);
  int ReadDestinations(const ServiceKey& key, Table* table, const Between& between);
  int ReadTable(Table* table, const Between& between);

 private:
  int DumpServices(std::vector<ServiceRow>* rows);
  int DumpDestinations(const ServiceKey& key, std::vector<DestinationRow>* rows);
  bool DumpWasWhole() const;
  int AdoptRound(Table* table);
  bool IsSameRound(const std::vector<DestinationRow>& rows, size_t first);
  int DumpRounds(const ServiceKey& key, Table* table, const Between& between);

  Channel& channel_;
  // The second and later rounds of a read, and what the last dump gave.
  std::vector<ServiceRow> service_round_;
  std::vector<DestinationRow> destination_round_;
  RowIndex<ServiceRow> service_index_;
  RowIndex<DestinationRow> destination_index_;
  size_t last_destinations_ = 0;  // of the last whole table
};

}  // namespace ipvs
