// Any bytes as the payload of a reply: every decoder, under families that the kernel may leave out.
#include <memory>

#include "../ipvs_codec.h"
#include "invariants.h"

using namespace ipvs;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  MessageReader message(data, 0);
  message.payload = data;
  message.size = size;

  // Rows begin as something else than zeros: a decoder that leaves a field as it was is caught.
  ServiceRow service;
  std::memset(&service, 0xa5, sizeof service);
  const bool decoded = DecodeService(message, &service);
  if (decoded) fuzz::CheckService(service);
  MUST(fuzz::IsText(service.fields.scheduler, sizeof service.fields.scheduler));
  MUST(fuzz::IsText(service.fields.engine, sizeof service.fields.engine));

  for (const uint16_t af : {AF_INET, AF_INET6}) {
    DestinationRow destination;
    std::memset(&destination, 0xa5, sizeof destination);
    if (DecodeDestination(message, af, &destination)) fuzz::CheckDestination(destination);
  }

  DaemonFields daemon;
  std::memset(&daemon, 0xa5, sizeof daemon);
  if (DecodeDaemon(message, &daemon)) fuzz::CheckDaemon(daemon);
  MUST(fuzz::IsText(daemon.interface, sizeof daemon.interface));

  // Both read top-level attributes only, so an answer without any is all zeros.
  TimeoutFields timeouts;
  InfoFields info;
  std::memset(&timeouts, 0xa5, sizeof timeouts);
  std::memset(&info, 0xa5, sizeof info);
  DecodeTimeouts(message, &timeouts);
  DecodeInfo(message, &info);
  if (size <= GENL_HDRLEN + NLA_HDRLEN) {
    MUST(timeouts.tcp == 0 && timeouts.tcp_fin == 0 && timeouts.udp == 0);
    MUST(info.version == 0 && info.connection_table_size == 0);
  }
  return 0;
}
