// title: structs by value, nested, packed, with bit fields, and returned
#include <toykernel.h>
struct point { short x, y; };
struct box { struct point low, high; char name[6]; };
struct __attribute__((packed)) odd { char a; int b; short c; long long d; };
struct bits { unsigned a : 3; int b : 5; unsigned c : 11; unsigned long long d : 40; };
static struct point middle(struct box b) {
  return (struct point){(b.low.x + b.high.x) / 2, (b.low.y + b.high.y) / 2};
}
static struct box grown(struct box b, int by) { b.low.x -= by, b.high.y += by, b.name[0]++; return b; }
int main(void) {
  struct box box = {{-3, 4}, {9, 20}, "abcde"};
  struct point m = middle(grown(box, 5));
  struct odd odd = {1, 2, 3, 0x1122334455667788LL};
  struct bits bits = {5, -7, 1234, 0xabcdef0123ULL};
  bits.c += 1000;
  printf("%d %d %s %u %u\n", m.x, m.y, grown(box, 1).name, (unsigned)sizeof odd, (unsigned)(odd.d >> 32));
  printf("%u %d %u %x %x\n", bits.a, bits.b, bits.c, (unsigned)(bits.d >> 32), (unsigned)bits.d);
  return (int)((char *)&odd.c - (char *)&odd);
}
