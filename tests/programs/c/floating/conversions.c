// title: between float, double, long double and integers, with signs and limits
#include <toykernel.h>
int main(void) {
  volatile float f = 16777217.0f, g = -2.75f; volatile double d = 1e9 + 0.5, big = 4000000000.0; volatile long double l = 1.0L / 3;
  volatile int i = -7; volatile unsigned u = 3000000000u; volatile long long w = 1LL << 53;
  printf("%d %d %d %u\n", (int)f, (int)g, (int)d, (unsigned)big);
  printf("%.1f %.1f %.1f %.1f\n", (double)i, (double)u, (double)(float)u, (double)w + 1);
  printf("%d %d\n", (int)(l * 3000000), (int)(float)(signed char)200);
  printf("%d\n", (int)(long long)(d * 1000 - 1e12 + 500));
  return (int)(short)f;
}
