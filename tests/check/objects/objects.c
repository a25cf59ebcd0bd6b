/* One kernel object a run, by argv[1]: it is made, has something in it at `moment`, and is used and gone at the end.
 * A call that finds no memory is made again, so that each of its allocations may fail in turn. */
#include "../../programs/calls/calls.h"

enum { ENOMEM = 12, ENOLCK = 37, ENOBUFS = 105, SIGTRAP = 5 };
static long again(long n, long a, long b, long c, long d, long e, long f) {
  long r;
  do r = syscall6(n, a, b, c, d, e, f);
  while (r == -1 && (errno == ENOMEM || errno == ENOLCK || errno == ENOBUFS));
  return r;
}
#undef CALL7
#define CALL7(n, a, b, c, d, e, f, ...) again(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#undef mmap
#define mmap(a, n, p, f, d, o) ((void *)again(192, (long)(a), n, p, f, d, (o) / 4096))
#define socketcall(n, ...) ({ long args_[] = {__VA_ARGS__}; syscall(102, n, args_); })
#define ENDS(p) ({ int s_ = 0; waitpid(p, &s_, 0x40000000); s_; })

static char buffer[4096], page[4096] __attribute__((aligned(4096)));
static int gate; /* of a child that is one of all: what it waits on */
__attribute__((noinline)) static void here(void) { __asm__ volatile(".globl moment_here\nmoment_here: nop" ::: "memory"); }
static void moment(void) { if (gate) read(gate, buffer, 1); else here(); }
static void sleep_a_little(void) { struct timespec t = {0, 2000000}; nanosleep(&t, 0); }

struct sockaddr { unsigned short family; char path[12]; };
struct msghdr { void *name; int namelen; struct iovec *iov; int iovlen; void *control; int controllen, flags; };

static void socket_object(void) {
  int pair[2], event = syscall(328, 7, 0);
  socketcall(8, 1, 1, 0, (long)pair);
  struct { int len, level, type, fd; } control = {16, 1, 1, event};
  struct iovec iov = {"with a file", 11};
  struct msghdr message = {0, 0, &iov, 1, &control, 16, 0};
  printf("sendmsg %d\n", socketcall(16, pair[0], (long)&message, 0));
  close(event);
  struct sockaddr name = {1, "\0abstract"};
  int server = socketcall(1, 1, 1, 0), client = socketcall(1, 1, 1, 0);
  socketcall(2, server, (long)&name, 11);
  socketcall(4, server, 5);
  printf("connect %d\n", socketcall(3, client, (long)&name, 11));
  write(client, "early", 5);
  moment();
  iov.iov_base = buffer; iov.iov_len = 100; control.fd = -1;
  int n = socketcall(17, pair[1], (long)&message, 0);
  u64 count = 0;
  read(control.fd, &count, 8);
  printf("recvmsg %d, eventfd %d\n", n, (int)count);
  int accepted = socketcall(5, server, 0, 0);
  n = read(accepted, buffer, 100);
  buffer[n] = 0;
  printf("accepted: %s\n", buffer);
  syscall(197, accepted, buffer);
  printf("links %d\n", *(int *)(buffer + 20));
}

static void epoll_object(void) {
  struct { unsigned events; u64 data; } __attribute__((packed)) event = {1, 42}, got = {0};
  int fd = syscall(328, 0, 0), inner = syscall(329, 0), outer = syscall(329, 0);
  syscall(255, inner, 1, fd, &event);
  event.data = 43;
  syscall(255, outer, 1, inner, &event);
  u64 one = 1;
  write(fd, &one, 8);
  moment();
  int n = syscall(256, outer, &got, 1, 0);
  printf("outer %d %d\n", n, (int)got.data);
  n = syscall(256, inner, &got, 1, 0);
  printf("inner %d %d\n", n, (int)got.data);
  close(fd);
  printf("closed %d\n", syscall(256, inner, &got, 1, 0));
}

static void events_object(void) {
  int event = syscall(328, 3, 1), timer = syscall(322, 1, 0);
  sigset_t set = {{0}};
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  int sign = syscall(327, -1, &set, 8, 0);
  long when[] = {0, 1000000, 0, 1000000};
  syscall(325, timer, 0, when, 0);
  raise(SIGUSR1);
  sleep_a_little();
  moment();
  u64 value = 0;
  read(event, &value, 8);
  printf("semaphore %d\n", (int)value);
  printf("timer %d, many %d\n", (int)read(timer, &value, 8), value >= 1);
  read(sign, buffer, 128);
  printf("signal %d\n", *(int *)buffer);
}

