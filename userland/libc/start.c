/* Where a C program begins, unless it has a _start of its own. */
#include <toykernel.h>

int main(int argc, char **argv, char **envp);

__asm__(
    ".text\n.globl _start\n.type _start, @function\n_start:\n"
    "xorl %ebp, %ebp\nmovl %esp, %eax\nandl $-16, %esp\nsubl $12, %esp\npushl %eax\n"
    "call toykernel_start\nhlt\n.size _start, .-_start\n");

__attribute__((noreturn, used)) void toykernel_start(long *stack) {
  int argc = (int)stack[0];
  char **argv = (char **)(stack + 1);
  environ = argv + argc + 1;
  exit(main(argc, argv, environ));
}
