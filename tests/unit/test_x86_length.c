/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "arch/x86_length.h"

static const struct {
	const char *text;
	uint8_t code[16];
	uint8_t len, disp;
	enum x86_elsewhere elsewhere;
} rows[] = {
	{ "push %rbp", { 0x55 }, 1, 0, X86_MOVES },
	{ "add $1,(%rdi)", { 0x48, 0x83, 0x07, 0x01 }, 4, 0, X86_MOVES },
	{ "lock cmpxchg %edx,8(%rdi,%rax,4)",
	  { 0xf0, 0x0f, 0xb1, 0x54, 0x87, 0x08 },
	  6,
	  0,
	  X86_MOVES },
	{ "mov x(%rip),%rax", { 0x48, 0x8b, 0x05, 1, 2, 3, 4 }, 7, 3, X86_MOVES },
	{ "cmpq $-1,x(%rip)", { 0x48, 0x83, 0x3d, 1, 2, 3, 4, 0xff }, 8, 3, X86_MOVES },
	{ "mov %fs:0x28,%rax", { 0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0 }, 9, 0, X86_MOVES },
	{ "movabs $imm64,%rax", { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 }, 10, 0, X86_MOVES },
	{ "movabs x,%al", { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8 }, 9, 0, X86_MOVES },
	{ "mov $imm16,(%rdi)", { 0x66, 0xc7, 0x07, 1, 2 }, 5, 0, X86_MOVES },
	{ "test $imm,%edi", { 0xf7, 0xc7, 1, 2, 3, 4 }, 6, 0, X86_MOVES },
	{ "div %ecx", { 0xf7, 0xf1 }, 2, 0, X86_MOVES },
	{ "enter", { 0xc8, 1, 2, 3 }, 4, 0, X86_MOVES },
	{ "ret", { 0xc3 }, 1, 0, X86_MOVES },
	{ "rep movsb", { 0xf3, 0xa4 }, 2, 0, X86_MOVES },
	{ "pshufb", { 0x66, 0x0f, 0x38, 0x00, 0xc1 }, 5, 0, X86_MOVES },
	{ "palignr", { 0x66, 0x0f, 0x3a, 0x0f, 0xc1, 0x08 }, 6, 0, X86_MOVES },
	{ "vzeroupper", { 0xc5, 0xf8, 0x77 }, 3, 0, X86_MOVES },
	{ "vpshufd $0,x(%rip)", { 0xc5, 0xf9, 0x70, 0x05, 1, 2, 3, 4, 0 }, 9, 4, X86_MOVES },
	{ "vperm2i128", { 0xc4, 0xe3, 0x75, 0x46, 0xc2, 0x31 }, 6, 0, X86_MOVES },
	{ "vmovdqu64 64(%rsi),%zmm16",
	  { 0x62, 0xe1, 0xfe, 0x48, 0x6f, 0x46, 0x01 },
	  7,
	  0,
	  X86_MOVES },
	{ "call *x(%rip)", { 0xff, 0x15, 1, 2, 3, 4 }, 6, 2, X86_CALLS },
	{ "call *%rax", { 0xff, 0xd0 }, 2, 0, X86_CALLS },
	{ "jmp *x(%rip)", { 0xff, 0x25, 1, 2, 3, 4 }, 6, 2, X86_MOVES },
	{ "jmp *%rax", { 0x3e, 0xff, 0xe0 }, 3, 0, X86_MOVES },
	{ "far call", { 0xff, 0x1f }, 2, 0, X86_FIXED },
	{ "call", { 0xe8, 1, 2, 3, 4 }, 5, 0, X86_FIXED },
	{ "call, 16 bits", { 0x66, 0xe8, 1, 2, 3, 4 }, 6, 0, X86_FIXED },
	{ "jne, near", { 0x0f, 0x85, 1, 2, 3, 4 }, 6, 0, X86_FIXED },
	{ "jne", { 0x75, 1 }, 2, 0, X86_FIXED },
	{ "loop", { 0xe2, 1 }, 2, 0, X86_FIXED },
	{ "syscall", { 0x0f, 0x05 }, 2, 0, X86_FIXED },
	{ "int $0x80", { 0xcd, 0x80 }, 2, 0, X86_FIXED },
	{ "int3", { 0xcc }, 1, 0, X86_FIXED },
	{ "iretq", { 0x48, 0xcf }, 2, 0, X86_FIXED },
	{ "mov %eax,%ss", { 0x8e, 0xd0 }, 2, 0, X86_FIXED },
	{ "xbegin", { 0xc7, 0xf8, 1, 2, 3, 4 }, 6, 0, X86_FIXED },
	{ "mov x(%eip),%eax", { 0x67, 0x8b, 0x05, 1, 2, 3, 4 }, 7, 3, X86_FIXED },
};

Test(x86_length, each_instruction_is_as_long_as_it_is_and_is_known_to_move_or_not)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct x86_insn insn;

		cr_assert(x86_measure(rows[i].code, 15, &insn), "%s", rows[i].text);
		cr_assert_eq(insn.len, rows[i].len, "%s: %u", rows[i].text, insn.len);
		cr_assert_eq(insn.disp, rows[i].disp, "%s: %u", rows[i].text, insn.disp);
		cr_assert_eq(x86_elsewhere(&insn, rows[i].code), rows[i].elsewhere, "%s",
			     rows[i].text);
	}
}

Test(x86_length, an_instruction_that_is_cut_off_or_unknown_is_none)
{
	static const uint8_t invalid[][3] = {
		{ 0x06 }, { 0x0f, 0x04 }, { 0x0f, 0xb6 }, { 0x82, 0xc0 }
	};
	uint8_t prefixes[16];
	struct x86_insn insn;

	memset(prefixes, 0x66, sizeof(prefixes));
	cr_assert_not(x86_measure(prefixes, sizeof(prefixes), &insn));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t len = 0; len < rows[i].len; len++)
			cr_assert_not(x86_measure(rows[i].code, len, &insn), "%s", rows[i].text);
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		cr_assert_not(x86_measure(invalid[i], 2, &insn), "%zu", i);
}

Test(x86_length, a_copy_reaches_what_the_original_reaches)
{
	static const uint8_t code[] = { 0x48, 0x83, 0x3d, 0x10, 0, 0, 0, 0xff };
	static const uint8_t moved[] = { 0x48, 0x83, 0x3d, 0x10, 0xf0, 0xff, 0xff, 0xff };
	uint8_t copy[sizeof(code)];
	struct x86_insn insn;

	cr_assert(x86_measure(code, sizeof(code), &insn));
	cr_assert(x86_copy(&insn, code, 0x401000, 0x402000, copy));
	cr_assert_arr_eq(copy, moved, sizeof(moved));
	cr_assert_not(x86_copy(&insn, code, 0x401000, 0x7f0000401000, copy), "too far");
}
