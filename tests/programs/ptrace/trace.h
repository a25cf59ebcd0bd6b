/* ptrace without the C library's ideas of it, and what a wait tells, in words that no pid is in. */
#include <toykernel.h>
enum {
  TRACEME, PEEKTEXT, PEEKDATA, PEEKUSR, POKETEXT, POKEDATA, POKEUSR, CONT, PKILL, SINGLESTEP,
  GETREGS = 12, SETREGS, GETFPREGS, SETFPREGS, ATTACH, DETACH, GETFPXREGS, SETFPXREGS, SYSCALL = 24,
  GET_THREAD_AREA, SET_THREAD_AREA, SETOPTIONS = 0x4200, GETEVENTMSG, GETSIGINFO, SETSIGINFO,
  GETREGSET = 0x4204, SETREGSET, SEIZE, INTERRUPT, LISTEN, PEEKSIGINFO, GETSIGMASK, SETSIGMASK,
  GET_SYSCALL_INFO = 0x420e, SYSEMU = 31, SYSEMU_SINGLESTEP, SINGLEBLOCK
};
enum { O_SYSGOOD = 1, O_FORK = 2, O_VFORK = 4, O_CLONE = 8, O_EXEC = 16, O_VFORKDONE = 32, O_EXIT = 64,
       O_SECCOMP = 128, O_EXITKILL = 1 << 20 };
enum { BX, CX, DX, SI_, DI_, BP, AX, DS, ES, FS, GS, ORIG, IP, CS, FL, SP_, SS };
#ifndef __WALL
#define __WALL 0x40000000
#endif
#define ANY_FLAG(x) ((x) != 0)

static long pt(long request, long pid, long address, long data) {
  long answer = syscall(26, request, pid, address, data);
  return answer == -1 ? -errno : answer;
}
static pid_t known[16];
static int many;
/* The n-th process that is told of is n. */
static int name_of(pid_t pid) {
  if (pid <= 0) return pid;
  for (int i = 0; i < many; i++)
    if (known[i] == pid) return i + 1;
  known[many++] = pid;
  return many;
}
static int status;
static const char *told(void) {
  static char text[80];
  if (WIFEXITED(status)) sprintf(text, "exited %d", WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) sprintf(text, "killed by %d", WTERMSIG(status));
  else if (status == 0xffff) sprintf(text, "continued");
  else sprintf(text, "stopped by %d%s, event %d", (status >> 8) & 0x7f, status & 0x8000 ? " and 80" : "", status >> 16);
  return text;
}
static pid_t await_(pid_t pid, int options) {
  pid_t who = syscall(114, pid, &status, options, 0);
  if (who <= 0) printf("wait: %d\n", who < 0 ? -errno : 0);
  else printf("%d %s\n", name_of(who), told());
  fflush(stdout);
  return who;
}
#define wait_for(pid) await_(pid, __WALL)
static long reg(pid_t pid, int which) {
  long value = 0x5a5a5a5a;
  long answer = pt(PEEKUSR, pid, which * 4, (long)&value);
  return answer ? answer : value;
}
static unsigned long message(pid_t pid) {
  unsigned long value = 0;
  pt(GETEVENTMSG, pid, 0, (long)&value);
  return value;
}
static long word(pid_t pid, const volatile void *address) {
  long value = 0;
  long answer = pt(PEEKDATA, pid, (long)address, (long)&value);
  return answer ? answer : value;
}
static void say(const char *what, long value) {
  printf("%s: %ld\n", what, value);
  fflush(stdout);
}
static void info_of(pid_t pid) {
  int info[32] = {0};
  long answer = pt(GETSIGINFO, pid, 0, (long)info);
  if (answer) printf("siginfo: %ld\n", answer);
  else printf("siginfo: signal %d, code %#x\n", info[0], info[2]);
  fflush(stdout);
}
/* A child that is traced by its parent and stands in its SIGSTOP. */
static int traced_child(pid_t *pid) {
  fflush(stdout);
  *pid = fork();
  if (*pid) {
    wait_for(*pid);
    return 0;
  }
  pt(TRACEME, 0, 0, 0);
  syscall(37, getpid(), SIGSTOP);
  return 1;
}
