// adverts INTERFACE: listens to VRRP on it, and tells each advertisement, a JSON object a line:
//   {"at":12.345,"from":"192.0.2.1","router":51,"priority":100}
// Whoever sends them takes itself for the master; priority 0 says that it is none from now on.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include "resident.h"

#define VRRP 112
#define GROUP "224.0.0.18"

static int open_socket(const char *interface) {
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, VRRP);
  if (fd < 0) die("a raw socket: %s", strerror(errno));
  struct ip_mreqn group = {.imr_ifindex = (int)if_nametoindex(interface)};
  inet_pton(AF_INET, GROUP, &group.imr_multiaddr);
  if (group.imr_ifindex == 0 || setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0)
    die("%s on %s: %s", GROUP, interface, strerror(errno));
  return fd;
}

// An IPv4 header, then version and type, router, priority (RFC 9568, 5.1).
static void hear(int fd) {
  uint8_t packet[2048];
  const ssize_t length = recv(fd, packet, sizeof packet, 0);
  if (length < 20) return;
  const uint8_t *vrrp = packet + 4 * (packet[0] & 15);
  if (vrrp + 3 > packet + length || (vrrp[0] & 15) != 1) return;
  char from[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, packet + 12, from, sizeof from);
  printf("{\"at\":%.3f,\"from\":\"%s\",\"router\":%d,\"priority\":%d}\n", now_ms(), from, vrrp[1], vrrp[2]);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 2) die("adverts INTERFACE");
  const int fd = open_socket(argv[1]);
  const struct sched_param first = {.sched_priority = 50};
  if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) die("SCHED_FIFO: %s", strerror(errno));
  say("ready");
  for (;;) {
    struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (poll(wait, 2, -1) < 0 && errno != EINTR) die("poll: %s", strerror(errno));
    if (wait[1].revents & POLLIN) hear(fd);
    // Nobody says anything to it: it is the end.
    if (wait[0].revents) return 0;
  }
}
