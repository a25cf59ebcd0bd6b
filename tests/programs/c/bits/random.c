// title: three generators of random numbers
#include <toykernel.h>
static unsigned lcg = 1, xorshift = 2463534242u, mwc_w = 521288629, mwc_z = 362436069;
static unsigned next_lcg(void) { return lcg = lcg * 1664525u + 1013904223u; }
static unsigned next_xorshift(void) { xorshift ^= xorshift << 13, xorshift ^= xorshift >> 17; return xorshift ^= xorshift << 5; }
static unsigned next_mwc(void) {
  mwc_z = 36969 * (mwc_z & 65535) + (mwc_z >> 16), mwc_w = 18000 * (mwc_w & 65535) + (mwc_w >> 16);
  return (mwc_z << 16) + mwc_w;
}
int main(void) {
  for (int i = 0; i < 4; i++) printf("%u %u %u\n", next_lcg(), next_xorshift(), next_mwc());
  return next_lcg() >> 26;
}
