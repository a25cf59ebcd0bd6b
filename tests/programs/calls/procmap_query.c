/* PROCMAP_QUERY: which area is at an address or behind it, by permissions and file; its name and build id. Shared anonymous
 * memory has an inode on Linux, and none here. */
#include "calls.h"
#include "rows.h"
struct query { u64 size, flags, address, start, end, shown, page, offset, inode; unsigned major, minor, name_size, id_size; u64 name, id; };
static struct { struct query q; char more[4096]; } a; static char name[256], id[32], path[64]; static int maps; static u64 ino;
static long ask(u64 size, u64 flags, u64 address) { a.q.size = size; a.q.flags = flags; a.q.address = address; return syscall(54, maps, 0xc0686611, &a); }
static void show(u64 flags, u64 address) {
  memset(&a, 0, sizeof a); memset(name, 0, sizeof name); a.q.name = (long)name; a.q.name_size = sizeof name; a.q.id = (long)id; a.q.id_size = sizeof id;
  if (C(ask(sizeof a.q, flags, address))) return;
  put(a.q.start); put(a.q.end); put(a.q.shown); put(a.q.page); put(a.q.offset); put(a.q.inode == ino); put(!a.q.inode && !(a.q.shown & 8)); put(a.q.name_size > 1 ? !strcmp(name, path) : -2); put(a.q.id_size); put(a.q.size);
}
int main() {
  strcpy(path, own("/tmp/procmap-")); int f = open(path, 0102, 0600); static char page[8192], st[96]; write(f, page, 8192); syscall(197, f, st); ino = *(u64 *)(st + 88);
  char *at = (char *)0x30000000; maps = open("/proc/self/maps", 0);
  syscall(192, at, 0x2000, 3, 0x32, -1, 0); syscall(192, at + 0x4000, 0x1000, 1, 0x11, f, 1); syscall(192, at + 0x5000, 0x1000, 5, 0x12, f, 0); syscall(192, at + 0x8000, 0x1000, 0, 0x32, -1, 0); syscall(192, at + 0x9000, 0x1000, 3, 0x31, -1, 0);
  EACH(from, -0x1000, 0, 0x1fff, 0x2000, 0x4000, 0x5001, 0x6000, 0x8000, 0x9fff, 0xa000)
    EACH(flags, 0, 1, 2, 4, 8, 7, 16, 17, 18, 20, 24, 26, 32, 48, 52, 56, 63) { start("at"); put(from); put(flags); if ((long)at + from < 0x30000000 && flags & 16 && flags != 26) { done(); continue; } if (flags & 16 && (from == 0xa000 || from > 0x5001 && flags & 36)) { done(); continue; } show(flags, (long)at + from); done(); }
  start("text"); show(0, (long)main & ~4095); int n = a.q.id_size; put(n ? id[0] & 255 : -3); put(n ? id[n - 1] & 255 : -3); done();
  start("stack"); memset(&a, 0, sizeof a); memset(name, 0, sizeof name); a.q.name = (long)name; a.q.name_size = 8; C(ask(sizeof a.q, 0, (unsigned long)&n)); word(name); put(a.q.name_size); a.q.name_size = 7; C(ask(sizeof a.q, 0, (unsigned long)&n)); put(a.q.name_size); done();
  start("unnamed"); memset(&a, 0, sizeof a); a.q.name = (long)name; a.q.name_size = 1; C(ask(sizeof a.q, 0, (long)at)); put(a.q.name_size); done();
  start("sizes"); EACH(size, 0, 8, 23, 24, 25, 32, 103, 104, 105, 4096, 4097, -1) { memset(&a, 0, sizeof a); C(ask(size, 0, (long)at)); put(a.q.start); put(a.q.end); } memset(&a, 0, sizeof a); a.more[0] = 1; C(ask(104, 0, (long)at)); C(ask(105, 0, (long)at)); done();
  start("flags"); memset(&a, 0, sizeof a); C(ask(104, 64, (long)at)); C(ask(104, 1ull << 40, (long)at)); a.q.name_size = 4; C(ask(104, 0, (long)at)); a.q.name_size = 0; a.q.name = (long)name; C(ask(104, 0, (long)at)); a.q.name = 0; a.q.id_size = 4; C(ask(104, 0, (long)at)); a.q.id = (long)id; C(ask(104, 0, (long)main)); C(ask(104, 0, (long)at)); put(a.q.id_size); done();
  start("bad"); C(syscall(54, maps, 0xc0686611, 0)); C(syscall(54, maps, 0xc0686611, at + 0x1ffc)); memset(&a, 0, sizeof a); a.q.name = 16; a.q.name_size = 90; C(ask(104, 0, (long)at + 0x4000)); C(ask(104, 0, (long)at)); C(ask(104, 0, (long)at + 0x2000)); C(syscall(54, maps, 0xc0686612, &a)); EACH(which, 0, 1, 2) C(syscall(54, open(which == 0 ? "/proc/self/smaps" : which == 1 ? "/proc/self/status" : "/proc/version", 0), 0xc0686611, &a)); done();
  start("gone"); memset(&a, 0, sizeof a); int pid = fork(); if (!pid) for (;;) pause(); static char other[32]; char *end = other + 6; strcpy(other, "/proc/"); number(&end, pid, 10); strcpy(end, "/maps"); maps = open(other, 0); C(ask(104, 0, (long)at)); put(a.q.end); kill(pid, 9); wait(0); C(ask(104, 0, (long)at)); done();
  unlink(path); start("deleted"); maps = open("/proc/self/maps", 0); show(0, (long)at + 0x4000); put(strlen(name) - strlen(path)); done();
  return 0;
}
