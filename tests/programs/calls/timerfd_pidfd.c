/* timerfd, pidfd, process_vm_readv */
#include "calls.h"
  static struct itimerspec it(int a,int b){return (struct itimerspec){{b/1000,b%1000*1000000},{a/1000,a%1000*1000000}};
  }
  int main(){ int pp=getpid(); int t=S(timerfd_create(CLOCK_MONOTONIC,O_NONBLOCK));
  S(timerfd_create(77,0)); S(timerfd_create(CLOCK_MONOTONIC,1)); S(timerfd_create(2,0));
  unsigned long long v; struct itimerspec o,n; S(read(t,&v,8)); n=it(20,0); S(timerfd_settime(t,0,&n,0));
  S(timerfd_gettime(t,&o)); printf("%d\n",o.it_value.tv_nsec>0); struct pollfd pf={t,POLLIN};
  S(poll(&pf,1,1000)); S(read(t,&v,8)); printf("%llu\n",v); S(timerfd_gettime(t,&o));
  printf("%ld %ld\n",(long)o.it_value.tv_sec,o.it_value.tv_nsec); n=it(20,20);
  S(timerfd_settime(t,0,&n,&o)); ms(110); S(read(t,&v,8)); printf("%llu\n",v); fcntl(t,F_SETFL,0);
  S(read(t,&v,8)); printf("%llu\n",v); S(read(t,&v,7)); n=it(0,0); S(timerfd_settime(t,0,&n,&o));
  printf("%d %ld\n",o.it_value.tv_nsec>0,o.it_interval.tv_nsec); S(timerfd_settime(t,8,&n,&o));
  n.it_value.tv_nsec=1000000000; S(timerfd_settime(t,0,&n,&o)); S(timerfd_settime(0,0,&o,0));
  S(timerfd_settime(99,0,&o,0)); S(timerfd_gettime(0,&o)); S(write(t,&v,8)); S(lseek(t,0,0));
  struct timespec now; clock_gettime(CLOCK_MONOTONIC,&now); now.tv_nsec/=2; n.it_value=now;
  n.it_interval=(struct timespec){0,0}; S(timerfd_settime(t,1,&n,0)); S(read(t,&v,8)); printf("%llu\n",v);
 /* pidfd */
  int c=CHILD(ms(50);_exit(3)); int pf1=S(syscall(434,c,0)); S(fcntl(pf1,F_GETFD));
  pf=(struct pollfd){pf1,POLLIN}; S(poll(&pf,1,0)); S(poll(&pf,1,1000)); printf("%x\n",pf.revents);
  siginfo_t si; memset(&si,0,sizeof si); S(waitid(3,pf1,&si,WEXITED));
  printf("%d %d %d\n",si.si_pid==c,si.si_status,si.si_code); S(waitid(3,pf1,&si,WEXITED));
  S(poll(&pf,1,0)); printf("%x\n",pf.revents); S(syscall(424,pf1,0,0,0)); S(syscall(434,c,0));
  S(syscall(434,0,0)); S(syscall(434,-1,0)); S(syscall(434,pp,1)); int me=S(syscall(434,pp,0));
  S(waitid(3,me,&si,WEXITED)); S(waitid(3,0,&si,WEXITED)); S(waitid(3,-1,&si,WEXITED));
  signal(SIGUSR1,hit); S(syscall(424,me,SIGUSR1,0,0)); printf("hits %d\n",hits);
  S(syscall(424,me,99,0,0)); S(syscall(424,me,0,0,9)); S(syscall(424,0,0,0,0)); memset(&si,0,sizeof si);
  si.si_signo=SIGUSR1; S(syscall(424,me,SIGUSR1,&si,0)); S(syscall(424,me,SIGUSR2,&si,0)); si.si_code=-1;
  S(syscall(424,me,SIGUSR1,&si,0)); printf("hits %d\n",hits);
  c=CHILD(pause()); pf1=syscall(434,c,O_NONBLOCK); S(waitid(3,pf1,&si,WEXITED));
  S(waitid(3,pf1,&si,WEXITED|WNOHANG)); S(syscall(438,pf1,1,0)); S(syscall(438,pf1,77,0));
  S(syscall(438,pf1,1,1)); S(syscall(438,1,1,0)); S(syscall(424,pf1,9,0,0)); ms(20);
  S(waitid(3,pf1,&si,WEXITED)); printf("%d %d\n",si.si_status,si.si_code); S(syscall(438,pf1,1,0));
 /* process_vm */
  char*m=mmap(0,3*4096,3,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); munmap(m+8192,4096); strcpy(m,"parent");
  int p[2]; pipe(p); c=CHILD(strcpy(m,"child!"); memset(m+4096,'c',4096); write(p[1],"x",1); pause());
  char b[9000]={0}; read(p[0],b,1); struct iovec l={b,7},r={m,7}; S(syscall(347,c,&l,1,&r,1,0));
  printf("%s %s\n",b,m); strcpy(b,"poked"); S(syscall(348,c,&l,1,&r,1,0)); memset(b,0,9000);
  S(syscall(347,c,&l,1,&r,1,0)); printf("%s %s\n",b,m); l.iov_len=9000; r.iov_len=9000;
  S(syscall(347,c,&l,1,&r,1,0)); printf("%c\n",b[8191]); r.iov_base=m+8192; S(syscall(347,c,&l,1,&r,1,0));
  S(syscall(347,c,&l,1,&r,1,1)); S(syscall(347,99999,&l,1,&r,1,0)); S(syscall(347,c,&l,0,&r,1,0));
  S(syscall(347,c,&l,1,&r,0,0)); S(syscall(347,c,8,1,&r,1,0)); S(syscall(347,c,&l,1,8,1,0));
  S(syscall(347,c,&l,2000,&r,1,0));
  struct iovec l2[3]={{b,3},{b+10,0},{b+20,5}},r2[2]={{m,2},{m+4090,20}}; S(syscall(347,c,l2,3,r2,2,0));
  printf("%.3s %.5s\n",b,b+20); if(0)setuid(1000);
  int c2=CHILD(setuid(1000); errno=0; S(syscall(347,c,&l2,1,&r2,1,0)); S(syscall(424,syscall(434,c,0),0,0,0));S(syscall(438,syscall(434,c,0),0,0)));
  waitpid(c2,0,0); kill(c,9); wait(0);
 return 0;}
