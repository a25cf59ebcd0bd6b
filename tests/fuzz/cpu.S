# Carries out a table of single instructions: each with registers, flags and memory of its own, and writes
# down what it left, or with which fault it ended. A record of `record_words` words for each.
# %ebp and the other registers point where the table's author wants; flags are masked by what Intel's
# manual leaves undefined.

.equ window,    0x20000800              # of 16 words; what the instruction's memory is, as a rule
.equ border,    0x20000ffc              # the last word of the first page
.equ page_b,    0x20001000
.equ page_c,    0x20002000              # may only be read; behind it nothing is mapped
.equ record_words, 43
.equ window_words, 16
.equ stack_words, 8

# One row: eax ecx edx ebx esi edi ebp flags mask code, then the window.
.equ R_FLAGS, 28
.equ R_MASK, 32
.equ R_CODE, 36
.equ R_WINDOW, 40
.equ ROW, 40 + 4 * window_words

.globl _start
.text
_start:
    movl $0x20000000, %ebx
    movl $0x3000, %ecx
    movl $3, %edx
    movl $0x32, %esi                    # MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
    movl $-1, %edi
    xorl %ebp, %ebp
    movl $192, %eax                     # mmap2
    int $0x80
    movl $0x20002000, %edi
    movl $1024, %ecx
    movl $0x5a5aa5a5, %eax
    rep stosl
    movl $125, %eax                     # mprotect
    movl $0x20002000, %ebx
    movl $0x1000, %ecx
    movl $1, %edx
    int $0x80
    movl $186, %eax                     # sigaltstack
    movl $alternate, %ebx
    xorl %ecx, %ecx
    int $0x80
    movl $signals, %esi
1:  lodsl
    testl %eax, %eax
    jz 2f
    pushl %esi
    movl %eax, %ebx
    movl $174, %eax                     # rt_sigaction
    movl $action, %ecx
    xorl %edx, %edx
    movl $8, %esi
    int $0x80
    popl %esi
    jmp 1b
2:  movl $table, row

next:
    movl row, %esi
    cmpl $table_end, %esi
    jae finished
    movl R_CODE(%esi), %eax
    movl %eax, code
    movl R_MASK(%esi), %eax
    movl %eax, mask
    movl R_FLAGS(%esi), %eax
    movl %eax, flags
    xorl %eax, %eax
    movl $fault, %edi
    movl $6, %ecx
    rep stosl
    movl $scratch, %edi
    movl $32, %ecx
    rep stosl
    movl %eax, border
    movl %eax, page_b
    movl %eax, page_c - 4
    leal R_WINDOW(%esi), %esi
    movl $window, %edi
    movl $window_words, %ecx
    rep movsl
    movl row, %esp                      # popl takes the registers in order
    popl %eax
    popl %ecx
    popl %edx
    popl %ebx
    popl %esi
    popl %edi
    popl %ebp
    movl $flags, %esp
    popfl
    movl $stack_top, %esp
    jmp *code

record:                                 # where every row ends
    movl %esp, saved + 28
    movl $saved + 28, %esp
    pushl %ebp
    pushl %edi
    pushl %esi
    pushl %ebx
    pushl %edx
    pushl %ecx
    pushl %eax
    movl $safe_top, %esp
    pushfl
    popl %eax
    cld
    andl mask, %eax
    movl %eax, saved + 32
    subl $stack_top, saved + 28
    movl result, %edi
    movl $saved, %esi
    movl $15, %ecx                      # the registers, flags, the fault
    rep movsl
    movl $window, %esi
    movl $window_words, %ecx
    rep movsl
    movl $border, %esi
    movsl
    movl $page_b, %esi
    movsl
    movl $page_c - 4, %esi
    movsl
    movl $stack_top - 4 * stack_words, %esi
    movl $stack_words, %ecx
    rep movsl
    xorl %eax, %eax
    stosl                               # to 43
    movl %edi, result
    addl $ROW, row
    jmp next

finished:
    movl $results, %ecx
3:  movl result, %edx
    subl %ecx, %edx
    jz 4f
    movl $1, %ebx
    movl $4, %eax
    int $0x80
    testl %eax, %eax
    js 4f
    addl %eax, %ecx
    jmp 3b
4:  movl $1, %eax
    xorl %ebx, %ebx
    int $0x80

handler:                                # signal, siginfo, ucontext
    movl 12(%esp), %eax
    movl 4(%esp), %ecx
    movl %ecx, fault
    movl 68(%eax), %ecx                 # trapno
    movl %ecx, fault + 4
    cmpl $32, %ecx
    jae 7f
    btl %ecx, with_error_code
    jnc 5f
    movl 72(%eax), %edx
    andl $~0x10, %edx                   # a fetch: only a CPU with an NX bit tells it from a read
    movl %edx, fault + 8
5:  cmpl $14, %ecx
    jne 6f
    movl 104(%eax), %edx                # cr2
    movl %edx, fault + 12
6:  movl 76(%eax), %edx                 # eip, from where the instruction begins
    subl code, %edx
    movl %edx, fault + 16
    movl 84(%eax), %edx                 # eflags
    andl mask, %edx
    movl %edx, fault + 20
7:  movl $record, 76(%eax)
    ret

restorer:
    movl $173, %eax
    int $0x80

.data
signals: .long 4, 5, 7, 8, 11, 0        # ILL TRAP BUS FPE SEGV
action: .long handler, 0x4c000004, restorer, 0, 0       # SIGINFO ONSTACK NODEFER RESTORER
alternate: .long alternate_stack, 0, 0x4000
with_error_code: .long 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17
result: .long results
row: .long 0
code: .long 0
flags: .long 0
mask: .long 0
saved: .skip 36                         # eax ecx edx ebx esi edi ebp esp flags
fault: .skip 24                         # signal, trap, error code, address, eip, flags
.bss
.balign 16
scratch: .skip 128
stack_top: .skip 128
safe: .skip 64
safe_top: .skip 64
alternate_stack: .skip 0x4000
