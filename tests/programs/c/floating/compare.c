// title: comparisons with infinities, zeros and what is no number
#include <toykernel.h>
int main(void) {
  volatile double zero = 0, one = 1; double inf = one / zero, nan = zero / zero, values[] = {-inf, -1, -0.0, 0.0, 1, inf, nan};
  for (int i = 0; i < 7; i++) {
    for (int j = 0; j < 7; j++) {
      double a = values[i], b = values[j];
      printf("%d", (a < b) | (a == b) << 1 | (a > b) << 2);
    }
    printf(" ");
  }
  printf("\n");
  return (nan != nan) + 2 * !(nan >= nan) + 4 * __builtin_isinf(inf);
}
