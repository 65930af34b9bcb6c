// What every C driver shares: the workload file, the clock and the one line a driver prints.
#pragma once

#include <stddef.h>
#include <stdint.h>

// One line of the file. Addresses and ports are in network order, as the kernel wants them.
struct change {
  char command;  // A E D: a service; a e d: a destination
  uint16_t protocol;
  uint16_t port;
  uint16_t server_port;
  uint32_t address;
  uint32_t server;
  uint32_t method;
  uint32_t weight;
  uint32_t line;
  char scheduler[16];
};

// The changes between two empty lines.
struct operation {
  size_t first;
  size_t count;
};

struct workload {
  struct change *changes;
  size_t change_count;
  struct operation *operations;
  size_t operation_count;
};

enum mode { EACH, BULK, LOAD, READ };

enum mode mode_of(const char *word);

// Reads the file; with BENCH_SABOTAGE=1 every tenth change is left out, so that the suite can prove that it looks.
struct workload read_workload(const char *file);

// A message on stderr and exit 1.
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_of_change(const struct change *change, int error);

void *need(void *memory);

// A positive number from the environment.
size_t number_from(const char *name, size_t otherwise);

// CLOCK_MONOTONIC. A timed interval holds one reading of it, which is a system call of its own in the lab.
uint64_t now(void);

// Room for n + 1 readings, touched already: no page fault while the clock runs.
uint64_t *new_stamps(size_t n);

// {"times":[...]} from n + 1 consecutive readings; "rows" only if there is a number of them.
void print_times(const uint64_t *stamps, size_t n, const size_t *rows);
