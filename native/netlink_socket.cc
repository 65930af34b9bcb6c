#include "netlink_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <unistd.h>

namespace ipvs {
namespace {

// A chunk this large keeps a failover's wait behind a bulk chunk to about a millisecond.
constexpr size_t kChunkMessages = 1024;
// Each error answer is charged to the receive buffer with at most this truesize (af_netlink.c: netlink_ack,
// kernel 6.1 to 7.2), and all of them are queued while we are still inside sendmsg.
constexpr size_t kAnswerTruesize = 1280;
constexpr int kReceiveBuffer = kChunkMessages * kAnswerTruesize + 8192;
constexpr int kSendBuffer = 512 * 1024;

// The FORCE twin lifts the sysctl limits; it needs the capability that IPVS itself needs.
void SetBuffer(int fd, int force, int plain, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof bytes) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
  }
}

size_t EffectiveBuffer(int fd, int option) {
  int bytes = 0;
  socklen_t length = sizeof bytes;
  if (getsockopt(fd, SOL_SOCKET, option, &bytes, &length) != 0) return 0;
  return static_cast<size_t>(bytes);
}

// The kernel's port is 0, which nobody else can have.
bool IsKernels(const msghdr& message) {
  const auto* sender = static_cast<const sockaddr_nl*>(message.msg_name);
  return message.msg_namelen == sizeof *sender && sender->nl_family == AF_NETLINK && sender->nl_pid == 0;
}

bool IsCut(const msghdr& message) { return (message.msg_flags & MSG_TRUNC) != 0; }

// As many datagrams as there are now, or a negative errno.
int ReceiveNow(int fd, mmsghdr* messages, size_t slots) {
  for (size_t i = 0; i < slots; i++) messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_nl);
  int count;
  do {
    count = recvmmsg(fd, messages, static_cast<unsigned>(slots), MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

}  // namespace

int NetlinkSocket::Open() {
  Close();
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
  if (fd < 0) return errno;
  // Errors then carry only the header of their request: smaller answers, more of them fit. A socket that is connected to the
  // kernel (port 0) takes nothing from others, so that they cannot fill it either (af_netlink.c: netlink_getsockbyportid).
  const int on = 1;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto* address = reinterpret_cast<const sockaddr*>(&kernel);
  if (setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) != 0 || bind(fd, address, sizeof kernel) != 0 ||
      connect(fd, address, sizeof kernel) != 0) {
    const int error = errno;
    close(fd);
    return error;
  }
  fd_ = fd;
  SizeBuffers();
  PrepareSlots();
  return 0;
}

void NetlinkSocket::SizeBuffers() {
  SetBuffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBuffer);
  SetBuffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
  const size_t receive = EffectiveBuffer(fd_, SO_RCVBUF);
  const size_t send = EffectiveBuffer(fd_, SO_SNDBUF);
  const size_t fits = receive > 16384 ? (receive - 4096) / kAnswerTruesize : 8;
  max_messages_ = std::min(fits, kChunkMessages);
  // sendmsg refuses more than SO_SNDBUF - 32 with EMSGSIZE (af_netlink.c: netlink_sendmsg).
  max_bytes_ = std::max<size_t>(send, 4096) - 1024;
}

void NetlinkSocket::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  chunk_ = chunk_count_ = 0;
}

void NetlinkSocket::PrepareSlots() {
  std::memset(messages_, 0, sizeof messages_);
  for (size_t i = 0; i < kAnswerSlots; i++) {
    parts_[i] = {answers_[i], kAnswerBytes};
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = &senders_[i];
  }
}

void NetlinkSocket::Adopt(int fd) {
  Close();
  PrepareSlots();
  fd_ = fd;
}

int NetlinkSocket::Send(const uint8_t* data, size_t size) {
  // No destination address: the default peer is the kernel, and naming it would skip the check of the opener's
  // credentials (af_netlink.c: NETLINK_SKB_DST).
  iovec part{const_cast<uint8_t*>(data), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t sent;
  do {
    sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

ssize_t NetlinkSocket::Receive(uint8_t* data, size_t size) {
  while (chunk_ == chunk_count_) {
    const int error = Fill();
    if (error != 0) return -error;
  }
  const int slot = chunk_++;
  const size_t received = chunk_sizes_[slot];
  if (received > size) return -EMSGSIZE;
  std::memcpy(data, chunks_.get() + static_cast<size_t>(slot) * kChunkBytes, received);
  return static_cast<ssize_t>(received);
}

// Those of the kernel's move up: chunks_ has no gaps.
int NetlinkSocket::Fill() {
  // Not zeroed: pages that no chunk reaches cost nothing.
  if (chunks_ == nullptr) chunks_.reset(new uint8_t[kChunkSlots * kChunkBytes]);
  chunk_ = chunk_count_ = 0;
  mmsghdr messages[kChunkSlots];
  iovec parts[kChunkSlots];
  sockaddr_nl senders[kChunkSlots];
  std::memset(messages, 0, sizeof messages);
  for (size_t i = 0; i < kChunkSlots; i++) {
    parts[i] = {chunks_.get() + i * kChunkBytes, kChunkBytes};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &senders[i];
  }
  const int count = ReceiveNow(fd_, messages, kChunkSlots);
  if (count < 0) return -count;
  for (int i = 0; i < count; i++) {
    if (!IsKernels(messages[i].msg_hdr)) continue;
    const int to = chunk_count_++;
    // A cut one fits into nobody's buffer.
    chunk_sizes_[to] = IsCut(messages[i].msg_hdr) ? SIZE_MAX : messages[i].msg_len;
    if (to != i) std::memcpy(parts[to].iov_base, parts[i].iov_base, messages[i].msg_len);
  }
  return 0;
}

int NetlinkSocket::ReceiveMany() {
  const int count = ReceiveNow(fd_, messages_, kAnswerSlots);
  if (count < 0) return count;
  int kept = 0;
  for (int i = 0; i < count; i++) {
    if (!IsKernels(messages_[i].msg_hdr)) continue;
    if (IsCut(messages_[i].msg_hdr)) return -EMSGSIZE;
    slots_[kept++] = i;
  }
  return kept;
}

}  // namespace ipvs
