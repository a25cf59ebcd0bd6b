/* ptrace: the FPU of a program that has just used it, or never has; each depth of its stack, full of what tags tell apart */
#include "calls.h"
#define ptrace(r, a, d) syscall(26, r, c, a, d)
enum { CONT = 7, GETFP = 14, SETFP, GETFPX = 18, SETFPX };
static int c, st; static unsigned char fx[512], fp[108]; static float one = 1.5f, zero, many[4] = {1, 2, 3, 4}; static unsigned mxcsr = 0x1f80;
static void hex(unsigned char *p, int n) { char text[80], *to = text; while (n--) *to++ = "0123456789abcdef"[*p >> 4], *to++ = "0123456789abcdef"[*p++ & 15]; *to = 0; printf("  %s\n", text); }
static void tell(void) {
  waitpid(c, &st, 0); printf("%x\n", st); if ((st & 255) != 127) return;
  memset(fx, 0xee, 512); printf("%d\n", ptrace(GETFPX, 0, fx)); hex(fx, 6); hex(fx + 24, 4); for (int n = 0; n < 8; n++) hex(fx + 32 + 16 * n, 10); for (int n = 0; n < 8; n++) hex(fx + 160 + 16 * n, 16);
  memset(fp, 0xee, 108); printf("%d\n", ptrace(GETFP, 0, fp)); hex(fp, 2); hex(fp + 4, 2); hex(fp + 8, 2); for (int n = 0; n < 8; n++) hex(fp + 28 + 10 * n, 10);
  ptrace(CONT, 0, 0);
}
int main() {
  c = CHILD(syscall(26, 0, 0, 0, 0); __asm__ volatile("int3");
    for (int depth = 0; depth < 9; depth++) {
      __asm__ volatile("fninit"); for (int n = 0; n < depth; n++) switch (n % 4) { case 0: __asm__ volatile("fld1"); break; case 1: __asm__ volatile("fldz"); break; case 2: __asm__ volatile("flds %0; fdivs %1" :: "m"(one), "m"(zero)); break; case 3: __asm__ volatile("fldpi"); }
      mxcsr = 0x1f80 ^ depth; many[0] = depth; __asm__ volatile("ldmxcsr %0; movups %1, %%xmm0; movups %1, %%xmm7; addps %%xmm0, %%xmm0; int3" :: "m"(mxcsr), "m"(many)); }
    __asm__ volatile("fninit; fldl2e; int3; fstps %0; int3" : "=m"(one)); printf("%x\n", *(unsigned *)&one); __asm__ volatile("fnstcw %0; stmxcsr %1" : "=m"(fp), "=m"(mxcsr)); printf("%x %x\n", fp[0] | fp[1] << 8, mxcsr));
  for (int n = 0; n < 10; n++) tell();
  waitpid(c, &st, 0); ptrace(GETFPX, 0, fx); hex(fx + 32, 10); fx[40] = 0xff; fx[41] = 0xbf; fx[0] = 0x40; fx[24] = 0; printf("%d\n", ptrace(SETFPX, 0, fx)); ptrace(CONT, 0, 0); tell(); tell();
  return 0;
}
