// Connections of checks: what becomes of them, and that none is left. ThreadSanitizer looks on (npm run test:threads).
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../connector.h"
#include "../socket_address.h"
#include "check.h"
#include "open_files.h"
#include "system_calls.h"

using namespace ipvs;

namespace {

constexpr char kLoopback[] = "127.0.0.1";

// A port at which the kernel takes connections. A deaf one has no room for another: it drops what asks for one, until Hear().
class Server {
 public:
  explicit Server(bool deaf = false, const char* address = kLoopback) {
    sockaddr_storage here;
    socklen_t size = ToSocketAddress(address, 0, &here);
    listener_ = Descriptor(socket(here.ss_family, SOCK_STREAM, 0));
    CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&here), size) == 0);
    CHECK(listen(listener_.get(), deaf ? 0 : 4096) == 0);
    CHECK(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&here), &size) == 0);
    // IPv6 has it in the same place.
    port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&here)->sin_port);
    if (!deaf) return;
    filler_ = Descriptor(socket(here.ss_family, SOCK_STREAM, 0));
    CHECK(connect(filler_.get(), reinterpret_cast<sockaddr*>(&here), size) == 0);
  }

  uint16_t port() const { return port_; }
  // Those that wait ask again after a second.
  void Hear() { CHECK(listen(listener_.get(), 4096) == 0); }
  int listener() const { return listener_.get(); }
  Descriptor Accept() { return Descriptor(accept(listener_.get(), nullptr, nullptr)); }

 private:
  Descriptor listener_;
  Descriptor filler_;
  uint16_t port_ = 0;
};

bool HasIPv6() {
  sockaddr_storage here;
  const socklen_t size = ToSocketAddress("::1", 0, &here);
  const Descriptor probe(socket(AF_INET6, SOCK_STREAM, 0));
  return bind(probe.get(), reinterpret_cast<sockaddr*>(&here), size) == 0;
}

// A connector, and who is told by it.
class Subject {
 public:
  Subject() { CHECK(connector.Start() == 0); }

  bool WaitUntilTold() {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool told = wake_.wait_for(lock, std::chrono::seconds(60), [&] { return told_; });
    told_ = false;
    return told;
  }

  // The outcomes of so many, by their ids.
  std::map<int32_t, int32_t> Take(size_t count) {
    std::map<int32_t, int32_t> ended;
    while (ended.size() < count && WaitUntilTold()) {
      for (const Connector::Ended& one : connector.TakeEnded()) CHECK(ended.emplace(one.id, one.error).second);
    }
    CHECK(ended.size() == count);
    return ended;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool told_ = false;

 public:
  Connector connector{[this] {
    std::lock_guard<std::mutex> guard(mutex_);
    told_ = true;
    wake_.notify_one();
  }};
};

}  // namespace

TEST("an address may be of either family, and name an interface") {
  sockaddr_storage address;
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  CHECK(ToSocketAddress("192.0.2.1", 80, &address) == sizeof(sockaddr_in) && address.ss_family == AF_INET);
  CHECK(ToSocketAddress("fe80::1%lo", 80, &address) == sizeof(sockaddr_in6) && v6->sin6_scope_id == if_nametoindex("lo"));
  CHECK(ToSocketAddress("fe80::1", 80, &address) == sizeof(sockaddr_in6) && v6->sin6_scope_id == 0);
  CHECK(v6->sin6_port == htons(80));
  for (const char* text : {"", "localhost", "127.0.0.256", "::g", "127.0.0.1%lo", "127.0.0.1:80"}) {
    CHECK(ToSocketAddress(text, 80, &address) == 0);
  }
}

TEST("a connector that could not start may start later") {
  rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit none{0, limit.rlim_max};
  const int before = OpenFiles();
  {
    Connector connector([] {});
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(connector.Start() == EMFILE && connector.Start() == EMFILE);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(OpenFiles() == before && connector.Start() == 0);
  }
  CHECK(OpenFiles() == before);
}

TEST("a connection is made, and reset") {
  Subject subject;
  for (const char* address : {kLoopback, "::1"}) {
    if (address != kLoopback && !HasIPv6()) continue;
    Server server(false, address);
    const int before = OpenFiles();
    CHECK(subject.connector.Begin(1, address, server.port()) == 0);
    CHECK(OpenFiles() == before && subject.connector.is_idle());
    const Descriptor theirs = server.Accept();
    char byte;
    CHECK(read(theirs.get(), &byte, 1) == -1 && errno == ECONNRESET);
  }
}

