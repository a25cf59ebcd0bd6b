# title: Code and constants are read-only
# expect stdout: ok: .text can be read
# expect stdout: ok: .rodata can be read
# expect stdout: write to .text: signal 11
# expect stdout: write to .rodata: signal 11
#
# Idea: the page is present but its area forbids writing. The page fault looks like a
# copy-on-write fault (error code 7 for a present page); only the area tells them apart.
# While stepping: `break trap 14`; error code on the frame, then do_page_fault's decision.

.include "linux.inc"

.text
.globl _start
_start:
    check_equal ".text can be read", $0x90, code_byte
    check_equal ".rodata can be read", $1234, constant
    report_signal "write to .text", write_text
    report_signal "write to .rodata", write_rodata
    sys_exit $0

write_text:
    movl $0, code_byte
    sys_exit $0
write_rodata:
    movl $0, constant
    sys_exit $0

code_byte:                      # four bytes, never executed
    .long 0x90

.section .rodata
constant:
    .long 1234

.include "print.inc"