struct flock { short type, whence; long start, len; int pid; };
static void lock_object(void) {
  struct flock all = {1, 0, 0, 100}, middle = {2, 0, 40, 10}, ofd = {1, 0, 200, 10};
  int fd = open("locked", O_RDWR | O_CREAT, 0600), other = open("locked", O_RDWR);
  printf("set %d\n", syscall(55, fd, 6, &all));
  printf("cut %d\n", syscall(55, fd, 6, &middle));
  struct { short type, whence; u64 start, len; int pid; } __attribute__((packed)) wide = {1, 0, 200, 10};
  printf("ofd %d\n", fcntl(other, 37, &wide));
  printf("flock %d\n", syscall(143, other, 2));
  int child = fork();
  if (!child) {
    struct flock first = {1, 0, 0, 10};
    printf("child %d\n", syscall(55, fd, 7, &first));
    _exit(0);
  }
  sleep_a_little();
  moment();
  all.type = 2;
  int answer = syscall(55, fd, 6, &all);
  printf("child ends %d, unlock %d\n", ENDS(child), answer);
  unlink("locked");
}

static void memfd_object(void) {
  int fd = syscall(356, "name", 2);
  write(fd, "in memory", 10);
  char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  p[0] = 'I';
  printf("seal %d\n", fcntl(fd, 1033, 2));
  moment();
  lseek(fd, 0, 0);
  read(fd, buffer, 10);
  printf("%s, seals %d\n", buffer, (int)fcntl(fd, 1034, 0));
  munmap(p, 4096);
}

static void fifo_object(void) {
  printf("mknod %d\n", syscall(14, "fifo", 010600, 0));
  int fd = open("fifo", O_RDWR), other[2];
  pipe(other);
  write(fd, "through a name", 15);
  int child = fork();
  if (!child) {
    int n = read(other[0], buffer, 10);
    printf("child %d\n", n);
    _exit(0);
  }
  sleep_a_little();
  moment();
  read(fd, buffer, 100);
  printf("%s\n", buffer);
  write(other[1], "go", 2);
  printf("child ends %d\n", ENDS(child));
  unlink("fifo");
}

static void mount_object(void) {
  syscall(39, "m", 0700);
  syscall(39, "again", 0700);
  printf("mount %d\n", syscall(21, "none", "m", "tmpfs", 0, "size=64k"));
  int fd = open("m/file", O_RDWR | O_CREAT, 0600);
  write(fd, "contents", 9);
  close(fd);
  printf("bind %d\n", syscall(21, "m", "again", "", 4096, 0));
  moment();
  fd = open("again/file", O_RDONLY);
  read(fd, buffer, 9);
  printf("%s\n", buffer);
  printf("busy %d\n", (int)syscall(22, "again"));
  close(fd);
  printf("umount %d %d\n", (int)syscall(22, "again"), (int)syscall(22, "m"));
  printf("gone %d\n", (int)open("m/file", O_RDONLY));
  syscall(40, "m");
  syscall(40, "again");
}

static void pty_object(void) {
  int master = open("/dev/ptmx", O_RDWR | 0400), zero = 0, index = 0;
  syscall(54, master, 0x40045431, &zero);
  syscall(54, master, 0x80045430, &index);
  char name[32] = "/dev/pts/", *end = name + 9;
  number(&end, index, 10);
  int slave = open(name, O_RDWR | 0400);
  write(master, "typed li", 8);
  moment();
  write(master, "ne\n", 3);
  int n = read(slave, buffer, 100);
  buffer[n] = 0;
  printf("read %d: %s", n, buffer);
  write(slave, "out", 3);
  for (n = 0; n < 15;) n += read(master, buffer, 100);
  printf("echo and output %d\n", n);
}

