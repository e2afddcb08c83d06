/* SPDX-License-Identifier: MIT */
/*
 * The calls that a stepped thread has made and not returned from, each with what its callee will
 * find: the truth that unwind tables are held against.
 */
#ifndef TESTS_UNWIND_SHADOW_H
#define TESTS_UNWIND_SHADOW_H

#include "tests/unwind/one_space.h"

#define SHADOW_MAX 65536u

struct call {
	uint64_t ra, sp, rbp; /* sp: where the return address lies */
	bool in_place;	      /* as of shadow_leave() it does */
};

struct shadow {
	struct call call[SHADOW_MAX];
	size_t depth;
	long resynced; /* returns to another place than the last call's */
};

/* One instruction was executed: from @was, whose bytes are @code, to where @now is. */
void shadow_follow(struct shadow *s, const struct user_regs_struct *was, const uint8_t *code,
		   const struct one_space *now);
/*
 * Around what runs as it is: return addresses that it changes (V8 does, in frames that are to be left by its
 * deoptimizer) are true from then on.
 */
void shadow_leave(struct shadow *s, const struct one_space *now);
void shadow_come_back(struct shadow *s, const struct one_space *now);
/* @now is at the entry of a function that something called which was not stepped. */
void shadow_enter(struct shadow *s, const struct one_space *now);

#endif
