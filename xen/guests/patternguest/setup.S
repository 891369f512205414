/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The real-mode part in front of the kernel, by which QEMU loads it as it does
 * Linux (Linux/x86 boot protocol 2.04), for HVM guests.  The loader puts this
 * part where it likes below 1 MiB, with its segment in %ds and %ss, the rest at
 * 1 MiB, and jumps to `setup`.  We ask the firmware for the memory map, and
 * enter the kernel as PVH would: flat 32-bit protected mode, paging off, the
 * address of struct hvm_start_info in %ebx.
 */
#define START_INFO_MAGIC    0x336ec578
#define START_INFO_VERSION  1               /* has a memory map */
#define BOOT_PROTOCOL       0x0204
#define LOADED_HIGH         0x01            /* the rest is at 1 MiB */
#define SECTOR              512

#define E820_SIGNATURE      0x534d4150      /* "SMAP" */
#define E820_SIZE           20
#define MAP_ENTRY_SIZE      24              /* in which E820's fits as it is */
#define MOST_MAP_ENTRIES    32

#define CR0_PE              0x01
#define SEL_CODE32          0x08
#define SEL_DATA            0x10

        .section .setup, "awx"
        .code16
setup_start:
        .org 0x1f1
        .byte (setup_end - setup_start) / SECTOR - 1
        .word 0                         /* root_flags */
        .long kernel_paragraphs         /* syssize */
        .word 0, 0, 0                   /* ram_size, vid_mode, root_dev */
        .word 0xaa55                    /* boot_flag */

        .globl setup
setup:
        jmp     begin
        .org 0x202
        .ascii "HdrS"
        .word BOOT_PROTOCOL
        .long 0                         /* realmode_swtch */
        .word 0, 0                      /* start_sys_seg, kernel_version */
        .byte 0                         /* type_of_loader */
        .byte LOADED_HIGH
        .word 0                         /* setup_move_size */
        .long image_start               /* code32_start */
        .long 0, 0, 0                   /* the initial ramdisk, bootsect_kludge */
        .word 0, 0                      /* heap_end_ptr, extensions */
cmd_line_ptr:
        .long 0                         /* from the loader */
        .long 0x37ffffff                /* initrd_addr_max */

begin:
        cld
        mov     %ds, %ax
        mov     %ax, %es

        mov     $memory_map, %di
        xor     %ebx, %ebx
1:      mov     $0xe820, %eax
        mov     $E820_SIGNATURE, %edx
        mov     $E820_SIZE, %ecx
        int     $0x15
        jc      2f
        cmp     $E820_SIGNATURE, %eax
        jne     2f
        incl    memmap_entries
        add     $MAP_ENTRY_SIZE, %di
        cmp     $memory_map_end, %di
        jae     2f
        test    %ebx, %ebx
        jnz     1b

/* From offsets to addresses. */
2:      cli
        xor     %ebx, %ebx
        mov     %ds, %bx
        shl     $4, %ebx
        mov     cmd_line_ptr, %eax
        mov     %eax, cmdline_paddr
        add     %ebx, memmap_paddr
        add     %ebx, gdt_address
        add     $start_info, %ebx

        lgdtl   gdt_pointer
        mov     %cr0, %eax
        or      $CR0_PE, %eax
        mov     %eax, %cr0
        mov     $SEL_DATA, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        ljmpl   $SEL_CODE32, $pvh_entry

        .balign 8
gdt:
        .quad 0
        .quad 0x00cf9b000000ffff        /* 32-bit code */
        .quad 0x00cf93000000ffff        /* data */
gdt_pointer:
        .word gdt_pointer - gdt - 1
gdt_address:
        .long gdt

/* struct hvm_start_info */
        .balign 8
start_info:
        .long START_INFO_MAGIC
        .long START_INFO_VERSION
        .long 0, 0                      /* flags, nr_modules */
        .quad 0                         /* modlist_paddr */
cmdline_paddr:
        .quad 0
        .quad 0                         /* rsdp_paddr */
memmap_paddr:
        .quad memory_map
memmap_entries:
        .long 0, 0

memory_map:
        .skip MOST_MAP_ENTRIES * MAP_ENTRY_SIZE
memory_map_end:
        .balign SECTOR
setup_end:

        .section .note.GNU-stack, "", @progbits
