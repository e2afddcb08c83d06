/* SPDX-License-Identifier: MIT */
/*
 * Which Python frame the user chose, for each thread; good for one stop.
 */
#ifndef STUB_CHOICE_H
#define STUB_CHOICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHOICES_MAX 32u /* threads; of more, the one chosen in first is forgotten */

/* All zero: nothing was chosen. */
struct choices {
	uint64_t stop; /* struct target's stop count */
	size_t n;
	struct choice {
		pid_t tid;
		size_t frame; /* 0 is the innermost */
	} of[CHOICES_MAX];
};

/* The frame chosen in @tid at this stop; 0 if none was. */
size_t choice_get(const struct choices *c, uint64_t stop, pid_t tid);
void choice_set(struct choices *c, uint64_t stop, pid_t tid, size_t frame);

#endif
