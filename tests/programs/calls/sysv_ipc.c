/* System V's messages, shared memory, semaphores */
#include "calls.h"
struct mb{long t;char b[9000];} m={5,"hello"};
  int main(){ int key=0x7700+getpid()%100; int q=Z(syscall(399, IPC_PRIVATE,0600));
  S(syscall(400, q,&m,5,0)); m.t=0; S(syscall(400, q,&m,5,0)); m.t=-1; S(syscall(400, q,&m,5,0)); m.t=3;
  S(syscall(400, q,&m,8193,0)); S(syscall(400, q,&m,-1,0)); S(syscall(400, -1,&m,1,0));
  S(syscall(400, 0x7fff0000,&m,1,0)); S(syscall(400, q,(void*)8,1,0)); m.t=3; strcpy(m.b,"three");
  S(syscall(400, q,&m,6,0)); m.t=7; strcpy(m.b,"seven"); S(syscall(400, q,&m,6,IPC_NOWAIT));
  struct msqid_ds ds; S(syscall(402, q,IPC_STAT,&ds));
  printf("%d %lu %o %lu pid %d %d\n",(int)ds.qnum,ds.cbytes,ds.perm.mode,ds.qbytes,ds.lspid==getpid(),ds.lrpid);
 struct mb r;
#define RCV(sz,ty,f) {memset(&r,0,sizeof r);S(syscall(401, q,&r,sz,ty,f));printf("  %ld %.20s\n",r.t,r.b);}
  RCV(3,0,0); RCV(3,0,MSG_NOERROR); RCV(99,9,IPC_NOWAIT); RCV(99,-5,0); RCV(99,7,MSG_EXCEPT|IPC_NOWAIT);
  RCV(99,3,MSG_EXCEPT); RCV(99,0,IPC_NOWAIT); S(syscall(401, q,&r,-1,0,0)); S(syscall(401, -1,&r,1,0,0));
  S(syscall(401, q,&r,1,0,040000));
  m.t=1; memset(m.b,'x',8000); S(syscall(400, q,&m,8000,0)); S(syscall(400, q,&m,8000,0));
  S(syscall(400, q,&m,8000,IPC_NOWAIT)); int c=CHILD(m.t=2;S(syscall(400, q,&m,8000,0))); ms(30);
  RCV(9000,1,0); wait(0); RCV(9000,2,0); RCV(9000,1,0);
  c=CHILD(RCV(100,4,0)); ms(20); m.t=4; strcpy(m.b,"four"); S(syscall(400, q,&m,5,0)); wait(0);
  c=CHILD(RCV(2,4,0)); ms(20); S(syscall(400, q,&m,5,0)); wait(0); RCV(100,0,IPC_NOWAIT);
  struct sigaction sa={.sa_handler=hit,.sa_flags=SA_RESTART}; sigaction(SIGUSR1,&sa,0); int pp=getpid();
  CHILD(ms(20);kill(pp,SIGUSR1)); RCV(9,0,0); wait(0);
  ds.qbytes=100; ds.perm.mode=0666; S(syscall(402, q,IPC_SET,&ds)); S(syscall(402, q,IPC_STAT,&ds));
  printf("%lu %o\n",ds.qbytes,ds.perm.mode); m.t=1; S(syscall(400, q,&m,100,0));
  S(syscall(400, q,&m,1,IPC_NOWAIT)); c=CHILD(S(syscall(400, q,&m,1,0))); ms(20);
  S(syscall(402, q,IPC_RMID,0)); wait(0); S(syscall(402, q,IPC_RMID,0)); S(syscall(402, q,IPC_STAT,&ds));
  S(syscall(402, 0,999,&ds));
  q=Z(syscall(399, key,IPC_CREAT|0600)); S(syscall(399, key,IPC_CREAT|IPC_EXCL|0600));
  S(syscall(399, key,0)==q); S(syscall(399, key+1,0)); S(syscall(399, key,0666)==q);
  c=CHILD(setuid(1000);S(syscall(399, key,0600));S(syscall(399, key,0)==q);S(syscall(400, q,&m,1,0));S(syscall(401, q,&m,1,0,IPC_NOWAIT));S(syscall(402, q,IPC_STAT,&ds));S(syscall(402, q,IPC_RMID,0)));
  wait(0); S(syscall(402, q,IPC_RMID,0));
 /* shm */
  int s=Z(syscall(395, IPC_PRIVATE,5000,0600)); S(syscall(395, IPC_PRIVATE,0,0600));
  S(syscall(395, key+5,10,0)); struct shmid_ds sd; char*a=syscall(397, s,0,0);
  printf("%d\n",a!=(void*)-1); strcpy(a,"shared"); char*b=syscall(397, s,0,SHM_RDONLY); printf("%s\n",b);
  S(syscall(396, s,IPC_STAT,&sd));
  printf("%d %lu %o %d %d\n",(int)sd.segsz,sd.nattch,sd.perm.mode,sd.cpid==getpid(),sd.lpid==getpid());
  c=CHILD(strcpy(a,"child");syscall(396, s,IPC_STAT,&sd);printf("%lu\n",sd.nattch);syscall(398, a);syscall(396, s,IPC_STAT,&sd);printf("%lu\n",sd.nattch));
  wait(0); printf("%s\n",b); S(syscall(396, s,IPC_STAT,&sd)); printf("%lu\n",sd.nattch); c=CHILD(*b='x');
  int st; wait(&st); printf("%d\n",st&0x7f);
  S(syscall(398, a+1)); S(syscall(398, a+4096)); S(syscall(398, (void*)0x1000));
  S((long)syscall(397, s,a+1,0)); S((long)syscall(397, s,a,0)); Z(syscall(397, s,a+100,SHM_RND));
  S((long)syscall(397, s,a,SHM_REMAP)==(long)a); S((long)syscall(397, s,0,SHM_REMAP));
  S((long)syscall(397, -1,0,0)); S((long)syscall(397, 0x7fff0000,0,0)); S(syscall(396, s,IPC_STAT,&sd));
  printf("%lu\n",sd.nattch);
  S(syscall(396, s,SHM_LOCK,0)); S(syscall(396, s,IPC_STAT,&sd)); printf("%o\n",sd.perm.mode);
  S(syscall(396, s,SHM_UNLOCK,0)); sd.perm.mode=0444; S(syscall(396, s,IPC_SET,&sd));
  c=CHILD(setuid(1000);S((long)syscall(397, s,0,0));Z(syscall(397, s,0,SHM_RDONLY));S(syscall(396, s,IPC_RMID,0));S(syscall(396, s,SHM_LOCK,0));S(syscall(396, s,IPC_SET,&sd)));
  wait(0);
  S(syscall(396, s,IPC_RMID,0)); printf("%s\n",a); S(syscall(396, s,IPC_STAT,&sd));
  printf("%o %lu key %d\n",sd.perm.mode,sd.nattch,sd.perm.key); Z(syscall(397, s,0,0));
  S(syscall(398, a)); S(syscall(398, b)); S(syscall(396, s,IPC_STAT,&sd)); printf("%lu\n",sd.nattch);
  s=Z(syscall(395, key,4096,IPC_CREAT|0640)); S(syscall(395, key,4097,0)); S(syscall(395, key,100,0)==s);
  S(syscall(395, key,4096,IPC_CREAT|IPC_EXCL)); S(syscall(395, key,0,0)==s);
  S(syscall(396, s,IPC_RMID,0)); S(syscall(395, key,1,0)); S(syscall(396, s,99,0));
  S(syscall(396, s,IPC_STAT,&sd));
 struct shminfo si; Z(syscall(396, 0,IPC_INFO,(void*)&si)); printf("%lu %lu\n",si.shmmin,si.shmmni);
 /* sem */
  int e=Z(syscall(393, IPC_PRIVATE,3,0600)); S(syscall(393, IPC_PRIVATE,0,0600)); struct semid_ds se;
  S(syscall(394, e,0,IPC_STAT,&se)); printf("%d\n",se.nsems);
  struct sembuf sb[2]={{0,1,0},{1,-1,IPC_NOWAIT}}; S(syscall(117, 1, e, 1, 0, sb));
  S(syscall(117, 1, e, 2, 0, sb)); S(syscall(394, e,0,GETVAL)); struct timespec ts={0,10000000};
  sb[1].flg=0; S(syscall(117, 4, e, 1, 0, sb + 1, &ts)); sb[1].num=5; S(syscall(117, 1, e, 1, 0, sb + 1));
  S(syscall(394, e,0,IPC_RMID)); S(syscall(394, e,0,GETVAL));
 return 0;}
