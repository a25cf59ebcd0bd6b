/* The small C library behind toykernel.h, for where no 32-bit one is. See the header for what it is. */
#include <toykernel.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-loop-distribute-patterns") /* memset is not to call memset */
#endif

int errno;
char **environ;

struct toykernel_file { int fd; };
static struct toykernel_file files[3] = {{0}, {1}, {2}};
FILE *const stdin = &files[0], *const stdout = &files[1], *const stderr = &files[2];

/* -- system calls ------------------------------------------------------------------------------- */

__asm__(
    ".text\n"
    /* long toykernel_call(number, six arguments) */
    ".type toykernel_call, @function\ntoykernel_call:\n"
    "pushl %ebp\npushl %edi\npushl %esi\npushl %ebx\n"
    "movl 20(%esp), %eax\nmovl 24(%esp), %ebx\nmovl 28(%esp), %ecx\nmovl 32(%esp), %edx\n"
    "movl 36(%esp), %esi\nmovl 40(%esp), %edi\nmovl 44(%esp), %ebp\nint $0x80\n"
    "popl %ebx\npopl %esi\npopl %edi\npopl %ebp\nret\n.size toykernel_call, .-toykernel_call\n"
    /* The child returns first, on the same stack: the return address waits in a register. */
    ".globl vfork\n.type vfork, @function\nvfork:\n"
    "popl %ecx\nmovl $190, %eax\nint $0x80\npushl %ecx\ncmpl $-4095, %eax\njae 1f\nret\n"
    "1: negl %eax\nmovl %eax, errno\norl $-1, %eax\nret\n.size vfork, .-vfork\n"
    /* clone(function, stack, flags, argument, parent_tid, tls, child_tid) */
    ".globl clone\n.type clone, @function\nclone:\n"
    "pushl %ebp\npushl %edi\npushl %esi\npushl %ebx\n"
    "movl 20(%esp), %ebp\nmovl 24(%esp), %ecx\nmovl 28(%esp), %ebx\nmovl 32(%esp), %eax\n"
    "movl 36(%esp), %edx\nmovl 40(%esp), %esi\nmovl 44(%esp), %edi\n"
    "andl $-16, %ecx\nsubl $16, %ecx\nmovl %eax, (%ecx)\n"
    "movl $120, %eax\nint $0x80\ntestl %eax, %eax\njz 1f\n"
    "popl %ebx\npopl %esi\npopl %edi\ncmpl $-4095, %eax\npopl %ebp\njae 2f\nret\n"
    "2: negl %eax\nmovl %eax, errno\norl $-1, %eax\nret\n"
    "1: movl %ebp, %eax\nxorl %ebp, %ebp\ncall *%eax\nmovl %eax, %ebx\nmovl $1, %eax\nint $0x80\nhlt\n"
    ".size clone, .-clone\n"
    /* sigreturn takes the handler's argument off, rt_sigreturn leaves it. */
    ".type toykernel_restore, @function\ntoykernel_restore:\npopl %eax\nmovl $119, %eax\nint $0x80\n"
    ".size toykernel_restore, .-toykernel_restore\n"
    ".type toykernel_rt_restore, @function\ntoykernel_rt_restore:\nmovl $173, %eax\nint $0x80\n"
    ".size toykernel_rt_restore, .-toykernel_rt_restore\n");

long toykernel_call(long number, long a, long b, long c, long d, long e, long f);
void toykernel_restore(void);
void toykernel_rt_restore(void);

static long answer(long got) {
  if ((unsigned long)got < -4095UL) return got;
  errno = (int)-got;
  return -1;
}

static long call(long n, long a, long b, long c) { return answer(toykernel_call(n, a, b, c, 0, 0, 0)); }

long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  return answer(toykernel_call(number, a, b, c, d, e, f));
}

static void (*at_exit[32])(void);
static int at_exit_count;

int atexit(void (*function)(void)) {
  if (at_exit_count == 32) return -1;
  at_exit[at_exit_count++] = function;
  return 0;
}

