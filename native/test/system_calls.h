// The system calls of netlink_socket.cc pass through here (CMakeLists.txt: --wrap), so that tests can make them fail.
#pragma once

#include <functional>
#include <string>

// The next call of that name fails with the errno, or passes if that is 0; several wait in line.
void FailNext(const std::string& call, int error);

// What the next netlink socket is: one end of a scripted line. Without it there is none, so no test ever speaks to
// the machine's own kernel.
void NextSocket(int fd);

// What the peer does after the next send, for answers that must not be there before; several wait in line.
void AfterSend(std::function<void()> what);
