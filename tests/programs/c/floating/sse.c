// title: the same sums in single precision with vectors of four
#include <toykernel.h>
typedef float four __attribute__((vector_size(16)));
typedef int whole __attribute__((vector_size(16)));
__attribute__((target("sse2"))) static four mix(four a, four b, float t) { return a * (1 - t) + b * t; }
__attribute__((target("sse2"))) static whole odd(whole v) { return (v & 1) * v + (v >> 2); }
__attribute__((target("sse2"))) static void run(void) {
  four a = {1, 2, 3, 4}, b = {10, 20, -30, 40}, m = mix(a, b, 0.25f);
  whole w = odd((whole){3, 4, 5, -6});
  printf("%d %d %d %d\n", (int)(m[0] * 100), (int)(m[1] * 100), (int)(m[2] * 100), (int)(m[3] * 100));
  printf("%d %d %d %d\n", w[0], w[1], w[2], w[3]);
}
__attribute__((force_align_arg_pointer)) int main(void) { run(); return 0; }
