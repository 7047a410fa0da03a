#include "CMappedFile.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { most_mappings = 64, model_or_file = 3 };

// `start` is 0 in a free place; it is set last and cleared first, so that the handler sees whole entries only.
static struct {
  _Atomic uintptr_t start;
  size_t length;
  const char *text;
} watched[most_mappings];

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

// Swift's runtime has a handler of its own, which prints a backtrace.
static struct sigaction others;

static void say_what_is_gone(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int i = 0; i < most_mappings; i++) {
    uintptr_t start = atomic_load(&watched[i].start);
    if (start != 0 && address >= start && address - start < watched[i].length) {
      ssize_t written = write(STDERR_FILENO, watched[i].text, strlen(watched[i].text));
      (void)written;
      _exit(model_or_file);
    }
  }
  // None of ours: the read is repeated, and the signal does what it did before.
  sigaction(number, &others, NULL);
}

static void handle_bus_errors(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = say_what_is_gone;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &others);
}

void watch_mapping(const void *address, size_t length, const char *text) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, handle_bus_errors);
  pthread_mutex_lock(&writing);
  for (int i = 0; i < most_mappings; i++) {
    if (atomic_load(&watched[i].start) != 0) continue;
    watched[i].length = length;
    watched[i].text = text;
    atomic_store(&watched[i].start, (uintptr_t)address);
    break;
  }
  pthread_mutex_unlock(&writing);
}

void forget_mapping(const void *address) {
  pthread_mutex_lock(&writing);
  for (int i = 0; i < most_mappings; i++) {
    if (atomic_load(&watched[i].start) == (uintptr_t)address) atomic_store(&watched[i].start, 0);
  }
  pthread_mutex_unlock(&writing);
}
