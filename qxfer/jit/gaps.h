/* SPDX-License-Identifier: MIT */
/*
 * The code of an ELF image that its unwind table leaves out.
 *
 * All of .eh_frame_hdr and the descriptions it leads to is copied at once: an image of
 * 200,000 functions takes some 30 ms.
 */
#ifndef QXFER_JIT_GAPS_H
#define QXFER_JIT_GAPS_H

#include <stddef.h>
#include <stdint.h>

#include "qxfer/jit/insn.h"
#include "stub/base/space.h"

#define GAPS_MAX       65536u /* of one image */
#define GAPS_FDES_MAX  (1u << 21)
#define GAPS_TABLE_MAX (128u << 20) /* bytes of .eh_frame */
#define GAPS_CODE_MAX  (64u << 20)  /* bytes in gaps that are looked at */

struct gap {
	uint64_t start, end; /* run-time addresses */
};

struct gaps {
	struct gap *gap; /* by address */
	size_t n, cap;
};

void gaps_deinit(struct gaps *g);

/*
 * What lies in [lo, hi), is mapped executable, and is described by no entry of the
 * .eh_frame_hdr at @hdr (0: there is none, so that nothing is).  Padding between
 * functions is no gap: with a decoder of @d, or NULL.  ERR_NOMEM, or ERR_BAD_DATA: the table cannot be
 * read, and what it describes is not known.
 */
struct err *gaps_find(const struct space *s, uint64_t hdr, uint64_t lo, uint64_t hi,
		      const struct insn_decoder *d, struct gaps *ret) MUST_CHECK;

#endif
