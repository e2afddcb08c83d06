/* SPDX-License-Identifier: MIT */
#include "qxfer/unwind/code.h"

#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define CODE_MAX 16u /* bytes of a piece */

static bool has_bytes(struct mem *m, uint64_t at, const uint8_t *code, size_t len)
{
	uint8_t bytes[CODE_MAX];
	return mem_read_some(m, at, bytes, len) == len && memcmp(bytes, code, len) == 0;
}

/* ---- the kernel's signal frame ---- */

/* mov $15,%rax; syscall: rt_sigreturn, where a C library has no table for it (musl). */
static bool is_sigreturn(struct mem *m, uint64_t pc)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	return has_bytes(m, pc, code, sizeof(code));
}

/* struct rt_sigframe after its return address is popped: ucontext_t's uc_mcontext. */
#define UC_MCONTEXT 40u
static const uint8_t sigcontext_regs[] = {
	8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16
};

struct err *code_leave_signal(struct mem *m, struct space_regs *regs)
{
	uint64_t words[ARRAY_SIZE(sigcontext_regs)];
	struct err *err =
		mem_read(m, regs->value[SPACE_REG_SP] + UC_MCONTEXT, words, sizeof(words));
	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(sigcontext_regs); i++)
		regs->value[sigcontext_regs[i]] = words[i];
	regs->known = (1u << SPACE_REGS) - 1;
	return NULL;
}

/* ---- clone ---- */

#define CLONE_GAP 16u

/*
 * glibc ends the description of clone() and clone3() at their system call, because
 * the child has another stack; up to the return, and in the parent, it still holds:
 *	syscall; test %rax,%rax; jl error; je child; ret
 */
static bool is_in_clone(struct cfi_source *s, const struct cfi_table *table, uint64_t pc,
			struct cfi_row *row)
{
	static const uint8_t code[] = { 0x0f, 0x05, 0x48, 0x85, 0xc0 };
	if (!table || !cfi_is_there(table))
		return false;
	struct err *err = cfi_find_before(table, s, pc, CLONE_GAP, row);
	bool found = !err && has_bytes(s->mem, row->end, code, sizeof(code));
	err_drop(err);
	return found;
}

/* In a new thread the call returned 0, and there is nothing on its stack yet. */
static bool is_new_thread(const struct native_frame *f, const struct cfi_row *row)
{
	return f->pc != row->end && f->regs.known & 1 && !f->regs.value[0];
}

/* ---- CPython's trampolines for perf ---- */

/* The caller's registers from a frame of so many bytes, with %rbp saved at its bottom or not. */
static struct cfi_row frame_row(uint64_t pc, int64_t size, bool saved_fp)
{
	struct cfi_row row = { .pc = pc,
			       .ra = SPACE_REG_PC,
			       .cfa = { .kind = CFI_COPY, .reg = SPACE_REG_SP, .offset = size } };
	row.reg[SPACE_REG_PC] = (struct cfi_rule){ .kind = CFI_AT, .offset = -8 };
	if (saved_fp)
		row.reg[SPACE_REG_FP] = (struct cfi_rule){ .kind = CFI_AT, .offset = -16 };
	return row;
}

/*
 * Python/asm_trampoline.S (-X perf), copied once for each function: a call of the
 * evaluation loop in a frame of its own.
 */
static const struct trampoline {
	uint8_t code[8];
	uint8_t len, call_end; /* bytes up to the end of the call */
	bool saved_fp;
} trampolines[] = {
	/* 3.12, 3.13: sub $8,%rsp; call *%rcx; add $8,%rsp; ret */
	{ { 0xff, 0xd1, 0x48, 0x83, 0xc4, 0x08, 0xc3 }, 7, 2, false },
	/* 3.14 and later: push %rbp; mov %rsp,%rbp; call *%rcx; pop %rbp; ret */
	{ { 0xff, 0xd1, 0x5d, 0xc3 }, 4, 2, true },
};

static bool is_trampoline(struct mem *m, uint64_t pc, struct cfi_row *row)
{
	for (size_t i = 0; i < ARRAY_SIZE(trampolines); i++) {
		const struct trampoline *t = &trampolines[i];
		if (!has_bytes(m, pc - t->call_end, t->code, t->len))
			continue;
		*row = frame_row(pc, 16, t->saved_fp);
		return true;
	}
	return false;
}

/* ---- a call of a bad pointer ---- */

#define CALL_MAX 8u /* bytes looked at before a return address */

/* call rel32, or call r/m64 (ff /2) of any length: Intel SDM, "CALL". */
static bool is_behind_call(struct mem *m, uint64_t addr)
{
	uint8_t code[CALL_MAX];

	if (addr < CALL_MAX ||
	    mem_read_some(m, addr - CALL_MAX, code, sizeof(code)) != sizeof(code))
		return false;
	if (code[CALL_MAX - 5] == 0xe8)
		return true;
	for (size_t i = 1; i + 1 < CALL_MAX; i++)
		if (code[i] == 0xff && (code[i + 1] >> 3 & 7) == 2)
			return true;
	return false;
}

bool code_was_called(struct mem *m, const struct native_frame *f, struct cfi_row *row)
{
	uint64_t ra;
	uint32_t needed = 1u << SPACE_REG_SP | 1u << SPACE_REG_PC;

	if ((f->regs.known & needed) != needed ||
	    mem_read_some(m, f->regs.value[SPACE_REG_SP], &ra, sizeof(ra)) != sizeof(ra) ||
	    !is_behind_call(m, ra))
		return false;
	*row = frame_row(f->pc, 8, false);
	return true;
}

/* x86-64 psABI, "Process Initialization": the outermost frame has a zero %rbp. */
static bool has_zero_fp(const struct native_frame *f)
{
	return f->regs.known & 1u << SPACE_REG_FP && !f->regs.value[SPACE_REG_FP];
}

enum code_kind code_known(struct cfi_source *s, const struct cfi_table *table,
			  const struct native_frame *f, struct cfi_row *row)
{
	if (is_sigreturn(s->mem, f->pc))
		return CODE_SIGNAL;
	if (f->exact && is_in_clone(s, table, f->pc, row))
		return is_new_thread(f, row) ? CODE_OUTERMOST : CODE_ROW;
	if (!table && !f->exact && is_trampoline(s->mem, f->pc, row))
		return CODE_ROW;
	return table && !f->exact && has_zero_fp(f) ? CODE_OUTERMOST : CODE_UNKNOWN;
}
