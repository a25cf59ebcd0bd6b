# title: FPU registers belong to a process, and to a moment of it
# expect stdout: ok: a handler starts with a fresh control word
# expect stdout: ok: and an empty stack
# expect stdout: ok: afterwards the control word is back
# expect stdout: ok: and the number
# expect stdout: ok: a handler can change it in the frame
# expect stdout: ok: a child starts with its parent's number
# expect stdout: ok: what it computes is its own
# expect stdout: ok: and the parent's is still there
#
# Idea: the kernel does not save the FPU at every switch. It marks it as not available (CR0.TS), and
# the first instruction that wants it raises #NM: only then are registers exchanged.
# While stepping: `break trap 7` stops at each exchange; there is none while one process computes.

.include "linux.inc"
.include "signal.inc"

.text
.globl _start
_start:
    set_handler $SIGUSR1, $handler, $0
    fninit
    fldcw control
    fildl seven
    kill_self $SIGUSR1
    fnstcw word
    fistl value
    movzwl seen_control, %eax
    check_equal "a handler starts with a fresh control word", $0x37f, %eax
    movzwl seen_tags, %eax
    check_equal "and an empty stack", $0xffff, %eax
    movzwl word, %eax
    check_equal "afterwards the control word is back", $0xf7f, %eax
    check_equal "and the number", $7, value

    set_handler $SIGUSR1, $changer, $0
    kill_self $SIGUSR1
    fnstcw word
    movzwl word, %eax
    check_equal "a handler can change it in the frame", $0x27f, %eax

    sys_fork
    testl %eax, %eax
    js fork_failed
    jz child
    movl %eax, %esi
    sys_waitpid %esi, $0, $0
    fistl value
    check_equal "and the parent's is still there", $7, value
    sys_exit $0

child:
    fistl value
    check_equal "a child starts with its parent's number", $7, value
    fimull seven
    sys_sched_yield             # the parent may compute meanwhile
    fistl value
    check_equal "what it computes is its own", $49, value
    sys_exit $0

handler:
    fnstenv environment
    movw environment, %ax
    movw %ax, seen_control
    movw environment + 8, %ax
    movw %ax, seen_tags
    fld1                        # what it leaves behind is gone with it
    fld1
    ret

changer:
    movl 8 + SC_FPSTATE(%esp), %eax
    movw $0x27f, (%eax)
    ret

.data
seven:
    .long 7
value:
    .long 0
control:
    .word 0xf7f                 # round towards zero
word:
    .word 0
seen_control:
    .word 0
seen_tags:
    .word 0
environment:
    .skip 28

.include "print.inc"
