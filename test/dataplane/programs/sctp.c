// SCTP, which Node does not have. One message is one query.
//   sctp serve NAME ADDRESS PORT   answers each with its name and the query; "mute" and "unmute" on the standard input
//   sctp ask ADDRESS PORT          says "connected", sends each line of its input and says each answer; ends with the association
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "resident.h"

// linux/sctp.h, which does not go with the headers of the C library.
#define SCTP_NODELAY 3
#define MOST 64

static struct addrinfo *address_of(const char *address, const char *port) {
  const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  if (getaddrinfo(address, port, &numeric, &found) != 0) die("%s port %s is no address", address, port);
  return found;
}

static int open_socket(const struct addrinfo *address) {
  const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
  if (fd < 0) die("socket: %s", strerror(errno));
  return fd;
}

// Without it, an answer waits for the acknowledgement of the one before.
static void no_delay(int fd) {
  const int on = 1;
  if (setsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on) != 0) die("SCTP_NODELAY: %s", strerror(errno));
}

// False when the association is over.
static bool answer(int fd, const char *name, bool muted) {
  char query[256], text[512];
  const ssize_t length = recv(fd, query, sizeof query - 1, 0);
  if (length <= 0) return false;
  query[length] = '\0';
  // A client that has gone is no concern of ours.
  if (!muted) send(fd, text, (size_t)snprintf(text, sizeof text, "%s %s", name, query), MSG_NOSIGNAL);
  return true;
}

static void serve(const char *name, const struct addrinfo *address) {
  const int listener = open_socket(address);
  if (bind(listener, address->ai_addr, address->ai_addrlen) != 0 || listen(listener, MOST) != 0) {
    die("bind: %s", strerror(errno));
  }
  struct pollfd all[MOST] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  int count = 2;
  bool muted = false;
  say("ready");
  for (;;) {
    if (poll(all, (nfds_t)count, -1) < 0) die("poll: %s", strerror(errno));
    char order[64];
    if (all[0].revents != 0) {
      const int length = wait_for_line(0, order, sizeof order);
      if (length < 0) return;
      muted = strcmp(order, "mute") == 0;
    }
    const int known = count;
    if (all[1].revents != 0 && count < MOST) {
      const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      if (fd >= 0) {
        no_delay(fd);
        all[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
      }
    }
    for (int i = known - 1; i >= 2; i--) {
      if (all[i].revents == 0 || answer(all[i].fd, name, muted)) continue;
      close(all[i].fd);
      all[i] = all[--count];
    }
  }
}

static void ask(const struct addrinfo *address) {
  const int fd = open_socket(address);
  no_delay(fd);
  if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) die("connect: %s", strerror(errno));
  say("connected");
  struct pollfd both[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  for (;;) {
    if (poll(both, 2, -1) < 0) die("poll: %s", strerror(errno));
    char text[4096];
    if (both[0].revents != 0) {
      const ssize_t length = read(STDIN_FILENO, text, sizeof text - 1);
      if (length <= 0) return;
      text[length] = '\0';
      for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0) die("send: %s", strerror(errno));
      }
    }
    if (both[1].revents != 0) {
      const ssize_t length = recv(fd, text, sizeof text - 1, 0);
      if (length < 0) die("recv: %s", strerror(errno));
      if (length == 0) return;
      text[length] = '\0';
      say(text);
    }
  }
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "serve") == 0) serve(argv[2], address_of(argv[3], argv[4]));
  else if (argc == 4 && strcmp(argv[1], "ask") == 0) ask(address_of(argv[2], argv[3]));
  else die("serve NAME ADDRESS PORT, or ask ADDRESS PORT");
}
