// witness TABLE_MS TICK_MS [FILE]: looks at /proc/net/ip_vs every TABLE_MS milliseconds (0: never) and at the clock every TICK_MS, ahead of every ordinary
// process when it wakes (SCHED_FIFO), and tells what it has seen, on stdout or in the file, a JSON object a line.
//   {"at":12.345,"before":10.102,"looks":17,"table":["UDP  C0000201:0035 wrr ops","-> 0A010001:0035 Route 1"]}
// The table, without the counters of connections, whenever it has changed; the look before this one, and how many there were.
//   {"at":12.345,"stolenMs":310.000}
// It has got here so late, from its last sleep on: the machine ran something else, and nobody in the guest has moved, or only
// slowly (Linux calls it steal time). What a turn of its own takes, it knows from its quickest. Small pieces are told together:
// whoever listens costs the guest's one CPU, too.
//   {"at":12.345,"looks":9000,"longestGapMs":3.100,"end":true}
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "resident.h"

// A quiet guest is less late: it may be in a system call of somebody else.
#define LATE_MS 0.7
// A piece that is told by itself; and how often the smaller ones are.
#define LARGE_MS 20.0
#define TOLD_EVERY_MS 250.0

static char text[1 << 18], table[1 << 18], before[1 << 18];

// The services of a scenario are less than a page, which is one step of the kernel's (seq_file.c: seq_read_iter).
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
  if (argc != 3 && argc != 4) die("witness TABLE_MS TICK_MS [FILE]");
  FILE *file = argc == 4 ? fopen(argv[3], "w") : stdout;
  const int table_ms = atoi(argv[1]), tick_ms = atoi(argv[2]);
  const int fd = table_ms > 0 ? open("/proc/net/ip_vs", O_RDONLY) : -1;
  if (file == NULL || (table_ms > 0 && fd < 0)) die("%s, /proc/net/ip_vs: %s", argc == 4 ? argv[3] : "stdout", strerror(errno));
  if ((table_ms > 0 && table_ms < tick_ms) || tick_ms < 1) die("the table is looked at with the clock, or less often");
  const struct sched_param first = {.sched_priority = 50};
  if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) die("SCHED_FIFO: %s", strerror(errno));
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) die("mlockall: %s", strerror(errno));
  strcpy(before, "nothing yet");
  long looks = 0;
  bool looked = false;
  double last = 0, longest = 0, woken = 0, stolen = 0, told = 0;
  // With a look at the table, and without.
  double quickest[2] = {1e9, 1e9};
  say("ready");
  do {
    const double at = now_ms();
    if (woken > 0) {
      const double turn = at - woken - tick_ms;
      if (turn < quickest[looked]) quickest[looked] = turn;
      const double late = turn - quickest[looked];
      if (late > LATE_MS) stolen += late;
      if (stolen > 0 && (late >= LARGE_MS || at - told >= TOLD_EVERY_MS)) {
        fprintf(file, "{\"at\":%.3f,\"stolenMs\":%.3f}\n", at, stolen);
        stolen = 0;
        told = at;
      }
    }
    woken = at;
    looked = table_ms > 0 && (looks == 0 || at - last >= table_ms - 0.5);
    if (looked) {
      look(fd);
      if (looks > 0 && at - last > longest) longest = at - last;
      copy_table();
      if (strcmp(table, before) != 0) {
        fprintf(file, "{\"at\":%.3f,\"before\":%.3f,\"looks\":%ld,\"table\":[%s]}\n", at, looks > 0 ? last : at, looks, table);
        strcpy(before, table);
      }
      last = at;
      looks++;
    }
    // Whoever listens does so at once; a file is written when there is enough of it: that stops the guest for a moment.
    if (file == stdout) fflush(file);
  } while (sleep_on(tick_ms));
  fprintf(file, "{\"at\":%.3f,\"looks\":%ld,\"longestGapMs\":%.3f,\"end\":true}\n", now_ms(), looks, longest);
  return fclose(file) == 0 ? 0 : 1;
}
