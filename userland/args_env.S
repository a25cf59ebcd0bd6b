# title: What a program finds on its stack
# args: one "two words"
# options: --env LESSON=fork
# expect stdout: argc: 3
# expect stdout: argv[1]: one
# expect stdout: argv[2]: two words
# expect stdout: ok: argv ends with a null pointer
# expect stdout: ok: LESSON=fork is in the environment
# expect stdout: AT_PAGESZ: 4096
# expect stdout: ok: AT_ENTRY is _start
#
# Idea: before the first instruction the kernel has written on the stack: argc, the argv pointers,
# a null, the environment pointers, a null, then pairs of words (the auxiliary vector) up to
# AT_NULL. There is no return address: nobody called _start.
# While stepping: at _start, x/32wx $esp.

.include "linux.inc"

.equ AT_NULL,   0
.equ AT_PAGESZ, 6
.equ AT_ENTRY,  9

.text
.globl _start
_start:
    movl %esp, %ebp             # (%ebp) = argc, 4(%ebp) = argv[0]
    say_decimal "argc: ", (%ebp)
    sys_write $STDOUT_FILENO, $argv_1, $9
    movl 8(%ebp), %esi
    call print_string
    sys_write $STDOUT_FILENO, $argv_2, $9
    movl 12(%ebp), %esi
    call print_string

    movl (%ebp), %eax
    leal 4(%ebp,%eax,4), %edi   # behind the last argument
    check_equal "argv ends with a null pointer", $0, (%edi)

    xorl %edx, %edx             # 1 when the variable has been seen
next_variable:
    addl $4, %edi
    movl (%edi), %eax
    testl %eax, %eax
    jz variables_done
    pushl %edi
    movl %eax, %edi
    movl $variable, %esi
    movl $VARIABLE_LENGTH, %ecx
    cld
    repe cmpsb
    popl %edi
    jne next_variable
    movl $1, %edx
    jmp next_variable
variables_done:
    check_equal "LESSON=fork is in the environment", $1, %edx

    movl $-1, %ebx              # values from the vector; -1 means not seen
    movl $-1, %ecx
next_pair:
    movl 4(%edi), %eax          # %edi is one word before the pair
    cmpl $AT_NULL, %eax
    je vector_done
    cmpl $AT_PAGESZ, %eax
    jne 1f
    movl 8(%edi), %ebx
1:  cmpl $AT_ENTRY, %eax
    jne 2f
    movl 8(%edi), %ecx
2:  addl $8, %edi
    jmp next_pair
vector_done:
    say_decimal "AT_PAGESZ: ", %ebx
    check_equal "AT_ENTRY is _start", $_start, %ecx
    sys_exit $0

# The string at %esi and a newline.
print_string:
    movl %esi, %edx
1:  cmpb $0, (%edx)
    je 2f
    incl %edx
    jmp 1b
2:  subl %esi, %edx
    movl %esi, %ecx
    movl $STDOUT_FILENO, %ebx
    movl $__NR_write, %eax
    int $0x80
    sys_write $STDOUT_FILENO, $newline, $1
    ret

.section .rodata
argv_1:
    .ascii "argv[1]: "
argv_2:
    .ascii "argv[2]: "
newline:
    .ascii "\n"
variable:
    .asciz "LESSON=fork"        # its end too, or LESSON=forks would do
.equ VARIABLE_LENGTH, . - variable

.include "print.inc"
