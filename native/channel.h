// One conversation with IPVS: a socket, the family's id and the sequence. Runs batches and asks; holds no thread.
#pragma once

#include <functional>
#include <vector>

#include "genl.h"
#include "ipvs_codec.h"
#include "netlink_socket.h"
#include "record.h"

namespace ipvs {

class Channel {
 public:
  Channel();

  // Opens the socket in the calling thread's namespace and finds the family. 0 or an errno.
  int Open();
  void Close() { socket_.Close(); }
  bool is_open() const { return socket_.is_open(); }
  // Tests: speak to a scripted peer, from this sequence number on.
  void Adopt(int fd, uint16_t family, uint32_t seq = 1);

  // What fits into one batch.
  size_t max_messages() const { return socket_.max_messages() - 1; }  // one is the barrier
  size_t max_changes_bytes() const { return socket_.max_bytes() - 64; }

  // Runs changes in order with one sendmsg; at most max_messages() messages and max_changes_bytes(). results[i] tells of changes[i].
  void Run(const Change* const* changes, size_t count, Result* results);

  // Writes the one message of a request.
  using Encode = std::function<void(MessageWriter&, uint16_t family, uint32_t seq)>;
  using OnMessage = std::function<void(const MessageReader&)>;
  // Sends a request and walks its replies, once more after a lost answer or a reloaded module: then what was said before counts
  // no more, and `encode` is called again. Every socket that failed is replaced. 0 or an errno.
  int Ask(bool dump, const Encode& encode, const OnMessage& on_message);

  // Of the last dump: how it came.
  size_t dump_chunks() const { return dump_chunks_; }
  size_t dump_bytes() const { return dump_bytes_; }

 private:
  // One message of the batch under way, in sending order.
  struct Sent {
    uint32_t change;
    int message;
    int error;  // as the kernel gave it; 0 until an error comes
  };

  void EncodeBatch(const Change* const* changes, size_t count);
  bool Collect();
  bool File(int count);
  uint32_t FamilyLostFrom(uint32_t count) const;
  int Exchange(bool dump, const OnMessage& on_message);

  NetlinkSocket socket_;
  uint16_t family_ = 0;
  uint32_t seq_;
  uint32_t first_seq_ = 0;  // of the batch under way
  MessageWriter writer_;
  std::vector<Sent> sent_;
  std::vector<uint8_t> receive_;
  size_t dump_chunks_ = 0;
  size_t dump_bytes_ = 0;
};

}  // namespace ipvs