TEST("why there is no connection is said, and nothing stays open") {
  Subject subject;
  Connector& connector = subject.connector;
  uint16_t port = 0;
  {
    Server gone;
    port = gone.port();
  }
  const int before = OpenFiles();
  CHECK(connector.Begin(1, kLoopback, port) == ECONNREFUSED);
  CHECK(connector.Begin(2, "localhost", port) == EINVAL);
  FailNext("socket", EMFILE);
  CHECK(connector.Begin(3, kLoopback, port) == EMFILE);
  FailNext("connect", EADDRNOTAVAIL);
  CHECK(connector.Begin(4, kLoopback, port) == EADDRNOTAVAIL);
  CHECK(OpenFiles() == before && connector.is_idle() && connector.TakeEnded().empty());
}

TEST("a socket that is given is used, and closed") {
  Subject subject;
  Server server;
  const int before = OpenFiles();
  sockaddr_storage from;
  const socklen_t size = ToSocketAddress("127.0.0.9", 0, &from);
  Descriptor file(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CHECK(bind(file.get(), reinterpret_cast<sockaddr*>(&from), size) == 0);
  CHECK(subject.connector.Begin(1, kLoopback, server.port(), std::move(file)) == 0);
  Descriptor other(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CHECK(subject.connector.Begin(2, "localhost", server.port(), std::move(other)) == EINVAL);
  CHECK(OpenFiles() == before);
  sockaddr_in peer{};
  socklen_t room = sizeof peer;
  const Descriptor theirs(accept(server.listener(), reinterpret_cast<sockaddr*>(&peer), &room));
  CHECK(peer.sin_addr.s_addr == reinterpret_cast<const sockaddr_in*>(&from)->sin_addr.s_addr);
}

TEST("what is pending ends when there is an answer") {
  Subject subject;
  Server server(true);
  auto gone = std::make_unique<Server>(true);
  const int before = OpenFiles();
  for (int id = 1; id <= 20; id++) CHECK(subject.connector.Begin(id, kLoopback, server.port()) == Connector::kPending);
  for (int id = 21; id <= 30; id++) CHECK(subject.connector.Begin(id, kLoopback, gone->port()) == Connector::kPending);
  CHECK(OpenFiles() == before + 30 && !subject.connector.is_idle());
  server.Hear();
  gone.reset();
  for (const auto& [id, error] : subject.Take(30)) CHECK(error == (id <= 20 ? 0 : ECONNREFUSED));
  CHECK(subject.connector.is_idle() && OpenFiles() == before - 2);
}

TEST("who cancels hears what has come of it by now") {
  Subject subject;
  Connector& connector = subject.connector;
  Server server(true);
  const int before = OpenFiles();
  CHECK(connector.Begin(1, kLoopback, server.port()) == Connector::kPending);
  CHECK(connector.Cancel(1) == Connector::kPending);
  CHECK(OpenFiles() == before && connector.is_idle());
  CHECK(connector.Begin(2, kLoopback, server.port()) == Connector::kPending);
  server.Hear();
  CHECK(subject.WaitUntilTold());
  CHECK(connector.Cancel(2) == 0);
  CHECK(OpenFiles() == before && connector.is_idle() && connector.TakeEnded().empty());
}

TEST("a connector that ends closes what is pending") {
  Server server(true);
  const int before = OpenFiles();
  for (int times = 0; times < 20; times++) {
    Subject subject;
    for (int id = 1; id <= 10; id++) CHECK(subject.connector.Begin(id, kLoopback, server.port()) == Connector::kPending);
  }
  CHECK(OpenFiles() == before);
}

TEST("every connection ends once, whatever is begun and cancelled meanwhile") {
  Subject subject;
  Connector& connector = subject.connector;
  Server server(true);
  Server deaf(true);
  Server open;
  std::mt19937 random(20261129);
  std::set<int32_t> pending;
  bool answered = false;
  const int before = OpenFiles();
  int32_t id = 0;
  // No more than a kernel with small queues has room for.
  while (id < 100) {
    CHECK(connector.Begin(++id, kLoopback, server.port()) == Connector::kPending);
    pending.insert(id);
  }
  server.Hear();
  while (!pending.empty()) {
    switch (random() % 5) {
      case 0:
        CHECK(connector.Begin(++id, kLoopback, open.port()) == 0);
        (void)open.Accept();
        break;
      case 1:
        CHECK(connector.Begin(++id, kLoopback, deaf.port()) == Connector::kPending);
        CHECK(connector.Cancel(id) == Connector::kPending);
        break;
      case 2:
        for (const Connector::Ended& one : connector.TakeEnded()) {
          answered = true;
          CHECK(one.error == 0 && pending.erase(one.id) == 1);
        }
        break;
      case 3:
        if (answered && !pending.empty()) {
          const int outcome = connector.Cancel(*pending.begin());
          CHECK(outcome == 0 || outcome == Connector::kPending);
          pending.erase(pending.begin());
        }
        break;
      default:
        usleep(random() % 100);
    }
  }
  CHECK(connector.TakeEnded().empty() && connector.is_idle() && OpenFiles() == before);
}
