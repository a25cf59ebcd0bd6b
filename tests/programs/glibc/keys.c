/* Keys and keyrings: add_key, request_key, keyctl. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
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
#define request(type, name, call, ring) syscall(SYS_request_key, type, name, call, ring)

/* An errno, or whether the answer is what is expected. */
static void is(const char *what, long result, long wanted)
{
	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %s\n", what, result == wanted ? "as expected" : "something else");
}

static void ok(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : result ? "a number" : "0");
}

static void describe(const char *what, long key)
{
	char text[200] = "";
	long n = ctl(DESCRIBE, key, text, sizeof text);
	printf("%s: %ld %s\n", what, n, n < 0 ? strerrorname_np(errno) : text);
}

static void rights_and_types(void)
{
	static char big[40000];
	ok("keyring with contents", add("keyring", "full", "x", 1, PROCESS));
	ok("user without", add("user", "empty", "", 0, PROCESS));
	ok("user of 32767", add("user", "long", big, 32767, PROCESS));
	ok("user of 32768", add("user", "longer", big, 32768, PROCESS));
	ok("logon", add("logon", "a:b", "secret", 6, PROCESS));
	ok("logon without a colon", add("logon", "ab", "secret", 6, PROCESS));
	ok("no such type", add("nosuch", "a", "b", 1, PROCESS));
	ok("a type of the kernel's", add(".a", "a", "b", 1, PROCESS));
	ok("a keyring of the kernel's", add("keyring", ".a", 0, 0, PROCESS));
	ok("no name", add("user", "", "b", 1, PROCESS));
	ok("no payload", add("user", "a", 0, 1, PROCESS));
	ok("into no such key", add("user", "a", "b", 1, 0x7ffffff1));
	ok("into a number below", add("user", "a", "b", 1, -20));
	ok("a type of 40 letters", add("1234567890123456789012345678901234567890", "a", "b", 1, PROCESS));
	char text[20] = "";
	long logon = ctl(SEARCH, PROCESS, "logon", "a:b", 0), key = add("user", "k", "hello", 5, PROCESS);
	ok("read of logon", ctl(READ, logon, text, 20));
	is("read", ctl(READ, key, text, 20), 5);
	puts(text);
	memset(text, 0, 20);
	is("read into too little", ctl(READ, key, text, 3), 5);
	printf("%d\n", text[0]);
	is("again is an update", add("user", "k", "other", 5, PROCESS), key);
	ctl(READ, key, text, 20);
	puts(text);
	ok("update", ctl(UPDATE, key, "third", 5));
	ctl(READ, key, text, 20);
	puts(text);
	ok("update with nothing", ctl(UPDATE, key, 0, 0));
	ok("into a key that is no keyring", add("user", "x", "y", 1, key));
	describe("user", key);
	describe("logon", logon);
	ok("setperm of bits that are none", ctl(SETPERM, key, 0x80));
	ok("setperm", ctl(SETPERM, key, 0x3d3f0000));
	describe("a possessor without read", key);
	ok("its owner may read", ctl(READ, key, text, 20));
	ctl(SETPERM, key, 0x3c000000);
	ok("nobody may read but it can be found", ctl(READ, key, text, 20));
	ok("update without the right to", ctl(UPDATE, key, "x", 1));
	ok("revoke by the right to change it", ctl(REVOKE, key));
	ok("read what is revoked", ctl(READ, key, text, 20));
	ok("search for it", ctl(SEARCH, PROCESS, "user", "k", 0));
	ok("describe it", ctl(DESCRIBE, key, text, 0));
	ok("chown", ctl(CHOWN, logon, 5, 6));
	describe("of user 5", logon);
	ok("chown to nobody", ctl(CHOWN, logon, -1, -1));
}

