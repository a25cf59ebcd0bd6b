// title: variable arguments of several types, copied and handed on
#include <toykernel.h>
static int total(const char *kinds, ...) {
  va_list list, again;
  int sum = 0;
  va_start(list, kinds);
  va_copy(again, list);
  for (const char *k = kinds; *k; k++)
    sum += *k == 'i' ? va_arg(list, int) : *k == 'd' ? (int)(va_arg(list, double) * 2)
         : *k == 'l' ? (int)(va_arg(list, long long) >> 32) : (int)strlen(va_arg(list, char *));
  sum += 1000 * va_arg(again, int);
  va_end(again);
  va_end(list);
  return sum;
}
static void say(const char *format, ...) {
  char line[64];
  va_list list;
  va_start(list, format);
  int n = vsnprintf(line, sizeof line, format, list);
  va_end(list);
  printf("%d: %s", n, line);
}
int main(void) {
  printf("%d\n", total("idls", 7, 2.5, 5LL << 32, "four"));
  say("%d %s %x %c\n", -4, "text", 0xbeefu, 'z');
  return total("iii", 1, 2, 3) & 127;
}
