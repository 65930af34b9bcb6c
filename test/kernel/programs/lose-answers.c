/* Preloaded: the n-th recvmmsg of the process loses what the kernel answered, for each n in LOSE ("2,5"). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout) {
  static int calls;
  int (*real)(int, struct mmsghdr *, unsigned int, int, struct timespec *) = dlsym(RTLD_NEXT, "recvmmsg");
  int received = real(fd, messages, count, flags, timeout);
  char number[16], list[256];
  snprintf(number, sizeof number, ",%d,", ++calls);
  snprintf(list, sizeof list, ",%s,", getenv("LOSE"));
  if (strstr(list, number) == NULL) return received;
  errno = EAGAIN;
  return -1;
}
