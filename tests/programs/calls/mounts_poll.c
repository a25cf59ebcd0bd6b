/* /proc/self/mounts and mountinfo tell by poll and epoll of what is mounted since they were opened */
#include "calls.h"
static struct pollfd P[2]; static char b[8192];
static void look(void) { S(poll(P, 2, 0)); printf("%x %x\n", P[0].revents, P[1].revents); }
static void whole(int f) { lseek(f, 0, 0); while (read(f, b, sizeof b) > 0) continue; }
int main() {
  syscall(310, 0x20000); syscall(21, "none", "/", 0, 0x44000, 0); syscall(39, "/tmp/mounts.here", 0700);
  int f = open("/proc/self/mounts", O_RDONLY), g = open("/proc/self/mountinfo", O_RDONLY), other = open("/proc/self/status", O_RDONLY);
  P[0] = (struct pollfd){f, POLLIN | POLLPRI}; P[1] = (struct pollfd){g, POLLPRI}; look();
  int ep = epoll_create(1); struct epoll_event e = {EPOLLPRI, 7}; S(epoll_ctl(ep, 1, f, &e)); S(epoll_ctl(ep, 1, other, &e)); S(epoll_wait(ep, &e, 1, 0));
  S(syscall(21, "some", "/tmp/mounts.here", "tmpfs", 0, 0)); S(epoll_wait(ep, &e, 1, 100)); printf("%x\n", e.events); look(); look(); whole(f); look();
  S(syscall(21, "some", "/tmp/mounts.here", 0, 0x21, 0)); look(); look();
  int c = CHILD(ms(30); syscall(52, "/tmp/mounts.here", 0)); P[0].events = POLLPRI; S(poll(P, 2, 1000)); printf("%x %x\n", P[0].revents, P[1].revents); reap(); look();
  c = CHILD(syscall(310, 0x20000); syscall(21, "some", "/tmp/mounts.here", "tmpfs", 0, 0)); reap(); look();
  S(syscall(40, "/tmp/mounts.here")); return 0;
}
