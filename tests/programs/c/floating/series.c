// title: pi, e and sines by series
#include <toykernel.h>
static double sine(double x) { double term = x, sum = 0; for (int n = 1; n < 30; n += 2) sum += term, term *= -x * x / ((n + 1) * (n + 2)); return sum; }
int main(void) {
  double pi = 0, e = 1, f = 1;
  for (int k = 0; k < 3000; k++) pi += (k & 1 ? -4.0 : 4.0) / (2 * k + 1);
  for (int k = 1; k < 20; k++) e += f /= k;
  printf("%.3f %.9f %.6f %.6f\n", pi, e, sine(0.5), sine(3.0));
  return (int)(e * 10);
}
