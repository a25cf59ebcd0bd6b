// title: Register sets, pending signals, what a system call is, calls that a tracer makes up, seccomp's questions
// expect stdout: 1 stopped by 19, event 0
// expect stdout: prstatus: 0, 68 bytes
// expect stdout: ip 1, orig 1
// expect stdout: short: 0, 8 bytes
// expect stdout: odd: -22, 0 bytes
// expect stdout: none: 0, 0 bytes
// expect stdout: unknown: -22, 0 bytes
// expect stdout: prfpreg: 0, 108 bytes
// expect stdout: control 37f
// expect stdout: set prfpreg: 0, 108 bytes
// expect stdout: prxfpreg: 0, 512 bytes
// expect stdout: control 27f
// expect stdout: set prxfpreg: 0, 512 bytes
// expect stdout: half of it: -22, 0 bytes
// expect stdout: tls: 0, 48 bytes
// expect stdout: no ports: -6, 0 bytes
// expect stdout: prstatus: 0, 68 bytes
// expect stdout: set prstatus: 0, 68 bytes
// expect stdout: esi 4711
// expect stdout: set two: 0, 8 bytes
// expect stdout: ebx 1 ecx 1 esi 4711
// expect stdout: set cs 0: -5, 0 bytes
// expect stdout: iovec nowhere: -14
// expect stdout: call: 24, op 0 ip 1 sp 1
// expect stdout: call: 24, op 0
// expect stdout: 1 stopped by 19, event 0
// expect stdout: peek: 1: 15; shared: 2: 10 code 0 12 code 0; second: 1: 12
// expect stdout: far: 0
// expect stdout: flag: -22
// expect stdout: fewer than none: -22
// expect stdout: nowhere: -14
// expect stdout: to nowhere: -14
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: call: 80, op 1 arch 40000003 ip 1 sp 1 nr 64 args 1
// expect stdout: call: 80, op 1 arch 40000003 ip 1 sp 1 nr 60 args 1
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: call: 33, op 2 arch 40000003 ip 1 sp 1 value 18 error 0
// expect stdout: call: 33, op 2 arch 40000003 ip 1 sp 1 value 18 error 0
// expect stdout: sysemu: 0
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: call: 80, op 1 arch 40000003 ip 1 sp 1 nr 20 args 1
// expect stdout: call 20, eax -38
// expect stdout: sysemu: 0
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: call 4, ebx 7
// expect stdout: with steps: 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout: siginfo: signal 5, code 0x2
// expect stdout: call: 24, op 0 ip 1 sp 1
// expect stdout: bad signal: -5
// expect stdout: 1 stopped by 19, event 0
// expect stdout: go on: 0
// expect stdout: 1 stopped by 5, event 7
// expect stdout: message 4242
// expect stdout: call: 84, op 3 arch 40000003 ip 1 sp 1 nr 20 args 1 data 4242
// expect stdout: siginfo: signal 5, code 0x705
// expect stdout: 1 stopped by 5, event 7
// expect stdout: message 7, eax -38
// expect stdout: 1 stopped by 5, event 7
// expect stdout: 1 stopped by 19, event 0
// expect stdout: 1 exited 17
#include "trace.h"
struct iovec_ { void *base; unsigned size; };
struct peek { unsigned long long off; unsigned flags; int nr; };
struct call_info {
  unsigned char op, reserved[3];
  unsigned arch;
  unsigned long long ip, sp;
  union {
    struct { unsigned long long nr, args[6]; unsigned data; } entry;
    struct { long long value; unsigned char is_error; } exit;
  };
} __attribute__((packed));
struct filter { unsigned short code; unsigned char jt, jf; unsigned k; };
struct program { unsigned short count; struct filter *at; };
static unsigned char image[4096];
static struct call_info call;

