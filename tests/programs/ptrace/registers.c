// title: GETREGS, SETREGS, USER, FPREGS and FPXREGS; what may not be changed
// expect stdout: 1 stopped by 5, event 0
// expect stdout: siginfo: signal 5, code 0x80
// expect stdout: getregs: 0
// expect stdout: eax 1 ecx 3 edx 4 esi 5 edi 1111 orig -1
// expect stdout: user segments: 3 3 3
// expect stdout: peek esi: 5
// expect stdout: poke esi: 0
// expect stdout: peek esi: 77
// expect stdout: cs 0: -5
// expect stdout: ss of ring 0: -5
// expect stdout: ds of ring 0: -5
// expect stdout: fs 0: 0
// expect stdout: odd: -5
// expect stdout: far: -5
// expect stdout: debug register: 0
// expect stdout: getfpregs: 0
// expect stdout: control 37f, st0 is pi: 1
// expect stdout: getfpxregs: 0
// expect stdout: st0 is pi: 1, xmm3 1 4
// expect stdout: setfpxregs: 0
// expect stdout: xmm3 4242
// expect stdout: setfpregs: 0
// expect stdout: control 27f, st0 is pi: 1
// expect stdout: setregs: 0
// expect stdout: flags kept: 66048
// expect stdout: nowhere: -14
// expect stdout: from nowhere: -14
// expect stdout: 1 exited 42
#include "trace.h"
static long regs[17], before[17];
static unsigned char fp[108], fx[512];
void loaded(void);
static const int four[4] __attribute__((used)) = {1, 2, 3, 4};
__asm__(".text\nloaded: fldpi\n movups four, %xmm3\n movl $1, %eax\n movl $3, %ecx\n movl $4, %edx\n"
        " movl $5, %esi\n movl $0x1111, %edi\n int3\n leal (%eax,%ecx), %ebx\n movl $1, %eax\n int $0x80\n");
static int is_pi(const unsigned char *st) { return st[0] == 0x35 && st[8] == 0x00 && st[9] == 0x40; }
int main(void) {
  pid_t pid;
  fflush(stdout);
  pid = fork();
  if (!pid) {
    pt(TRACEME, 0, 0, 0);
    loaded();
  }
  wait_for(pid);
  info_of(pid);
  say("getregs", pt(GETREGS, pid, 0, (long)regs));
  printf("eax %ld ecx %ld edx %ld esi %ld edi %lx orig %ld\n", regs[AX], regs[CX], regs[DX], regs[SI_], regs[DI_], regs[ORIG]);
  printf("user segments: %d %d %d\n", (int)regs[CS] & 3, (int)regs[SS] & 3, (int)regs[DS] & 3);
  memcpy(before, regs, sizeof regs);
  say("peek esi", reg(pid, SI_));
  say("poke esi", pt(POKEUSR, pid, SI_ * 4, 77));
  say("peek esi", reg(pid, SI_));
  say("cs 0", pt(POKEUSR, pid, CS * 4, 0));
  say("ss of ring 0", pt(POKEUSR, pid, SS * 4, 0x60));
  say("ds of ring 0", pt(POKEUSR, pid, DS * 4, 0x10));
  say("fs 0", pt(POKEUSR, pid, FS * 4, 0));
  say("odd", pt(POKEUSR, pid, 2, 0));
  say("far", pt(PEEKUSR, pid, 4096, (long)regs));
  say("debug register", reg(pid, 63));
  say("getfpregs", pt(GETFPREGS, pid, 0, (long)fp));
  printf("control %x, st0 is pi: %d\n", fp[0] | fp[1] << 8, is_pi(fp + 28));
  say("getfpxregs", pt(GETFPXREGS, pid, 0, (long)fx));
  printf("st0 is pi: %d, xmm3 %d %d\n", is_pi(fx + 32), *(int *)(fx + 160 + 48), *(int *)(fx + 160 + 60));
  *(int *)(fx + 160 + 48) = 4242;
  say("setfpxregs", pt(SETFPXREGS, pid, 0, (long)fx));
  memset(fx, 0, sizeof fx);
  pt(GETFPXREGS, pid, 0, (long)fx);
  printf("xmm3 %d\n", *(int *)(fx + 160 + 48));
  fp[0] = 0x7f, fp[1] = 2;
  say("setfpregs", pt(SETFPREGS, pid, 0, (long)fp));
  memset(fp, 0, sizeof fp);
  pt(GETFPREGS, pid, 0, (long)fp);
  printf("control %x, st0 is pi: %d\n", fp[0] | fp[1] << 8, is_pi(fp + 28));
  before[AX] = 30, before[CX] = 12, before[FL] = ~0x100;
  say("setregs", pt(SETREGS, pid, 0, (long)before));
  say("flags kept", reg(pid, FL) & 0x3b3200);
  say("nowhere", pt(GETREGS, pid, 0, 0));
  say("from nowhere", pt(SETREGS, pid, 0, 0));
  before[FL] = 0x202;
  pt(SETREGS, pid, 0, (long)before);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  return 0;
}
