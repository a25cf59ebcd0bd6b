// title: What kernels of today answer otherwise than 2.6.39; glibc's ABI note asks for one of them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int areas(void *from, void *to)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[300];
    unsigned long start, end;
    int n = 0;
    while (fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx", &start, &end) == 2)
            n += start < (unsigned long)to && end > (unsigned long)from;
    fclose(maps);
    return n;
}

static void *map(char *at)
{
    return mmap(at, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void script(const char *what, const char *line)
{
    char *args[] = {"x", 0};
    int fd = open("script", O_CREAT | O_TRUNC | O_WRONLY, 0755);
    write(fd, line, strlen(line));
    close(fd);
    execv("./script", args);
    printf("%s: %s\n", what, strerror(errno));
    unlink("script");
}

static int sleeps(void *nothing)
{
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    char where[] = "/tmp/rulesXXXXXX", stack[65536], line[400];
    unsigned act[5] = {(unsigned)SIG_DFL, 0xffffffff}, old[5];
    int cap = 0, tid = 4711, pid;
    struct rlimit limit;
    if (!argv[0] || !*argv[0]) {
        printf("argc %d, argv[0] is %s\n", argc, argv[0] ? "empty" : "not there");
        return 0;
    }
    long answer = syscall(SYS_waitpid, INT_MIN, 0, 0);
    printf("waitpid(INT_MIN) = %ld, %s\n", answer, strerror(errno));
    syscall(SYS_rt_sigaction, SIGUSR2, act, 0, 8);
    syscall(SYS_rt_sigaction, SIGUSR2, 0, old, 8);
    printf("flags %x\n", old[1]);
    while (prctl(PR_CAPBSET_READ, cap) >= 0)
        cap++;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    printf("last capability %d, memlock %lu\n", cap - 1, (unsigned long)limit.rlim_max);

    char *p = map((char *)0x50000000);
    p[0] = 1;
    fflush(stdout);
    if (!fork()) {
        map(p + 8192);
        printf("child: %d areas\n", areas(p, p + 16384));
        fflush(stdout);
        _exit(0);
    }
    wait(0);
    map(p + 8192);
    printf("parent: %d area\n", areas(p, p + 16384));

    pid = clone(sleeps, stack + sizeof stack, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, 0, 0, 0, &tid);
    kill(pid, SIGKILL);
    waitpid(pid, 0, 0);
    printf("tid %d\n", tid);

    chdir(mkdtemp(where));
    sprintf(line, "#!%150s\n", "/no/such");
    script("far", line);
    sprintf(line, "#!%0300d\n", 7);
    script("cut", line);
    sprintf(line, "#!/no/such %0300d\n", 7);
    script("long", line);
    rmdir(where);
    fflush(stdout);
    char *none[] = {0};
    execv("/proc/self/exe", none);
    return 1;
}
