// A channel whose system calls fail, whose answers get lost, and whose kernel lies.
#include <linux/ip_vs.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "../channel.h"
#include "check.h"
#include "peer.h"
#include "system_calls.h"

using namespace ipvs;

namespace {

bool Always() { return true; }

ServiceKey Mark(uint32_t mark) {
  ServiceKey key{};
  key.af = AF_INET;
  key.fwmark = mark;
  return key;
}

// A message with this header's type and exactly these bytes behind it.
std::vector<uint8_t> Raw(uint16_t type, uint32_t seq, const std::vector<uint8_t>& payload) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + payload.size());
  header.nlmsg_type = type;
  header.nlmsg_seq = seq;
  std::vector<uint8_t> bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

void Say(Line& line, const std::vector<uint8_t>& bytes) { line.Say(bytes.data(), bytes.size()); }

// A service of the mark whose message has this type.
std::vector<uint8_t> Service(uint16_t type, uint32_t seq, uint32_t mark) {
  Change change{};
  change.op = Op::kAddService;
  change.service.key = Mark(mark);
  MessageWriter writer;
  EncodeChange(writer, type, change, 0, seq);
  return {writer.data(), writer.data() + writer.size()};
}

}  // namespace

TEST("a signal during send or receive changes nothing") {
  Peer peer;
  FailNext("sendmsg", EINTR);
  FailNext("sendmsg", EINTR);
  FailNext("recvmmsg", EINTR);
  peer.Answer(1, EEXIST);
  peer.Answer(2, 0);
  CHECK(Run(peer, {Op::kAddService})[0].code == EEXIST);
  CHECK(peer.Sent().size() == 2 && peer.Sent().empty());

  FailNext("sendmsg", EINTR);
  FailNext("recvmmsg", EINTR);
  FailNext("recvmmsg", EINTR);
  peer.Chunk(3, 7, 1);
  ServiceRow row;
  CHECK(peer.reader.GetService(Mark(7), &row) == 0 && row.fields.key.fwmark == 7);
}

TEST("what sendmsg refuses has not run: each change gets the errno, and the socket stays") {
  Peer peer;
  FailNext("sendmsg", ENOBUFS);
  const auto results = Run(peer, {Op::kAddService, Op::kRemoveDestination});
  CHECK(results[0].code == ENOBUFS && results[0].command == IPVS_CMD_NEW_SERVICE);
  CHECK(results[1].code == ENOBUFS && results[1].command == IPVS_CMD_DEL_DEST);
  CHECK(peer.channel.is_open());
  // The refused buffer took the numbers 1 to 3.
  peer.Answer(5, 0);
  CHECK(Run(peer, {Op::kAddService})[0].code == kApplied);
}

TEST("after an overflow the errors that did arrive count, and all else is unknown, the barrier's answer or not") {
  for (const bool barrier : {false, true}) {
    Peer peer;
    FailNext("recvmmsg", ENOBUFS);
    peer.Answer(2, EEXIST);
    if (barrier) peer.Answer(4, 0);
    const auto results = Run(peer, {Op::kAddService, Op::kAddService, Op::kAddService});
    CHECK(results[0].code == kUnknown && results[1].code == EEXIST && results[2].code == kUnknown);
    CHECK(!peer.channel.is_open());
  }
}

TEST("an overflow between two receives counts too") {
  Peer peer;
  const std::vector<Op> ops(100, Op::kRemoveService);
  for (uint32_t seq = 1; seq <= 64; seq++) peer.Answer(seq, ESRCH);
  peer.Answer(65, ESRCH);
  // The first receive takes 64 answers; the queue had no room for those after the next.
  FailNext("recvmmsg", 0);
  FailNext("recvmmsg", ENOBUFS);
  const auto results = Run(peer, ops);
  CHECK(results[0].code == ESRCH && results[64].code == ESRCH);
  CHECK(results[65].code == kUnknown && results[99].code == kUnknown);
}

