/*
 * Preloaded: the n-th recvmmsg of answers to changes loses what the kernel answered, for each n in LOSE ("2,5"). Those have
 * 64 slots (native/netlink_socket.h: kAnswerSlots), reads have fewer.
 */
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
  if (count < 64) return received;
  char number[16], list[256];
  snprintf(number, sizeof number, ",%d,", ++calls);
  snprintf(list, sizeof list, ",%s,", getenv("LOSE"));
  if (strstr(list, number) == NULL) return received;
  errno = EAGAIN;
  return -1;
}
