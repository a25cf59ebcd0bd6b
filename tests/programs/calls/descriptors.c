/* modify_ldt: every combination of a descriptor's bits, written both ways and read back; sizes and edges */
#include "calls.h"
#define ldt(f, p, n) syscall(123, f, p, n)
struct desc { unsigned entry, base, limit, bits; } d;
static unsigned table[16400];
static unsigned sum(unsigned bytes) { unsigned s = 0; for (unsigned i = 0; i < bytes / 4; i++) s = s * 31 + (table[i] & ~(i & 1) << 8); return s; }
int main() {
  static const unsigned where[][2] = {{0, 0}, {0x12345678, 0xfffff}, {0, 1}, {1, 0}, {0xffffffff, 0xffffffff}, {0, 0x100000}};
  S(ldt(0, table, 0)); S(ldt(0, table, 8)); S(ldt(2, table, 0)); S(ldt(2, table, 39)); S(ldt(2, 8, 5)); S(ldt(3, table, 8)); S(ldt(0x10, table, 8));
  for (int old = 0; old < 2; old++) for (int w = 0; w < 6; w++) for (unsigned bits = 0; bits < 128; bits++) {
    d = (struct desc){1, 7, 7, 0x51}; ldt(0x11, &d, 16); d = (struct desc){1, where[w][0], where[w][1], bits};
    int r = ldt(old ? 1 : 0x11, &d, 16), e = r ? errno : 0; table[2] = table[3] = 9; ldt(0, table, 16);
    printf("%d %d %x: %d %x %x\n", old, w, bits, e, table[2], table[3] & ~0x100);
  }
  d = (struct desc){3, 5, 6, 0x51};
  S(ldt(0x11, &d, 15)); S(ldt(0x11, &d, 17)); S(ldt(1, &d, 16)); S(ldt(0x11, 8, 16)); d.entry = 8192; S(ldt(0x11, &d, 16)); d.entry = -1; S(ldt(0x11, &d, 16));
  static const int at[] = {0, 511, 512, 600, 1023, 1024, 5000, 8191};
  for (int i = 0; i < 8; i++) { d.entry = at[i]; d.base = i; S(ldt(0x11, &d, 16)); }
  static const unsigned sizes[] = {0, 1, 8, 4096, 65535, 65536, 65537, 0x7fffffff, -1};
  for (int i = 0; i < 9; i++) { memset(table, 0xee, sizeof table); int r = ldt(0, table, sizes[i]); printf("%x: %d %x\n", sizes[i], r, sum(65536)); }
  S(ldt(0, 8, 16)); S(ldt(0, (char *)table + 1, 16));
  CHILD(d.entry = 512; d.base = 0x77; ldt(0x11, &d, 16); ldt(0, table, 65536); printf("child %x\n", sum(65536))); reap(); ldt(0, table, 65536); printf("parent %x\n", sum(65536));
  return 0;
}
