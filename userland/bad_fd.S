# title: File descriptors that are not open
# expect stdout: ok: 3 was never opened: EBADF
# expect stdout: ok: 99: EBADF
# expect stdout: ok: -1: EBADF
# expect stdout: ok: a bad descriptor is noticed before a bad pointer
# expect stderr: this goes to standard error
#
# Idea: a descriptor is an index into the process's own table; the kernel checks it first. 1 and 2
# are open from the start, and are two different outputs.
# While stepping: `break syscall write`; %ebx is the descriptor.

.include "linux.inc"

.text
.globl _start
_start:
    sys_write $3, $message, $MESSAGE_LENGTH
    check_equal "3 was never opened: EBADF", $-EBADF, %eax
    sys_write $99, $message, $MESSAGE_LENGTH
    check_equal "99: EBADF", $-EBADF, %eax
    sys_write $-1, $message, $MESSAGE_LENGTH
    check_equal "-1: EBADF", $-EBADF, %eax
    sys_write $99, $1, $1
    check_equal "a bad descriptor is noticed before a bad pointer", $-EBADF, %eax
    sys_write $STDERR_FILENO, $message, $MESSAGE_LENGTH
    sys_exit $0

.section .rodata
message:
    .ascii "this goes to standard error\n"
.equ MESSAGE_LENGTH, . - message

.include "print.inc"
