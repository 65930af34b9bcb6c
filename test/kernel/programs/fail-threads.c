// LD_PRELOAD: no thread can be made while NO_THREADS is in the environment, as at a limit of the user's or the container's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

typedef int create_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*start)(void *), void *data) {
  if (getenv("NO_THREADS") != NULL) return EAGAIN;
  create_thread *real = (create_thread *)dlsym(RTLD_NEXT, "pthread_create");
  return real(thread, how, start, data);
}
