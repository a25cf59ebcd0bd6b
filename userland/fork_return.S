# title: What fork returns
# expect stdout: ok: fork returns 0 in the child
# expect stdout: ok: the child's parent is who called fork
# expect stdout: ok: the child has a pid of its own
# expect stdout: ok: a single-threaded process has tid = pid
# expect stdout: ok: other registers are the parent's
# expect stdout: ok: waitpid gives what fork gave
# expect stdout: ok: fork gave the child's pid
#
# Idea: fork is called once and returns twice, with one register different: 0 in the child's %eax,
# the child's pid in the parent's.
# While stepping: break on after_fork, which both reach. In the child, step from ret_from_fork:
# its first instruction in the kernel, with a pt_regs whose ax is 0.

.include "linux.inc"

.equ MARK, 0x1234abcd

.text
.globl _start
_start:
    sys_getpid
    movl %eax, %esi             # registers are copied too: the child inherits this
    movl $MARK, %edi
    sys_fork
after_fork:
    movl %eax, %ebp
    testl %eax, %eax
    js fork_failed
    jg parent

child:
    check_equal "fork returns 0 in the child", $0, %ebp
    sys_getppid
    check_equal "the child's parent is who called fork", %esi, %eax
    sys_getpid
    movl %eax, %ebp
    cmpl %esi, %ebp
    setne %al                   # 1 when different
    cmpb $1, %al
    check_zero_flag "the child has a pid of its own"
    movl $__NR_gettid, %eax
    int $0x80
    check_equal "a single-threaded process has tid = pid", %ebp, %eax
    check_equal "other registers are the parent's", $MARK, %edi
    andl $0xff, %ebp            # an exit status has eight bits: enough to compare
    sys_exit %ebp

parent:
    pushl $0
    sys_waitpid %ebp, %esp, $0
    check_equal "waitpid gives what fork gave", %ebp, %eax
    popl %eax
    shrl $8, %eax               # exit status is the second byte of the status word
    andl $0xff, %ebp
    check_equal "fork gave the child's pid", %ebp, %eax
    sys_exit $0

.include "print.inc"
