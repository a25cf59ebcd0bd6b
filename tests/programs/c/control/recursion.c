// title: Ackermann, Fibonacci and mutual recursion
#include <toykernel.h>
static unsigned ackermann(unsigned m, unsigned n) {
  return !m ? n + 1 : !n ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}
static int odd(unsigned n);
static int even(unsigned n) { return !n || odd(n - 1); }
static int odd(unsigned n) { return n && even(n - 1); }
static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
int main(void) {
  printf("%u %u %d %d %d\n", ackermann(2, 3), ackermann(3, 2), even(30), odd(30), fibonacci(15));
  return 0;
}
