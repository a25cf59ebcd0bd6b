/* PAGEMAP_SCAN and what pagemap says, of memory whose writes are noticed by a userfaultfd that nobody has to read
 * (UFFD_FEATURE_WP_ASYNC): private, shared, of a file, marked where nothing is, moved, given back. */
#include "calls.h"
#include "rows.h"
enum { PAGE = 4096, WP_MODE = 2, MOST = 32 };
#define FEATURES (1ull << 15 | 1ull << 12)
struct arg { u64 size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
struct region { u64 start, end, categories; } vec[MOST];
struct range { u64 start, len, mode, ioctls; };
static int maps, uffd; static char *m; static struct arg a; static volatile char sink;
static long at(u64 address) { return ((long)address - (long)m) / PAGE; }
static long ask(u64 flags, u64 inverted, u64 mask, u64 anyof, u64 ret) {
  a.size = sizeof a; a.flags = flags; a.inverted = inverted; a.mask = mask; a.anyof = anyof; a.ret = ret; a.walk_end = 0;
  return syscall(54, maps, 0xc0606610, &a);
}
static void span(long from, long to, long length, long most) {
  a.start = (long)m + from * PAGE; a.end = (long)m + to * PAGE; a.vec = length < 0 ? 0 : (long)vec; a.vec_len = length < 0 ? 0 : length; a.max_pages = most;
}
static void scan(const char *name, u64 flags, u64 inverted, u64 mask, u64 anyof, u64 ret) {
  start(name); memset(vec, 0, sizeof vec); long n = C(ask(flags, inverted, mask, anyof, ret)); put(a.walk_end ? at(a.walk_end) : -1);
  for (long i = 0; i < n && i < MOST; i++) { put(at(vec[i].start)); put(at(vec[i].end)); put(vec[i].categories); }
  done();
}
static void words(const char *name, int count) {
  start(name);
  for (int i = 0; i < count; i++) { u64 w = 0; syscall(180, maps, &w, 8, (long)m / PAGE * 8 + i * 8, 0); put(w >> 55); put(w >> 63 ? 0 : (long)(w & 0xffff)); }
  done();
}
static void registered(const char *name, long pages, long protect) {
  struct range r = {(long)m, pages * PAGE, WP_MODE}; start(name); C(syscall(54, uffd, 0xc020aa00, &r)); put(r.ioctls);
  r.mode = 1; if (protect) C(syscall(54, uffd, 0xc018aa06, &r)); done();
}
static void ends(const char *name, long pages) { struct range r = {(long)m, pages * PAGE}; start(name); C(syscall(54, uffd, 0x8010aa01, &r)); done(); words(name, 8); }
static void protect(const char *name, long pages, long on) { struct range r = {(long)m, pages * PAGE, on}; start(name); C(syscall(54, uffd, 0xc018aa06, &r)); done(); words(name, 8); }
static void look(int page) { sink = m[page * PAGE]; }

static void arguments(void) {
  span(0, 8, MOST, 0);
  start("size"); EACH(size, 0, 95, 97, 104) { ask(0, 0, 0, 0, 0); a.size = size; C(syscall(54, maps, 0xc0606610, &a)); } done();
  start("flags"); EACH(flags, 4, 7, -1) C(ask(flags, 0, 2, 0, 2)); C(ask(1ull << 32, 0, 2, 0, 2)); done();
  start("masks"); EACH(mask, 0x200, 0x1000, -1) { C(ask(0, mask, 0, 0, 0)); C(ask(0, 0, mask, 0, 0)); C(ask(0, 0, 0, mask, 0)); C(ask(0, 0, 0, 0, mask)); } done();
  start("places"); a.start++; C(ask(0, 0, 0, 0, 2)); span(0, 8, MOST, 0); a.end++; C(ask(0, 0, 0, 0, 2)); put(at(a.walk_end)); a.end = a.start - PAGE; C(ask(0, 0, 0, 0, 2)); a.end = a.start; C(ask(0, 0, 0, 0, 2)); done();
  span(0, 8, MOST, 0); start("vector"); a.vec = 0; C(ask(0, 0, 0, 0, 2)); a.vec_len = 0; C(ask(0, 0, 0, 0, 2)); a.vec = (long)vec; C(ask(0, 0, 0, 0, 2)); a.vec = 0xfffffff0; a.vec_len = MOST; C(ask(0, 0, 0, 0, 2)); a.vec = (long)m + 0x7000000; C(ask(0, 0, 0, 0, 2)); done();
  start("other"); C(syscall(54, maps, 0xc0606611, &a)); C(syscall(54, maps, 0xc0606610, 0)); done();
}

int main(void) {
  struct { u64 api, features, ioctls; } api = {0xAA, FEATURES}; int p[2];
  maps = open("/proc/self/pagemap", O_RDONLY); uffd = syscall(374, O_CLOEXEC | O_NONBLOCK | 1);
  start("api"); C(syscall(54, uffd, 0xc018aa3f, &api)); put(api.features >> 12 & 9); done();
  m = mmap((void *)0x40000000, 4096 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | 0x4000, -1, 0);
  m[0] = 1; look(1); m[3 * PAGE] = 1; madvise(m + 5 * PAGE, PAGE, 102);
  words("plain", 8); arguments(); span(0, 8, MOST, 0);
  EACH(flags, 0, 1, 2, 3) scan("unregistered", flags, 0, 0, 0, 0x1ff);
  registered("register", 4096, 0);
  EACH(ret, 0, 1, 2, 8, 0x10, 0x20, 0x100, 0x1ff) { scan("all", 0, 0, 0, 0, ret); scan("written", 0, 0, 2, 0, ret); scan("any", 0, 0, 0, 0x28, ret); scan("absent", 0, 8, 8, 0, ret); scan("unallowed", 0, 1, 1, 0, ret); scan("allowed", 0, 0, 1, 0, ret); scan("both", 0, 8, 10, 0x21, ret); }
  EACH(most, 1, 2, 3, 4, 5) { span(0, 8, MOST, most); scan("most", 0, 0, 8, 0, 8); scan("most", 0, 0, 0, 0, 0x1ff); span(0, 8, most, 0); scan("vector", 0, 0, 8, 0, 8); scan("vector", 0, 0, 0, 0, 0x1ff); }
  span(0, 8, 0, 1); scan("no vector", 0, 0, 8, 0, 8);
  span(2048, 4096, MOST, 0); scan("nothing", 0, 0, 0, 0, 0x1ff); scan("nothing", 0, 0, 2, 0, 2); span(2046, 4096, MOST, 5); scan("nothing", 0, 0, 0, 0, 0x1ff);
  span(3072, 4096, MOST, 10); scan("protect", 1, 0, 1, 0, 0x1ff); span(3070, 3090, MOST, 0); scan("protected", 0, 0, 0, 0, 0x1ff);
  span(0, 8, MOST, 2); scan("protect", 3, 0, 2, 0, 2); words("two", 8); span(0, 8, MOST, 0); scan("protect", 3, 0, 2, 0, 2); words("rest", 8); scan("all", 0, 0, 0, 0, 0x1ff);
  m[0] = 2; m[PAGE] = 2; m[2 * PAGE] = 3; look(4); words("touched", 8); scan("touched", 0, 0, 0, 0, 0x1ff);
  span(0, 8, -1, 0); scan("untold", 1, 0, 0x10, 0, 2); span(0, 8, MOST, 0); scan("untold", 0, 0, 0, 0, 0x1ff);
  span(0, 4352, MOST, 0); scan("beyond", 0, 0, 8, 0, 0x1ff); span(4090, 4352, MOST, 0); scan("beyond", 2, 0, 8, 0, 0x1ff);
  madvise(m, 3 * PAGE, 4); words("dropped", 8); protect("off", 8, 0); protect("on", 8, 1);
  pipe(p); start("kernel"); C(write(p[1], "abcd", 4)); C(read(p[0], m + 2 * PAGE, 4)); C(write(p[1], "efgh", 4)); C(read(p[0], m + 6 * PAGE + 8, 4)); put(m[6 * PAGE + 8]); done(); words("kernel", 8);
  int pid = fork(); if (!pid) { words("its parent", 8); maps = open("/proc/self/pagemap", O_RDONLY); words("child", 8); m[3 * PAGE] = 9; words("child", 8); _exit(0); } wait(0); words("parent", 8); m[3 * PAGE] = 7; words("parent", 8);
  mprotect(m, 8 * PAGE, 0); words("none", 8); mprotect(m, 8 * PAGE, 1); look(7); words("read only", 8); mprotect(m, 8 * PAGE, 3); m[7 * PAGE] = 1; words("again", 8);
  char *to = mmap((void *)0x48000000, 8 * PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  syscall(163, m, 8 * PAGE, 8 * PAGE, 3, to); m = to; words("moved", 8);
  m = mmap((void *)0x50000000, 16 * PAGE, 3, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0); m[0] = 1; m[PAGE] = 1; span(0, 16, MOST, 0);
  words("shared", 8); registered("shared", 16, 0); protect("shared", 12, 1); scan("shared", 0, 0, 0, 0, 0x1ff);
  m[0] = 2; m[2 * PAGE] = 3; look(3); words("touched", 8); scan("touched", 0, 0, 0, 0, 0x1ff); scan("protect", 3, 0, 2, 0, 2);
  mprotect(m, 8 * PAGE, 1); mprotect(m, 8 * PAGE, 3); words("rights", 8); m[PAGE] = 4; words("rights", 8);
  madvise(m, 3 * PAGE, 4); words("dropped", 8); look(0); words("back", 8); madvise(m, 4 * PAGE, 9); words("removed", 8); start("zeros"); put(m[0]); put(m[2 * PAGE]); done(); words("zeros", 8); ends("end", 16);
  int f = open("/proc/self/exe", O_RDONLY); m = mmap((void *)0x60000000, 4 * PAGE, 3, MAP_PRIVATE | MAP_FIXED, f, 0); registered("file", 4, 1); words("file", 4); span(0, 4, MOST, 0);
  m[0] = 1; m[PAGE] = 2; words("touched", 4); scan("file", 0, 0, 0, 0, 0x1ff); madvise(m, 4 * PAGE, 4); words("dropped", 4); ends("end", 4);
  return 0;
}
