// meddler SEED MS POOL...: somebody with ipvsadm who means well. Every MS milliseconds it changes something of the pools'
// services, at random, and tells what, with the time before it did it:
//   {"at":12.345,"act":"edit udp 192.0.2.1:53 10.1.0.3 weight 17","errno":0}
// A POOL is ADDRESS:PORT:FORWARDING:PREFIX; its servers are PREFIX1 and up. It begins with "go" on stdin and rests with
// "pause"; both are answered.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ip_vs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "resident.h"
#include "wire.h"

#define MOST_POOLS 8
// As many servers as the pools have to choose from, and addresses that are no pool's.
#define SERVERS 12
#define FIRST_FOREIGN 101
#define LAST_FOREIGN 200
// An owner sets the same thing again and again; this one never does, or the pool would give way to it.
#define MOST_WEIGHT 10000

struct pool {
  char address[16], port[8], forwarding[16], prefix[16];
};

static struct pool pools[MOST_POOLS];
static int pool_count, fd;
static uint16_t family;
static uint64_t state;
static const char *const schedulers[] = {"rr", "lc", "wrr", "wlc", "sed", "nq", "sh", "dh", "lblc", "fo", "ovf", "mh"};

// splitmix64
static uint32_t below(uint32_t end) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) % end);
}

static void read_pool(const char *text) {
  struct pool *pool = &pools[pool_count++];
  if (sscanf(text, "%15[^:]:%7[^:]:%15[^:]:%15s", pool->address, pool->port, pool->forwarding, pool->prefix) != 4) {
    die("\"%s\" is not ADDRESS:PORT:FORWARDING:PREFIX", text);
  }
}

static uint32_t address_of(const char *text) {
  uint32_t address;
  if (inet_pton(AF_INET, text, &address) != 1) die("\"%s\" is not an address", text);
  return address;
}

static int ask(const uint8_t *message, size_t bytes) {
  send_all(fd, message, bytes);
  uint8_t reply[4096] __attribute__((aligned(8)));
  const ssize_t received = recv(fd, reply, sizeof reply, 0);
  if (received < (ssize_t)NLMSG_LENGTH(sizeof(int))) die("recv: %s", strerror(errno));
  const struct nlmsgerr *answer = NLMSG_DATA((struct nlmsghdr *)reply);
  return -answer->error;
}

static void tell(double at, const char *what, int error) {
  printf("{\"at\":%.3f,\"act\":\"%s\",\"errno\":%d}\n", at, what, error);
  fflush(stdout);
}

static void flush_all(void) {
  uint8_t message[MESSAGE_ROOM];
  const double at = now_ms();
  tell(at, "flush", ask(message, encode_get(message, family, IPVS_CMD_FLUSH, NULL, NLM_F_ACK, 0)));
}

static void act(void) {
  const uint32_t dice = below(100);
  if (dice < 5) {
    flush_all();
    return;
  }
  const struct pool *pool = &pools[below((uint32_t)pool_count)];
  const bool udp = below(2) == 1;
  struct change change = {
    .protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
    .address = address_of(pool->address),
    .port = htons((uint16_t)atoi(pool->port)),
    .server_port = htons((uint16_t)atoi(pool->port)),
    .method = strcmp(pool->forwarding, "masquerade") == 0 ? IP_VS_CONN_F_MASQ : IP_VS_CONN_F_DROUTE,
  };
  const char *verb;
  char server[40] = "", detail[40] = "";
  const uint32_t own = 1 + below(SERVERS), foreign = FIRST_FOREIGN + below(LAST_FOREIGN - FIRST_FOREIGN + 1);
  uint32_t number = own;
  if (dice < 13) {
    verb = "delete the service";
    change.command = 'D';
  } else if (dice < 23) {
    verb = "edit the service";
    change.command = 'E';
    strcpy(change.scheduler, schedulers[below(sizeof schedulers / sizeof *schedulers)]);
    snprintf(detail, sizeof detail, " scheduler %s", change.scheduler);
  } else if (dice < 50) {
    verb = "delete";
    change.command = 'd';
  } else {
    // One in ten has weight 0.
    change.weight = below(10) == 0 ? 0 : 1 + below(MOST_WEIGHT);
    snprintf(detail, sizeof detail, " weight %u", change.weight);
    if (dice < 78) {
      verb = "edit";
      change.command = 'e';
    } else {
      verb = "add";
      change.command = 'a';
      if (dice < 90) number = foreign;
    }
  }
  if (strchr("aed", change.command) != NULL) {
    snprintf(server, sizeof server, "%s%u", pool->prefix, number);
    change.server = address_of(server);
  }
  uint8_t message[MESSAGE_ROOM];
  const size_t bytes = encode_change(message, family, &change, NLM_F_ACK, 0);
  const double at = now_ms();
  const int error = ask(message, bytes);
  char what[160];
  snprintf(what, sizeof what, "%s %s %s:%s%s%s%s", verb, udp ? "udp" : "tcp", pool->address, pool->port,
           *server == '\0' ? "" : " ", server, detail);
  tell(at, what, error);
}

int main(int argc, char **argv) {
  if (argc < 4 || argc - 3 > MOST_POOLS) die("meddler SEED MS POOL...");
  state = strtoull(argv[1], NULL, 10);
  const int period = atoi(argv[2]);
  for (int i = 3; i < argc; i++) read_pool(argv[i]);
  fd = open_wire(&family);
  bool active = false;
  double next = 0;
  say("ready");
  for (;;) {
    const double left = next - now_ms();
    char line[64];
    const int length = wait_for_line(active ? (left > 0 ? (int)left + 1 : 0) : -1, line, sizeof line);
    if (length < 0) return 0;
    if (length > 0) {
      active = strcmp(line, "go") == 0;
      next = now_ms() + period;
      say(active ? "going" : "pausing");
    } else if (now_ms() >= next) {
      act();
      next += period;
    }
  }
}
