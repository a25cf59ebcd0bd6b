// title: arguments, the environment, strings and numbers
// args: one "two words" 0x1f -12
// expect stdout: 5 one|two words|31|-12
// expect stdout: len 3, chr "wo words", cmp 1, unset 1
#include <toykernel.h>
int main(int argc, char **argv) {
  char text[64] = "";
  strcat(strcpy(text, argv[1]), "|");
  strncat(text, argv[2], 20);
  printf("%d %s|%ld|%d\n", argc, text, strtol(argv[3], 0, 0), atoi(argv[4]));
  printf("len %d, chr \"%s\", cmp %d, unset %d\n", (int)strlen(argv[1]), strchr(argv[2], 'w'),
         strcmp(argv[1], argv[2]) < 0, getenv("NOTHING") == 0);
  return 0;
}
