// The system calls of netlink_socket.cc pass through here (CMakeLists.txt: --wrap), so that tests can make them fail.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

// The next call of that name fails with the errno, or passes if that is 0; several wait in line.
void FailNext(const std::string& call, int error);

// What the next netlink socket is: one end of a scripted line. Without it there is none, so no test ever speaks to
// the machine's own kernel.
void NextSocket(int fd);

// The port that has sent the next datagram; several wait in line. Otherwise it is 0, the kernel's.
void NextSender(uint32_t port);

// A kernel that answers by itself: `open` gives each new netlink socket, `answer` runs after every send on it. Called on the
// thread that sends.
struct Automaton {
  std::function<int()> open;
  std::function<void(int fd)> answer;
};
void UseAutomaton(Automaton automaton);

// What the peer does after the next send, for answers that must not be there before; several wait in line.
void AfterSend(std::function<void()> what);
