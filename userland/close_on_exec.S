# title: exec: what goes and what stays
# expect stdout: ok: a descriptor stays open
# expect stdout: ok: the one that was marked is closed
# expect stdout: ok: the umask stays
# expect stdout: ok: exec of what is not there changes nothing
#
# Idea: exec replaces the memory and keeps the process: its number, its descriptors but for those marked
# close-on-exec, its umask. The program runs itself a second time, with an argument that says so.
# While stepping: `info task` before and after: the same pid, another address space.

.include "linux.inc"
.include "process.inc"

.text
.globl _start
_start:

    cmpl $2, (%esp)             # argc
    je again
    movl 4(%esp), %ebp          # argv[0] is the program's path
    invoke1 __NR_dup, $STDOUT_FILENO
    movl %eax, %esi             # 3 stays
    invoke1 __NR_dup, $STDOUT_FILENO
    movl %eax, %edi
    invoke3 __NR_fcntl, %edi, $F_SETFD, $1
    invoke1 __NR_umask, $0123
    sys_getpid
    addl $'0', %esi             # descriptors as one digit each
    addl $'0', %edi
    movl %esi, %ecx
    movb %cl, kept_digit
    movl %edi, %ecx
    movb %cl, closed_digit
    movl %ebp, argv
    movl $kept_digit, argv + 4
    invoke3 __NR_execve, %ebp, $argv, $0
    say_decimal "exec failed: ", %eax
    sys_exit $1

again:
    movl 8(%esp), %esi          # argv[1]: two digits
    movzbl (%esi), %ebx
    subl $'0', %ebx
    invoke2 __NR_fcntl, %ebx, $F_GETFD
    check_equal "a descriptor stays open", $0, %eax
    movzbl 1(%esi), %ebx
    subl $'0', %ebx
    invoke2 __NR_fcntl, %ebx, $F_GETFD
    check_equal "the one that was marked is closed", $-EBADF, %eax
    invoke1 __NR_umask, $0
    check_equal "the umask stays", $0123, %eax
    invoke3 __NR_execve, $missing, $0, $0
    check_equal "exec of what is not there changes nothing", $-ENOENT, %eax
    sys_exit $0

.section .rodata
missing:
    .asciz "/no/such/program"

.data
argv:
    .long 0, 0, 0
kept_digit:
    .byte 0
closed_digit:
    .byte 0
    .byte 0

.include "print.inc"