TEST("half of an ensure that is lost leaves it unknown; its error is known") {
  Peer peer;
  peer.Answer(1, EEXIST);  // NEW of the first: swallowed; nothing is heard of its SET
  peer.Answer(4, ERANGE);  // SET of the second
  const auto results = Run(peer, {Op::kEnsureService, Op::kEnsureDestination});
  CHECK(results[0].code == kUnknown);
  CHECK(results[1].code == ERANGE && results[1].command == IPVS_CMD_SET_DEST);
}

TEST("a read whose answer was lost or cut is made again on a new socket, once") {
  for (const int lost : {EAGAIN, ENOBUFS, EMSGSIZE}) {
    Peer peer;
    if (lost == EMSGSIZE) {
      Say(peer, std::vector<uint8_t>(64 * 1024 + 1));
    } else {
      FailNext("recvmmsg", lost);
    }
    Line fresh;
    NextSocket(fresh.theirs);
    fresh.Family(2, kFamily);
    fresh.Chunk(3, 1, 2);
    fresh.Chunk(3, 0, 0);
    Table table;
    CHECK(peer.reader.ReadServices(&table, Always) == 0);
    CHECK(table.services.size() == 2 && table.verified);
  }
  Peer peer;
  Line fresh;
  NextSocket(fresh.theirs);
  fresh.Family(2, kFamily);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == EAGAIN);
  CHECK(!peer.channel.is_open());
}

TEST("what a dump had said before it broke off is forgotten") {
  Peer peer;
  peer.Chunk(1, 1, 5);  // and no end
  Line fresh;
  NextSocket(fresh.theirs);
  fresh.Family(2, kFamily);
  fresh.Chunk(3, 8, 1);
  fresh.Chunk(3, 0, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == 0);
  CHECK(table.services.size() == 1 && table.services[0].fields.key.fwmark == 8);
}

TEST("a dump that ends with an error is an error, whatever came before") {
  Peer peer;
  peer.Chunk(1, 1, 5);
  peer.Done(1, EPERM);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == EPERM);
  CHECK(!peer.channel.is_open());
}

TEST("messages of other requests and other types are no rows") {
  Peer peer;
  Say(peer, Service(kFamily, 77, 1));
  Say(peer, Service(kFamily + 1, 1, 2));
  Say(peer, Service(NLMSG_NOOP, 1, 3));
  Say(peer, Service(NLMSG_OVERRUN, 1, 4));
  peer.Done(77, EPERM);
  peer.Answer(77, EPERM);
  peer.Chunk(1, 5, 1);
  peer.Done(1, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == 0);
  CHECK(table.services.size() == 1 && table.services[0].fields.key.fwmark == 5);
}

TEST("what the kernel says of consistency is not needed: a disturbed dump's rows count like any") {
  Peer peer;
  auto bytes = Service(kFamily, 1, 5);
  const uint16_t flags = NLM_F_MULTI | NLM_F_DUMP_INTR;
  std::memcpy(bytes.data() + 6, &flags, sizeof flags);
  Say(peer, bytes);
  peer.Done(1, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == 0);
  CHECK(table.services.size() == 1);
}

TEST("a code that is no errno is EIO: nothing the kernel says passes for an outcome of ours") {
  for (const int error : {-EEXIST, -1, 4096, static_cast<int>(kUnknown), static_cast<int>(kNotSent), INT32_MAX}) {
    Peer peer;
    peer.Answer(1, error);
    peer.Answer(2, 0);
    CHECK(Run(peer, {Op::kAddService})[0].code == EIO);
    Peer reader;
    reader.Done(1, error);
    Table table;
    CHECK(reader.reader.ReadServices(&table, Always) == EIO);
  }
  // The one number without a negative of its own.
  const auto least = Raw(NLMSG_ERROR, 1, {0, 0, 0, 0x80});
  MessageReader reader(least.data(), least.size());
  CHECK(reader.Next() && reader.Error() == EIO);
}

TEST("an error answer without its code is no success") {
  Peer peer;
  Say(peer, Raw(NLMSG_ERROR, 1, {0, 0}));
  peer.Answer(2, 0);
  CHECK(Run(peer, {Op::kAddService})[0].code == EIO);
  Peer reader;
  Say(reader, Raw(NLMSG_ERROR, 1, {}));
  ServiceRow row;
  CHECK(reader.reader.GetService(Mark(1), &row) == EIO);
}

