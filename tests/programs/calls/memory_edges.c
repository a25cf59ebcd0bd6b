/* The calls on memory at the edges of their arguments, and the areas that are left behind. */
#include "calls.h"
#define B 0x40000000ul
#include "rows.h"
#define P 4096ul
static char text[16384];
static unsigned long hex(char **s) {
  unsigned long n = 0;
  for (;; (*s)++) { int c = **s; if (c >= '0' && c <= '9') n = n * 16 + c - '0'; else if (c >= 'a' && c <= 'f') n = n * 16 + c - 'a' + 10; else return n; }
}
/* Every area between B and 16 MiB on: its pages, rights, and the page of the file. */
static void areas(void) {
  int fd = open("/proc/self/maps", 0), n, size = 0;
  while ((n = read(fd, text + size, sizeof text - 1 - size)) > 0) size += n;
  close(fd); text[size] = 0;
  for (char *s = text; *s;) {
    unsigned long from = hex(&s), upto = (s++, hex(&s));
    if (from < B + (1 << 24) && upto > B) {
      number(&to, (from - B) / P, 10); *to++ = '-'; number(&to, (upto - B) / P, 10); *to++ = ':';
      memcpy(to, s + 1, 4); to += 4; s += 6; *to++ = '@'; number(&to, hex(&s) / P, 10); *to++ = ' ';
    }
    while (*s++ != '\n') continue;
  }
}
#define anon(page, pages, prot) mmap(B + (page) * P, (pages) * P, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
static void gone(void) { munmap(B, 1 << 24); }
static int file(int flags) {
  int fd = open("/tmp/memory-edge", O_RDWR | O_CREAT | 01000, 0600);
  for (int i = 0; i < 4; i++) { memset(text, 'a' + i, P); write(fd, text, P); }
  close(fd); fd = open("/tmp/memory-edge", flags); unlink("/tmp/memory-edge"); return fd;
}
static void maps(void) {
  static const int kinds[] = {0, 1, 2, 3, 4, 5, 0x11, 0x12, 0x13, 0x21, 0x22, 0x23, 0x24, 0x32, 0x112, 0x121, 0x122, 0x100022, 0x100032, 0x8003, 0x4003, 0x400003, 0x10003};
  int files[] = {-1, file(O_RDONLY), file(O_WRONLY), file(O_RDWR), open("/", 0), open("/tmp", 010000000)};
  for (int k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    start("mmap"); number(&to, kinds[k], 16); *to++ = ' ';
    for (int f = 0; f < 6; f++) for (int prot = 0; prot < 4; prot++) { C(mmap(B, P, prot, kinds[k], files[f], 0)); gone(); }
    done();
  }
  start("lengths");
  static const unsigned long lengths[] = {0, 1, P - 1, P, P + 1, 0xfffff001, -P, 0xffffffff, 0x80000000};
  for (int i = 0; i < 9; i++) { if (lengths[i] != 0x80000000 && lengths[i] != -P) C(mmap(B, lengths[i], 3, 0x32, -1, 0)); areas(); gone(); word("|"); }
  done(); start("offsets");
  static const unsigned long offsets[] = {0, 1, 3, 4, 0xffffe, 0xfffff, 0x7fffffff, 0xefffffff};
  for (int i = 0; i < 8; i++) { C(syscall6(192, B, P, 1, 0x12, files[3], offsets[i])); C(syscall6(192, B, 2 * P, 1, 0x12, files[3], offsets[i])); gone(); }
  done(); start("places");
  anon(4, 4, 3);
  static const unsigned long places[] = {0, 1, 3, 4, 7, 8};
  for (int i = 0; i < 6; i++) { for (int n = 1; n < 4; n++) { void *at = mmap(B + places[i] * P, n * P, 1, 0x22, -1, 0); put((unsigned long)at == B + places[i] * P); munmap(at, n * P); if (places[i] >= 4 && places[i] < 8 || places[i] == 3) anon(4, 4, 3); }
    C(mmap(B + places[i] * P, 2 * P, 1, 0x100022, -1, 0)); areas(); gone(); anon(4, 4, 3); word("|"); }
  gone(); put((long)mmap(B + 1, P, 1, 0x22, -1, 0) == B); gone(); C(mmap(B + 1, P, 1, 0x32, -1, 0)); C(mmap(B + 1, P, 1, 0x100022, -1, 0));
  done(); start("old mmap");
  unsigned long words[6] = {B, P, 1, 0x12, files[3], 0};
  for (unsigned o = 0; o < 3; o++) { words[5] = o * 4095; C(syscall(90, words)); gone(); } words[5] = 2 * P; C(syscall(90, words)); put(*(char *)B); gone();
  words[3] = 0x32; words[4] = -1; C(syscall(90, words)); gone(); words[3] = 0x12; C(syscall(90, words)); C(syscall(90, 16));
  done();
  for (int f = 1; f < 6; f++) close(files[f]);
}
static void unmaps(void) {
  static const unsigned long ranges[][2] = {{0, 0}, {0, 1}, {1, 4096}, {0, P}, {P, P}, {P, P + 1}, {P, 2 * P}, {7 * P, P}, {8 * P, P}, {P, 6 * P}, {0, 8 * P}, {0, 9 * P}, {3 * P, 2 * P}};
  for (int i = 0; i < 13; i++) {
    start("munmap"); anon(0, 3, 3); anon(4, 4, 1); C(munmap(B + ranges[i][0], ranges[i][1])); areas(); done(); gone();
  }
}
static void rights(void) {
  static const unsigned long ranges[][2] = {{0, 0}, {1, P}, {0, 1}, {0, P}, {0, P + 1}, {P, P}, {2 * P, 2 * P}, {2 * P, P}, {0, 8 * P}, {3 * P, P}, {4 * P, P}, {7 * P, 2 * P}};
  static const int prots[] = {0, 1, 2, 3, 8, 9, 16, 0x1000001, 0x2000001, 0x3000001, 0x1000011, 0x2000010};
  for (int i = 0; i < 12; i++) {
    start("mprotect");
    for (int p = 0; p < 12; p++) { anon(0, 3, 3); anon(4, 4, 1); C(mprotect(B + ranges[i][0], ranges[i][1], prots[p])); if (p < 4) areas(); gone(); }
    done();
  }
  start("a stack"); mmap(B + 4 * P, 4 * P, 3, 0x132, -1, 0);
  for (int i = 0; i < 12; i++) { C(mprotect(B + i * P / 2 & -P, P, 0x1000001 | i % 2 * 2)); areas(); } gone(); done();
  static const int opens[] = {O_RDONLY, O_RDWR};
  for (int o = 0; o < 2; o++) for (int kind = 1; kind < 3; kind++) {
    start("a file"); int fd = file(opens[o]);
    for (int prot = 0; prot < 8; prot++) { C(mmap(B, 2 * P, 1, kind | 16, fd, P)); C(mprotect(B, P, prot)); C(mprotect(B + P, P, prot)); if (prot < 4) areas(); gone(); }
    close(fd); done();
  }
  start("joined again"); anon(0, 6, 3); C(mprotect(B + 2 * P, P, 1)); areas(); C(mprotect(B + 3 * P, P, 1)); areas(); C(mprotect(B + 2 * P, 2 * P, 3)); areas();
  gone(); anon(0, 1, 3); anon(2, 1, 3); areas(); anon(1, 1, 1); areas(); C(mprotect(B + P, P, 3)); areas(); gone(); done();
}
static void moves(void) {
  static const unsigned long from[][2] = {{0, 1}, {0, 2}, {1, 1}, {2, 1}, {4, 4}, {5, 2}, {7, 1}, {0, 0}};
  static const int sizes[] = {0, 1, 2, 3, 5};
  for (int i = 0; i < 8; i++) for (int s = 0; s < 5; s++) {
    start("mremap"); number(&to, from[i][0], 10); *to++ = '+'; number(&to, from[i][1], 10); *to++ = '>'; number(&to, sizes[s], 10); *to++ = ' ';
    for (int flags = 0; flags < 8; flags += 1) {
      anon(0, 3, 3); anon(4, 4, 1); *(int *)B = 7; anon(1000, 1, 3); /* room for those that may move anywhere is elsewhere */
      long r = C((flags & 3) == 1 || flags == 5 ? ({ void *m = (void *)syscall(163, B + from[i][0] * P, from[i][1] * P, sizes[s] * P, flags, 0); (unsigned long)m > 0xfffff000 ? m : (long)m >= B && (long)m < B + (1 << 24) ? m : (munmap(m, 8 * P), (void *)1); }) : syscall(163, B + from[i][0] * P, from[i][1] * P, sizes[s] * P, flags, B + 20 * P));
      areas(); word("|"); gone();
    }
    done();
  }
  static const unsigned long odd[][5] = {{1, P, P, 0, 0}, {0, P, 2 * P, 8, 0}, {0, P, 2 * P, 16, 0}, {0, 1, 2, 0, 0}, {0, P + 1, 2 * P, 0, 0}, {0, P, P, 3, 1}, {0, P, P, 3, 0xfffff000}, {0, P, 0xfffff000, 3, B}, {0, P, 0xfffff001, 1, 0}, {0, 2 * P, 2 * P, 3, B + P}, {0, 2 * P, 2 * P, 3, B + 2 * P}, {P, P, P, 3, B}, {P, 2 * P, 2 * P, 3, B}, {0, P, P, 3, B}, {0, 0xfffff001, P, 0, 0}, {0, 0xffffffff, P, 1, 0}, {0, P, P, 7, B + 2 * P}, {0, P, 2 * P, 7, B + 8 * P}, {0, P, P, 4, 0}, {0, P, P, 6, B + 8 * P}};
  for (int i = 0; i < 20; i++) { start("odd"); anon(0, 3, 3); C(syscall(163, B + odd[i][0], odd[i][1], odd[i][2], odd[i][3], odd[i][4])); areas(); gone(); done(); }
  start("bytes"); anon(0, 3, 3); for (int i = 0; i < 3; i++) *(char *)(B + i * P) = 'a' + i;
  C(syscall(163, B + P, P, 3 * P, 3, B + 10 * P)); put(*(char *)(B + 10 * P)); put(*(char *)(B + 11 * P)); areas(); C(syscall(163, B + 10 * P, 3 * P, P, 3, B + 5 * P)); put(*(char *)(B + 5 * P)); areas();
  C(syscall(163, B + 2 * P, P, P, 7, B + 8 * P)); put(*(char *)(B + 2 * P)); put(*(char *)(B + 8 * P)); areas(); gone(); done();
  start("a file"); int fd = file(O_RDWR); C(mmap(B, 2 * P, 3, MAP_SHARED | 16, fd, P)); put(*(char *)B); C(syscall(163, B + P, P, 2 * P, 0)); areas(); put(*(char *)(B + 2 * P));
  C(syscall(163, B, 0, 2 * P, 3, B + 8 * P)); areas(); put(*(char *)(B + 8 * P)); C(syscall(163, B + P, P, P, 3, B + 16 * P)); put(*(char *)(B + 16 * P)); areas(); C(syscall(163, B + 16 * P, P, P, 7, B + 20 * P)); areas(); close(fd); gone(); done();
  start("another view"); anon(0, 1, 3); C(syscall(163, B, 0, P, 3, B + 8 * P)); C(mmap(B + P, 2 * P, 3, 0x31, -1, 0)); C(syscall(163, B + P, 0, 2 * P, 3, B + 8 * P)); areas(); *(int *)(B + P) = 5; put(*(int *)(B + 8 * P)); gone(); done();
}
static void locks(void) {
  static const unsigned long ranges[][2] = {{0, 0}, {0, 1}, {1, 1}, {P - 1, 2}, {2 * P, P}, {2 * P, P + 1}, {3 * P, P}, {3 * P, 0}, {4 * P, 4 * P}, {4 * P, 4 * P + 1}};
  static unsigned limits[] = {0, 1, P, P * 4};
  for (int l = 0; l < 5; l++) {
    int pid = fork();
    if (pid) { wait(0); continue; }
    if (l < 4) { unsigned limit[2] = {limits[l], limits[l]}; syscall(75, 8, limit); setuid(1000); }
    for (int i = 0; i < 10; i++) {
      start("mlock"); anon(0, 3, 3); anon(4, 4, 0);
      C(mlock(B + ranges[i][0], ranges[i][1])); C(munlock(B + ranges[i][0], ranges[i][1])); C(syscall(376, B + ranges[i][0], ranges[i][1], 1)); areas(); C(mlock(B + P, P)); C(mlock(B, 2 * P)); areas(); C(munlock(B, 2 * P)); areas(); C(syscall(376, B, P, 2)); gone(); done();
    }
    start("more"); C(mmap(B, 2 * P, 3, 0x2032, -1, 0)); C(syscall(163, B, 2 * P, 3 * P, 0)); C(syscall(163, B, 2 * P, 4 * P, 0)); gone(); C(mmap(B, 4 * P, 3, 0x2032, -1, 0)); gone(); C(mmap(B, 5 * P, 3, 0x2032, -1, 0)); gone(); done();
    if (l < 4) { start("all"); for (int f = 0; f < 10; f++) { if (f == 2 || f == 6) continue; C(mlockall(f)); C(munlockall()); } done(); }
    start("to come"); C(mlockall(2)); C(mmap(B, P, 3, 0x32, -1, 0)); text[0] = 2; C(mincore(B, P, text)); put(text[0]); C(mmap(B + P, 4 * P, 3, 0x32, -1, 0)); C(mmap(B + 8 * P, P, 0, 0x32, -1, 0)); long heap = syscall(45, 0); put(syscall(45, heap + 3 * P) - heap); put(syscall(45, heap + 6 * P) - heap); C(munlockall()); gone(); done();
    _exit(0);
  }
  start("on fault"); anon(0, 4, 3); C(syscall(376, B, 4 * P, 1)); C(mincore(B, 4 * P, text)); for (int i = 0; i < 4; i++) put(text[i]); *(int *)(B + P) = 1; C(mincore(B, 4 * P, text)); for (int i = 0; i < 4; i++) put(text[i]);
  C(mlock(B, P)); areas(); C(mincore(B, 4 * P, text)); for (int i = 0; i < 4; i++) put(text[i]); C(madvise(B, P, 4)); C(madvise(B, P, 24)); C(madvise(B, P, 8)); C(madvise(B, P, 20)); C(madvise(B, P, 21)); C(msync(B, P, 2)); C(munlock(B, 4 * P)); C(msync(B, P, 2)); areas(); gone(); done();
}
static void advice(void) {
  for (int a = -1; a < 30; a++) {
    if (a == 12 || a == 13 || a == 14 || a == 15 || a == 25) continue; /* by how the kernel was built */
    start("madvise"); number(&to, a + 1, 10); *to++ = ' ';
    for (int kind = 0; kind < 5; kind++) {
      int fd = file(kind == 4 ? O_RDONLY : O_RDWR);
      if (kind < 2) anon(0, 3, kind ? 1 : 3); else mmap(B, 3 * P, kind == 4 ? 1 : 3, (kind == 3 ? 2 : 1) | 16, fd, 0);
      if (kind != 1 && kind != 4) *(char *)(B + P) = 'x';
      C(madvise(B, P, a)); C(madvise(B + P, P, a)); C(madvise(B + 1, P, a)); C(madvise(B, 1, a)); C(madvise(B, 0, a)); C(madvise(B + 2 * P, 2 * P, a)); C(madvise(B + 3 * P, P, a)); put(*(char *)(B + P)); areas(); word("|");
      close(fd); gone();
    }
    done();
  }
  for (int a = 10; a < 20; a++) {
    if (a > 11 && a < 18) continue;
    int pid; start("fork"); anon(0, 3, 3); for (int i = 0; i < 3; i++) *(char *)(B + i * P) = 'a' + i; C(madvise(B + P, P, 10)); C(madvise(B + P, P, a)); C(madvise(B + 2 * P, P, 18)); C(madvise(B + 2 * P, P, a == 19 ? 19 : 18)); done();
    if (!(pid = fork())) { start("child"); areas(); C(mincore(B + P, P, text)); put(*(char *)B); put(*(char *)(B + 2 * P)); done(); _exit(0); }
    wait(0); gone();
  }
  start("populate"); int fd = file(O_RDWR);
  anon(0, 2, 1); anon(2, 2, 3); anon(4, 1, 0); mmap(B + 5 * P, 3 * P, 3, MAP_SHARED | 16, fd, 2 * P); mmap(B + 9 * P, 2 * P, 1, MAP_PRIVATE | 16, fd, 0);
  for (int a = 22; a < 24; a++) for (int i = 0; i < 12; i++) C(madvise(B + i * P, P, a));
  C(mincore(B, 8 * P, text)); for (int i = 0; i < 8; i++) put(text[i]); close(fd); gone(); done();
}
static void looks(void) {
  int fd = file(O_RDWR); start("mincore"); anon(0, 3, 3); *(int *)(B + P) = 1; anon(4, 2, 3); *(int *)(B + 4 * P) = 1;
  static const unsigned long ranges[][2] = {{0, 0}, {1, P}, {0, 1}, {0, P + 1}, {0, 3 * P}, {P, 2 * P + 1}, {3 * P, P}, {4 * P, 2 * P}, {2 * P, 3 * P}};
  for (int i = 0; i < 9; i++) { memset(text, 9, 8); C(mincore(B + ranges[i][0], ranges[i][1], text)); for (int j = 0; j < 4; j++) put(text[j]); }
  C(mincore(B, P, 0xffffffff)); C(mincore(B, 0, 16)); C(mincore(B, P, 16)); done();
  start("msync"); mmap(B + 8 * P, 2 * P, 3, MAP_SHARED | 16, fd, 0); *(char *)(B + 8 * P) = 'Z';
  for (int f = -1; f < 9; f++) { C(msync(B + 8 * P, P, f)); C(msync(B + 8 * P + 1, P, f)); C(msync(B, 0, f)); C(msync(B + 2 * P, 2 * P, f)); C(msync(B + 9 * P, P + 1, f)); C(msync(B + 3 * P, P, f)); }
  syscall(180, fd, text, 1, 0, 0); put(text[0]); mlock(B + 9 * P, P); for (int f = 0; f < 7; f++) { C(msync(B + 8 * P, P, f)); C(msync(B + 8 * P, 2 * P, f)); } done();
  start("remap_file_pages");
  C(syscall(257, B + 8 * P, P, 0, 1, 0)); put(*(char *)(B + 8 * P)); areas(); C(syscall(257, B + 8 * P, 2 * P, 0, 2, 0)); put(*(char *)(B + 9 * P)); areas(); C(syscall(257, B + 8 * P, P, 1, 1, 0)); C(syscall(257, B + 8 * P, 0, 0, 1, 0)); C(syscall(257, B + 8 * P, P - 1, 0, 1, 0)); C(syscall(257, B + 8 * P + 1, P, 0, 1, 0)); put(*(char *)(B + 8 * P));
  C(syscall(257, B, P, 0, 0, 0)); C(syscall(257, B + 7 * P, P, 0, 0, 0)); C(syscall(257, B + 9 * P, 2 * P, 0, 0, 0)); C(syscall(257, B + 8 * P, P, 0, 0xfffffffe, 0)); C(syscall(257, B + 8 * P, 0xfffff000, 0, 0, 0)); areas(); gone(); close(fd); done();
}
static void heap(void) {
  unsigned long h = syscall(45, 0), a = (h + P - 1 & -P) - h;
  start("brk"); static const long steps[] = {0, 1, P - 1, P, P + 1, 3 * P, 2 * P + 1, 2 * P, P, 1, 0, -1, -(long)P};
  for (int i = 0; i < 13; i++) put(syscall(45, h + a + steps[i]) - h - a);
  syscall(45, h + a + 4 * P); *(char *)(h + a + 2 * P) = 5; syscall(45, h + a + 2 * P + 8); put(*(char *)(h + a + 2 * P)); syscall(45, h + a + P); syscall(45, h + a + 4 * P); put(*(char *)(h + a + 2 * P));
  put(syscall(45, 0xfffff000) == h + a + 4 * P); put(syscall(45, 1) == h + a + 4 * P); syscall(45, h); unsigned limit[2] = {0, -1}, old[2]; syscall(191, 2, old);
  limit[0] = 0; syscall(75, 2, limit); put(syscall(45, h + 1) - h); syscall(75, 2, old);
  int size = 0, fd = open("/proc/self/statm", 0); size = read(fd, text, 99); text[size] = 0; close(fd); int pages = 0; for (char *s = text; *s != ' '; s++) pages = pages * 10 + *s - '0';
  for (int more = 0; more < 3; more++) { limit[0] = (pages + more) * P + more; syscall(75, 9, limit); put(syscall(45, h + a + P) - h - a); C(mmap(B, P, 1, 0x32, -1, 0)); C(mmap(B + P, P, 1, 0x32, -1, 0)); C(syscall(163, B, P, 2 * P, 0)); C(syscall(163, B, P, P, 7, B + 8 * P)); gone(); put(syscall(45, h + a) - h - a); syscall(75, 9, old); }
  done();
}
int main() {
  maps(); unmaps(); rights(); moves(); locks(); advice(); looks(); heap(); return 0;
}
