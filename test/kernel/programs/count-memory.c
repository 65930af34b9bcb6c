/* Preloaded: counts what the addon has allocated and not freed, by the place in its code that allocated it. The counts
   lie in the file COUNT_MEMORY, to be read at any time; `struct counts` is its layout. An allocation is the addon's if
   the code that calls the allocator, or operator new, lies in a file named in COUNT_ADDONS ("ipvs.node,leaky.node"). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ADDONS 4
#define PLACES 4096
#define BLOCKS (1u << 20) /* live ones of the addons, at most */

struct place {
  uint32_t addon; /* from 1; 0: unused */
  uint32_t offset;
  int64_t blocks, bytes;
  uint64_t ever;
};

struct counts {
  int64_t process_bytes; /* of everybody */
  int64_t blocks, bytes; /* of the addons */
  uint64_t ever;
  uint64_t overflow; /* not counted: a table was full */
  struct place places[PLACES];
};

struct block {
  void *at;
  uint32_t place;
  size_t bytes;
};

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
extern size_t malloc_usable_size(void *);

static struct counts none, *counts = &none;
static struct block *blocks;
static struct { uintptr_t from, to; } addons[ADDONS];
static int addon_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int note_addon(struct dl_phdr_info *info, size_t size, void *known) {
  (void)size, (void)known;
  const char *name = strrchr(info->dlpi_name, '/');
  const char *wanted = getenv("COUNT_ADDONS");
  if (name == NULL || wanted == NULL || addon_count == ADDONS) return 0;
  const char *found = strstr(wanted, ++name);
  if (*name == 0 || found == NULL) return 0;
  for (int i = 0; i < addon_count; i++) {
    if (addons[i].from == info->dlpi_addr) return 0;
  }
  uintptr_t end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type == PT_LOAD && part->p_vaddr + part->p_memsz > end) end = part->p_vaddr + part->p_memsz;
  }
  addons[addon_count].from = info->dlpi_addr;
  addons[addon_count].to = info->dlpi_addr + end;
  __atomic_store_n(&addon_count, addon_count + 1, __ATOMIC_RELEASE);
  return 0;
}

void *dlopen(const char *file, int mode) {
  void *(*real)(const char *, int) = dlsym(RTLD_NEXT, "dlopen");
  void *handle = real(file, mode);
  dl_iterate_phdr(note_addon, NULL);
  return handle;
}

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("COUNT_MEMORY");
  int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(struct counts)) != 0) return;
  void *shared = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void *table = mmap(NULL, BLOCKS * sizeof(struct block), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  close(fd);
  if (shared == MAP_FAILED || table == MAP_FAILED) return;
  blocks = table;
  counts = shared;
}

static uint32_t slot_of(const void *at) { return (uint32_t)(((uintptr_t)at >> 4) * 0x9e3779b97f4a7c15u >> 44); }

static void remember(void *at, uint32_t addon, uint32_t offset, size_t bytes) {
  uint32_t p = (offset * 2654435761u + addon) % PLACES, tries = 0;
  while (counts->places[p].addon != 0 && (counts->places[p].addon != addon || counts->places[p].offset != offset)) {
    if (++tries == PLACES) break;
    p = (p + 1) % PLACES;
  }
  uint32_t slot = slot_of(at);
  if (tries == PLACES || counts->blocks > BLOCKS / 2) {
    counts->overflow++;
    return;
  }
  while (blocks[slot].at != NULL) slot = (slot + 1) % BLOCKS;
  blocks[slot] = (struct block){at, p, bytes};
  struct place *place = &counts->places[p];
  place->addon = addon;
  place->offset = offset;
  place->blocks++, place->bytes += bytes, place->ever++;
  counts->blocks++, counts->bytes += bytes, counts->ever++;
}

