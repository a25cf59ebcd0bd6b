# title: A stack for the time when the stack is used up
# expect stdout: ok: none at first
# expect stdout: ok: one that is too small
# expect stdout: ok: one that is big enough
# expect stdout: ok: the handler runs on it
# expect stdout: ok: and says so
# expect stdout: ok: it cannot be changed meanwhile
# expect stdout: ok: a handler without SA_ONSTACK runs on the ordinary one
# expect stdout: ok: switched off
# expect stdout: ok: now SA_ONSTACK changes nothing
# expect stdout: overflow caught
# expect status: 7
#
# Idea: a signal frame needs a stack. When the fault *is* the stack's end, only another one helps:
# sigaltstack names it, SA_ONSTACK says which handlers use it.
# While stepping: break on overflow: %esp is inside altstack, and SC_ESP in the frame far below the
# lowest page of the stack.

.include "linux.inc"
.include "signal.inc"

.equ STACK_BYTES, 8192

.text
.globl _start
_start:
    movl $0, %ebx
    movl $old, %ecx
    movl $__NR_sigaltstack, %eax
    int $0x80
    check_equal "none at first", $SS_DISABLE, old + 4
    set_altstack $altstack, $0, $2047
    check_equal "one that is too small", $-ENOMEM, %eax
    set_altstack $altstack, $0, $STACK_BYTES
    check_equal "one that is big enough", $0, %eax

    set_handler $SIGUSR1, $on_stack, $SA_ONSTACK
    kill_self $SIGUSR1
    movl seen, %eax
    subl $altstack, %eax
    cmpl $STACK_BYTES, %eax
    sbbl %eax, %eax             # -1 when inside
    check_equal "the handler runs on it", $-1, %eax
    check_equal "and says so", $SS_ONSTACK, old + 4
    check_equal "it cannot be changed meanwhile", $-EPERM, result

    set_handler $SIGUSR1, $on_stack, $0
    kill_self $SIGUSR1
    movl %esp, %eax
    subl seen, %eax
    cmpl $4096, %eax
    sbbl %eax, %eax
    check_equal "a handler without SA_ONSTACK runs on the ordinary one", $-1, %eax

    set_altstack $0, $SS_DISABLE, $0
    check_equal "switched off", $0, %eax
    set_handler $SIGUSR1, $on_stack, $SA_ONSTACK
    kill_self $SIGUSR1
    movl %esp, %eax
    subl seen, %eax
    cmpl $4096, %eax
    sbbl %eax, %eax
    check_equal "now SA_ONSTACK changes nothing", $-1, %eax

    set_altstack $altstack, $0, $STACK_BYTES
    set_handler $SIGSEGV, $overflow, $SA_ONSTACK
recurse:
    pushl %eax
    jmp recurse

on_stack:
    movl %esp, seen
    movl $0, %ebx
    movl $old, %ecx
    movl $__NR_sigaltstack, %eax
    int $0x80
    set_altstack $altstack, $0, $STACK_BYTES
    movl %eax, result
    ret

overflow:
    say "overflow caught"
    sys_exit $7

.data
old:
    .long 0, 0, 0
seen:
    .long 0
result:
    .long 0

.bss
.balign 16
altstack:
    .skip STACK_BYTES

.include "print.inc"
