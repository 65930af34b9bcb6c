#include "preloaded_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/netlink.h>

#include "../genl.h"
#include "../netlink_socket.h"
#include "invariants.h"

// What a receive did not fill must not be read. Without AddressSanitizer nothing watches.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WATCHED
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

namespace ipvs {
namespace fuzz {
namespace {

constexpr size_t kMostAgains = 32;

struct Script {
  std::vector<Item> items;
  size_t next = 0;
  size_t agains = 0;
  // Of the last send.
  uint32_t first_seq = 0;
  uint32_t messages = 0;
  size_t barriers = 0;
  // Every item is good for a bounded number of calls: more of them are an endless loop.
  size_t calls = 0;
  size_t taken = 0;
};

Script script;

// The next item, or nullptr at the end.
const Item* Peek() {
  while (script.next < script.items.size()) {
    const Item& item = script.items[script.next];
    if (item.kind != Kind::kAgain) return &item;
    const size_t back = std::min<size_t>(item.argument, script.next);
    if (back == 0 || script.agains == kMostAgains) {
      script.next++;
    } else {
      script.agains++;
      script.next -= back;
    }
  }
  return nullptr;
}

const Item* Take(Kind kind) {
  const Item* item = Peek();
  if (item == nullptr || item->kind != kind) return nullptr;
  script.next++;
  script.taken++;
  return item;
}

void CountCall() {
  script.calls++;
  MUST(script.calls <= 64 + 16 * script.taken);
}

int ErrnoOf(const Item& item) { return item.argument == 0 ? EAGAIN : item.argument; }

int FailureOf(Kind kind) {
  const Item* item = Take(kind);
  return item == nullptr ? 0 : ErrnoOf(*item);
}

// Like recvmsg: the size, or a negative errno. Bytes that do not fit are cut, which the flag tells.
ssize_t Deliver(uint8_t* data, size_t size, bool* cut) {
  ASAN_UNPOISON_MEMORY_REGION(data, size);
  if (const int error = FailureOf(Kind::kReceiveError); error != 0) return -error;
  const Item* item = Take(Kind::kDatagram);
  if (item == nullptr) return -EAGAIN;
  const size_t filled = std::min(item->size, size);
  *cut = item->size > size || (item->argument & kCut) != 0;
  std::memcpy(data, item->data, filled);
  // Found by hand, not by MessageReader, which is under test: as far as the lengths hold.
  for (size_t at = 0; filled - at >= sizeof(nlmsghdr);) {
    nlmsghdr header;
    std::memcpy(&header, data + at, sizeof header);
    if ((item->argument & kRelative) != 0) header.nlmsg_seq += script.first_seq;
    if ((item->argument & kOurs) != 0 && header.nlmsg_type >= NLMSG_MIN_TYPE) header.nlmsg_type = kFamily;
    std::memcpy(data + at, &header, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > filled - at) break;
    if (!*cut && header.nlmsg_type == NLMSG_ERROR && header.nlmsg_seq == script.first_seq + script.messages - 1) {
      script.barriers++;
    }
    at = std::min<size_t>(filled, at + NLMSG_ALIGN(header.nlmsg_len));
  }
  ASAN_POISON_MEMORY_REGION(data + filled, size - filled);
  return static_cast<ssize_t>(filled);
}

}  // namespace

std::vector<Item> ParseItems(const uint8_t* data, size_t size) {
  std::vector<Item> items;
  while (size >= 4) {
    Item item{static_cast<Kind>(data[0] % kKinds), data[1], data + 4, 0};
    item.size = std::min<size_t>(size - 4, data[2] | data[3] << 8);
    data += 4 + item.size;
    size -= 4 + item.size;
    items.push_back(item);
  }
  return items;
}

void Preload(std::vector<Item> items) {
  script = Script{};
  script.items = std::move(items);
}

size_t BarriersAnswered() { return script.barriers; }

}  // namespace fuzz

using fuzz::script;

int NetlinkSocket::Open() {
  Close();
  fuzz::CountCall();
  const int error = fuzz::FailureOf(fuzz::Kind::kOpenError);
  if (error == 0) fd_ = 0;
  return error;
}

void NetlinkSocket::Close() { fd_ = -1; }

void NetlinkSocket::Adopt(int fd) { fd_ = fd; }

int NetlinkSocket::Send(const uint8_t* data, size_t size) {
  MUST(is_open());
  fuzz::CountCall();
  const int error = fuzz::FailureOf(fuzz::Kind::kSendError);
  if (error != 0) return error;
  (void)fuzz::Take(fuzz::Kind::kWait);
  // What is sent consists of whole messages, numbered one after the other.
  script.messages = 0;
  for (size_t at = 0; at < size; script.messages++) {
    nlmsghdr header;
    MUST(size - at >= sizeof header);
    std::memcpy(&header, data + at, sizeof header);
    MUST(header.nlmsg_len >= sizeof header && NLMSG_ALIGN(header.nlmsg_len) <= size - at);
    if (at == 0) script.first_seq = header.nlmsg_seq;
    MUST(header.nlmsg_seq == script.first_seq + script.messages);
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  MUST(script.messages > 0);
  return 0;
}

ssize_t NetlinkSocket::Receive(uint8_t* data, size_t size) {
  MUST(is_open());
  fuzz::CountCall();
  bool cut = false;
  const ssize_t received = fuzz::Deliver(data, size, &cut);
  return cut ? -EMSGSIZE : received;
}

int NetlinkSocket::ReceiveMany() {
  MUST(is_open());
  fuzz::CountCall();
  int count = 0;
  for (; count < static_cast<int>(kAnswerSlots); count++) {
    // An error after the first datagram waits for the next call.
    const fuzz::Item* next = fuzz::Peek();
    if (count > 0 && (next == nullptr || next->kind != fuzz::Kind::kDatagram)) break;
    bool cut = false;
    const ssize_t received = fuzz::Deliver(answers_[count], kAnswerBytes, &cut);
    if (received < 0) return static_cast<int>(received);
    if (cut) return -EMSGSIZE;
    messages_[count].msg_len = static_cast<unsigned>(received);
    slots_[count] = count;
  }
  return count;
}

}  // namespace ipvs
