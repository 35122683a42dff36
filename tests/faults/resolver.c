// Takes the place of getaddrinfo. Names that end with .faults.example are addresses of this machine, except those in the
// file that the variable FAILING_NAMES names, one on each line: they do not resolve.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int fails(const char *name) {
  const char *path = getenv("FAILING_NAMES");
  FILE *file = path ? fopen(path, "re") : NULL;
  if (!file) return 1;
  char line[256];
  int found = 0;
  while (!found && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    found = strcmp(line, name) == 0;
  }
  fclose(file);
  return found;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  static const char domain[] = ".faults.example";
  lookup *system = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
  size_t length = name ? strlen(name) : 0;
  if (length >= sizeof domain && strcmp(name + length - (sizeof domain - 1), domain) == 0) {
    if (fails(name)) return EAI_NONAME;
    name = "127.0.0.1";
  }
  return system(name, service, hints, found);
}
