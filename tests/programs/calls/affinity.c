/* sched_setaffinity: whose tasks, and which masks. */
#include "calls.h"
#include "rows.h"
static unsigned words[2];
static void each(const char *who) {
  start(who);
  EACH(pid, 0, 1, 999999) EACH(mask, 1, 0) { words[0] = mask; C(syscall(241, pid, 4, words)); }
  C(syscall(241, 0, 0, words)); C(syscall(241, 1, 4, 1)); done();
}
int main() {
  CHILD(setuid(5); each("user")); wait(0);
  CHILD(setreuid(0, 5); each("set-uid")); wait(0);
  CHILD(setreuid(5, 0); each("root again")); wait(0);
  return 0;
}