void _exit(int status) {
  for (;;) toykernel_call(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

void exit(int status) {
  while (at_exit_count) at_exit[--at_exit_count]();
  _exit(status);
}

void abort(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGABRT);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  raise(SIGABRT);
  signal(SIGABRT, SIG_DFL);
  raise(SIGABRT);
  _exit(127);
}

pid_t fork(void) { return call(__NR_fork, 0, 0, 0); }
pid_t getpid(void) { return call(__NR_getpid, 0, 0, 0); }
pid_t getppid(void) { return call(__NR_getppid, 0, 0, 0); }
pid_t gettid(void) { return call(__NR_gettid, 0, 0, 0); }
pid_t getpgrp(void) { return call(__NR_getpgrp, 0, 0, 0); }
pid_t getpgid(pid_t pid) { return call(__NR_getpgid, pid, 0, 0); }
int setpgid(pid_t pid, pid_t group) { return call(__NR_setpgid, pid, group, 0); }
pid_t setsid(void) { return call(__NR_setsid, 0, 0, 0); }
uid_t getuid(void) { return call(__NR_getuid32, 0, 0, 0); }
uid_t geteuid(void) { return call(__NR_geteuid32, 0, 0, 0); }
gid_t getgid(void) { return call(__NR_getgid32, 0, 0, 0); }
gid_t getegid(void) { return call(__NR_getegid32, 0, 0, 0); }
ssize_t read(int fd, void *to, size_t size) { return call(__NR_read, fd, (long)to, size); }
ssize_t write(int fd, const void *from, size_t size) { return call(__NR_write, fd, (long)from, size); }
int close(int fd) { return call(__NR_close, fd, 0, 0); }
off_t lseek(int fd, off_t offset, int whence) { return call(__NR_lseek, fd, offset, whence); }
int unlink(const char *path) { return call(__NR_unlink, (long)path, 0, 0); }
int pipe(int fds[2]) { return call(__NR_pipe, (long)fds, 0, 0); }
int pipe2(int fds[2], int flags) { return call(__NR_pipe2, (long)fds, flags, 0); }
int dup(int fd) { return call(__NR_dup, fd, 0, 0); }
int dup2(int from, int to) { return call(__NR_dup2, from, to, 0); }
int execve(const char *path, char *const argv[], char *const envp[]) {
  return call(__NR_execve, (long)path, (long)argv, (long)envp);
}
int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }
unsigned alarm(unsigned seconds) { return call(__NR_alarm, seconds, 0, 0); }
int pause(void) { return call(__NR_pause, 0, 0, 0); }
int nice(int by) { return call(__NR_nice, by, 0, 0); }
int sched_yield(void) { return call(__NR_sched_yield, 0, 0, 0); }
int kill(pid_t pid, int number) { return call(__NR_kill, pid, number, 0); }
int raise(int number) { return call(__NR_tgkill, getpid(), gettid(), number); }
pid_t waitpid(pid_t pid, int *status, int options) { return call(__NR_waitpid, pid, (long)status, options); }
pid_t wait(int *status) { return waitpid(-1, status, 0); }

int open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  int mode = flags & O_CREAT ? va_arg(list, int) : 0;
  va_end(list);
  return call(__NR_open, (long)path, flags, mode);
}

int fcntl(int fd, int what, ...) {
  va_list list;
  va_start(list, what);
  long value = va_arg(list, long);
  va_end(list);
  return call(__NR_fcntl64, fd, what, value);
}

void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset) {
  if (offset & 4095) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  return (void *)answer(toykernel_call(__NR_mmap2, (long)at, size, prot, flags, fd, (unsigned long)offset >> 12));
}
int munmap(void *at, size_t size) { return call(__NR_munmap, (long)at, size, 0); }
int mprotect(void *at, size_t size, int prot) { return call(__NR_mprotect, (long)at, size, prot); }
int madvise(void *at, size_t size, int advice) { return call(__NR_madvise, (long)at, size, advice); }

static char *end_of_heap;

