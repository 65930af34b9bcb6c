// Generic-netlink framing: writing messages and attributes into a reused buffer, walking replies, finding a family.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "netlink_socket.h"

namespace ipvs {

// Builds the messages of one sendmsg. The buffer only grows, so a steady load allocates nothing.
class MessageWriter {
 public:
  void Clear() { size_ = 0; }
  const uint8_t* data() const { return buffer_.data(); }
  size_t size() const { return size_; }

  void Begin(uint16_t type, uint16_t flags, uint32_t seq);
  void BeginGenl(uint16_t family, uint8_t command, uint16_t flags, uint32_t seq);
  void End();
  // A message that no family handles: answered with error 0 once all before it have run (af_netlink.c:
  // netlink_rcv_skb). It closes every batch.
  void Barrier(uint32_t seq);

  void Put(uint16_t type, const void* value, size_t size);
  void PutU16(uint16_t type, uint16_t value) { Put(type, &value, sizeof value); }
  void PutU32(uint16_t type, uint32_t value) { Put(type, &value, sizeof value); }
  void PutU8(uint16_t type, uint8_t value) { Put(type, &value, sizeof value); }
  // With its NUL, which the kernel insists on.
  void PutString(uint16_t type, const char* value, size_t max);
  size_t BeginNest(uint16_t type);
  void EndNest(size_t nest);

 private:
  uint8_t* Grow(size_t bytes);

  std::vector<uint8_t> buffer_;
  size_t size_ = 0;
  size_t message_ = 0;
};

// One attribute of a reply; `next` walks its siblings. Never reads outside [at, end).
struct AttributeReader {
  const uint8_t* at;
  const uint8_t* end;
  uint16_t type = 0;
  const uint8_t* value = nullptr;
  size_t size = 0;

  AttributeReader(const uint8_t* data, size_t length) : at(data), end(data + length) {}
  bool Next();
  // Integers of an unexpected size read as 0.
  uint16_t U16() const;
  uint32_t U32() const;
  uint64_t U64() const;
  uint64_t Unsigned() const;
};

// Walks the messages of one datagram. Stops at a length that does not fit.
struct MessageReader {
  const uint8_t* at;
  const uint8_t* end;
  nlmsghdr header{};
  const uint8_t* payload = nullptr;
  size_t size = 0;

  MessageReader(const uint8_t* data, size_t length) : at(data), end(data + length) {}
  bool Next();
  // The errno of an NLMSG_ERROR or NLMSG_DONE message, 0 for success; EIO for a code that is none, or an error without.
  int Error() const;
};

// Asks the controller for a family's id; loading its module may make this wait. 0 or an errno: ENOENT if there is
// no such family, EIO for an answer that cannot be read.
int ResolveFamily(NetlinkSocket& socket, const char* name, uint32_t seq, uint16_t* id);

}  // namespace ipvs