static void sysv_object(void) {
  struct { long type; char text[8]; } message = {5, "message"}, got = {0};
  int queue = syscall(399, 0, 0600), set = syscall(393, 0, 2, 0600), segment = syscall(395, 0, 4096, 0600);
  printf("msgsnd %d\n", (int)syscall(400, queue, &message, 8, 0));
  struct { unsigned short number; short op, flags; } op = {1, 3, 0x1000};
  printf("semop %d\n", (int)syscall(420, set, &op, 1, 0, 0));
  char *p = NULL;
  p = (char *)syscall(397, segment, 0, 0);
  p[5] = 7;
  moment();
  printf("msgrcv %d\n", (int)syscall(401, queue, &got, 8, 0, 0));
  printf("%s, %d, semaphore %d\n", got.text, p[5], (int)syscall(394, set, 1, 12, 0));
  syscall(398, p);
  printf("rmid %d", (int)syscall(402, queue, 0, 0));
  printf(" %d", (int)syscall(394, set, 0, 0, 0));
  printf(" %d\n", (int)syscall(396, segment, 0, 0));
}

static void posix_object(void) {
  long attr[8] = {0, 4, 64};
  int queue = syscall(277, "queue", O_RDWR | O_CREAT, 0600, attr), other[2];
  printf("send %d\n", (int)syscall(279, queue, "low", 4, 1, 0));
  printf("send %d\n", (int)syscall(279, queue, "high", 5, 9, 0));
  moment();
  unsigned priority;
  printf("receive %d", (int)syscall(280, queue, buffer, 64, &priority, 0));
  printf(" %s %d\n", buffer, priority);
  int child = fork();
  if (!child) {
    syscall(280, queue, buffer, 64, &priority, 0);
    printf("child %d", (int)syscall(280, queue, buffer, 64, &priority, 0));
    printf(" %s\n", buffer);
    _exit(0);
  }
  sleep_a_little();
  syscall(279, queue, "last", 5, 0, 0);
  printf("child ends %d\n", ENDS(child));
  printf("unlink %d\n", (int)syscall(278, "queue"));
}

struct sock_filter { unsigned short code; unsigned char jt, jf; unsigned k; };
static void seccomp_object(void) {
  struct sock_filter errno_of_nice[] = {{0x20, 0, 0, 0}, {0x15, 0, 1, 34}, {6, 0, 0, 0x00050058}, {6, 0, 0, 0x7fff0000}};
  struct sock_filter allow[] = {{6, 0, 0, 0x7fff0000}};
  struct { unsigned short len; struct sock_filter *filter; } program = {4, errno_of_nice}, more = {1, allow};
  printf("filter %d\n", (int)syscall(354, 1, 0, &program));
  printf("filter %d\n", (int)syscall(354, 1, 0, &more));
  int answer, child = fork();
  if (!child) {
    sleep_a_little();
    answer = syscall(34, 0);
    printf("child: nice %d, %d\n", answer, errno);
    _exit(0);
  }
  moment();
  answer = syscall(34, 0);
  int error = errno;
  printf("child ends %d; nice %d, %d\n", ENDS(child), answer, error);
}

static void pidfd_object(void) {
  int child = fork();
  if (!child) {
    pause();
    _exit(0);
  }
  int fd = syscall(434, child, 0), info[32] = {0};
  moment();
  printf("signal %d\n", (int)syscall(424, fd, SIGTERM, 0, 0));
  struct pollfd p = {fd, POLLIN};
  printf("poll %d\n", (int)poll(&p, 1, -1));
  printf("waitid %d", (int)waitid(3, fd, info, WEXITED));
  printf(" status %d\n", info[5]);
}

static void ptrace_object(void) {
  static volatile int word = 4711;
  int child = fork(), status = 0;
  long value = 0;
  if (!child) {
    syscall(26, 0, 0, 0, 0);
    word = 1234;
    raise(SIGSTOP);
    printf("child: %d\n", word);
    _exit(word & 0x7f);
  }
  waitpid(child, &status, 0);
  moment();
  syscall(26, 1, child, &word, &value);
  printf("stopped %x, word %d\n", status, (int)value);
  syscall(26, 4, child, &word, 33);
  syscall(26, 7, child, 0, 0);
  printf("child ends %x\n", ENDS(child));
}

