// A scripted peer: the answers are laid into the socket before the request is sent, as the kernel does.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "../channel.h"
#include "../table_reader.h"
#include "check.h"

inline constexpr uint16_t kFamily = 0x1b;

// Both ends of a socket; `theirs` belongs to whoever is given it.
struct Line {
  int ours = -1;
  int theirs = -1;

  Line() {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    ours = pair[0];
    theirs = pair[1];
  }
  ~Line() { close(ours); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

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

  // The controller's answer to who has the family's name.
  void Family(uint32_t seq, uint16_t id) {
    ipvs::MessageWriter writer;
    writer.BeginGenl(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, 0, seq);
    writer.PutU16(CTRL_ATTR_FAMILY_ID, id);
    writer.End();
    Say(writer.data(), writer.size());
  }

  // The end of a dump, with the error it ended with.
  void Done(uint32_t seq, int error) {
    struct {
      nlmsghdr header;
      int32_t error;
    } done{};
    done.header.nlmsg_len = sizeof done;
    done.header.nlmsg_type = NLMSG_DONE;
    done.header.nlmsg_flags = NLM_F_MULTI;
    done.header.nlmsg_seq = seq;
    done.error = -error;
    Say(&done, sizeof done);
  }

  // One datagram of a dump: `count` services from `first` on, each padded to `bytes`; or, without any, its end.
  void Chunk(uint32_t seq, uint32_t first, uint32_t count, size_t bytes = 0) {
    ipvs::MessageWriter writer;
    for (uint32_t i = first; i < first + count; i++) {
      ipvs::Change change{};
      change.op = ipvs::Op::kAddService;
      change.service.key.af = AF_INET;
      change.service.key.fwmark = i;
      const size_t start = writer.size();
      ipvs::EncodeChange(writer, kFamily, change, 0, seq);
      if (writer.size() - start >= bytes) continue;
      // An attribute nobody knows, as a newer kernel may send.
      const std::vector<uint8_t> padding(bytes - (writer.size() - start) - NLA_HDRLEN);
      writer.Put(99, padding.data(), padding.size());
      writer.End();
    }
    if (count == 0) {
      writer.Begin(NLMSG_DONE, NLM_F_MULTI, seq);
      writer.End();
    }
    Say(writer.data(), writer.size());
  }

  // The messages that the channel sent in one buffer.
  std::vector<nlmsghdr> Sent() {
    std::vector<uint8_t> buffer(1 << 20);
    const ssize_t size = recv(ours, buffer.data(), buffer.size(), MSG_DONTWAIT);
    std::vector<nlmsghdr> headers;
    if (size <= 0) return headers;
    ipvs::MessageReader reader(buffer.data(), static_cast<size_t>(size));
    while (reader.Next()) headers.push_back(reader.header);
    return headers;
  }
};

// The first sequence number is 1, unless a test says otherwise, and each message takes the next.
struct Peer : Line {
  ipvs::Channel channel;
  ipvs::TableReader reader{&channel};
  explicit Peer(uint32_t seq = 1) { channel.Adopt(theirs, kFamily, seq); }
};

inline std::vector<ipvs::Result> Run(Peer& peer, const std::vector<ipvs::Op>& ops) {
  std::vector<ipvs::Change> changes(ops.size());
  std::vector<const ipvs::Change*> pointers;
  for (size_t i = 0; i < ops.size(); i++) {
    changes[i].op = ops[i];
    changes[i].service.key.af = AF_INET;
    changes[i].destination.key.af = AF_INET;
    pointers.push_back(&changes[i]);
  }
  std::vector<ipvs::Result> results(ops.size());
  peer.channel.Run(pointers.data(), pointers.size(), results.data());
  return results;
}