int brk(void *end) {
  end_of_heap = (char *)toykernel_call(__NR_brk, (long)end, 0, 0, 0, 0, 0);
  if (end_of_heap >= (char *)end) return 0;
  errno = ENOMEM;
  return -1;
}

void *sbrk(intptr_t by) {
  if (!end_of_heap) brk(0);
  char *before = end_of_heap;
  return by && brk(before + by) ? (void *)-1 : before;
}

/* -- time and signals --------------------------------------------------------------------------- */

time_t time(time_t *into) { return call(__NR_time, (long)into, 0, 0); }
int clock_gettime(clockid_t clock, struct timespec *into) { return call(__NR_clock_gettime, clock, (long)into, 0); }
int nanosleep(const struct timespec *wanted, struct timespec *left) {
  return call(__NR_nanosleep, (long)wanted, (long)left, 0);
}
unsigned sleep(unsigned seconds) {
  struct timespec left = {(time_t)seconds, 0};
  return nanosleep(&left, &left) ? (unsigned)left.tv_sec : 0;
}
int usleep(unsigned microseconds) {
  struct timespec wanted = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
  return nanosleep(&wanted, 0);
}

int sigaction(int number, const struct sigaction *wanted, struct sigaction *before) {
  struct sigaction own;
  if (wanted) {
    own = *wanted;
    own.sa_flags |= 0x04000000; /* SA_RESTORER: the stack is not executable */
    own.sa_restorer = own.sa_flags & SA_SIGINFO ? toykernel_rt_restore : toykernel_restore;
  }
  return answer(toykernel_call(__NR_rt_sigaction, number, wanted ? (long)&own : 0, (long)before, 8, 0, 0));
}
sighandler_t signal(int number, sighandler_t handler) {
  struct sigaction own = {.sa_handler = handler, .sa_flags = SA_RESTART}, before;
  return sigaction(number, &own, &before) ? SIG_ERR : before.sa_handler;
}
int sigprocmask(int how, const sigset_t *set, sigset_t *before) {
  return answer(toykernel_call(__NR_rt_sigprocmask, how, (long)set, (long)before, 8, 0, 0));
}
int sigsuspend(const sigset_t *mask) { return call(__NR_rt_sigsuspend, (long)mask, 8, 0); }
int sigpending(sigset_t *set) { return call(__NR_rt_sigpending, (long)set, 8, 0); }
int sigemptyset(sigset_t *set) { return set->bits[0] = set->bits[1] = 0; }
int sigfillset(sigset_t *set) { set->bits[0] = set->bits[1] = -1UL; return 0; }
int sigaddset(sigset_t *set, int n) { set->bits[(n - 1) / 32] |= 1UL << (n - 1) % 32; return 0; }
int sigdelset(sigset_t *set, int n) { set->bits[(n - 1) / 32] &= ~(1UL << (n - 1) % 32); return 0; }
int sigismember(const sigset_t *set, int n) { return set->bits[(n - 1) / 32] >> (n - 1) % 32 & 1; }

/* -- strings ------------------------------------------------------------------------------------ */

