// title: atomic operations of the compiler
#include <toykernel.h>
static int counter; static unsigned short small = 65535; static unsigned char flag;
int main(void) {
  int expected = 5;
  for (int i = 0; i < 5; i++) __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
  int swapped = __atomic_compare_exchange_n(&counter, &expected, 50, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  int failed = __atomic_compare_exchange_n(&counter, &expected, 60, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  printf("%d %d %d %d\n", swapped, failed, expected, counter);
  printf("%d %d %d\n", __sync_add_and_fetch(&small, 2), __atomic_exchange_n(&flag, 7, __ATOMIC_ACQ_REL), __sync_fetch_and_or(&counter, 5));
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  return counter;
}
