/* System V's objects in a namespace of their own: who may, what is told, identifiers, what does not fit */
#include "calls.h"
#define msgget(k, f) syscall(399, k, f)
#define msgsnd(q, p, n, f) syscall(400, q, p, n, f)
#define msgrcv(q, p, n, t, f) syscall(401, q, p, n, t, f)
#define msgctl(q, c, p) syscall(402, q, c, p)
#define shmget(k, n, f) syscall(395, k, n, f)
#define shmctl(i, c, p) syscall(396, i, c, p)
#define shmat(i, a, f) syscall(397, i, a, f)
#define shmdt(a) syscall(398, a)
#define semget(k, n, f) syscall(393, k, n, f)
#define semctl(i, n, c, a) syscall(394, i, n, c, a)
#define as(u, g) (syscall(206, 1, (unsigned[]){77}), syscall(204, g, g), syscall(203, u, u))
enum { MSG_STAT = 11, MSG_INFO, MSG_STAT_ANY, SHM_STAT = 13, SHM_INFO, SHM_STAT_ANY, MSG_COPY = 040000 };
struct { long t; char b[9000]; } m = {1, "text"}, r;
static struct msqid_ds qd; static struct shmid_ds sd; static struct semid_ds ed; static unsigned info[16];
#define OPEN(u, g, what, ids) { for (int i_ = 0; i_ < 8; i_++) { int id_ = ids[i_]; printf("%d/%d %d: %ld\n", u, g, i_, ({ errno = 0; long r_ = (long)(what); r_ == -1 ? -errno : 0; })); } }
static void perm(struct ipc_perm *p) { printf("  %o %d %d %d %d\n", p->mode, p->uid, p->gid, p->cuid, p->cgid); }
/* Objects of user 10 and group 20, given to 11 and 21: bits of one class each. */
static void rights(void) {
  static const int modes[8] = {0, 0400, 0200, 0040, 0020, 0004, 0002, 0666}; int q[8], s[8], e[8];
  CHILD(as(10, 20); for (int i = 0; i < 8; i++) { msgget(100 + i, IPC_CREAT | modes[i]); shmget(100 + i, 4096, IPC_CREAT | modes[i]); semget(100 + i, 1, IPC_CREAT | modes[i]); }); reap();
  for (int i = 0; i < 8; i++) {
    q[i] = msgget(100 + i, 0); s[i] = shmget(100 + i, 0, 0); e[i] = semget(100 + i, 0, 0); printf("%d %d %d\n", q[i] % 32768, s[i] % 32768, e[i] % 32768);
    msgctl(q[i], IPC_STAT, &qd); perm(&qd.perm); qd.perm.uid = 11; qd.perm.gid = 21; S(msgctl(q[i], IPC_SET, &qd)); msgctl(q[i], IPC_STAT, &qd); perm(&qd.perm);
    shmctl(s[i], IPC_STAT, &sd); sd.perm.uid = 11; sd.perm.gid = 21; sd.perm.mode |= 07000; S(shmctl(s[i], IPC_SET, &sd)); shmctl(s[i], IPC_STAT, &sd); perm(&sd.perm);
    msgsnd(q[i], &m, 1, 0);
  }
  static const int who[][2] = {{10, 1}, {11, 1}, {1, 20}, {1, 21}, {1, 77}, {1, 1}, {0, 0}};
  for (int w = 0; w < 7; w++) {
    CHILD(is_child = 0; if (who[w][0]) as(who[w][0], who[w][1]); int u = who[w][0], g = who[w][1];
      OPEN(u, g, msgctl(id_, IPC_STAT, &qd), q); OPEN(u, g, msgsnd(id_, &m, 1, IPC_NOWAIT), q); OPEN(u, g, msgrcv(id_, &r, 9, 0, IPC_NOWAIT), q);
      OPEN(u, g, shmat(id_, 0, 0) == -1 ? -1 : 0, s); OPEN(u, g, shmat(id_, 0, SHM_RDONLY) == -1 ? -1 : 0, s); OPEN(u, g, shmat(id_, 0, SHM_RDONLY | 0100000) == -1 ? -1 : 0, s);
      OPEN(u, g, semctl(id_, 0, GETVAL, 0), e); OPEN(u, g, semctl(id_, 0, 16, 1), e);
      for (int i = 0; i < 8; i++) for (int f = 0; f < 0700; f += 0100) printf("%d %o: %d\n", i, f, msgget(100 + i, f) < 0 ? errno : 0);
      for (int i = 0; i < 8; i++) for (int f = 0; f < 8; f++) printf("%d %o: %d\n", i, f, shmget(100 + i, 1, f) < 0 ? errno : 0);
      shmctl(s[0], SHM_STAT, &sd); OPEN(u, g, msgctl(i_, MSG_STAT, &qd) < 0 ? -1 : 0, q); OPEN(u, g, msgctl(i_, MSG_STAT_ANY, &qd) < 0 ? -1 : 0, q); OPEN(u, g, shmctl(i_, SHM_STAT, &sd) < 0 ? -1 : 0, q); OPEN(u, g, shmctl(i_, SHM_STAT_ANY, &sd) < 0 ? -1 : 0, q);
      memset(&qd, 0, sizeof qd); qd.perm.uid = 11; qd.perm.gid = 21; qd.perm.mode = modes[3]; qd.qbytes = 16384; S(msgctl(q[3], IPC_SET, &qd)); qd.qbytes = 16385; if (who[w][0]) S(msgctl(q[3], IPC_SET, &qd));
      S(shmctl(s[3], 11, 0)); S(shmctl(s[3], 12, 0)); int limit[2] = {4095, 4095}; syscall(75, 8, limit); S(shmctl(s[3], 11, 0)); S(shmctl(s[3], 12, 0)); limit[0] = 0; syscall(75, 8, limit); S(shmctl(s[3], 11, 0)); S(shmctl(s[3], 12, 0));
      if (w > 1 && w < 6) { S(msgctl(q[7], IPC_RMID, 0)); S(shmctl(s[7], IPC_RMID, 0)); }); reap();
  }
  msgctl(q[2], IPC_STAT, &qd); qd.perm.uid = -1; S(msgctl(q[2], IPC_SET, &qd)); qd.perm.uid = 0; qd.perm.gid = -1; S(msgctl(q[2], IPC_SET, &qd)); S(msgctl(q[2], IPC_SET, 8)); S(msgctl(q[2], IPC_STAT, 8));
  S(msgctl(0, IPC_INFO, info)); printf("%u %u %u %u\n", info[2], info[3], info[4], info[5]); S(msgctl(0, MSG_INFO, info)); printf("%u %u %u\n", info[0], info[1], info[6]); S(msgctl(0, MSG_INFO, 8));
  S(shmctl(0, IPC_INFO, info)); printf("%u %u %u\n", info[1], info[2], info[3]); S(shmctl(0, SHM_INFO, info)); printf("%u %u %u\n", info[0], info[1], info[2]); S(shmctl(0, SHM_INFO, 8)); S(shmctl(0, IPC_INFO, 8));
  S(msgctl(99, MSG_STAT, &qd)); S(msgctl(-1, IPC_STAT, &qd)); S(msgctl(q[1], -1, &qd)); S(msgctl(q[1], 99, &qd)); S(shmctl(-1, IPC_STAT, &sd)); S(shmctl(s[1], -1, &sd)); S(shmctl(99, SHM_STAT, &sd)); S(shmctl(s[1] + 32768, IPC_STAT, &sd));
  for (int w = 10; w < 12; w++) { CHILD(as(w, 1); S(msgctl(q[w - 10], IPC_RMID, 0)); S(shmctl(s[w - 10], IPC_RMID, 0))); reap(); }
  for (int i = 2; i < 8; i++) { S(msgctl(q[i], IPC_RMID, 0)); S(shmctl(s[i], IPC_RMID, 0)); semctl(e[i], 0, IPC_RMID, 0); }
  S(msgctl(0, MSG_INFO, info)); printf("%u %u %u\n", info[0], info[1], info[6]); S(shmctl(0, SHM_INFO, info)); printf("%u %u %u\n", info[0], info[1], info[2]);
}
static void identifiers(void) {
  int a = msgget(IPC_PRIVATE, 0600), b = msgget(IPC_PRIVATE, 0600), c = msgget(5, IPC_CREAT | 0600); S(b - a != 0 && c - b != 0); S(msgctl(b, IPC_RMID, 0)); S(msgctl(a, IPC_RMID, 0));
  S(msgget(IPC_PRIVATE, 0600) != a); S(msgget(5, IPC_EXCL) == c); S(msgget(5, IPC_CREAT) == c); S(msgget(5, IPC_CREAT | IPC_EXCL)); S(msgget(6, IPC_EXCL)); S(msgctl(c % 32768, MSG_STAT, &qd) == c); printf("key %d\n", qd.perm.key);
  S(shmget(7, 4096, 0)); S(shmget(8, 0, IPC_CREAT)); S(shmget(8, 1, IPC_CREAT | 0600) > 0); S(shmget(8, 2, 0)); S(shmget(8, 1, 0) > 0); S(shmget(8, 2, IPC_CREAT | IPC_EXCL)); S(shmctl(shmget(8, 0, 0), IPC_RMID, 0)); S(msgctl(c, IPC_RMID, 0));
}
#define RCV(size, type, f) { memset(&r, 0, sizeof r); S(msgrcv(q, &r, size, type, f)); printf("  %ld %.9s\n", r.t, r.b); }
#define SND(type, text) { m.t = type; strcpy(m.b, text); S(msgsnd(q, &m, strlen(text), IPC_NOWAIT)); }
static void messages(void) {
  int q = S(msgget(IPC_PRIVATE, 0600) > 0), pid = getpid(); q = msgget(9, IPC_CREAT | 0600); SND(3, "aaa"); SND(1, "b"); SND(2, "cc"); SND(1, "dddd");
  for (int n = -1; n < 5; n++) RCV(9, n, MSG_COPY | IPC_NOWAIT); RCV(2, 0, MSG_COPY | IPC_NOWAIT); RCV(2, 0, MSG_COPY | IPC_NOWAIT | MSG_NOERROR); RCV(2, 0, MSG_COPY); RCV(2, 0, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT);
  RCV(0, 0, IPC_NOWAIT); RCV(0, 0, IPC_NOWAIT | MSG_NOERROR); RCV(9, -2, 0); RCV(9, 1, MSG_EXCEPT); RCV(9, -1, 0); RCV(9, -1, IPC_NOWAIT); S(msgrcv(q, 8, 9, 0, IPC_NOWAIT)); SND(0x7fffffff, "max"); RCV(9, 0x80000000, IPC_NOWAIT); SND(4, "x"); S(msgrcv(q, 8, 9, 0, IPC_NOWAIT)); RCV(9, 0, IPC_NOWAIT);
  S(msgctl(q, IPC_STAT, &qd)); printf("%d %d %d %d\n", qd.qnum, qd.cbytes, qd.lspid == pid, qd.lrpid == pid); qd.qbytes = 4; S(msgctl(q, IPC_SET, &qd)); SND(1, ""); SND(1, ""); SND(1, "abc"); SND(1, "d"); SND(1, ""); RCV(9, 0, 0); SND(1, "de"); SND(1, "e"); SND(1, ""); S(msgctl(q, IPC_STAT, &qd)); printf("%d %d\n", qd.qnum, qd.cbytes);
  qd.qbytes = 5; CHILD(m.t = 2; S(msgsnd(q, &m, 1, 0))); ms(30); S(msgctl(q, IPC_SET, &qd)); reap(); RCV(9, 0, 0); CHILD(as(10, 20); m.t = 2; S(msgsnd(q, &m, 1, 0))); reap();
  qd.perm.mode = 0666; qd.qbytes = 1; S(msgctl(q, IPC_SET, &qd)); int c = CHILD(as(10, 20); m.t = 2; S(msgsnd(q, &m, 1, 0))); ms(30); qd.perm.mode = 0600; qd.qbytes = 100; S(msgctl(q, IPC_SET, &qd)); reap();
  while (msgrcv(q, &r, 9, 0, IPC_NOWAIT) >= 0); qd.perm.mode = 0666; S(msgctl(q, IPC_SET, &qd)); CHILD(as(10, 20); S(msgrcv(q, &r, 9, 0, 0))); ms(30); qd.perm.mode = 0640; S(msgctl(q, IPC_SET, &qd)); reap(); SND(8, "late"); qd.qbytes = 1; S(msgctl(q, IPC_SET, &qd));
  c = CHILD(signal(SIGUSR1, hit); m.t = 2; S(msgsnd(q, &m, 1, 0))); ms(30); kill(c, SIGUSR1); reap(); while (msgrcv(q, &r, 9, 0, IPC_NOWAIT) >= 0); qd.qbytes = 100; qd.perm.mode = 0666; S(msgctl(q, IPC_SET, &qd));
  c = CHILD(S(msgrcv(q, &r, 9, 5, MSG_EXCEPT)); printf("%ld\n", r.t)); int d = CHILD(ms(10); S(msgrcv(q, &r, 9, -3, 0)); printf("%ld\n", r.t)); ms(40); SND(5, "five"); ms(30); SND(6, "six"); ms(40); SND(3, "three"); reap(); RCV(9, 0, IPC_NOWAIT);
  c = CHILD(S(msgrcv(q, &r, 1, 7, 0))); d = CHILD(ms(10); int n_ = msgrcv(q, &r, 1, 7, MSG_NOERROR); ms(30); S(n_)); ms(40); SND(7, "long"); reap(); RCV(9, 0, IPC_NOWAIT); S(msgctl(q, IPC_STAT, &qd)); printf("%d %d %d\n", qd.qnum, qd.cbytes, qd.lrpid == d);
  CHILD(S(msgrcv(q, &r, 1, 7, 0))); CHILD(ms(5); m.t = 1; qd.qbytes = 0; S(msgctl(q, IPC_SET, &qd)); int n_ = msgsnd(q, &m, 1, 0); n_ = n_ ? -errno : 0; ms(30); S(n_)); ms(60); S(msgctl(q, IPC_RMID, 0)); reap();
}
static void segments(void) {
  int s = shmget(IPC_PRIVATE, 3 * 4096, 0600), before; char *a = (char *)0x50000000;
#define AT(at, f) { long r_ = shmat(s, at, f); printf("%lx %o: %lx %d\n", (long)(at), f, r_ == -1 || at == 0 ? r_ == -1 : r_, r_ == -1 ? errno : 0); }
#define N { shmctl(s, IPC_STAT, &sd); printf("  %d attached, %d\n", sd.nattch, sd.lpid == getpid()); }
  AT(a, 0); N; AT(a + 1, 0); AT(a + 4096, 0); AT(a + 3 * 4096, 0); AT(a - 4096, 0); AT(a + 4095, SHM_RND); AT(a + 6 * 4096 + 5, SHM_RND); N; AT(a + 4096, SHM_REMAP); N; AT(5, SHM_RND | SHM_REMAP); S(shmat(s, 5, SHM_RND)); N; S(shmdt(0)); N; S(shmdt(0)); CHILD(as(10, 20); s = shmget(IPC_PRIVATE, 4096, 0600); S(shmat(s, 5, SHM_RND)); S(shmctl(s, IPC_RMID, 0))); reap(); AT(0, SHM_REMAP); AT(0, SHM_RND); N;
  a[0] = 'a'; a[4096] = 'b'; printf("%c%c\n", a[3 * 4096 * 2], a[3 * 4096 * 2 + 4096] ? a[3 * 4096 * 2 + 4096] : '-');
  S(shmdt(a)); N; S(shmdt(a)); S(shmdt(a + 4096)); N; S(munmap(a + 6 * 4096 + 4096, 4096)); N; S(shmdt(a + 6 * 4096 + 1)); S(shmdt(a + 6 * 4096)); N; S(shmdt(a + 8 * 4096)); N; S(shmdt(0));
  AT(a, SHM_RDONLY); CHILD(is_child = 0; N; a[0] = 1); int st; wait(&st); printf("%x\n", st & 127); N; S(mprotect(a, 4096, 3)); S(mprotect(a, 4096, 4)); AT(a + 0x10000, 0100000); S(mprotect(a + 0x10000, 4096, 7)); S(munmap(a, 4096)); N; S(shmdt(a)); N; S(shmctl(s, IPC_RMID, 0)); N; AT(a, 0);
  printf("%o %d\n", sd.perm.mode, sd.perm.key); S(shmdt(a)); CHILD(is_child = 0; N; shmdt(a + 0x10000)); reap(); S(shmdt(a + 0x10000)); S(shmctl(s, IPC_STAT, &sd));
  s = shmget(11, 4096, IPC_CREAT | 0600); AT(a, 0); CHILD(ms(30)); S(shmctl(s, IPC_RMID, 0)); S(shmget(11, 0, 0)); shmdt(a); N; reap(); N; S(shmctl(s, IPC_STAT, &sd));
  s = shmget(12, 4096, IPC_CREAT | 0600); CHILD(AT(a, 0); syscall(11, "/nowhere", 0, 0)); reap(); N; S(shmctl(s, IPC_RMID, 0)); S(shmctl(s, IPC_RMID, 0));
}
int main() {
  syscall(310, 0x08000000);
  rights(); identifiers(); messages(); segments();
  return 0;
}
