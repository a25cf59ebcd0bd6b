/* Timers of every kind at their edges: setitimer, alarm, timer_create on wall and CPU clocks, their signals, overruns
 * and what they answer; sleeping on CPU clocks. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000L
struct event { union sigval value; int signo, notify, tid; char pad[52]; };
static volatile sig_atomic_t hits, code, value, timerid, overrun;

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	fflush(stdout);
	return r;
}

static void hit(int sig, siginfo_t *info, void *context)
{
	hits++;
	code = info->si_code;
	value = info->si_value.sival_int;
	timerid = info->si_timerid;
	overrun = info->si_overrun;
}

static void handle(int sig)
{
	struct sigaction sa = {.sa_sigaction = hit, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(sig, &sa, 0);
}

static void ms(int n)
{
	struct timespec t = {n / 1000, n % 1000 * MS};
	while (nanosleep(&t, &t) < 0)
		continue;
}

static long long cpu(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void burn(int n)
{
	for (long long end = cpu(CLOCK_PROCESS_CPUTIME_ID) + n * MS; cpu(CLOCK_PROCESS_CPUTIME_ID) < end;)
		continue;
}

static void alarms(void)
{
	struct itimerval it = {{0, 0}, {1, 400000}}, old;
	say("no fourth timer", setitimer(3, &it, &old));
	say("no timer -1", getitimer(-1, &old));
	say("nowhere", syscall(SYS_getitimer, 0, 8));
	say("bad usec", setitimer(0, &(struct itimerval){{0, 0}, {1, 1000000}}, 0));
	say("bad interval", setitimer(0, &(struct itimerval){{0, -1}, {1, 0}}, 0));
	say("usec at the edge", setitimer(0, &(struct itimerval){{0, 999999}, {5, 999999}}, 0));
	say("old", setitimer(0, &it, &old));
	printf("%ld %ld %ld\n", old.it_value.tv_sec, old.it_interval.tv_sec, old.it_interval.tv_usec);
	say("1.4 s are", alarm(0));
	it.it_value.tv_usec = 900000;
	setitimer(0, &it, 0);
	say("1.9 s are", alarm(7));
	say("7 s are", alarm(0));
	say("none is", alarm(0));
	it.it_value = (struct timeval){0, 200000};
	setitimer(0, &it, 0);
	say("0.2 s are", alarm(0));
	it = (struct itimerval){{0, 10000}, {0, 5000}};
	handle(SIGALRM);
	hits = 0;
	setitimer(0, &it, 0);
	ms(60);
	printf("several: %d, code %d\n", hits >= 3, code);
	say("null", syscall(SYS_setitimer, 0, 0, &old));
	printf("%d %ld\n", old.it_value.tv_sec == 0 && old.it_value.tv_usec <= 10000, old.it_interval.tv_usec);
	hits = 0;
	ms(30);
	printf("off: %d\n", hits);
	say("off", getitimer(0, &old));
	printf("%ld %ld\n", old.it_value.tv_usec, old.it_interval.tv_usec);
}

static void cpu_itimers(void)
{
	for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++) {
		struct itimerval it = {{0, 0}, {0, 20000}}, old;
		int sig = which == ITIMER_PROF ? SIGPROF : SIGVTALRM;
		handle(sig);
		hits = 0;
		say("set", setitimer(which, &it, &old));
		printf("%ld %ld\n", old.it_value.tv_usec, old.it_interval.tv_usec);
		ms(60);
		printf("asleep: %d\n", hits);
		getitimer(which, &old);
		printf("left: %d\n", old.it_value.tv_usec > 0);
		while (!hits)
			continue;
		getitimer(which, &old);
		printf("once: %d, left %ld, code %d\n", hits, old.it_value.tv_usec, code);
		it.it_interval.tv_usec = 10000;
		setitimer(which, &it, 0);
		while (hits < 4)
			continue;
		getitimer(which, &old);
		printf("again: %d, every %d\n", old.it_value.tv_usec > 0, old.it_interval.tv_usec >= 10000);
		it.it_value.tv_usec = 0;
		setitimer(which, &it, &old);
		printf("was %d\n", old.it_value.tv_usec > 0);
		hits = 0;
		burn(40);
		printf("off: %d\n", hits);
	}
}

static long create(clockid_t clock, int notify, int sig, int word, int tid, int *id)
{
	struct event e = {.value.sival_int = word, .signo = sig, .notify = notify, .tid = tid};
	return syscall(SYS_timer_create, clock, &e, id);
}

static void errors(void)
{
	int id = -1;
	struct itimerspec its = {{0, 0}, {0, 1000000000}}, old;
	say("no such clock", create(99, SIGEV_SIGNAL, SIGUSR1, 0, 0, &id));
	say("no signal 65", create(1, SIGEV_SIGNAL, 65, 0, 0, &id));
	say("signal 64", create(1, SIGEV_SIGNAL, 64, 0, 0, &id));
	say("deleted", syscall(SYS_timer_delete, id));
	say("deleted again", syscall(SYS_timer_delete, id));
	say("no signal 0", create(1, SIGEV_SIGNAL, 0, 0, 0, &id));
	say("none needs no signal", create(1, SIGEV_NONE, 0, 0, 0, &id));
	say("bad ns", syscall(SYS_timer_settime, id, 0, &its, 0));
	its.it_value.tv_nsec = -1;
	say("negative ns", syscall(SYS_timer_settime, id, 0, &its, 0));
	its.it_value.tv_nsec = 0;
	say("negative s", (its.it_value.tv_sec = -1, syscall(SYS_timer_settime, id, 0, &its, 0)));
	its.it_value.tv_sec = 100;
	say("set", syscall(SYS_timer_settime, id, 0, &its, &old));
	printf("%ld %ld\n", old.it_value.tv_sec, old.it_value.tv_nsec);
	say("get", syscall(SYS_timer_gettime, id, &old));
	printf("%ld\n", old.it_value.tv_sec);
	say("nowhere", syscall(SYS_timer_gettime, id, 8));
	say("null", syscall(SYS_timer_settime, id, 0, 0, 0));
	say("no overrun", syscall(SYS_timer_getoverrun, id));
	say("none", syscall(SYS_timer_getoverrun, 12345));
	say("none", syscall(SYS_timer_gettime, -1, &old));
	say("deleted", syscall(SYS_timer_delete, id));
	say("notify 3", create(1, 3, SIGUSR1, 0, 0, &id));
	say("no such thread", create(1, SIGEV_THREAD_ID, SIGUSR1, 0, 1, &id));
	say("this thread", create(1, SIGEV_THREAD_ID, SIGUSR1, 0, syscall(SYS_gettid), &id));
	say("deleted", syscall(SYS_timer_delete, id));
	say("no event", syscall(SYS_timer_create, 1, 0, &id));
	say("id nowhere", syscall(SYS_timer_create, 1, 0, 8));
	int child = fork();
	if (!child)
		_exit(syscall(SYS_timer_delete, id) < 0 ? errno : 0);
	int status;
	waitpid(child, &status, 0);
	printf("not the child's: %d\n", WEXITSTATUS(status));
	say("the parent's", syscall(SYS_timer_delete, id));
}

static void one(clockid_t clock, const char *name, int busy)
{
	int id;
	struct itimerspec its = {{0, 5 * MS}, {0, 10 * MS}}, old;
	sigset_t set;
	siginfo_t info;
	struct timespec now = {0, 0};
	printf("%s\n", name);
	handle(SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	say("create", create(clock, SIGEV_SIGNAL, SIGUSR1, 77, 0, &id));
	hits = 0;
	say("set", syscall(SYS_timer_settime, id, 0, &its, 0));
	while (hits < 3)
		if (!busy)
			pause();
	printf("code %d value %d id %d\n", code, value, timerid == id);
	sigprocmask(SIG_BLOCK, &set, 0);
	hits = 0;
	if (busy)
		burn(80);
	else
		ms(80);
	say("one is queued", sigtimedwait(&set, &info, &now));
	printf("overrun %d %d, value %d\n", info.si_overrun >= 5, info.si_overrun <= 1000, info.si_value.sival_int);
	say("the same", syscall(SYS_timer_getoverrun, id) == info.si_overrun);
	its.it_interval.tv_nsec = its.it_value.tv_nsec = 0;
	say("off", syscall(SYS_timer_settime, id, 0, &its, &old));
	printf("every %ld\n", old.it_interval.tv_nsec);
	while (sigtimedwait(&set, &info, &now) > 0)
		continue;
	say("get", syscall(SYS_timer_gettime, id, &old));
	printf("%ld %ld %ld\n", old.it_value.tv_sec, old.it_value.tv_nsec, old.it_interval.tv_nsec);
	its.it_value.tv_nsec = 1; /* long ago */
	say("absolute", syscall(SYS_timer_settime, id, TIMER_ABSTIME, &its, 0));
	if (busy)
		burn(20);
	now.tv_nsec = 20 * MS;
	say("at once", sigtimedwait(&set, &info, &now));
	printf("overrun %d code %d\n", info.si_overrun, info.si_code);
	now.tv_nsec = 0;
	its.it_value = (struct timespec){30, 0};
	its.it_interval = (struct timespec){3, 7};
	syscall(SYS_timer_settime, id, 0, &its, 0);
	syscall(SYS_timer_gettime, id, &old);
	printf("left %d, every %ld %ld\n", old.it_value.tv_sec >= 28, old.it_interval.tv_sec, old.it_interval.tv_nsec);
	its.it_value.tv_sec = 20;
	syscall(SYS_timer_settime, id, 0, &its, &old);
	printf("was %d\n", old.it_value.tv_sec >= 28);
	say("deleted", syscall(SYS_timer_delete, id));
	say("nothing", sigtimedwait(&set, &info, &now));
	sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void ignored(void)
{
	int id;
	struct itimerspec its = {{0, 5 * MS}, {0, 5 * MS}};
	signal(SIGUSR1, SIG_IGN);
	create(1, SIGEV_SIGNAL, SIGUSR1, 5, 0, &id);
	syscall(SYS_timer_settime, id, 0, &its, 0);
	ms(40);
	hits = 0;
	handle(SIGUSR1);
	ms(20);
	printf("goes on once it is not ignored: %d\n", hits > 0);
	syscall(SYS_timer_delete, id);
	its.it_interval.tv_nsec = 0;
	create(1, SIGEV_NONE, SIGUSR1, 5, 0, &id);
	hits = 0;
	syscall(SYS_timer_settime, id, 0, &its, 0);
	ms(20);
	syscall(SYS_timer_gettime, id, &its);
	printf("silent: %d %ld\n", hits, its.it_value.tv_nsec);
	its = (struct itimerspec){{10, 0}, {0, 5 * MS}};
	syscall(SYS_timer_settime, id, 0, &its, 0);
	ms(20);
	syscall(SYS_timer_gettime, id, &its);
	printf("silent, and goes on: %d\n", its.it_value.tv_sec == 9);
}

