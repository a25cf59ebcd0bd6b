// title: arithmetic on 64 bits
#include <toykernel.h>
static void show(const char *what, unsigned long long v) { printf("%s %08x%08x\n", what, (unsigned)(v >> 32), (unsigned)v); }
int main(void) {
  volatile long long a = 0x123456789abcdef0LL, b = -987654321LL;
  volatile unsigned shift = 37;
  show("sum", a + b), show("difference", b - a), show("product", a * b), show("quotient", a / b);
  show("rest", a % b), show("left", (unsigned long long)a << shift), show("right", b >> shift);
  show("unsigned", (unsigned long long)b / 10u), show("negative", -a), show("mask", a & ~b);
  printf("%d %d %d\n", a > b, (unsigned long long)a > (unsigned long long)b, b < 0);
  return (int)(a >> 60);
}