static void keyrings(void)
{
	int32_t in[4] = {0};
	long a = add("keyring", "a", 0, 0, SESSION), b = add("keyring", "b", 0, 0, a), c = add("user", "c", "c", 1, b);
	is("search goes down", ctl(SEARCH, SESSION, "user", "c", 0), c);
	is("request_key, too", request("user", "c", 0, 0), c);
	is("a keyring by its name", request("keyring", "b", 0, 0), b);
	ok("there is none", request("user", "nowhere", 0, 0));
	ok("search for none", ctl(SEARCH, SESSION, "user", "nowhere", 0));
	ok("search in no keyring", ctl(SEARCH, c, "user", "nowhere", 0));
	is("read of a keyring", ctl(READ, b, in, sizeof in), 4);
	printf("%d\n", in[0] == c);
	ok("a loop", ctl(LINK, a, b));
	ok("in itself", ctl(LINK, a, a));
	ok("link", ctl(LINK, c, a));
	is("two now", ctl(READ, a, in, sizeof in), 8);
	ok("link again", ctl(LINK, c, a));
	is("still two", ctl(READ, a, in, sizeof in), 8);
	ok("link to a key", ctl(LINK, a, c));
	ok("unlink", ctl(UNLINK, c, a));
	ok("unlink again", ctl(UNLINK, c, a));
	ok("unlink from a key", ctl(UNLINK, a, c));
	ok("move", ctl(MOVE, c, b, a, 0));
	ok("move again", ctl(MOVE, c, b, a, 0));
	add("user", "c", "d", 1, b);
	ok("move onto another", ctl(MOVE, c, a, b, 1));
	ok("move in place of it", ctl(MOVE, c, a, b, 0));
	ok("a flag that is none", ctl(MOVE, c, a, b, 2));
	is("replaced", ctl(SEARCH, b, "user", "c", 0), c);
	ok("restrict", ctl(RESTRICT, b, 0, 0));
	ok("restrict again", ctl(RESTRICT, b, 0, 0));
	ok("a new one in what is restricted", add("user", "n", "n", 1, b));
	ok("clear", ctl(CLEAR, b));
	ok("clear of a key", ctl(CLEAR, add("user", "z", "z", 1, a)));
	for (int depth = 4; depth < 9; depth++) {
		char name[20];
		sprintf(name, "%d below the top", depth);
		long top = add("keyring", name, 0, 0, SESSION), at = top;
		for (int i = 0; i < depth; i++)
			at = add("keyring", "deep", 0, 0, at);
		add("user", "bottom", "b", 1, at);
		ok(name, ctl(SEARCH, top, "user", "bottom", 0));
		ok("link of so deep a tree", ctl(LINK, top, a));
	}
	ok("invalidate", ctl(INVALIDATE, a));
	ok("is gone", ctl(DESCRIBE, a, 0, 0));
}

static void own_keyrings(void)
{
	ok("no thread keyring", ctl(GET_ID, THREAD, 0));
	ok("make one", ctl(GET_ID, THREAD, 1));
	ok("the user's", ctl(GET_ID, USER, 0));
	ok("the user's session", ctl(GET_ID, USER_SESSION, 0));
	ok("a group's", ctl(GET_ID, -6, 0));
	ok("an authority", ctl(GET_ID, -7, 0));
	describe("thread", THREAD);
	describe("process", PROCESS);
	describe("session", SESSION);
	describe("user", USER);
	describe("user session", USER_SESSION);
	long id = ctl(JOIN, "by this name"), again = ctl(JOIN, "by this name");
	is("the same session", again, id);
	describe("named", SESSION);
	ok("a name of the kernel's", ctl(JOIN, ".builtin_trusted_keys"));
	ok("thread's by default", ctl(SET_REQKEY, 1));
	is("was", ctl(SET_REQKEY, -1), 1);
	ok("a group's by default", ctl(SET_REQKEY, 6));
	ok("none such", ctl(SET_REQKEY, 60));
	for (int n = -3; n < 10; n++) {
		long was = ctl(SET_REQKEY, n);
		printf("default %d: %ld %s\n", n, was, was < 0 ? strerrorname_np(errno) : "");
	}
	ctl(SET_REQKEY, 1);
	for (int n = -10; n < 10; n++) {
		ok("by number", ctl(GET_ID, n, 0));
		if (n)
			ok("authority", ctl(ASSUME, n));
		ok("no command", ctl(n < 0 ? n : 40 + n, 0x7ffffff1, 0, 0, 0));
	}
	for (int n = -1; n < 600; n += n < 2 ? 1 : 7)
		ok("rejected by", ctl(REJECT, 0x7ffffff1, 0, n, 0));
	for (int n = 505; n < 520; n++)
		ok("rejected by", ctl(REJECT, 0x7ffffff1, 0, n, 0));
	for (int n = 4090; n < 4100; n++)
		ok("rejected by", ctl(REJECT, 0x7ffffff1, 0, n, 0));
	fflush(stdout);
	if (!fork()) {
		is("a child has the session", ctl(GET_ID, SESSION, 0), id);
		ok("but not the thread's", ctl(GET_ID, THREAD, 0));
		ok("nor the process's", ctl(GET_ID, PROCESS, 0));
		ctl(JOIN, 0);
		add("user", "given", "g", 1, SESSION);
		ok("give it to the parent", ctl(TO_PARENT));
		exit(0);
	}
	wait(0);
	ok("a parent finds", ctl(SEARCH, SESSION, "user", "given", 0));
}

