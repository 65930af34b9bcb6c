#include "genl.h"

#include <cerrno>

namespace ipvs {
namespace {

constexpr int32_t kMaxErrno = 4095;  // linux/err.h: MAX_ERRNO

}  // namespace

uint8_t* MessageWriter::Grow(size_t bytes) {
  const size_t padded = NLMSG_ALIGN(bytes);
  if (buffer_.size() < size_ + padded) buffer_.resize((size_ + padded) * 2);
  uint8_t* at = buffer_.data() + size_;
  if (padded != bytes) std::memset(at + bytes, 0, padded - bytes);
  size_ += padded;
  return at;
}

void MessageWriter::Begin(uint16_t type, uint16_t flags, uint32_t seq) {
  message_ = size_;
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = seq;
  std::memcpy(Grow(sizeof header), &header, sizeof header);
}

void MessageWriter::BeginGenl(uint16_t family, uint8_t command, uint16_t flags, uint32_t seq) {
  Begin(family, flags, seq);
  genlmsghdr header{};
  header.cmd = command;
  header.version = 1;
  std::memcpy(Grow(sizeof header), &header, sizeof header);
}

void MessageWriter::End() {
  const uint32_t length = static_cast<uint32_t>(size_ - message_);
  std::memcpy(buffer_.data() + message_, &length, sizeof length);
}

void MessageWriter::Barrier(uint32_t seq) {
  Begin(NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, seq);
  End();
}

void MessageWriter::Put(uint16_t type, const void* value, size_t size) {
  nlattr header{};
  header.nla_len = static_cast<uint16_t>(NLA_HDRLEN + size);
  header.nla_type = type;
  uint8_t* at = Grow(NLA_HDRLEN + size);
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + NLA_HDRLEN, value, size);
}

void MessageWriter::PutString(uint16_t type, const char* value, size_t max) {
  char copy[64] = {};
  const size_t length = strnlen(value, max < sizeof copy ? max : sizeof copy - 1);
  std::memcpy(copy, value, length);
  Put(type, copy, length + 1);
}

size_t MessageWriter::BeginNest(uint16_t type) {
  const size_t nest = size_;
  nlattr header{};
  header.nla_type = static_cast<uint16_t>(type | NLA_F_NESTED);
  std::memcpy(Grow(NLA_HDRLEN), &header, sizeof header);
  return nest;
}

void MessageWriter::EndNest(size_t nest) {
  const uint16_t length = static_cast<uint16_t>(size_ - nest);
  std::memcpy(buffer_.data() + nest, &length, sizeof length);
}

bool AttributeReader::Next() {
  const size_t left = static_cast<size_t>(end - at);
  if (left < NLA_HDRLEN) return false;
  nlattr header;
  std::memcpy(&header, at, sizeof header);
  if (header.nla_len < NLA_HDRLEN || header.nla_len > left) return false;
  type = header.nla_type & NLA_TYPE_MASK;
  value = at + NLA_HDRLEN;
  size = header.nla_len - NLA_HDRLEN;
  const size_t step = NLA_ALIGN(header.nla_len);
  at = step > left ? end : at + step;
  return true;
}

uint16_t AttributeReader::U16() const {
  uint16_t number = 0;
  if (size == sizeof number) std::memcpy(&number, value, sizeof number);
  return number;
}

uint32_t AttributeReader::U32() const {
  uint32_t number = 0;
  if (size == sizeof number) std::memcpy(&number, value, sizeof number);
  return number;
}

uint64_t AttributeReader::U64() const {
  uint64_t number = 0;
  if (size == sizeof number) std::memcpy(&number, value, sizeof number);
  return number;
}

uint64_t AttributeReader::Unsigned() const { return size == sizeof(uint64_t) ? U64() : U32(); }

bool MessageReader::Next() {
  const size_t left = static_cast<size_t>(end - at);
  if (left < sizeof header) return false;
  std::memcpy(&header, at, sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > left) return false;
  payload = at + sizeof header;
  size = header.nlmsg_len - sizeof header;
  const size_t step = NLMSG_ALIGN(header.nlmsg_len);
  at = step > left ? end : at + step;
  return true;
}

int MessageReader::Error() const {
  int32_t error = 0;
  if (size >= sizeof error) {
    std::memcpy(&error, payload, sizeof error);
  } else if (header.nlmsg_type == NLMSG_ERROR) {
    return EIO;  // an answer without its code is no success
  }
  // What no errno can be must not pass for an outcome of ours.
  return error > 0 || error < -kMaxErrno ? EIO : -error;
}

int ResolveFamily(NetlinkSocket& socket, const char* name, uint32_t seq, uint16_t* id) {
  MessageWriter writer;
  writer.BeginGenl(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_REQUEST, seq);
  writer.PutString(CTRL_ATTR_FAMILY_NAME, name, GENL_NAMSIZ);
  writer.End();
  const int error = socket.Send(writer.data(), writer.size());
  if (error != 0) return error;
  // The answer lists every command of the family: a few kilobytes.
  std::vector<uint8_t> reply(16 * 1024);
  const ssize_t received = socket.Receive(reply.data(), reply.size());
  if (received < 0) return static_cast<int>(-received);
  MessageReader message(reply.data(), static_cast<size_t>(received));
  if (!message.Next() || message.header.nlmsg_seq != seq) return EIO;
  if (message.header.nlmsg_type == NLMSG_ERROR) return message.Error() == 0 ? EIO : message.Error();
  if (message.size < GENL_HDRLEN) return EIO;
  AttributeReader attribute(message.payload + GENL_HDRLEN, message.size - GENL_HDRLEN);
  while (attribute.Next()) {
    if (attribute.type == CTRL_ATTR_FAMILY_ID && attribute.size == sizeof(uint16_t)) {
      *id = attribute.U16();
      return 0;
    }
  }
  return EIO;
}

}  // namespace ipvs
