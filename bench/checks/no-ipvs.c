// A stand-in for the kernel's IPVS, to be preloaded into keepalived where there is none: it says that the family exists,
// takes every message and acknowledges it. Only what keepalived's checks cost is measured with it.
#include <string.h>

struct nl_sock;
struct nl_msg;
typedef int (*callback)(struct nl_msg *, void *);

/** As in netlink/handlers.h. */
enum { FINISH = 1, ACKNOWLEDGED = 4, TYPES = 16 };

static struct {
  callback function;
  void *argument;
} callbacks[TYPES];

int genl_ctrl_resolve(struct nl_sock *sock, const char *name) {
  (void)sock;
  return strcmp(name, "IPVS") == 0 ? 0x20 : -12;
}

int nl_socket_modify_cb(struct nl_sock *sock, int type, int kind, callback function, void *argument) {
  (void)sock;
  (void)kind;
  if (type >= 0 && type < TYPES) {
    callbacks[type].function = function;
    callbacks[type].argument = argument;
  }
  return 0;
}

int nl_send_auto(struct nl_sock *sock, struct nl_msg *msg) {
  (void)sock;
  (void)msg;
  return 1;
}

int nl_recvmsgs_default(struct nl_sock *sock) {
  (void)sock;
  for (int type = FINISH; type <= ACKNOWLEDGED; type += ACKNOWLEDGED - FINISH) {
    if (callbacks[type].function != NULL) callbacks[type].function(NULL, callbacks[type].argument);
  }
  return 0;
}
