// Records to bytes and back.
#include <arpa/inet.h>
#include <linux/ip_vs.h>

#include <string>

#include "../ipvs_codec.h"
#include "check.h"

using namespace ipvs;

namespace {

std::string Hex(const uint8_t* data, size_t size) {
  std::string text;
  char byte[4];
  for (size_t i = 0; i < size; i++) {
    std::snprintf(byte, sizeof byte, "%02x", data[i]);
    text += byte;
  }
  return text;
}

std::string Encoded(const Change& change, int message = 0) {
  MessageWriter writer;
  EncodeChange(writer, 0x1b, change, message, 7);
  return Hex(writer.data(), writer.size());
}

Change Udp53(Op op) {
  Change change{};
  change.op = op;
  change.service.key.af = AF_INET;
  change.service.key.protocol = IPPROTO_UDP;
  change.service.key.port = 53;
  inet_pton(AF_INET, "192.0.2.1", change.service.key.address);
  std::strcpy(change.service.scheduler, "rr");
  change.service.netmask = 0xffffffff;
  change.destination.key.af = AF_INET;
  change.destination.key.port = 53;
  inet_pton(AF_INET, "10.1.0.1", change.destination.key.address);
  change.destination.method = IP_VS_CONN_F_DROUTE;
  change.destination.weight = 1;
  return change;
}

// Turns what EncodeChange wrote into what the kernel would answer: the same attributes under the same nests.
MessageReader AsReply(const MessageWriter& writer) {
  MessageReader reader(writer.data(), writer.size());
  CHECK(reader.Next());
  return reader;
}

}  // namespace

// The expected bytes are written out by hand from uapi/linux/ip_vs.h and netlink's framing (little endian).
TEST("DEL_DEST has the identities and nothing else") {
  const std::string header = "54000000" "1b00" "0100" "07000000" "00000000";
  const std::string genl = "07" "01" "0000";
  const std::string service =
      "2400" "0180"        // SERVICE, nested, 36 bytes
      "0600" "0100" "02000000"  // AF
      "0600" "0200" "11000000"  // PROTOCOL 17
      "0800" "0300" "c0000201"  // ADDR
      "0600" "0400" "00350000"; // PORT 53, big endian
  const std::string destination =
      "1c00" "0280"
      "0600" "0b00" "02000000"  // ADDR_FAMILY
      "0800" "0100" "0a010001"
      "0600" "0200" "00350000";
  CHECK(Encoded(Udp53(Op::kRemoveDestination)) == header + genl + service + destination);
}

TEST("a fwmark service is addressed by AF and FWMARK alone") {
  Change change = Udp53(Op::kRemoveService);
  change.service.key.fwmark = 7;
  CHECK(Encoded(change) == "28000000" "1b00" "0100" "07000000" "00000000" "03010000"
                           "1400" "0180" "0600" "0100" "02000000" "0800" "0500" "07000000");
}

TEST("ensure sends NEW, then SET") {
  CHECK(MessagesOf(Op::kEnsureDestination) == 2 && MessagesOf(Op::kAddDestination) == 1);
  CHECK(CommandOf(Op::kEnsureService, 0) == IPVS_CMD_NEW_SERVICE);
  CHECK(CommandOf(Op::kEnsureService, 1) == IPVS_CMD_SET_SERVICE);
  CHECK(Encoded(Udp53(Op::kEnsureDestination), 0) == Encoded(Udp53(Op::kAddDestination)));
  CHECK(Encoded(Udp53(Op::kEnsureDestination), 1) == Encoded(Udp53(Op::kReplaceDestination)));
}

TEST("a service survives encoding and decoding, IPv4 and IPv6") {
  for (const uint16_t af : {uint16_t{AF_INET}, uint16_t{AF_INET6}}) {
    Change change = Udp53(Op::kAddService);
    if (af == AF_INET6) {
      change.service.key.af = AF_INET6;
      inet_pton(AF_INET6, "2001:db8::53", change.service.key.address);
      change.service.netmask = 64;
    }
    change.service.flags = IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_SCHED1;
    change.service.timeout_seconds = 360;
    std::strcpy(change.service.engine, "sip");
    MessageWriter writer;
    EncodeChange(writer, 0x1b, change, 0, 7);
    ServiceRow row;
    CHECK(DecodeService(AsReply(writer), &row));
    CHECK(std::memcmp(&row.fields, &change.service, sizeof row.fields) == 0);
  }
}

TEST("a destination survives, with its tunnel; without one no tunnel attribute is sent") {
  Change change = Udp53(Op::kAddDestination);
  const size_t plain = Encoded(change).size();
  change.destination.method = IP_VS_CONN_F_TUNNEL;
  change.destination.tunnel_type = IP_VS_CONN_F_TUNNEL_TYPE_GUE;
  change.destination.tunnel_port = 6080;
  change.destination.tunnel_flags = IP_VS_TUNNEL_ENCAP_FLAG_CSUM;
  change.destination.upper_threshold = 100;
  change.destination.lower_threshold = 10;
  CHECK(Encoded(change).size() == plain + 3 * 16);
  MessageWriter writer;
  EncodeChange(writer, 0x1b, change, 0, 7);
  DestinationRow row;
  CHECK(DecodeDestination(AsReply(writer), AF_INET, &row));
  CHECK(std::memcmp(&row.fields, &change.destination, sizeof row.fields) == 0);
}

TEST("no message is larger than the bound that batches are sized by") {
  Change change = Udp53(Op::kAddDestination);
  change.service.key.af = change.destination.key.af = AF_INET6;
  change.destination.tunnel_type = IP_VS_CONN_F_TUNNEL_TYPE_GUE;
  CHECK(Encoded(change).size() / 2 <= kMaxMessageBytes);
  change.op = Op::kAddService;
  std::strcpy(change.service.scheduler, "123456789012345");
  std::strcpy(change.service.engine, "123456789012345");
  CHECK(Encoded(change).size() / 2 <= kMaxMessageBytes);
}

TEST("only the errno that meets the wish of an ensure is swallowed") {
  CHECK(IsSwallowed(Op::kEnsureService, 0, EEXIST) && !IsSwallowed(Op::kEnsureService, 1, EEXIST));
  CHECK(!IsSwallowed(Op::kEnsureService, 0, ENOENT) && !IsSwallowed(Op::kAddService, 0, EEXIST));
  CHECK(IsSwallowed(Op::kEnsureNoDestination, 0, ENOENT) && IsSwallowed(Op::kEnsureNoDestination, 0, ESRCH));
  CHECK(!IsSwallowed(Op::kEnsureNoService, 0, ENOENT) && !IsSwallowed(Op::kRemoveService, 0, ESRCH));
}

TEST("cut and garbled replies are never read past their end") {
  Change change = Udp53(Op::kAddService);
  MessageWriter writer;
  EncodeChange(writer, 0x1b, change, 0, 7);
  for (size_t size = 0; size <= writer.size(); size++) {
    // An exact copy on the heap, so that AddressSanitizer sees one byte too many.
    for (int garble = 0; garble < 256; garble += 51) {
      std::vector<uint8_t> copy(writer.data(), writer.data() + size);
      if (size > 4) copy[size - 1] = static_cast<uint8_t>(garble);
      if (size >= 4) std::memcpy(copy.data(), &size, 4);
      MessageReader reader(copy.data(), copy.size());
      while (reader.Next()) {
        ServiceRow service;
        DestinationRow destination;
        (void)DecodeService(reader, &service);
        (void)DecodeDestination(reader, AF_INET, &destination);
      }
    }
  }
}
