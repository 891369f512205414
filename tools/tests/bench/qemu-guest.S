/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The guest that bench-qemu moves: a boot sector.
 *
 * Fills memory from 1 MiB up to MIB with words that are not zero and no two
 * pages alike, says so with an 'R' on the first serial port, and then, with
 * TOUCH, reads one word after the other in an order that cannot be foreseen,
 * as bench's engine does; else it halts.
 */
#define FIRST_PAGE 256
#define PAGES (MIB * 256)
#define PORT 0x3f8

    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    inb $0x92, %al              /* the A20 gate */
    orb $2, %al
    outb %al, $0x92
    lgdtl table_pointer
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $8, $flat

    .code32
flat:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movl $(FIRST_PAGE << 12), %edi
    movl $((PAGES - FIRST_PAGE) << 10), %ecx
fill:
    movl %edi, %eax
    imull $0x9e3779b1, %eax, %eax
    orl $1, %eax
    stosl
    loop fill
    movw $PORT, %dx
    movb $'R', %al
    outb %al, %dx
#ifdef TOUCH
    xorl %ebx, %ebx
touch:
    imull $1664525, %ebx, %ebx
    addl $1013904223, %ebx
    movl %ebx, %eax
    xorl %edx, %edx
    movl $(PAGES - FIRST_PAGE), %ecx
    divl %ecx
    addl $FIRST_PAGE, %edx
    shll $12, %edx
    movl (%edx), %eax
    jmp touch
#else
halted:
    hlt
    jmp halted
#endif

    .balign 8
table:
    .quad 0
    .quad 0x00cf9a000000ffff    /* code: all of memory */
    .quad 0x00cf92000000ffff    /* data */
table_pointer:
    .word . - table - 1
    .long table

    .org 510
    .word 0xaa55
