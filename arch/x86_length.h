/* SPDX-License-Identifier: MIT */
/*
 * How long an instruction is, and what of it depends on where it is (Intel SDM volume 2,
 * chapter 2, "Instruction Format", and appendix A, "Opcode Map"; 64-bit code).
 */
#ifndef ARCH_X86_LENGTH_H
#define ARCH_X86_LENGTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct x86_insn {
	uint8_t len;
	uint8_t map;	 /* 0: one byte, 1: 0f, 2: 0f 38, 3: 0f 3a; EVEX has 5 and 6, too */
	uint8_t op;	 /* the opcode's last byte */
	uint8_t modrm;	 /* where ModRM is; 0: there is none */
	uint8_t disp;	 /* where a displacement from the next instruction is, 4 bytes; 0: none */
	bool vex;	 /* VEX or EVEX */
	bool short_addr; /* the address size prefix */
};

/* False: no instruction that is known, or it is longer than @len. */
bool x86_measure(const uint8_t *code, size_t len, struct x86_insn *ret);

enum x86_elsewhere {
	X86_FIXED, /* it can't be executed elsewhere */
	X86_MOVES, /* behind it or where it jumps to, which is the same from anywhere */
	X86_CALLS, /* likewise, but the return address on the stack is of elsewhere */
};

/*
 * What becomes of @insn when a thread executes a copy of it, by one step.  Direct jumps and
 * calls are X86_FIXED, and so is whatever enters the kernel, or masks the step's trap.
 */
enum x86_elsewhere x86_elsewhere(const struct x86_insn *insn, const uint8_t *code);

/* Makes @copy that of @code, which is at @from, to be executed at @to.  False: it is too far. */
bool x86_copy(const struct x86_insn *insn, const uint8_t *code, uint64_t from, uint64_t to,
	      uint8_t *copy);

#endif
