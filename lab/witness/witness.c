// witness FILE MS: reads /proc/net/ip_vs every MS milliseconds, ahead of every ordinary process when it wakes
// (SCHED_FIFO), and writes the table when it has changed, without the counters of connections:
//   {"at":12.345,"table":["UDP  C0000201:0035 wrr ops","-> 0A010001:0035 Route 1"]}
// A look that is late by more than two others means that the machine had no time for the guest, in which nobody ran:
//   {"at":12.345,"stoodMs":310.000}
// At its end it writes how often it has looked, and the longest time between two looks.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>

#include "resident.h"

static char text[1 << 18], table[1 << 18], before[1 << 18];

// The pools' services are less than a page, which is one step of the kernel's (seq_file.c: seq_read_iter).
static void look(int fd) {
  size_t length = 0;
  for (;;) {
    const ssize_t bytes = pread(fd, text + length, sizeof text - 1 - length, (off_t)length);
    if (bytes < 0) die("/proc/net/ip_vs: %s", strerror(errno));
    if (bytes == 0) break;
    length += (size_t)bytes;
  }
  text[length] = '\0';
}

// Takes the last word off.
static void cut_word(char *line) {
  size_t length = strlen(line);
  while (length > 0 && line[length - 1] == ' ') length--;
  while (length > 0 && line[length - 1] != ' ') length--;
  line[length] = '\0';
}

static void copy_table(void) {
  char *out = table;
  *out = '\0';
  char *rest = text;
  for (int number = 0; rest != NULL && *rest != '\0'; number++) {
    char *line = strsep(&rest, "\n");
    // The first three are the heading.
    if (number < 3) continue;
    if (strstr(line, "-> ") != NULL) {
      cut_word(line);
      cut_word(line);
    }
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == ' ') length--;
    out += sprintf(out, "%s\"%.*s\"", out == table ? "" : ",", (int)length, line);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) die("witness FILE MS");
  FILE *file = fopen(argv[1], "w");
  const int fd = open("/proc/net/ip_vs", O_RDONLY);
  const int every = atoi(argv[2]);
  if (file == NULL || fd < 0) die("%s, /proc/net/ip_vs: %s", argv[1], strerror(errno));
  const struct sched_param first = {.sched_priority = 50};
  if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) die("SCHED_FIFO: %s", strerror(errno));
  strcpy(before, "nothing yet");
  long looks = 0;
  double last = 0, longest = 0;
  say("ready");
  do {
    const double at = now_ms();
    look(fd);
    const double gap = looks++ > 0 ? at - last : 0;
    if (gap > longest) longest = gap;
    if (gap > 3 * every) fprintf(file, "{\"at\":%.3f,\"stoodMs\":%.3f}\n", at, gap - every);
    last = at;
    copy_table();
    if (strcmp(table, before) == 0) continue;
    fprintf(file, "{\"at\":%.3f,\"table\":[%s]}\n", at, table);
    strcpy(before, table);
  } while (sleep_on(every));
  fprintf(file, "{\"at\":%.3f,\"looks\":%ld,\"longestGapMs\":%.3f}\n", now_ms(), looks, longest);
  return fclose(file) == 0 ? 0 : 1;
}