void *memcpy(void *to, const void *from, size_t size) {
  char *t = to;
  const char *f = from;
  while (size--) *t++ = *f++;
  return to;
}
void *memmove(void *to, const void *from, size_t size) {
  char *t = to;
  const char *f = from;
  if (t <= f) return memcpy(to, from, size);
  while (size--) t[size] = f[size];
  return to;
}
void *memset(void *to, int byte, size_t size) {
  char *t = to;
  while (size--) *t++ = (char)byte;
  return to;
}
int memcmp(const void *one, const void *other, size_t size) {
  const unsigned char *a = one, *b = other;
  for (; size; size--, a++, b++)
    if (*a != *b) return *a - *b;
  return 0;
}
void *memchr(const void *in, int byte, size_t size) {
  const unsigned char *at = in;
  for (; size; size--, at++)
    if (*at == (unsigned char)byte) return (void *)at;
  return 0;
}
size_t strlen(const char *text) {
  const char *at = text;
  while (*at) at++;
  return at - text;
}
size_t strnlen(const char *text, size_t most) {
  size_t n = 0;
  while (n < most && text[n]) n++;
  return n;
}
char *strcpy(char *to, const char *from) { return memcpy(to, from, strlen(from) + 1); }
char *strncpy(char *to, const char *from, size_t size) {
  size_t n = strnlen(from, size);
  memcpy(to, from, n);
  memset(to + n, 0, size - n);
  return to;
}
char *strcat(char *to, const char *from) { strcpy(to + strlen(to), from); return to; }
char *strncat(char *to, const char *from, size_t size) {
  char *end = to + strlen(to);
  size_t n = strnlen(from, size);
  memcpy(end, from, n);
  end[n] = 0;
  return to;
}
int strcmp(const char *one, const char *other) {
  while (*one && *one == *other) one++, other++;
  return (unsigned char)*one - (unsigned char)*other;
}
int strncmp(const char *one, const char *other, size_t size) {
  for (; size && *one && *one == *other; size--) one++, other++;
  return size ? (unsigned char)*one - (unsigned char)*other : 0;
}
char *strchr(const char *in, int byte) {
  for (;; in++) {
    if (*in == (char)byte) return (char *)in;
    if (!*in) return 0;
  }
}
char *strrchr(const char *in, int byte) {
  char *found = 0;
  for (;; in++) {
    if (*in == (char)byte) found = (char *)in;
    if (!*in) return found;
  }
}
char *strstr(const char *in, const char *part) {
  size_t n = strlen(part);
  for (;; in++) {
    if (!strncmp(in, part, n)) return (char *)in;
    if (!*in) return 0;
  }
}
char *strdup(const char *text) {
  char *copy = malloc(strlen(text) + 1);
  return copy ? strcpy(copy, text) : 0;
}
int isupper(int c) { return c >= 'A' && c <= 'Z'; }
int islower(int c) { return c >= 'a' && c <= 'z'; }
int isalpha(int c) { return isupper(c) || islower(c); }
int isdigit(int c) { return c >= '0' && c <= '9'; }
int isalnum(int c) { return isalpha(c) || isdigit(c); }
int isspace(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
int isprint(int c) { return c >= ' ' && c < 127; }
int isxdigit(int c) { return isdigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
int toupper(int c) { return islower(c) ? c - 32 : c; }
int tolower(int c) { return isupper(c) ? c + 32 : c; }

/* -- memory, numbers ---------------------------------------------------------------------------- */

/* Blocks of the heap lie one behind the other; a free one is merged with free ones behind it. */
struct block { size_t size; int used; int pad[2]; };
static struct block *first, *last;

static struct block *after(struct block *b) {
  return b == last ? 0 : (struct block *)((char *)(b + 1) + b->size);
}

void *malloc(size_t size) {
  if (size > INT_MAX - 64) {
    errno = ENOMEM;
    return 0;
  }
  size = (size + 15) & ~15u;
  for (struct block *b = first; b; b = after(b)) {
    for (struct block *n = after(b); !b->used && n && !n->used; n = after(b)) {
      b->size += sizeof *n + n->size;
      if (n == last) last = b;
    }
    if (b->used || b->size < size) continue;
    if (b->size >= size + sizeof *b + 16) {
      struct block *rest = (struct block *)((char *)(b + 1) + size);
      rest->size = b->size - size - sizeof *b;
      rest->used = 0;
      if (b == last) last = rest;
      b->size = size;
    }
    b->used = 1;
    return b + 1;
  }
  if (!first && ((unsigned long)sbrk(0) & 15)) sbrk(16 - ((unsigned long)sbrk(0) & 15));
  struct block *b = sbrk(sizeof *b + size);
  if (b == (void *)-1) return 0;
  if (!first) first = b;
  last = b;
  b->size = size;
  b->used = 1;
  return b + 1;
}
void free(void *old) {
  if (old) ((struct block *)old - 1)->used = 0;
}
void *calloc(size_t count, size_t size) {
  if (size && count > INT_MAX / size) {
    errno = ENOMEM;
    return 0;
  }
  void *got = malloc(count * size);
  return got ? memset(got, 0, count * size) : 0;
}
void *realloc(void *old, size_t size) {
  if (!old) return malloc(size);
  size_t had = ((struct block *)old - 1)->size;
  if (had >= size) return old;
  void *got = malloc(size);
  if (!got) return 0;
  memcpy(got, old, had);
  free(old);
  return got;
}

static unsigned long number(const char *text, char **end, int base, int is_signed) {
  const char *at = text, *digits;
  unsigned long value = 0;
  int negative, over = 0;
  while (isspace(*at)) at++;
  negative = *at == '-';
  if (*at == '-' || *at == '+') at++;
  if ((base == 0 || base == 16) && at[0] == '0' && (at[1] | 32) == 'x' && isxdigit(at[2])) at += 2, base = 16;
  if (base == 0) base = *at == '0' ? 8 : 10;
  for (digits = at;; at++) {
    int digit = isdigit(*at) ? *at - '0' : isalpha(*at) ? tolower(*at) - 'a' + 10 : 99;
    if (digit >= base) break;
    if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value)) over = 1;
  }
  if (end) *end = (char *)(at == digits ? text : at);
  if (is_signed && value > (unsigned long)LONG_MAX + negative) over = 1;
  if (over) {
    errno = ERANGE;
    return !is_signed ? ULONG_MAX : negative ? (unsigned long)LONG_MIN : LONG_MAX;
  }
  return negative ? -value : value;
}
long strtol(const char *text, char **end, int base) { return (long)number(text, end, base, 1); }
unsigned long strtoul(const char *text, char **end, int base) { return number(text, end, base, 0); }
int atoi(const char *text) { return (int)strtol(text, 0, 10); }
int abs(int value) { return value < 0 ? -value : value; }
long labs(long value) { return value < 0 ? -value : value; }
char *getenv(const char *name) {
  size_t n = strlen(name);
  for (char **at = environ; *at; at++)
    if (!strncmp(*at, name, n) && (*at)[n] == '=') return *at + n + 1;
  return 0;
}
static unsigned seed = 1;
void srand(unsigned value) { seed = value; }
int rand(void) {
  seed = seed * 1103515245 + 12345;
  return (int)(seed >> 1);
}

