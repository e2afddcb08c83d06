/* SPDX-License-Identifier: MIT */
/*
 * Tables in the form of Windows on x86-64: a PE image without code of its own, with .pdata and
 * .xdata (Microsoft, "x64 exception handling").
 *
 * Addresses are 32-bit offsets, so that there is an image for each region.
 */
#ifndef QXFER_JIT_PE_H
#define QXFER_JIT_PE_H

#include "qxfer/jit/jit.h"

enum pe_mode {
	PE_SINGLE,  /* the V8 design's entry for the whole region */
	PE_EACH,    /* one for each place that builds a frame: n + 1 */
	PE_PRECISE, /* one for each row; what cannot be said so is a frame of rbp */
	/*
	 * The same, where the rows of a function after its first are chained to that (UNW_FLAG_CHAININFO):
	 * which function a place is in can be told, at the price of a larger .xdata.
	 */
	PE_CHAINED,
};

#define PE_ENTRIES_MAX (1u << 20)

/* Appends the image of @r, whose code @m has.  ERR_NOMEM, ERR_BAD_DATA: a region of 2 GB and more. */
struct err *pe_write(struct buf *out, const struct jit_region *r, enum pe_mode mode,
		     struct mem *m) MUST_CHECK;

/* Appends the UNWIND_INFO of a rule; false: it has none. */
bool pe_put_info(struct buf *out, const struct jit_rule *r);

#endif
