"""Lines of code of 16 bits: each kind of operand, address and default size."""

from __future__ import annotations

LINES = r"""
ret
ret $4
retl
retw
retw $4
lret
lretl
lretw
iret
iretl
iretw
leave
leavel
leavew
enter $4,$0
enterl $4,$0
enterw $4,$0
pusha
pushal
pushaw
pushf
pushfl
pushfw
popf
popa
push $5
push $0x1234
push $sym
pushl $sym
pushw $sym
push %eax
push %ax
push %ds
pushl %ds
pushw %ds
pop %ds
popl %ds
push (%eax)
push (%bx)
pushl (%bx)
pop sym
call f
calll f
callw f
call *%eax
call *%ax
call *(%eax)
call *(%bx)
call *sym
jmp *%eax
jmp *%ax
jmp *(%bx)
jmpl *(%bx)
jmp f
jmp 1f;1: nop
jne f
jne 1f;1:nop
data32 jmp f
jcxz 1f;1:nop
jecxz 1f;1:nop
loop 1f;1:nop
loopl 1f;1:nop
loopw 1f;1:nop
ljmp $8,$f
ljmpl $8,$f
ljmpw $8,$f
ljmp $8,$0x1234
ljmpl $8,$0x12345
lcall $8,$f
lcalll $8,$f
ljmp *(%bx)
ljmpl *(%bx)
ljmp *sym
lcall *sym
lgdt sym
lgdtl sym
lgdtw sym
lidt (%eax)
lidt (%bx)
sgdt sym
sidtl sym
lmsw %ax
lldt %ax
ltr %ax
sldt %eax
smsw %eax
smsw %ax
str %ax
mov %ds,%ax
mov %ax,%ds
mov %eax,%ds
mov %ds,%eax
mov %ds,(%bx)
mov (%bx),%ds
movw %ds,%ax
movl %ds,%eax
mov %cr0,%eax
movl %eax,%cr0
movb $1,%al
movw $1,%ax
movl $1,%eax
movl $sym,%eax
movw $sym,%ax
movw $sym,sym
movl $5,sym
movw sym,%ax
movl sym,%eax
movb sym,%al
movw %ax,sym
movw sym,%bx
movw sym(%bx),%ax
movw sym(%bx,%si),%ax
movw 4(%bp),%ax
movw (%bp),%ax
movw (%bp,%di),%ax
movw (%si),%ax
movw (%di),%ax
movw 128(%bx),%ax
movw -128(%bx),%ax
movw 0xfffe(%bx),%ax
movw -2(%bx),%ax
movw 0xffff(%bp),%ax
movw 0x12345(%bx),%ax
movw 0x12345,%ax
movw 0x1234,%ax
movw 0x1234,%bx
movl 4(%esp),%eax
movw 4(%eax,%ebx,2),%ax
movw %fs:4(%bx),%ax
movw %fs:4(%eax),%ax
movw %ss:4(%bp),%ax
movw %ds:4(%bp),%ax
movw %es:sym,%ax
addr32 movw sym,%ax
addr32 mov %ax,(%ebx)
lea 4(%bx),%ax
lea 4(%bx),%eax
leal 4(%eax),%eax
lea sym,%ax
xor %ax,%ax
xorl %eax,%eax
xorb %al,%al
addw $5,%ax
addl $5,%eax
addl $0x12345,%eax
addw $0x1234,%bx
addw $sym,%bx
addl $sym,%ebx
inc %ax
incl %eax
dec %eax
incw (%bx)
incl (%bx)
in $5,%al
in %dx,%ax
in %dx,%eax
out %al,$5
out %eax,%dx
outl %eax,%dx
movsb
movsw
movsl
rep movsl
rep movsw
rep stosl
stosw
lodsb
lodsw
lodsl
insl
rep insl
outsl
cmpsb
scasw
rep; insw
lodsb %fs:(%si),%al
lodsb (%esi),%al
movsb (%si),(%di)
movsb (%si),%es:(%di)
movsl %fs:(%esi),%es:(%edi)
stosb %al,(%edi)
stosb %al,%es:(%di)
xlat
xlat (%bx)
xlat (%ebx)
cbtw
cwtl
cwtd
cltd
cbw
cwde
movzbl %al,%eax
movzbw %al,%ax
movzwl %ax,%eax
movzbl (%bx),%eax
movsbw (%bx),%ax
imul $5,%ax,%bx
imull $500,%eax,%ebx
imulw (%bx)
mul %bx
div %ebx
shl $4,%ax
shl %cl,%eax
shll $4,(%bx)
shrd $4,%ax,%bx
shrd $4,%eax,%ebx
bt $5,%eax
bt $5,%ax
btsw $5,(%bx)
bsf %ax,%bx
bswap %eax
xchg %ax,%bx
xchg %eax,%ebx
xchgw %bx,%bx
nop
nopw (%bx)
nopl (%eax)
int $0x10
int $3
int3
into
cli
hlt
sete %al
sete (%bx)
cmove %eax,%ebx
cmove %ax,%bx
cmovew (%bx),%ax
les (%bx),%di
lds sym,%si
lgs sym,%esi
lss (%bx),%esp
bound %ax,(%bx)
arpl %ax,%bx
lar %ax,%bx
lar %eax,%ebx
lsl %ax,%ebx
verr (%bx)
fld1
fldl (%bx)
flds sym
fstp (%bx)
fnstcw (%bx)
fldcw sym
fninit
fldenv (%bx)
fnsave (%bx)
fldenvl (%bx)
fldenvs (%bx)
movaps (%bx),%xmm0
movapd (%eax),%xmm0
movd %eax,%mm0
cvtsi2sd %eax,%xmm0
cvtsi2sd (%bx),%xmm0
movnti %eax,(%bx)
pinsrw $1,%eax,%xmm0
movd (%bx),%xmm0
cmpxchg8b (%bx)
invlpg (%bx)
invlpg (%eax)
wbinvd
cpuid
rdmsr
sysenter
sysexit
lock incw (%bx)
lock incl %fs:(%eax)
test $5,%eax
testw $5,(%bx)
aam
pushl $5
pushw $5
pushl $300
pushl (%eax)
data32 ret
.long sym
.word sym
.byte sym
.word .
.word f-.
outw %ax,%dx
outb $5
sysret
popl %eax
popw %ax
popl (%bx)
pushfl
popfl
orl $1,%eax
orw $1,%ax
andl $~1,%eax
cmpb $0,(%si)
cmpw $0x55aa,0x7dfe
cmpw $0x55aa,%es:0x7dfe
cmpl $'S','x'
movb $'x',%ah
mov $0x7c00,%sp
mov $sym,%si
mov $sym,%esi
mov $-1,%ax
mov $0xffff,%ax
mov $0x12345,%ax
movl $-1,%eax
mov %esp,%ebp
subw $sym,%ax
mov sym-4,%ax
mov sym+4(%si),%al
"""

