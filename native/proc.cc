// What /proc has of the namespace: IPVS settings and connections.
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "worker.h"

namespace ipvs {

// /proc/sys/net shows the namespace of the thread that opens it.
constexpr char kFolder[] = "/proc/sys/net/ipv4/vs/";

int ReadSysctls(std::string* text) {
  DIR* directory = opendir(kFolder);
  if (directory == nullptr) return errno;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = open((std::string(kFolder) + entry->d_name).c_str(), O_RDONLY | O_CLOEXEC);
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

int WriteSysctl(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const std::string path = std::string(kFolder) + assignment.substr(0, equals);
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const std::string value = assignment.substr(equals + 1) + "\n";
  const ssize_t written = write(fd, value.data(), value.size());
  const int error = written < 0 ? errno : 0;
  close(fd);
  return error;
}

// Opened here, it may be read anywhere: the file belongs to the namespace of the thread that opened it.
int OpenConnections(const std::string& file, std::string* descriptor) {
  const int fd = open(("/proc/thread-self/net/" + file).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  *descriptor = std::to_string(fd);
  return 0;
}

}  // namespace ipvs
