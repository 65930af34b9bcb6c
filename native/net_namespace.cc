#include "net_namespace.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace ipvs {

NetNamespace::NetNamespace(NetNamespace&& other) noexcept
    : kind(other.kind), path(std::move(other.path)), descriptor(std::exchange(other.descriptor, -1)) {}

NetNamespace::~NetNamespace() {
  if (descriptor >= 0) close(descriptor);
}

int NetNamespace::Enter() {
  if (kind == Kind::kCurrent) return 0;
  if (kind == Kind::kScratch) return unshare(CLONE_NEWNET) == 0 ? 0 : errno;
  const int fd = kind == Kind::kPath ? open(path.c_str(), O_RDONLY | O_CLOEXEC) : descriptor;
  if (fd < 0) return kind == Kind::kPath ? errno : EBADF;  // not open when the client was made
  const int error = setns(fd, CLONE_NEWNET) == 0 ? 0 : errno;
  close(fd);
  descriptor = -1;
  return error;
}

}  // namespace ipvs
