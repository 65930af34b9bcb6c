// A thread of ours. Signals belong to the JavaScript side: one taken here would only interrupt system calls.
#pragma once

#include <pthread.h>

#include <csignal>

namespace ipvs {

// 0 or an errno.
inline int StartThread(pthread_t* thread, void* (*run)(void*), void* data) {
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  const int error = pthread_create(thread, nullptr, run, data);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return error;
}

}  // namespace ipvs
