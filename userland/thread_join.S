# title: Threads: one memory, a segment each, and a futex to join
# expect stdout: ok: a TLS entry for the main thread
# expect stdout: ok: CLONE_PARENT_SETTID: the tid is stored at once
# expect stdout: ok: the thread's own word, through its %gs
# expect stdout: ok: the main thread's word, through its own
# expect stdout: ok: both have one pid
# expect stdout: ok: but two tids
# expect stdout: ok: a thread is no child
#
# Idea: a thread is a clone that shares everything. %gs points into a segment of its own (CLONE_SETTLS), so
# the same instruction reads a different word in each thread. At its end the kernel stores 0 at the
# address of CLONE_CHILD_CLEARTID and wakes whoever sleeps there: that is how a join works.
# While stepping: `info gdt` in each thread: entry 6 changes at every switch. Watch tid when the thread exits.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    invoke1 __NR_set_thread_area, $main_desc
    check_equal "a TLS entry for the main thread", $0, %eax
    movl main_desc, %eax
    movl %eax, thread_desc      # the same entry number for both
    leal 3(,%eax,8), %eax       # its selector
    movw %ax, %gs
    sys_clone $(CLONE_AS_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID), $thread_stack_top, $parent_tid, $thread_desc, $tid
    testl %eax, %eax
    js fork_failed
    jz thread
    movl %eax, %ebp
    cmpl %eax, parent_tid
    check_zero_flag "CLONE_PARENT_SETTID: the tid is stored at once"
join:
    movl tid, %edx
    testl %edx, %edx
    jz joined
    invoke4 __NR_futex, $tid, $FUTEX_WAIT, %edx, $0
    jmp join
joined:
    check_equal "the thread's own word, through its %gs", $222, seen
    movl %gs:0, %eax
    check_equal "the main thread's word, through its own", $111, %eax
    sys_getpid
    cmpl %eax, thread_pid
    check_zero_flag "both have one pid"
    cmpl %ebp, thread_tid
    check_zero_flag "but two tids"
    sys_waitpid $ANY_CHILD, $0, $__WALL
    check_equal "a thread is no child", $-ECHILD, %eax
    sys_exit $0

thread:
    movl %gs:0, %eax
    movl %eax, seen
    sys_getpid
    movl %eax, thread_pid
    movl $__NR_gettid, %eax
    int $0x80
    movl %eax, thread_tid
    sys_exit $0                 # exit ends the thread, not the process

.data
main_desc:                      # struct user_desc: any entry; 32-bit, limit in pages, usable
    .long -1, main_word, 0xfffff, 0x51
thread_desc:
    .long 0, thread_word, 0xfffff, 0x51
main_word:
    .long 111
thread_word:
    .long 222
tid:                            # not 0 until the thread has ended
    .long -1
parent_tid:
    .long 0
seen:
    .long 0
thread_pid:
    .long 0
thread_tid:
    .long 0

.bss
.balign 16
.zero 4096
thread_stack_top:

.include "print.inc"
