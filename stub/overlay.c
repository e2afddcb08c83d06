/* SPDX-License-Identifier: MIT */
#include "stub/overlay.h"

const struct overlay_area *overlay_find(const struct overlay *o, uint64_t addr, uint64_t len)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct overlay_area *a = &o->areas[i];
		if (addr < a->end && (addr >= a->start || len > a->start - addr))
			return a;
	}
	return NULL;
}

size_t overlay_read(const struct overlay *o, struct mem *below, uint64_t addr, void *buf,
		    size_t len)
{
	uint8_t *to = buf;
	size_t done = 0, n, got;

	while (done < len) {
		uint64_t at = addr + done;
		const struct overlay_area *a = at < addr ? NULL : overlay_find(o, at, len - done);
		bool inside = a && at >= a->start;
		uint64_t there = !a ? len - done : inside ? a->end - at : a->start - at;
		n = there < len - done ? (size_t)there : len - done;
		got = inside ? a->read(o->ctx, at, to + done, n)
			     : mem_read_some(below, at, to + done, n);
		done += got;
		if (got < n)
			break;
	}
	return done;
}
