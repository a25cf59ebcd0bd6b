/* What keys count in /proc/key-users, step by step: a user's own, those given away, and what is gone. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREAD = -1, PROCESS = -2, SESSION = -3, USER = -4, USER_SESSION = -5 };
enum { GET_ID, JOIN, UPDATE, REVOKE, CHOWN, SETPERM, DESCRIBE, CLEAR, LINK, UNLINK, SEARCH, READ, INSTANTIATE, NEGATE,
       SET_REQKEY, SET_TIMEOUT, ASSUME, GET_SECURITY, TO_PARENT, REJECT, IOV, INVALIDATE, RESTRICT = 29, MOVE };
#define ctl(...) syscall(SYS_keyctl, __VA_ARGS__)
#define add(type, name, data, size, ring) syscall(SYS_add_key, type, name, data, size, ring)
/* Two users that nobody else is: a user's own keyrings stay for good. */
static int A, B;

/* A call, its answer (a number of a key differs), and what both users have then. */
#define STEP(call) ({ long r_ = (call); said(#call, r_); r_; })
/* The same for one that ends keys: those are collected a little later. */
#define GONE(call) ({ long r_ = (call); int e_ = errno; usleep(200000); errno = e_; said(#call, r_); r_; })

/* The rows of both users, without the count of references, which the collector of keys holds, too. */
static void users(void)
{
	char line[200];
	FILE *file = fopen("/proc/key-users", "r");
	while (fgets(line, sizeof line, file)) {
		int uid, usage, keys, made, counted, most, bytes, limit;
		if (sscanf(line, "%d: %d %d/%d %d/%d %d/%d", &uid, &usage, &keys, &made, &counted, &most, &bytes, &limit) != 8)
			printf("what is this: %s", line);
		else if (uid == A || uid == B)
			printf("  %c: %d/%d %d/%d %d/%d\n", uid == A ? 'A' : 'B', keys, made, counted, most, bytes, limit);
	}
	fclose(file);
}

static void said(const char *what, long result)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %s\n", what, result ? "a number" : "0");
	users();
}

static void become(int id)
{
	if (setresgid(id, id, id) || setresuid(id, id, id))
		puts("cannot become another user");
}

static void one_user(void)
{
	char bytes[8];
	ctl(JOIN, 0);
	become(A);
	users();
	STEP(ctl(JOIN, 0));
	long ring = STEP(add("keyring", "ring", 0, 0, SESSION)), other = STEP(add("keyring", "other ring", 0, 0, SESSION));
	long key = STEP(add("user", "a key", "four", 4, ring));
	STEP(add("user", "a key", "longer than before", 18, ring));
	STEP(ctl(UPDATE, key, "1", 1));
	STEP(ctl(LINK, key, other));
	STEP(ctl(LINK, key, other));
	GONE(ctl(UNLINK, key, ring));
	STEP(ctl(MOVE, key, other, ring, 0));
	STEP(ctl(MOVE, key, other, SESSION, 0));
	STEP(ctl(MOVE, key, key, SESSION, 0));
	STEP(ctl(MOVE, key, ring, key, 0));
	STEP(ctl(MOVE, key, ring, ring, 0));
	STEP(ctl(MOVE, other, ring, SESSION, 0));
	STEP(add("logon", "a:b", "secret", 6, ring));
	GONE(ctl(CLEAR, ring));
	STEP(ctl(READ, key, bytes, 8));
	STEP(ctl(GET_ID, THREAD, 1));
	STEP(ctl(GET_ID, PROCESS, 1));
	key = STEP(add("user", "revoked", "12345678", 8, ring));
	STEP(ctl(REVOKE, key));
	GONE(ctl(UNLINK, key, ring));
	key = STEP(add("user", "invalidated", "12345678", 8, ring));
	GONE(ctl(INVALIDATE, key));
	GONE(add("user", "too much", calloc(1, 20000), 20000, ring));
	STEP(add("user", "nearly too much", calloc(1, 19000), 19000, ring));
	STEP(add("user", "nearly too much", calloc(1, 32000), 32000, ring));
	STEP(add("user", "nearly too much", "", 1, ring));
	GONE(ctl(UNLINK, ring, SESSION));
	GONE(ctl(JOIN, 0));
}

/* Root gives keys to one user and then another, who may have had enough. */
static void given(void)
{
	long ring = add("keyring", "kept", 0, 0, SESSION), inner = add("keyring", "inner", 0, 0, ring);
	long key = STEP(add("user", "given", "12345678", 8, ring));
	STEP(ctl(CHOWN, key, A, -1));
	STEP(ctl(CHOWN, inner, A, A));
	STEP(add("user", "into what is another's", "1234", 4, inner));
	STEP(ctl(CHOWN, key, B, B));
	STEP(ctl(CHOWN, key, B, -1));
	STEP(ctl(CHOWN, key, -1, A));
	long big = STEP(add("user", "big", calloc(1, 19990), 19990, ring));
	STEP(ctl(CHOWN, big, B, -1));
	STEP(ctl(CHOWN, big, A, -1));
	STEP(ctl(UPDATE, big, "1", 1));
	STEP(ctl(CHOWN, big, A, -1));
	STEP(ctl(UPDATE, big, calloc(1, 19990), 19990));
	GONE(ctl(CLEAR, inner));
	GONE(ctl(CLEAR, ring));
}

/* A thread keyring follows who its task is; those of a user count as soon as they are asked for. */
static void followed(void)
{
	ctl(JOIN, 0);
	STEP(ctl(GET_ID, THREAD, 1));
	STEP(setresgid(-1, B, -1));
	STEP(setresuid(-1, A, 0));
	STEP(setresuid(-1, 0, 0));
	STEP(setresuid(-1, B, 0));
	STEP(add("user", "own", "1234", 4, THREAD));
	STEP(ctl(GET_ID, USER, 1));
	STEP(ctl(GET_ID, USER_SESSION, 1));
	STEP(setresuid(A, A, 0));
	STEP(ctl(GET_ID, USER, 0));
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	A = 100000 + getpid() % 400000 * 2, B = A + 1;
	ctl(JOIN, 0);
	void (*const parts[])(void) = {one_user, given, followed};
	for (int i = 0; i < 3; i++) {
		if (!fork()) {
			parts[i]();
			exit(0);
		}
		wait(0);
		usleep(200000);
		printf("after part %d\n", i);
		if (i < 2)
			users();
	}
	return 0;
}
