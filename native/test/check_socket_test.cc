// Sockets for checks: what they are opened with, and that none is left when something is refused.
#include <cerrno>
#include <string>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../check_socket.h"
#include "check.h"
#include "open_files.h"
#include "system_calls.h"

using namespace ipvs;

namespace {

SocketPlan Plan(int family = AF_INET, const std::string& local = "127.0.0.1") {
  SocketPlan plan;
  plan.family = family;
  plan.type = SOCK_DGRAM;
  plan.mark = 7;
  plan.device = "lo";
  plan.local_address = local;
  return plan;
}

std::string Refused(SocketPlan plan, int error) {
  const int before = OpenFiles();
  const CheckSocket opened = OpenCheckSocket(std::move(plan));
  CHECK(opened.error == error && opened.file.get() < 0);
  CHECK(OpenFiles() == before);
  return opened.refused;
}

}  // namespace

TEST("a socket for a check has its device and its address, does not block and is not inherited") {
  for (const int family : {AF_INET, AF_INET6}) {
    SocketPlan plan = Plan(family, family == AF_INET ? "127.0.0.1" : "::1");
    plan.mark = -1;
    const CheckSocket opened = OpenCheckSocket(std::move(plan));
    // Without IPv6 there is none.
    if (family == AF_INET6 && opened.error == EAFNOSUPPORT) continue;
    CHECK(opened.error == 0);
    const int fd = opened.file.get();
    // By its number: qemu, on which this runs for arm64, does not know the name.
    int device = 0;
    socklen_t size = sizeof device;
    CHECK(getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, &size) == 0);
    CHECK(device == static_cast<int>(if_nametoindex("lo")));
    sockaddr_storage bound{};
    size = sizeof bound;
    CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0 && bound.ss_family == family);
    char text[INET6_ADDRSTRLEN] = {};
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&bound);
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&bound);
    const void* bytes = family == AF_INET ? static_cast<const void*>(&v4->sin_addr) : &v6->sin6_addr;
    CHECK(inet_ntop(family, bytes, text, sizeof text) == std::string(family == AF_INET ? "127.0.0.1" : "::1"));
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
  }
}

TEST("what is refused is said, and nothing stays open") {
  FailNext("socket", EMFILE);
  CHECK(Refused(Plan(), EMFILE) == "socket");
  FailNext("setsockopt", EPERM);
  CHECK(Refused(Plan(), EPERM) == "mark");
  // A mark would need root.
  const auto unmarked = [] {
    SocketPlan plan = Plan();
    plan.mark = -1;
    return plan;
  };
  FailNext("setsockopt", ENODEV);
  CHECK(Refused(unmarked(), ENODEV) == "device");
  FailNext("bind", EADDRNOTAVAIL);
  CHECK(Refused(unmarked(), EADDRNOTAVAIL) == "localAddress");
}

TEST("a namespace is entered on a thread of its own, which ends with the call") {
  const auto threads = [] {
    int count = 0;
    DIR* folder = opendir("/proc/self/task");
    while (readdir(folder) != nullptr) count++;
    closedir(folder);
    return count;
  };
  constexpr int kCalls = 20;
  const int before = threads();
  for (int i = 0; i < kCalls; i++) {
    SocketPlan plan = Plan();
    plan.where.kind = NetNamespace::Kind::kPath;
    plan.where.path = "/proc/self/ns/nothing";
    CHECK(Refused(std::move(plan), ENOENT) == "netns");
  }
  // The kernel lists one that was joined a moment longer, and a sanitizer has one of its own from the first on.
  for (int i = 0; i < 1000 && threads() > before + 1; i++) usleep(1000);
  CHECK(threads() <= before + 1);
}
