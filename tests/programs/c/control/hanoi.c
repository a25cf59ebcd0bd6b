// title: the towers of Hanoi
#include <toykernel.h>
static int pegs[3][8], height[3];
static void move(int n, int from, int to) {
  if (!n) return;
  move(n - 1, from, 3 - from - to);
  int disc = pegs[from][--height[from]];
  pegs[to][height[to]++] = disc;
  if (n == 6) printf("disc %d from %d to %d\n", disc, from, to);
  move(n - 1, 3 - from - to, to);
}
int main(void) {
  for (int i = 6; i; i--) pegs[0][height[0]++] = i;
  move(6, 0, 2);
  for (int i = 0; i < height[2]; i++) printf("%d ", pegs[2][i]);
  printf("\n");
  return height[2];
}
