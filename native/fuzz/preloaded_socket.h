// Takes the place of netlink_socket.cc in the fuzz targets: what the kernel will say is laid out in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ipvs::fuzz {

constexpr uint16_t kFamily = 0x1b;

enum class Kind : uint8_t {
  kDatagram,      // one answer
  kReceiveError,  // the next receive fails with the errno `argument`
  kSendError,     // so does the next send
  kOpenError,     // so does the next socket
  kWait,          // what follows comes only after the next send
  kAgain,         // back to the item `argument` before this one: tables that stand still need the same bytes twice
};
constexpr int kKinds = 6;

// Of a datagram's `argument`.
constexpr uint8_t kRelative = 1;  // its sequence numbers count from the first message of the last send
constexpr uint8_t kOurs = 2;      // its messages' types, netlink's own excepted, become the family
constexpr uint8_t kCut = 4;       // it was longer than the buffer

// In a file: kind, argument and the length as two bytes, little endian, then the bytes.
struct Item {
  Kind kind;
  uint8_t argument;
  const uint8_t* data;
  size_t size;
};

std::vector<Item> ParseItems(const uint8_t* data, size_t size);

// What the next sockets get, in order; the bytes must outlive them. After the last item nothing more comes.
void Preload(std::vector<Item> items);

// How often the answer to a buffer's last message, which is a batch's barrier, was handed out since Preload.
size_t BarriersAnswered();

}  // namespace ipvs::fuzz