static void swap(char *a, char *b, size_t size) {
  while (size--) {
    char kept = *a;
    *a++ = *b;
    *b++ = kept;
  }
}
/* A heap sort: no worst case and no recursion. */
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *)) {
  char *a = base;
  for (size_t start = count / 2, end = count; end > 1;) {
    if (start) start--;
    else swap(a, a + --end * size, size);
    for (size_t root = start, child; (child = 2 * root + 1) < end; root = child) {
      if (child + 1 < end && compare(a + child * size, a + (child + 1) * size) < 0) child++;
      if (compare(a + root * size, a + child * size) >= 0) break;
      swap(a + root * size, a + child * size, size);
    }
  }
}

/* What the compiler calls for 64-bit divisions (libgcc's, which is not there either). */
unsigned long long __udivmoddi4(unsigned long long n, unsigned long long d, unsigned long long *rest) {
  unsigned long long quotient = 0, left = 0;
  if (!d) __asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0)); /* the fault that a division has */
  for (int bit = 63; bit >= 0; bit--) {
    int carry = (int)(left >> 63);
    left = left << 1 | (n >> bit & 1);
    if (carry || left >= d) left -= d, quotient |= 1ULL << bit;
  }
  if (rest) *rest = left;
  return quotient;
}
unsigned long long __udivdi3(unsigned long long n, unsigned long long d) { return __udivmoddi4(n, d, 0); }
unsigned long long __umoddi3(unsigned long long n, unsigned long long d) {
  unsigned long long rest;
  __udivmoddi4(n, d, &rest);
  return rest;
}
static unsigned long long size_of(long long v) { return v < 0 ? -(unsigned long long)v : (unsigned long long)v; }
long long __divmoddi4(long long n, long long d, long long *rest) {
  unsigned long long left, q = __udivmoddi4(size_of(n), size_of(d), &left);
  if (rest) *rest = (long long)(n < 0 ? -left : left);
  return (long long)((n < 0) != (d < 0) ? -q : q);
}
long long __divdi3(long long n, long long d) { return __divmoddi4(n, d, 0); }
long long __moddi3(long long n, long long d) {
  long long rest;
  __divmoddi4(n, d, &rest);
  return rest;
}

