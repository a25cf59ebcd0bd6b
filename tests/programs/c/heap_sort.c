// title: malloc, realloc, free and qsort
// expect stdout: 1000 numbers, sorted 1, first 19, last 65516
// expect stdout: zeros 0
#include <toykernel.h>
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(void) {
  int *numbers = 0, room = 0, sorted = 1, zeros = 0;
  unsigned state = 12345;
  for (int i = 0; i < 1000; i++) {
    if (i == room) {
      char *between = malloc(24);
      room = room ? 2 * room : 4;
      numbers = realloc(numbers, room * sizeof *numbers);
      if (!numbers || !between) return 1;
      free(between);
    }
    state = state * 1103515245 + 12345;
    numbers[i] = (int)(state >> 16);
  }
  qsort(numbers, 1000, sizeof *numbers, compare);
  for (int i = 1; i < 1000; i++) sorted &= numbers[i - 1] <= numbers[i];
  printf("1000 numbers, sorted %d, first %d, last %d\n", sorted, numbers[0], numbers[999]);
  free(numbers);
  char *cleared = calloc(300, 7);
  for (int i = 0; i < 2100; i++) zeros += cleared[i] != 0;
  printf("zeros %d\n", zeros);
  return 0;
}