static void forget(const void *at) {
  uint32_t slot = slot_of(at);
  while (blocks[slot].at != NULL && blocks[slot].at != at) slot = (slot + 1) % BLOCKS;
  if (blocks[slot].at == NULL) return;
  struct place *place = &counts->places[blocks[slot].place];
  place->blocks--, place->bytes -= blocks[slot].bytes;
  counts->blocks--, counts->bytes -= blocks[slot].bytes;
  /* What was pushed on by this one moves back, so that searches still end at an empty slot. */
  for (uint32_t next = (slot + 1) % BLOCKS;; next = (next + 1) % BLOCKS) {
    blocks[slot].at = NULL;
    while (blocks[next].at != NULL && (next - slot_of(blocks[next].at)) % BLOCKS < (next - slot) % BLOCKS) {
      next = (next + 1) % BLOCKS;
    }
    if (blocks[next].at == NULL) return;
    blocks[slot] = blocks[next];
    slot = next;
  }
}

static void *took(void *at, const void *caller) {
  if (at == NULL || blocks == NULL) return at;
  size_t bytes = malloc_usable_size(at);
  __atomic_add_fetch(&counts->process_bytes, (int64_t)bytes, __ATOMIC_RELAXED);
  for (int i = 0; i < __atomic_load_n(&addon_count, __ATOMIC_ACQUIRE); i++) {
    if ((uintptr_t)caller < addons[i].from || (uintptr_t)caller >= addons[i].to) continue;
    pthread_mutex_lock(&lock);
    remember(at, (uint32_t)i + 1, (uint32_t)((uintptr_t)caller - addons[i].from), bytes);
    pthread_mutex_unlock(&lock);
  }
  return at;
}

static void giving(void *at) {
  if (at == NULL || blocks == NULL) return;
  __atomic_sub_fetch(&counts->process_bytes, (int64_t)malloc_usable_size(at), __ATOMIC_RELAXED);
  if (__atomic_load_n(&addon_count, __ATOMIC_ACQUIRE) == 0) return;
  pthread_mutex_lock(&lock);
  forget(at);
  pthread_mutex_unlock(&lock);
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t bytes) { return took(__libc_malloc(bytes), CALLER); }
void *calloc(size_t count, size_t bytes) { return took(__libc_calloc(count, bytes), CALLER); }

void *realloc(void *at, size_t bytes) {
  if (at == NULL) return took(__libc_malloc(bytes), CALLER);
  void *moved = __libc_malloc(bytes);
  if (moved == NULL) return NULL;
  const size_t old = malloc_usable_size(at);
  memcpy(moved, at, old < bytes ? old : bytes);
  giving(at);
  __libc_free(at);
  return took(moved, CALLER);
}

void *memalign(size_t alignment, size_t bytes) { return took(__libc_memalign(alignment, bytes), CALLER); }
void *aligned_alloc(size_t alignment, size_t bytes) { return took(__libc_memalign(alignment, bytes), CALLER); }

int posix_memalign(void **at, size_t alignment, size_t bytes) {
  *at = took(__libc_memalign(alignment, bytes), CALLER);
  return *at == NULL ? ENOMEM : 0;
}

void free(void *at) {
  giving(at);
  __libc_free(at);
}

/* operator new and delete, which the addon may take from elsewhere: then it is not the caller of malloc. */
void *new_(size_t bytes) __asm__("_Znwm");
void *new_(size_t bytes) { return took(__libc_malloc(bytes == 0 ? 1 : bytes), CALLER); }
void *new_array(size_t bytes) __asm__("_Znam");
void *new_array(size_t bytes) { return took(__libc_malloc(bytes == 0 ? 1 : bytes), CALLER); }
void delete_(void *at) __asm__("_ZdlPv");
void delete_(void *at) { free(at); }
void delete_array(void *at) __asm__("_ZdaPv");
void delete_array(void *at) { free(at); }
void delete_sized(void *at, size_t bytes) __asm__("_ZdlPvm");
void delete_sized(void *at, size_t bytes) { (void)bytes, free(at); }
void delete_array_sized(void *at, size_t bytes) __asm__("_ZdaPvm");
void delete_array_sized(void *at, size_t bytes) { (void)bytes, free(at); }