/* -- stdio -------------------------------------------------------------------------------------- */

struct sink { char *to; size_t room; size_t length; int fd; char buffer[512]; size_t held; };

static void give(struct sink *s) {
  for (size_t done = 0; done < s->held;) {
    ssize_t n = write(s->fd, s->buffer + done, s->held - done);
    if (n < 0 && errno != EINTR) break;
    done += n > 0 ? n : 0;
  }
  s->held = 0;
}
static void put(struct sink *s, char c) {
  if (s->fd >= 0) {
    if (s->held == sizeof s->buffer) give(s);
    s->buffer[s->held++] = c;
  } else if (s->length + 1 < s->room) {
    s->to[s->length] = c;
  }
  s->length++;
}
static void pad(struct sink *s, char c, int count) {
  while (count-- > 0) put(s, c);
}

struct conversion { int left, plus, space, other, zero, width, precision; };

static void field(struct sink *s, const struct conversion *c, const char *front, const char *text, int length,
                  int zeros) {
  int gap = c->width - (int)strlen(front) - zeros - length;
  if (!c->left) pad(s, ' ', gap);
  while (*front) put(s, *front++);
  pad(s, '0', zeros);
  for (int i = 0; i < length; i++) put(s, text[i]);
  if (c->left) pad(s, ' ', gap);
}

static void integer(struct sink *s, const struct conversion *c, unsigned long long value, int negative, char kind) {
  char digits[24], front[3] = "", *at = digits + sizeof digits;
  unsigned base = kind == 'o' ? 8 : kind == 'x' || kind == 'X' || kind == 'p' ? 16 : 10;
  const char *letters = kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  unsigned long long left = value;
  while (left) {
    *--at = letters[left % base];
    left /= base;
  }
  int length = (int)(digits + sizeof digits - at), zeros = 0, least = c->precision < 0 ? 1 : c->precision;
  if (kind == 'd') {
    if (negative || c->plus || c->space) front[0] = negative ? '-' : c->plus ? '+' : ' ';
  } else if (base == 16 && (kind == 'p' || (c->other && value))) {
    front[0] = '0', front[1] = kind == 'X' ? 'X' : 'x';
  }
  if (kind == 'o' && c->other && least <= length) least = length + 1;
  if (length < least) zeros = least - length;
  if (c->zero && !c->left && c->precision < 0) {
    int gap = c->width - (int)strlen(front) - length;
    if (gap > zeros) zeros = gap;
  }
  field(s, c, front, at, length, zeros);
}

/* %f: exact to 18 digits, which is what a double has; the last one is rounded half up. */
static void decimal(struct sink *s, const struct conversion *c, double value) {
  char text[48], front[2] = "";
  union { double d; unsigned long long bits; } u = {value};
  int precision = c->precision < 0 ? 6 : c->precision > 18 ? 18 : c->precision, n = 0;
  if (u.bits >> 63) front[0] = '-', value = -value;
  else if (c->plus || c->space) front[0] = c->plus ? '+' : ' ';
  if (value != value || value > 1e18) {
    field(s, c, front, value != value ? "nan" : value > 1.7976931348623157e308 ? "inf" : "(huge)",
          value == value && value <= 1.7976931348623157e308 ? 6 : 3, 0);
    return;
  }
  unsigned long long whole = (unsigned long long)value, scale = 1, part;
  for (int i = 0; i < precision; i++) scale *= 10;
  long double rest = ((long double)value - whole) * scale;
  part = (unsigned long long)rest;
  if (rest - part > 0.5L || (rest - part == 0.5L && (precision ? part & 1 : whole & 1))) part++;
  if (part >= scale) part -= scale, whole++;
  char digits[24];
  int d = 0;
  do digits[d++] = (char)('0' + whole % 10); while (whole /= 10);
  while (d) text[n++] = digits[--d];
  if (precision || c->other) text[n++] = '.';
  for (int i = precision; i-- > 0; part /= 10) text[n + i] = (char)('0' + part % 10);
  n += precision;
  int zeros = c->zero && !c->left ? c->width - (int)strlen(front) - n : 0;
  field(s, c, front, text, n, zeros > 0 ? zeros : 0);
}

