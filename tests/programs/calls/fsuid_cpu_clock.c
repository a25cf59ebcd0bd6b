/* setfsuid of -1, sleeping on CPU clocks */
#include "calls.h"
  int main(){ S(syscall(138,-1)); S(syscall(138,0xffff)); S(syscall(138,5)); S(syscall(138,-1));
  S(syscall(138,7)); S(syscall(215,-1)); S(syscall(215,9)); S(syscall(215,-1)); S(syscall(215,0));
  S(syscall(139,-1)); S(syscall(139,0xffff)); S(syscall(139,5)); S(syscall(139,-1)); S(syscall(139,7));
  S(syscall(216,-1)); S(syscall(216,9)); S(syscall(216,-1)); S(syscall(216,0));
S(setreuid(-1,1000)); S(syscall(215,-1));S(syscall(215,0));S(syscall(215,77));S(syscall(215,-1));
  struct timespec t={0,1}; for(int c=-10;c<8;c++){ if(c==2||(c<0&&!(c&4)))continue; errno=0;
  long r=syscall(267,c,0,&t,0); printf("%d: %ld %d\n",c,r,errno); } errno=0;
 return 0;}
