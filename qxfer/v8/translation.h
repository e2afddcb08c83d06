/* SPDX-License-Identifier: MIT */
/*
 * Translations: how V8 would turn a frame of optimized code, at the return address of a call, into those of
 * the functions that are inlined into it (src/deoptimizer/translation-opcode.h); and the table that says which
 * translation a return address has (src/codegen/safepoint-table.h).
 */
#ifndef QXFER_V8_TRANSLATION_H
#define QXFER_V8_TRANSLATION_H

#include "qxfer/v8/positions.h"

#define TRANSLATION_FRAMES_MAX 64u

struct v8_virtual_frame {
	bool builtin;	    /* it would go on in a builtin of JavaScript's */
	int32_t offset;	    /* of the bytecode */
	uint32_t shared;    /* number of the literal that its SharedFunctionInfo is */
	int64_t function;   /* number of the literal that its JSFunction is; -1: it is none */
	int64_t stack_slot; /* or where in the frame that is; -1: nowhere */
};

/*
 * The frames of the translation at @at, outermost first, of V8's version in row @row of layout.c's
 * table.  0: it is none, or has more than fit.
 */
size_t translation_read(struct v8_bytes bytes, size_t at, unsigned int row,
			struct v8_virtual_frame ret[TRANSLATION_FRAMES_MAX]);

/* How a safepoint table looks; Maglev's (src/maglev/maglev-safepoint-table.h) differ. */
struct safepoint_shape {
	size_t count_at; /* where it says how many entries it has, and then how they look */
	size_t header;	 /* its bytes before them */
	size_t extra;	 /* bytes that an entry has more */
};

/*
 * The number of the deoptimization that a safepoint table has for the return address @pc, an
 * offset in the code; -1: none.
 */
int64_t safepoint_find(struct v8_bytes table, const struct safepoint_shape *shape, uint64_t pc);

#endif
