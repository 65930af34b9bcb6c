// Owns one generic-netlink socket: open, send one buffer, receive its answers. Knows nothing of IPVS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace ipvs {

// Answers of a batch are capped to 36 bytes each (NETLINK_CAP_ACK); a slot leaves room for more.
constexpr size_t kAnswerSlots = 64;
constexpr size_t kAnswerBytes = 128;

// The kernel caps a chunk of a dump at 32 KiB (af_netlink.c: netlink_dump).
constexpr size_t kChunkSlots = 4;
constexpr size_t kChunkBytes = 64 * 1024;

class NetlinkSocket {
 public:
  NetlinkSocket() = default;
  ~NetlinkSocket() { Close(); }
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  // Opens in the calling thread's network namespace, where the socket stays for ever. 0 or an errno.
  int Open();
  void Close();
  // Takes ownership of a descriptor: tests hand in one end of a socket pair.
  void Adopt(int fd);
  bool is_open() const { return fd_ >= 0; }

  // Hands one buffer to the kernel, which runs all of its messages before this returns. 0 or an errno.
  int Send(const uint8_t* data, size_t size);

  // Only the kernel's datagrams are received: whoever owns the namespace can send some too.

  // Receives one datagram. The kernel has queued every answer before Send returned, so this never waits:
  // EAGAIN means that an answer was lost. Takes several at a time: a dump goes on while its chunks are received, and a
  // small one is then one system call, not two. Returns the size, or a negative errno; EMSGSIZE for a cut datagram.
  ssize_t Receive(uint8_t* data, size_t size);

  // Receives up to kAnswerSlots datagrams with one system call: how many, or a negative errno.
  int ReceiveMany();
  const uint8_t* answer(int number) const { return answers_[slots_[number]]; }
  size_t answer_size(int number) const { return messages_[slots_[number]].msg_len; }

  // Limits of one buffer, from the effective socket buffers (see netlink_socket.cc).
  size_t max_messages() const { return max_messages_; }
  size_t max_bytes() const { return max_bytes_; }

 private:
  void SizeBuffers();
  void PrepareSlots();
  int Fill();

  int fd_ = -1;
  size_t max_messages_ = 128;
  size_t max_bytes_ = 64 * 1024;
  uint8_t answers_[kAnswerSlots][kAnswerBytes];
  int slots_[kAnswerSlots];  // of the answers that count
  // Prepared once: the kernel changes lengths and flags of them only, and says who sent each.
  mmsghdr messages_[kAnswerSlots];
  iovec parts_[kAnswerSlots];
  sockaddr_nl senders_[kAnswerSlots];
  // What Receive has not handed out yet.
  std::unique_ptr<uint8_t[]> chunks_;
  size_t chunk_sizes_[kChunkSlots];
  int chunk_ = 0;
  int chunk_count_ = 0;
};

}  // namespace ipvs
