/* SPDX-License-Identifier: MIT */
/*
 * What is kept of an image in a file.  Whoever could write the file is trusted no more than the
 * inferior: all is checked, and a file that does not check out is as if there were none.
 */
#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/object.h"

#define MAGIC 0x574e5541u /* "AUNW" */

struct head {
	uint32_t magic, sum; /* of all that follows */
	uint64_t size;	     /* hi - lo */
	uint32_t nparts, nrows, nrules, nfuncs, names_len, reserved;
};

static uint32_t sum_of(const uint8_t *p, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return (uint32_t)(h ^ h >> 32);
}

void object_save(const struct object *o, struct buf *out)
{
	const struct jit_table *t = &o->table;
	struct head head = { .magic = MAGIC,
			     .size = o->hi - o->lo,
			     .nparts = (uint32_t)o->nparts,
			     .nrows = (uint32_t)t->nrows,
			     .nrules = (uint32_t)t->nrules,
			     .nfuncs = (uint32_t)t->nfuncs,
			     .names_len = (uint32_t)t->names_len };

	buf_put(out, &head, sizeof(head));
	buf_put(out, o->part, o->nparts * sizeof(*o->part));
	buf_put(out, t->row, t->nrows * sizeof(*t->row));
	buf_put(out, t->rule, t->nrules * sizeof(*t->rule));
	buf_put(out, t->func, t->nfuncs * sizeof(*t->func));
	buf_put(out, t->names, t->names_len);
	if (out->failed)
		return;
	head.sum = sum_of(out->data + 8, out->len - 8);
	memcpy(out->data, &head, sizeof(head));
}

/* The next @n pieces of @size; NULL: not so many are there, or out of memory. */
static void *take(const uint8_t **at, size_t *left, size_t n, size_t size)
{
	if (n > *left / size)
		return NULL;
	void *copy = malloc(n * size + 1);
	if (copy && n)
		memcpy(copy, *at, n * size);
	*at += n * size;
	*left -= n * size;
	return copy;
}

static bool parts_are_sound(const struct object *o)
{
	uint64_t end = 0;
	for (size_t i = 0; i < o->nparts; i++) {
		const struct object_part *p = &o->part[i];
		if (p->start < end || p->end <= p->start || p->end > o->hi - o->lo ||
		    p->kind >= JIT_KINDS)
			return false;
		end = p->end;
	}
	return true;
}

static bool rules_are_sound(const struct jit_table *t)
{
	for (size_t i = 0; i < t->nrules; i++)
		if (t->rule[i].cfa_reg >= JIT_REGS || t->rule[i].ra_kind > JIT_RA_IN_MEM ||
		    t->rule[i].ra_reg >= JIT_REGS || t->rule[i].cfa_kind > JIT_CFA_SAVED ||
		    t->rule[i].index_reg >= JIT_REGS)
			return false;
	for (size_t i = 0; i < t->nrows; i++)
		if ((t->row[i].rule >= t->nrules && t->row[i].rule != JIT_NO_RULE) ||
		    (i && t->row[i].start <= t->row[i - 1].start))
			return false;
	return true;
}

static bool names_are_sound(const struct jit_table *t)
{
	uint64_t end = 0;
	if (t->names_len && (t->names[0] || t->names[t->names_len - 1]))
		return false;
	for (size_t i = 0; i < t->nfuncs; i++) {
		const struct jit_func *f = &t->func[i];
		if (f->start < end || f->name >= (t->names_len ? t->names_len : 1))
			return false;
		end = (uint64_t)f->start + f->len;
	}
	return true;
}

static bool fill(struct object *o, const struct head *head, const uint8_t *at, size_t left)
{
	struct jit_table *t = &o->table;
	o->nparts = head->nparts;
	t->nrows = t->rows_cap = head->nrows;
	t->nrules = t->rules_cap = head->nrules;
	t->nfuncs = t->funcs_cap = head->nfuncs;
	t->names_len = t->names_cap = head->names_len;
	o->part = take(&at, &left, o->nparts, sizeof(*o->part));
	t->row = o->part ? take(&at, &left, t->nrows, sizeof(*t->row)) : NULL;
	t->rule = t->row ? take(&at, &left, t->nrules, sizeof(*t->rule)) : NULL;
	t->func = t->rule ? take(&at, &left, t->nfuncs, sizeof(*t->func)) : NULL;
	t->names = t->func ? take(&at, &left, t->names_len, 1) : NULL;
	return t->names && !left && parts_are_sound(o) && rules_are_sound(t) && names_are_sound(t);
}

bool object_restore(struct object *o, const uint8_t *data, size_t len)
{
	struct head head;

	if (len < sizeof(head))
		return false;
	memcpy(&head, data, sizeof(head));
	if (head.magic != MAGIC || head.size != o->hi - o->lo ||
	    head.sum != sum_of(data + 8, len - 8))
		return false;
	if (fill(o, &head, data + sizeof(head), len - sizeof(head)))
		return true;
	free(o->part);
	o->part = NULL;
	o->nparts = 0;
	jit_table_deinit(&o->table);
	return false;
}
