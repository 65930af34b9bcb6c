// Runs every test of the wire core; ends with a line of counts.
#include "check.h"

int main() {
  int failed = 0;
  for (const Test& test : Tests()) {
    const int before = Failures();
    test.run();
    const bool good = Failures() == before;
    if (!good) failed++;
    std::printf("%s %s\n", good ? "ok  " : "FAIL", test.name.c_str());
  }
  std::printf("native: %zu passed, %d failed\n", Tests().size() - static_cast<size_t>(failed), failed);
  return failed == 0 ? 0 : 1;
}
