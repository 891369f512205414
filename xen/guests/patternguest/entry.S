/* SPDX-License-Identifier: LGPL-2.1-or-later
 * From the entry point to C.
 *
 * The loader jumps to pvh_entry in flat 32-bit protected mode, paging off,
 * with the address of struct hvm_start_info in %ebx, or of what Multiboot has
 * in its place.  We clear .bss, map the first 4 GiB one to one with 2 MiB
 * pages, switch to long mode and call guest_main(start_info).  The other vCPUs
 * come later, through start_code.
 */
#include <xen/elfnote.h>

#define CR0_PG          0x80000000
#define CR4_PAE         0x20
#define MSR_EFER        0xc0000080
#define EFER_LME        0x100
#define PTE_TABLE       0x003           /* present, writable */
#define PTE_LARGE       0x083           /* present, writable, 2 MiB */
#define PDPTE_PRESENT   0x001           /* of the four in 32-bit mode: no more */
#define PAE_WAIT        10000           /* pauses between two of its turns */
#define SEL_CODE64      0x08
#define SEL_DATA        0x10
#define SEL_CODE32      0x18
#define CR0_PE          0x01

#define MOST_VCPUS      16
#define STACK_SHIFT     13
#define STACK_SIZE      (1 << STACK_SHIFT)
#define APIC_EOI        0xfee000b0

        .section .note.xen, "a", @note
        .balign 4
        .long 4                         /* name size */
        .long 8                         /* descriptor size */
        .long XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .quad pvh_entry

/* With addresses, as Multiboot knows no 64-bit ELF files. */
#define MULTIBOOT_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x00010002      /* addresses, and the memory map */

        .section .text.entry, "ax"
        .code32
        .balign 4
multiboot_header:
        .long MULTIBOOT_MAGIC
        .long MULTIBOOT_FLAGS
        .long -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
        .long multiboot_header
        .long image_start
        .long bss_start
        .long image_end
        .long pvh_entry

        .globl pvh_entry
pvh_entry:
        cli
        cld
        mov     $bss_start, %edi
        mov     $bss_end, %ecx
        sub     %edi, %ecx
        shr     $2, %ecx
        xor     %eax, %eax
        rep stosl

        movl    $page_directory_pointers + PTE_TABLE, page_map
        mov     $page_directory_pointers, %edi
        mov     $page_directories + PTE_TABLE, %eax
        mov     $4, %ecx
1:      mov     %eax, (%edi)
        add     $4096, %eax
        add     $8, %edi
        loop    1b

        mov     $page_directories, %edi
        mov     $PTE_LARGE, %eax
        mov     $2048, %ecx
