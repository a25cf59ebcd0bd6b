// title: deep frames, variable arrays and alloca
#include <toykernel.h>
static int sum(int n) {
  int values[n];
  for (int i = 0; i < n; i++) values[i] = i;
  int *copy = __builtin_alloca(n * sizeof *copy), total = 0;
  memcpy(copy, values, n * sizeof *copy);
  for (int i = 0; i < n; i++) total += copy[i];
  return n > 1 ? total + sum(n - 1) : total;
}
int main(void) {
  printf("%d\n", sum(120));
  return sum(9);
}
