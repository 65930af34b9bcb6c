// sampler [PAUSE]: looks at /proc/net/ip_vs again and again, until its standard input ends, and counts the looks at which the
// TCP and the UDP service had different destinations. Before each look it sleeps PAUSE microseconds, ahead of every
// ordinary process when it wakes (SCHED_FIFO); without PAUSE it only yields.
// Prints "ready", and at the end: looks, splits, and how often it saw something new.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char text[65536], before[65536], tcp[32768], udp[32768];

// The table in one read: two services and their few destinations are less than a page (seq_file.c: seq_read_iter).
static void look(int fd) {
  const ssize_t length = pread(fd, text, sizeof text - 1, 0);
  if (length < 0) exit(3);
  text[length] = 0;
}

// Copies the destination lines of one service.
static void destinations(const char *protocol, char *out) {
  const char *at = strstr(text, protocol);
  *out = 0;
  if (at == NULL) return;
  const char *line = strchr(at, '\n');
  while (line != NULL && strncmp(line + 1, "  -> ", 5) == 0) {
    const char *end = strchr(line + 1, '\n');
    strncat(out, line + 1, (size_t)(end - line));
    line = end;
  }
}

int main(int argc, char **argv) {
  const long pause = argc > 1 ? atol(argv[1]) : 0;
  if (pause > 0) {
    const struct sched_param first = {.sched_priority = 50};
    if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) perror("sched_setscheduler");
  }
  const int fd = open("/proc/net/ip_vs", O_RDONLY);
  if (fd < 0) return 2;
  long looks = 0, splits = 0, news = 0;
  struct pollfd end = {.fd = 0, .events = POLLIN};
  puts("ready");
  fflush(stdout);
  for (; poll(&end, 1, 0) == 0; looks++) {
    look(fd);
    destinations("TCP ", tcp);
    destinations("UDP ", udp);
    if (strcmp(tcp, udp) != 0) splits++;
    if (strcmp(text, before) != 0) news++;
    strcpy(before, text);
    const struct timespec time = {.tv_nsec = pause * 1000};
    if (pause > 0) nanosleep(&time, NULL);
    else sched_yield();
  }
  printf("%ld %ld %ld\n", looks, splits, news);
}
