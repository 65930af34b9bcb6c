// What /proc has, and how a namespace is entered, in a folder of our own.
#include <cerrno>
#include <cstdlib>
#include <cstdio>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../net_namespace.h"
#include "../proc.h"
#include "check.h"

using namespace ipvs;

namespace {

struct Folder {
  std::string path;

  Folder() {
    char name[] = "/tmp/ipvs-proc-XXXXXX";
    CHECK(mkdtemp(name) != nullptr);
    path = std::string(name) + "/";
  }
  ~Folder() { CHECK(std::system(("rm -r " + path).c_str()) == 0); }

  void Put(const std::string& name, const std::string& text) { std::ofstream(path + name) << text; }
  std::string Get(const std::string& name) {
    std::string text;
    std::getline(std::ifstream(path + name), text);
    return text;
  }
};

NetNamespace Path(const std::string& path) {
  NetNamespace where;
  where.kind = NetNamespace::Kind::kPath;
  where.path = path;
  return where;
}

}  // namespace

TEST("a setting is read whole, however long it is, and written whole") {
  Folder folder;
  const std::string list = std::string(10000, '7') + ",1-3";
  folder.Put("est_cpulist", list + "\n");
  folder.Put(".hidden", "no\n");
  std::string text;
  CHECK(ReadSysctls(folder.path, &text) == 0);
  CHECK(text == "est_cpulist=" + list + "\n");
  CHECK(WriteSysctl(folder.path, "est_cpulist=" + list + list) == 0);
  CHECK(folder.Get("est_cpulist") == list + list);
  CHECK(WriteSysctl(folder.path + "nothing/", "a=1") == ENOENT);
}

TEST("settings that cannot be read for want of a descriptor are an error, not an empty list") {
  Folder folder;
  folder.Put("amemthresh", "1024\n");
  rlimit old{};
  CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
  const Descriptor last(open("/dev/null", O_RDONLY));
  // The folder itself takes one; there is none for what is in it.
  const rlimit few{static_cast<rlim_t>(last.get() + 2), old.rlim_max};
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::string text;
  const int error = ReadSysctls(folder.path, &text);
  CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(error == EMFILE);
}

TEST("what is no namespace is neither opened nor waited for") {
  Folder folder;
  const std::string fifo = folder.path + "fifo";
  CHECK(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(Path(fifo).Enter() == EINVAL);
  folder.Put("file", "text");
  CHECK(Path(folder.path + "file").Enter() == EINVAL);
  CHECK(Path(folder.path).Enter() == EINVAL);
  CHECK(Path("/dev/null").Enter() == EINVAL);
  CHECK(Path(folder.path + "nothing").Enter() == ENOENT);
}

TEST("why there is no descriptor of the namespace is what entering says") {
  NetNamespace where;
  where.kind = NetNamespace::Kind::kDescriptor;
  where.error = EMFILE;
  CHECK(where.Enter() == EMFILE);
}

TEST("a descriptor is closed by its last owner, and by nobody once it was given away") {
  const auto is_open = [](int fd) { return fcntl(fd, F_GETFD) >= 0; };
  Descriptor first(open("/dev/null", O_RDONLY));
  const int fd = first.get();
  {
    Descriptor second(std::move(first));
    CHECK(second.get() == fd && first.get() < 0 && is_open(fd));
    Descriptor third;
    third = std::move(second);
    CHECK(third.get() == fd && is_open(fd));
  }
  CHECK(!is_open(fd));
  Descriptor given(open("/dev/null", O_RDONLY));
  const int kept = given.Release();
  given = Descriptor();
  CHECK(is_open(kept) && close(kept) == 0);
}