static void userfaultfd_object(void) {
  static char stack[4096];
  struct { u64 api, features, ioctls; } api = {0xaa};
  char *area = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct { u64 start, len, mode, ioctls; } range = {(unsigned long)area, 4096, 1};
  struct { u64 dst, src, len, mode; long long copy; } copy = {(unsigned long)area, (unsigned long)page, 4096};
  int fd = syscall(374, 0), pid, message[8];
  long *top = (long *)(stack + 4000);
  *top = (long)area;
  printf("api %d", ({ int r_ = syscall(54, fd, 0xc018aa3f, &api); r_; }));
  printf(" register %d\n", ({ int r_ = syscall(54, fd, 0xc020aa00, &range); r_; }));
  page[0] = 9;
  /* clone(CLONE_VM | CLONE_FILES | SIGCHLD): a thread that ends with the byte it finds. */
  __asm__ volatile("int $0x80\n testl %%eax, %%eax\n jnz 1f\n popl %%ecx\n xorl %%ebx, %%ebx\n movb (%%ecx), %%bl\n"
                   " movl $1, %%eax\n int $0x80\n1:"
                   : "=a"(pid) : "a"(120), "b"(0x511), "c"(top), "d"(0), "S"(0), "D"(0) : "memory");
  sleep_a_little();
  moment();
  printf("read %d, event %x\n", ({ int r_ = read(fd, message, 32); r_; }), message[0] & 255);
  printf("copy %d\n", ({ int r_ = syscall(54, fd, 0xc028aa03, &copy); r_; }));
  printf("thread ends %x\n", ENDS(pid));
}

static void mountns_object(void) {
  printf("unshare %d\n", (int)syscall(310, 0x20000));
  syscall(39, "own", 0700);
  printf("private %d\n", syscall(21, "none", "/", "", 0x44000, 0));
  printf("mount %d\n", syscall(21, "none", "own", "tmpfs", 0, "size=64k"));
  int fd = open("own/file", O_RDWR | O_CREAT, 0600);
  write(fd, "contents", 9);
  close(fd);
  moment();
  fd = open("own/file", O_RDONLY);
  read(fd, buffer, 9);
  printf("%s\n", buffer);
  close(fd);
  printf("umount %d\n", (int)syscall(22, "own"));
  syscall(40, "own");
}

static void fscontext_object(void) {
  syscall(39, "fs1", 0700);
  syscall(39, "fs2", 0700);
  int fd = syscall(430, "tmpfs", 0);
  printf("size %d\n", (int)syscall(431, fd, 1, "size", "64k", 0));
  printf("nonsense %d\n", (int)syscall(431, fd, 1, "nonsense", "1", 0));
  printf("create %d\n", (int)syscall(431, fd, 6, 0, 0, 0));
  int tree = syscall(432, fd, 0, 0);
  printf("move %d\n", (int)syscall(429, tree, "", -100, "fs1", 4));
  printf("shared %d\n", (int)syscall(21, "", "fs1", "", 1 << 20, 0));
  printf("bind %d\n", (int)syscall(21, "fs1", "fs2", "", 4096, 0));
  int copy = syscall(428, -100, "fs1", 1);
  moment();
  read(fd, buffer, 100);
  printf("%s", buffer);
  syscall(39, "fs1/d", 0700);
  printf("mount %d\n", (int)syscall(21, "none", "fs1/d", "tmpfs", 0, "size=8k"));
  close(open("fs2/d/file", O_RDWR | O_CREAT, 0600));
  printf("there %d\n", (int)syscall(33, "fs1/d/file", 0));
  printf("umount %d\n", (int)syscall(22, "fs2/d"));
  printf("gone %d\n", (int)syscall(33, "fs1/d/file", 0));
  close(copy);
  close(tree);
  close(fd);
  printf("umount %d %d\n", (int)syscall(22, "fs2"), (int)syscall(22, "fs1"));
  syscall(40, "fs1");
  syscall(40, "fs2");
}

static void acct_object(void) {
  close(open("accounts", O_RDWR | O_CREAT, 0600));
  printf("acct %d\n", (int)syscall(51, "accounts"));
  int child = fork();
  if (!child) {
    sleep_a_little();
    _exit(3);
  }
  moment();
  printf("child %d\n", ENDS(child));
  printf("off %d\n", (int)syscall(51, 0));
  int fd = open("accounts", O_RDONLY), n = read(fd, buffer, 64);
  printf("record %d, version %d\n", n, buffer[1]);
  close(fd);
  unlink("accounts");
}

