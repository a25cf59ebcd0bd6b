# title: A stopped group that nobody is left to continue
# expect stdout: ok: its parent ends: SIGHUP, and SIGCONT to take it
# expect stdout: ok: both are there, SIGCONT on top
#
# Idea: when the last process that could continue a stopped group ends, the kernel hangs the group up.
# While stepping: `info tasks` at the shell's exit: the stopped one is woken.

.include "linux.inc"
.include "signal.inc"
.include "process.inc"

.text
.globl _start
_start:
    invoke1 __NR_pipe, $ends
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz shell
    sys_waitpid %eax, $0, $0
    invoke3 __NR_read, ends, $told, $2
    check_equal "its parent ends: SIGHUP, and SIGCONT to take it", $2, %eax
    movzwl told, %eax
    check_equal "both are there, SIGCONT on top", $(SIGCONT << 8 | SIGHUP), %eax
    sys_exit $0

shell:                          # a session with a job in a group of its own, which it stops
    invoke0 __NR_setsid
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz job
    movl %eax, %edi
    invoke2 __NR_setpgid, %edi, %edi
    sys_waitpid %edi, $0, $WUNTRACED
    sys_exit $0

job:
    invoke2 __NR_setpgid, $0, $0
    set_handler $SIGHUP, $note, $0
    set_handler $SIGCONT, $note, $0
    kill_self $SIGSTOP
    sys_write ends + 4, $told, $2
    sys_exit $0

note:                           # the frame of SIGCONT is built last, so its handler runs first
    movzwl told, %eax
    shll $8, %eax
    orl 4(%esp), %eax
    movw %ax, told
    ret

.data
ends:
    .long 0, 0
told:
    .long 0

.include "print.inc"
