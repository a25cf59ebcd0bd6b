// title: bits are counted, found and turned round
#include <toykernel.h>
static unsigned reverse(unsigned x) {
  x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1, x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
  x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
  return __builtin_bswap32(x);
}
static int population(unsigned x) { int n = 0; for (; x; x &= x - 1) n++; return n; }
int main(void) {
  unsigned values[] = {1, 0x80000000, 0xdeadbeef, 0x00ff00f0, 12345678};
  for (int i = 0; i < 5; i++) printf("%d %d %d %08x\n", population(values[i]), __builtin_clz(values[i]), __builtin_ctz(values[i]), reverse(values[i]));
  return population(0xffffffff);
}
