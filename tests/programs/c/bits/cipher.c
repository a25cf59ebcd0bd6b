// title: XTEA there and back
#include <toykernel.h>
static void cipher(unsigned v[2], const unsigned key[4], int back) {
  unsigned a = v[0], b = v[1], delta = 0x9e3779b9, sum = back ? delta * 32 : 0;
  for (int i = 0; i < 32; i++)
    if (back) {
      b -= (((a << 4) ^ (a >> 5)) + a) ^ (sum + key[sum >> 11 & 3]), sum -= delta;
      a -= (((b << 4) ^ (b >> 5)) + b) ^ (sum + key[sum & 3]);
    } else {
      a += (((b << 4) ^ (b >> 5)) + b) ^ (sum + key[sum & 3]), sum += delta;
      b += (((a << 4) ^ (a >> 5)) + a) ^ (sum + key[sum >> 11 & 3]);
    }
  v[0] = a, v[1] = b;
}
int main(void) {
  unsigned v[2] = {0x01234567, 0x89abcdef}, key[4] = {1, 2, 3, 4};
  cipher(v, key, 0), printf("%08x %08x\n", v[0], v[1]);
  cipher(v, key, 1), printf("%08x %08x\n", v[0], v[1]);
  return 0;
}
