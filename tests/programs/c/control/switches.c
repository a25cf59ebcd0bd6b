// title: dense, sparse and nested switches, fall-through, and a default in the middle
#include <toykernel.h>
static int dense(int x) {
  switch (x) {
    case 0: return 3; case 1: return 1; case 2: x += 4; /* fall through */
    case 3: return x * 2; default: return -1; case 5: return 50; case 6: case 7: return 67; case 8: return 8;
  }
}
static const char *sparse(long x) {
  switch (x) {
    case -2147483647: return "low"; case -1: return "minus one"; case 1000: return "thousand";
    case 1000000 ... 2000000: return "millions"; case 2147483647: return "high";
  }
  return "other";
}
int main(void) {
  int sum = 0;
  for (int i = -2; i < 11; i++) printf("%d ", dense(i)), sum += dense(i);
  long values[] = {-2147483647, -1, 0, 1000, 1500000, 2000001, 2147483647};
  for (unsigned i = 0; i < sizeof values / sizeof *values; i++) printf("%s ", sparse(values[i]));
  printf("\n");
  return sum & 127;
}
