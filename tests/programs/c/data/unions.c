// title: unions look at the same bytes
#include <toykernel.h>
union word { unsigned u; float f; unsigned char bytes[4]; struct { unsigned short low, high; }; };
int main(void) {
  union word w = {.f = 1.5f};
  printf("%x %u %u\n", w.u, w.high, w.low);
  w.bytes[0] = 0x21, w.bytes[3] ^= 0x80;
  printf("%x %d\n", w.u, (int)(w.f * 1000));
  for (int i = 0; i < 4; i++) printf("%02x ", w.bytes[i]);
  printf("\n");
  return w.bytes[2];
}
