/* RENAME_WHITEOUT, whiteouts without privileges, a pid namespace whose init has gone, and TIOCSTI that is off. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void say(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
    fflush(stdout);
}

static void node(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: %o %d:%d links %d\n", path, st.st_mode, major(st.st_rdev), minor(st.st_rdev), (int)st.st_nlink);
}

static int whiteout(const char *from, const char *to, int flags)
{
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

int main(void)
{
    int number = 0, off = 0, master, slave, sysctl;
    char path[32];
    pid_t pid;
    if (syscall(SYS_unshare, CLONE_NEWNS) < 0 || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) < 0)
        return 77;
    mount("none", "/tmp", "tmpfs", 0, "mode=777");
    mkdir("/tmp/d", 0777);
    mkdir("/tmp/ram", 0777);
    mount("none", "/tmp/ram", "ramfs", 0, 0);
    close(open("/tmp/f", O_CREAT | O_WRONLY, 0600));
    close(open("/tmp/ram/f", O_CREAT | O_WRONLY, 0600));
    say("whiteout", whiteout("/tmp/f", "/tmp/d/g", 4));
    node("/tmp/f");
    node("/tmp/d/g");
    say("of a directory", whiteout("/tmp/d", "/tmp/e", 4));
    node("/tmp/d");
    say("over what is there", whiteout("/tmp/e/g", "/tmp/f", 4));
    node("/tmp/f");
    node("/tmp/e/g");
    say("onto what is there", whiteout("/tmp/f", "/tmp/e/g", 5));
    say("exchange", whiteout("/tmp/f", "/tmp/e/g", 6));
    say("on a ramfs", whiteout("/tmp/ram/f", "/tmp/ram/g", 4));
    node("/tmp/ram/f");
    say("open", open("/tmp/d", O_RDWR));
    say("unlink", unlink("/tmp/d"));

    /* From now on nobody gets a number there. */
    if (!fork()) {
        say("unshare", syscall(SYS_unshare, CLONE_NEWPID));
        fflush(stdout);
        pid = fork();
        if (!pid)
            _exit(0);
        waitpid(pid, 0, 0);
        say("fork after its init", fork());
        _exit(0);
    }
    wait(0);

    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    ioctl(master, TIOCSPTLCK, &off);
    ioctl(master, TIOCGPTN, &number);
    sprintf(path, "/dev/pts/%d", number);
    if (!fork()) {
        setsid();
        slave = open(path, O_RDWR);
        sysctl = open("/proc/sys/dev/tty/legacy_tiocsti", O_RDWR);
        setresuid(-1, 1000, 0);
        say("TIOCSTI", ioctl(slave, TIOCSTI, "x"));
        say("off by who has no right", write(sysctl, "0", 1));
        setresuid(-1, 0, -1);
        say("another value", write(sysctl, "2", 1));
        say("off", write(sysctl, "0", 1));
        say("TIOCSTI with the right", ioctl(slave, TIOCSTI, "x"));
        setresuid(-1, 1000, 0);
        say("TIOCSTI", ioctl(slave, TIOCSTI, "x"));
        setresuid(-1, 0, -1);
        write(sysctl, "1", 1);
        setresuid(1000, 1000, 1000);
        close(open("/tmp/mine", O_CREAT | O_WRONLY, 0600));
        say("whiteout", whiteout("/tmp/mine", "/tmp/yours", 4));
        say("mknod of a whiteout", mknod("/tmp/made", S_IFCHR, 0));
        say("mknod of a device", mknod("/tmp/null", S_IFCHR, makedev(1, 3)));
        say("mknod of a block device", mknod("/tmp/block", S_IFBLK, 0));
        _exit(0);
    }
    wait(0);
    return 0;
}
