// Any bytes as a change: what is written is one message that walks cleanly, fits the bound that batches are sized by,
// and decodes to what was meant.
#include "../ipvs_codec.h"

#include <algorithm>

#include <linux/ip_vs.h>

#include "invariants.h"

using namespace ipvs;

namespace {

bool IsFamily(uint16_t af) { return af == AF_INET || af == AF_INET6; }

void Terminate(char (&text)[16]) { std::memset(text + strnlen(text, 15), 0, 16 - strnlen(text, 15)); }

// Every attribute inside the nests of a message, up to its last byte.
void CheckWalk(const MessageReader& message) {
  AttributeReader nest(message.payload + GENL_HDRLEN, message.size - GENL_HDRLEN);
  while (nest.Next()) {
    // SET_CONFIG has numbers here, and nests nowhere.
    if (nest.type >= IPVS_CMD_ATTR_TIMEOUT_TCP) continue;
    AttributeReader attribute(nest.value, nest.size);
    while (attribute.Next()) MUST(attribute.size > 0);
    MUST(attribute.at == attribute.end);
  }
  MUST(nest.at == nest.end);
}

void CheckServiceSurvives(const MessageReader& message, ServiceFields meant, bool full) {
  if (!IsFamily(meant.key.af)) return;
  ServiceRow row;
  MUST(DecodeService(message, &row));
  if (meant.key.fwmark != 0) {
    meant.key.protocol = 0;
    meant.key.port = 0;
    std::memset(meant.key.address, 0, sizeof meant.key.address);
  }
  if (meant.key.af == AF_INET) std::memset(meant.key.address + 4, 0, 12);
  meant.key.zero = 0;
  MUST(std::memcmp(&row.fields.key, &meant.key, sizeof meant.key) == 0);
  if (!full) return;
  Terminate(meant.scheduler);
  Terminate(meant.engine);
  meant.flags &= ~uint32_t{IP_VS_SVC_F_HASHED};
  MUST(std::memcmp(&row.fields, &meant, sizeof meant) == 0);
}

void CheckDestinationSurvives(const MessageReader& message, DestinationFields meant, bool full) {
  if (!IsFamily(meant.key.af)) return;
  DestinationRow row;
  MUST(DecodeDestination(message, AF_INET, &row));
  if (meant.key.af == AF_INET) std::memset(meant.key.address + 4, 0, 12);
  MUST(std::memcmp(&row.fields.key, &meant.key, sizeof meant.key) == 0);
  if (!full) return;
  meant.method &= IP_VS_CONN_F_FWD_MASK;
  // Its attribute is one byte, and the three travel together or not at all.
  if (meant.tunnel_type == 0 && meant.tunnel_flags == 0) meant.tunnel_port = 0;
  meant.tunnel_type = static_cast<uint8_t>(meant.tunnel_type);
  meant.zero = 0;
  MUST(std::memcmp(&row.fields, &meant, sizeof meant) == 0);
}

void CheckMessage(const Change& change, int part) {
  // One for all runs: growing it anew takes longer than all the rest.
  static MessageWriter writer;
  writer.Clear();
  EncodeChange(writer, 0x1b, change, part, 7);
  MUST(writer.size() <= kMaxMessageBytes && writer.size() % NLMSG_ALIGNTO == 0);
  MessageReader message(writer.data(), writer.size());
  MUST(message.Next() && message.header.nlmsg_type == 0x1b && message.header.nlmsg_seq == 7);
  MUST(message.at == message.end && message.size >= GENL_HDRLEN);
  CheckWalk(message);
  const uint8_t command = CommandOf(change.op, part);
  switch (command) {
    case IPVS_CMD_NEW_SERVICE:
    case IPVS_CMD_SET_SERVICE:
    case IPVS_CMD_DEL_SERVICE:
      CheckServiceSurvives(message, change.service, command != IPVS_CMD_DEL_SERVICE);
      break;
    case IPVS_CMD_NEW_DEST:
    case IPVS_CMD_SET_DEST:
    case IPVS_CMD_DEL_DEST:
      CheckServiceSurvives(message, change.service, false);
      CheckDestinationSurvives(message, change.destination, command != IPVS_CMD_DEL_DEST);
      break;
    case IPVS_CMD_SET_CONFIG: {
      TimeoutFields timeouts;
      DecodeTimeouts(message, &timeouts);
      MUST(std::memcmp(&timeouts, &change.timeouts, sizeof timeouts) == 0);
      break;
    }
    case IPVS_CMD_NEW_DAEMON: {
      DaemonFields meant = change.daemon;
      DaemonFields daemon;
      MUST(DecodeDaemon(message, &daemon) == (meant.state != 0));
      Terminate(meant.interface);
      if (!IsFamily(meant.group_af)) meant.group_af = 0;
      const size_t group = meant.group_af == AF_INET ? 4 : meant.group_af == AF_INET6 ? 16 : 0;
      std::memset(meant.group + group, 0, sizeof meant.group - group);
      meant.zero = 0;
      MUST(std::memcmp(&daemon, &meant, sizeof daemon) == 0);
      break;
    }
    default: break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Change change{};
  if (size > 0) std::memcpy(&change, data, std::min(size, sizeof change));
  // As it came, whose op may be none at all, and then with one that is.
  for (int part = 0; part < MessagesOf(change.op); part++) CheckMessage(change, part);
  change.op = static_cast<Op>(1 + static_cast<int>(change.op) % static_cast<int>(Op::kStopDaemon));
  for (int part = 0; part < MessagesOf(change.op); part++) CheckMessage(change, part);
  return 0;
}
