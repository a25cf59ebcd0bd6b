// title: eight queens
#include <toykernel.h>
static int solutions, column[8];
static void place(int row, unsigned columns, unsigned left, unsigned right) {
  if (row == 8) {
    if (!solutions++) for (int i = 0; i < 8; i++) printf("%d", column[i]);
    return;
  }
  for (unsigned free = 255 & ~(columns | left | right); free; free &= free - 1) {
    unsigned bit = free & -free;
    column[row] = __builtin_ctz(bit);
    place(row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1);
  }
}
int main(void) {
  place(0, 0, 0, 0);
  printf(" %d\n", solutions);
  return solutions;
}
