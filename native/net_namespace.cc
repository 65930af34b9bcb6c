#include "net_namespace.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/vfs.h>

namespace ipvs {
namespace {

// What is no namespace is not opened: a FIFO would wait for its other end, and a device may do anything.
int OpenNamespace(const std::string& path, Descriptor* descriptor) {
  struct statfs system{};
  if (statfs(path.c_str(), &system) != 0) return errno;
  if (system.f_type != NSFS_MAGIC) return EINVAL;
  *descriptor = Descriptor(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  return descriptor->get() < 0 ? errno : 0;
}

}  // namespace

int NetNamespace::Enter() {
  if (kind == Kind::kCurrent) return 0;
  if (kind == Kind::kScratch) return unshare(CLONE_NEWNET) == 0 ? 0 : errno;
  const int missing = kind == Kind::kPath ? OpenNamespace(path, &descriptor) : error;
  if (missing != 0) return missing;
  const int refused = setns(descriptor.get(), CLONE_NEWNET) == 0 ? 0 : errno;
  descriptor = Descriptor();
  return refused;
}

}  // namespace ipvs