# Values that GNU as cuts to the size of their field, and addresses in small fields.
NARROW = r"""
movb $300,%al
movb $-200,%al
movb $256,%al
addb $300,%al
addb $300,(%eax)
movw $65536,%ax
movw $0x12345,%ax
addw $0x12345,%ax
addw $0x1ff80,%ax
addw $0x10005,%bx
addl $0x100000005,%ebx
movl $0x123456789,%eax
movl $-0x123456789,%eax
pushl $0x123456789
pushw $0x12345
imulw $0x12345,%ax,%bx
imull $0x123456789,%eax,%ebx
testb $300,%al
testl $0x123456789,%eax
cmpl $0x1ffffffff,%eax
shll $300,%eax
int $300
movl 0x123456789(%eax),%ebx
movl 0x123456789,%ebx
movb $sym,%al
movw $sym,%ax
addb $sym,%al
addw $sym,%bx
cmpb $sym,(%eax)
pushw $sym
shll $sym,%eax
int $sym
enter $sym,$0
ret $sym
movb $sym-.,%al
inb $sym,%al
orw $sym,4(%eax)
imulw $sym,%ax,%bx
imull $sym,%eax,%ebx
btl $sym,%eax
testb $sym,%al
outb %al,$300
sar %ecx,%ax
sar %cx,%eax
sar %ecx,%eax
shll %ecx,(%eax)
sarb %ecx,%al
sarw %cx,(%eax)
shl %ecx,%cl
sarl %cl,%eax
shrd %cx,%eax,%ebx
rcl %edx,%eax
in $256,%al
in $300,%eax
out %eax,$-1
in %edx,%al
in %dl,%al
out %al,%edx
inb $300
addl $0xfffffffffffffff5,%eax
addl $0x7fffffffffffffff,%eax
addw $0xfffffffffffffff5,%ax
pushl $0x1ffffffff
push $0x1ffffffff
push $0x1fffffff5
imull $0x100000005,%eax
imulw $0x10005,%ax
andl $-1,0x1fffffff5(%eax)
movl 0x100000000(%eax),%eax
movl 0x100000005(%eax),%eax
movl 0x1ffffffff(%eax),%eax
"""

# Without a size, which GNU as guesses with a warning; scales without an index.
GUESSED = r"""
cmp $0x20,(%esp)
mov $1,(%eax)
inc (%eax)
shl $3,(%eax)
shl (%eax)
shl %cl,(%eax)
bt $5,(%eax)
nop (%eax)
test $1,(%eax)
mul (%eax)
imul (%eax)
not 4(%ebx)
add $300,sym
xchg (%eax),(%ebx)
movsx (%eax),%edx
movzx (%eax),%dx
lgdt (%eax)
push (%eax)
sete (%eax)
shrd $3,%eax,(%ebx)
mov %ds,(%eax)
mov %ds,%ss:(%eax,1)
movl (%esp,1),%eax
neg sym
"""
