// queries ADDRESS PORT PER_SECOND: sends UDP queries that hold the time at which they are sent, from a few source ports
// that never change, so that the kernel has an entry for each that remembers its server. Prints how many, at its end.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "resident.h"

#define SOURCES 16
#define FIRST_PORT 40000

int main(int argc, char **argv) {
  if (argc != 4) die("queries ADDRESS PORT PER_SECOND");
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &target.sin_addr) != 1) die("\"%s\" is not an address", argv[1]);
  int sockets[SOURCES];
  for (int i = 0; i < SOURCES; i++) {
    const struct sockaddr_in self = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(FIRST_PORT + i))};
    sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(sockets[i], (const struct sockaddr *)&self, sizeof self) != 0) die("bind: %s", strerror(errno));
  }
  const double period = 1000.0 / atoi(argv[3]), started = now_ms();
  unsigned long sent = 0;
  say("ready");
  for (;;) {
    const double left = started + (double)sent * period - now_ms();
    if (!sleep_on(left > 0 ? (int)left + 1 : 0)) break;
    const uint64_t at = now();
    // Nobody at home, say after the meddler's flush, is no error of this program's.
    (void)sendto(sockets[sent % SOURCES], &at, sizeof at, 0, (const struct sockaddr *)&target, sizeof target);
    sent++;
  }
  char line[32];
  snprintf(line, sizeof line, "%lu", sent);
  say(line);
  return 0;
}