static void requests(void)
{
	char buf[8];
	int32_t key = 0;
	ctl(SET_REQKEY, 0);
	long ring = add("keyring", "wanted", 0, 0, PROCESS);
	ok("nobody makes it", request("user", "wish", "please", ring));
	is("but there is a negative key", ctl(READ, ring, &key, 4), 4);
	ok("to be read", ctl(READ, key, buf, 8));
	ok("to be asked for", request("user", "wish", "please", ring));
	ok("to be found", ctl(SEARCH, ring, "user", "wish", 0));
	is("add_key makes it real", add("user", "wish", "came", 4, ring), key);
	is("read", ctl(READ, key, buf, 8), 4);
	ok("a keyring is not made", request("keyring", "wish", "please", ring));
	ok("no such type", request("dead", "a", "b", 0));
	ok("a type of the kernel's", request(".a", "a", 0, 0));
	ok("bad address", request("user", (char *)-1, 0, 0));
	ok("found and linked", request("user", "wish", 0, SESSION));
	is("it is there", ctl(SEARCH, SESSION, "user", "wish", 0), key);
	ok("instantiate without being asked", ctl(INSTANTIATE, key, "x", 1, 0));
	ok("negate", ctl(NEGATE, key, 1, 0));
	ok("reject with an errno that is none", ctl(REJECT, key, 1, 0, 0));
	ok("assume no authority", ctl(ASSUME, 0));
	ok("assume an authority", ctl(ASSUME, key));
	is("security", ctl(GET_SECURITY, key, buf, 8), 1);
	ok("timeout", ctl(SET_TIMEOUT, key, 1));
	sleep(2);
	ok("expired", ctl(READ, key, buf, 8));
	ok("expired to describe", ctl(DESCRIBE, key, 0, 0));
	ok("expired to search", ctl(SEARCH, SESSION, "user", "wish", 0));
	ok("expired to request", request("user", "wish", 0, 0));
	ok("other command", ctl(99));
}

static void another_user(void)
{
	long mine = add("user", "root's", "r", 1, SESSION), open = add("user", "open", "o", 1, SESSION);
	ctl(SETPERM, open, 0x3f3f0003);
	fflush(stdout);
	if (!fork()) {
		char b[4];
		ctl(JOIN, 0);
		setresgid(7, 7, 7);
		setresuid(31337, 31337, 31337);
		ctl(JOIN, 0);
		ok("describe another's", ctl(DESCRIBE, mine, 0, 0));
		ok("read another's", ctl(READ, mine, b, 4));
		ok("read what is open", ctl(READ, open, b, 4));
		ok("chown of another's", ctl(CHOWN, open, 31337, -1));
		long key = add("user", "own", "o", 1, SESSION);
		describe("own", key);
		ok("give away", ctl(CHOWN, key, 0, -1));
		ok("to another group", ctl(CHOWN, key, -1, 99));
		ok("to one's group", ctl(CHOWN, key, -1, 7));
		static char big[20000];
		ok("beyond the quota", add("user", "big", big, sizeof big, SESSION));
		int n = 0;
		while (n < 300) {
			char name[10];
			sprintf(name, "n%d", n);
			if (add("user", name, "x", 1, SESSION) < 0)
				break;
			n++;
		}
		printf("%s after about 200: %d\n", strerrorname_np(errno), n > 190 && n < 200);
		exit(0);
	}
	wait(0);
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	ok("join", ctl(JOIN, 0));
	rights_and_types();
	keyrings();
	own_keyrings();
	requests();
	another_user();
	return 0;
}
