// Runs a fuzz target once on every file of the named folders or files: the corpus as a test, without libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

size_t Replay(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  // What fails ends the program: the name comes first.
  std::fprintf(stderr, "%s\n", file.c_str());
  (void)LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return 1;
}

}  // namespace

int main(int count, char** names) {
  size_t files = 0;
  for (int i = 1; i < count; i++) {
    if (!std::filesystem::is_directory(names[i])) {
      files += Replay(names[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(names[i])) files += Replay(entry.path());
  }
  std::fprintf(stderr, "replayed %zu files\n", files);
  return files == 0 ? 1 : 0;
}
