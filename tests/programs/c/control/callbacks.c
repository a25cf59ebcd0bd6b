// title: function pointers in tables, arguments and structs
#include <toykernel.h>
typedef int (*operation)(int, int);
static int add(int a, int b) { return a + b; }
static int sub(int a, int b) { return a - b; }
static int mul(int a, int b) { return a * b; }
static const struct { const char *name; operation run; } table[] = {{"add", add}, {"sub", sub}, {"mul", mul}};
static int fold(operation run, const int *values, int count, int start) {
  for (int i = 0; i < count; i++) start = run(start, values[i]);
  return start;
}
static operation choose(int n) { return table[n % 3].run; }
int main(void) {
  int values[] = {3, 5, 7, 11};
  for (int i = 0; i < 3; i++) printf("%s %d\n", table[i].name, fold(table[i].run, values, 4, 1));
  return choose(5)(6, 7);
}
