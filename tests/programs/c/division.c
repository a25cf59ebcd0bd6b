// title: 64-bit divisions, which the processor has not
// expect stdout: 1234567 890123456 -1234567 -890123456
// expect stdout: 0 5 1 18446744073709551615
// expect stdout: 9223372036854775807 -9223372036854775807 -1
#include <toykernel.h>
int main(void) {
  volatile long long a = 1234567890123456LL, b = 1000000000LL, low = -9223372036854775807LL - 1;
  volatile unsigned long long c = 18446744073709551615ULL, five = 5;
  printf("%lld %lld %lld %lld\n", a / b, a % b, -a / b, -a % b);
  printf("%llu %llu %llu %llu\n", five / c, five % c, c / c, c / 1);
  printf("%lld %lld %lld\n", (long long)(c / 2), (low + 1) / 1, low % 3 == -2 ? -1LL : 0LL);
  return 0;
}