static void landlock_object(void) {
  unsigned attr[6] = {4}, rule[3] = {4, 0, 0};
  printf("to begin with %d %d\n", (int)syscall(33, "locked", 0), (int)syscall(33, "/dev", 0));
  int fd = syscall(444, attr, 24, 0), dir = open("/dev", 010000000);
  close(open("locked", O_RDWR | O_CREAT, 0600));
  rule[2] = dir;
  printf("rule %d\n", (int)syscall(445, fd, 1, rule, 0));
  printf("restrict %d\n", (int)syscall(446, fd, 0));
  int child = fork();
  if (!child) {
    sleep_a_little();
    syscall(33, "locked", 0); /* the name's page is there */
    _exit(open("locked", O_RDONLY) < 0);
  }
  printf("again %d\n", (int)syscall(446, fd, 0));
  moment();
  printf("open %d %d\n", (int)open("locked", O_RDONLY), (int)open("/dev/null", O_RDONLY) > 0);
  printf("child %d\n", ENDS(child));
  close(fd);
  close(dir);
  unlink("locked");
}

static void lease_object(void) {
  close(open("leased", O_RDWR | O_CREAT, 0600));
  int fd = open("leased", O_RDONLY), ends[2], ns = open("/proc/self/ns/uts", O_RDONLY);
  printf("lease %d\n", (int)fcntl(fd, 1024, 0));
  printf("attribute %d\n", (int)syscall(226, "leased", "trusted.name", "value", 5, 0));
  sigset_t set = {{0}};
  sigaddset(&set, 29);
  sigprocmask(SIG_BLOCK, &set, 0);
  pipe(ends);
  fcntl(ends[0], 8, syscall(20));
  printf("async %d\n", (int)fcntl(ends[0], 4, 020000));
  moment();
  write(ends[1], "x", 1);
  printf("lease %d, attribute %d\n", (int)fcntl(fd, 1025, 0), (int)syscall(229, "leased", "trusted.name", buffer, 100));
  printf("setns %d\n", (int)syscall(346, ns, 0));
  printf("given back %d\n", (int)fcntl(fd, 1024, 2));
  unlink("leased");
}

struct iocb { u64 data; unsigned key, rw_flags; unsigned short opcode; short prio; unsigned fd; u64 buf, nbytes, offset, reserved; unsigned flags, resfd; };
static void aio_object(void) {
  int ends[2], slow[2], count = syscall(328, 0, 0), fd = open("read later", O_RDWR | O_CREAT, 0600);
  pipe(ends); pipe(slow); write(fd, "bytes of a file", 15);
  struct iocb watch = {1, 0, 0, 5, 0, ends[0], 1, 0, 0, 0, 1, count}, get = {2, 0, 0, 0, 0, fd, (unsigned long)buffer, 15};
  struct iocb waits = {3, 0, 0, 0, 0, slow[0], (unsigned long)page, 4}, *list[] = {&watch, &get}, *one = &waits;
  unsigned ctx = 0;
  printf("context %d", (int)syscall(245, 8, &ctx));
  printf(", submitted %d", (int)syscall(248, ctx, 1, list));
  printf(", %d\n", (int)syscall(248, ctx, 1, list + 1));
  int child = fork();
  if (!child) { ctx = 0; syscall(245, 1, &ctx); printf("child %d\n", (int)syscall(248, ctx, 1, &one)); _exit(0); }
  sleep_a_little();
  moment();
  write(slow[1], "word", 4);
  printf("child ends %d\n", ENDS(child));
  write(ends[1], "x", 1);
  static struct { u64 data, obj; long long res, res2; } events[4];
  int n = syscall(247, ctx, 2, 4, events, 0);
  printf("events %d: %d %d, %d %d\n", n, (int)events[0].data, (int)events[0].res, (int)events[1].data, (int)events[1].res);
  u64 value = 0; read(count, &value, 8);
  printf("counted %d, gone %d\n", (int)value, (int)syscall(246, ctx));
  unlink("read later");
}

static void keys_object(void) {
  printf("process's %d\n", (int)syscall(288, 0, -2, 1) > 0); /* stays, whatever becomes of the call that wants it */
  int ring = syscall(286, "keyring", "ring", 0, 0, -2), key = syscall(286, "user", "name", "contents", 8, ring);
  printf("thread's %d, linked %d\n", (int)syscall(288, 0, -1, 1) > 0, (int)syscall(288, 8, key, -1));
  printf("session %d\n", (int)syscall(288, 1, "own") > 0);
  int child = fork();
  if (!child) _exit(syscall(288, 11, ring, buffer, 4) == 4 ? 3 : 4);
  moment();
  printf("child ends %x\n", ENDS(child));
  printf("found %d, read %d\n", syscall(288, 10, -2, "user", "name", 0) == key, (int)syscall(288, 11, key, buffer, 100));
  printf("revoke %d", (int)syscall(288, 3, key));
  printf(" %d\n", (int)syscall(288, 11, key, buffer, 100));
}

