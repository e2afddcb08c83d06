/* SPDX-License-Identifier: MIT */
/*
 * One x86-64 instruction as far as unwinding cares: what it does to the stack pointer,
 * to frames and to saved registers, and where control goes after it.
 *
 * Decoded by Zydis where archerfish was built with it; else nothing can be decoded, and
 * there are the rules that need no decoder (qxfer/jit/fallback.h).
 */
#ifndef QXFER_JIT_INSN_H
#define QXFER_JIT_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_op {
	INSN_NONE,   /* not decoded yet */
	INSN_BAD,    /* no instruction */
	INSN_OTHER,  /* changes registers in `writes' only */
	INSN_PUSH,   /* of src, or of something else */
	INSN_POP,    /* to dst, or to memory at base + disp */
	INSN_MOV,    /* src to dst; either may be memory */
	INSN_LEA,    /* base + disp to dst */
	INSN_ADD,    /* imm to dst */
	INSN_CHANGE, /* dst by an amount that is not known */
	INSN_LEAVE,
	INSN_CALL,
	INSN_JUMP,   /* always */
	INSN_BRANCH, /* perhaps */
	INSN_END,    /* returns, or traps */
};

struct insn {
	uint8_t op; /* enum insn_op */
	uint8_t len;
	uint8_t dst, src; /* JIT_NO_REG: memory, a constant, or nothing */
	uint8_t base;	  /* of the memory operand; JIT_NO_REG: none, or not a plain one */
	uint8_t index;	  /* likewise */
	bool plain;	  /* the memory operand has no index */
	bool to_memory, from_memory;
	bool has_target;
	bool nop;	 /* does nothing, and is there to do so */
	uint16_t writes; /* bit N: register N is changed */
	int32_t disp;	 /* of the memory operand */
	int32_t imm;
	int64_t target; /* of a jump or call: an offset from this instruction's own address */
};

struct insn_decoder;

/* Whether instructions can be decoded at all, and if not, why. */
bool insn_available(const char **why);

struct insn_decoder *insn_decoder_create(void); /* NULL: no memory, or not available */
void insn_decoder_destroy(struct insn_decoder *d);

/* The first instruction of @len bytes; INSN_BAD, one byte long, if there is none. */
void insn_decode(const struct insn_decoder *d, const uint8_t *code, size_t len, struct insn *ret);

#endif