2:      mov     %eax, (%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    2b

        xor     %esi, %esi              /* the number of this vCPU */

/* The way of every vCPU, with its number in %esi. */
enter_long_mode:
        mov     $page_map, %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_LME, %eax
        wrmsr
        mov     %cr0, %eax
        or      $CR0_PG, %eax
        mov     %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $SEL_CODE64, $long_mode

        .code64
long_mode:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %esi, %eax
        shl     $STACK_SHIFT, %eax
        lea     stacks + STACK_SIZE(%rax), %rsp
        xor     %ebp, %ebp
        test    %esi, %esi
        jnz     3f
        mov     %ebx, %edi
        call    guest_main
3:      mov     %esi, %edi
        call    vcpu_main
4:      hlt
        jmp     4b

/* Another vCPU arrives from start_code.  More than we have stacks for stop. */
        .code32
vcpu_entry:
        mov     $SEL_DATA, %eax
        mov     %eax, %ds
        mov     $1, %esi
        lock xadd %esi, vcpus_started
        inc     %esi
        cmp     cpus_pae, %esi
        je      enter_pae
        cmp     $MOST_VCPUS, %esi
        jb      enter_long_mode
5:      hlt
        jmp     5b

/*
 * One vCPU stays in 32-bit mode with PAE: it counts, and loads CR3 and with it
 * the four entries that CR3 points to, which need not be at a page's start.  It
 * waits between two loads, which cost an emulated processor all that it has
 * cached; and it pauses, as Bochs does not interrupt a vCPU that has interrupts
 * off and gives no other cause to leave it.
 */
enter_pae:
        mov     %eax, %es
        mov     %eax, %ss
        mov     $pae_stack_top, %esp
        mov     $pae_pointers + 64, %edi
        mov     $page_directories + PDPTE_PRESENT, %eax
        mov     $4, %ecx
1:      mov     %eax, (%edi)
        add     $4096, %eax
        add     $8, %edi
        loop    1b
        mov     $pae_pointers + 64, %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     %cr0, %eax
        or      $CR0_PG, %eax
        mov     %eax, %cr0
        ljmp    $SEL_CODE32, $2f
2:      lock incl cpus_pae_turns
        mov     $pae_pointers + 64, %eax
        mov     %eax, %cr3
        mov     $PAE_WAIT, %ecx
3:      pause
        loop    3b
        jmp     2b

/*
 * Where a vCPU starts, in real mode at offset 0 of its code segment: copied to
 * a page below 1 MiB.
 */
        .code16
        .globl start_code, start_code_end
start_code:
        cli
        lgdtl   %cs:(start_gdt_pointer - start_code)
        mov     %cr0, %eax
        or      $CR0_PE, %eax
        mov     %eax, %cr0
        ljmpl   $SEL_CODE32, $vcpu_entry
        .balign 4
start_gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt
start_code_end:
        .code64

/*
 * No interrupt must come between the two instructions, after which nothing
 * would end the halt.  On an emulated processor one does now and then: it
 * returns to after the halt.
 */
        .globl cpu_await_interrupt
cpu_await_interrupt:
        sti
halt:   hlt
halted: cli
        ret

/* Interrupts are on for two instructions. */
        .globl cpu_take_interrupts
cpu_take_interrupts:
        sti
        nop
        nop
        cli
        ret

        .globl timer_interrupt
timer_interrupt:
        push    %rax
        mov     $APIC_EOI, %eax
        movl    $0, (%rax)
        cmpq    $halt, 8(%rsp)
        jne     7f
        movq    $halted, 8(%rsp)
7:      pop     %rax
        iretq

/* apic_keep_interrupt()'s caller tells the APIC of its end. */
        .globl kept_interrupt
kept_interrupt:
        lock incq interrupts_kept
        .globl spurious_interrupt
spurious_interrupt:
        iretq

/*
 * One stub of 16 bytes per exception vector.  Each leaves the vector and an
 * error code (0 where the CPU pushes none) on the stack for report_exception.
 */
#define VECTORS_WITH_ERROR_CODE 0x60227d00      /* 8, 10-14, 17, 21, 29, 30 */

        .globl exception_stubs
        .balign 16
exception_stubs:
        .set vector, 0
        .rept 32
        .balign 16
        .if ((VECTORS_WITH_ERROR_CODE >> vector) & 1) == 0
        push    $0
        .endif
        push    $vector
        jmp     exception_common
        .set vector, vector + 1
        .endr

exception_common:
        mov     %rsp, %rdi
        and     $-16, %rsp
        call    report_exception
6:      hlt
        jmp     6b

        .section .rodata.entry, "a"
        .balign 8
gdt:
        .quad 0
        .quad 0x00af9b000000ffff        /* 64-bit code */
        .quad 0x00cf93000000ffff        /* data */
        .quad 0x00cf9b000000ffff        /* 32-bit code */
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

        .section .bss.pages, "aw", @nobits
        .balign 4096
page_map:
        .skip 4096
page_directory_pointers:
        .skip 4096
page_directories:
        .skip 4 * 4096
        .globl hypercall_page
hypercall_page:
        .skip 4096
pae_pointers:
        .skip 4096
stacks:
        .skip MOST_VCPUS * STACK_SIZE
        .skip 256
pae_stack_top:

        .section .bss.entry, "aw", @nobits
        .balign 4
        .globl vcpus_started, cpus_pae, cpus_pae_turns
vcpus_started:
        .skip 4
cpus_pae:
        .skip 4
cpus_pae_turns:
        .skip 4
        .balign 8
        .globl interrupts_kept
interrupts_kept:
        .skip 8

        .section .note.GNU-stack, "", @progbits
