// title: primes below 200 by sieve
#include <toykernel.h>
static unsigned char composite[200];
int main(void) {
  int count = 0;
  for (int i = 2; i < 200; i++) {
    if (composite[i]) continue;
    printf("%d%c", i, ++count % 10 ? ' ' : '\n');
    for (int j = i * i; j < 200; j += i) composite[j] = 1;
  }
  printf("\n%d\n", count);
  return count;
}
