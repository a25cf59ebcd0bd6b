# title: Which system is this?
# expect stdout: Linux
# expect stdout: ok: uname returns 0
# expect stdout: ok: the release has a name
# expect stdout: ok: every field ends inside its 65 bytes
#
# Idea: a system call can fill a structure of the caller: six fields of 65 bytes. The kernel
# writes into user memory, so it must check the pointer, and break copy-on-write there.
# While stepping: `break syscall uname`; x/65c buffer before and after.

.include "linux.inc"

.equ FIELD,   65                # sysname nodename release version machine domainname
.equ RELEASE, 2 * FIELD
.equ FIELDS,  6

.text
.globl _start
_start:
    movl $buffer, %ebx
    movl $__NR_uname, %eax
    int $0x80
    movl %eax, %ebp
    movb $NEWLINE, newline
    sys_write $STDOUT_FILENO, $buffer, $5
    sys_write $STDOUT_FILENO, $newline, $1
    check_equal "uname returns 0", $0, %ebp
    cmpb $0, buffer + RELEASE
    setne %al
    cmpb $1, %al
    check_zero_flag "the release has a name"

    movl $buffer, %esi
    movl $FIELDS, %edx          # fields still without an end
next_field:
    movl %esi, %edi
    movl $FIELD, %ecx
    xorl %eax, %eax
    cld
    repne scasb                 # ZF: a zero byte was found
    jne ended
    addl $FIELD, %esi
    decl %edx
    jnz next_field
ended:
    check_equal "every field ends inside its 65 bytes", $0, %edx
    sys_exit $0

.bss
buffer:
    .skip FIELDS * FIELD
newline:
    .skip 1

.include "print.inc"
