// Reads the namespace's IPVS settings from /proc/sys/net/ipv4/vs.
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "worker.h"

namespace ipvs {

// /proc/sys/net shows the namespace of the thread that opens it.
int ReadSysctls(std::string* text) {
  const std::string folder = "/proc/sys/net/ipv4/vs/";
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return errno;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = open((folder + entry->d_name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;  // write-only: nothing to show
    char value[256];
    ssize_t length = read(fd, value, sizeof value);
    close(fd);
    while (length > 0 && value[length - 1] == '\n') length--;
    if (length < 0) continue;
    text->append(entry->d_name).append("=").append(value, static_cast<size_t>(length)).append("\n");
  }
  closedir(directory);
  return 0;
}

}  // namespace ipvs
