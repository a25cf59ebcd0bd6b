# Carries out a table of operations in several processes and writes down what each answered, in an order
# that the table fixes: a child runs while its parent waits for it, or is held until the parent lets it go.
#
# A row: op, number, six arguments, a buffer and its length whose sum is logged too, and two words more.
# The log is shared memory: the row, the result, the sum. A supervisor writes it out when all is over.

.equ ROW, 48
.equ LOG, 0x28000000                    # first word: where the next entry goes
.equ LOG_SIZE, 0x100000
.equ GATES, 0x29000000                  # a word for each row that makes a held child, shared
.equ BUFFER, 0x2a000000                 # 16 pages, private
.equ AREA, 0x30000000                   # for the table's own mappings

.equ OP_END, 0                          # the process ends; argument 0: status
.equ OP_CALL, 1                         # a system call
.equ OP_STORE, 2                        # address, word
.equ OP_LOAD, 3                         # address
.equ OP_FORK, 4                         # a child does the next `number` rows; its parent waits for it
.equ OP_HOLD, 5                         # the same, but the child begins when OP_RELEASE names its slot
.equ OP_RELEASE, 6                      # slot: let it go and wait for it
.equ OP_KILL, 7                         # slot, signal: 0xff as slot is the process itself
.equ OP_WAIT, 8                         # options: waitpid(-1); the slot that it finds
.equ OP_FILL, 9                         # address, count, first byte: of the buffer

.globl _start
.text
_start:
    movl $LOG, %ebx
    movl $LOG_SIZE, %ecx
    movl $0x31, %esi                    # MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED
    call map
    movl $GATES, %ebx
    movl $0x10000, %ecx
    movl $0x31, %esi
    call map
    movl $BUFFER, %ebx
    movl $0x10000, %ecx
    movl $0x32, %esi
    call map
    movl $LOG + 4, LOG
    movl $75, %eax                      # setrlimit(RLIMIT_CORE, 0)
    movl $4, %ebx
    movl $no_core, %ecx
    int $0x80
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jz run
    movl %eax, %ebx
    movl $7, %eax                       # waitpid
    movl $status, %ecx
    xorl %edx, %edx
    int $0x80
    movl status, %eax
    call log
    movl $LOG + 4, %ecx
1:  movl LOG, %edx
    subl %ecx, %edx
    jz 2f
    movl $1, %ebx
    movl $4, %eax
    int $0x80
    testl %eax, %eax
    js 2f
    addl %eax, %ecx
    jmp 1b
2:  movl $37, %eax                      # whoever is left and held: kill(0, SIGKILL)
    xorl %ebx, %ebx
    movl $9, %ecx
    int $0x80

map:
    movl $3, %edx
    movl $-1, %edi
    xorl %ebp, %ebp
    movl $192, %eax
    int $0x80
    ret

run:
    movl $11, %ebx                      # SIGSEGV, and SIGBUS: a row that faults has that as its result
    call catch
    movl $7, %ebx
    call catch
    movl $table, pc

next:
    movl $stack_top, %esp
    cld
    movl pc, %esi
    movl %esi, %eax                     # which row
    subl $table, %eax
    orl $0x80000000, %eax
    call log
    addl $ROW, pc
    movl (%esi), %eax
    jmp *operations(,%eax,4)

log:                                    # %eax: a word
    pushl %ecx
    movl LOG, %ecx
    cmpl $LOG + LOG_SIZE - 64, %ecx
    jae 1f
    movl %eax, (%ecx)
    addl $4, LOG
1:  popl %ecx
    ret

op_end:
    movl 8(%esi), %ebx
    movl $252, %eax                     # exit_group
    int $0x80

op_call:
    pushl %esi
    movl 8(%esi), %ebx
    movl 12(%esi), %ecx
    movl 16(%esi), %edx
    movl 24(%esi), %edi
    movl 28(%esi), %ebp
    movl 4(%esi), %eax
    movl 20(%esi), %esi
    int $0x80
    popl %esi
    call log
    movl 36(%esi), %ecx
    movl 32(%esi), %esi
    jecxz next
    xorl %edx, %edx
1:  roll $5, %edx
    xorl %eax, %eax
    lodsb
    addl %eax, %edx
    loop 1b
    movl %edx, %eax
    call log
    jmp next

op_store:
    movl 8(%esi), %ebx
    movl 12(%esi), %ecx
    movl %ecx, (%ebx)
    jmp next

op_load:
    movl 8(%esi), %ebx
    movl (%ebx), %eax
    call log
    jmp next

op_fill:
    movl 8(%esi), %edi
    movl 12(%esi), %ecx
    movl 16(%esi), %eax
1:  stosb
    addl $7, %eax
    loop 1b
    jmp next

op_fork:
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jz next
    js failed
    movl %eax, %ebx
    call skip
    jmp collect

op_hold:
    movl $175, %eax                     # rt_sigprocmask: nothing may reach it on its way
    pushl %esi
    xorl %ebx, %ebx
    movl $everything, %ecx
    movl $mask_before, %edx
    movl $8, %esi
    int $0x80
    popl %esi
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jz held
    pushl %eax
    call unmask
    popl %eax
    testl %eax, %eax
    js failed
    movl 8(%esi), %ebx
    movl %eax, slots(,%ebx,4)
    call gate
    movl 8(%esi), %edx
    movl %ebx, gates(,%edx,4)
    call skip
    jmp next
held:
    call gate
1:  movl $240, %eax                     # futex(FUTEX_WAIT, 0)
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    int $0x80
    cmpl $0, (%ebx)
    je 1b
    call unmask
    jmp next

