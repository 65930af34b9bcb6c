// core encode|decode|controller|controller-64 [BATCHES]: the addon's own code at hardware speed, without IPVS and without Node.
// Prints microseconds per change, row or message, one figure per batch. With BATCHES it does so many without looking at the
// clock, for a counter of instructions, and prints how many operations they were.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include <linux/ip_vs.h>

#include "genl.h"
#include "ipvs_codec.h"
#include "netlink_socket.h"

using namespace ipvs;

namespace {

constexpr int kBatches = 400;
constexpr int kBatch = 1000;
constexpr uint16_t kFamily = 0x20;

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

[[noreturn]] void Fail(const char* what, int error) {
  std::fprintf(stderr, "core: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

template <typename Work>
void Measure(int batches_to_count, int per_batch, Work work) {
  if (batches_to_count > 0) {
    for (int i = 0; i < batches_to_count; i++) work();
    std::printf("{\"operations\":%d}\n", batches_to_count * per_batch);
    return;
  }
  std::string out = "{\"times\":[";
  for (int i = -kBatches / 10; i < kBatches; i++) {  // the first tenth is warming up
    const double from = Now();
    work();
    const double took = (Now() - from) / per_batch;
    if (i < 0) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%s%.4f", i == 0 ? "" : ",", took);
    out += text;
  }
  std::printf("%s]}\n", out.c_str());
}

std::vector<Change> Changes() {
  std::vector<Change> changes(kBatch);
  for (int i = 0; i < kBatch; i++) {
    Change& change = changes[i];
    std::memset(static_cast<void*>(&change), 0, sizeof change);
    change.op = Op::kReplaceDestination;
    change.service.key = {2, 17, 0, {192, 0, 2, 1}, 53, 0};
    change.destination.key = {2, 53, {10, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)}};
    change.destination.method = 3;
    change.destination.weight = 1 + i;
  }
  return changes;
}

void Encode(MessageWriter& writer, const std::vector<Change>& changes) {
  writer.Clear();
  for (size_t i = 0; i < changes.size(); i++) {
    EncodeChange(writer, kFamily, changes[i], 0, static_cast<uint32_t>(i + 1));
  }
  writer.Barrier(static_cast<uint32_t>(changes.size() + 1));
}

// A dump of a thousand destinations as the kernel writes it.
std::vector<uint8_t> Dump() {
  MessageWriter writer;
  for (int i = 0; i < kBatch; i++) {
    writer.BeginGenl(kFamily, IPVS_CMD_NEW_DEST, NLM_F_MULTI, 1);
    const size_t nest = writer.BeginNest(IPVS_CMD_ATTR_DEST);
    const uint8_t address[16] = {10, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)};
    writer.Put(IPVS_DEST_ATTR_ADDR, address, sizeof address);
    writer.PutU16(IPVS_DEST_ATTR_PORT, 0x3500);
    writer.PutU16(IPVS_DEST_ATTR_ADDR_FAMILY, 2);
    for (const uint16_t type : {IPVS_DEST_ATTR_FWD_METHOD, IPVS_DEST_ATTR_WEIGHT, IPVS_DEST_ATTR_U_THRESH,
                                IPVS_DEST_ATTR_L_THRESH, IPVS_DEST_ATTR_ACTIVE_CONNS, IPVS_DEST_ATTR_INACT_CONNS,
                                IPVS_DEST_ATTR_PERSIST_CONNS}) {
      writer.PutU32(type, 3);
    }
    const size_t stats = writer.BeginNest(IPVS_DEST_ATTR_STATS64);
    const uint64_t counter = 12345678;
    for (uint16_t type = IPVS_STATS_ATTR_CONNS; type <= IPVS_STATS_ATTR_OUTBPS; type++) {
      writer.Put(type, &counter, sizeof counter);
    }
    writer.EndNest(stats);
    writer.EndNest(nest);
    writer.End();
  }
  return {writer.data(), writer.data() + writer.size()};
}

void Decode(const std::vector<uint8_t>& dump, std::vector<DestinationRow>& rows) {
  MessageReader message(dump.data(), dump.size());
  size_t count = 0;
  while (message.Next() && DecodeDestination(message, 2, &rows[count])) count++;
  if (count != kBatch || rows[kBatch - 1].fields.weight != 3) Fail("decoding", EBADMSG);
}

// A family number that nobody has: the controller looks and says ENOENT, without loading anything.
void AskForNobody(MessageWriter& writer, uint32_t seq) {
  writer.BeginGenl(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_REQUEST, seq);
  writer.PutU16(CTRL_ATTR_FAMILY_ID, 0xfff0);
  writer.End();
}

// One message and a barrier, as a single change of ours goes.
void Transaction(NetlinkSocket& socket, MessageWriter& writer, int messages, uint32_t& seq) {
  writer.Clear();
  for (int i = 0; i < messages; i++) AskForNobody(writer, ++seq);
  const uint32_t barrier = ++seq;
  writer.Barrier(barrier);
  const int error = socket.Send(writer.data(), writer.size());
  if (error != 0) Fail("sending", error);
  int failures = 0;
  for (;;) {
    const int count = socket.ReceiveMany();
    if (count < 0) Fail("receiving", -count);
    for (int i = 0; i < count; i++) {
      MessageReader answer(socket.answer(i), socket.answer_size(i));
      while (answer.Next()) {
        if (answer.header.nlmsg_seq == barrier) {
          if (failures != messages) Fail("an answer is missing", EBADMSG);
          return;
        }
        if (answer.Error() == ENOENT) failures++;
      }
    }
  }
}

}  // namespace

int main(int count, char** words) {
  const std::string what = count == 2 || count == 3 ? words[1] : "";
  const int batches = count == 3 ? std::atoi(words[2]) : 0;
  if (what == "encode") {
    const std::vector<Change> changes = Changes();
    MessageWriter writer;
    Measure(batches, kBatch, [&] { Encode(writer, changes); });
  } else if (what == "decode") {
    const std::vector<uint8_t> dump = Dump();
    std::vector<DestinationRow> rows(kBatch);
    Measure(batches, kBatch, [&] { Decode(dump, rows); });
  } else if (what == "controller" || what == "controller-64") {
    NetlinkSocket socket;
    const int error = socket.Open();
    if (error != 0) Fail("opening a socket", error);
    MessageWriter writer;
    uint32_t seq = 0;
    const int messages = what == "controller" ? 1 : 64;
    Measure(batches, messages * 10, [&] {
      for (int i = 0; i < 10; i++) Transaction(socket, writer, messages, seq);
    });
  } else {
    std::fprintf(stderr, "usage: core encode|decode|controller|controller-64 [BATCHES]\n");
    return 2;
  }
}
