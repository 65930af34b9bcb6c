// forge PORT FIRST LAST: "message FIRST has been carried out", and so on, to a netlink socket. Prints what sending them gave.
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int count, char **words) {
  if (count != 4) return 2;
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
  struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = (unsigned)strtoul(words[1], NULL, 10)};
  int refused = 0, sent = 0;
  for (unsigned seq = (unsigned)atoi(words[2]); seq <= (unsigned)atoi(words[3]); seq++) {
    struct {
      struct nlmsghdr head;
      struct nlmsgerr body;
    } ack = {{sizeof ack, NLMSG_ERROR, 0, seq, 0}, {0}};
    if (sendto(fd, &ack, sizeof ack, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to) == sizeof ack) sent++;
    else if (errno == ECONNREFUSED) refused++;
  }
  printf("{\"sent\":%d,\"refused\":%d}\n", sent, refused);
  return 0;
}
