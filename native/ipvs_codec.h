// IPVS attributes: records to messages, replies to records. Byte order and attribute rules live here and only here.
#pragma once

#include "genl.h"
#include "record.h"

namespace ipvs {

// How many messages a change takes: ensure-service and ensure-destination send NEW and SET side by side.
constexpr int MessagesOf(Op op) {
  return op == Op::kEnsureService || op == Op::kEnsureDestination ? 2 : 1;
}

// An upper bound of the bytes of one message.
constexpr size_t kMaxMessageBytes = 256;

// The IPVS command of a change's first or second message.
uint8_t CommandOf(Op op, int message);

// True where this errno of a change's message means that the wish of an ensure-… is already met.
bool IsSwallowed(Op op, int message, int error);

// Writes one message of a change.
void EncodeChange(MessageWriter& writer, uint16_t family, const Change& change, int message, uint32_t seq);

void EncodeGetService(MessageWriter& writer, uint16_t family, const ServiceKey& key, uint32_t seq);
void EncodeDumpServices(MessageWriter& writer, uint16_t family, uint32_t seq);
void EncodeDumpDestinations(MessageWriter& writer, uint16_t family, const ServiceKey& key, uint32_t seq);
void EncodeDumpDaemons(MessageWriter& writer, uint16_t family, uint32_t seq);
void EncodeGetTimeouts(MessageWriter& writer, uint16_t family, uint32_t seq);
void EncodeGetInfo(MessageWriter& writer, uint16_t family, uint32_t seq);

// Decode the payload of one reply message. False if the identity is missing. `service_af` is the family of a
// destination whose reply names none (kernels before 3.18).
bool DecodeService(const MessageReader& message, ServiceRow* row);
bool DecodeDestination(const MessageReader& message, uint16_t service_af, DestinationRow* row);
bool DecodeDaemon(const MessageReader& message, DaemonFields* daemon);
void DecodeTimeouts(const MessageReader& message, TimeoutFields* timeouts);
void DecodeInfo(const MessageReader& message, InfoFields* info);

}  // namespace ipvs
