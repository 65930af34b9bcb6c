// The thread under everything that its client can do at the same time; ThreadSanitizer looks on (npm run test:threads).
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <sys/socket.h>

#include "../worker.h"
#include "check.h"
#include "peer.h"
#include "system_calls.h"

using namespace ipvs;

namespace {

// Answers as an IPVS does that refuses nothing. Now and then an answer is lost.
class Kernel {
 public:
  Kernel() {
    UseAutomaton({[this] { return Open(); }, [this](int fd) { Answer(fd); }});
  }
  ~Kernel() { UseAutomaton({}); }

 private:
  int Open() {
    std::lock_guard<std::mutex> guard(mutex_);
    auto line = std::make_unique<Line>();
    const int theirs = line->theirs;
    lines_[theirs] = std::move(line);
    return theirs;
  }

  void Answer(int fd) {
    std::lock_guard<std::mutex> guard(mutex_);
    Line& line = *lines_.at(fd);
    for (const nlmsghdr& sent : line.Sent()) {
      if (sent.nlmsg_type == GENL_ID_CTRL) return line.Family(sent.nlmsg_seq, kFamily);
      if ((sent.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) return line.Done(sent.nlmsg_seq, 0);
      if (sent.nlmsg_type == NLMSG_NOOP && ++batches_ % 37 != 0) return line.Answer(sent.nlmsg_seq, 0);
      // The changes of a batch are not answered.
      if (sent.nlmsg_len == NLMSG_LENGTH(GENL_HDRLEN)) return line.Chunk(sent.nlmsg_seq, 1, 1);
    }
  }

  std::mutex mutex_;
  std::map<int, std::unique_ptr<Line>> lines_;
  int batches_ = 0;
};

Change SetWeight(uint32_t weight) {
  Change change{};
  change.op = Op::kEnsureDestination;
  change.service.key.af = AF_INET;
  change.service.key.fwmark = 1 + weight % 5;
  change.destination.key.af = AF_INET;
  change.destination.key.port = static_cast<uint16_t>(weight % 7);
  change.destination.weight = weight;
  return change;
}

class Stress {
 public:
  void Run(uint32_t rounds) {
    worker_ = std::make_shared<Worker>(NetNamespace(), [this] {
      std::lock_guard<std::mutex> guard(mutex_);
      told_ = true;
      wake_.notify_one();
      return true;
    });
    CHECK(worker_->Start(Next()) == 0);
    for (uint32_t round = 0; round < rounds; round++) {
      Do(random_() % 12);
      if (random_() % 4 == 0) Take();
    }
    for (const auto& [id, rest] : std::exchange(partly_, {})) Append(id, rest);
    while (!open_.empty() && Wait()) Take();
    CHECK(open_.empty());
    // A place that is left, a call at once: nothing is in the way any more.
    std::vector<Failure> failures;
    const Change change = SetWeight(1);
    const int error = worker_->RunNow(&change, 1, &failures);
    CHECK(error == 0 || error == EBUSY);
    worker_->Silence();
    worker_->Stop();
    // The thread holds on to it until it ends.
    while (worker_.use_count() > 1) std::this_thread::yield();
  }

 private:
  uint32_t Next() {
    open_.insert(++last_id_);
    return last_id_;
  }

  uint32_t Any() { return 1 + random_() % last_id_; }

  void Do(uint32_t what) {
    switch (what) {
      case 0:
      case 1: return Write(false, 1 + random_() % 4, true);
      case 2: return Write(true, 1 + random_() % 300, true);
      case 3: return Write(random_() % 2 == 0, 2 + random_() % 100, false);
      case 4: return Read(RequestKind::kServices);
      case 5: return Read(RequestKind::kInfo);
      case 6: return Read(RequestKind::kConnections);
      case 7: {
        (void)worker_->Withdraw(Any());
        return;
      }
      case 8: {
        const uint32_t id = Any();
        std::vector<Failure> failures;
        if (worker_->Abandon(id, &failures)) CHECK(open_.erase(id) == 1);
        partly_.erase(id);
        return;
      }
      case 9: {
        std::vector<Failure> failures;
        const Change change = SetWeight(random_());
        const int error = worker_->RunNow(&change, 1, &failures);
        CHECK(error == 0 || error == EBUSY);
        return;
      }
      case 10: {
        (void)worker_->TakePlace();
        worker_->LeavePlace();
        return;
      }
      default: {
        if (partly_.empty()) return;
        const auto [id, rest] = *partly_.begin();
        partly_.erase(partly_.begin());
        Append(id, rest);
      }
    }
  }

  void Write(bool bulk, size_t count, bool whole) {
    Request request;
    request.id = Next();
    request.bulk = bulk;
    request.count = count;
    if (whole) {
      for (size_t i = 0; i < count; i++) request.changes.push_back(SetWeight(random_()));
    } else {
      partly_[request.id] = count;
    }
    worker_->Submit(std::move(request));
  }

  void Append(uint32_t id, size_t count) {
    for (size_t i = 0; i < count; i++) {
      const Change change = SetWeight(random_());
      worker_->Append(id, &change, 1);
    }
  }

  void Read(RequestKind kind) {
    Request request;
    request.id = Next();
    request.kind = kind;
    request.argument = "netlink";
    worker_->Submit(std::move(request));
  }

  bool Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    const bool told = wake_.wait_for(lock, std::chrono::seconds(60), [&] { return told_; });
    told_ = false;
    return told;
  }

  void Take() {
    for (const Completion& completion : worker_->TakeCompletions()) {
      // Once each, and never after it was abandoned.
      CHECK(open_.erase(completion.id) == 1);
      CHECK(completion.kind != RequestKind::kConnections || completion.file.get() >= 0);
    }
  }

  std::shared_ptr<Worker> worker_;
  std::mt19937 random_{20261128};
  uint32_t last_id_ = 0;
  std::set<uint32_t> open_;
  std::map<uint32_t, size_t> partly_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool told_ = false;
};

}  // namespace

TEST("every request is answered once, whatever else its client does meanwhile") {
  Kernel kernel;
  for (int client = 0; client < 3; client++) Stress().Run(1500);
}
