// What the resident programs share: they say "ready", do their work between looks at the standard input, and end when
// it does.
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

static inline double now_ms(void) { return (double)now() / 1e6; }

static inline void say(const char *line) {
  puts(line);
  fflush(stdout);
}

// Sleeps, or until there is a line: its length, 0 if there is none. -1 at the end of the input.
static inline int wait_for_line(int ms, char *line, size_t room) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (poll(&input, 1, ms) <= 0) return 0;
  const ssize_t length = read(STDIN_FILENO, line, room - 1);
  if (length <= 0) return -1;
  line[length] = '\0';
  line[strcspn(line, "\n")] = '\0';
  return (int)strlen(line);
}

// False at the end of the input.
static inline bool sleep_on(int ms) {
  char line[64];
  return wait_for_line(ms, line, sizeof line) >= 0;
}
