# title: Fork again and again until it succeeds, from six shapes of parent
# expect stdout: the parent's memory is its own
# args: s
#
# Idea: a fork that fails must leave nothing behind, so that the next one can succeed. The first
# letter of the argument says what the parent has to be copied: s little, a many areas, d a deep stack,
# m shared mappings, p thousands of pages, n a child that forks in its turn.
# While stepping: run it with `--fail-nth N` for growing N: each time another step or allocation of fork fails,
# and each time the parent just calls fork once more.

.include "linux.inc"
.include "mman.inc"

.equ AREAS,     48
.equ DEPTH,     512             # pages of stack
.equ HEAP,      2400            # pages
.equ SHARED,    6

.text
.globl _start
_start:
    movl $1, witness
    cmpl $2, (%esp)             # argc
    jb usage
    movl 8(%esp), %eax          # argv[1]
    movzbl (%eax), %eax
    cmpb $'s', %al
    je again
    cmpb $'a', %al
    je many_areas
    cmpb $'d', %al
    je deep_stack
    cmpb $'m', %al
    je shared_mappings
    cmpb $'p', %al
    je many_pages
    cmpb $'n', %al
    je nested
usage:
    say "argument: one of s a d m p n"
    sys_exit $2

# Neighbours that differ in their rights cannot be merged.
many_areas:
    movl $AREAS, counter
1:  sys_mmap $0, $(2 * PAGE_SIZE), $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl %eax, address
    incl (%eax)
    incl PAGE_SIZE(%eax)
    sys_mprotect address, $PAGE_SIZE, $PROT_READ
    testl %eax, %eax
    jnz failed
    decl counter
    jnz 1b
    jmp again

deep_stack:
    movl $DEPTH, %ecx
1:  subl $PAGE_SIZE, %esp
    incl (%esp)
    decl %ecx
    jnz 1b
    jmp again

shared_mappings:
    movl $SHARED, counter
1:  sys_mmap $0, $(4 * PAGE_SIZE), $PROT_RW, $ANON_SHARED
    cmpl $MAX_ADDRESS, %eax
    ja failed
    incl (%eax)
    incl 2*PAGE_SIZE(%eax)
    movl %eax, address
    sys_mmap $0, $PAGE_SIZE, $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    incl (%eax)
    decl counter
    jnz 1b
    jmp again

many_pages:
    sys_mmap $0, $(HEAP * PAGE_SIZE), $PROT_RW, $ANON_PRIVATE
    cmpl $MAX_ADDRESS, %eax
    ja failed
    movl $HEAP, %ecx
1:  incl (%eax)
    addl $PAGE_SIZE, %eax
    decl %ecx
    jnz 1b
    jmp again

nested:
    movl $1, deeper

again:
    sys_fork
    testl %eax, %eax
    js again                    # whatever the error was
    jz child
    sys_waitpid %eax, $status, $0
    cmpl $0, status
    jne failed
    cmpl $1, witness
    jne failed
    cmpl $0, am_child
    jne done
    say "the parent's memory is its own"
done:
    sys_exit $0

child:
    cmpl $1, witness            # what it was at the moment of fork
    jne failed
    cmpl $0, deeper
    je write
    movl $0, deeper
    movl $1, am_child
    jmp again
write:
    movl $2, witness
    sys_exit $0

failed:
    say "failed"
    sys_exit $1

.data
.balign PAGE_SIZE
witness:    .long 0
counter:    .long 0
address:    .long 0
status:     .long 0
deeper:     .long 0
am_child:   .long 0
