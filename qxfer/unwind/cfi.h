/* SPDX-License-Identifier: MIT */
/*
 * Call frame information: from a place in a function to the registers of its
 * caller, as .eh_frame describes it.
 *
 * Read from the inferior's memory, where the loader mapped it, by way of the
 * sorted table in .eh_frame_hdr, or where the linker made none (static programs) of
 * one made here.  None is trusted: programs, expressions and remembered states are
 * bounded, whatever they say.
 *
 * DWARF 5, 6.4 "Call Frame Information" and 2.5 "DWARF Expressions"; Linux
 * Standard Base Core, "Exception Frames" (.eh_frame, .eh_frame_hdr).
 */
#ifndef QXFER_UNWIND_CFI_H
#define QXFER_UNWIND_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "stub/base/err.h"
#include "stub/base/space.h"

/*
 * The memory that tables are read from, and how many more pieces of it may be: each
 * byte, number or instruction counts as one.  A hostile table is as long as it likes,
 * and as many may be needed as a stack has frames.
 */
struct cfi_source {
	struct mem *mem;
	uint64_t left;
};

/* A description and where the function that it is about begins. */
struct cfi_entry {
	uint64_t start, fde;
};

/* Where one image's table lies, and the addresses that it may be about. */
struct cfi_table {
	uint64_t hdr;	 /* of .eh_frame_hdr; 0: the image has none */
	uint64_t lo, hi; /* [lo, hi): the image */
	/* In place of .eh_frame_hdr, sorted: see cfi_index(). */
	const struct cfi_entry *index;
	size_t n;
};

static inline bool cfi_is_there(const struct cfi_table *t)
{
	return t->hdr || t->n;
}

/*
 * Reads the whole of .eh_frame, @size bytes at @addr, as far as it is sound.  *ret is to
 * be freed by the caller.  Only ERR_NOMEM.
 */
struct err *cfi_index(const struct cfi_table *t, struct cfi_source *s, uint64_t addr, uint64_t size,
		      struct cfi_entry **ret, size_t *n) MUST_CHECK;

enum cfi_kind {
	CFI_KEPT,      /* as the callee left it */
	CFI_UNDEFINED, /* lost; of the return address: there is no caller */
	CFI_AT,	       /* in memory at CFA + offset */
	CFI_IS,	       /* CFA + offset */
	CFI_COPY,      /* register reg + offset */
	CFI_AT_REG,    /* in memory at register reg + offset; no table says so */
	CFI_AT_EXPR,   /* in memory where the expression says */
	CFI_IS_EXPR,   /* what the expression says */
};

struct cfi_rule {
	uint8_t kind; /* enum cfi_kind */
	uint8_t reg;
	uint32_t expr_len; /* bytes */
	union {
		int64_t offset;
		uint64_t expr; /* address of the expression */
	};
};

/* What holds at one address. */
struct cfi_row {
	uint64_t pc;
	uint64_t start, end; /* [start, end): what the description covers; mostly a function */
	bool signal;	     /* the kernel called it to return from a signal handler */
	uint8_t ra;	     /* which of reg[] is the return address */
	struct cfi_rule cfa; /* the canonical frame address: CFI_COPY or CFI_IS_EXPR */
	struct cfi_rule reg[SPACE_REGS];
};

/* ERR_NOT_FOUND: nothing describes @pc; ERR_BAD_DATA, ERR_FAULT: nothing of use does. */
struct err *cfi_find(const struct cfi_table *t, struct cfi_source *s, uint64_t pc,
		     struct cfi_row *ret) MUST_CHECK;

/*
 * The row that holds where a description ends, at most @gap bytes before @pc, with
 * nothing but a gap between.
 */
struct err *cfi_find_before(const struct cfi_table *t, struct cfi_source *s, uint64_t pc,
			    uint64_t gap, struct cfi_row *ret) MUST_CHECK;

/*
 * Turns the registers at row->pc into those of the caller, and says the frame's
 * canonical address: the stack pointer before the call.  Registers that cannot be
 * had are not `known' any more; without the program counter there is no caller.
 */
struct err *cfi_apply(const struct cfi_row *row, struct cfi_source *s, struct space_regs *regs,
		      uint64_t *cfa) MUST_CHECK;

/* The value of a DWARF expression.  @cfa: pushed first, NULL: nothing is. */
struct err *cfi_eval(struct cfi_source *s, uint64_t expr, uint32_t len,
		     const struct space_regs *regs, const uint64_t *cfa, uint64_t *ret) MUST_CHECK;

#endif
