# title: An open file is shared, offset and all
# expect stdout: ok: the child reads the first two
# expect stdout: ok: the parent reads what comes after the child's
# expect stdout: ok: so does a duplicate
# expect stdout: ok: and then it is the end
#
# Idea: a descriptor is only a name for an open file, and fork copies names. Parent and child read on from
# where the other stopped. Opening the file again makes another open file.
# While stepping: `break syscall read` in both: the third argument of neither says where.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    invoke3 __NR_open, $path, $O_RDWR_CREATE, $0600
    movl %eax, fd
    invoke1 __NR_unlink, $path  # it lives on as long as it is open
    sys_write fd, $text, $6
    invoke3 __NR_lseek, fd, $0, $0
    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    sys_waitpid %eax, $0, $0
    invoke3 __NR_read, fd, $buffer, $2
    movzwl buffer, %eax
    check_equal "the parent reads what comes after the child's", $0x6463, %eax
    invoke1 __NR_dup, fd
    invoke3 __NR_read, %eax, $buffer, $2
    movzwl buffer, %eax
    check_equal "so does a duplicate", $0x6665, %eax
    invoke3 __NR_read, fd, $buffer, $2
    check_equal "and then it is the end", $0, %eax
    sys_exit $0

child:
    invoke3 __NR_read, fd, $buffer, $2
    movzwl buffer, %eax
    check_equal "the child reads the first two", $0x6261, %eax
    sys_exit $0

.section .rodata
path:
    .asciz "/tmp/shared_offset.tmp"
text:
    .ascii "abcdef"

.data
fd:
    .long 0
buffer:
    .long 0

.include "print.inc"
