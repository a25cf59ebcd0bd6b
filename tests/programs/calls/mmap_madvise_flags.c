/* flags of mmap, madvise and their neighbours */
#include "calls.h"
#define M(a,l,p,f,fd,o) ({errno=0;void*r_=mmap(a,l,p,f,fd,o);printf("%-60s %s %d\n","mmap " #a " " #l " " #p " " #f " " #fd " " #o,r_==MAP_FAILED?"fail":"ok",r_==MAP_FAILED?errno:0);r_;})
int main(){
  int z=open("/dev/zero",O_RDONLY); void*p=M(0,4096,PROT_READ,MAP_SHARED,z,0);
  S(mprotect(p,4096,PROT_READ|PROT_WRITE)); M(0,4096,PROT_READ|PROT_WRITE,MAP_SHARED,z,0);
  int fd=open("/tmp/v.dat",O_CREAT|O_RDWR,0600); write(fd,"abc",3); int ro=open("/tmp/v.dat",O_RDONLY);
  int wo=open("/tmp/v.dat",O_WRONLY);
  M(0,4096,PROT_READ,MAP_SHARED,wo,0); M(0,4096,PROT_WRITE,MAP_PRIVATE,wo,0);
  M(0,4096,PROT_WRITE,MAP_SHARED,ro,0); M(0,4096,PROT_WRITE,MAP_PRIVATE,ro,0);
 p=M(0,4096,PROT_READ,MAP_SHARED,ro,0); S(mprotect(p,4096,3));
  M(0,0,1,MAP_PRIVATE,fd,0); M(0,4096,1,0,fd,0); M(0,4096,1,MAP_ANONYMOUS,-1,0); M(0,4096,1,3,fd,0);
  M(0,4096,1,3|MAP_ANONYMOUS,-1,0); M(0,4096,1,4|MAP_ANONYMOUS,-1,0); M(0,4096,1,MAP_PRIVATE,-1,0);
  M(0,4096,1,MAP_PRIVATE,99,0); M(0,4096,1,MAP_PRIVATE|MAP_ANONYMOUS,99,0);
  M(0,4096,1,MAP_PRIVATE|MAP_ANONYMOUS|0x80000000,-1,0); M(0,4096,1,MAP_SHARED_VALIDATE,fd,0);
  M(0,4096,1,MAP_SHARED_VALIDATE|0x800000,fd,0); M(0,4096,1,MAP_SHARED_VALIDATE|MAP_SYNC,fd,0);
  M(0,4096,1,MAP_SHARED_VALIDATE|MAP_ANONYMOUS,-1,0);
  M((void*)1,4096,1,MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED,-1,0);
  M((void*)0xfffff000,4096,1,MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED,-1,0);
  M(0,0xfffff001,1,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); M(0,0xf0000000,1,MAP_PRIVATE|MAP_ANONYMOUS,-1,0);
  M(0,1<<22,1,MAP_PRIVATE|MAP_ANONYMOUS|0x40000,-1,0); M(0,1<<22,1,MAP_PRIVATE|MAP_ANONYMOUS|0x40000|1<<26,-1,0);
  M(0,1<<22,1,MAP_PRIVATE|MAP_ANONYMOUS|0x40000|63<<26,-1,0); M(0,4096,3,~0,fd,0); S(syscall(395,0,1<<22,04600)); S(syscall(395,0,1<<22,04600|1<<26));
  int pf[2]; pipe(pf); M(0,4096,1,MAP_PRIVATE,pf[0],0); int d=open("/tmp",O_RDONLY);
  M(0,4096,1,MAP_PRIVATE,d,0); M(0,4096,1,MAP_SHARED|MAP_GROWSDOWN,fd,0);
  M(0,4096,1,MAP_PRIVATE|MAP_GROWSDOWN,fd,0); M(0,4096,1,MAP_SHARED|MAP_GROWSDOWN|MAP_ANONYMOUS,-1,0);
  M(0,4096,1,MAP_PRIVATE|MAP_GROWSDOWN|MAP_ANONYMOUS,-1,0);
 char*m=M(0,8*4096,3,MAP_PRIVATE|MAP_ANONYMOUS,-1,0); m[0]=1;
  M(m,4096,3,MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE,-1,0); munmap(m+4096*3,4096);
  void*q=M(m+4096*3,4096,3,MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE,-1,0);
  printf("%d\n",q==m+4096*3); munmap(q,4096);
  for(int a=-1;a<25;a++){errno=0; int r=madvise(m,4096,a); printf("madvise %d: %d %d",a,r,errno); errno=0;
  r=madvise(m,0,a); printf(" len0 %d %d",r,errno); errno=0; r=madvise(m+1,4096,a);
  printf(" unal %d %d",r,errno); errno=0; r=madvise(m,5*4096,a); printf(" hole %d %d",r,errno); errno=0;
  r=madvise(p,4096,a); printf(" shared %d %d",r,errno); printf("\n"); }
 for(int a=100;a<102;a++){errno=0;int r=madvise(m,4096,a);printf("madvise %d: %d %d\n",a,r,errno);}
  mlock(m,4096); for(int a=0;a<26;a++){errno=0; int r=madvise(m,4096,a);
  printf("locked madvise %d: %d %d\n",a,r,errno); } munlock(m,4096);
  S(mprotect(m+1,4096,1)); S(mprotect(m,0,1)); S(mprotect(m,4096,16)); S(mprotect(m,4096*5,1));
  S(mprotect((void*)0xfffff000,8192,1)); S(mprotect(m,4096,PROT_GROWSDOWN|1));
  S(mprotect(m,4096,PROT_GROWSDOWN|PROT_GROWSUP|1));
  S(munmap(m+1,4096)); S(munmap(m,0)); S(munmap((void*)0xfffff000,8192));
  S(msync(m,4096,MS_ASYNC|MS_SYNC)); S(msync(m,4096,8)); S(msync(m+1,4096,MS_ASYNC));
  S(msync(m+3*4096,4096,MS_ASYNC)); S(mlock(m+3*4096,4096)); S(munlock(m+3*4096,4096)); S(mlockall(0));
  S(mlockall(8)); S(munlockall());
  unsigned char v[8]; S(mincore(m+1,4096,v)); S(mincore(m,4096*5,v)); S(mincore(m,4096,(void*)1));
  S(mincore(m,0,v));
  S(syscall(163,m+1,4096,4096,1)); S(syscall(163,m,4096,0,1)); S(syscall(163,m,4096,4096,8));
  S(syscall(163,m,4096,4096,2,m)); S(syscall(163,m,8192,4096,3,m+4096));
  S(syscall(163,m+3*4096,4096,8192,1));
 unlink("/tmp/v.dat"); return 0;}
