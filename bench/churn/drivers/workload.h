// What every C driver shares: the workload file and the one line a driver prints.
#pragma once

#include "program.h"
#include "wire.h"

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

_Noreturn void die_of_change(const struct change *change, int error);

// Room for n + 1 readings, touched already: no page fault while the clock runs.
uint64_t *new_stamps(size_t n);

// {"times":[...]} from n + 1 consecutive readings; "rows" only if there is a number of them.
void print_times(const uint64_t *stamps, size_t n, const size_t *rows);
