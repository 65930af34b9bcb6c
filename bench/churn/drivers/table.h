// Reads the whole IPVS table in C: once, or verified as the library verifies it. IPv4 services without firewall marks.
#pragma once

#include <stddef.h>

struct table;

// One socket and all memory, kept from read to read. SLOTS (8) datagrams are taken per system call.
struct table *open_table(void);

// One dump of the services, one dump of each one's destinations. Believes what comes.
void read_once(struct table *table);

// The rounds of TableReader::ReadTable (native/table_reader.cc): a dump of one short chunk is believed, a longer one must come
// twice with the same identities, a service that a round misses or that has no destinations is asked for by name.
void read_verified(struct table *table);

// Destinations of the last read.
size_t rows_of(const struct table *table);
