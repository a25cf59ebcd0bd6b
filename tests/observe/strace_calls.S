# Makes the calls of a table, one after the other: number and six registers each. What they point to is here.
.globl _start
_start: pushl $table
next:   popl %eax
        cmpl $table_end, %eax
        jae done
        movl 4(%eax), %ebx
        movl 8(%eax), %ecx
        movl 12(%eax), %edx
        movl 16(%eax), %esi
        movl 20(%eax), %edi
        movl 24(%eax), %ebp
        addl $28, %eax
        pushl %eax
        movl -28(%eax), %eax
        int $0x80
        jmp next
done:   ud2

.data
.balign 4096
zeros:  .skip 512
text:   .ascii "The quick\n\tbrown\001\0fox\377 jumps over the lazy dog and runs away from it all\0"
.balign 4
words:  .long 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
        .long 31,32,33,34,35,36,40,50,60,70,80,90,100,0x7fffffff,0xffffffff,0x80000000,0x12345678,0,0,1
path:   .asciz "/tmp/some/file"
short:  .asciz "x"
long:   .asciz "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
just:   .asciz "abcdefghijklmnopqrstuvwxyz012345"
.balign 4
vector: .long path, short, long, 0
pieces: .long path, 14, long, 62, 16, 5, zeros, 0, words, 12
one:    .long 1
length: .long 16
minus:  .long 0xfffffff0
inet:   .short 2
        .byte 0x1f,0x90,127,0,0,1,0,0,0,0,0,0,0,0
unix:   .short 1
        .asciz "/tmp/socket"
        .skip 100
hidden: .short 1
        .ascii "\0abstract"
        .skip 20
.balign 4
inet6:  .short 10
        .byte 0x1f,0x90,0,0,0,1
        .byte 0x20,0x01,0x0d,0xb8,0,0,0,0,0,0,0,0,0,0,0,1
        .long 3
message: .long inet, 16, pieces, 2, control, 16, 0x40
another: .long 0, 0, pieces, 3, 0, 0, 0
        .long 5
control: .long 16, 1, 1, 3
        .long 24,1,2,7,8,9
polls:  .long 3
        .short 1,1
        .long 4
        .short 5,4
        .long -1
        .short 7,0
        .long 5
        .short 0x2001,0x19
times:  .long 5, 999999999
        .long 0, 1073741823
        .long 1, 1073741822
times64: .long 5,0,123456789,0
        .long 6,1,0x3fffffff,0
        .long -1,-1,-1,-1
signals: .long 0x10200, 0x80000001
full:   .long -1,-1
action: .long 0x8048000, 0x14000004, 0x8049000, 0x201, 1
info:   .long 10, 0, -1, 77, 88, 0x99, 5,6
        .skip 100
child:  .long 17,2,1,5,6,7,8,9
        .skip 100
fault:  .long 11,0,1,0x1234
        .skip 112
event:  .long 5, 10, 0, 0
        .skip 48
thread: .long 0,34,4,99
        .skip 48
lock:   .short 1,0
        .long 10,20,30
lock64: .short 1,2
        .long 10,0,20,0,30
epoll:  .long 0x80000019, 7, 8
epolls: .long 1, 9, 0,4,5,6,7,8,9
how:    .long 0x42,0, 0x1a4,0, 8,0
clone:  .long 0x1100,0, words,0, words,0, words,0, 17,0, 0,0, 0,0, words,0, words,0, 2,0,5,0
count0: .long 0, 112, 5, 7, 100,0, 0x00000fff,0, 0x5,0, 0x00000403,0
count1: .long 1, 64, 9, 0, 1,0, 0xffffffff,0, 0x1f,0, 0x00018000,0x3f
count2: .long 2, 128, 300, 0, 1,0, 0,0, 0,0, 0xfffef800,0xffffffff
count3: .long 3, 0, 0x02010203, 6, 0,1, 0x80000000,1, 0x20,0, 0x00008000,0
count4: .long 4, 63, 1, 0, 0,0, 0,0, 0,0, 0,0
count5: .long 3, 200, 0x00010206, 0, 0,0, 0,0, 0,0, 0,0x40
count6: .long 5, 72, 0x1234, 0, 0,0, 0x40,0, 4,0, 0x00010010,0
segment: .long 6, 0x1000, 0xfffff, 0x51
caps:   .long 0x20080522, 3
limits: .long 8192, -1, 0x100000, 0, 5, 0
.balign 4096
        .skip 4084
edge:   .ascii "page edge.."
        .byte 0
table:
