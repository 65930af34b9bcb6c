// Which network namespace a client lives in, and how its thread gets there.
#pragma once

#include <string>

namespace ipvs {

struct NetNamespace {
  enum class Kind { kCurrent, kPath, kDescriptor, kScratch };
  Kind kind = Kind::kCurrent;
  std::string path;     // kPath
  int descriptor = -1;  // kDescriptor: owned

  NetNamespace() = default;
  NetNamespace(NetNamespace&& other) noexcept;
  NetNamespace& operator=(NetNamespace&&) = delete;
  ~NetNamespace();

  // Moves the calling thread, and only it, into the namespace. 0 or an errno. kScratch makes a new, empty one.
  int Enter();
};

}  // namespace ipvs
