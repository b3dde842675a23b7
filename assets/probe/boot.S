# The boot sector of the guest that shows whether this machine's KVM really runs guests.
#
# It goes the way of every boot loader: from real mode to protected mode, through an interrupt and
# back, to 64-bit mode with paging; then it says a word on the serial port. Machines were met where
# KVM runs a BIOS, slowly, and stops at the return from an interrupt in protected mode.
#
#   as --32 -o boot.o boot.S && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o boot.bin boot.o

        .globl  _start
        .set    CODE32, 0x08
        .set    DATA32, 0x10
        .set    CODE64, 0x18
        .set    PML4, 0x1000
        .set    PDPT, 0x2000
        .set    PD, 0x3000
        .set    IDT, 0x8000
        .set    VECTOR, 0x20
        .set    SEEN, 0x00c0ffee
        .set    COM1, 0x3f8

        .code16
_start:
        cli
        ljmp    $0, $real
real:
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   gdt_pointer
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $CODE32, $protected

        .code32
protected:
        movw    $DATA32, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x7c00, %esp
        # one gate: offset, selector, present interrupt gate
        movl    $handler, %eax
        movw    %ax, IDT + VECTOR * 8
        movw    $CODE32, IDT + VECTOR * 8 + 2
        movw    $0x8e00, IDT + VECTOR * 8 + 4
        movw    $0, IDT + VECTOR * 8 + 6
        lidt    idt_pointer
        xorl    %ebx, %ebx
        int     $VECTOR
        cmpl    $SEEN, %ebx
        jne     stop
        # the first two MiB where they are
        cld
        xorl    %eax, %eax
        movl    $PML4, %edi
        movl    $(3 * 0x1000 / 4), %ecx
        rep stosl
        movl    $(PDPT + 3), PML4
        movl    $(PD + 3), PDPT
        movl    $0x83, PD
        movl    %cr4, %eax
        orl     $0x20, %eax
        movl    %eax, %cr4
        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax
        movl    %eax, %cr0
        ljmpl   $CODE64, $long
stop:
        hlt
        jmp     stop
handler:
        movl    $SEEN, %ebx
        iretl

        .code64
long:
        movl    $word, %esi
say:
        lodsb
        testb   %al, %al
        jz      said
        movb    %al, %bl
        movw    $(COM1 + 5), %dx
busy:
        inb     %dx, %al
        testb   $0x20, %al
        jz      busy
        movw    $COM1, %dx
        movb    %bl, %al
        outb    %al, %dx
        jmp     say
said:
        hlt
        jmp     said

word:
        .asciz  "CARREL-RUNS\r\n"

        .balign 8
gdt:
        .quad   0
        .quad   0x00cf9a000000ffff
        .quad   0x00cf92000000ffff
        .quad   0x00af9a000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
idt_pointer:
        .word   (VECTOR + 1) * 8 - 1
        .long   IDT

        .org    510
        .word   0xaa55
