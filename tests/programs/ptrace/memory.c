// title: PEEK and POKE: read-only pages, pages that a fork shares, shared mappings, no pages
// expect stdout: 1 stopped by 19, event 0
// expect stdout: data: 11
// expect stdout: constant: 22
// expect stdout: text: 33
// expect stdout: poke data: 0
// expect stdout: poke constant: 0
// expect stdout: poke text: 0
// expect stdout: poke shared: 0
// expect stdout: poke untouched: 0
// expect stdout: poke read-only shared: -5
// expect stdout: peek none: 0
// expect stdout: poke none: 0
// expect stdout: peek none: 7
// expect stdout: peek 0: -5
// expect stdout: poke 0: -5
// expect stdout: peek kernel: -5
// expect stdout: over two pages: -5
// expect stdout: into a hole: -5
// expect stdout: mine: 11 22 33 4 0
// expect stdout: 1 stopped by 10, event 0
// expect stdout: again: 0
// expect stdout: and back: 9
// expect stdout: 1 exited 15
// expect stdout: gone: -3
#include "trace.h"
static volatile int shared_by_fork = 11;
static const volatile int constant = 22;
static __attribute__((noinline)) int code(void) { return 33; }
int main(void) {
  pid_t pid;
  int *everybodys = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *readers = mmap(0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *nobodys = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int *untouched = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(everybodys + 1024, 4096); /* nothing is behind it */
  unsigned char *bytes = (unsigned char *)code;
  int at = 0;
  if (traced_child(&pid)) {
    int sum = code() + constant + shared_by_fork + *everybodys;
    syscall(37, getpid(), SIGUSR1);
    shared_by_fork++;
    sum += *untouched;
    syscall(1, sum);
  }
  while (*(int *)(bytes + at) != 33) at++;
  say("data", word(pid, &shared_by_fork));
  say("constant", word(pid, &constant));
  say("text", word(pid, bytes + at));
  say("poke data", pt(POKEDATA, pid, (long)&shared_by_fork, 1));
  say("poke constant", pt(POKEDATA, pid, (long)&constant, 2));
  say("poke text", pt(POKETEXT, pid, (long)(bytes + at), 3));
  say("poke shared", pt(POKEDATA, pid, (long)everybodys, 4));
  say("poke untouched", pt(POKEDATA, pid, (long)untouched, 5));
  say("poke read-only shared", pt(POKEDATA, pid, (long)readers, 6));
  say("peek none", word(pid, nobodys));
  say("poke none", pt(POKEDATA, pid, (long)nobodys, 7));
  say("peek none", word(pid, nobodys));
  say("peek 0", word(pid, 0));
  say("poke 0", pt(POKEDATA, pid, 0, 7));
  say("peek kernel", word(pid, (void *)0xfffff000u));
  say("over two pages", pt(POKEDATA, pid, (long)everybodys + 4094, 8));
  say("into a hole", pt(POKEDATA, pid, (long)nobodys + 8190, 8));
  printf("mine: %d %d %d %d %d\n", shared_by_fork, constant, code(), *everybodys, *untouched);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  say("again", pt(POKEDATA, pid, (long)&constant, 9));
  say("and back", word(pid, &constant));
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  say("gone", word(pid, &constant));
  return 0;
}
