/* epoll: level, edge, oneshot, exclusive, nested; signalfd */
#include "calls.h"
static struct epoll_event E[10]; static int ep;
#define CTL(o,f,ev) ({struct epoll_event e_={ev, 0x100000000ull + f};S(epoll_ctl(ep,o,f,&e_));})
#define W(t) {memset(E,0,sizeof E);int n=S(epoll_wait(ep,E,10,t));for(int i=0;i<n;i++)printf("  %x %llx\n",E[i].events,E[i].data);}
int main(){ int p[2],q[2]; pipe(p); pipe(q); char b[4096]; int pp=getpid();
  S(epoll_create(0)); S(epoll_create(-1)); S(epoll_create1(1)); ep=S(epoll_create1(O_CLOEXEC));
  S(fcntl(ep,F_GETFD));
  W(0); W(10); CTL(1,p[0],EPOLLIN); CTL(1,p[0],EPOLLIN); CTL(3,q[0],EPOLLIN); CTL(2,q[0],EPOLLIN);
  CTL(1,ep,EPOLLIN); CTL(1,999,EPOLLIN); int d=open("/tmp",O_RDONLY); CTL(1,d,EPOLLIN);
  CTL(7,p[0],EPOLLIN); CTL(7,q[0],EPOLLIN); S(epoll_ctl(p[0],1,p[1],E)); S(epoll_ctl(999,1,p[1],E));
  S(epoll_ctl(ep,1,p[1],(void*)8)); S(epoll_ctl(ep,2,q[1],(void*)8));
  W(0); write(p[1],"abc",3); W(0); W(-1); CTL(3,p[0],EPOLLIN|EPOLLET); W(0); W(0); write(p[1],"d",1);
  W(0); W(0); read(p[0],b,1); W(0); CTL(3,p[0],EPOLLIN|EPOLLONESHOT); W(0); W(0);
  CTL(3,p[0],EPOLLIN|EPOLLONESHOT); W(0); CTL(3,p[0],EPOLLOUT); W(0); CTL(3,p[0],0); W(0);
  read(p[0],b,99); CTL(3,p[0],EPOLLIN); CTL(1,p[1],EPOLLOUT|EPOLLET); W(0); W(0);
  fcntl(p[1],F_SETFL,O_NONBLOCK); while(write(p[1],b,4096)>0); W(0); read(p[0],b,4096); W(0);
  while(read(p[0],b,4096)==4096&&hits++<14); hits=0; close(p[1]); W(0); close(p[0]); W(0);
  pipe(p); int p2=dup(p[0]); CTL(1,p[0],EPOLLIN); CTL(1,p2,EPOLLIN); write(p[1],"x",1); W(0); close(p[0]);
  W(0); CTL(2,p2,0); W(0); S(epoll_wait(ep,E,0,0)); S(epoll_wait(ep,E,-1,0));
  S(epoll_wait(ep,(void*)8,1,0)); S(epoll_wait(p2,E,1,0)); S(epoll_wait(99,E,1,0));
 /* nesting */
  int e2=epoll_create1(0); CTL(1,e2,EPOLLIN); int save=ep; ep=e2; CTL(1,save,EPOLLIN);
  CTL(1,q[0],EPOLLIN); ep=save; W(0); write(q[1],"z",1); W(0); ep=e2; W(0); ep=save; W(0);
  struct pollfd pf={e2,POLLIN}; S(poll(&pf,1,0)); read(q[0],b,9); W(0); S(poll(&pf,1,0)); ep=e2;
  CTL(2,q[0],0); ep=save; CTL(2,e2,0);
  int chain[8]; for(int i=0;i<8;i++){chain[i]=epoll_create1(0); if(i){ep=chain[i];
  CTL(1,chain[i-1],EPOLLIN); }} ep=save; for(int i=0;i<8;i++)close(chain[i]);
  CTL(1,q[0],EPOLLIN|EPOLLEXCLUSIVE); CTL(3,q[0],EPOLLIN|EPOLLEXCLUSIVE); CTL(3,q[0],EPOLLIN);
  CTL(2,q[0],0); CTL(1,q[0],EPOLLIN|EPOLLEXCLUSIVE|EPOLLONESHOT); CTL(1,e2,EPOLLIN|EPOLLEXCLUSIVE);
  CTL(1,q[0],EPOLLIN|EPOLLEXCLUSIVE|EPOLLPRI); CTL(1,q[0],EPOLLIN|EPOLLEXCLUSIVE|EPOLLET);
 /* wake */
  CHILD(ms(50);write(q[1],"w",1)); W(-1); wait(0); read(q[0],b,9); CHILD(ms(50);kill(pp,SIGUSR1));
  struct sigaction sa={.sa_handler=hit,.sa_flags=SA_RESTART}; sigaction(SIGUSR1,&sa,0); W(-1); wait(0);
  printf("hits %d\n",hits);
  sigset_t ss,es; sigemptyset(&es); sigemptyset(&ss); sigaddset(&ss,SIGUSR1);
  sigprocmask(SIG_BLOCK,&ss,0); raise(SIGUSR1); S(syscall(319, ep, E, 10, 10, &ss, 8));
  S(syscall(319, ep, E, 10, -1, &es, 8)); printf("hits %d\n",hits); S(syscall(319,ep,E,10,0,&es,4));
  long long ts[2]={0,1000000}; S(syscall(441,ep,E,10,ts,0,8)); ts[1]=1000000000;
  S(syscall(441,ep,E,10,ts,0,8));
 /* signalfd */
  int sf=S(signalfd(-1,&ss,O_NONBLOCK)); struct signalfd_siginfo si; S(read(sf,&si,sizeof si));
  raise(SIGUSR1); pf=(struct pollfd){sf,POLLIN}; S(poll(&pf,1,0)); S(read(sf,&si,sizeof si));
  printf("%d %d %d %d %d\n",si.signo,si.code,si.pid==getpid(),si.uid,si.error); S(poll(&pf,1,0));
  queue(getpid(), SIGUSR1, -77); S(read(sf,&si,127)); S(read(sf,&si,sizeof si));
  printf("%d %d %d %llx\n",si.signo,si.code,si.value,si.ptr);
  fcntl(sf,F_SETFL,0); CTL(1,sf,EPOLLIN); CHILD(ms(30);kill(pp,SIGUSR1)); W(1000); wait(0);
  S(read(sf,&si,sizeof si)); CHILD(ms(30);kill(pp,SIGUSR1)); S(read(sf,&si,sizeof si)); wait(0);
  sigaddset(&ss,SIGCHLD); sigprocmask(SIG_BLOCK,&ss,0); S(signalfd(sf,&ss,0)==sf); CHILD(_exit(7));
  S(read(sf,&si,sizeof si)); printf("%d %d %d\n",si.signo,si.code,si.status); wait(0);
  S(signalfd(q[0],&ss,0)); S(signalfd(99,&ss,0)); S(signalfd(-1, &ss, 1)); S(syscall(327,-1,&ss,4,0));
  S(syscall(321,-1,8,8)); S(syscall(327,-1,8,8,0));
  raise(SIGUSR1); int pid=fork(); if(!pid){ pf.fd=sf; S(poll(&pf,1,0)); _exit(0); } waitpid(pid,0,0);
  S(poll(&pf,1,0));
 return 0;}
