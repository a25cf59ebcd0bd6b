// title: a state machine of computed gotos
#include <toykernel.h>
int main(void) {
  static const char program[] = "+++[>++<-]>.;";
  static void *const table[128] = {['+'] = &&add, ['-'] = &&sub, ['['] = &&open, [']'] = &&close,
                                   ['>'] = &&right, ['<'] = &&left, ['.'] = &&show, [';'] = &&end};
  int cell[4] = {0}, at = 0, pc = 0, back = 0, steps = 0;
next:
  steps++;
  goto *table[(int)program[pc]];
add: cell[at]++, pc++; goto next;
sub: cell[at]--, pc++; goto next;
right: at++, pc++; goto next;
left: at--, pc++; goto next;
open: back = pc++; goto next;
close: if (cell[at]) pc = back; pc++; goto next;
show: printf("%d\n", cell[at]), pc++; goto next;
end:
  return steps;
}
