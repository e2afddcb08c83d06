/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/area.h"

#include <stdlib.h>
#include <string.h>

static void bytes_deinit(struct area_bytes *b)
{
	free(b->data);
	free(b->run);
	*b = (struct area_bytes){ 0 };
}

void area_deinit(struct area *a)
{
	bytes_deinit(&a->now);
	bytes_deinit(&a->before);
	jit_table_deinit(&a->table);
	jit_table_deinit(&a->last);
}

/* ---- reading ---- */

static bool room(struct area_bytes *b, size_t len)
{
	if (b->cap - b->len >= len)
		return true;
	size_t cap = (b->len + len) * 2;
	uint8_t *data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

static bool add_run(struct area_bytes *b, uint32_t start, uint32_t len)
{
	struct area_run *last = b->nruns ? &b->run[b->nruns - 1] : NULL;
	if (last && last->start + last->len == start) {
		last->len += len;
		b->len += len;
		return true;
	}
	if (b->nruns == b->runs_cap) {
		size_t cap = b->runs_cap ? b->runs_cap * 2 : 16;
		struct area_run *run = reallocarray(b->run, cap, sizeof(*run));
		if (!run)
			return false;
		b->run = run;
		b->runs_cap = cap;
	}
	b->run[b->nruns++] = (struct area_run){ start, len, b->len };
	b->len += len;
	return true;
}

/* [start, start + len) of the area, whose pages all exist.  False: out of memory. */
static bool read_run(struct area_bytes *b, const struct area *a, const struct space *s,
		     uint64_t start, uint64_t len)
{
	if (len > AREA_BYTES_MAX - b->len) {
		b->cut = true;
		len = AREA_BYTES_MAX - b->len;
	}
	if (!len)
		return true;
	if (!room(b, (size_t)len))
		return false;
	size_t got = mem_read_some(s->mem, a->start + start, b->data + b->len, (size_t)len);
	return !got || add_run(b, (uint32_t)start, (uint32_t)got);
}

#define PAGES 4096u /* asked about at once */

static bool read_pages(struct area_bytes *b, const struct area *a, const struct space *s)
{
	uint8_t there[PAGES];
	uint64_t size = a->end - a->start;
	bool ok = true;

	for (uint64_t at = 0; at < size && ok && !b->cut; at += (uint64_t)PAGES * MEM_PAGE) {
		size_t n = (size_t)((size - at + MEM_PAGE - 1) / MEM_PAGE), first = 0;
		n = n < PAGES ? n : PAGES;
		memset(there, 1, n);
		if (s->present)
			s->present(s->ctx, a->start + at, n, there);
		for (size_t i = 0; i <= n && ok; i++) {
			if (i < n && there[i])
				continue;
			if (i > first)
				ok = read_run(b, a, s, at + first * MEM_PAGE,
					      (i - first) * MEM_PAGE);
			first = i + 1;
		}
	}
	return ok;
}

static bool is_same(const struct area_bytes *a, const struct area_bytes *b)
{
	if (a->len != b->len || a->nruns != b->nruns)
		return false;
	for (size_t i = 0; i < a->nruns; i++)
		if (a->run[i].start != b->run[i].start || a->run[i].len != b->run[i].len)
			return false;
	return !a->len || memcmp(a->data, b->data, a->len) == 0;
}

const uint8_t *area_before(const struct area *a, uint32_t offset, uint32_t len)
{
	const struct area_bytes *b = &a->before;
	size_t lo = 0, hi = b->nruns;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (b->run[mid].start <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	const struct area_run *run = lo ? &b->run[lo - 1] : NULL;
	if (!run || offset - run->start >= run->len || len > run->len - (offset - run->start))
		return NULL;
	return b->data + run->at + (offset - run->start);
}

struct err *area_refresh(struct area *a, const struct space *s, struct flow *f)
{
	struct area_bytes last = a->now;

	if (a->generation == s->mem->generation)
		return NULL;
	a->generation = s->mem->generation;
	a->now = a->before;
	a->before = last;
	a->now.len = a->now.nruns = 0;
	a->now.cut = false;
	if (!read_pages(&a->now, a, s))
		return &err_nomem;
	if (a->version && is_same(&a->now, &a->before))
		return NULL;
	a->version++;
	struct jit_table table = a->last;
	a->last = a->table;
	a->last_kind = a->kind;
	a->table = table;
	jit_table_clear(&a->table);
	area_analyse(a, s, f);
	return a->table.failed ? &err_nomem : NULL;
}
