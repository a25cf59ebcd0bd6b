// title: blocks of the heap grow, shrink and stay apart
#include <toykernel.h>
int main(void) {
  char *blocks[20];
  unsigned sum = 0;
  for (int i = 0; i < 20; i++) memset(blocks[i] = malloc(i * 100 + 1), i, i * 100 + 1);
  for (int i = 0; i < 20; i += 2) blocks[i] = realloc(blocks[i], 3000), blocks[i][2999] = 1;
  for (int i = 1; i < 20; i += 4) free(blocks[i]), blocks[i] = calloc(7, 9);
  for (int i = 0; i < 20; i++) sum = sum * 31 + blocks[i][i % 4 == 1 ? 62 : i * 100];
  printf("%u\n", sum);
  return ((unsigned)blocks[3] & 7) + !malloc(0x7fffffff);
}
