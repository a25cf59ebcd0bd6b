// title: a small Mandelbrot set
#include <toykernel.h>
int main(void) {
  int total = 0;
  for (int y = -6; y <= 6; y++) {
    char line[40];
    for (int x = 0; x < 36; x++) {
      double cr = x / 14.0 - 2, ci = y / 5.0, r = 0, i = 0;
      int n = 0;
      for (; n < 20 && r * r + i * i < 4; n++) { double t = r * r - i * i + cr; i = 2 * r * i + ci; r = t; }
      line[x] = " .:-=+*#%@"[n / 2 > 9 ? 9 : n / 2], total += n;
    }
    line[36] = 0;
    puts(line);
  }
  return total & 127;
}
