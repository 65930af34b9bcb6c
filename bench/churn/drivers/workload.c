#define _GNU_SOURCE
#include "workload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ip_vs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die_of_change(const struct change *change, int error) {
  die("line %u: -%c: %s (errno %d)", change->line, change->command, strerror(error), error);
}

enum mode mode_of(const char *word) {
  static const char *const words[] = {[EACH] = "each", [BULK] = "bulk", [LOAD] = "load", [READ] = "read"};
  for (enum mode mode = EACH; mode <= READ; mode++) {
    if (strcmp(word, words[mode]) == 0) return mode;
  }
  die("\"%s\" is not each, bulk, load or read", word);
}

// "192.0.2.1:53" to network order.
static bool parse_endpoint(char *text, uint32_t *address, uint16_t *port) {
  char *colon = strchr(text, ':');
  if (colon == NULL) return false;
  *colon = '\0';
  char *end;
  const unsigned long number = strtoul(colon + 1, &end, 10);
  if (colon[1] == '\0' || *end != '\0' || number > UINT16_MAX) return false;
  *port = htons((uint16_t)number);
  return inet_pton(AF_INET, text, address) == 1;
}

// A word with a value, such as "-w 5".
static bool parse_option(char word, char *value, struct change *change) {
  switch (word) {
    case 't':
    case 'u':
      change->protocol = word == 't' ? IPPROTO_TCP : IPPROTO_UDP;
      return parse_endpoint(value, &change->address, &change->port);
    case 'r': return parse_endpoint(value, &change->server, &change->server_port);
    case 'w': return sscanf(value, "%u", &change->weight) == 1;
    case 's': return snprintf(change->scheduler, sizeof change->scheduler, "%s", value) < (int)sizeof change->scheduler;
    default: return false;
  }
}

static bool parse_word(char *word, char **rest, struct change *change) {
  if (word[0] != '-' || word[1] == '\0' || word[2] != '\0') return false;
  switch (word[1]) {
    case 'g': change->method = IP_VS_CONN_F_DROUTE; return true;
    case 'm': change->method = IP_VS_CONN_F_MASQ; return true;
    case 'i': change->method = IP_VS_CONN_F_TUNNEL; return true;
    default: break;
  }
  if (strchr("AEDaed", word[1]) != NULL) {
    change->command = word[1];
    return true;
  }
  char *value = strtok_r(NULL, " \t", rest);
  return value != NULL && parse_option(word[1], value, change);
}

static struct change parse_line(const char *file, uint32_t line, char *text) {
  // What ipvsadm takes for words that are not there.
  struct change change = {.line = line, .method = IP_VS_CONN_F_DROUTE, .weight = 1, .scheduler = "wlc"};
  char *rest = NULL;
  for (char *word = strtok_r(text, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
    if (!parse_word(word, &rest, &change)) die("%s:%u: cannot read \"%s\"", file, line, word);
  }
  const bool server = strchr("aed", change.command) != NULL;
  if (change.command == '\0' || change.protocol == 0 || (server && change.server == 0)) {
    die("%s:%u: not a whole change", file, line);
  }
  return change;
}

// Room for one more; doubles at each power of two.
static void *grow(void *list, size_t count, size_t bytes) {
  if ((count & (count - 1)) != 0) return list;
  return need(realloc(list, (count == 0 ? 1 : count * 2) * bytes));
}

static void add_change(struct workload *workload, struct change change) {
  workload->changes = grow(workload->changes, workload->change_count, sizeof change);
  workload->changes[workload->change_count++] = change;
}

// The changes since the last operation; `lines` counts the dropped ones too, so that no operation is lost.
static void end_operation(struct workload *workload, size_t first, size_t lines) {
  if (lines == 0) return;
  const struct operation operation = {first, workload->change_count - first};
  workload->operations = grow(workload->operations, workload->operation_count, sizeof operation);
  workload->operations[workload->operation_count++] = operation;
}

struct workload read_workload(const char *file) {
  const char *asked = getenv("BENCH_SABOTAGE");
  const bool sabotage = asked != NULL && strcmp(asked, "1") == 0;
  FILE *stream = fopen(file, "r");
  if (stream == NULL) die("%s: %s", file, strerror(errno));
  struct workload workload = {0};
  char text[256];
  uint32_t line = 0;
  size_t seen = 0, first = 0, lines = 0;
  while (fgets(text, sizeof text, stream) != NULL) {
    line++;
    text[strcspn(text, "\r\n")] = '\0';
    if (text[strspn(text, " \t")] == '\0') {
      end_operation(&workload, first, lines);
      first = workload.change_count;
      lines = 0;
      continue;
    }
    const struct change change = parse_line(file, line, text);
    lines++;
    if (++seen % 10 != 0 || !sabotage) add_change(&workload, change);
  }
  if (ferror(stream)) die("%s: cannot be read", file);
  end_operation(&workload, first, lines);
  fclose(stream);
  return workload;
}

uint64_t *new_stamps(size_t n) {
  uint64_t *stamps = need(malloc((n + 1) * sizeof *stamps));
  for (size_t i = 0; i <= n; i++) stamps[i] = 1;
  return stamps;
}

void print_times(const uint64_t *stamps, size_t n, const size_t *rows) {
  printf("{\"times\":[");
  for (size_t i = 0; i < n; i++) {
    const unsigned long long taken = stamps[i + 1] - stamps[i];
    printf("%s%llu.%03llu", i == 0 ? "" : ",", taken / 1000, taken % 1000);
  }
  printf("]");
  if (rows != NULL) printf(",\"rows\":%zu", *rows);
  printf("}\n");
  if (fflush(stdout) != 0) die("stdout: %s", strerror(errno));
}
