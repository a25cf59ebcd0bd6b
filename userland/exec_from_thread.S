# title: exec in a thread ends all the others
# expect stdout: ok: the thread is the first one now
# expect stdout: ok: the parent waits for the pid it knows
# expect stdout: ok: and gets the new program's status
#
# Idea: exec replaces a process, not a thread: the others are killed first, and the thread that called it
# takes the first one's number. Seen from outside nothing but the program has changed.
# While stepping: de_thread: the caller sleeps until it is alone; then `info tasks` shows it under the old pid.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    cmpl $2, (%esp)
    je again
    movl 4(%esp), %eax
    movl %eax, argv
    sys_getpid
    movl %eax, pid
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %ebp
    sys_waitpid %ebp, $status, $0
    cmpl %eax, %ebp
    check_zero_flag "the parent waits for the pid it knows"
    check_equal "and gets the new program's status", $0x700, status
    sys_exit $0

child:
    sys_clone $CLONE_AS_THREAD, $thread_stack_top
    testl %eax, %eax
    js fork_failed
    jz thread
1:  sys_sched_yield             # for ever, but for the exec
    jmp 1b

thread:
    invoke3 __NR_execve, argv, $argv, $0
    sys_exit $1

again:
    sys_getpid
    movl %eax, %ebx
    movl $__NR_gettid, %eax
    int $0x80
    cmpl %eax, %ebx
    check_zero_flag "the thread is the first one now"
    sys_exit $7

.data
argv:
    .long 0, word, 0
pid:
    .long 0
status:
    .long 0
word:
    .asciz "again"

.bss
.balign 16
.zero 4096
thread_stack_top:

.include "print.inc"
