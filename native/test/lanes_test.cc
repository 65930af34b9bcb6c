// The order of requests: a model of it, and what the model cannot see.
#include <cerrno>
#include <random>
#include <vector>

#include "../lanes.h"
#include "check.h"
#include "lanes_model.h"

using namespace ipvs;

TEST("whatever is asked for in whatever order, the lanes do what the model does") {
  for (uint32_t seed = 1; seed <= 4000; seed++) {
    std::mt19937 random(seed);
    std::vector<uint8_t> script(16 + random() % 600);
    for (uint8_t& byte : script) byte = static_cast<uint8_t>(random());
    const std::string wrong = PlayLanes(script.data(), script.size());
    CHECK(wrong.empty());
    if (wrong.empty()) continue;
    std::printf("    seed %u: not so: %s\n", seed, wrong.c_str());
    return;
  }
}

TEST("a list said to be enormous costs nothing before it comes") {
  Lanes lanes;
  Request request;
  request.id = 1;
  request.count = 0xffffffff;
  lanes.Submit(std::move(request));
  CHECK(lanes.Next() == Lanes::Work::kNone);
  std::vector<Failure> failures;
  CHECK(lanes.Abandon(1, &failures));
  CHECK(failures.size() == 1 && failures[0].index == 0 && failures[0].code == kNotSent);
  CHECK(lanes.IsIdle());
}
