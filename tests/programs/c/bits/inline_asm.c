// title: inline assembly: constraints, clobbers, flags, string instructions
#include <toykernel.h>
static unsigned multiply_high(unsigned a, unsigned b) { unsigned low, high; __asm__("mull %3" : "=a"(low), "=d"(high) : "0"(a), "rm"(b) : "cc"); return high; }
static int add_overflows(int a, int b) { char o; __asm__("addl %2, %1\n\tseto %0" : "=q"(o), "+r"(a) : "g"(b) : "cc"); return o; }
static void copy(void *to, const void *from, unsigned n) { __asm__ volatile("cld; rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); }
static int length(const char *s) { int n; __asm__("xorl %%eax, %%eax\n\trepne scasb\n\tnotl %%ecx\n\tdecl %%ecx" : "=&c"(n), "+D"(s) : "0"(-1) : "eax", "cc", "memory"); return n; }
static unsigned exchange(unsigned *at, unsigned v) { __asm__ volatile("xchgl %0, %1" : "+r"(v), "+m"(*at) : : "memory"); return v; }
int main(void) {
  char room[16]; unsigned cell = 5, old;
  copy(room, "copied text", 12);
  old = exchange(&cell, 9);
  printf("%u %d %d %s %d\n", multiply_high(0x80000000, 6), add_overflows(0x7fffffff, 1), add_overflows(1, 2), room, length(room));
  return old * 10 + cell;
}
