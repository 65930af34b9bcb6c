// churn COUNT: adds and removes COUNT services of its own again and again. The kernel's dumps of other namespaces go on
// where they were by count (6.1, 6.12), and all namespaces share the lock of changes.
#include <errno.h>
#include <linux/ip_vs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "resident.h"
#include "wire.h"

#define BATCH 20

static uint8_t batch[(BATCH + 1) * MESSAGE_ROOM];

int main(int argc, char **argv) {
  if (argc != 2) die("churn COUNT");
  const int count = atoi(argv[1]);
  uint16_t family;
  const int fd = open_wire(&family);
  struct change change = {.protocol = IPPROTO_TCP, .address = htonl(0xc6336401), .scheduler = "rr"};
  say("ready");
  for (;;) {
    for (int pass = 0; pass < 2; pass++) {
      change.command = pass == 0 ? 'A' : 'D';
      for (int done = 0; done < count;) {
        size_t bytes = 0;
        for (int n = 0; n < BATCH && done < count; n++, done++) {
          change.port = htons((uint16_t)(done + 1));
          bytes += encode_change(batch + bytes, family, &change, 0, 0);
        }
        bytes += encode_barrier(batch + bytes, 0);
        send_all(fd, batch, bytes);
        struct nlmsgerr *answer;
        uint8_t reply[64 * 1024] __attribute__((aligned(8)));
        const ssize_t received = recv(fd, reply, sizeof reply, 0);
        if (received < (ssize_t)NLMSG_LENGTH(sizeof *answer)) die("recv: %s", strerror(errno));
        answer = NLMSG_DATA((struct nlmsghdr *)reply);
        // The first answer is the barrier's if nothing has failed.
        if (answer->error != 0) die("-%c: %s", change.command, strerror(-answer->error));
        if (!sleep_on(2)) return 0;
      }
    }
  }
}
