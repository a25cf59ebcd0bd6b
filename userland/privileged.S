# title: Instructions that ring 3 may not execute
# expect stdout: hlt: signal 11
# expect stdout: sti: signal 11
# expect stdout: in: signal 11
# expect stdout: out: signal 11
# expect stdout: mov to cr3: signal 11
# expect stdout: mov from cr0: signal 11
# expect stdout: lidt: signal 11
# expect stdout: ltr: signal 11
# expect stdout: invlpg: signal 11
#
# Idea: each would let a program reach past its own address space. All end in vector 13; one child
# for each, since none survives.
# While stepping: break on a label, `break trap 13`.

.include "linux.inc"

.text
.globl _start
_start:
    report_signal "hlt", do_hlt
    report_signal "sti", do_sti
    report_signal "in", do_in
    report_signal "out", do_out
    report_signal "mov to cr3", do_load_cr3
    report_signal "mov from cr0", do_read_cr0
    report_signal "lidt", do_lidt
    report_signal "ltr", do_ltr
    report_signal "invlpg", do_invlpg
    sys_exit $0

do_hlt:
    hlt
    sys_exit $0
do_sti:
    sti
    sys_exit $0
do_in:
    movl $0x3f8, %edx           # the serial port
    inb %dx, %al
    sys_exit $0
do_out:
    movl $0x3f8, %edx
    movb $'X', %al
    outb %al, %dx
    sys_exit $0
do_load_cr3:
    xorl %eax, %eax
    movl %eax, %cr3
    sys_exit $0
do_read_cr0:
    movl %cr0, %eax
    sys_exit $0
do_lidt:
    lidt table
    sys_exit $0
do_ltr:
    xorl %eax, %eax
    ltr %ax
    sys_exit $0
do_invlpg:
    invlpg table
    sys_exit $0

.data
table:                          # limit 0, base 0: nobody gets to use it
    .skip 6

.include "print.inc"
