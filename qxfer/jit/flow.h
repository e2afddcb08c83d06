/* SPDX-License-Identifier: MIT */
/*
 * Unwinding rules of a function from its instructions: which way control flows through
 * it, and what each instruction does to its frame.
 *
 * A function begins with CFA = rsp + 8.  From each entry the state is carried along all
 * ways; where two meet that do not agree, one of them follows a call that never returns
 * (the code behind it was laid there by chance), and all is done again without it.  Code
 * that nothing is seen to lead to (behind a jump by register, say) is taken to be in the
 * state that code of its kind is mostly in.
 *
 * The effect of each instruction is a rule in flow_effect.c, where it is said what code
 * made it necessary.  Bytes are hostile: work and memory are linear in their number.
 */
#ifndef QXFER_JIT_FLOW_H
#define QXFER_JIT_FLOW_H

#include "qxfer/jit/insn.h"
#include "qxfer/jit/rows.h"

#define FLOW_CODE_MAX (1u << 20) /* bytes of one function; of a longer one nothing is known */

enum flow_cfa {
	FLOW_SP,    /* rsp + sp */
	FLOW_FP,    /* rbp + base */
	FLOW_ALIAS, /* cfa_reg + base, where that has kept an earlier rsp */
	FLOW_INDEX, /* that while index_reg is 0, and rsp + 8 from then on */
	FLOW_SAVED, /* the word at rsp + saved_disp, + base */
	FLOW_LOST,
};

/* Before an instruction. */
struct flow_state {
	bool seen;
	bool guess;	 /* nothing was seen to lead here */
	uint8_t cfa;	 /* enum flow_cfa */
	uint8_t cfa_reg; /* FLOW_ALIAS, FLOW_INDEX */
	bool indexed;	 /* FLOW_SP: it was FLOW_ALIAS until a word was copied, at index_reg */
	uint8_t index_reg;
	int32_t saved_disp;
	bool sp_known;	  /* CFA = rsp + sp, whatever else it is */
	bool alias_known; /* CFA = alias_reg + alias_off */
	uint8_t alias_reg;
	uint8_t ra_kind; /* enum jit_ra */
	uint8_t ra_reg;
	uint8_t modified; /* bit I: jit_saved[I] does not hold the caller's value any more */
	int32_t sp, base, alias_off, ra_disp;
	int32_t fixed; /* what sp was when the frame was complete; 0: not known */
	int32_t at[JIT_SAVED];
	/* A second copy of the return address, which will be the one: in copy_reg; at CFA - copy_at. */
	bool copied;
	uint8_t copy_reg;
	int32_t copy_at; /* 0: nowhere */
};

struct flow_state flow_entry_state(void);
/* In a frame that rbp points to; rsp is not known. */
struct flow_state flow_frame_state(void);
/* As a rule. */
struct jit_rule flow_rule(const struct flow_state *s);

/*
 * @s: from before the instruction to after it.  @baseline: see struct flow_code.
 */
void flow_effect(struct flow_state *s, const struct insn *in, bool baseline);

struct flow_code {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t base;	       /* of bytes[0] in the table */
	const uint32_t *entry; /* offsets from bytes[0] that are entries; 0 is one always */
	size_t nentries;
	/*
	 * Its frame is built by what it calls first (V8's baseline code, by the builtin
	 * BaselineOutOfLinePrologue).
	 */
	bool baseline;
	/* It is one function, all of it: no jump in it is a table's. */
	bool whole;
	/* It is of several functions: what nothing leads to is the entry of one. */
	bool several;
};

struct flow; /* a decoder, and memory that is used again */

struct err *flow_create(struct flow **ret) MUST_CHECK; /* ERR_UNSUPPORTED: no decoder */
void flow_destroy(struct flow *f);

/* Whether there is "push %rbp; mov %rsp,%rbp" anywhere in it. */
bool flow_has_frame(const uint8_t *bytes, size_t len);

/* Appends the rows of @c to @out.  Where out of memory out->failed. */
void flow_run(struct flow *f, const struct flow_code *c, struct jit_table *out);

#endif
