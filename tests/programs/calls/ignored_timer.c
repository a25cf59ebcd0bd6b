/* A timer with a nanosecond's interval whose signal nobody takes: it counts, and the program goes on. */
#include "calls.h"
#include "rows.h"
int main() {
  unsigned cont[2] = {1 << 17, 0}; int event[16] = {0, 18, 0}, id;
  struct itimerspec soon = {{0, 1}, {0, 1000000}};
  start("blocked, then ignored"); C(syscall(175, 0, cont, 0, 8)); C(syscall(259, 1, event, &id)); C(syscall(260, id, 0, &soon, 0));
  ms(20); C(syscall(175, 1, cont, 0, 8)); put(syscall(262, id) > 1000); ms(5); C(syscall(263, id)); done();
  start("ignored"); C(syscall(259, 1, event, &id)); C(syscall(260, id, 0, &soon, 0)); ms(20); C(syscall(262, id)); C(syscall(263, id)); done();
  return 0;
}
