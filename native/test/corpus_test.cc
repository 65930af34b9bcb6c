// The committed corpus of the fuzz targets, replayed: each target is a program of its own, with a socket of its own.
#include <cstdlib>
#include <string>

#include "check.h"

TEST("every file of the fuzz corpus does no harm") {
  for (const char* target : {"reply_parser", "dump_assembler", "record_decoder", "record_encoder", "lanes"}) {
    const std::string log = std::string(REPLAYS "/") + target + ".replay.log";
    const std::string command = std::string(EMULATOR " " REPLAYS "/") + target + " " CORPUS "/" + target + " >" + log + " 2>&1";
    const bool good = std::system(command.c_str()) == 0;
    CHECK(good);
    if (!good) std::printf("    %s\n    said in %s, after the name of the file\n", command.c_str(), log.c_str());
  }
}
