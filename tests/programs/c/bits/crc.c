// title: CRC-32 and Adler-32 of a line
#include <toykernel.h>
static unsigned crc(const char *s) {
  unsigned c = ~0u;
  while (*s) { c ^= (unsigned char)*s++; for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0); }
  return ~c;
}
static unsigned adler(const char *s) { unsigned a = 1, b = 0; while (*s) a = (a + (unsigned char)*s++) % 65521, b = (b + a) % 65521; return b << 16 | a; }
int main(void) {
  printf("%08x %08x\n", crc("123456789"), adler("Wikipedia"));
  return crc("") == 0 && adler("") == 1;
}
