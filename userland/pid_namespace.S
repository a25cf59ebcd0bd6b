# title: A pid namespace: process 1 of a world of its own
# expect stdout: ok: inside it is number 1
# expect stdout: ok: and its parent is nobody
# expect stdout: ok: the next is number 2
# expect stdout: ok: outside it has another number
# expect stdout: ok: it ended by itself
# expect stdout: ok: its new host name stays inside
# native: no it needs root
#
# Idea: a child made with CLONE_NEWPID is number 1 among its descendants, and its parent's number is 0
# there; its parent knows it by another one. It is their init: orphans are its children, and its end is
# theirs.
# While stepping: `info task` of the child: one number in each namespace.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    sys_clone $(CLONE_NEWPID | CLONE_NEWUTS | CHILD_SIGNAL)
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %ebp
    sys_waitpid $ANY_CHILD, $status, $0
    cmpl %eax, %ebp
    check_zero_flag "outside it has another number"
    check_equal "it ended by itself", $0x600, status
    invoke1 __NR_uname, $names
    cmpb $'x', names + 65
    setne %al
    movzbl %al, %eax
    check_equal "its new host name stays inside", $1, %eax
    sys_exit $0

child:
    sys_getpid
    check_equal "inside it is number 1", $1, %eax
    sys_getppid
    check_equal "and its parent is nobody", $0, %eax
    invoke2 __NR_sethostname, $name, $1
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz second
    check_equal "the next is number 2", $2, %eax
    sys_waitpid %eax, $0, $0
    sys_fork                    # one that would never end
    testl %eax, %eax
    jz spin
    sys_exit $6                 # it goes with its init
second:
    sys_exit $0
spin:
    sys_sched_yield
    jmp spin

.section .rodata
name:
    .ascii "x"

.data
status:
    .long -1

.bss
names:
    .zero 390

.include "print.inc"
