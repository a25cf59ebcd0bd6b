/* Semaphores as ipcs sees them, times of 64 bits, and what POSIX queues refuse */
#include "calls.h"
#define semget(k, n, f) syscall(393, k, n, f)
#define semctl(i, n, c, a) syscall(394, i, n, c, a)
enum { SEM_STAT = 18, SEM_INFO, SEM_STAT_ANY, GETPID_ = 11, GETALL = 13, GETNCNT, GETZCNT, SETVAL, SETALL };
struct ts64 { long long sec; int nsec, high; }; static struct ts64 t; static unsigned info[16]; static struct semid_ds ds; static unsigned short all[4];
static char buffer[200]; static unsigned prio;
static struct ts64 *in(int ms_, int clock) { struct timespec now; clock_gettime(clock, &now); t.sec = now.tv_sec; t.nsec = now.tv_nsec + ms_ * 1000000; t.high = 0; if (t.nsec > 999999999) t.nsec -= 1000000000, t.sec++; return &t; }
static struct ts64 *is(long long sec, int nsec, int high) { t.sec = sec; t.nsec = nsec; t.high = high; return &t; }
int main() {
  syscall(310, 0x08000000); struct sembuf up = {0, 1, 0}, down = {0, -1, 0}, none = {0, 0, 0}, two[3] = {{0, 1, 0}, {1, -1, 04000}, {2, 3, 0}};
  S(semctl(0, 0, SEM_INFO, info)); printf("%u %u\n", info[7], info[9]); int a = semget(IPC_PRIVATE, 3, 0640), b = semget(7, 1, IPC_CREAT | 0604);
  S(semctl(0, 0, SEM_INFO, info)); printf("%u %u\n", info[7], info[9]); S(semctl(0, 0, IPC_INFO, info)); S(semctl(0, 0, SEM_INFO, 8)); S(semctl(-1, 0, SEM_STAT, &ds)); S(semctl(2, 0, SEM_STAT, &ds));
  for (int n = 0; n < 2; n++) { S(semctl(n, 0, SEM_STAT, &ds) == (n ? b : a)); printf("%o %d %d\n", ds.perm.mode, ds.nsems, ds.perm.key); S(semctl(n, 0, SEM_STAT_ANY, &ds) == (n ? b : a)); S(semctl(n, 0, SEM_STAT, 8)); }
  CHILD(syscall(204, 5, 5); setuid(1000); for (int n = 0; n < 2; n++) { S(semctl(n, 0, SEM_STAT, &ds) < 0); S(semctl(n, 0, SEM_STAT_ANY, &ds) < 0); } S(semctl(a, 0, IPC_STAT, &ds)); S(semctl(b, 0, GETVAL, 0)); S(semctl(b, 0, SETVAL, 1)); S(semctl(b, 0, GETPID_, 0)); S(semctl(b, 0, IPC_RMID, 0)); S(semctl(b, 0, GETALL, all)); S(semctl(b, 0, SETALL, all)); S(syscall(393, 7, 1, 0200)); S(syscall(393, 7, 1, 0004) == b)); reap();
  S(syscall(420, a, &up, 1, 0)); S(syscall(420, a, &down, 1, is(0, -1, 0))); S(syscall(420, a, &down, 1, is(0, 1000000000, 0))); S(syscall(420, a, &down, 1, is(-1, 0, 0))); S(syscall(420, a, &down, 1, 8)); S(syscall(420, a, &down, 1, is(0, 0, 0)) );
  S(syscall(420, a, &down, 1, is(0, 20000000, 0))); S(syscall(420, a, &down, 1, is(0, 20000000, 7))); CHILD(ms(30); syscall(420, a, &up, 1, 0)); S(syscall(420, a, &down, 1, is(5, 0, 0))); reap();
  S(syscall(420, a, two, 3, 0)); S(semctl(a, 0, GETALL, all)); printf("%d %d %d\n", all[0], all[1], all[2]); S(syscall(420, a, &none, 1, 0)); S(syscall(420, a, &none, 0, 0)); S(syscall(420, a, 8, 1, 0)); S(syscall(420, -1, &up, 1, 0)); S(syscall(420, a + 20, &up, 1, 0)); up.op = -1; up.num = 3; S(syscall(420, a, &up, 1, 0)); up.num = 0;
  CHILD(S(syscall(420, a, &down, 1, 0))); ms(30); S(semctl(a, 0, GETNCNT, 0)); S(semctl(a, 0, GETZCNT, 0)); up.op = 1; S(syscall(420, a, &up, 1, 0)); reap(); S(semctl(a, 0, GETNCNT, 0)); S(syscall(420, a, &up, 1, 0)); CHILD(S(syscall(420, a, &none, 1, 0))); ms(30); S(semctl(a, 0, GETZCNT, 0)); S(semctl(a, 0, IPC_RMID, 0)); reap(); S(semctl(b, 0, IPC_RMID, 0)); S(semctl(0, 0, SEM_INFO, info)); printf("%u %u\n", info[7], info[9]);
  int q, r, attr[8] = {0, 2, 20}; q = syscall(277, "tk_e", O_RDWR | O_CREAT, 0600, attr); r = syscall(277, "tk_e", O_RDONLY, 0, 0);
  S(syscall(418, q, "a", 2, 1, 0)); S(syscall(418, q, "b", 2, 2, in(20, 0))); S(syscall(418, q, "c", 2, 3, in(20, 0))); S(syscall(418, q, "c", 2, 3, is(1, -1, 0))); S(syscall(418, q, "c", 2, 3, is(1, 1000000000, 0))); S(syscall(418, q, "c", 2, 3, is(-1, 0, 0))); S(syscall(418, q, "c", 2, 3, 8)); S(syscall(418, r, "c", 2, 3, 0)); S(syscall(418, 99, "c", 2, 3, 0)); S(syscall(418, 0, "c", 2, 3, 0));
  CHILD(ms(30); prio = 7; S(syscall(419, q, buffer, 20, &prio, 0)); printf("%s %d\n", buffer, prio)); S(syscall(418, q, "d", 2, 4, in(3000, 0))); reap(); for (int n = 0; n < 3; n++) { prio = 99; S(syscall(419, r, buffer, 20, &prio, in(20, 0))); printf("%s %d\n", buffer, prio); }
  S(syscall(419, q, buffer, 20, 0, is(1, -1, 0))); S(syscall(419, q, buffer, 20, 0, 8)); S(syscall(419, q, buffer, 19, 0, 0)); CHILD(ms(30); syscall(418, q, "late", 5, 5, 0)); S(syscall(419, q, buffer, 20, 8, in(3000, 0))); reap(); S(syscall(418, q, "x", 2, 1, 0)); S(syscall(419, q, 8, 20, 0, 0)); S(syscall(419, q, buffer, 20, 8, 0));
  S(syscall(282, q, 0, attr)); printf("%d %d %d %d\n", attr[0], attr[1], attr[2], attr[3]); attr[0] = 1; S(syscall(282, q, attr, 0)); attr[0] = O_NONBLOCK; S(syscall(282, q, attr, attr)); printf("%d\n", attr[0]); S(syscall(282, q, 0, attr)); printf("%d\n", attr[0]); S(syscall(282, q, 8, 0)); S(syscall(282, q, 0, 8)); S(syscall(419, q, buffer, 20, 0, 0)); S(syscall(282, 0, 0, attr)); S(syscall(281, 0, 0)); S(syscall(281, 99, 0));
  S(syscall(278, "tk_e")); S(syscall(418, q, "gone", 5, 0, 0)); S(syscall(419, r, buffer, 20, 0, 0)); S(syscall(278, "tk_e"));
  return 0;
}
