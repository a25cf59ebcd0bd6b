// title: rotations, shifts by variables, and signs
#include <toykernel.h>
static unsigned rotl(unsigned x, int n) { return x << (n & 31) | x >> (-n & 31); }
static unsigned short swap(unsigned short x) { return x << 8 | x >> 8; }
int main(void) {
  volatile int n = 13, negative = -1000;
  printf("%08x %08x %04x\n", rotl(0x12345678, n), rotl(0x80000001, -n), swap(0xabcd));
  printf("%d %d %u %d\n", negative >> 3, negative / 8, (unsigned)negative >> 28, negative << 2);
  printf("%d %d\n", (signed char)(200 + n), (short)(70000 + n));
  return rotl(1, 6);
}