static void inotify_object(void) {
  int fd = syscall(332, 04000), watch = syscall(292, fd, ".", 0x300);
  close(open("watched", O_RDWR | O_CREAT, 0600));
  printf("second %d\n", (int)syscall(292, fd, "watched", 0x402));
  moment();
  unlink("watched");
  int n = read(fd, buffer, 1000);
  printf("%d bytes, watch %d, mask %x\n", n, *(int *)buffer == watch, *(int *)(buffer + 4));
  printf("gone %d\n", (int)syscall(293, fd, watch));
}

static void dnotify_object(void) {
  unsigned set[2] = {1 << 28}, pending[2] = {0}; /* SIGIO */
  syscall(175, 0, set, 0, 8);
  int fd = open(".", 0);
  printf("notify %d\n", (int)syscall(55, fd, 1026, 4));
  moment();
  close(open("made", O_RDWR | O_CREAT, 0600));
  syscall(176, pending, 8);
  printf("told %d\n", pending[0] == 1 << 28);
  unlink("made");
}

static void ldt_object(void) {
  static int word = 4711;
  unsigned entry[4] = {0, (unsigned)&word, 3, 1};
  printf("modify_ldt %d\n", (int)syscall(123, 0x11, entry, 16));
  int child = fork(), value;
  if (!child) {
    sleep_a_little();
    __asm__ volatile("movl %1, %%fs\n movl %%fs:0, %0" : "=r"(value) : "r"(7));
    _exit(value & 0x7f);
  }
  moment();
  printf("read %d\n", (int)syscall(123, 0, buffer, 8));
  __asm__ volatile("movl %1, %%fs\n movl %%fs:0, %0" : "=r"(value) : "r"(7));
  printf("word %d, child ends %x\n", value, ENDS(child));
}

static void nothing(void) { moment(); }

static const struct { const char *name; void (*run)(void); } objects[] = {
  {"nothing", nothing}, {"socket", socket_object}, {"epoll", epoll_object}, {"events", events_object},
  {"lock", lock_object}, {"memfd", memfd_object}, {"fifo", fifo_object}, {"mount", mount_object},
  {"pty", pty_object}, {"sysv", sysv_object}, {"posix", posix_object}, {"seccomp", seccomp_object},
  {"pidfd", pidfd_object}, {"ptrace", ptrace_object}, {"mountns", mountns_object},
  {"userfaultfd", userfaultfd_object},
  {"lease", lease_object}, {"keys", keys_object}, {"inotify", inotify_object}, {"dnotify", dnotify_object}, {"aio", aio_object},
  {"ldt", ldt_object}, {"fscontext", fscontext_object},
  {"landlock", landlock_object}, {"acct", acct_object},
};
enum { OBJECTS = sizeof objects / sizeof *objects };

/* A child for each, all of them there at once; then one after the other comes to its end. */
static void everything(void) {
  int child[OBJECTS], gates[OBJECTS];
  for (int i = 0; i < OBJECTS; i++) {
    int ends[2];
    pipe(ends);
    gates[i] = ends[1];
    child[i] = fork();
    if (!child[i]) {
      gate = ends[0];
      objects[i].run();
      _exit(0);
    }
    close(ends[0]);
    for (int n = 0; n < 3; n++) sleep_a_little();
  }
  moment();
  for (int i = 0; i < OBJECTS; i++) {
    write(gates[i], "", 1);
    printf("%s ends %d\n", objects[i].name, ENDS(child[i]));
  }
}

int main(int argc, char **argv) {
  memset(buffer, 1, sizeof buffer); /* its page is there: what fails is the call, not the copy */
  memset(page, 1, sizeof page);
  if (!strcmp(argv[1], "everything")) everything();
  for (int i = 0; i < OBJECTS; i++)
    if (!strcmp(argv[1], objects[i].name)) objects[i].run();
  printf("the end\n");
  return 0;
}
