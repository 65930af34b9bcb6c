// The order of a client's requests: any script against its model (native/test/lanes_model.h).
#include <cstdio>

#include "../test/lanes_model.h"
#include "invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong = PlayLanes(data, size);
  if (!wrong.empty()) std::fprintf(stderr, "not so: %s\n", wrong.c_str());
  MUST(wrong.empty());
  return 0;
}