static void set(pid_t pid, const char *name, long request, long kind, unsigned size) {
  struct iovec_ iov = {image, size};
  long answer = pt(request, pid, kind, (long)&iov);
  printf("%s: %ld, %u bytes\n", name, answer, answer ? 0 : iov.size);
  fflush(stdout);
}
static void call_of(pid_t pid, unsigned size) {
  memset(&call, 0xee, sizeof call);
  long answer = pt(GET_SYSCALL_INFO, pid, size, (long)&call);
  printf("call: %ld, op %d", answer, call.op);
  if (call.op) printf(" arch %x", call.arch);
  if (size >= 24) printf(" ip %d sp %d", call.ip == (unsigned long)reg(pid, IP), call.sp == (unsigned long)reg(pid, SP_));
  if (call.op == 1 || call.op == 3) printf(" nr %llu args %d", call.entry.nr, call.entry.args[0] == (unsigned long)reg(pid, BX));
  if (call.op == 3) printf(" data %u", call.entry.data);
  if (call.op == 2) printf(" value %lld error %d", call.exit.value, call.exit.is_error);
  printf("\n");
  fflush(stdout);
}
static void sets(pid_t pid) {
  int *regs = (int *)image;
  set(pid, "prstatus", GETREGSET, 1, sizeof image);
  printf("ip %d, orig %d\n", regs[IP] == reg(pid, IP), regs[ORIG] == reg(pid, ORIG));
  set(pid, "short", GETREGSET, 1, 8);
  set(pid, "odd", GETREGSET, 1, 6);
  set(pid, "none", GETREGSET, 1, 0);
  set(pid, "unknown", GETREGSET, 77, sizeof image);
  set(pid, "prfpreg", GETREGSET, 2, sizeof image);
  printf("control %x\n", image[0] | image[1] << 8);
  image[0] = 0x7f, image[1] = 2;
  set(pid, "set prfpreg", SETREGSET, 2, 108);
  set(pid, "prxfpreg", GETREGSET, 0x46e62b7f, sizeof image);
  printf("control %x\n", image[0] | image[1] << 8);
  set(pid, "set prxfpreg", SETREGSET, 0x46e62b7f, 512);
  set(pid, "half of it", SETREGSET, 0x46e62b7f, 256);
  set(pid, "tls", GETREGSET, 0x200, sizeof image);
  set(pid, "no ports", GETREGSET, 0x201, sizeof image);
  set(pid, "prstatus", GETREGSET, 1, sizeof image);
  regs[SI_] = 4711;
  set(pid, "set prstatus", SETREGSET, 1, 68);
  printf("esi %ld\n", reg(pid, SI_));
  regs[BX] = regs[CX] = 1;
  regs[SI_] = 1;
  set(pid, "set two", SETREGSET, 1, 8);
  printf("ebx %ld ecx %ld esi %ld\n", reg(pid, BX), reg(pid, CX), reg(pid, SI_));
  regs[CS] = 0;
  set(pid, "set cs 0", SETREGSET, 1, 68);
  say("iovec nowhere", pt(GETREGSET, pid, 1, 0));
}
static void pending(pid_t pid) {
  static int found[4][32];
  struct peek ask = {0, 0, 4};
  long n = pt(PEEKSIGINFO, pid, (long)&ask, (long)found);
  printf("peek: %ld:", n);
  for (int i = 0; i < n; i++) printf(" %d", found[i][0]);
  ask.flags = 1;
  n = pt(PEEKSIGINFO, pid, (long)&ask, (long)found);
  printf("; shared: %ld:", n);
  for (int i = 0; i < n; i++) printf(" %d code %d", found[i][0], found[i][2]);
  ask.off = 1, ask.nr = 1;
  n = pt(PEEKSIGINFO, pid, (long)&ask, (long)found);
  printf("; second: %ld: %d\n", n, found[0][0]);
  ask.off = 1ull << 40;
  say("far", pt(PEEKSIGINFO, pid, (long)&ask, (long)found));
  ask.flags = 2;
  say("flag", pt(PEEKSIGINFO, pid, (long)&ask, (long)found));
  ask.flags = 0, ask.nr = -1;
  say("fewer than none", pt(PEEKSIGINFO, pid, (long)&ask, (long)found));
  say("nowhere", pt(PEEKSIGINFO, pid, 0, (long)found));
  ask.off = 0, ask.flags = 1, ask.nr = 2;
  say("to nowhere", pt(PEEKSIGINFO, pid, (long)&ask, 0));
}
static void made_up(pid_t pid) {
  say("sysemu", pt(SYSEMU, pid, 0, 0));
  wait_for(pid);
  call_of(pid, sizeof call);
  printf("call %ld, eax %ld\n", reg(pid, ORIG), reg(pid, AX));
  pt(POKEUSR, pid, AX * 4, 4321);
  say("sysemu", pt(SYSEMU, pid, 0, 0));
  wait_for(pid);
  printf("call %ld, ebx %ld\n", reg(pid, ORIG), reg(pid, BX));
  pt(POKEUSR, pid, AX * 4, 0);
  say("with steps", pt(SYSEMU_SINGLESTEP, pid, 0, 0));
  wait_for(pid);
  info_of(pid);
  call_of(pid, 24);
  say("bad signal", pt(SYSEMU, pid, 0, 99));
}
static int asking(void) {
  struct filter code[] = {{0x20, 0, 0, 0}, {0x15, 0, 1, 20}, {6, 0, 0, 0x7ff00000 | 4242},
                          {0x15, 0, 1, 24}, {6, 0, 0, 0x7ff00000 | 7}, {6, 0, 0, 0x7fff0000}};
  struct program program = {6, code};
  syscall(172, 38, 1, 0, 0, 0);
  return syscall(172, 22, 2, (long)&program, 0, 0);
}
int main(void) {
  pid_t pid;
  int traced = traced_child(&pid);
  if (traced) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    kill(getpid(), SIGUSR1), kill(getpid(), SIGUSR2);
    syscall(238, syscall(224), SIGTERM);
    raise(SIGSTOP);
    syscall(64), syscall(60, 022);
    syscall(4, 7, syscall(20), 3);
    syscall(64);
    raise(SIGSTOP);
    asking();
    int a = syscall(20);
    int first = a > 0 ? 1 : a, b = syscall(24), c = errno;
    raise(SIGSTOP);
    _exit(first * 16 + (b == -1 && c == ENOSYS));
  }
  sets(pid);
  pt(SETOPTIONS, pid, 0, O_SYSGOOD | O_SECCOMP);
  call_of(pid, sizeof call);
  call_of(pid, 8);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  pending(pid);
  /* out of kill, into getppid */
  pt(SYSCALL, pid, 0, 0), wait_for(pid);
  call_of(pid, sizeof call);
  do {
    pt(SYSCALL, pid, 0, 0), waitpid(pid, &status, 0x40000000);
  } while (reg(pid, ORIG) != 60);
  call_of(pid, sizeof call);
  pt(SYSCALL, pid, 0, 0), wait_for(pid);
  call_of(pid, sizeof call);
  call_of(pid, 33);
  made_up(pid);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  /* a filter asks: the call is made, another one instead, none at all */
  say("go on", pt(CONT, pid, 0, 0));
  wait_for(pid);
  printf("message %lu\n", message(pid));
  call_of(pid, sizeof call);
  info_of(pid);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  printf("message %lu, eax %ld\n", message(pid), reg(pid, AX));
  pt(POKEUSR, pid, ORIG * 4, -1);
  for (int i = 0; i < 3; i++) {
    pt(CONT, pid, 0, 0);
    wait_for(pid);
  }
  return 0;
}
