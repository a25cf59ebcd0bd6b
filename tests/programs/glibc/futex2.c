/* futex_wake, futex_wait, futex_requeue (Linux 6.7). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { U32 = 2, PRIVATE = 128 };
struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };
struct time64 { int64_t sec, nsec; };
static uint32_t word, other;

#define wake(a, mask, nr, flags) syscall(454, a, mask, nr, flags)
#define wait(a, val, mask, flags, t, clock) syscall(455, a, val, mask, flags, t, clock)
#define requeue(w, flags, wakes, moves) syscall(456, w, flags, wakes, moves)

static void is(const char *what, int result)
{
	printf("%s: %d %s\n", what, result, result < 0 ? strerrorname_np(errno) : "");
}

static void *sleeper(void *mask)
{
	return (void *)wait(&word, 0, (uintptr_t)mask, U32 | PRIVATE, 0, 0);
}

static void nothing(int sig) {}

int main(void)
{
	struct time64 past = {0, 1}, bad = {0, 2000000000}, soon;
	struct timespec now;
	pthread_t t[3];
	setvbuf(stdout, 0, _IOLBF, 0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	soon.sec = now.tv_sec, soon.nsec = now.tv_nsec + 20000000;
	if (soon.nsec >= 1000000000)
		soon.sec++, soon.nsec -= 1000000000;
	is("another value", wait(&word, 1, -1, U32, 0, 0));
	is("no size", wait(&word, 0, -1, PRIVATE, 0, 0));
	is("a size of 8 bits", wait(&word, 0, -1, 0, 0, 0));
	is("a flag", wait(&word, 0, -1, U32 | 0x40, 0, 0));
	is("no mask", wait(&word, 0, 0, U32, 0, 0));
	is("not aligned", wait((char *)&word + 1, 0, -1, U32, 0, 0));
	is("nowhere", wait((void *)64, 0, -1, U32, 0, 0));
	is("a time that is past", wait(&word, 0, -1, U32, &past, CLOCK_MONOTONIC));
	is("of the other clock", wait(&word, 0, -1, U32, &past, CLOCK_REALTIME));
	is("of no clock", wait(&word, 0, -1, U32, &past, CLOCK_BOOTTIME));
	is("no time", wait(&word, 0, -1, U32, &bad, CLOCK_MONOTONIC));
	is("soon", wait(&word, 0, -1, U32, &soon, CLOCK_MONOTONIC));
	is("wake nobody", wake(&word, -1, 1, U32));
	is("wake by no mask", wake(&word, 0, 1, U32));
	is("wake by a flag", wake(&word, -1, 1, 1));
	is("wake nowhere", wake((void *)64, -1, 1, U32));
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], 0, sleeper, (void *)(1l << i));
	usleep(50000);
	is("none at all", wake(&word, -1, 0, U32 | PRIVATE));
	is("by mask", wake(&word, 6, 1, U32 | PRIVATE));
	is("by a mask of nobody", wake(&word, 8, 5, U32 | PRIVATE));
	struct waitv w[2] = {{1, (uintptr_t)&word, U32 | PRIVATE}, {0, (uintptr_t)&other, U32 | PRIVATE}};
	is("requeue, another value", requeue(w, 0, 1, 1));
	w[0].val = 0;
	is("with a flag", requeue(w, 1, 1, 1));
	is("fewer than none", requeue(w, 0, -1, 1));
	is("no words", requeue(0, 0, 1, 1));
	w[1].reserved = 1;
	is("a reserved word", requeue(w, 0, 1, 1));
	w[1].reserved = 0;
	is("one wakes, one moves", requeue(w, 0, 1, 1));
	is("nobody is left", wake(&word, -1, 5, U32 | PRIVATE));
	is("it sleeps there", wake(&other, -1, 5, U32 | PRIVATE));
	for (int i = 0; i < 3; i++) {
		void *r;
		pthread_join(t[i], &r);
		printf("%d\n", (int)(intptr_t)r);
	}
	struct sigaction act = {.sa_handler = nothing};
	sigaction(SIGALRM, &act, 0);
	ualarm(20000, 0);
	is("a signal", wait(&word, 0, -1, U32, 0, 0));
	return 0;
}