static void format_to(struct sink *s, const char *format, va_list list) {
  for (; *format; format++) {
    if (*format != '%') {
      put(s, *format);
      continue;
    }
    const char *start = format++;
    struct conversion c = {0, 0, 0, 0, 0, 0, -1};
    for (;; format++) {
      if (*format == '-') c.left = 1;
      else if (*format == '+') c.plus = 1;
      else if (*format == ' ') c.space = 1;
      else if (*format == '#') c.other = 1;
      else if (*format == '0') c.zero = 1;
      else break;
    }
    if (*format == '*') {
      c.width = va_arg(list, int), format++;
      if (c.width < 0) c.left = 1, c.width = -c.width;
    } else
      while (isdigit(*format)) c.width = 10 * c.width + *format++ - '0';
    if (*format == '.') {
      c.precision = 0, format++;
      if (*format == '*') c.precision = va_arg(list, int), format++;
      else while (isdigit(*format)) c.precision = 10 * c.precision + *format++ - '0';
    }
    int longs = 0, halves = 0;
    for (;; format++) {
      if (*format == 'l') longs++;
      else if (*format == 'j') longs = 2;
      else if (*format == 'h') halves++;
      else if (*format != 'z' && *format != 't') break;
    }
    switch (*format) {
      case 'd': case 'i': {
        long long v = longs > 1 ? va_arg(list, long long) : va_arg(list, int);
        if (halves) v = halves > 1 ? (signed char)v : (short)v;
        integer(s, &c, size_of(v), v < 0, 'd');
        break;
      }
      case 'u': case 'x': case 'X': case 'o': {
        unsigned long long v = longs > 1 ? va_arg(list, unsigned long long) : va_arg(list, unsigned);
        if (halves) v = halves > 1 ? (unsigned char)v : (unsigned short)v;
        integer(s, &c, v, 0, *format);
        break;
      }
      case 'p': integer(s, &c, va_arg(list, unsigned), 0, 'p'); break;
      case 'f': case 'F': decimal(s, &c, va_arg(list, double)); break;
      case 'c': {
        char one = (char)va_arg(list, int);
        field(s, &c, "", &one, 1, 0);
        break;
      }
      case 's': {
        const char *text = va_arg(list, const char *);
        if (!text) text = "(null)";
        field(s, &c, "", text, (int)(c.precision < 0 ? strlen(text) : strnlen(text, c.precision)), 0);
        break;
      }
      case '%': put(s, '%'); break;
      default: /* a conversion that is not here shows itself */
        while (start < format) put(s, *start++);
        if (*format) put(s, *format);
        else return;
    }
  }
}

int vdprintf(int fd, const char *format, va_list list) {
  struct sink s;
  s.to = 0, s.room = 0, s.length = 0, s.fd = fd, s.held = 0;
  format_to(&s, format, list);
  give(&s);
  return (int)s.length;
}
int vsnprintf(char *to, size_t size, const char *format, va_list list) {
  struct sink s;
  s.to = to, s.room = size, s.length = 0, s.fd = -1, s.held = 0;
  format_to(&s, format, list);
  if (size) to[s.length < size ? s.length : size - 1] = 0;
  return (int)s.length;
}
int vfprintf(FILE *file, const char *format, va_list list) { return vdprintf(file->fd, format, list); }
int vprintf(const char *format, va_list list) { return vdprintf(1, format, list); }

