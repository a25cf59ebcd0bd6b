# title: A pipe between parent and child
# expect stdout: ok: read gets what there is
# expect stdout: ok: the child's word
# expect stdout: ok: the end, when the last writer is gone
# expect stdout: ok: a write that nobody can read is SIGPIPE
#
# Idea: read sleeps while the pipe is empty and somebody could still write; it answers 0 when nobody can any
# more. write to a pipe without readers fails, and raises SIGPIPE.
# While stepping: the reader's state while it waits; who wakes it.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    invoke1 __NR_pipe, $fds
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    invoke1 __NR_close, fds + 4 # or the end of the file never comes
    invoke3 __NR_read, fds, $buffer, $8
    check_equal "read gets what there is", $4, %eax
    check_equal "the child's word", $0x65696874, buffer
    invoke3 __NR_read, fds, $buffer, $8
    check_equal "the end, when the last writer is gone", $0, %eax
    sys_waitpid $ANY_CHILD, $0, $0

    run_child writer
    andl $STATUS_SIGNAL, %eax
    check_equal "a write that nobody can read is SIGPIPE", $13, %eax
    sys_exit $0

child:
    sys_sched_yield             # the parent is asleep in read by now
    sys_write fds + 4, $word, $4
    sys_exit $0

writer:
    invoke1 __NR_pipe, $fds
    invoke1 __NR_close, fds
    sys_write fds + 4, $word, $4
    sys_exit $0

.section .rodata
word:
    .ascii "thie"

.data
fds:
    .long 0, 0
buffer:
    .long 0, 0

.include "print.inc"
