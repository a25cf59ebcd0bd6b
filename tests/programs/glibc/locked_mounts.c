/* A mount namespace of other users begins with mounts that hide and forbid for good. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS_RDONLY 1
#define MS_NOSUID 2
#define MS_NODEV 4
#define MS_NOEXEC 8
#define MS_REMOUNT 32
#define MS_NOATIME 1024
#define MS_BIND 4096
#define MS_MOVE 8192
#define MS_REC 16384
#define MS_PRIVATE (1 << 18)
#define MS_SHARED (1 << 20)
#define MS_RELATIME (1 << 21)
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);

static void say(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
    fflush(stdout);
}

static void remount(const char *what, const char *where, unsigned long flags)
{
    say(what, mount(0, where, 0, MS_REMOUNT | MS_BIND | flags, 0));
}

static int attribute(const char *where, unsigned long long set, unsigned long long clear)
{
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear};
    return syscall(SYS_mount_setattr, AT_FDCWD, where, 0, &attr, sizeof attr);
}

static void others(void)
{
    unsigned long most = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;
    remount("the same flags", "/tmp/ro", most);
    remount("writable", "/tmp/ro", most & ~MS_RDONLY);
    remount("set-user-id", "/tmp/ro", most & ~MS_NOSUID);
    remount("devices", "/tmp/ro", most & ~MS_NODEV);
    remount("programs", "/tmp/ro", most & ~MS_NOEXEC);
    remount("access times", "/tmp/ro", (most & ~MS_NOATIME) | MS_RELATIME);
    remount("no access times where there were", "/tmp/rw", MS_NOATIME);
    remount("read-only", "/tmp/rw", MS_RDONLY);
    remount("and back", "/tmp/rw", 0);
    say("mount_setattr", attribute("/tmp/ro", 0, MOUNT_ATTR_RDONLY));
    say("mount_setattr nosuid", attribute("/tmp/rw", MOUNT_ATTR_NOSUID, 0));
    say("umount", umount2("/tmp/ro", 0));
    say("umount at once", umount2("/tmp/ro", 2));
    say("move", mount("/tmp/ro", "/tmp/to", 0, MS_MOVE, 0));
    say("bind without what is on it", mount("/tmp", "/tmp/to", 0, MS_BIND, 0));
    say("bind with it", mount("/tmp", "/tmp/to", 0, MS_BIND | MS_REC, 0));
    say("umount of a part of the copy", umount2("/tmp/to/ro", 0));
    remount("writable there", "/tmp/to/ro", most & ~MS_RDONLY);
    say("umount of the copy", umount2("/tmp/to", 2));
    say("a mount of its own", mount("none", "/tmp/to", "tmpfs", 0, 0));
    remount("with other flags", "/tmp/to", MS_RDONLY);
    remount("and back", "/tmp/to", 0);
    say("umount", umount2("/tmp/to", 0));
    say("mount on the slave", mount("none", "/tmp/shared/d", "tmpfs", 0, 0));
}

int main(void)
{
    struct stat before, after;
    int n, ready[2], go[2];
    char c;
    if (syscall(SYS_unshare, CLONE_NEWNS) < 0 || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) < 0)
        return 77;
    mount("none", "/tmp", "tmpfs", 0, "mode=777");
    for (n = 0; n < 4; n++)
        mkdir((const char *[]){"/tmp/ro", "/tmp/rw", "/tmp/to", "/tmp/shared"}[n], 0777);
    mount("none", "/tmp/ro", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, 0);
    mount("none", "/tmp/rw", "tmpfs", 0, 0);
    mount("none", "/tmp/shared", "tmpfs", 0, 0);
    mount(0, "/tmp/shared", 0, MS_SHARED, 0);
    mkdir("/tmp/shared/d", 0755);
    stat("/tmp/shared/d", &before);
    if (!fork()) {
        say("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
        say("mount in a namespace of others", mount("none", "/tmp/to", "tmpfs", 0, 0));
        say("its own", syscall(SYS_unshare, CLONE_NEWNS));
        others();
        _exit(0);
    }
    wait(0);
    stat("/tmp/shared/d", &after);
    printf("nothing came back: %d\n", before.st_dev == after.st_dev);
    fflush(stdout);

    /* What is mounted on a shared mount later is locked in the copy, too. */
    pipe(ready);
    pipe(go);
    if (!fork()) {
        syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS);
        write(ready[1], "", 1);
        read(go[0], &c, 1);
        stat("/tmp/shared/d", &after);
        printf("it has arrived: %d\n", before.st_dev != after.st_dev);
        remount("writable", "/tmp/shared/d", 0);
        _exit(0);
    }
    read(ready[0], &c, 1);
    say("mount", mount("none", "/tmp/shared/d", "tmpfs", MS_RDONLY, 0));
    write(go[1], "", 1);
    wait(0);
    return 0;
}