#define WITH_LIST(last, expression)  \
  va_list list;                      \
  va_start(list, last);              \
  int length = (expression);         \
  va_end(list);                      \
  return length

int printf(const char *format, ...) { WITH_LIST(format, vdprintf(1, format, list)); }
int fprintf(FILE *file, const char *format, ...) { WITH_LIST(format, vdprintf(file->fd, format, list)); }
int dprintf(int fd, const char *format, ...) { WITH_LIST(format, vdprintf(fd, format, list)); }
int snprintf(char *to, size_t size, const char *format, ...) { WITH_LIST(format, vsnprintf(to, size, format, list)); }
int sprintf(char *to, const char *format, ...) { WITH_LIST(format, vsnprintf(to, INT_MAX, format, list)); }

int puts(const char *text) { return printf("%s\n", text); }
int fputs(const char *text, FILE *file) { return fprintf(file, "%s", text); }
int fputc(int c, FILE *file) {
  char one = (char)c;
  return write(file->fd, &one, 1) == 1 ? (unsigned char)c : EOF;
}
int putc(int c, FILE *file) { return fputc(c, file); }
int putchar(int c) { return fputc(c, stdout); }
int getchar(void) {
  unsigned char one;
  return read(0, &one, 1) == 1 ? one : EOF;
}
int fflush(FILE *file) { (void)file; return 0; }
int fileno(FILE *file) { return file->fd; }
int setvbuf(FILE *file, char *buffer, int mode, size_t size) {
  (void)file, (void)buffer, (void)mode, (void)size;
  return 0;
}
size_t fwrite(const void *from, size_t size, size_t count, FILE *file) {
  size_t done = 0;
  while (done < size * count) {
    ssize_t n = write(file->fd, (const char *)from + done, size * count - done);
    if (n < 0 && errno != EINTR) break;
    done += n > 0 ? n : 0;
  }
  return size ? done / size : 0;
}

static const char *const messages[] = {
    [0] = "Success", [EPERM] = "Operation not permitted", [ENOENT] = "No such file or directory",
    [ESRCH] = "No such process", [EINTR] = "Interrupted system call", [EIO] = "Input/output error",
    [E2BIG] = "Argument list too long", [ENOEXEC] = "Exec format error", [EBADF] = "Bad file descriptor",
    [ECHILD] = "No child processes", [EAGAIN] = "Resource temporarily unavailable",
    [ENOMEM] = "Cannot allocate memory", [EACCES] = "Permission denied", [EFAULT] = "Bad address",
    [EBUSY] = "Device or resource busy", [EEXIST] = "File exists", [ENOTDIR] = "Not a directory",
    [EISDIR] = "Is a directory", [EINVAL] = "Invalid argument", [ENFILE] = "Too many open files in system",
    [EMFILE] = "Too many open files", [EFBIG] = "File too large", [ENOSPC] = "No space left on device",
    [ESPIPE] = "Illegal seek", [EROFS] = "Read-only file system", [EPIPE] = "Broken pipe",
    [EDOM] = "Numerical argument out of domain", [ERANGE] = "Numerical result out of range",
    [EDEADLK] = "Resource deadlock avoided", [ENAMETOOLONG] = "File name too long",
    [ENOSYS] = "Function not implemented", [ETIMEDOUT] = "Connection timed out"};

char *strerror(int number) {
  static char other[24];
  if (number >= 0 && number < (int)(sizeof messages / sizeof *messages) && messages[number])
    return (char *)messages[number];
  snprintf(other, sizeof other, "Unknown error %d", number);
  return other;
}
void perror(const char *what) {
  int kept = errno;
  if (what && *what) dprintf(2, "%s: %s\n", what, strerror(kept));
  else dprintf(2, "%s\n", strerror(kept));
}
void toykernel_assert(const char *text, const char *file, int line, const char *function) {
  dprintf(2, "%s:%d: %s: Assertion `%s' failed.\n", file, line, function, text);
  abort();
}