gate:                                   # of this row: %ebx
    movl %esi, %ebx
    subl $table, %ebx
    shrl $2, %ebx
    addl $GATES, %ebx
    ret

unmask:
    pushl %esi
    movl $175, %eax
    movl $2, %ebx
    movl $mask_before, %ecx
    xorl %edx, %edx
    movl $8, %esi
    int $0x80
    popl %esi
    ret

failed:                                 # no child: nobody does its rows
    call log
    call skip
    jmp next

skip:
    movl 4(%esi), %eax
    imull $ROW, %eax, %eax
    addl %eax, pc
    ret

op_release:
    movl 8(%esi), %ebx
    movl slots(,%ebx,4), %edx
    testl %edx, %edx
    jz next
    movl $0, slots(,%ebx,4)
    movl gates(,%ebx,4), %ebx
    movl $1, (%ebx)
    pushl %edx
    movl $240, %eax                     # futex(FUTEX_WAKE, 1)
    movl $1, %ecx
    movl $1, %edx
    int $0x80
    popl %ebx
    jmp collect

collect:                                # %ebx: whom to wait for, however often a signal comes between
    movl $status, %ecx
    xorl %edx, %edx
    movl $0, (%ecx)
1:  movl $7, %eax
    int $0x80
    cmpl $-4, %eax
    je 1b
    testl %eax, %eax
    js 2f
    movl status, %eax
2:  call log
    jmp next

op_kill:
    movl 8(%esi), %eax
    cmpl $0xff, %eax
    je 1f
    movl slots(,%eax,4), %ebx
    testl %ebx, %ebx
    jz next
    jmp 2f
1:  movl $20, %eax                      # getpid
    int $0x80
    movl %eax, %ebx
2:  movl 12(%esi), %ecx
    movl $37, %eax
    int $0x80
    cmpl $9, %ecx                       # who is killed dies when it likes, on another CPU: SIGCHLD comes here
    jne 3f
    pushl %eax
    movl %ebx, %ecx
    movl $1, %ebx                       # P_PID
    xorl %edx, %edx
    xorl %edi, %edi
    movl $0x01000004, %esi              # WEXITED | WNOWAIT
4:  movl $284, %eax                     # waitid
    int $0x80
    cmpl $-4, %eax
    je 4b
    popl %eax
3:  call log
    jmp next

op_wait:
    movl $-1, %ebx
    movl $status, %ecx
    movl 8(%esi), %edx
    movl $0, (%ecx)
    movl $7, %eax
    int $0x80
    testl %eax, %eax
    jle 2f
    xorl %ecx, %ecx
1:  cmpl slots(,%ecx,4), %eax
    je 3f
    incl %ecx
    cmpl $8, %ecx
    jb 1b
3:  movl $0, slots(,%ecx,4)
    movl %ecx, %eax
    call log
    movl status, %eax
2:  call log
    jmp next

catch:
    movl $174, %eax
    movl $action, %ecx
    xorl %edx, %edx
    movl $8, %esi
    int $0x80
    ret

handler:                                # of faults: the row is over
    movl 4(%esp), %eax
    orl $0x40000000, %eax
    call log
    movl 12(%esp), %edx
    # The error code without the bit for a fetch, and without P: newer kernels map more of a shared
    # object than was touched.
    movl 72(%edx), %eax
    andl $0xe, %eax
    call log
    movl 104(%edx), %eax
    call log
    movl $next, 76(%edx)
    ret

note:                                   # of any other signal: it came
    movl 4(%esp), %eax
    orl $0x20000000, %eax
    call log
    movl 8(%esp), %edx
    movl 8(%edx), %eax                  # si_code
    call log
    ret

restorer:
    movl $173, %eax
    int $0x80

.data
operations: .long op_end, op_call, op_store, op_load, op_fork, op_hold, op_release, op_kill, op_wait, op_fill
no_core: .long 0, 0
status: .long 0
pc: .long 0
slots: .skip 36                         # pids
gates: .skip 36                         # and where each waits
everything: .long -1, -1
mask_before: .long 0, 0
action: .long handler, 0x44000004, restorer, 0, 0       # SIGINFO NODEFER RESTORER
notes: .long note, 0x04000004, restorer, 0, 0           # SIGINFO RESTORER
resets: .long note, 0x84000004, restorer, 0, 0          # and RESETHAND
restarts: .long note, 0x54000004, restorer, 0, 0        # and RESTART, NODEFER
masks: .long note, 0x04000004, restorer, 0x00014002, 0  # and the mask of INT, TERM, CHLD
default: .long 0, 0x04000000, restorer, 0, 0
ignore: .long 1, 0x04000000, restorer, 0, 0
# RLIMIT_NOFILE, RLIMIT_FSIZE: soft and hard
descriptors: .long 0, 1024, 4, 1024, 6, 1024, 8, 1024, 10, 1024, 1024, 1024
sizes: .long 0, -1, 100, -1, 5000, -1, 100000, -1
sets: .long 0, 0, 1 << 1, 0, 1 << 9 | 1 << 11, 0, 1 << 16, 0, 1 << 9 | 1 << 14 | 1 << 27, 0, -1, -1
vectors: .long BUFFER + 0x1000, 10, BUFFER + 0x1100, 100, BUFFER + 0x1010, 0, BUFFER + 0x1200, 50
names: .asciz "f0"
.asciz "f1"
.asciz "f2"
.asciz "d"
.asciz "d/f3"
.asciz "nothing/here"
.bss
.balign 16
.skip 0x4000
stack_top:
.skip 16
