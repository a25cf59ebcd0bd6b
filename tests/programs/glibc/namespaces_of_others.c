/* What another's namespaces let one do: setns into its users, its mounts' company, its memory by /proc. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
    fflush(stdout);
}

static pid_t sleeper(int flags, int uid)
{
    int ready[2];
    char c;
    pid_t pid;
    pipe(ready);
    pid = fork();
    if (!pid) {
        if (uid)
            setresuid(uid, uid, uid);
        if (flags && syscall(SYS_unshare, flags) < 0)
            _exit(1);
        write(ready[1], "", 1);
        pause();
        _exit(0);
    }
    read(ready[0], &c, 1);
    return pid;
}

static int of(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return open(path, O_RDONLY);
}

static void in_child(void (*what)(pid_t), pid_t arg)
{
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        what(arg);
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, 0, 0);
}

static void enter(pid_t pid)
{
    int users = of(pid, "ns/user"), names = of(pid, "ns/uts");
    say("setns to the users of a child", setns(users, CLONE_NEWUSER));
    say("to its names", setns(names, CLONE_NEWUTS));
}

static void enter_from_beside(pid_t pid)
{
    int users = of(pid, "ns/user"), names = of(pid, "ns/uts");
    say("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
    say("setns to the users of a sibling", setns(users, CLONE_NEWUSER));
    say("to its names", setns(names, CLONE_NEWUTS));
}

static void look(pid_t pid)
{
    static const char *const files[] = {"maps", "smaps", "environ", "auxv", "mem", "pagemap", "stat", "cmdline"};
    int kept = of(pid, "maps"), n;
    char c;
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    for (n = 0; n < 8; n++)
        say(files[n], of(pid, files[n]));
    say("what was open before", read(kept, &c, 1) == 1 ? 0 : -1);
}

static void restrict_self(void)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE};
    int fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    say("landlock_restrict_self", syscall(SYS_landlock_restrict_self, fd, 0));
}

static void traced_by_less(pid_t unused)
{
    restrict_self();
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        say("PTRACE_TRACEME in the same domain", ptrace(PTRACE_TRACEME, 0, 0, 0));
        _exit(0);
    }
    waitpid(pid, 0, 0);
}

static void traced_by_outer(pid_t unused)
{
    pid_t pid = fork();
    if (!pid) {
        restrict_self();
        say("PTRACE_TRACEME below the parent's", ptrace(PTRACE_TRACEME, 0, 0, 0));
        _exit(0);
    }
    waitpid(pid, 0, 0);
    pid = fork();
    if (!pid) {
        kill(getppid(), 0);
        sleep(1);
        say("PTRACE_TRACEME of a parent that gave up more", ptrace(PTRACE_TRACEME, 0, 0, 0));
        _exit(0);
    }
    restrict_self();
    waitpid(pid, 0, 0);
}

int main(void)
{
    pid_t child;
    char at[64];
    if (syscall(SYS_unshare, CLONE_NEWNS | CLONE_NEWCGROUP) < 0 || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) < 0)
        return 77;
    child = sleeper(CLONE_NEWUSER | CLONE_NEWUTS, 0);
    in_child(enter, child);
    in_child(enter_from_beside, child);
    in_child(look, child);
    kill(child, SIGKILL);
    in_child(traced_by_less, 0);
    in_child(traced_by_outer, 0);

    /* A directory that a rename takes out of a bind mount is not below it any more. */
    say("tmpfs", mount("none", "/tmp", "tmpfs", 0, 0));
    mkdir("/tmp/a", 0755);
    mkdir("/tmp/a/b", 0755);
    mkdir("/tmp/a/b/c", 0755);
    mkdir("/tmp/bound", 0755);
    say("bind", mount("/tmp/a", "/tmp/bound", 0, MS_BIND, 0));
    chdir("/tmp/bound/b/c");
    rename("/tmp/a/b", "/tmp/b");
    say("chdir ..", chdir(".."));
    say("open ../..", open("../..", O_RDONLY));
    rename("/tmp/b", "/tmp/a/b");
    say("chdir .. below it again", chdir(".."));
    say("getcwd", getcwd(at, sizeof at) ? puts(at) : -1);
    chdir("/");
    return 0;
}
