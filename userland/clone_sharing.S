# title: clone: what each flag shares
# expect stdout: ok: a copy of memory: the store is not seen
# expect stdout: ok: CLONE_VM: it is
# expect stdout: ok: a copy of the file system's place: umask stays
# expect stdout: ok: CLONE_FS: it changes
# expect stdout: ok: a copy of the descriptors: it stays open
# expect stdout: ok: CLONE_FILES: it is closed
#
# Idea: fork copies, clone lets the caller choose. Each child here changes one thing and exits; whether the
# parent notices depends on one flag.
# While stepping: `info task` of parent and child before the child runs: which records are the same. With CLONE_VM
# the child needs a stack of its own: the third word of clone's registers.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    # CLONE_VM: memory
    sys_clone $CHILD_SIGNAL
    testl %eax, %eax
    jz store_and_exit
    call reap
    check_equal "a copy of memory: the store is not seen", $1, value
    sys_clone $(CLONE_VM | CHILD_SIGNAL), $child_stack_top
    testl %eax, %eax
    jz store_and_exit
    call reap
    check_equal "CLONE_VM: it is", $2, value

    # CLONE_FS: umask
    invoke1 __NR_umask, $022
    sys_clone $CHILD_SIGNAL
    testl %eax, %eax
    jz umask_and_exit
    call reap
    invoke1 __NR_umask, $022
    check_equal "a copy of the file system's place: umask stays", $022, %eax
    sys_clone $(CLONE_FS | CHILD_SIGNAL)
    testl %eax, %eax
    jz umask_and_exit
    call reap
    invoke1 __NR_umask, $022
    check_equal "CLONE_FS: it changes", $077, %eax

    # CLONE_FILES: descriptors
    invoke1 __NR_dup, $STDOUT_FILENO
    movl %eax, fd
    sys_clone $CHILD_SIGNAL
    testl %eax, %eax
    jz close_and_exit
    call reap
    invoke2 __NR_fcntl, fd, $F_GETFD
    check_equal "a copy of the descriptors: it stays open", $0, %eax
    sys_clone $(CLONE_FILES | CHILD_SIGNAL)
    testl %eax, %eax
    jz close_and_exit
    call reap
    invoke2 __NR_fcntl, fd, $F_GETFD
    check_equal "CLONE_FILES: it is closed", $-EBADF, %eax
    sys_exit $0

store_and_exit:
    incl value
    sys_exit $0

umask_and_exit:
    invoke1 __NR_umask, $077
    sys_exit $0

close_and_exit:
    invoke1 __NR_close, fd
    sys_exit $0

reap:                           # the only child
    sys_waitpid $ANY_CHILD, $0, $0
    ret

.data
value:
    .long 1
fd:
    .long 0

.bss
.balign 16
.zero 4096
child_stack_top:

.include "print.inc"
