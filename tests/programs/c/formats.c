// title: what printf makes of its conversions
// expect stdout: [   42] [42   ] [00042] [+42] [ 42] [-0042]
// expect stdout: [ff] [0XFF] [0xff] [0777] [00ff] [0] []
// expect stdout: [hi   ] [   hi] [h] [(null)] [x] [%]
// expect stdout: [-1234567890123] [18446744073709551615] [112210f47de98115]
// expect stdout: [3.141590] [2.50] [  -0.1] [0003.0] [1000000] [0.000001]
// expect stdout: [-128] [65535] [0x1234] 5
// expect stdout: [12345678] 10
#include <toykernel.h>
int main(void) {
  char small[9];
  const char *volatile none = 0;
  printf("[%5d] [%-5d] [%05d] [%+d] [% d] [%05d]\n", 42, 42, 42, 42, 42, -42);
  printf("[%x] [%#X] [%#x] [%#o] [%.4x] [%d] [%.0d]\n", 255, 255, 255, 0777, 255, 0, 0);
  printf("[%-5s] [%5s] [%.1s] [%s] [%c] [%%]\n", "hi", "hi", "hi", none, 'x');
  printf("[%lld] [%llu] [%llx]\n", -1234567890123LL, 18446744073709551615ULL, 1234567890123456789ULL);
  printf("[%f] [%.2f] [%6.1f] [%06.1f] [%.0f] [%f]\n", 3.14159, 2.5, -0.125, 3.0, 1e6, 1e-6);
  printf("[%hhd] [%hu] [%p] %d\n", 128, 65535, (void *)0x1234, snprintf(small, 3, "%d", 12345));
  int length = snprintf(small, sizeof small, "%d", 1234567890);
  printf("[%s] %d\n", small, length);
  return 0;
}
