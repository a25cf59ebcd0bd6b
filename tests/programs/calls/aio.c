/* asynchronous I/O: contexts, requests of every kind, events and their ring, what waits and what is given up */
#include "calls.h"
#define io_setup(n, c) syscall(245, n, c)
#define io_destroy(c) syscall(246, c)
#define io_getevents(c, least, most, e, t) syscall(247, c, least, most, e, t)
#define io_submit(c, n, i) syscall(248, c, n, i)
#define io_cancel(c, i, r) syscall(249, c, i, r)
#define io_pgetevents(c, least, most, e, t, s) syscall(385, c, least, most, e, t, s)
struct iocb { u64 data; unsigned key, rw_flags; unsigned short opcode; short prio; unsigned fd; u64 buf, nbytes, offset, reserved; unsigned flags, resfd; };
struct event { u64 data, obj; long long res, res2; };
struct ring { unsigned id, nr, head, tail, magic, compat, incompat, length; };
enum { PREAD, PWRITE, FSYNC, FDSYNC, POLL = 5, NOOP, PREADV, PWRITEV };
static struct iocb C[200]; static struct iocb *P[200]; static struct event E[200]; static unsigned ctx;
static struct iocb *set(int n, int opcode, int fd, void *buf, unsigned size, unsigned offset) {
  struct iocb *c = &C[n]; memset(c, 0, sizeof *c);
  c->data = 1000 + n; c->key = 7; c->opcode = opcode; c->fd = fd; c->buf = (unsigned long)buf; c->nbytes = size; c->offset = offset;
  return P[n] = c;
}
static void events(int n) { /* those that there are */
  struct timespec none = {0, 0};
  S(io_getevents(ctx, 0, n, E, &none));
  for (int i = 0; i < n && E[i].obj; i++)
    printf("  %llu %d %d %d\n", E[i].data, (int)((struct iocb *)(unsigned long)E[i].obj - C), (int)E[i].res, (int)E[i].res2);
  memset(E, 0, sizeof E);
}
#define ONE(...) ({ set(0, __VA_ARGS__); S(io_submit(ctx, 1, P)); events(4); })
#define SYNC(...) ({ set(0, __VA_ARGS__); S(io_submit(ctx, 1, P)); ms(20); events(4); }) /* Linux has somebody else do it */
int main() {
  char b[64], *page = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); int p[2], q[2]; pipe(p); pipe(q);
  mprotect(page + 4096, 4096, 0);
  unlink("/tmp/aio.file"); int f = open("/tmp/aio.file", O_RDWR | O_CREAT, 0600), r = open("/tmp/aio.file", O_RDONLY), d = open("/tmp", O_RDONLY);
  unsigned other = 5;
  S(io_setup(1, 0)); S(io_setup(1, &other)); other = 0; S(io_setup(0, &other)); S(io_setup(-1, &other)); S(io_setup(0x7fffffff, &other)); S(io_setup(100000, &other));
  S(io_destroy(0)); S(io_destroy(-1)); S(io_destroy(page)); S(io_setup(8, &ctx)); S(io_setup(8, &ctx)); S(io_setup(1, &other));
  struct ring *ring = (void *)ctx; printf("ring %d %u %u %x %u %u %u\n", ring->nr >= 8, ring->head, ring->tail, ring->magic, ring->compat, ring->incompat, ring->length);
  /* what is no request */
  S(io_submit(ctx, 0, P)); S(io_submit(ctx, -1, P)); S(io_submit(0, 1, P)); S(io_submit(ctx, 1, 0)); P[0] = 0; S(io_submit(ctx, 1, P)); P[0] = (void *)(page + 4090); S(io_submit(ctx, 1, P));
  ONE(PREAD, 99, b, 1, 0); ONE(4, f, b, 1, 0); ONE(NOOP, f, b, 1, 0); ONE(9, f, b, 1, 0); ONE(PWRITE, r, b, 1, 0); ONE(PREAD, d, b, 1, 0); ONE(PREAD, q[1], b, 1, 0);
  set(0, PREAD, f, b, 1, 0)->reserved = 1; S(io_submit(ctx, 1, P)); set(0, PREAD, f, b, 1, 0)->offset = -1; S(io_submit(ctx, 1, P));
  set(0, PREAD, f, b, 1, 0)->rw_flags = 1 << 20; S(io_submit(ctx, 1, P));
  set(0, PREAD, f, b, 1, 0)->rw_flags = 16; S(io_submit(ctx, 1, P));
  set(0, PREAD, f, b, 1, 0); C[0].flags = 1; C[0].resfd = f; S(io_submit(ctx, 1, P)); C[0].resfd = 99; S(io_submit(ctx, 1, P)); events(4);
  /* files */
  ONE(PWRITE, f, "hello world", 11, 0); printf("key %u\n", C[0].key); ONE(PREAD, f, b, 5, 6); printf("%.5s\n", b); S(lseek(f, 0, 1)); ONE(PREAD, f, b, 64, 100); ONE(PWRITE, f, "tail", 4, 20); S(lseek(f, 0, 2));
  ONE(PREAD, f, page + 4090, 11, 0); ONE(PWRITE, f, page + 4090, 11, 0); ONE(PREAD, f, (void *)8, 3, 0); SYNC(FSYNC, f, 0, 0, 0); SYNC(FDSYNC, f, 0, 0, 0); SYNC(FSYNC, f, b, 0, 0); SYNC(FSYNC, p[0], 0, 0, 0);
  struct iovec v[2] = {{b, 3}, {b + 10, 4}}; ONE(PREADV, f, v, 2, 1); printf("%.3s %.4s\n", b, b + 10); ONE(PWRITEV, f, v, 2, 40); ONE(PREADV, f, v, -1, 1); ONE(PREADV, f, 0, 2, 1);
  set(0, PWRITE, f, "end", 3, 0)->rw_flags = 16; S(io_submit(ctx, 1, P)); events(2); S(lseek(f, 0, 2));
  /* several, of which one is wrong */
  set(0, PREAD, f, b, 1, 0); set(1, PREAD, f, b, 2, 0); set(2, PREAD, 99, b, 1, 0); set(3, PREAD, f, b, 3, 0); S(io_submit(ctx, 4, P)); S(io_submit(ctx, 2, P + 2)); events(4); S(io_submit(ctx, 1, P + 3)); printf("tail goes on %d\n", ring->tail != ring->head); events(9); printf("%d\n", ring->tail == ring->head);
  /* pipes, and an eventfd that hears of it */
  int e = eventfd(0, O_NONBLOCK); u64 count = 0; write(p[1], "abcdef", 6); set(0, PREAD, p[0], b, 4, 77); C[0].flags = 1; C[0].resfd = e; S(io_submit(ctx, 1, P)); S(read(e, &count, 8)); printf("%llu\n", count); events(1); read(p[0], b, 2);
  fcntl(p[0], F_SETFL, O_NONBLOCK); ONE(PREAD, p[0], b, 4, 0); fcntl(p[0], F_SETFL, 0);
  int c = CHILD(ms(30); write(p[1], "late", 4)); set(0, PREAD, p[0], b, 4, 0); set(1, PREAD, f, b + 4, 1, 0); S(io_submit(ctx, 2, P)); events(4); reap();
  /* polls */
  ONE(POLL, p[1], (void *)POLLOUT, 0, 0); ONE(POLL, f, (void *)POLLIN, 0, 0); ONE(POLL, f, (void *)0x10000, 0, 0); ONE(POLL, p[0], (void *)POLLIN, 1, 0); ONE(POLL, f, (void *)POLLPRI, 0, 0);
  ONE(POLL, p[0], (void *)POLLIN, 0, 0); write(p[1], "x", 1); events(2); read(p[0], b, 1);
  set(5, POLL, p[0], (void *)POLLIN, 0, 0); C[5].flags = 1; C[5].resfd = e; S(io_submit(ctx, 1, P + 5)); S(io_cancel(ctx, P[4], E)); S(io_cancel(0, P[5], E)); S(io_cancel(ctx, 0, E));
  c = CHILD(ms(30); write(p[1], "y", 1)); S(io_getevents(ctx, 1, 4, E, 0)); printf("%llu %d\n", E[0].data, (int)E[0].res); memset(E, 0, sizeof E); reap(); S(read(e, &count, 8)); read(p[0], b, 1);
  set(5, POLL, p[0], (void *)POLLIN, 0, 0); S(io_submit(ctx, 1, P + 5)); S(io_cancel(ctx, P[5], E)); ms(10); events(2); S(io_cancel(ctx, P[5], E)); C[5].key = 3; S(io_cancel(ctx, P[5], E));
  ONE(POLL, q[0], (void *)POLLIN, 0, 0); close(q[1]); ms(10); events(2);
  /* waiting */
  struct timespec t = {0, 20000000}, past = {-1, 0}; S(io_getevents(ctx, 1, 4, E, &t)); c = CHILD(ms(30); write(p[1], "w", 1)); set(5, POLL, p[0], (void *)POLLIN, 0, 0); S(io_submit(ctx, 1, P + 5)); S(io_getevents(ctx, 1, 4, E, &past)); reap(); read(p[0], b, 1); S(io_getevents(ctx, 2, 1, E, &t)); S(io_getevents(ctx, -1, 1, E, &t)); S(io_getevents(ctx, 1, 1, E, (void *)8)); S(io_getevents(0, 1, 1, E, &t)); S(io_getevents(ctx, 0, 0, E, 0)); S(io_getevents(ctx, 0, 1, 0, 0));
  set(0, PREAD, f, b, 1, 0); S(io_submit(ctx, 1, P)); S(io_getevents(ctx, 1, 1, (void *)8, 0)); S(io_getevents(ctx, 2, 2, E, &t));
  signal(SIGUSR1, hit); int pp = getpid(); c = CHILD(ms(20); kill(pp, SIGUSR1)); S(io_getevents(ctx, 1, 1, E, 0)); printf("%d\n", hits); reap();
  sigset_t usr; sigemptyset(&usr); sigaddset(&usr, SIGUSR1); struct { void *set; unsigned size; } masked = {&usr, 8}, wrong = {&usr, 4};
  c = CHILD(ms(20); kill(pp, SIGUSR1)); t.tv_nsec = 50000000; S(io_pgetevents(ctx, 1, 1, E, &t, &masked)); printf("%d\n", hits); reap(); S(io_pgetevents(ctx, 1, 1, E, &t, &wrong)); S(io_pgetevents(ctx, 1, 1, E, &t, 8));
  sigprocmask(SIG_BLOCK, &usr, 0); kill(pp, SIGUSR1); sigemptyset(&usr); S(io_pgetevents(ctx, 1, 1, E, 0, &masked)); printf("%d\n", hits); sigprocmask(SIG_SETMASK, &usr, 0);
  /* a child has the ring, not the context; a ring that is moved is known by its new place */
  c = CHILD(set(0, PREAD, f, b, 1, 0); S(io_submit(ctx, 1, P)); S(io_destroy(ctx)); printf("%x\n", ring->magic)); reap();
  unsigned moved = syscall(163, other, 4096, 4096, 3, page + 4096); printf("moved %d\n", moved == (unsigned)page + 4096); S(io_destroy(other)); S(io_submit(moved, 0, P)); S(io_destroy(moved)); S(io_destroy(moved));
  /* full */
  int taken = 0; for (int n = 0; n < 200; n++) { set(n, PREAD, f, b, 1, 0); if (io_submit(ctx, 1, P + n) != 1) { printf("full %d\n", errno); break; } taken++; } printf("%d\n", taken >= 8); S(io_getevents(ctx, 3, 3, E, 0)); 
  set(0, POLL, p[0], (void *)POLLIN, 0, 0); S(io_destroy(ctx)); S(io_destroy(ctx)); S(io_getevents(ctx, 0, 1, E, 0));
  ctx = 0; S(io_setup(4, &ctx)); set(0, POLL, p[0], (void *)POLLIN, 0, 0); S(io_submit(ctx, 1, P)); set(1, POLL, p[0], (void *)POLLIN, 0, 0); S(io_submit(ctx, 1, P + 1)); write(p[1], "z", 1); S(io_getevents(ctx, 2, 2, E, 0)); printf("%d %d\n", (int)E[0].res, (int)E[1].res); read(p[0], b, 1);
  set(0, POLL, p[0], (void *)POLLIN, 0, 0); S(io_submit(ctx, 1, P)); unlink("/tmp/aio.file"); return 0; /* with a request that waits */
}
