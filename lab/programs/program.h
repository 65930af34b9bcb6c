// What every C program here shares: how it fails, and the clock.
#pragma once

#include <stddef.h>
#include <stdint.h>

// A message on stderr and exit 1.
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void *need(void *memory);

// A positive number from the environment.
size_t number_from(const char *name, size_t otherwise);

// CLOCK_MONOTONIC. A timed interval holds one reading of it, which is a system call of its own in the lab.
uint64_t now(void);
