/* SPDX-License-Identifier: MIT */
/* Line tables as they are given, and as a debugger can use them; fingerprints. */
#include <stdlib.h>
#include <string.h>

#include "qxfer/synth/priv.h"

/* ---- fingerprints ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
	size_t len = strlen(text);
	h = mix(h, len);
	for (; len >= 8; text += 8, len -= 8) {
		uint64_t v;
		memcpy(&v, text, 8);
		h = mix(h, v);
	}
	uint64_t tail = 0;
	memcpy(&tail, text, len);
	return mix(h, tail);
}

uint64_t synth_fingerprint(const struct synth_code *code)
{
	uint64_t h = mix(code->len, (uint32_t)code->first_line);
	h = mix_text(h, code->name);
	h = mix_text(h, code->qualname ? code->qualname : code->name);
	h = mix_text(h, code->file);
	h = mix(h, code->nrows);
	for (size_t i = 0; i < code->nrows; i++) {
		const struct synth_row *r = &code->rows[i];
		h = mix(mix(h, r->start | (uint64_t)r->end << 32), (uint32_t)r->line);
	}
	h = mix(h, code->nvariables);
	for (size_t i = 0; i < code->nvariables; i++)
		h = mix(mix_text(h, code->variables[i].name), code->variables[i].argument);
	return h;
}

/* ---- rows ---- */

struct sorted {
	const struct synth_row *row;
	size_t order;
};

static int by_start(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	if (x->row->start != y->row->start)
		return x->row->start < y->row->start ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool in_order(const struct synth_code *code)
{
	for (size_t i = 1; i < code->nrows; i++)
		if (code->rows[i].start < code->rows[i - 1].start)
			return false;
	return true;
}

/* Rows that are being made; the last one ends where the next begins. */
struct making {
	struct synth_row *row;
	size_t n;
	int32_t line; /* of the last one, or of the def */
};

static void make_row(struct making *m, uint32_t start, uint32_t end, int32_t line)
{
	if (start >= end)
		return;
	m->line = line < 1 ? m->line : line;
	if (m->n && m->row[m->n - 1].line == m->line)
		m->row[m->n - 1].end = end;
	else
		m->row[m->n++] = (struct synth_row){ start, end, m->line };
}

static void take_row(struct making *m, const struct synth_row *r, uint32_t len)
{
	uint32_t at = m->n ? m->row[m->n - 1].end : 0;
	uint32_t start = r->start > at ? r->start : at, end = r->end < len ? r->end : len;
	if (start >= end)
		return;
	make_row(m, at, start, 0); /* a gap */
	make_row(m, start, end, r->line);
}

static struct err *take_unordered(struct making *m, const struct synth_code *code, uint32_t len)
{
	struct sorted *sorted = calloc(code->nrows, sizeof(*sorted));
	if (!sorted)
		return &err_nomem;
	for (size_t i = 0; i < code->nrows; i++)
		sorted[i] = (struct sorted){ &code->rows[i], i };
	qsort(sorted, code->nrows, sizeof(*sorted), by_start);
	for (size_t i = 0; i < code->nrows; i++)
		take_row(m, sorted[i].row, len);
	free(sorted);
	return NULL;
}

struct err *synth_rows(const struct synth_code *code, struct synth_row *ret, size_t *n_ret)
{
	struct making m = { ret, 0, code->first_line > 0 ? code->first_line : 1 };
	uint32_t len = synth_text_len(code);

	if (in_order(code)) {
		for (size_t i = 0; i < code->nrows; i++)
			take_row(&m, &code->rows[i], len);
	} else {
		struct err *err = take_unordered(&m, code, len);
		if (err)
			return err;
	}
	make_row(&m, m.n ? m.row[m.n - 1].end : 0, len, 0);
	*n_ret = m.n;
	return NULL;
}

const struct synth_row *synth_row_at(const struct synth_code *code, uint32_t offset)
{
	size_t lo = 0, hi = code->nrows;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (code->rows[mid].start <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return &code->rows[lo];
}

const struct synth_row *synth_body(const struct synth_code *code)
{
	for (size_t i = 0; i < code->nrows; i++)
		if (code->rows[i].line != code->first_line)
			return &code->rows[i];
	return &code->rows[0];
}
