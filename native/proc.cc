#include "proc.h"

#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

namespace ipvs {
namespace {

// All that there is, however long. 0 or an errno.
int ReadAll(int fd, std::string* text) {
  char part[4096];
  for (;;) {
    const ssize_t length = read(fd, part, sizeof part);
    if (length == 0) return 0;
    if (length > 0) text->append(part, static_cast<size_t>(length));
    else if (errno != EINTR) return errno;
  }
}

}  // namespace

int ReadSysctls(const std::string& folder, std::string* text) {
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return errno;
  int error = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const Descriptor file(open((folder + entry->d_name).c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) {
      // A setting that one may only write, or that has gone with its module. Not so where there is no descriptor left.
      if (errno == EACCES || errno == EPERM || errno == ENOENT) continue;
      error = errno;
      break;
    }
    std::string value;
    if (ReadAll(file.get(), &value) != 0) continue;
    while (!value.empty() && value.back() == '\n') value.pop_back();
    text->append(entry->d_name).append("=").append(value).append("\n");
  }
  closedir(directory);
  return error;
}

int WriteSysctl(const std::string& folder, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const Descriptor file(open((folder + assignment.substr(0, equals)).c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) return errno;
  const std::string value = assignment.substr(equals + 1) + "\n";
  const ssize_t written = write(file.get(), value.data(), value.size());
  if (written < 0) return errno;
  return static_cast<size_t>(written) == value.size() ? 0 : EINVAL;  // the kernel has taken only the beginning of it
}

int OpenConnections(const std::string& file, Descriptor* descriptor) {
  *descriptor = Descriptor(open(("/proc/thread-self/net/" + file).c_str(), O_RDONLY | O_CLOEXEC));
  return descriptor->get() < 0 ? errno : 0;
}

}  // namespace ipvs
