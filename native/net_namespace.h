// Which network namespace a client lives in, and how its thread gets there.
#pragma once

#include <string>

#include "descriptor.h"

namespace ipvs {

struct NetNamespace {
  enum class Kind { kCurrent, kPath, kDescriptor, kScratch };
  Kind kind = Kind::kCurrent;
  std::string path;       // kPath
  Descriptor descriptor;  // kDescriptor
  int error = 0;          // why there is no descriptor

  // Moves the calling thread, and only it, into the namespace. 0 or an errno. kScratch makes a new, empty one.
  int Enter();
};

}  // namespace ipvs
