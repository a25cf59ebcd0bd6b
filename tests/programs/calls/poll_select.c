/* poll, select and their relatives; eventfd */
#include "calls.h"
  int main(){ int p[2],q[2]; pipe(p); pipe(q); char b[4096];
  struct pollfd f[4]={{p[0],POLLIN},{p[1],POLLOUT},{-1,POLLIN},{99,POLLIN}};
#define PF(n,t) {S(poll(f,n,t));for(int i=0;i<n;i++)printf(" %x",f[i].revents);printf("\n");}
  PF(4,0); PF(1,10); write(p[1],"x",1); PF(1,-1); PF(2,0); close(q[1]); f[0].fd=q[0]; PF(2,0);
  f[0].events=0; PF(1,0); f[0].fd=p[0]; f[0].events=POLLIN|POLLRDNORM|POLLPRI|POLLHUP; PF(1,0); pipe(q);
  close(q[0]); f[1].fd=q[1]; PF(2,0); S(poll(f,70000000,0)); S(poll((void*)8,1,0)); S(poll(0,0,5));
 int d=open("/dev/null",O_RDWR); f[0].fd=d; f[0].events=0xffff; PF(1,0);
  read(p[0],b,1); CHILD(ms(50);write(p[1],"y",1)); f[0].fd=p[0]; f[0].events=POLLIN; PF(1,1000); wait(0);
  read(p[0],b,1);
  signal(SIGALRM,hit); struct sigaction sa={.sa_handler=hit}; sigaction(SIGUSR1,&sa,0); int pp=getpid();
  CHILD(ms(50);kill(pp,SIGUSR1)); PF(1,1000); wait(0); printf("hits %d\n",hits);
 CHILD(ms(50);kill(pp,SIGSTOP)); int mon=CHILD(ms(100);kill(pp,SIGCONT)); PF(1,200); while(wait(0)>0);
  sigset_t ss,es; sigemptyset(&es); sigemptyset(&ss); sigaddset(&ss,SIGUSR1);
  sigprocmask(SIG_BLOCK,&ss,0); raise(SIGUSR1); struct timespec ts={0,50000000}; S(ppoll(f, 1, &ts, &es));
  printf("hits %d\n",hits); S(ppoll(f,1,&ts,&ss));
  printf("%d %ld hits %d\n",(int)ts.tv_sec,ts.tv_nsec>0,hits); sigprocmask(SIG_SETMASK,0,&es);
  printf("blocked %d\n",sigismember(&es,SIGUSR1)); S(syscall(309,f,1,&ts,&es,7));
  S(syscall(309,f,1,8,0,8)); int t3[2]={0,1000000000}; S(syscall(309,f,1,t3,0,8));
 fd_set r,w,e;
#define SEL(n,t) {FD_ZERO(&r);FD_ZERO(&w);FD_ZERO(&e);FD_SET(p[0],&r);FD_SET(p[1],&w);FD_SET(p[0],&e);struct timeval tv={t,20000};S(select(n,&r,&w,&e,&tv));printf("r %d w %d e %d left %d %d\n",FD_ISSET(p[0],&r),FD_ISSET(p[1],&w),FD_ISSET(p[0],&e),(int)tv.tv_sec,tv.tv_usec>0);}
  SEL(20,0); write(p[1],"x",1); SEL(20,5); read(p[0],b,1); SEL(p[1],0); SEL(0,0); S(select(-1,0,0,0,0));
  FD_ZERO(&r); FD_SET(50,&r); struct timeval tv={0,0}; S(select(51,&r,0,0,&tv));
  S(select(1000,&r,0,0,&tv)); FD_ZERO(&r); FD_SET(500,&r); S(select(1000,&r,0,0,&tv));
  printf("set %d\n",FD_ISSET(500,&r)); S(select(20,(void*)8,0,0,&tv)); tv.tv_usec=-1;
  S(select(1,0,0,0,&tv)); tv.tv_usec=2000000; tv.tv_sec=-1; S(select(1,0,0,0,&tv)); tv.tv_sec=0;
  tv.tv_usec=1500; S(select(0,0,0,0,&tv));
  CHILD(ms(30);kill(pp,SIGALRM)); tv.tv_sec=5; tv.tv_usec=0; S(select(0,0,0,0,&tv));
  printf("%d\n",(int)tv.tv_sec); wait(0);
  int ps[2]={(int)&ss,8}; int pt[2]={0,1000}; S(syscall(308,0,0,0,0,pt,ps)); ps[1]=9;
  S(syscall(308,0,0,0,0,pt,ps)); S(syscall(308,0,0,0,0,pt,8));
 /* eventfd */
  int ev=S(eventfd(5, O_NONBLOCK)); long long v=0; S(read(ev,&v,8)); printf("%lld\n",v); S(read(ev,&v,8));
  S(read(ev,&v,7)); v=-1; S(write(ev,&v,8)); v=-2; S(write(ev,&v,8)); S(write(ev,&v,8));
  f[0]=(struct pollfd){ev,POLLIN|POLLOUT}; PF(1,0); S(read(ev,&v,64)); printf("%llx\n",v); PF(1,0);
  S(write(ev,&v,4)); v=0; S(write(ev,&v,8)); PF(1,0); S(eventfd(0,8));
 return 0;}
