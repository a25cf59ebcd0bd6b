/* A mount of devpts is an instance of its own: its slaves have numbers from 0, and only its ptmx makes them. */
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
#include <unistd.h>

static void say(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
}

static int pair(const char *ptmx)
{
    int number = -1, off = 0, fd = open(ptmx, O_RDWR | O_NOCTTY);
    if (fd < 0)
        return printf("%s: %s\n", ptmx, strerrorname_np(errno)), -1;
    ioctl(fd, TIOCSPTLCK, &off);
    ioctl(fd, TIOCGPTN, &number);
    printf("%s: number %d\n", ptmx, number);
    return fd;
}

static void node(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        printf("%s: %s\n", path, strerrorname_np(errno));
    else
        printf("%s: %o %d:%d uid %d gid %d\n", path, st.st_mode, major(st.st_rdev), minor(st.st_rdev), st.st_uid,
               st.st_gid);
}

int main(void)
{
    char text[8] = "";
    int master, slave, here;
    if (syscall(SYS_unshare, CLONE_NEWNS) < 0 || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) < 0)
        return 77;
    say("tmpfs", mount("none", "/tmp", "tmpfs", 0, 0));
    mkdir("/tmp/a", 0755);
    mkdir("/tmp/b", 0755);
    mkdir("/tmp/b/pts", 0755);
    say("a", mount("none", "/tmp/a", "devpts", 0, "newinstance,mode=0640,ptmxmode=0666,gid=5"));
    say("b", mount("none", "/tmp/b/pts", "devpts", 0, 0));
    say("bad value", mount("none", "/tmp/a", "devpts", 0, "mode=9"));
    say("bad word", mount("none", "/tmp/a", "devpts", 0, "modes=7"));
    node("/tmp/a/ptmx");
    node("/tmp/b/pts/ptmx");
    master = pair("/tmp/a/ptmx");
    here = pair("/tmp/a/ptmx");
    node("/tmp/a/0");
    node("/tmp/b/pts/0");
    slave = open("/tmp/a/0", O_RDWR | O_NOCTTY);
    say("slave", slave);
    write(slave, "x\n", 2);
    printf("%zd bytes\n", read(master, text, 8));
    close(slave);
    close(master);
    node("/tmp/a/0");
    node("/tmp/a/1");
    close(here);
    /* A node of ptmx belongs to the devpts at pts beside it, however it is called. */
    say("mknod", mknod("/tmp/b/multiplexer", S_IFCHR | 0666, makedev(5, 2)));
    master = pair("/tmp/b/multiplexer");
    node("/tmp/b/pts/0");
    say("mknod", mknod("/tmp/alone", S_IFCHR | 0666, makedev(5, 2)));
    pair("/tmp/alone");
    mkdir("/tmp/pts", 0755);
    pair("/tmp/alone");
    /* Nothing else has a name there, and a node elsewhere is no slave. */
    say("create", open("/tmp/a/file", O_CREAT | O_RDWR, 0600));
    say("mkdir", mkdir("/tmp/a/dir", 0700));
    say("unlink", unlink("/tmp/b/pts/0"));
    say("mknod", mknod("/tmp/0", S_IFCHR | 0666, makedev(136, 0)));
    say("open", open("/tmp/0", O_RDWR | O_NOCTTY));
    close(master);
    node("/tmp/b/pts/0");
    return 0;
}
