// A channel against a scripted peer.
#include <linux/ip_vs.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "../channel.h"
#include "check.h"
#include "peer.h"

using namespace ipvs;

TEST("one buffer holds all messages and, last, the barrier, the only one with an ack") {
  Peer peer;
  peer.Answer(3, 0);
  const auto results = Run(peer, {Op::kAddDestination, Op::kAddDestination});
  CHECK(results[0].code == kApplied && results[1].code == kApplied);
  const auto sent = peer.Sent();
  CHECK(sent.size() == 3);
  CHECK(sent[0].nlmsg_type == kFamily && (sent[0].nlmsg_flags & NLM_F_ACK) == 0);
  CHECK(sent[2].nlmsg_type == NLMSG_NOOP && (sent[2].nlmsg_flags & NLM_F_ACK) != 0);
  CHECK(peer.Sent().empty());
}

TEST("each error goes to its own change, with the command that failed") {
  Peer peer;
  peer.Answer(2, ESRCH);   // remove-service
  peer.Answer(3, EEXIST);  // ensure-destination: NEW, swallowed
  peer.Answer(4, ERANGE);  // ensure-destination: SET
  peer.Answer(6, 0);
  const auto results =
      Run(peer, {Op::kAddService, Op::kRemoveService, Op::kEnsureDestination, Op::kEnsureNoDestination});
  CHECK(results[0].code == kApplied);
  CHECK(results[1].code == ESRCH && results[1].command == IPVS_CMD_DEL_SERVICE);
  CHECK(results[2].code == ERANGE && results[2].command == IPVS_CMD_SET_DEST);
  CHECK(results[3].code == kApplied);
}

TEST("without the barrier's answer, what has no error is unknown, and the socket is given up") {
  Peer peer;
  peer.Answer(1, EEXIST);
  const auto results = Run(peer, {Op::kAddService, Op::kAddDestination});
  CHECK(results[0].code == EEXIST);
  CHECK(results[1].code == kUnknown);
  CHECK(!peer.channel.is_open());
}

TEST("stray, foreign and garbled answers settle nothing") {
  Peer peer;
  peer.Answer(77, EPERM);
  peer.Say("garbage", 7);
  nlmsghdr liar{};
  liar.nlmsg_len = 0xffffff;
  liar.nlmsg_type = NLMSG_ERROR;
  peer.Say(&liar, sizeof liar);
  peer.Answer(2, 0);
  CHECK(Run(peer, {Op::kAddService})[0].code == kApplied);
}

TEST("a cut answer counts as a lost one") {
  Peer peer;
  // It begins like the barrier's answer, but nobody knows what else it says.
  nlmsghdr header{};
  header.nlmsg_len = sizeof header + sizeof(nlmsgerr);
  header.nlmsg_type = NLMSG_ERROR;
  header.nlmsg_seq = 2;
  std::vector<uint8_t> long_answer(kAnswerBytes + 1);
  std::memcpy(long_answer.data(), &header, sizeof header);
  peer.Say(long_answer.data(), long_answer.size());
  CHECK(Run(peer, {Op::kAddService})[0].code == kUnknown);
}

TEST("more errors than one receive takes all arrive") {
  Peer peer;
  const std::vector<Op> ops(100, Op::kRemoveService);
  for (uint32_t seq = 1; seq <= 100; seq++) peer.Answer(seq, ESRCH);
  peer.Answer(101, 0);
  for (const Result& result : Run(peer, ops)) CHECK(result.code == ESRCH);
}

namespace {

bool Yes() { return true; }

std::vector<uint32_t> Marks(const Table& table) {
  std::vector<uint32_t> marks;
  for (const ServiceRow& row : table.services) marks.push_back(row.fields.key.fwmark);
  return marks;
}

}  // namespace

TEST("a dump that fits into one chunk with room to spare is whole") {
  Peer peer;
  peer.Chunk(1, 1, 3);
  peer.Chunk(1, 0, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Yes) == 0);
  CHECK(Marks(table) == std::vector<uint32_t>({1, 2, 3}));
  CHECK(table.verified && table.attempts == 1);
}

TEST("one full chunk may be a cut dump: it is taken again, and a second that agrees settles it") {
  Peer peer;
  for (uint32_t seq = 1; seq <= 2; seq++) {
    peer.Chunk(seq, 1, 10, 400);
    peer.Chunk(seq, 0, 0);
  }
  Table table;
  CHECK(peer.reader.ReadServices(&table, Yes) == 0);
  CHECK(table.services.size() == 10 && table.verified && table.attempts == 2);
}

TEST("what a round misses is asked for by name, what it adds needs another round") {
  Peer peer;
  peer.Chunk(1, 1, 10, 400);
  peer.Chunk(1, 0, 0);
  // Second round: 1 is missing, 11 is new.
  peer.Chunk(2, 2, 10, 400);
  peer.Chunk(2, 0, 0);
  peer.Chunk(3, 1, 1);  // GET_SERVICE 1: still there
  // Third round: nothing new; 2 is missing, and gone.
  peer.Chunk(4, 1, 1, 400);
  peer.Chunk(4, 3, 9, 400);
  peer.Chunk(4, 0, 0);
  peer.Answer(5, ESRCH);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Yes) == 0);
  CHECK(table.verified && table.attempts == 3);
  CHECK(Marks(table) == std::vector<uint32_t>({1, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST("a round that misses what is still there proves nothing: another is needed") {
  Peer peer;
  peer.Chunk(1, 1, 10, 400);
  peer.Chunk(1, 0, 0);
  peer.Chunk(2, 2, 9, 400);  // 1 is missing
  peer.Chunk(2, 0, 0);
  peer.Chunk(3, 1, 1);  // GET_SERVICE 1: still there
  peer.Chunk(4, 1, 10, 400);
  peer.Chunk(4, 0, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, Yes) == 0);
  CHECK(table.verified && table.attempts == 3 && table.services.size() == 10);
}

TEST("a table that never stands still is read five times, and not called verified") {
  Peer peer;
  uint32_t seq = 1;
  for (uint32_t round = 0; round < 5; round++) {
    peer.Chunk(seq, 1, 10 + round, 400);
    peer.Chunk(seq++, 0, 0);
  }
  Table table;
  CHECK(peer.reader.ReadServices(&table, Yes) == 0);
  CHECK(!table.verified && table.attempts == 5 && table.services.size() == 14);
}

TEST("a read that nobody waits for any more ends between two dumps") {
  Peer peer;
  peer.Chunk(1, 1, 10, 400);
  peer.Chunk(1, 0, 0);
  Table table;
  CHECK(peer.reader.ReadServices(&table, [] { return false; }) == ECANCELED);
}
