#define _GNU_SOURCE
#include "program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void die(const char *format, ...) {
  va_list words;
  va_start(words, format);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, words);
  fputc('\n', stderr);
  va_end(words);
  exit(1);
}

void *need(void *memory) {
  if (memory == NULL) die("out of memory");
  return memory;
}

size_t number_from(const char *name, size_t otherwise) {
  const char *text = getenv(name);
  if (text == NULL || *text == '\0') return otherwise;
  char *end;
  const unsigned long number = strtoul(text, &end, 10);
  if (*end != '\0' || number == 0) die("%s=%s is not a positive number", name, text);
  return number;
}

uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}
