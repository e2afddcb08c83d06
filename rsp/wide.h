/* SPDX-License-Identifier: MIT */
/*
 * The inner loops of rsp/frame.c where the processor has AVX2, 32 bytes at a time.  Each does a
 * first part of the work, possibly none of it, and the caller the rest: without AVX2 that is all.
 */
#ifndef RSP_WIDE_H
#define RSP_WIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From @in to @out, with a sum of what was put there. */
struct wide {
	const uint8_t *in, *end;
	uint8_t *out;
	uint8_t sum;
};

bool wide_is_there(void);

/*
 * Copies and escapes up to where a run of four begins that is to be shortened, or to near the
 * end, of which something is left.  At @out is room for twice what is left, and only there.
 */
void wide_encode(struct wide *w);

/*
 * Copies a body, without its escapes, up to a '$', a '#' or what is near the end; the sum is that
 * of what was read.  At @out is room for what is left and WIDE_ROOM more.
 */
#define WIDE_ROOM 32u
void wide_decode(struct wide *w);

/* As many blocks of @data as fit in @room once escaped; adds what they take to *used. */
size_t wide_fit(const uint8_t *data, size_t len, size_t room, size_t *used);

#endif
