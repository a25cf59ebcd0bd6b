/* rseq: which areas are taken, which sequences are aborted by a signal, and which end their task. */
#include "calls.h"

#define SIG 0x53053053
#define rseq(area, size, flags, sig) syscall(386, area, size, flags, sig)
struct cs { unsigned version, flags; u64 start, length, abort; } __attribute__((aligned(32)));
struct area { unsigned cpu_id_start, cpu_id; u64 cs; unsigned flags, node_id, mm_cid, rest; } __attribute__((aligned(32)));
static struct area area;
static struct cs cs;
extern char first[], behind[], last[], aborted[], elsewhere[], unsigned_[];

/* kill(2) of itself in the middle: 1 when it goes on, 2 when it has been aborted. */
__asm__("sequence: pushl %ebx\n movl 8(%esp), %ebx\n movl $12, %ecx\n movl $37, %eax\n"
        "first: nop\n int $0x80\nbehind: nop\nlast: movl $1, %eax\n popl %ebx\n ret\n"
        ".long 0x53053053\naborted: movl $2, %eax\n popl %ebx\n ret\n"
        ".long 0x53053054\nunsigned_: movl $3, %eax\n popl %ebx\n ret\n");
int sequence(int pid);

static void area_is(void) {
  printf("  start %d cpu %d cs %llx flags %x node %d rest %x\n", area.cpu_id_start, area.cpu_id, area.cs ? 1ull : 0, area.flags,
         area.node_id, area.rest);
}

/* What becomes of a child whose sequence is so. */
static void run(const char *what) {
  int status = 0;
  CHILD(
    signal(12, hit);
    area.cs = (unsigned)&cs;
    int first_answer = sequence(getpid());
    printf("%s: %d, %d\n", what, first_answer, hits);
    area_is());
  wait(&status);
  printf("%s ends with %x\n", what, status);
  cs = (struct cs){0, 0, (unsigned)first, last - first, (unsigned)aborted}; area.flags = 0;
}
#define WITH(...) ({ __VA_ARGS__; run(#__VA_ARGS__); })

int main() {
  unsigned only_cpu = 1;
  syscall(241, 0, 4, &only_cpu);
  static char many[256] __attribute__((aligned(64)));
  static const int sizes[] = {0, 20, 28, 31, 32, 33, 64}, flags[] = {0, 1, 2, 3, 4, 0x80000000};
  static const int offsets[] = {0, 4, 8, 16, 20, 32};
  for (int i = 0; i < 7; i++) for (int j = 0; j < 6; j++) {
    int made = rseq(many + offsets[j], sizes[i], 0, SIG), error = errno;
    printf("%d bytes at %d: %d %d\n", sizes[i], offsets[j], made, made ? error : 0);
    if (made) continue;
    S(rseq(many + offsets[j], sizes[i], 0, SIG)); S(rseq(many + offsets[j], sizes[i], 0, SIG + 1));
    S(rseq(many + offsets[j], sizes[i] + 1, 0, SIG)); S(rseq(many + offsets[j] + 32, sizes[i], 0, SIG));
    S(rseq(many + offsets[j], sizes[i] + 1, 1, SIG)); S(rseq(many + offsets[j] + 32, sizes[i], 1, SIG));
    S(rseq(many + offsets[j], sizes[i], 1, SIG + 1)); S(rseq(many + offsets[j], sizes[i], 1, SIG));
    S(rseq(many + offsets[j], sizes[i], 1, SIG));
  }
  for (int i = 0; i < 6; i++) if (i != 0) { printf("%x: ", flags[i]); S(rseq(&area, 32, flags[i], SIG)); }
  S(rseq(-32, 32, 0, SIG)); S(rseq(-64, 32, 0, SIG)); S(rseq(0, 32, 1, SIG)); S(rseq(0, 0, 1, 0));

  area = (struct area){7, 7, 0, 0, 7, 7, 7};
  S(rseq(&area, 32, 0, SIG));
  getpid(); area_is();
  run("nothing");
  WITH(cs.version = 1); WITH(cs.flags = 1); WITH(cs.flags = 8); WITH(cs.flags = 0x80000000); WITH(area.flags = 1); WITH(area.flags = 8);
  WITH(cs.length = behind - first); WITH(cs.length = behind - first + 1); WITH(cs.length = 0); WITH(cs.length = 1);
  WITH(cs.start = (unsigned)behind, cs.length = 1); WITH(cs.start = (unsigned)behind, cs.length = 0);
  WITH(cs.start = (unsigned)behind + 1, cs.length = 1); WITH(cs.start = (unsigned)behind - 1, cs.length = 1);
  WITH(cs.start = (unsigned)behind - 1, cs.length = 2);
  WITH(cs.abort = (unsigned)unsigned_); WITH(cs.abort = (unsigned)last); WITH(cs.abort = (unsigned)first); WITH(cs.abort = (unsigned)first + 1);
  WITH(cs.length = aborted - first); WITH(cs.length = aborted - first + 1); WITH(cs.start = (unsigned)first - 1, cs.length = 100);
  WITH(cs.abort = 0); WITH(cs.abort = 4); WITH(cs.abort |= 1ull << 32); WITH(cs.start |= 1ull << 32); WITH(cs.length |= 1ull << 32);
  WITH(cs.length = -1ull); WITH(cs.start = -1ull, cs.length = 2); WITH(cs.start = 1ull << 63, cs.length = 1ull << 63);
  WITH(cs.version = 1, cs.length = 0); WITH(cs.flags = 1, cs.length = 0); WITH(cs.abort = (unsigned)unsigned_, cs.length = 0);

  int status;
  signal(12, hit);
  static const unsigned bad[] = {0, 1, 16, 0x1000, 0xfffff000, 0xffffffe0};
  for (int i = 0; i < 6; i++) for (int high = 0; high < 2; high++) {
    CHILD(area.cs = bad[i] | (u64)high << 32; raise(12); printf("pointer %x %d is taken\n", bad[i], high); area_is());
    wait(&status); printf("pointer %x %d ends with %x\n", bad[i], high, status);
  }
  /* A child has its parent's, a thread of one memory does not; neither does what is executed. */
  CHILD(S(rseq(&area, 32, 0, SIG)); S(rseq(&area, 32, 1, SIG)); area_is()); reap();
  S(rseq(&area, 32, 1, SIG)); area_is();
  area.cs = 16; S(rseq(&area, 32, 0, SIG)); area_is(); S(rseq(&area, 32, 1, SIG));
  /* An area that goes. */
  void *page = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int protect = 0; protect < 3; protect++) {
    CHILD(S(rseq(page, 32, 0, SIG)); if (protect == 2) munmap(page, 4096); else mprotect(page, 4096, protect); raise(12);
          S(protect)); wait(&status); printf("%d ends with %x\n", protect, status);
  }
  return 0;
}
