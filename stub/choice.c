/* SPDX-License-Identifier: MIT */
#include "stub/choice.h"

#include <string.h>

size_t choice_get(const struct choices *c, uint64_t stop, pid_t tid)
{
	for (size_t i = 0; c->stop == stop && i < c->n; i++)
		if (c->of[i].tid == tid)
			return c->of[i].frame;
	return 0;
}

void choice_set(struct choices *c, uint64_t stop, pid_t tid, size_t frame)
{
	if (c->stop != stop)
		*c = (struct choices){ .stop = stop };
	for (size_t i = 0; i < c->n; i++) {
		if (c->of[i].tid == tid) {
			c->of[i].frame = frame;
			return;
		}
	}
	if (c->n == CHOICES_MAX)
		memmove(&c->of[0], &c->of[1], --c->n * sizeof(c->of[0]));
	c->of[c->n++] = (struct choice){ tid, frame };
}