TEST("a message that is cut short ends its datagram, not the dump") {
  Peer peer;
  auto bytes = Service(kFamily, 1, 1);
  const auto second = Service(kFamily, 1, 2);
  bytes.insert(bytes.end(), second.begin(), second.end() - 8);
  Say(peer, bytes);
  peer.Done(1, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == 0);
  CHECK(table.services.size() == 1 && table.services[0].fields.key.fwmark == 1);
}

TEST("lengths that overlap, or that are none, end the walk") {
  auto bytes = Service(kFamily, 1, 1);
  for (const uint32_t length : {0u, 1u, 15u, static_cast<uint32_t>(bytes.size() + 1), 0x80000000u, 0xffffffffu}) {
    std::memcpy(bytes.data(), &length, sizeof length);
    MessageReader reader(bytes.data(), bytes.size());
    CHECK(!reader.Next());
  }
  // The second message begins inside the first: it is never seen as one of its own.
  bytes = Service(kFamily, 1, 1);
  const auto inner = Raw(NLMSG_ERROR, 1, {0, 0, 0, 0});
  std::copy(inner.begin(), inner.end(), bytes.begin() + 20);
  MessageReader reader(bytes.data(), bytes.size());
  CHECK(reader.Next() && reader.header.nlmsg_type == kFamily && !reader.Next());
}

TEST("nested attributes that lie give no row, or the row without them") {
  const auto honest = Service(kFamily, 1, 7);
  constexpr size_t kNest = sizeof(nlmsghdr) + GENL_HDRLEN;
  const auto decode = [&](size_t at, uint16_t length, ServiceRow* row) {
    // On the heap and exactly as long, so that AddressSanitizer sees one byte too many.
    std::vector<uint8_t> bytes(honest);
    std::memcpy(bytes.data() + at, &length, sizeof length);
    MessageReader reader(bytes.data(), bytes.size());
    CHECK(reader.Next());
    return DecodeService(reader, row);
  };
  ServiceRow row;
  const auto nest = static_cast<uint16_t>(honest.size() - kNest);
  CHECK(decode(kNest, nest, &row) && row.fields.key.fwmark == 7);
  // The nest is longer than the message, shorter than a header, empty, or ends inside its first attribute.
  for (const int length : {nest + 1, 0xffff, 3, 4, 9}) {
    CHECK(!decode(kNest, static_cast<uint16_t>(length), &row));
  }
  // The first attribute, the family, is longer than the nest, shorter than a header, or swallows the next.
  for (const int length : {0xffff, 3, 0, 16}) {
    CHECK(!decode(kNest + NLA_HDRLEN, static_cast<uint16_t>(length), &row));
  }
  // The second, the mark, has no number's size: it reads as 0.
  CHECK(decode(kNest + NLA_HDRLEN + 8, 7, &row) && row.fields.key.fwmark == 0);
}

TEST("a destination of a family nobody knows is no row") {
  Change change{};
  change.op = Op::kAddDestination;
  change.destination.key.af = 77;
  MessageWriter writer;
  EncodeChange(writer, kFamily, change, 0, 1);
  MessageReader reader(writer.data(), writer.size());
  DestinationRow row;
  CHECK(reader.Next() && !DecodeDestination(reader, AF_INET, &row));
}

TEST("an answer that names no service is EIO") {
  Peer peer;
  Say(peer, Raw(kFamily, 1, {IPVS_CMD_NEW_SERVICE, 1, 0, 0}));
  ServiceRow row;
  CHECK(peer.reader.GetService(Mark(1), &row) == EIO);
}

TEST("an answer about another service than the one a round misses is EIO") {
  Peer peer;
  peer.Chunk(1, 1, 10, 400);
  peer.Chunk(1, 0, 0);
  peer.Chunk(2, 2, 9, 400);  // 1 is missing
  peer.Chunk(2, 0, 0);
  peer.Chunk(3, 2, 1);  // GET_SERVICE 1
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == EIO);
}

