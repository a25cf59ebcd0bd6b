// title: roots and powers in double precision
#include <toykernel.h>
static double root(double x) { double r = x; for (int i = 0; i < 30; i++) r = (r + x / r) / 2; return r; }
static double power(double x, int n) { double r = 1; for (; n; n >>= 1, x *= x) if (n & 1) r *= x; return r; }
int main(void) {
  printf("%.6f %.6f %.3f\n", root(2), root(12345.678), power(1.01, 100));
  return (int)root(1000);
}
