/* SPDX-License-Identifier: MIT */
/*
 * Software breakpoints and their shadow.
 *
 * The inferior's memory holds a trap where a breakpoint is; nobody but the
 * inferior may see it.  A target passes what it reads through
 * points_hide() and what it writes through points_merge(), and so breakpoints
 * never reach a page cache or a client.
 */
#ifndef STUB_TARGET_POINT_H
#define STUB_TARGET_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/base/err.h"

#define POINT_INSN_MAX 4u

struct point {
	uint64_t addr;
	uint8_t saved[POINT_INSN_MAX]; /* what the trap replaced */
	uint8_t trap[POINT_INSN_MAX];  /* what is there now */
	bool client;		       /* somebody outside the stub wants it */
	bool own;		       /* the stub wants it; see struct target_own_ops */
	bool trace;		       /* a tracepoint is here: POINT_TRACE */
	bool scratch; /* the inferior writes there too, and the saved bytes count all the same */
};

struct points {
	struct point *point; /* sorted by address */
	size_t n, cap;
	const uint8_t *insn; /* the trap */
	uint8_t len;
	bool shared;
};

#define POINTS_SHARED_MAX (1u << 20) /* then there is no room for more */

/*
 * Keeps them where processes that are forked see them, from now on; those that there are not
 * have address 0.  While there are none.  False: no memory.
 */
bool points_share(struct points *ps);
void points_deinit(struct points *ps);

struct point *points_find(const struct points *ps, uint64_t addr);
/*
 * Remember one of nobody's with the trap `insn'; its bytes are not touched here.  The
 * address must not be there already.
 */
struct err *points_add(struct points *ps, uint64_t addr, const uint8_t *saved,
		       struct point **ret) MUST_CHECK;
void points_drop(struct points *ps, uint64_t addr);
void points_clear(struct points *ps);

/* @buf was read from @addr: puts the replaced bytes back. */
void points_hide(const struct points *ps, uint64_t addr, void *buf, size_t len);
/* @buf is to be written at @addr: keeps what belongs under a trap, and the trap in @buf. */
void points_merge(struct points *ps, uint64_t addr, void *buf, size_t len);
/* Whether any byte of [addr, addr + len) is under a trap. */
bool points_overlap(const struct points *ps, uint64_t addr, size_t len);

#endif
