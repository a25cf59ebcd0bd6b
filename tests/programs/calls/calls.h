/* What the programs beside this header need, without any C library: `gcc -m32 -static -nostdlib -ffreestanding`.
 * Each writes down what calls answer, here and on a real Linux. */
typedef unsigned long long u64;
typedef __builtin_va_list va_list;
#define NULL 0
static int errno;
static long syscall6(long n, long a, long b, long c, long d, long e, long f) {
  long words[2] = {n, f}, r;
  __asm__ volatile("pushl %%ebp; movl 4(%%eax), %%ebp; movl (%%eax), %%eax; int $0x80; popl %%ebp"
                   : "=a"(r) : "a"(words), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
  if ((unsigned long)r > -4096ul) { errno = -r; return -1; }
  return r;
}
#define CALL7(n, a, b, c, d, e, f, ...) syscall6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define syscall(...) CALL7(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
void *memset(void *to, int byte, unsigned long size) { char *p = to; while (size--) *p++ = byte; return to; }
void *memcpy(void *to, const void *from, unsigned long size) {
  char *p = to; const char *q = from; while (size--) *p++ = *q++; return to;
}
static unsigned long strlen(const char *s) { unsigned long n = 0; while (s[n]) n++; return n; }
static char *strcpy(char *to, const char *from) { memcpy(to, from, strlen(from) + 1); return to; }
static int strcmp(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a - *b; }
static void number(char **to, unsigned long n, int base) {
  char digits[24]; int at = 0;
  do digits[at++] = "0123456789abcdef"[n % base]; while (n /= base);
  while (at) *(*to)++ = digits[--at];
}
/* %d %u %x %o %lu %llx %s %.Ns %c; a line is one write, so that processes do not mix theirs. */
static void printf(const char *f, ...) {
  char line[1024], *to = line; va_list list; __builtin_va_start(list, f);
  for (; *f; f++) {
    if (*f != '%') { *to++ = *f; continue; }
    int most = 500, longs = 0; f++;
    if (*f == '.') for (most = 0, f++; *f >= '0' && *f <= '9'; f++) most = most * 10 + *f - '0';
    while (*f == 'l') longs++, f++;
    if (*f == 's') { const char *s = __builtin_va_arg(list, const char *); while (*s && most--) *to++ = *s++; continue; }
    if (*f == 'c') { *to++ = __builtin_va_arg(list, int); continue; }
    u64 wide = longs == 2 ? __builtin_va_arg(list, u64) : __builtin_va_arg(list, unsigned long);
    if (*f == 'd' && longs < 2 && (long)wide < 0) *to++ = '-', wide = -(unsigned long)wide & 0xffffffffu;
    int base = *f == 'x' ? 16 : *f == 'o' ? 8 : 10;
    if (wide >> 32) { number(&to, wide >> 32, base); *to++ = ':'; }
    number(&to, wide, base);
  }
  __builtin_va_end(list);
  syscall(4, 1, line, to - line);
}
int main();
__asm__(".globl _start\n_start: xorl %ebp, %ebp\n movl (%esp), %eax\n leal 4(%esp), %edx\n andl $-16, %esp\n"
        " subl $8, %esp\n pushl %edx\n pushl %eax\n call main\n movl %eax, %ebx\n movl $252, %eax\n int $0x80");

#define _exit(n) syscall(1, n)
#define fork() syscall(2)
#define read(f, b, n) syscall(3, f, b, n)
#define write(f, b, n) syscall(4, f, b, n)
#define open(...) CALL7(5, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define close(f) syscall(6, f)
#define unlink(p) syscall(10, p)
#define lseek(f, o, w) syscall(19, f, o, w)
#define getpid() syscall(20)
#define setuid(u) syscall(23, u)
#define pause() syscall(29)
#define kill(p, n) syscall(37, p, n)
#define raise(n) syscall(37, getpid(), n)
#define pipe(f) syscall(42, f)
#define dup(f) syscall(41, f)
#define dup2(a, b) syscall(63, a, b)
#define setsid() syscall(66)
#define munmap(a, n) syscall(91, a, n)
#define wait(s) syscall(114, -1, s, 0, 0)
#define waitpid(p, s, o) syscall(114, p, s, o, 0)
#define mprotect(a, n, p) syscall(125, a, n, p)
#define msync(a, n, f) syscall(144, a, n, f)
#define mlock(a, n) syscall(150, a, n)
#define munlock(a, n) syscall(151, a, n)
#define mlockall(f) syscall(152, f)
#define munlockall() syscall(153)
#define nanosleep(t, r) syscall(162, t, r)
#define mmap(a, n, p, f, d, o) ((void *)syscall6(192, (long)(a), n, p, f, d, (o) / 4096))
#define setreuid(r, e) syscall(203, r, e)
#define mincore(a, n, v) syscall(218, a, n, v)
#define madvise(a, n, v) syscall(219, a, n, v)
#define fcntl(f, ...) CALL7(221, f, __VA_ARGS__, 0, 0, 0, 0, 0)
#define clock_gettime(c, t) syscall(265, c, t)
#define waitid(w, p, s, o) syscall(284, w, p, s, o, 0)
enum { EINTR = 4, EINVAL = 22 };
enum { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT = 0100, O_NONBLOCK = 04000, O_CLOEXEC = 02000000 };
enum { F_GETFD = 1, F_SETFD, F_GETFL, F_SETFL };
enum { SIGHUP = 1, SIGINT, SIGQUIT, SIGKILL = 9, SIGUSR1, SIGUSR2 = 12, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD = 17 };
enum { SIGCONT = 18, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIG_BLOCK = 0, SIG_UNBLOCK, SIG_SETMASK };
enum { SA_SIGINFO = 4, SA_RESTART = 0x10000000, WNOHANG = 1, WEXITED = 4, CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1 };
enum { PROT_READ = 1, PROT_WRITE, MAP_SHARED = 1, MAP_PRIVATE, MAP_SHARED_VALIDATE, MAP_FIXED = 16, MAP_ANONYMOUS = 32 };
enum { MAP_GROWSDOWN = 0x100, MAP_SYNC = 0x80000, MAP_FIXED_NOREPLACE = 0x100000, MCL_CURRENT = 1, MCL_FUTURE };
enum { PROT_GROWSDOWN = 0x1000000, PROT_GROWSUP = 0x2000000, MS_ASYNC = 1, MS_SYNC = 4, MADV_FREE = 8 };
#define SIG_IGN ((void (*)(int))1)
#define MAP_FAILED ((void *)-1)
struct timespec { long tv_sec, tv_nsec; };
struct timeval { long tv_sec, tv_usec; };
struct iovec { void *iov_base; unsigned long iov_len; };
typedef struct { unsigned bits[2]; } sigset_t;
typedef struct {
  int si_signo, si_errno, si_code;
  union { int pad[29]; struct { int si_pid, si_uid, si_status; }; };
} siginfo_t;
struct sigaction { void (*sa_handler)(int); unsigned long sa_flags; void (*sa_restorer)(void); sigset_t sa_mask; };
#define sigemptyset(s) memset(s, 0, 8)
#define sigaddset(s, n) ((s)->bits[((n) - 1) / 32] |= 1u << ((n) - 1) % 32)
#define sigismember(s, n) ((s)->bits[((n) - 1) / 32] >> ((n) - 1) % 32 & 1)
#define sigaction(n, a, o) syscall(174, n, a, o, 8)
#define sigprocmask(h, s, o) syscall(175, h, s, o, 8)
static void signal(int number, void (*handler)(int)) { /* as BSD has it */
  struct sigaction action = {handler, SA_RESTART}; sigaction(number, &action, 0);
}
static void queue(int pid, int sig, int value) { /* sigqueue */
  int info[32] = {sig, 0, -1, getpid(), 0, value}; syscall(178, pid, sig, info);
}
static int is_child;
static void ms(int n) { struct timespec t = {n / 1000, n % 1000 * 1000000}; nanosleep(&t, 0); }
static int later(void) { if (is_child) ms(15); return 0; } /* what a parent has to say then comes first */
/* The call as text, its answer, and the error. */
#define S(...) ({ errno = 0; long r_ = (long)(__VA_ARGS__); int e_ = errno; later(); errno = e_; printf("%s %ld %d\n", #__VA_ARGS__, r_, r_ == -1 ? errno : 0); r_; })
/* The same for an answer that differs from system to system. */
#define Z(e) ({ errno = 0; long r_ = (long)(e); printf("%s %s %d\n", #e, r_ == -1 ? "fails" : "works", r_ == -1 ? errno : 0); r_; })
#define CHILD(...) ({ int p_ = fork(); if (!p_) { is_child = 1; __VA_ARGS__; _exit(0); } p_; })
static volatile int hits;
static void hit(int number) { hits++; }
static void reap(void) { while (wait(0) > 0) continue; }

struct pollfd { int fd; short events, revents; };
#define POLLIN 1
#define POLLPRI 2
#define POLLOUT 4
#define POLLHUP 16
#define POLLRDNORM 64
#define poll(f, n, t) syscall(168, f, n, t)
#define ppoll(f, n, t, m) syscall(309, f, n, t, m, 8)
typedef struct { unsigned bits[32]; } fd_set;
#define FD_ZERO(s) memset(s, 0, sizeof *(s))
#define FD_SET(n, s) ((s)->bits[(n) / 32] |= 1u << (n) % 32)
#define FD_ISSET(n, s) ((s)->bits[(n) / 32] >> (n) % 32 & 1)
#define select(n, r, w, e, t) syscall(142, n, r, w, e, t)
#define eventfd(n, f) syscall(328, n, f)
struct epoll_event { unsigned events; u64 data; } __attribute__((packed));
#define EPOLLIN 1
#define EPOLLPRI 2
#define EPOLLOUT 4
#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define epoll_create(n) syscall(254, n)
#define epoll_create1(f) syscall(329, f)
#define epoll_ctl(e, o, f, v) syscall(255, e, o, f, v)
#define epoll_wait(e, v, n, t) syscall(256, e, v, n, t)
struct itimerspec { struct timespec it_interval, it_value; };
#define timerfd_create(c, f) syscall(322, c, f)
#define timerfd_settime(f, l, n, o) syscall(325, f, l, n, o)
#define timerfd_gettime(f, o) syscall(326, f, o)
struct signalfd_siginfo {
  unsigned signo; int error, code; unsigned pid, uid; int fd; unsigned tid, band, overrun, trapno; int status, value;
  u64 ptr, utime, stime, addr; char pad[48];
};
#define signalfd(f, m, l) syscall(327, f, m, 8, l)
struct sembuf { unsigned short num; short op, flg; };
struct ipc_perm { int key; unsigned uid, gid, cuid, cgid; unsigned short mode, pad1, seq, pad2; unsigned unused[2]; };
struct msqid_ds {
  struct ipc_perm perm; unsigned times[6], cbytes, qnum, qbytes; int lspid, lrpid; unsigned unused[2];
};
struct shmid_ds { struct ipc_perm perm; unsigned segsz, times[6]; int cpid, lpid; unsigned nattch, unused[2]; };
struct shminfo { unsigned shmmax, shmmin, shmmni, shmseg, shmall, unused[4]; };
struct semid_ds { struct ipc_perm perm; unsigned times[4], nsems, unused[2]; };
enum { IPC_INFO = 3, SHM_LOCK = 11, SHM_UNLOCK, GETVAL = 12 };
#define IPC_PRIVATE 0
#define IPC_CREAT 01000
#define IPC_EXCL 02000
#define IPC_NOWAIT 04000
#define IPC_RMID 0
#define IPC_SET 1
#define IPC_STAT 2
#define MSG_NOERROR 010000
#define MSG_EXCEPT 020000
#define SHM_RDONLY 010000
#define SHM_RND 020000
#define SHM_REMAP 040000