static volatile int done;

static void *spin(void *none)
{
	while (!done)
		continue;
	return 0;
}

static void cpu_sleeps(void)
{
	struct timespec t = {0, 10 * MS}, left;
	clockid_t other;
	pthread_t thread;
	say("own thread", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, 0));
	pthread_create(&thread, 0, spin, 0);
	say("the process", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, 0));
	pthread_getcpuclockid(thread, &other);
	say("the other", clock_nanosleep(other, 0, &t, &left));
	t.tv_nsec = 1;
	say("long ago", clock_nanosleep(other, TIMER_ABSTIME, &t, 0));
	say("bad ns", (t.tv_nsec = 1000000000, clock_nanosleep(other, 0, &t, 0)));
	say("no clock", clock_nanosleep(99, 0, &left, 0));
	handle(SIGALRM);
	t = (struct timespec){50, 0};
	setitimer(0, &(struct itimerval){{0, 0}, {0, 20000}}, 0);
	say("interrupted", clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, &left));
	printf("left %d\n", left.tv_sec == 49);
	done = 1;
	pthread_join(thread, 0);
	say("gone", clock_nanosleep(-8 * 54321 - 2, 0, &t, 0));
}

int main(void)
{
	alarms();
	cpu_itimers();
	errors();
	one(CLOCK_REALTIME, "realtime", 0);
	one(CLOCK_MONOTONIC, "monotonic", 0);
	one(CLOCK_BOOTTIME, "boottime", 0);
	one(CLOCK_PROCESS_CPUTIME_ID, "process", 1);
	one(CLOCK_THREAD_CPUTIME_ID, "thread", 1);
	ignored();
	cpu_sleeps();
	return 0;
}