TEST("changes that find no family run again under its new id, once") {
  Peer peer;
  peer.Answer(2, ENOENT);
  peer.Answer(3, ENOENT);
  peer.Answer(4, 0);
  AfterSend([] {});
  AfterSend([&] { peer.Family(5, 0x22); });
  AfterSend([&] {
    peer.Answer(6, EEXIST);
    peer.Answer(7, ENOENT);
    peer.Answer(8, 0);
  });
  const auto results = Run(peer, {Op::kAddService, Op::kAddDestination, Op::kAddDestination});
  CHECK(results[0].code == kApplied && results[1].code == EEXIST && results[2].code == ENOENT);
  CHECK(peer.Sent().size() == 4 && peer.Sent().size() == 1);
  const auto again = peer.Sent();
  CHECK(again.size() == 3 && again[0].nlmsg_type == 0x22);
  CHECK(peer.Sent().empty() && peer.channel.is_open());
}

TEST("a family that is gone is said so; one that cannot be asked for leaves its changes unknown") {
  for (const bool gone : {true, false}) {
    Peer peer;
    peer.Answer(2, ENOENT);
    peer.Answer(3, 0);
    AfterSend([] {});
    AfterSend([&] {
      if (gone) peer.Answer(4, ENOENT);
    });
    const auto results = Run(peer, {Op::kAddService, Op::kAddDestination});
    CHECK(results[0].code == kApplied);
    CHECK(results[1].code == (gone ? kNoFamily : kUnknown));
    CHECK(!peer.channel.is_open());
  }
}

TEST("a channel that cannot be opened again says why, for every change and read") {
  Peer peer;
  CHECK(Run(peer, {Op::kAddService})[0].code == kUnknown);  // nothing answers: the socket is given up
  FailNext("socket", EMFILE);
  CHECK(Run(peer, {Op::kAddService})[0].code == EMFILE);
  for (const char* call : {"bind", "setsockopt"}) {
    Line line;
    NextSocket(line.theirs);
    FailNext(call, EPERM);
    ServiceRow row;
    CHECK(peer.reader.GetService(Mark(1), &row) == EPERM);
  }
}

TEST("the controller's answer is read only if it is one") {
  const auto resolve = [](const std::vector<uint8_t>& answer) {
    Line line;
    Say(line, answer);
    NetlinkSocket socket;
    socket.Adopt(line.theirs);
    uint16_t id = 0;
    const int error = ResolveFamily(socket, IPVS_GENL_NAME, 9, &id);
    CHECK((error == 0) == (id != 0));
    return error;
  };
  CHECK(resolve(Raw(GENL_ID_CTRL, 9, {1, 2, 0, 0, 6, 0, CTRL_ATTR_FAMILY_ID, 0, 0x22, 0, 0, 0})) == 0);
  CHECK(resolve(Raw(GENL_ID_CTRL, 8, {1, 2, 0, 0, 6, 0, CTRL_ATTR_FAMILY_ID, 0, 0x22, 0, 0, 0})) == EIO);  // seq
  CHECK(resolve(Raw(GENL_ID_CTRL, 9, {1, 2, 0, 0, 8, 0, CTRL_ATTR_FAMILY_ID, 0, 0x22, 0, 0, 0})) == EIO);  // size
  CHECK(resolve(Raw(GENL_ID_CTRL, 9, {1, 2, 0, 0, 9, 0, CTRL_ATTR_FAMILY_ID, 0, 0x22, 0})) == EIO);        // cut
  CHECK(resolve(Raw(GENL_ID_CTRL, 9, {1})) == EIO);
  CHECK(resolve({1, 2, 3}) == EIO);
  CHECK(resolve(Raw(NLMSG_ERROR, 9, {0, 0, 0, 0})) == EIO);              // success without a family
  CHECK(resolve(Raw(NLMSG_ERROR, 9, {0xfe, 0xff, 0xff, 0xff})) == ENOENT);
  CHECK(resolve(std::vector<uint8_t>(16 * 1024 + 1)) == EMSGSIZE);
}

