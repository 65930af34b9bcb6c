// servers KIND COUNT PORT INTERVAL_MS: as many servers, each with a socket and a loopback address of its own (127.1.0.0 and up),
// that remember when they were asked. `tcp` and `http` close after the client has; `http` answers 200, `dns` any question
// over UDP with an address. Reads lines: `mark` forgets the past, `report` prints one line of JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512 };

struct server {
  int socket;
  uint32_t connections;
  double first, last;
};

/** What epoll calls them: servers by their number, then our input, then connections by their descriptor. */
static struct server *servers;
static enum { TCP, HTTP, DNS } kind;
static uint32_t count;
static double interval;
/** How far each interval was from what it should be, in ms. */
static float *deviations;
static size_t deviations_used, deviations_room;

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void fail_with(const char *what) {
  fprintf(stderr, "servers: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void listen_all(int epoll, uint16_t port) {
  struct rlimit files = {count + 1000, count + 1000};
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) fail_with("RLIMIT_NOFILE");
  for (uint32_t i = 0; i < count; i++) {
    const int one = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(0x7f010000 + i),
    };
    const int type = kind == DNS ? SOCK_DGRAM : SOCK_STREAM;
    const int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) fail_with("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) fail_with("bind");
    if (kind != DNS && listen(fd, 16) != 0) fail_with("listen");
    servers[i].socket = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail_with("epoll_ctl");
  }
}

static void note(struct server *server) {
  const double now = now_ms();
  if (server->connections++ == 0) {
    server->first = now;
  } else {
    if (deviations_used == deviations_room) {
      deviations_room = deviations_room * 2 + 65536;
      deviations = realloc(deviations, deviations_room * sizeof *deviations);
      if (deviations == NULL) fail_with("realloc");
    }
    deviations[deviations_used++] = (float)fabs(now - server->last - interval);
  }
  server->last = now;
}

static void accept_all(int epoll, struct server *server) {
  int connection;
  while ((connection = accept4(server->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    note(server);
    // Whoever closes first has the TIME_WAIT: that shall be the client.
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = count + (uint32_t)connection};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event) != 0) fail_with("epoll_ctl");
  }
}

/** A request of a check comes in one piece. */
static void answer_http(int connection) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  char request[4096];
  if (read(connection, request, sizeof request) <= 0) {
    close(connection);
  } else if (send(connection, answer, sizeof answer - 1, MSG_NOSIGNAL) >= 0) {
    shutdown(connection, SHUT_WR);
  }
}

/** One question, one address. */
static void answer_dns(struct server *server) {
  static const uint8_t address[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
  uint8_t message[512];
  struct sockaddr_in client;
  socklen_t size = sizeof client;
  ssize_t length;
  while ((length = recvfrom(server->socket, message, sizeof message - sizeof address, 0, (struct sockaddr *)&client, &size)) > 0) {
    const uint8_t *root = length > 16 ? memchr(message + 12, 0, (size_t)length - 16) : NULL;
    if (root == NULL) continue;
    note(server);
    // The question ends with the root's label, type and class; what follows it, such as EDNS, is left out.
    uint8_t *end = message + (root - message) + 5;
    memcpy(end, address, sizeof address);
    message[2] |= 0x84;
    message[3] = 0;
    memcpy(message + 4, (const uint8_t[]){0, 1, 0, 1, 0, 0, 0, 0}, 8);
    sendto(server->socket, message, (size_t)(end - message) + sizeof address, 0, (struct sockaddr *)&client, size);
  }
}

static void forget(void) {
  for (uint32_t i = 0; i < count; i++) servers[i].connections = 0;
  deviations_used = 0;
}

static int by_size(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double quantile(double q) {
  return deviations_used == 0 ? 0 : deviations[(size_t)(q * (double)(deviations_used - 1))];
}

static void report(void) {
  uint64_t connections = 0;
  uint32_t fewest = UINT32_MAX;
  double worst = 0, sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    const struct server *it = &servers[i];
    connections += it->connections;
    if (it->connections < fewest) fewest = it->connections;
    if (it->connections < 2) continue;
    const double mean = (it->last - it->first) / (it->connections - 1);
    const double drift = mean / interval - 1;
    sum += drift;
    if (fabs(drift) > worst) worst = fabs(drift);
  }
  qsort(deviations, deviations_used, sizeof *deviations, by_size);
  printf("{\"connections\":%lu,\"fewest\":%u,\"meanDriftPercent\":%.3f,\"worstDriftPercent\":%.3f,"
         "\"deviationP50Ms\":%.2f,\"deviationP99Ms\":%.2f,\"deviationMaxMs\":%.2f}\n",
         (unsigned long)connections, fewest, 100 * sum / count, 100 * worst, quantile(0.5), quantile(0.99), quantile(1));
  fflush(stdout);
  forget();
}

/** False at the end of the input: whoever has started us is gone. */
static int obey(void) {
  char words[256];
  const ssize_t length = read(STDIN_FILENO, words, sizeof words - 1);
  if (length <= 0) return 0;
  words[length] = '\0';
  if (strstr(words, "mark") != NULL) forget();
  if (strstr(words, "report") != NULL) report();
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: servers tcp|http|dns COUNT PORT INTERVAL_MS\n");
    return 2;
  }
  kind = strcmp(argv[1], "dns") == 0 ? DNS : strcmp(argv[1], "http") == 0 ? HTTP : TCP;
  count = (uint32_t)strtoul(argv[2], NULL, 10);
  interval = strtod(argv[4], NULL);
  servers = calloc(count, sizeof *servers);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (servers == NULL || epoll < 0) fail_with("start");
  listen_all(epoll, (uint16_t)strtoul(argv[3], NULL, 10));
  struct epoll_event input = {.events = EPOLLIN, .data.u32 = count};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0) fail_with("epoll_ctl");
  printf("ready\n");
  fflush(stdout);

  for (;;) {
    struct epoll_event events[EVENTS];
    const int ready = epoll_wait(epoll, events, EVENTS, -1);
    if (ready < 0 && errno != EINTR) fail_with("epoll_wait");
    for (int i = 0; i < ready; i++) {
      const uint32_t which = events[i].data.u32;
      if (which < count && kind == DNS) answer_dns(&servers[which]);
      else if (which < count) accept_all(epoll, &servers[which]);
      else if (which > count && kind == HTTP) answer_http((int)(which - count));
      else if (which > count) close((int)(which - count));
      else if (!obey()) return 0;
    }
  }
}
