// servers FILE PORT ADDRESS...: the real servers. Writes down which of them has got a query, and when that was sent and had come:
//   {"sent":12.345,"got":12.411,"server":"10.2.0.1:25"}
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "resident.h"

#define MOST 64

int main(int argc, char **argv) {
  if (argc < 4 || argc - 3 > MOST) die("servers FILE PORT ADDRESS...");
  FILE *file = fopen(argv[1], "w");
  if (file == NULL) die("%s: %s", argv[1], strerror(errno));
  const int count = argc - 3;
  // The last one is the input.
  struct pollfd polled[MOST + 1];
  for (int i = 0; i < count; i++) {
    struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[3 + i], &self.sin_addr) != 1) die("\"%s\" is not an address", argv[3 + i]);
    polled[i] = (struct pollfd){.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN};
    if (bind(polled[i].fd, (const struct sockaddr *)&self, sizeof self) != 0) {
      die("%s: %s", argv[3 + i], strerror(errno));
    }
  }
  polled[count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
  say("ready");
  for (;;) {
    if (poll(polled, (nfds_t)count + 1, -1) < 0) die("poll: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
      uint64_t sent;
      if ((polled[i].revents & POLLIN) == 0 || recv(polled[i].fd, &sent, sizeof sent, 0) != sizeof sent) continue;
      fprintf(file, "{\"sent\":%.3f,\"got\":%.3f,\"server\":\"%s:%s\"}\n", (double)sent / 1e6, now_ms(), argv[3 + i], argv[2]);
    }
    if (polled[count].revents != 0) break;
  }
  return fclose(file) == 0 ? 0 : 1;
}