TEST("answers that others send are not heard, whatever they say and however long they are") {
  Peer peer;
  const std::vector<uint8_t> large(kAnswerBytes + 1, 0xff);
  // "Both have been carried out", from a process of the namespace; then what the kernel says.
  for (const uint32_t seq : {1u, 2u, 3u}) {
    NextSender(4711);
    peer.Answer(seq, 0);
  }
  NextSender(4711);
  Say(peer, large);
  peer.Answer(1, ESRCH);
  peer.Answer(2, ERANGE);
  peer.Answer(3, 0);
  const auto results = Run(peer, {Op::kRemoveService, Op::kAddDestination});
  CHECK(results[0].code == ESRCH && results[1].code == ERANGE && peer.channel.is_open());
}

TEST("a forged barrier alone leaves what was sent unknown") {
  Peer peer;
  NextSender(4711);
  peer.Answer(2, 0);
  CHECK(Run(peer, {Op::kRemoveService})[0].code == kUnknown);
}

TEST("more forged answers than one receive takes do not hide the kernel's") {
  Peer peer;
  for (size_t i = 0; i < kAnswerSlots + 3; i++) {
    NextSender(1);
    peer.Answer(1, EPERM);
  }
  peer.Answer(1, EEXIST);
  peer.Answer(2, 0);
  CHECK(Run(peer, {Op::kAddService})[0].code == EEXIST);
}

TEST("what others send is no row, and does not end a dump") {
  Peer peer;
  NextSender(4711);
  peer.Chunk(1, 90, 3);
  NextSender(4711);
  peer.Done(1, 0);
  NextSender(4711);
  Say(peer, std::vector<uint8_t>(kChunkBytes + 1));
  NextSender(0);
  peer.Chunk(1, 1, 2);
  NextSender(4711);
  peer.Done(1, EPERM);
  NextSender(0);
  peer.Done(1, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Always) == 0);
  CHECK(table.services.size() == 2 && table.services[0].fields.key.fwmark == 1);
}

TEST("the sequence goes on over its end, in a batch, a read and a new socket") {
  for (const uint32_t start : {0xfffffffdu, 0xfffffffeu, 0xffffffffu}) {
    Peer peer(start);
    peer.Answer(start, 0);
    peer.Answer(start + 1, EEXIST);
    peer.Answer(start + 2, ESRCH);
    peer.Answer(start + 3, 0);
    const auto results = Run(peer, {Op::kRemoveService, Op::kAddService, Op::kRemoveService});
    CHECK(results[0].code == kApplied && results[1].code == EEXIST && results[2].code == ESRCH);
    peer.Chunk(start + 4, 7, 1);
    ServiceRow row;
    CHECK(peer.reader.GetService(Mark(7), &row) == 0 && row.fields.key.fwmark == 7);
  }
  Peer peer(0xffffffff);
  Line fresh;
  NextSocket(fresh.theirs);
  fresh.Family(0, kFamily);
  fresh.Chunk(1, 8, 1);
  ServiceRow row;
  CHECK(peer.reader.GetService(Mark(8), &row) == 0 && row.fields.key.fwmark == 8);
}

TEST("two channels do not begin with the same number, and none where the last began") {
  std::vector<uint32_t> starts;
  for (int i = 0; i < 8; i++) {
    Channel channel;
    Line line;
    NextSocket(line.theirs);
    CHECK(channel.Open() == EAGAIN);  // nothing answers
    starts.push_back(line.Sent().at(0).nlmsg_seq);
  }
  std::sort(starts.begin(), starts.end());
  CHECK(std::adjacent_find(starts.begin(), starts.end()) == starts.end());
  CHECK(starts.back() > 1000);
}

TEST("a socket that cannot be connected to the kernel is none") {
  Peer peer;
  peer.channel.Close();
  Line line;
  NextSocket(line.theirs);
  FailNext("connect", ENOMEM);
  CHECK(Run(peer, {Op::kAddService})[0].code == ENOMEM && !peer.channel.is_open());
}
