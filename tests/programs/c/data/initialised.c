// title: static data of every kind, and pointers into it
#include <toykernel.h>
static int zeros[5]; static const short table[] = {[2] = 7, [5] = -9}; char room[3][4] = {"abc", "de", "f"};
static int *const into = &zeros[3]; static const char *const names[] = {"one", "two", "three", "tail of three" + 8};
struct deep { int a; struct { char b[3]; double c; } in; const char **list; } deep = {1, {{2, 3}, 4.5}, (const char **)names};
static long long wide = -5; static unsigned char bytes[] = {1, 2, 255};
int main(void) {
  *into = 11;
  static int calls;
  for (int i = 0; i < 3; i++) calls += table[i * 2 + 1 > 5 ? 5 : i * 2] + zeros[3];
  printf("%d %s %s %s %d\n", calls, room[1], names[2], names[3], (int)deep.in.c);
  printf("%s %d %d %u\n", deep.list[1], (int)wide, bytes[2] + bytes[0], (unsigned)sizeof table);
  return deep.in.b[1];
}
