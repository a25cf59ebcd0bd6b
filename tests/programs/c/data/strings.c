// title: strings are searched, joined, cut and turned round
#include <toykernel.h>
static char *reverse(char *s) {
  for (char *a = s, *b = s + strlen(s) - 1; a < b; a++, b--) { char t = *a; *a = *b; *b = t; }
  return s;
}
int main(void) {
  char line[40] = "alpha";
  strcat(line, ", beta");
  strncat(line, ", gamma", 4);
  printf("%s %u %s\n", line, (unsigned)strlen(line), strstr(line, "bet"));
  printf("%s %d %d\n", reverse(line), strcmp("abc", "abd") < 0, strncmp("abcx", "abcy", 3));
  for (char *p = line; *p; p++) *p = isalpha((unsigned char)*p) ? toupper(*p) : '_';
  memmove(line + 3, line, 6);
  printf("%.9s %s\n", line, strrchr(line, '_'));
  return (int)strtol("0x2f,", 0, 16);
}
