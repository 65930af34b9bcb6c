// A channel against a scripted peer: the answers are laid into the socket before the request is sent, as the kernel does.
#include <linux/ip_vs.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "../channel.h"
#include "check.h"

using namespace ipvs;

namespace {

constexpr uint16_t kFamily = 0x1b;

// The first sequence number of a channel is 1, and each message takes the next.
struct Peer {
  int ours = -1;
  Channel channel;

  Peer() {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    ours = pair[0];
    channel.Adopt(pair[1], kFamily);
  }
  ~Peer() { close(ours); }

  void Say(const void* data, size_t size) { CHECK(write(ours, data, size) == static_cast<ssize_t>(size)); }

  void Answer(uint32_t seq, int error) {
    struct {
      nlmsghdr header;
      int32_t error;
      nlmsghdr request;
    } answer{};
    answer.header.nlmsg_len = sizeof answer;
    answer.header.nlmsg_type = NLMSG_ERROR;
    answer.header.nlmsg_seq = seq;
    answer.error = -error;
    Say(&answer, sizeof answer);
  }

  // The messages that the channel sent in one buffer.
  std::vector<nlmsghdr> Sent() {
    std::vector<uint8_t> buffer(1 << 20);
    const ssize_t size = recv(ours, buffer.data(), buffer.size(), MSG_DONTWAIT);
    std::vector<nlmsghdr> headers;
    if (size <= 0) return headers;
    MessageReader reader(buffer.data(), static_cast<size_t>(size));
    while (reader.Next()) headers.push_back(reader.header);
    return headers;
  }
};

std::vector<Result> Run(Peer& peer, const std::vector<Op>& ops) {
  std::vector<Change> changes(ops.size());
  std::vector<const Change*> pointers;
  for (size_t i = 0; i < ops.size(); i++) {
    changes[i].op = ops[i];
    changes[i].service.key.af = AF_INET;
    changes[i].destination.key.af = AF_INET;
    pointers.push_back(&changes[i]);
  }
  std::vector<Result> results(ops.size());
  peer.channel.Run(pointers.data(), pointers.size(), results.data());
  return results;
}

}  // namespace

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
  std::vector<uint8_t> long_answer(kAnswerBytes + 1);
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
