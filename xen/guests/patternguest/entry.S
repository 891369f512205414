/*
 * From the PVH entry point to C.
 *
 * The loader jumps to pvh_entry in flat 32-bit protected mode, paging off,
 * with the address of struct hvm_start_info in %ebx.  We clear .bss, map the
 * first 4 GiB one to one with 2 MiB pages, switch to long mode and call
 * guest_main(start_info).
 */
#include <xen/elfnote.h>

#define CR0_PG          0x80000000
#define CR4_PAE         0x20
#define MSR_EFER        0xc0000080
#define EFER_LME        0x100
#define PTE_TABLE       0x003           /* present, writable */
#define PTE_LARGE       0x083           /* present, writable, 2 MiB */
#define SEL_CODE64      0x08
#define SEL_DATA        0x10

        .section .note.xen, "a", @note
        .balign 4
        .long 4                         /* name size */
        .long 8                         /* descriptor size */
        .long XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .quad pvh_entry

        .section .text.entry, "ax"
        .code32
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
        mov     $stack_end, %rsp
        xor     %ebp, %ebp
        mov     %ebx, %edi
        call    guest_main
3:      hlt
        jmp     3b

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
4:      hlt
        jmp     4b

        .section .rodata.entry, "a"
        .balign 8
gdt:
        .quad 0
        .quad 0x00af9b000000ffff        /* 64-bit code */
        .quad 0x00cf93000000ffff        /* data */
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
stack:
        .skip 4 * 4096
stack_end:

        .section .note.GNU-stack, "", @progbits
