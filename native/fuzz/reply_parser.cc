// Any bytes as a datagram: the walk over messages and attributes, the answers of a batch and of the controller.
#include <cerrno>
#include <memory>

#include "../channel.h"
#include "invariants.h"
#include "preloaded_socket.h"

using namespace ipvs;

namespace {

void WalkAttributes(const uint8_t* data, size_t size, int depth) {
  AttributeReader attribute(data, size);
  const uint8_t* before = attribute.at;
  while (attribute.Next()) {
    MUST(attribute.at > before && attribute.at <= data + size);
    MUST(attribute.value >= before && attribute.size <= static_cast<size_t>(data + size - attribute.value));
    before = attribute.at;
    if (attribute.size != sizeof(uint16_t)) MUST(attribute.U16() == 0);
    if (attribute.size != sizeof(uint32_t)) MUST(attribute.U32() == 0);
    if (attribute.size != sizeof(uint64_t)) MUST(attribute.U64() == 0);
    MUST(attribute.Unsigned() == (attribute.size == sizeof(uint64_t) ? attribute.U64() : attribute.U32()));
    if (depth > 0) WalkAttributes(attribute.value, attribute.size, depth - 1);
  }
}

// The bytes in pieces as large as a slot for answers: a batch of eight removals.
void AsAnswers(const uint8_t* data, size_t size) {
  std::vector<fuzz::Item> items;
  for (size_t at = 0; at < size; at += kAnswerBytes) {
    items.push_back({fuzz::Kind::kDatagram, fuzz::kRelative, data + at, std::min(kAnswerBytes, size - at)});
  }
  fuzz::Preload(std::move(items));
  Change change{};
  change.op = Op::kRemoveService;
  change.service.key.af = AF_INET;
  const std::vector<const Change*> changes(8, &change);
  std::vector<Result> results(changes.size());
  const auto channel = std::make_unique<Channel>();
  channel->Adopt(0, fuzz::kFamily);
  channel->Run(changes.data(), changes.size(), results.data());
  for (const Result& result : results) {
    MUST(result.code == kApplied || result.code == kUnknown || result.code == kNoFamily || fuzz::IsErrno(result.code));
    if (result.code == kApplied) MUST(fuzz::BarriersAnswered() > 0);
  }
}

void AsFamily(const uint8_t* data, size_t size) {
  fuzz::Preload({{fuzz::Kind::kDatagram, fuzz::kRelative, data, size}});
  NetlinkSocket socket;
  socket.Adopt(0);
  uint16_t id = 0;
  const int error = ResolveFamily(socket, "IPVS", 1, &id);
  MUST(error == 0 || (fuzz::IsErrno(error) && id == 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  MessageReader message(data, size);
  const uint8_t* before = message.at;
  while (message.Next()) {
    MUST(message.at > before && message.at <= data + size);
    MUST(message.payload >= before && message.size <= static_cast<size_t>(data + size - message.payload));
    before = message.at;
    const int error = message.Error();
    MUST(error == 0 || fuzz::IsErrno(error));
    WalkAttributes(message.payload, message.size, 3);
    if (message.size >= GENL_HDRLEN) {
      WalkAttributes(message.payload + GENL_HDRLEN, message.size - GENL_HDRLEN, 3);
    }
  }
  AsAnswers(data, size);
  AsFamily(data, size);
  return 0;
}
