// title: the longest Collatz chain below 1000
#include <toykernel.h>
static int chain(unsigned n) {
  int length = 1;
  while (n != 1) n = n & 1 ? 3 * n + 1 : n / 2, length++;
  return length;
}
int main(void) {
  int best = 0, at = 0;
  for (int n = 1; n < 1000; n++) {
    int length = chain(n);
    if (length > best) best = length, at = n;
  }
  printf("%d: %d\n", at, best);
  return best;
}
