// title: a stack machine that computes a factorial
#include <toykernel.h>
enum { PUSH, DUP, MUL, SUB, JNZ, SWAP, OVER, DROP, HALT };
static const int code[] = {PUSH, 1, PUSH, 10, SWAP, OVER, MUL, SWAP, PUSH, 1, SUB, DUP, JNZ, 4, DROP, HALT};
int main(void) {
  int stack[16], top = 0, pc = 0, t, steps = 0;
  for (;; steps++) switch (code[pc++]) {
    case PUSH: stack[top++] = code[pc++]; break;
    case DUP: stack[top] = stack[top - 1]; top++; break;
    case OVER: stack[top] = stack[top - 2]; top++; break;
    case MUL: top--; stack[top - 1] *= stack[top]; break;
    case SUB: top--; stack[top - 1] -= stack[top]; break;
    case SWAP: t = stack[top - 1]; stack[top - 1] = stack[top - 2]; stack[top - 2] = t; break;
    case DROP: top--; break;
    case JNZ: if (stack[--top]) pc = code[pc]; else pc++; break;
    case HALT: printf("%d after %d\n", stack[top - 1], steps); return 0;
  }
}
